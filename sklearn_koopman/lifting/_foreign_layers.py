"""Transformers of scikit-learn as layers of torch. Importing this module imports torch."""

from functools import singledispatch
from math import sqrt

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.frozen import FrozenEstimator
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
from torch import nn

from ._layers import Affine, Cosines, GaussianKernel, Union, linear_layer
from ._monomial import monomials_like
from ._torch import WITH_LAYERS, NoLayerError, as_layer


@singledispatch
def foreign_layer(transformer):
    """Return a fitted transformer of another package as a layer of torch; see `as_layer`."""
    raise NoLayerError(
        f"{type(transformer).__name__} has no form in torch here. Known are {WITH_LAYERS}."
    )


@foreign_layer.register(type(None))
def _identity_layer(transformer):
    return nn.Identity()


@foreign_layer.register
def _frozen_layer(frozen: FrozenEstimator):
    return as_layer(frozen.estimator)


@foreign_layer.register
def _pipeline_layer(pipeline: Pipeline):
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return nn.Sequential(*(as_layer(step) for step in steps))


@foreign_layer.register
def _union_layer(union: FeatureUnion):
    weights = union.transformer_weights or {}
    parts = []
    for name, step in union.transformer_list:
        if step != "drop":
            part = as_layer(step)
            if name in weights:
                part = nn.Sequential(part, Affine(weights[name], 0.0))
            parts.append(part)
    return Union(parts)


@foreign_layer.register
def _function_layer(transformer: FunctionTransformer):
    if transformer.func is not None:
        raise NoLayerError(
            f"FunctionTransformer(func={transformer.func!r}) has no form in torch here: only "
            "func=None, which passes rows through."
        )
    return nn.Identity()


@foreign_layer.register(PCA)
@foreign_layer.register(IncrementalPCA)
def _pca_layer(pca):
    components = pca.components_
    if pca.whiten:
        # As scikit-learn does: directions without variance are not blown up.
        least = np.finfo(pca.explained_variance_.dtype).eps
        components = components / np.sqrt(np.maximum(pca.explained_variance_, least))[:, None]
    return linear_layer(components, -components @ pca.mean_)


@foreign_layer.register
def _standard_layer(scaler: StandardScaler):
    factor = 1.0 / scaler.scale_ if scaler.with_std else np.ones(scaler.n_features_in_)
    return Affine(factor, -scaler.mean_ * factor if scaler.with_mean else 0.0 * factor)


@foreign_layer.register
def _robust_layer(scaler: RobustScaler):
    factor = 1.0 / scaler.scale_ if scaler.with_scaling else np.ones(scaler.n_features_in_)
    return Affine(factor, -scaler.center_ * factor if scaler.with_centering else 0.0 * factor)


@foreign_layer.register
def _min_max_layer(scaler: MinMaxScaler):
    if scaler.clip:
        raise NoLayerError("MinMaxScaler(clip=True) has no form in torch here: set clip=False.")
    return Affine(scaler.scale_, scaler.min_)


@foreign_layer.register
def _max_abs_layer(scaler: MaxAbsScaler):
    return Affine(1.0 / scaler.scale_, 0.0 * scaler.scale_)


@foreign_layer.register
def _polynomial_layer(features: PolynomialFeatures):
    return monomials_like(features).to_layer()


@foreign_layer.register
def _nystroem_layer(lifter: Nystroem):
    if lifter.kernel != "rbf":
        raise NoLayerError(
            f"Nystroem(kernel={lifter.kernel!r}) has no form in torch here: only kernel='rbf'."
        )
    gamma = 1.0 / lifter.n_features_in_ if lifter.gamma is None else lifter.gamma
    mixer = linear_layer(lifter.normalization_)
    return nn.Sequential(GaussianKernel(lifter.components_, gamma), mixer)


@foreign_layer.register
def _fourier_layer(lifter: RBFSampler):
    mixer = linear_layer(lifter.random_weights_.T, lifter.random_offset_)
    return Cosines(mixer, sqrt(2.0 / len(lifter.random_offset_)))
