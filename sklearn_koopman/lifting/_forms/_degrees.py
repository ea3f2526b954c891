"""Degrees of transformers. Those of scikit-learn's transformers are listed here."""

from functools import singledispatch
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from .._chain import steps_of
from .._columns import ColumnParts
from ._protocols import SupportsDegree, SupportsProducts


def degree_of(transformer: Any):
    """Return the degree of a fitted transformer, or of None, as polynomials of its features.

    Parameters
    ----------
    transformer : fitted transformer or None

    Returns
    -------
    degree : int or None
        1 for a linear map, with or without a constant. None if it is not a polynomial, or not known
        to be one.
    """
    if isinstance(transformer, SupportsDegree):
        return transformer.polynomial_degree()
    if isinstance(transformer, SupportsProducts):
        products = transformer.pair_products()
        n_features = getattr(transformer, "n_features_in_", None)
        return None if products is None else _of_products(products, n_features)
    return _foreign_degree(transformer)


def _of_products(products, n_features):
    """Return the largest number of factors of products of rows of a table."""
    degrees = [0] + [1] * n_features
    for first, second in products.lower:
        degrees.append(degrees[first] + degrees[second])
    table = np.array(degrees)
    return int(table[products.observables].sum(axis=1).max(initial=0))


@singledispatch
def _foreign_degree(transformer):
    """Return the degree of a transformer of another package, or None; see `degree_of`."""


@_foreign_degree.register(type(None))
@_foreign_degree.register(str)  # "passthrough"
@_foreign_degree.register(FrozenEstimator)
@_foreign_degree.register(Pipeline)
def _of_chain(chain):
    degree = 1
    for step in steps_of(chain):
        of_step = degree_of(step)
        if of_step is None:
            return None
        degree *= of_step
    return degree


@_foreign_degree.register
def _of_union(union: FeatureUnion):
    degrees = [degree_of(part) for _, part in union.transformer_list if part != "drop"]
    return None if None in degrees else max(degrees)


@_foreign_degree.register
def _of_columns(transformer: ColumnTransformer):
    return _of_parts(ColumnParts.of(transformer))


@_foreign_degree.register
def _of_parts(columns: ColumnParts):
    degrees = [degree_of(part) for _, part, _ in columns.parts]
    return None if None in degrees else max(degrees, default=0)


@_foreign_degree.register(IncrementalPCA)
@_foreign_degree.register(PCA)
@_foreign_degree.register(RobustScaler)
@_foreign_degree.register(SelectorMixin)
@_foreign_degree.register(StandardScaler)
@_foreign_degree.register(TruncatedSVD)
def _of_linear(transformer):
    return 1


@_foreign_degree.register(MaxAbsScaler)
@_foreign_degree.register(MinMaxScaler)
def _of_range_scaler(scaler):
    return None if getattr(scaler, "clip", False) else 1


@_foreign_degree.register
def _of_polynomials(features: PolynomialFeatures):
    return int(np.max(features.degree))
