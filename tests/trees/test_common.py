"""The distilled tree keeps scikit-learn's manners, without expected failures."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import DistilledTreeClassifier

from ..extra_checks import EXTRA_ESTIMATOR_CHECKS

pytestmark = pytest.mark.filterwarnings("ignore:lbfgs failed to converge")

TREES = [
    DistilledTreeClassifier(LogisticRegression(), max_depth=3, beam_width=20),
    DistilledTreeClassifier(
        MLPClassifier(8, solver="lbfgs", max_iter=50, random_state=0),
        max_depth=3,
        beam_width=20,
        max_leaf_nodes=6,
        validation_fraction=None,
        max_probe_samples=50,
    ),
]


@parametrize_with_checks(TREES)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", EXTRA_ESTIMATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", TREES, ids=repr)
def test_extra_check(estimator, check):
    check(type(estimator).__name__, estimator)
