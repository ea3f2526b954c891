"""What is wrong with the outcome of a case."""

import signal
from contextlib import contextmanager
from traceback import extract_tb

import numpy as np

from .cases import run

# A case takes milliseconds. One that computes or waits for this many seconds hangs.
LONGEST, LONGEST_WAIT = 30, 600
REFUSALS = (ValueError, TypeError, MemoryError)
# Messages of numpy, scipy and Python when nobody has checked the input.
BARE = (
    "broadcast",
    "ambiguous",
    "did not converge",
    "infs or NaNs",
    "need at least one array",
    "cannot reshape",
    "not supported between",
    "unhashable",
    "object is not",
    "out of bounds",
    "has no len",
    "unsupported operand",
    "positional argument",
    "math domain",
    "zero-size array",
    "Singular matrix",
    "object has no attribute",
    "not subscriptable",
    "cannot convert float",
    "matmul",
    "probabilities contain NaN",
)


class HangError(Exception):
    """A case that does not end."""


@contextmanager
def at_most(seconds, waiting):
    """Raise HangError when the time is over, if the system has alarms.

    Parameters
    ----------
    seconds : float
        Limit of processor time. (Other programs may use the processor, too.)
    waiting : float
        Limit of time on the clock.
    """

    def ring(*_):
        raise HangError(f"not done after {seconds} s of the processor, or {waiting} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    alarms = [
        (signal.ITIMER_PROF, signal.SIGPROF, seconds),
        (signal.ITIMER_REAL, signal.SIGALRM, waiting),
    ]
    before = [signal.signal(rings, ring) for _, rings, _ in alarms]
    for timer, _, limit in alarms:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (timer, rings, _), handler in zip(alarms, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(rings, handler)


def judged(seed):
    """Try the case of a seed; return its name, its outcome, and what is wrong with that."""
    with at_most(LONGEST, LONGEST_WAIT):
        outcome, error = run(seed)
    problems = list(outcome.problems)
    if error is not None:
        is_wrong = outcome.must_accept or is_bare(error)
        problems += [f"{type(error).__name__}: {error}"] if is_wrong else []
        if isinstance(error, HangError):
            problems.append(str(error))
    problems += [
        f"{name} is not finite"
        for name, value in outcome.found.items()
        if isinstance(value, np.ndarray)
        and value.dtype.kind in "fc"
        and not np.isfinite(value).all()
    ]
    return outcome.what, "refused" if error is not None else "accepted", problems


def is_bare(error):
    """Say whether an exception fails to tell which input is wrong, and why."""
    text = str(error)
    if not isinstance(error, REFUSALS) or len(text) < 15:
        return True
    if "Scale the features" in text:
        return False
    last = extract_tb(error.__traceback__)[-1].filename
    is_checked = any(where in last for where in ("sklearn", "fuzz"))
    return not is_checked or any(each in text for each in BARE)
