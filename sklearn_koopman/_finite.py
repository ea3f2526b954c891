"""Numbers that overflow end in an error that says so, not in results that look like any other."""

from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import numpy as np
from numpy.linalg import LinAlgError
from scipy.sparse.linalg import ArpackError

_SCALE_FIRST = "Scale the features first (StandardScaler, PCA(whiten=True)), or use float64."


def all_finite(array):
    """Say whether all numbers of an array are finite; what is not floating point always is."""
    if array.dtype.kind not in "fc":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum()  # one pass, and no array of booleans
    return bool(np.isfinite(total) or np.isfinite(array).all())


def finite(array, what):
    """Return an array; raise ValueError where a number in it is not finite.

    Parameters
    ----------
    array : ndarray
    what : str
        What the numbers are; the subject of the message's first sentence, a plural.

    Returns
    -------
    array : ndarray
        The same.
    """
    if not all_finite(array):
        rows = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        raise ValueError(
            f"{what} are not finite: they overflow {array.dtype} in {np.count_nonzero(rows)} of "
            f"{len(rows)} rows, row {rows.argmax()} say. Are the rows scaled like those that fit "
            f"received? {_SCALE_FIRST}"
        )
    return array


def check_finite_attributes(estimator, fitted):
    """Raise ValueError where something that a fit has found is not finite.

    Parameters
    ----------
    estimator : estimator instance
    fitted : dict of str -> object
        Fitted attributes by name. Arrays are looked at, also those in lists and dataclasses, and
        numbers.
    """
    for name, value in fitted.items():
        if isinstance(value, float) and not np.isfinite(value):
            raise _overflow(estimator, name, "float64")
        for array in _arrays(value):
            if not all_finite(array):
                raise _overflow(estimator, name, array.dtype)


def _overflow(estimator, name, dtype):
    return ValueError(
        f"The {name} that {type(estimator).__name__} finds is not finite: numbers overflow "
        f"{dtype}, or are divided by what is zero to rounding. {_SCALE_FIRST} Targets "
        "(soft_labels, outputs of a teacher) and parameters must not be huge either."
    )


def _arrays(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _arrays(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _arrays(getattr(value, field.name))


@contextmanager
def explaining_linear_algebra(what):
    """Say what to do where a decomposition of numpy or scipy fails within the context.

    Errors of this package, which say that themselves, are left as they are.

    Parameters
    ----------
    what : str
        What is computed; the subject of the message.
    """
    try:
        yield
    except (ArpackError, LinAlgError, ValueError) as error:
        bare = str(error)
        if not any(each in bare for each in _BARE):
            raise
        raise LinAlgError(
            f"{what} fails in linear algebra ({bare.rstrip('.')}): numbers are too large, too "
            f"small or too unlike each other. {_SCALE_FIRST}"
        ) from error


# What numpy and scipy say.
_BARE = (
    "ARPACK error",
    "did not converge",
    "must not contain infs or NaNs",
    "not positive definite",
    "Singular matrix",
    "singular matrix",
    "internal value",
)
