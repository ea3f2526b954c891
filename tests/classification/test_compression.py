"""A matrix on monomials as a tensor train."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter, _memory
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.lifting import ProductKernelLifter

from .helpers import samples

X, Y = samples()


def student(degree=3, y=Y, **lifter):
    return EDMDClassifier(lifter=MonomialLifter(degree, **lifter), ridge=1e-3).fit(X, y)


@pytest.mark.parametrize("lifter", [{}, {"interaction_only": True}, {"include_bias": False}])
@pytest.mark.parametrize("degree", [2, 3])
def test_full_rank_is_exact(degree, lifter):
    original = student(degree, **lifter)
    compressed = CompressedStudent(original, rank=100, max_iter=0).fit(X)
    logits = original.decision_function(X)
    expected = logits - logits.mean(axis=1, keepdims=True)
    assert_allclose(compressed.decision_function(X), expected, atol=1e-8)
    assert_array_equal(compressed.predict(X), original.predict(X))


def test_two_classes():
    original = student(y=(Y > 0).astype(int))
    compressed = CompressedStudent(original, rank=100, max_iter=0).fit(X)
    assert_allclose(compressed.decision_function(X), original.decision_function(X), atol=1e-8)


def test_sweeps_bring_it_nearer():
    original = student()
    cut, swept = (CompressedStudent(original, rank=3, max_iter=n).fit(X) for n in (0, 4))
    logits = original.decision_function(X)
    expected = logits - logits.mean(axis=1, keepdims=True)
    errors = [np.square(each.decision_function(X) - expected).mean() for each in (cut, swept)]
    assert errors[1] < 0.7 * errors[0]
    assert_allclose(swept.history_[-1], errors[1] / np.square(expected).mean(), rtol=1e-6)
    assert all(b < a * 1.001 for a, b in zip(swept.history_, swept.history_[1:], strict=False))


def test_three_times_smaller_on_digits():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = X[:1200], X[1200:], y[:1200], y[1200:]
    lifter = make_pipeline(PCA(15, whiten=True, random_state=0), MonomialLifter(3))
    original = KoopmanDistilledClassifier(soft_weight=0.0, ridge=1e-2, lifter=lifter).fit(X, y)
    compressed = CompressedStudent(original, rank=7).fit(X)
    assert compressed.compression_ > 3
    assert (
        compressed.compression_ == original.coef_.size / compressed.tensor_train_.n_parameters
    )
    assert compressed.score(X_test, y_test) > original.score(X_test, y_test) - 0.05


def test_float32_is_kept():
    original = EDMDClassifier(lifter=MonomialLifter(2)).fit(X.astype(np.float32), Y)
    compressed = CompressedStudent(original, rank=4).fit(X.astype(np.float32))
    assert compressed.decision_function(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        EDMDClassifier().fit(X, Y),
        EDMDClassifier(lifter=ProductKernelLifter(n_landmarks=5)).fit(X, Y),
        EDMDClassifier(lifter=MonomialLifter(1)).fit(X, Y),
    ],
    ids=["None", "no lifter", "kernel", "degree 1"],
)
def test_what_cannot_be_compressed(wrong):
    with pytest.raises(
        ValueError, match="The 'student' parameter of CompressedStudent must be"
    ):
        CompressedStudent(wrong).fit(X)


@pytest.mark.parametrize(("name", "value"), [("rank", 0), ("max_iter", -1), ("ridge", -1.0)])
def test_bad_parameters(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of CompressedStudent"):
        CompressedStudent(student(), **{name: value}).fit(X)


def test_too_large_for_the_memory(monkeypatch):
    original = student()
    monkeypatch.setattr(_memory, "physical_memory", lambda: 10_000)
    with pytest.raises(MemoryError, match="all monomials of degree 3 in 5 variables"):
        CompressedStudent(original).fit(X)
