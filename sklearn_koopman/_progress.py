"""How far long work has come: one bar at a time on stderr, or a line for each step.

Who works calls `watched` or `progress`, whatever `verbose` is; who was asked to work says with
`showing_progress` how much is shown. Bars need tqdm; without it there are none.
"""

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass
class _Watch:
    """What is shown of the work at hand.

    Attributes
    ----------
    verbose : int
    has_bar : bool
        Whether there is a bar already: what is done for it shows none of its own.
    """

    verbose: int = 0
    has_bar: bool = False


# None where nobody has said how much is to be shown: nothing.
_WATCH: ContextVar[_Watch | None] = ContextVar("_WATCH", default=None)


@contextmanager
def showing_progress(verbose):
    """Show, within the context, how far long work has come.

    Parameters
    ----------
    verbose : int or None
        0 shows nothing; 1 a bar; from 2 on, a line for each step. None: what the context around
        this one shows; without one, a bar where somebody is likely to see it.
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
    """Return an iterable of the items that moves a bar, where bars are asked for.

    No bar for what takes less than a second, and none within another.

    Parameters
    ----------
    items : list
    title, unit : str, default="pass over the rows", "block"
        What the bar says.

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
    """Give a `Steps` that is to be told of every step: it moves a bar, or prints a line for each.

    Parameters
    ----------
    title : str
        What the bar says.
    total : int or float, default=None
        How many steps there will be; None: nobody knows.
    unit : str, default=None
        What a step is. None: there are none to tell of, and the title stands alone.
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
    # How much of the work is done is known, and not in how many steps.
    1: "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}{postfix}]",
    # Nobody knows how many steps there will be.
    None: "{desc}: {n_fmt}{unit} [{elapsed}{postfix}]",
}


@dataclass
class Steps:
    """What is told of every step.

    Attributes
    ----------
    bar : tqdm, default=None
    prints : bool, default=False
        Whether to print what is said of each step.
    """

    bar: Any = None
    prints: bool = False

    def done(self, text=None, n=1):
        """Say that a step is done.

        Parameters
        ----------
        text : str, default=None
            What to say of it. None prints no line.
        n : int, default=1
            How many steps it was.
        """
        if self.prints and text is not None:
            print(text, flush=True)
        if self.bar is not None:
            if text is not None:
                self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(n)

    def reached(self, share, text=None):
        """Say that a share of all work, of a total of 1, is done; a bar never goes back."""
        n_done = 0.0 if self.bar is None else self.bar.n
        self.done(text, max(min(share, 1.0) - n_done, 0.0))


def _bar():
    """Return what makes a bar for this terminal or notebook, None without tqdm."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    # A file gets a few lines of it.
    return partial(tqdm, leave=False, mininterval=0.1 if is_seen() else 10)
