"""A fitted student as what runs one after the other, and its monomials as products."""

from typing import NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..classification._base import KoopmanClassifier


def split_student(estimator):
    """Return the fitted transformers of a student, in their order, and its classifier.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of this package, or a pipeline (nested ones too) or search that ends
        in one. Steps may be frozen.

    Returns
    -------
    transformers : list of transformers
        Pipelines and the classifier's own `lifter_` are taken apart.
    classifier : KoopmanClassifier

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it does not end in a classifier with a Koopman matrix.
    """
    *transformers, classifier = flat_steps(estimator)
    if not isinstance(classifier, KoopmanClassifier):
        raise TypeError(
            f"estimator={estimator!r} ends in {type(classifier).__name__}, which has no Koopman "
            "matrix: pass a fitted classifier of this package, or a pipeline or search that "
            "ends in one."
        )
    check_is_fitted(classifier)
    return transformers + flat_steps(getattr(classifier, "lifter_", None)), classifier


def flat_steps(estimator):
    """Return the steps of an estimator: pipelines, searches and frozen ones taken apart."""
    if estimator is None or (isinstance(estimator, str) and estimator == "passthrough"):
        return []
    if isinstance(estimator, FrozenEstimator):
        return flat_steps(estimator.estimator)
    if hasattr(estimator, "best_estimator_"):
        return flat_steps(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        return [part for _, step in estimator.steps for part in flat_steps(step)]
    return [estimator]


class Products(NamedTuple):
    """The monomials of one degree, each a variable times a monomial of the degree below.

    Attributes
    ----------
    variables : ndarray of int, shape (n_monomials,)
        Which variable.
    factors : ndarray of int, shape (n_monomials,)
        Which monomial of the degree below. Those of degree 1 have the factor 1, and zeros here.
    kept : bool
        Whether these are observables, or only needed for higher degrees.
    """

    variables: np.ndarray
    factors: np.ndarray
    kept: bool


def monomial_products(lifter):
    """Return how a fitted `MonomialLifter` multiplies, degree by degree.

    Parameters
    ----------
    lifter : MonomialLifter

    Returns
    -------
    degrees : list of Products
        For the degrees 1, 2, ...
    """
    degrees, n_lower = [], 1
    for level in lifter._plan:
        variables = np.empty(level.n_monomials, dtype=np.int64)
        factors = np.empty(level.n_monomials, dtype=np.int64)
        for variable, (source, target) in enumerate(level.products):
            variables[target] = variable
            factors[target] = np.arange(source.start, n_lower)
        degrees.append(Products(variables, factors, level.kept))
        n_lower = level.n_monomials
    return degrees
