"""Rows of observables that are made when they are read. Pipelines pass them to students."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import make_pipeline

from ..lifting import taking_arrays, transformed


class Origin(NamedTuple):
    """The origin of lifted rows.

    Attributes
    ----------
    entered : array-like of shape (n_samples, ...)
        The rows that entered the pipeline, in the same order.
    lifter : fitted transformer
        All steps that the rows have passed, as one.
    """

    entered: Any
    lifter: Any


class LiftedRows:
    """Rows, and the fitted steps that lift them. They look like an array of observables.

    Slices of rows are lifted when they are read, and :func:`numpy.asarray` lifts all rows. Sums
    over rows lift them block by block, see `lifted_blocks`.

    Parameters
    ----------
    X : ndarray, FloatRows or dask array of shape (n_samples, n_columns)
        Input of the first step.
    steps : sequence of fitted transformers
        Steps that lift every row separately.
    origin : Origin, default=None
        The rows that entered the pipeline, if they are known.
    row : data frame of shape (1, n_columns), default=None
        The first row with its names, if the steps were fitted to a data frame.

    Attributes
    ----------
    shape : tuple (n_samples, n_observables)
    dtype : numpy.dtype

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman import MonomialLifter
    >>> from sklearn_koopman.rows import LiftedRows
    >>> X = np.array([[2.0], [3.0]])
    >>> rows = LiftedRows(X, [MonomialLifter(2).fit(X)])
    >>> rows.shape
    (2, 3)
    >>> rows[1:]
    array([[1., 3., 9.]])
    """

    ndim = 2

    def __init__(self, X, steps, origin=None, row=None):
        self.X = X
        self._fitted_steps = list(steps)
        self.steps = self._fitted_steps
        if row is not None:
            first, *others = steps
            self.steps = [taking_arrays(first), *others]
        self.origin = origin
        self._row = row
        row = self.lift(self.first_row())
        self.shape = (X.shape[0], row.shape[1])
        self.dtype = row.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return the observables of some rows: a slice, or an array of indices."""
        return self.lift(self.X[rows])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype=dtype)

    def first_row(self):
        """Return the first row before lifting, or zeros in its form for a dask array."""
        return row_like(self.X) if hasattr(self.X, "__dask_graph__") else self.X[:1]

    def lifted_by(self, step):
        """Return the rows after one more step."""
        return LiftedRows(self.X, [*self._fitted_steps, step], row=self._row)

    def named_row(self):
        """Return one row of observables in the form of the last step, which may be a data frame."""
        row = self.first_row() if self._row is None else self._row
        for step in self._fitted_steps:
            row = step.transform(row)
        return row

    @property
    def lifter(self):
        """The steps as one transformer, or None if there are none."""
        return make_pipeline(*self.steps) if self.steps else None

    @property
    def lift(self):
        """The function that lifts rows. It can be sent to other processes."""
        return partial(_lifted, self.lifter)


def row_like(X):
    """Return a row of zeros in the form of the rows of X, without reading any."""
    return np.zeros((1, X.shape[1]), X.dtype)


def _lifted(lifter, X):
    return X if lifter is None else transformed(lifter, X)
