"""Fitted transformers of scikit-learn as steps of a program; others add themselves."""

from functools import singledispatch

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from ..lifting import WAY_OUT, ColumnParts, SupportsC, monomials_like, steps_of

#: The transformers with a form in C, for messages.
WITH_STEPS = (
    "PCA, IncrementalPCA, TruncatedSVD, StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, "
    "selections of features, PolynomialFeatures, RBFSampler, Nystroem with a Gaussian kernel, the "
    "dictionaries of this package, ActiveSubspace, ObservableSelector, pipelines, unions and "
    "ColumnTransformers of them, and whatever has a method add_to_program"
)


def add_transformer(program, transformer, rows):
    """Add the steps of a fitted transformer, or None, and return the last one.

    Raises
    ------
    TypeError
        If a step has no form in C.
    """
    for step in steps_of(transformer):
        if isinstance(step, SupportsC):
            rows = step.add_to_program(program, rows)
        else:
            rows = _foreign(step, program, rows)
    return rows


@singledispatch
def _foreign(step, program, rows):
    raise TypeError(
        f"{type(step).__name__} has no form in C here. Known are {WITH_STEPS}. {WAY_OUT}"
    )


@_foreign.register
def _union(union: FeatureUnion, program, rows):
    weights = union.transformer_weights or {}
    parts = []
    for name, step in union.transformer_list:
        if step != "drop":
            part = add_transformer(program, step, rows)
            parts.append(program.scaled(part, weights[name]) if name in weights else part)
    return program.beside(*parts)


@_foreign.register
def _columns(transformer: ColumnTransformer, program, rows):
    parts = []
    for places, step, weight in ColumnParts.of(transformer).parts:
        part = add_transformer(program, step, program.columns(rows, places))
        parts.append(part if weight == 1.0 else program.scaled(part, weight))
    return program.beside(*parts)


@_foreign.register(PCA)
@_foreign.register(IncrementalPCA)
def _pca(pca, program, rows):
    components = pca.components_
    if pca.whiten:
        # As scikit-learn does: directions without variance are not enlarged.
        least = np.finfo(pca.explained_variance_.dtype).eps
        components = components / np.sqrt(np.maximum(pca.explained_variance_, least))[:, None]
    return program.affine(rows, components, -components @ pca.mean_)


@_foreign.register
def _svd(svd: TruncatedSVD, program, rows):
    return program.affine(rows, svd.components_)


@_foreign.register
def _standard(scaler: StandardScaler, program, rows):
    factor = 1 / scaler.scale_ if scaler.with_std else np.ones(rows.size)
    return program.scaled(rows, factor, -scaler.mean_ * factor if scaler.with_mean else 0.0)


@_foreign.register
def _robust(scaler: RobustScaler, program, rows):
    factor = 1 / scaler.scale_ if scaler.with_scaling else np.ones(rows.size)
    return program.scaled(
        rows, factor, -scaler.center_ * factor if scaler.with_centering else 0
    )


@_foreign.register
def _min_max(scaler: MinMaxScaler, program, rows):
    if scaler.clip:
        raise TypeError("MinMaxScaler(clip=True) has no form in C here: set clip=False.")
    return program.scaled(rows, scaler.scale_, scaler.min_)


@_foreign.register
def _max_abs(scaler: MaxAbsScaler, program, rows):
    return program.scaled(rows, 1 / scaler.scale_)


@_foreign.register
def _selection(selector: SelectorMixin, program, rows):
    return program.columns(rows, np.flatnonzero(selector.get_support()))


@_foreign.register
def _polynomials(features: PolynomialFeatures, program, rows):
    return monomials_like(features).add_to_program(program, rows)


@_foreign.register
def _nystroem(lifter: Nystroem, program, rows):
    if lifter.kernel != "rbf":
        raise TypeError(
            f"Nystroem(kernel={lifter.kernel!r}) has no form in C here: only kernel='rbf'."
        )
    gamma = 1.0 / rows.size if lifter.gamma is None else lifter.gamma
    distances = program.scaled(program.distances(rows, lifter.components_), -gamma)
    return program.affine(program.function(distances, "exp"), lifter.normalization_)


@_foreign.register
def _fourier(lifter: RBFSampler, program, rows):
    angles = program.affine(rows, lifter.random_weights_.T, lifter.random_offset_)
    factor = np.sqrt(2 / len(lifter.random_offset_))
    return program.scaled(program.function(angles, "cos"), factor)
