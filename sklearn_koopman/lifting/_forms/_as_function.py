"""Fitted transformers as plain functions of rows. Functions of scikit-learn's ones are here.

Such a function does not validate its input, so a single row takes microseconds.
"""

from functools import partial, singledispatch
from typing import Any, cast

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from .._columns import ColumnParts
from .._monomial import monomials_like
from ._filling import NOT_FILLING, values_filled_in
from ._functions import affine, gaussians, in_turn, product_function, scaled, side_by_side
from ._protocols import WAY_OUT, SupportsFunction, SupportsProducts

#: The transformers with a form as a function, for messages.
WITH_FUNCTIONS = (
    "PCA, IncrementalPCA, TruncatedSVD, ActiveSubspace, StandardScaler, RobustScaler, "
    "MinMaxScaler, MaxAbsScaler, SimpleImputer, Normalizer, selectors of columns, "
    "PolynomialFeatures, RBFSampler, Nystroem with a Gaussian kernel, the dictionaries of this "
    "package, pipelines, unions, ColumnTransformers and ObservableSelectors of them, and any "
    "transformer with a method to_function or pair_products"
)


class NoFunctionError(TypeError):
    """A transformer has no form as a plain function."""


def as_function(transformer, dtype):
    """Return a fitted transformer, or None, as a plain function.

    Parameters
    ----------
    transformer : fitted transformer or None
    dtype : numpy.dtype
        Dtype of the rows, float32 or float64.

    Returns
    -------
    function : callable
        Maps rows (n_samples, n_features) of this dtype to the result of `transform`, up to
        rounding. It does not change the rows.

    Raises
    ------
    NoFunctionError
        If the transformer has no such form.
    """
    if isinstance(transformer, SupportsFunction):
        return transformer.to_function(dtype)
    if isinstance(transformer, SupportsProducts):
        products, fitted = transformer.pair_products(), cast(Any, transformer)
        if products is not None:
            return product_function(products, fitted.n_features_in_)
    return _foreign_function(transformer, dtype)


@singledispatch
def _foreign_function(transformer, dtype):
    """Return a fitted transformer of another package as a function; see `as_function`."""
    raise NoFunctionError(
        f"{type(transformer).__name__} has no form as a plain function here. Supported are "
        f"{WITH_FUNCTIONS}. {WAY_OUT}"
    )


@_foreign_function.register(type(None))
def _identity(transformer, dtype):
    return in_turn([])


@_foreign_function.register
def _of_frozen(frozen: FrozenEstimator, dtype):
    return as_function(frozen.estimator, dtype)


@_foreign_function.register
def _of_pipeline(pipeline: Pipeline, dtype):
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return in_turn([as_function(step, dtype) for step in steps])


@_foreign_function.register
def _of_union(union: FeatureUnion, dtype):
    weights = union.transformer_weights or {}
    parts = []
    for name, step in union.transformer_list:
        if step == "drop":
            continue
        part = as_function(None if step == "passthrough" else step, dtype)
        if name in weights:
            part = in_turn([part, scaled(np.array(weights[name], dtype))])
        parts.append(part)
    return side_by_side(parts)


@_foreign_function.register
def _of_columns(transformer: ColumnTransformer, dtype):
    parts = []
    for places, step, weight in ColumnParts.of(transformer).parts:
        taking = partial(np.take, indices=places, axis=1)
        weighted = [] if weight == 1.0 else [scaled(np.array(weight, dtype))]
        parts.append(in_turn([taking, as_function(step, dtype), *weighted]))
    return side_by_side(parts)


@_foreign_function.register
def _of_function(transformer: FunctionTransformer, dtype):
    if transformer.func is not None:
        raise NoFunctionError(
            f"FunctionTransformer(func={transformer.func!r}) has no form as a plain function here, "
            "because the function may need any input: only func=None, which passes rows through, "
            "has one. Write a transformer with a method to_function. To flatten images, use "
            f"Flatten. {WAY_OUT}"
        )
    return in_turn([])


@_foreign_function.register
def _of_selector(selector: SelectorMixin, dtype):
    return partial(np.take, indices=selector.get_support(indices=True), axis=1)


@_foreign_function.register(PCA)
@_foreign_function.register(IncrementalPCA)
def _of_pca(pca, dtype):
    components = pca.components_
    if pca.whiten:
        # As in scikit-learn: directions without variance are not scaled up.
        least = np.finfo(pca.explained_variance_.dtype).eps
        components = components / np.sqrt(np.maximum(pca.explained_variance_, least))[:, None]
    return affine(components.T, -components @ pca.mean_, dtype)


@_foreign_function.register
def _of_svd(svd: TruncatedSVD, dtype):
    return affine(svd.components_.T, 0.0, dtype)


@_foreign_function.register
def _of_standard_scaler(scaler: StandardScaler, dtype):
    return scaled(
        (1.0 / scaler.scale_).astype(dtype) if scaler.with_std else None,
        scaler.mean_.astype(dtype) if scaler.with_mean else None,
    )


@_foreign_function.register
def _of_imputer(imputer: SimpleImputer, dtype):
    values = values_filled_in(imputer)
    if values is None:
        raise NoFunctionError(f"{NOT_FILLING} {WAY_OUT}")
    values, missing = values.astype(dtype), imputer.missing_values
    if missing != missing:
        return lambda rows: np.where(np.isnan(rows), values, rows)
    return lambda rows: np.where(rows == missing, values, rows)


@_foreign_function.register
def _of_robust_scaler(scaler: RobustScaler, dtype):
    return scaled(
        (1.0 / scaler.scale_).astype(dtype) if scaler.with_scaling else None,
        scaler.center_.astype(dtype) if scaler.with_centering else None,
    )


@_foreign_function.register
def _of_max_abs_scaler(scaler: MaxAbsScaler, dtype):
    factor = scaled((1.0 / scaler.scale_).astype(dtype))
    if getattr(scaler, "clip", False):
        return in_turn([factor, partial(np.clip, a_min=-1.0, a_max=1.0)])
    return factor


@_foreign_function.register
def _of_min_max_scaler(scaler: MinMaxScaler, dtype):
    low, high = (np.array(end, dtype) for end in scaler.feature_range)
    factor, offset = scaler.scale_.astype(dtype), scaler.min_.astype(dtype)

    def function(rows):
        rows = rows * factor + offset
        return np.clip(rows, low, high, out=rows) if scaler.clip else rows

    return function


@_foreign_function.register
def _of_normalizer(normalizer: Normalizer, dtype):
    order = {"l1": 1, "l2": 2, "max": np.inf}[normalizer.norm]

    def function(rows):
        norms = np.linalg.norm(rows, order, axis=1, keepdims=True)
        return rows / np.where(norms == 0, 1, norms)

    return function


@_foreign_function.register
def _of_polynomials(features: PolynomialFeatures, dtype):
    return as_function(monomials_like(features), dtype)


@_foreign_function.register
def _of_nystroem(lifter: Nystroem, dtype):
    if lifter.kernel != "rbf":
        raise NoFunctionError(
            f"Nystroem(kernel={lifter.kernel!r}) has no form as a plain function here: only "
            "kernel='rbf'."
        )
    gamma = 1.0 / lifter.n_features_in_ if lifter.gamma is None else lifter.gamma
    mixing = affine(lifter.normalization_.T, 0.0, dtype)
    return in_turn([gaussians(lifter.components_, gamma, dtype), mixing])


@_foreign_function.register
def _of_fourier_features(lifter: RBFSampler, dtype):
    mixing = affine(lifter.random_weights_, lifter.random_offset_, dtype)
    amplitude = np.array(np.sqrt(2.0 / len(lifter.random_offset_)), dtype)
    return in_turn([mixing, np.cos, scaled(amplitude)])
