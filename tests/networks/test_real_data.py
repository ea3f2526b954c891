"""Ten thousand handwritten digits, if the environment has them."""

import os

import pytest

torch = pytest.importorskip("torch")

from sklearn.decomposition import PCA  # noqa: E402
from sklearn.frozen import FrozenEstimator  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

from sklearn_koopman import MonomialLifter  # noqa: E402
from sklearn_koopman.datasets import fetch_mnist  # noqa: E402
from sklearn_koopman.inspection import fidelity_score  # noqa: E402
from sklearn_koopman.networks import LinearizedNetworkClassifier  # noqa: E402


@pytest.fixture(scope="module")
def mnist():
    if not os.environ.get("SKLEARN_KOOPMAN_DATA"):
        pytest.skip("SKLEARN_KOOPMAN_DATA, the folder of image data, is not set")
    X, y = fetch_mnist(subset="train", return_X_y=True, download_if_missing=False)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True, download_if_missing=False)
    return X[:10_000], y[:10_000], X_test[:2000], y_test[:2000]


@pytest.fixture(scope="module")
def net(mnist):
    X, y, _, _ = mnist
    return MLPClassifier((64, 32, 16), max_iter=5, batch_size=100, random_state=0).fit(X, y)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize(
    ("span", "affine", "lifted", "trained"),
    [
        (("linear1", "activation1"), 0.90, 0.95, 0.97),
        (("linear1", "activation2"), 0.90, 0.95, 0.97),
        (("linear0", "activation2"), 0.80, 0.93, 0.95),
    ],
)
def test_spans_of_a_perceptron(mnist, net, span, affine, lifted, trained):
    X, y, X_test, y_test = mnist
    assert net.score(X_test, y_test) > 0.9
    lifter = make_pipeline(PCA(30, random_state=0), MonomialLifter(2))
    student = LinearizedNetworkClassifier(FrozenEstimator(net), span, random_state=0)
    for settings, least in [
        ({}, affine),
        ({"lifter": lifter}, lifted),
        ({"epochs": 3, "learning_rate": 3e-3}, trained),
    ]:
        student.set_params(**settings).fit(X, y)
        fidelity = fidelity_score(net.predict(X_test), student.predict(X_test))
        assert fidelity > least, (settings, fidelity)
