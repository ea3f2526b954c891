"""A matrix on monomials as a tensor train."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.lifting import ProductKernelLifter

from ..classification.helpers import samples

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


def kept(student, train, temperature):
    """Return the mean Kullback-Leibler divergence from a student to a train on X."""
    t, s = (
        log_softmax(each.decision_function(X) / temperature, axis=1)
        for each in (student, train)
    )
    return float(np.mean((np.exp(t) * (t - s)).sum(axis=1)))


@pytest.mark.parametrize("temperature", [0.125, 0.5])
def test_distillation_keeps_the_probabilities(temperature):
    original = student()
    settings = {
        "rank": 3,
        "loss": "distillation",
        "temperature": temperature,
        "batch_size": 50,
        "learning_rate": 1e-2,
    }
    cut = CompressedStudent(original, **settings, max_iter=0).fit(X)
    assert_allclose(
        cut.decision_function(X),
        CompressedStudent(original, rank=3, max_iter=0).fit(X).decision_function(X),
    )
    swept = CompressedStudent(original, rank=3, max_iter=10).fit(X)
    train = CompressedStudent(original, **settings, max_iter=400, random_state=0).fit(X)
    assert len(train.history_) == 400
    assert train.history_[-1] < 0.3 * train.history_[0]
    losses = [kept(original, each, temperature) for each in (cut, swept, train)]
    assert losses[2] < 0.8 * losses[1] < 0.8 * losses[0]
    assert_allclose(train.history_[-1], losses[2], rtol=0.05)
    again = CompressedStudent(original, **settings, max_iter=400, random_state=0).fit(X)
    assert_array_equal(again.decision_function(X), train.decision_function(X))


def test_distillation_at_full_rank_has_nothing_to_learn():
    original = student()
    train = CompressedStudent(original, rank=100, loss="distillation", learning_rate=1e-9).fit(
        X
    )
    logits = original.decision_function(X)
    expected = logits - logits.mean(axis=1, keepdims=True)
    assert_allclose(train.decision_function(X), expected, atol=1e-6)
    assert max(train.history_) < 1e-10


def test_labels_count_as_much_as_they_should():
    names = np.array(["c", "a", "b"])[Y]  # their order is not that of the codes
    original = student(y=names)
    settings = {"rank": 4, "loss": "distillation", "temperature": 0.125, "max_iter": 60}
    alone = CompressedStudent(original, **settings, random_state=0)
    with_labels = CompressedStudent(original, **settings, soft_weight=0.2, random_state=0)
    wrong = np.roll(np.unique(names), 1)[np.searchsorted(np.unique(names), names)]
    assert alone.fit(X).score(X, names) > 0.8
    assert_array_equal(alone.predict(X), alone.fit(X, wrong).predict(X))  # labels do not count
    assert with_labels.fit(X, names).score(X, names) >= alone.score(X, names)
    assert with_labels.fit(X, wrong).score(X, names) < 0.5


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y + 1, r"not classes of the student: \[3\]"),
        (Y[1:], "y has 149 labels for 150 rows"),
    ],
)
def test_labels_that_do_not_fit(y, message):
    train = CompressedStudent(student(), loss="distillation", soft_weight=0.5)
    with pytest.raises(ValueError, match=message):
        train.fit(X, y)


def test_without_labels_the_student_speaks_alone():
    settings = {"rank": 3, "loss": "distillation", "random_state": 0}
    alone = CompressedStudent(student(), **settings).fit(X)
    without_labels = CompressedStudent(student(), **settings, soft_weight=0.5).fit(X)
    assert_array_equal(without_labels.decision_function(X), alone.decision_function(X))
    with pytest.raises(ValueError, match="soft_weight=0 learns from labels alone"):
        CompressedStudent(student(), **settings, soft_weight=0).fit(X)


def test_divergence_is_an_error():
    train = CompressedStudent(student(), loss="distillation", ridge=1e200, batch_size=10)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"ridge=1e\+200: .*diverged"),
    ):
        train.fit(X)


def test_a_fit_that_fails_leaves_the_old_one():
    compressed = CompressedStudent(student(), rank=3).fit(X)
    expected = compressed.decision_function(X)
    compressed.set_params(loss="distillation", soft_weight=0.5)
    with pytest.raises(ValueError, match="not classes of the student"):
        compressed.fit(np.vstack([X, X]), np.full(2 * len(X), 99))
    assert_array_equal(compressed.decision_function(X), expected)
    new = CompressedStudent(student(), rank=3, loss="distillation", soft_weight=0.5)
    with pytest.raises(ValueError, match="not classes of the student"):
        new.fit(X, np.full(len(X), 99))
    assert not hasattr(new, "n_features_in_")


def test_a_rate_that_is_too_high_is_no_silence():
    train = CompressedStudent(
        student(2),
        rank=3,
        loss="distillation",
        learning_rate=1.0,
        batch_size=10,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match=r"is no better .* Lower learning_rate=1.0"):
        train.fit(X)


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 0),
        ("max_iter", -1),
        ("ridge", -1.0),
        ("loss", "hinge"),
        ("soft_weight", 1.5),
        ("temperature", 0.0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
    ],
)
def test_bad_parameters(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of CompressedStudent"):
        CompressedStudent(student(), **{name: value}).fit(X)


def test_too_large_for_the_memory(has_memory):
    original = student()
    has_memory(10_000)
    with pytest.raises(MemoryError, match="all monomials of degree 3 in 5 variables"):
        CompressedStudent(original).fit(X)
