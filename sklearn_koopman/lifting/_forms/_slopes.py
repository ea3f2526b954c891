"""Slopes of observables by the features, as multiples of observables of the same dictionary."""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import PolynomialFeatures

from .._chain import products_of_chain
from .._monomial import monomials_like
from ._protocols import SupportsProducts, SupportsSlopes


@dataclass(frozen=True)
class Slopes:
    r"""Slopes of observables, term by term.

    .. math:: \frac{\partial \psi_o}{\partial z_a} = \sum_{t:\, o_t = o,\, a_t = a} f_t \psi_{s_t} ,

    with :math:`s_t = -1` for the constant 1, whether or not the constant is an observable.

    Attributes
    ----------
    observables : ndarray of int, shape (n_terms,)
        Observable of the slope: :math:`o_t`.
    features : ndarray of int, shape (n_terms,)
        Feature of the slope: :math:`a_t`.
    sources : ndarray of int, shape (n_terms,)
        Observable that the slope is a multiple of, -1 for the constant: :math:`s_t`.
    factors : ndarray of shape (n_terms,)
        Factor: :math:`f_t`.
    n_features : int

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.lifting import Slopes
    >>> slopes = Slopes.of_terms([(0,), (1,), (0, 1), (1, 1)], n_features=2)
    >>> np.stack([slopes.observables, slopes.features, slopes.sources])
    array([[ 0,  1,  2,  2,  3],
           [ 0,  1,  0,  1,  1],
           [-1, -1,  1,  0,  1]])
    >>> slopes.factors
    array([1., 1., 1., 1., 2.])
    """

    observables: np.ndarray
    features: np.ndarray
    sources: np.ndarray
    factors: np.ndarray
    n_features: int

    @classmethod
    def of_terms(cls, terms, n_features):
        """Return the slopes of products of features.

        Parameters
        ----------
        terms : sequence of tuple of int
            The features that each observable multiplies, repeated for powers; () is the constant 1.
        n_features : int

        Returns
        -------
        slopes : Slopes or None
            None if the products lack one that a slope is a multiple of.
        """
        in_order = [tuple(sorted(term)) for term in terms]
        place = {term: i for i, term in enumerate(in_order)} | {(): -1}
        found = []
        for observable, term in enumerate(in_order):
            for feature in dict.fromkeys(term):
                at = term.index(feature)
                source = place.get(term[:at] + term[at + 1 :])
                if source is None:
                    return None
                found.append((observable, feature, source, term.count(feature)))
        columns = np.array(found, dtype=np.int64).reshape(-1, 4).T
        observables, features, sources, factors = columns
        return cls(observables, features, sources, factors.astype(np.float64), n_features)


def slopes_of(transformer: Any, n_features):
    """Return the slopes of a fitted transformer by its features.

    Parameters
    ----------
    transformer : fitted transformer or None
    n_features : int

    Returns
    -------
    slopes : Slopes or None
        None if the slopes are not known, or are not multiples of its observables.
    """
    if isinstance(transformer, SupportsSlopes):
        return transformer.slopes()
    if isinstance(transformer, SupportsProducts):
        return _of_products(transformer.pair_products(), n_features)
    return _foreign_slopes(transformer, n_features)


@singledispatch
def _foreign_slopes(transformer, n_features):
    """Return the slopes of a transformer of another package, or None; see `slopes_of`."""


@_foreign_slopes.register(type(None))
@_foreign_slopes.register(FeatureUnion)
def _of_products_side_by_side(union, n_features):
    return _of_products(products_of_chain(union, n_features), n_features)


@_foreign_slopes.register
def _of_frozen(frozen: FrozenEstimator, n_features):
    return slopes_of(frozen.estimator, n_features)


@_foreign_slopes.register
def _of_pipeline(pipeline: Pipeline, n_features):
    if len(pipeline.steps) == 1:
        return slopes_of(pipeline.steps[0][1], n_features)
    return _of_products_side_by_side(pipeline, n_features)


@_foreign_slopes.register
def _of_polynomials(features: PolynomialFeatures, n_features):
    return slopes_of(monomials_like(features), n_features)


def _of_products(products, n_features):
    """Return the slopes of observables that are products of rows of a table."""
    if products is None:
        return None
    table = [(), *((feature,) for feature in range(n_features))]
    for first, second in products.lower:
        table.append(table[first] + table[second])
    terms = [table[first] + table[second] for first, second in products.observables]
    return Slopes.of_terms(terms, n_features)
