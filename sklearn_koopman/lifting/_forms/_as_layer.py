"""Fitted transformers as torch layers. Layers of scikit-learn's transformers are here."""

from functools import singledispatch
from math import sqrt

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from .._columns import ColumnParts
from .._monomial import monomials_like
from ._filling import NOT_FILLING, values_filled_in
from ._protocols import WAY_OUT, SupportsTorch
from ._torch_layers import linear_layer, torch_layers

#: The transformers with a form in torch, for messages.
WITH_LAYERS = (
    "PCA, IncrementalPCA, ActiveSubspace, StandardScaler, RobustScaler, MinMaxScaler, "
    "MaxAbsScaler, SimpleImputer, PolynomialFeatures, RBFSampler, Nystroem with a Gaussian "
    "kernel, the dictionaries of this package, pipelines, unions, ColumnTransformers and "
    "ObservableSelectors of them, and any transformer with a method to_layer"
)


class NoLayerError(TypeError):
    """A transformer has no form in torch."""


def as_layer(transformer):
    """Return a fitted transformer, or None, as a torch layer in float64.

    Parameters
    ----------
    transformer : fitted transformer or None

    Returns
    -------
    layer : torch.nn.Module

    Raises
    ------
    NoLayerError
        If the transformer has no form in torch.
    """
    if isinstance(transformer, SupportsTorch):
        return transformer.to_layer()
    return _foreign_layer(transformer)


@singledispatch
def _foreign_layer(transformer):
    """Return a fitted transformer of another package as a torch layer; see `as_layer`."""
    raise NoLayerError(
        f"{type(transformer).__name__} has no form in torch here. Supported are {WITH_LAYERS}. "
        f"{WAY_OUT}"
    )


@_foreign_layer.register(type(None))
def _identity_layer(transformer):
    return torch_layers().nn.Identity()


@_foreign_layer.register
def _frozen_layer(frozen: FrozenEstimator):
    return as_layer(frozen.estimator)


@_foreign_layer.register
def _pipeline_layer(pipeline: Pipeline):
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return torch_layers().nn.Sequential(*(as_layer(step) for step in steps))


@_foreign_layer.register
def _union_layer(union: FeatureUnion):
    weights = union.transformer_weights or {}
    parts = []
    for name, step in union.transformer_list:
        if step != "drop":
            part = as_layer(step)
            if name in weights:
                part = torch_layers().nn.Sequential(
                    part, torch_layers().Affine(weights[name], 0.0)
                )
            parts.append(part)
    return torch_layers().Union(parts)


@_foreign_layer.register
def _columns_layer(transformer: ColumnTransformer):
    parts = []
    for places, step, weight in ColumnParts.of(transformer).parts:
        layers = [torch_layers().Columns(places), as_layer(step)]
        if weight != 1.0:
            layers.append(torch_layers().Affine(weight, 0.0))
        parts.append(torch_layers().nn.Sequential(*layers))
    return torch_layers().Union(parts)


@_foreign_layer.register
def _function_layer(transformer: FunctionTransformer):
    if transformer.func is not None:
        raise NoLayerError(
            f"FunctionTransformer(func={transformer.func!r}) has no form in torch here: only "
            "func=None, which passes rows through, has one. To flatten images, use Flatten. "
            f"{WAY_OUT}"
        )
    return torch_layers().nn.Identity()


@_foreign_layer.register(PCA)
@_foreign_layer.register(IncrementalPCA)
def _pca_layer(pca):
    components = pca.components_
    if pca.whiten:
        # As in scikit-learn: directions without variance are not scaled up.
        least = np.finfo(pca.explained_variance_.dtype).eps
        components = components / np.sqrt(np.maximum(pca.explained_variance_, least))[:, None]
    return linear_layer(components, -components @ pca.mean_)


@_foreign_layer.register
def _standard_layer(scaler: StandardScaler):
    factor = 1.0 / scaler.scale_ if scaler.with_std else np.ones(scaler.n_features_in_)
    return torch_layers().Affine(
        factor, -scaler.mean_ * factor if scaler.with_mean else 0.0 * factor
    )


@_foreign_layer.register
def _imputing_layer(imputer: SimpleImputer):
    values = values_filled_in(imputer)
    if values is None:
        raise NoLayerError(f"{NOT_FILLING} {WAY_OUT}")
    return torch_layers().Filled(values, imputer.missing_values)


@_foreign_layer.register
def _robust_layer(scaler: RobustScaler):
    factor = 1.0 / scaler.scale_ if scaler.with_scaling else np.ones(scaler.n_features_in_)
    return torch_layers().Affine(
        factor, -scaler.center_ * factor if scaler.with_centering else 0.0 * factor
    )


@_foreign_layer.register
def _min_max_layer(scaler: MinMaxScaler):
    if scaler.clip:
        raise NoLayerError("MinMaxScaler(clip=True) has no form in torch here: set clip=False.")
    return torch_layers().Affine(scaler.scale_, scaler.min_)


@_foreign_layer.register
def _max_abs_layer(scaler: MaxAbsScaler):
    return torch_layers().Affine(1.0 / scaler.scale_, 0.0 * scaler.scale_)


@_foreign_layer.register
def _polynomial_layer(features: PolynomialFeatures):
    return monomials_like(features).to_layer()


@_foreign_layer.register
def _nystroem_layer(lifter: Nystroem):
    if lifter.kernel != "rbf":
        raise NoLayerError(
            f"Nystroem(kernel={lifter.kernel!r}) has no form in torch here: only kernel='rbf'."
        )
    gamma = 1.0 / lifter.n_features_in_ if lifter.gamma is None else lifter.gamma
    mixer = linear_layer(lifter.normalization_)
    return torch_layers().nn.Sequential(
        torch_layers().GaussianKernel(lifter.components_, gamma), mixer
    )


@_foreign_layer.register
def _fourier_layer(lifter: RBFSampler):
    mixer = linear_layer(lifter.random_weights_.T, lifter.random_offset_)
    return torch_layers().Cosines(mixer, sqrt(2.0 / len(lifter.random_offset_)))
