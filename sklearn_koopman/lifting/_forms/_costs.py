"""Costs of transformers. Those of scikit-learn's transformers are listed here."""

from functools import singledispatch

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
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from .._chain import steps_of
from .._columns import ColumnParts
from .._monomial import monomials_like
from ._operations import Operations, UncountableError
from ._protocols import WAY_OUT, SupportsCost


def operations_of(transformer):
    """Return the operations of a fitted transformer, or of None, for one sample.

    Parameters
    ----------
    transformer : fitted transformer or None

    Returns
    -------
    operations : Operations

    Raises
    ------
    UncountableError
        If the operations of a step are not known.
    """
    if isinstance(transformer, SupportsCost):
        return transformer.operations()
    return _foreign_operations(transformer)


@singledispatch
def _foreign_operations(transformer):
    """Count an estimator of another package. Linear models are recognised by their coefficients."""
    coef = getattr(transformer, "coef_", None)
    # A support vector machine has coef_ too, but multiplies by its support vectors.
    if isinstance(coef, np.ndarray) and not hasattr(transformer, "support_vectors_"):
        return Operations.of_matrix(coef, getattr(transformer, "intercept_", ()))
    raise _not_known(transformer)


def _not_known(transformer):
    return UncountableError(
        f"The operations of {type(transformer).__name__} are not known. Supported are the "
        "classifiers and lifters of this package, pipelines, unions and ColumnTransformers, PCA, "
        "scalers, Nystroem and RBFSampler, linear models, multi-layer perceptrons and torch "
        f"modules, and any estimator with a method operations. {WAY_OUT}"
    )


@_foreign_operations.register(type(None))
@_foreign_operations.register(FrozenEstimator)
@_foreign_operations.register(Pipeline)
def _of_chain(chain):
    return sum((operations_of(step) for step in steps_of(chain)), Operations())


@_foreign_operations.register
def _of_union(union: FeatureUnion):
    parts = (part for _, part in union.transformer_list if part != "drop")
    return sum((_of_chain(part) for part in parts), Operations())


@_foreign_operations.register
def _of_columns(transformer: ColumnTransformer):
    return _of_parts(ColumnParts.of(transformer))


@_foreign_operations.register
def _of_parts(columns: ColumnParts):
    return sum((_of_chain(part) for _, part, _ in columns.parts), Operations())


@_foreign_operations.register(PCA)
@_foreign_operations.register(IncrementalPCA)
def _of_pca(pca):
    whitening = pca.explained_variance_ if pca.whiten else ()
    return Operations.of_matrix(pca.components_, pca.mean_) + Operations.of_matrix(whitening)


@_foreign_operations.register
def _of_svd(svd: TruncatedSVD):
    return Operations.of_matrix(svd.components_)


@_foreign_operations.register
def _of_standard_scaler(scaler: StandardScaler):
    # without centring or scaling there may still be statistics, which are not used
    return _of_scaling(
        scaler.scale_ if scaler.with_std else None, scaler.mean_ if scaler.with_mean else None
    )


@_foreign_operations.register
def _of_robust_scaler(scaler: RobustScaler):
    return _of_scaling(scaler.scale_, scaler.center_)


@_foreign_operations.register
def _of_min_max_scaler(scaler: MinMaxScaler):
    return _of_scaling(scaler.scale_, scaler.min_)


@_foreign_operations.register
def _of_max_abs_scaler(scaler: MaxAbsScaler):
    return _of_scaling(scaler.scale_, None)


def _of_scaling(scale, offset):
    return Operations.of_matrix(*(() if part is None else part for part in (scale, offset)))


@_foreign_operations.register
def _of_imputer(imputer: SimpleImputer):
    return Operations.storing(imputer.statistics_)


@_foreign_operations.register
def _of_function(transformer: FunctionTransformer):
    if transformer.func is not None:
        raise _not_known(transformer)
    return Operations()


@_foreign_operations.register
def _of_selector(selector: SelectorMixin):
    return Operations()


@_foreign_operations.register
def _of_polynomials(features: PolynomialFeatures):
    if np.max(features.degree) < 1:
        return Operations()
    return monomials_like(features).operations()


@_foreign_operations.register
def _of_nystroem(nystroem: Nystroem):
    """Count the squares, the width and the mixing of Gaussians. Other kernels are not supported."""
    if nystroem.kernel != "rbf":
        raise UncountableError(
            f"The operations of Nystroem are known for kernel='rbf' only, got "
            f"kernel={nystroem.kernel!r}."
        )
    landmarks = nystroem.components_
    gaussians = Operations.storing(landmarks, linear=len(landmarks), nonlinear=landmarks.size)
    width = Operations(parameters=1, bytes=landmarks.itemsize)
    return gaussians + width + Operations.of_matrix(nystroem.normalization_)


@_foreign_operations.register
def _of_rbf_sampler(sampler: RBFSampler):
    return Operations.of_matrix(sampler.random_weights_, sampler.random_offset_)
