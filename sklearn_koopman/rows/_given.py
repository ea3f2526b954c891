"""Rows in the form that the user gave: arrays of any shape and type, data frames, texts.

Readers take some rows at a time, so they are converted, or lifted, block by block.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, prod

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from .._validation import DTYPES

# Largest numbers of values and of rows that are read at a time.
NUMBERS_READ = 2**18
ROWS_READ = 2**13


class GivenRows:
    """Rows in the form in which they were given, of which some are read at a time.

    Parameters
    ----------
    X : ndarray, data frame, series, or sparse matrix of shape (n_samples, ...)

    Attributes
    ----------
    shape : tuple
    dtype : numpy.dtype
        Dtype of an array, and object for other forms.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.rows import GivenRows
    >>> rows = GivenRows(np.array(["some text", "more", "text"], dtype=object))
    >>> rows.map(lambda texts: np.array([[len(text)] for text in texts])).ravel()
    array([9, 4, 4])
    """

    def __init__(self, X):
        self.X = X.tocsr() if issparse(X) else X
        self.shape = tuple(X.shape)
        self.ndim = len(self.shape)
        self.dtype = X.dtype if isinstance(X, np.ndarray) else np.dtype(object)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return some rows: a slice, or an array of indices."""
        return taken(self.X, rows)

    def map(self, function):
        """Return ``function(block)`` of all rows, joined. It maps rows to as many rows."""
        most = max(1, min(NUMBERS_READ // max(prod(self.shape[1:]), 1), ROWS_READ))
        joined = None
        for rows in gen_batches(len(self), most):
            results = function(self[rows])
            if joined is None:
                joined = np.empty((len(self), *results.shape[1:]), results.dtype)
            joined[rows] = results
        return function(self[:0]) if joined is None else joined


class FloatRows(GivenRows):
    """Whole numbers that become floats when they are read, so the whole array is never converted.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.rows import FloatRows
    >>> FloatRows(np.array([[1, 2], [3, 4]], dtype=np.uint8))[1:]
    array([[3., 4.]])
    """

    def __init__(self, X):
        super().__init__(X)
        self.dtype = np.dtype(np.float64)

    def __getitem__(self, rows):
        """Return some rows, as float64."""
        return self.X[rows].astype(np.float64)


def as_given(X):
    """Return the user's input as rows that can be read some at a time, without checks.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)

    Returns
    -------
    rows : ndarray of float32 or float64, shape (n_samples, n_columns), or GivenRows
    """
    if np.isscalar(X) or X is None or getattr(X, "shape", None) == ():
        raise ValueError(
            f"X={X!r} has no rows: pass an array-like of shape (n_samples, ...), a data frame, or "
            "a list of texts."
        )
    is_frame = hasattr(X, "columns") or hasattr(X, "iloc") or _is_polars(X)
    if not (is_frame or issparse(X) or isinstance(X, np.ndarray)):
        X = _as_array(X)
    is_plain = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype in DTYPES
    return X if is_plain else GivenRows(X)


def as_floats(X):
    """Return whole numbers as rows that become floats when they are read, others unchanged."""
    is_whole = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "biu"
    return FloatRows(X) if is_whole else X


def taken(X, rows):
    """Return some rows of an array, a data frame, a sparse matrix or a list in the same form.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
    rows : slice, or ndarray of int or of bool
    """
    if not isinstance(rows, slice) and np.asarray(rows).dtype == bool:
        rows = np.flatnonzero(rows)
    if isinstance(X, GivenRows):
        return taken(X.X, rows)
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if issparse(X):
        return X.tocsr()[rows]
    if isinstance(X, list | tuple) and not isinstance(rows, slice):
        return [X[row] for row in rows]
    return (
        X[rows] if hasattr(X, "shape") or isinstance(X, list | tuple) else np.asarray(X)[rows]
    )


def n_numbers(row):
    """Return the number of values in a row, which is a block of one row, or else infinity."""
    is_numeric = isinstance(row, np.ndarray) and row.dtype.kind in "biuf"
    return prod(row.shape[1:]) if is_numeric else inf


@contextmanager
def telling_what_rows_are(X):
    """Refuse iterators over rows, and add advice to errors about rows that are not flat."""
    if type(X).__module__.startswith("torch.utils.data") or isinstance(X, Iterator):
        raise TypeError(
            f"X is a {type(X).__name__}, which gives its rows one after the other, but all rows "
            "are needed, as an array of flat rows. From a DataLoader of images and labels: "
            "batches = list(loader); X = np.concatenate([images.flatten(1).numpy() for images, _ "
            "in batches]); y = np.concatenate([labels.numpy() for _, labels in batches])."
        )
    try:
        yield
    except ValueError as error:
        is_of_shape = any(words in str(error) for words in ("array with dim", "features, but"))
        if getattr(X, "ndim", 2) <= 2 or not is_of_shape:
            raise
        raise ValueError(
            f"{error} Here X has the shape {tuple(X.shape)}. Flatten its rows: X.reshape(len(X), "
            "-1); or let the first step of the pipeline do it, sklearn_koopman.Flatten(), so that "
            "the teacher sees rows with their shape."
        ) from error


def _is_polars(X):
    return type(X).__module__.partition(".")[0] == "polars"


def _as_array(X):
    """Return a sequence as an array of numbers, or of objects such as texts."""
    try:
        array = np.asarray(X)
    except ValueError:  # rows of different lengths
        array = None
    if array is not None and array.dtype.kind in "biufO":
        return array
    objects = np.empty(len(X), dtype=object)
    objects[:] = list(X)
    return objects
