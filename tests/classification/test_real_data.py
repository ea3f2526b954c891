"""Ten thousand handwritten digits, if the environment has them."""

import os

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.pipeline import make_pipeline as make_pipeline_with_teacher


@pytest.fixture(scope="module")
def mnist():
    if not os.environ.get("SKLEARN_KOOPMAN_DATA"):
        pytest.skip("SKLEARN_KOOPMAN_DATA, the folder of image data, is not set")
    X, y = fetch_mnist(subset="train", return_X_y=True, download_if_missing=False)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True, download_if_missing=False)
    return X[:10_000] / 255, y[:10_000], X_test / 255, y_test


@pytest.fixture(scope="module")
def lifter():
    return make_pipeline(PCA(30, random_state=0), MonomialLifter(2))


def test_edmd(mnist, lifter):
    X, y, X_test, y_test = mnist
    inside = EDMDClassifier(lifter=lifter).fit(X, y)
    assert inside.score(X_test, y_test) > 0.94
    outside = make_pipeline(*clone(lifter), EDMDClassifier()).fit(X, y)
    assert_allclose(
        inside.decision_function(X_test), outside.decision_function(X_test), atol=1e-4
    )


@pytest.mark.parametrize(
    ("teacher", "accuracy"),
    [
        (LogisticRegression(max_iter=10), 0.90),
        (MLPClassifier((64,), max_iter=6, random_state=0), 0.94),
    ],
    ids=["linear teacher", "network"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_distillation(mnist, lifter, teacher, accuracy):
    X, y, X_test, y_test = mnist
    teacher = FrozenEstimator(teacher.fit(X, y))
    student = KoopmanDistilledClassifier(teacher, max_iter=15)
    inside = clone(student).set_params(lifter=lifter).fit(X, y)
    assert inside.score(X_test, y_test) > max(accuracy, teacher.score(X_test, y_test) - 0.02)
    outside = make_pipeline_with_teacher(*clone(lifter), student).fit(X, y)
    assert np.mean(inside.predict(X_test) == outside.predict(X_test)) > 0.998
