"""Checks that turn overflow into clear errors instead of wrong results."""

from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import numpy as np
from numpy.linalg import LinAlgError
from scipy.sparse.linalg import ArpackError

_SCALE_FIRST = "Scale the features first (StandardScaler, PCA(whiten=True)), or use float64."


def all_finite(array):
    """Return whether all numbers of an array are finite. Other dtypes than floats always are."""
    if array.dtype.kind not in "fc":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum()  # one pass, without an array of booleans
    return bool(np.isfinite(total) or np.isfinite(array).all())


def finite(array, what):
    """Return an array. Raise ValueError if a number in it is not finite.

    Parameters
    ----------
    array : ndarray
    what : str
        Name of the numbers, a plural that is the subject of the message's first sentence.

    Returns
    -------
    array : ndarray
        The same.
    """
    if not all_finite(array):
        rows = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        raise ValueError(
            f"{what} are not finite: they overflow {array.dtype} in {np.count_nonzero(rows)} of "
            f"{len(rows)} rows, for example row {rows.argmax()}. Are the rows scaled like the ones "
            f"that fit received? {_SCALE_FIRST}"
        )
    return array


def check_finite_attributes(estimator, fitted):
    """Raise ValueError if a result of a fit is not finite.

    Parameters
    ----------
    estimator : estimator instance
    fitted : dict of str -> object
        Fitted attributes by name. Numbers and arrays are checked, also inside lists and
        dataclasses.
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
        f"{dtype}, or are divided by almost zero. {_SCALE_FIRST} Targets (soft_labels, outputs of "
        "a teacher) and parameters must not be huge either."
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
    """Add advice to errors if a decomposition of numpy or scipy fails within the context.

    Errors of this package, which have such advice, do not change.

    Parameters
    ----------
    what : str
        Name of what is computed, which is the subject of the message.
    """
    try:
        yield
    except (ArpackError, LinAlgError, ValueError) as error:
        bare = str(error)
        if not any(each in bare for each in _BARE):
            raise
        raise LinAlgError(
            f"{what} fails in linear algebra ({bare.rstrip('.')}): numbers are too large, too "
            f"small or too different in size. {_SCALE_FIRST}"
        ) from error


# Parts of messages of numpy and scipy.
_BARE = (
    "ARPACK error",
    "did not converge",
    "must not contain infs or NaNs",
    "not positive definite",
    "Singular matrix",
    "singular matrix",
    "internal value",
)
