"""The linear steps at the head of a chain, and their matrix."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from ._chain import steps_of, taking_arrays, transformed
from ._columns import ColumnParts
from ._forms._degrees import degree_of

# With a step of this length, no digits of the matrix are lost to a large offset.
STEP = 2.0**40


def split_linear(steps):
    """Return the linear steps at the head of a chain as one transformer, and the later steps.

    Parameters
    ----------
    steps : sequence of fitted transformers

    Returns
    -------
    head, tail : fitted transformer or None
        Transformers, or None if there is no such step. They take arrays without a warning.
    """
    steps = [taking_arrays(part) for step in steps for part in steps_of(step)]
    n_linear = 0
    while n_linear < len(steps) and degree_of(steps[n_linear]) == 1:
        n_linear += 1
    parts = steps[:n_linear], steps[n_linear:]
    head, tail = (make_pipeline(*part) if part else None for part in parts)
    return head, tail


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
        """Return the map that leaves rows as they are."""
        return cls(np.eye(n_inputs), np.zeros(n_inputs))

    @classmethod
    def of(cls, transformer, n_inputs=None):
        """Return a fitted transformer as an affine map, or None if it is not known to be linear.

        Parameters
        ----------
        transformer : fitted transformer or None
            None leaves rows as they are.
        n_inputs : int, default=None
            Number of features that it takes. None: its own attribute.
        """
        if n_inputs is None:
            n_inputs = getattr(transformer, "n_features_in_", None)
        if degree_of(transformer) != 1 or n_inputs is None:
            return None
        if transformer is None:
            return cls.identity(n_inputs)
        transformer = taking_arrays(transformer)
        offset = transformed(transformer, np.zeros((1, n_inputs)))[0].astype(float)
        ends = transformed(transformer, STEP * np.eye(n_inputs))
        return cls((ends - offset).T / STEP, offset)

    @property
    def is_identity(self):
        """Whether rows stay as they are."""
        return not self.offset.any() and np.array_equal(self.matrix, np.eye(*self.matrix.shape))

    def __call__(self, X):
        """Return rows times the matrix, plus the offset."""
        return X @ self.matrix.T + self.offset

    def after(self, first):
        """Return the map that applies `first`, and then this one."""
        return AffineMap(self.matrix @ first.matrix, self.matrix @ first.offset + self.offset)


def split_columns(transformer):
    """Split a fitted transformer into another one and an affine map of its output.

    Parameters
    ----------
    transformer : fitted transformer

    Returns
    -------
    head : fitted transformer
        The transformer. For a ColumnTransformer with affine parts, one that leaves the columns of
        these parts as they are.
    front : AffineMap or None
        The affine map after it, or None if there is no affine part.
    """
    if not isinstance(transformer, ColumnTransformer):
        return transformer, None
    whole = taking_arrays(transformer)
    if whole.names is None:
        return transformer, None
    names = whole.names_in or [f"x{i}" for i in range(whole.n_features_in)]
    parts, made, maps, start = [], [], [], 0
    for places, step, weight in whole.parts:
        front = AffineMap.of(step, len(places))
        if front is None:
            n_made = len(step.get_feature_names_out())
            front, kept = AffineMap.identity(n_made), (places, step, weight)
            of_part = whole.names[start : start + n_made]
        else:
            front = AffineMap(weight * front.matrix, weight * front.offset)
            kept, of_part = (places, None, 1.0), [names[place] for place in places]
        start += len(front.offset)
        parts.append(kept)
        made += of_part
        maps.append(front)
    if all(step is not None for _, step, _ in parts):
        return transformer, None
    front = AffineMap(
        block_diag(*(part.matrix for part in maps)),
        np.concatenate([part.offset for part in maps]),
    )
    return ColumnParts(parts, made, whole.n_features_in, whole.names_in), front
