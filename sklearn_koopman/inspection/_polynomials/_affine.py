"""Linear steps of a student, one after the other, as one matrix and an offset."""

from dataclasses import dataclass

import numpy as np

from ...lifting import degree_of, taking_arrays, transformed

# So long a step loses no digits of the matrix to the offset, however large that is.
STEP = 2.0**40


@dataclass(frozen=True)
class AffineMap:
    """A matrix and an offset.

    Attributes
    ----------
    matrix : ndarray of shape (n_outputs, n_inputs)
    offset : ndarray of shape (n_outputs,)
    """

    matrix: np.ndarray
    offset: np.ndarray

    @classmethod
    def identity(cls, n_inputs):
        """Return what leaves rows as they are."""
        return cls(np.eye(n_inputs), np.zeros(n_inputs))

    @classmethod
    def of_step(cls, step):
        """Return what a fitted transformer does, None if it is not known to be linear."""
        if degree_of(step) != 1 or not hasattr(step, "n_features_in_"):
            return None
        step, n = taking_arrays(step), step.n_features_in_
        offset = transformed(step, np.zeros((1, n)))[0].astype(float)
        return cls((transformed(step, STEP * np.eye(n)) - offset).T / STEP, offset)

    @property
    def is_identity(self):
        """Whether rows stay as they are."""
        return not self.offset.any() and np.array_equal(self.matrix, np.eye(*self.matrix.shape))

    def __call__(self, X):
        """Return rows times the matrix, and the offset."""
        return X @ self.matrix.T + self.offset

    def after(self, first):
        """Return what does `first`, and then this."""
        return AffineMap(self.matrix @ first.matrix, self.matrix @ first.offset + self.offset)
