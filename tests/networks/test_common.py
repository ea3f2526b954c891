"""The linearised network keeps scikit-learn's manners, without expected failures."""

import pytest

torch = pytest.importorskip("torch")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from sklearn_koopman import MonomialLifter  # noqa: E402
from sklearn_koopman.networks import LinearizedNetworkClassifier  # noqa: E402

from ..extra_checks import EXTRA_ESTIMATOR_CHECKS  # noqa: E402
from .helpers import NetworkOfLogisticRegression  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:lbfgs failed to converge")

# The checks bring their own data, so the network is inside a classifier, which is fitted to them.
LINEARIZED = [
    LinearizedNetworkClassifier(NetworkOfLogisticRegression(), ("0", "2"), lifter=None),
    LinearizedNetworkClassifier(
        NetworkOfLogisticRegression(), ("1", "2"), lifter=MonomialLifter(2), rank=2, ridge=1e-3
    ),
    LinearizedNetworkClassifier(
        NetworkOfLogisticRegression(), ["0", "2"], density=0.5, lift_output=True
    ),
    # A row of weight 2 counts like two rows only if each batch has all rows. Steps must be small,
    # as Adam divides gradients that nearly vanish, with their rounding, by their size.
    LinearizedNetworkClassifier(
        NetworkOfLogisticRegression(),
        ("1", "2"),
        epochs=2,
        batch_size=1000,
        learning_rate=1e-7,
        random_state=0,
    ),
]


@parametrize_with_checks(LINEARIZED)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", EXTRA_ESTIMATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", LINEARIZED, ids=range(len(LINEARIZED)))
def test_extra_check(estimator, check):
    check(type(estimator).__name__, estimator)
