"""The selector keeps scikit-learn's manners: no expected failures."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import MonomialLifter, ObservableSelector

from ..extra_checks import EXTRA_TRANSFORMER_CHECKS

SELECTORS = [
    ObservableSelector(),
    ObservableSelector(MonomialLifter(2), max_observables=4),
]


@parametrize_with_checks(SELECTORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("check", EXTRA_TRANSFORMER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", SELECTORS, ids=repr)
def test_extra_check(estimator, check):
    check(type(estimator).__name__, estimator)
