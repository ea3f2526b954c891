"""The search keeps scikit-learn's manners: no expected failures."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman.search import KoopmanSearchCV

from ..extra_checks import EXTRA_ESTIMATOR_CHECKS

SEARCHES = [
    KoopmanSearchCV(),
    KoopmanSearchCV(
        LogisticRegression(),
        budget=1000,
        ridges=[1e-3, 1e-2],
        soft_weights=[0.5],
        temperatures=[2.0],
    ),
]


@parametrize_with_checks(SEARCHES)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", EXTRA_ESTIMATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", SEARCHES[:1], ids=repr)
def test_extra_check(estimator, check):
    check(type(estimator).__name__, estimator)
