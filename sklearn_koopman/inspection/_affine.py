"""Steps that are one matrix and an offset: which they are, and what they are together."""

from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from ..lifting import DelayLifter, taking_arrays
from ..selection import ActiveSubspace, ObservableSelector


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


@singledispatch
def affine_map(step):
    """Return a fitted transformer as an `AffineMap`, None where it is not known to be one.

    Parameters
    ----------
    step : fitted transformer
        No pipeline: see `flat_steps`.
    """


@affine_map.register(PCA)
@affine_map.register(IncrementalPCA)
def _of_pca(pca):
    components = pca.components_
    if pca.whiten:
        # As scikit-learn does: directions without variance are not blown up.
        least = np.finfo(pca.explained_variance_.dtype).eps
        components = components / np.sqrt(np.maximum(pca.explained_variance_, least))[:, None]
    return _matrix(components, -components.astype(float) @ pca.mean_)


@affine_map.register
def _of_svd(svd: TruncatedSVD):
    return _matrix(svd.components_, np.zeros(len(svd.components_)))


@affine_map.register
def _of_subspace(subspace: ActiveSubspace):
    components = subspace.components_
    return _matrix(components, -components.astype(float) @ subspace.mean_)


@affine_map.register
def _of_standard_scaler(scaler: StandardScaler):
    return _scaling(
        scaler.n_features_in_,
        scaler.mean_ if scaler.with_mean else 0.0,
        scaler.scale_ if scaler.with_std else 1.0,
    )


@affine_map.register
def _of_robust_scaler(scaler: RobustScaler):
    return _scaling(
        scaler.n_features_in_,
        scaler.center_ if scaler.with_centering else 0.0,
        scaler.scale_ if scaler.with_scaling else 1.0,
    )


@affine_map.register
def _of_min_max_scaler(scaler: MinMaxScaler):
    return None if scaler.clip else _matrix(np.diag(scaler.scale_), scaler.min_)


@affine_map.register
def _of_max_abs_scaler(scaler: MaxAbsScaler):
    if getattr(scaler, "clip", False):
        return None
    return _scaling(scaler.n_features_in_, 0.0, scaler.scale_)


@affine_map.register
def _of_function(transformer: FunctionTransformer):
    if transformer.func is not None or not hasattr(transformer, "n_features_in_"):
        return None
    return AffineMap.identity(transformer.n_features_in_)


@affine_map.register(SelectorMixin)
def _of_selector(selector):
    return _columns(np.flatnonzero(selector.get_support()), len(selector.get_support()))


@affine_map.register
def _of_delays(lifter: DelayLifter):
    n = lifter.n_features_in_
    return _columns(taking_arrays(lifter).transform(np.arange(n)[None])[0].astype(int), n)


@affine_map.register
def _of_observable_selector(selector: ObservableSelector):
    """Without a dictionary it chooses columns; with one it is no step of its own."""
    if getattr(selector, "lifter_", None) is not None:
        return None
    return _columns(selector.get_support(indices=True), selector.n_features_in_)


def _matrix(matrix, offset):
    return AffineMap(np.asarray(matrix, dtype=float), np.asarray(offset, dtype=float))


def _scaling(n_features, center, scale):
    factor = np.broadcast_to(1.0 / np.asarray(scale, dtype=float), n_features)
    return AffineMap(np.diag(factor), -np.asarray(center, dtype=float) * factor)


def _columns(indices, n_inputs):
    return AffineMap(np.eye(n_inputs)[indices], np.zeros(len(indices)))
