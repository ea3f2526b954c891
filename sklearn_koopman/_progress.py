"""Progress of long work: one bar at a time on stderr, or a line for each step.

Code that works calls `watched` or `progress`, for every `verbose`. Its caller sets with
`showing_progress` how much is shown. Bars need tqdm. Without it there are none.
"""

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass
class _Watch:
    """How much of the current work is shown.

    Attributes
    ----------
    verbose : int
    has_bar : bool
        Whether there is already a bar. Work inside it shows no bar of its own.
    """

    verbose: int = 0
    has_bar: bool = False


# None if the caller has not set how much to show: then nothing is shown.
_WATCH: ContextVar[_Watch | None] = ContextVar("_WATCH", default=None)


@contextmanager
def showing_progress(verbose):
    """Show the progress of long work within the context.

    Parameters
    ----------
    verbose : int or None
        0 shows nothing; 1 a bar; from 2 on, a line for each step. None: as in the outer context, or
        without one, a bar if somebody is likely to see it.
    """
    around = _WATCH.get()
    if around is not None and (around.has_bar or verbose is None):
        watch = around
    else:
        watch = _Watch(int(is_seen() if verbose is None else verbose))
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


def is_seen():
    """Return whether stderr is a terminal, or this is a notebook."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return "IPKernelApp" in getattr(shell, "config", ())


def watched(items, title="pass over the rows", unit="block"):
    """Return an iterable of the items that moves a bar, if bars are on.

    There is no bar for work of less than a second, and none within another bar.

    Parameters
    ----------
    items : list
    title, unit : str, default="pass over the rows", "block"
        Text of the bar.

    Returns
    -------
    items : iterable
    """
    watch = _WATCH.get() or _Watch()
    if watch.verbose < 1 or watch.has_bar or (bar := _bar()) is None:
        return items
    return _moving(bar(items, desc=title, unit=f" {unit}", delay=1), watch)


def _moving(bar, watch):
    watch.has_bar = True
    try:
        yield from bar
    finally:
        watch.has_bar = False


@contextmanager
def progress(title, total=None, unit=None):
    """Yield a `Steps`, whose methods move a bar or print a line for each step.

    Parameters
    ----------
    title : str
        Text of the bar.
    total : int or float, default=None
        Number of steps. None: not known.
    unit : str, default=None
        Name of a step. None: there are no steps, and only the title is shown.
    """
    watch = _WATCH.get() or _Watch()
    if watch.verbose < 1 or watch.has_bar:
        yield Steps()
    elif watch.verbose > 1:
        yield Steps(prints=True)
    elif (bar := _bar()) is None:
        yield Steps()
    else:
        has_no_steps = total is None and unit is None
        form = "{desc}" if has_no_steps else _FORMS.get(total)
        watch.has_bar = True
        try:
            with bar(total=total, desc=title, unit=f" {unit}", bar_format=form) as moved:
                yield Steps(moved)
        finally:
            watch.has_bar = False


_FORMS = {
    # The share of finished work is known, but not the number of steps.
    1: "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}{postfix}]",
    # The number of steps is not known.
    None: "{desc}: {n_fmt}{unit} [{elapsed}{postfix}]",
}


@dataclass
class Steps:
    """Receives all steps.

    Attributes
    ----------
    bar : tqdm, default=None
    prints : bool, default=False
        Whether to print the text of each step.
    """

    bar: Any = None
    prints: bool = False

    def done(self, text=None, n=1):
        """Report that a step is done.

        Parameters
        ----------
        text : str, default=None
            Text of the step. None prints no line.
        n : int, default=1
            Number of steps.
        """
        if self.prints and text is not None:
            print(text, flush=True)
        if self.bar is not None:
            if text is not None:
                self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(n)

    def reached(self, share, text=None):
        """Report that a share of all work (total 1) is done. A bar never goes back."""
        n_done = 0.0 if self.bar is None else self.bar.n
        self.done(text, max(min(share, 1.0) - n_done, 0.0))


def _bar():
    """Return tqdm's bar for this terminal or notebook, or None without tqdm."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    # A file gets only a few lines.
    return partial(tqdm, leave=False, mininterval=0.1 if is_seen() else 10)
