"""The dictionaries keep scikit-learn's manners: no expected failures."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import (
    DelayLifter,
    Flatten,
    OrthogonalPolynomialLifter,
    RBFLifter,
    SquaredProjectionLifter,
)

from ..extra_checks import EXTRA_TRANSFORMER_CHECKS

LIFTERS = [
    OrthogonalPolynomialLifter(),
    OrthogonalPolynomialLifter(3, family="legendre", include_bias=False, order="C"),
    OrthogonalPolynomialLifter(family="chebyshev", scale_inputs=False),
    RBFLifter(),
    RBFLifter(7, centers="random", gamma=0.5, random_state=0),
    DelayLifter(),
    DelayLifter(1),
    SquaredProjectionLifter(),
    Flatten(),
]


@parametrize_with_checks(LIFTERS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:n_centers=100 is more than:UserWarning")
@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("check", EXTRA_TRANSFORMER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", LIFTERS, ids=repr)
def test_extra_check(estimator, check):
    check(type(estimator).__name__, estimator)
