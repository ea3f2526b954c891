from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binom, binomtest
from sklearn.dummy import DummyClassifier

from sklearn_koopman.inspection import (
    certificate_sample_size,
    disagreement_bound,
    fidelity_certificate,
)

DELTAS = st.sampled_from([0.001, 0.05, 0.3, 0.9])


@given(n=st.integers(1, 3000), share=st.floats(0, 1), delta=DELTAS)
def test_bound_is_that_of_scipy(n, share, delta):
    k = round(n * share)
    interval = binomtest(k, n, alternative="less").proportion_ci(1 - delta, method="exact")
    assert_allclose(disagreement_bound(k, n, delta), interval.high, rtol=1e-7)


@given(
    eps=st.sampled_from([0.001, 0.01, 0.1, 0.5]),
    delta=DELTAS,
    k=st.integers(0, 20),
)
def test_sample_size_is_the_least_that_suffices(eps, delta, k):
    n = certificate_sample_size(eps, delta, n_disagreements=k)
    tolerance = 1e-9
    assert disagreement_bound(k, n, delta) <= eps + tolerance
    if n > max(k, 1):
        assert disagreement_bound(k, n - 1, delta) > eps - tolerance


@pytest.mark.parametrize("n", [1, 20, 300])
@pytest.mark.parametrize("delta", [0.05, 0.2])
def test_coverage_is_never_below_what_is_promised(n, delta):
    """The sum over all outcomes, without random numbers."""
    k = np.arange(n + 1)
    bounds = np.array([disagreement_bound(int(each), n, delta) for each in k])
    for p in [0.0, 0.001, 0.03, 0.2, 0.5, 0.97, 1.0]:
        assert binom.pmf(k, n, p) @ (bounds >= p) >= 1 - delta - 1e-12


def test_coverage_in_2000_repeats():
    """Certificates of one student and one teacher, each from fresh samples."""
    rng = np.random.default_rng(0)
    teacher = rng.integers(0, 3, 50_000)
    student = np.where(rng.random(50_000) < 0.02 * (1 + teacher), 2 - teacher, teacher)
    truth = np.mean(teacher != student)
    per_class = [np.mean(student[teacher == label] != label) for label in range(3)]
    delta, overall, table = 0.1, 0, 0
    for _ in range(2000):
        rows = rng.integers(0, 50_000, 150)
        certificate = fidelity_certificate(teacher[rows], student[rows], delta=delta)
        overall += certificate.bound >= truth
        table += all(each.bound >= per_class[each.label] for each in certificate.classes)
    assert overall >= 2000 * (1 - delta)
    assert table >= 2000 * (1 - delta)


def test_counts_and_table():
    pd = pytest.importorskip("pandas")
    teacher = np.array(["a", "a", "a", "b", "b", "c"])
    student = np.array(["a", "b", "c", "b", "b", "a"])
    certificate = fidelity_certificate(teacher, pd.Series(student), delta=0.1)
    assert (certificate.n_samples, certificate.n_disagreements) == (6, 3)
    assert certificate.disagreement == 0.5
    assert certificate.bound == disagreement_bound(3, 6, 0.1)
    frame = certificate.to_frame()
    assert frame.index.tolist() == ["a", "b", "c"]
    assert frame.n_disagreements.tolist() == [2, 0, 1]
    bonferroni = [disagreement_bound(k, n, 0.1 / 3) for k, n in [(2, 3), (0, 2), (1, 1)]]
    assert frame.bound.tolist() == bonferroni
    assert str(certificate) == repr(certificate)
    assert "3 of 6 samples (50.00%)" in str(certificate)
    assert "confidence 0.9" in str(certificate)


def test_scores_are_compared_by_their_largest():
    teacher = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    student = np.array([[5.0, 1.0], [3.0, 2.0], [0.0, 1.0]])
    certificate = fidelity_certificate(teacher, student)
    assert certificate.n_disagreements == 1
    assert [each.label for each in certificate.classes] == [0, 1]


def test_to_frame_says_when_pandas_is_missing(without):
    certificate = fidelity_certificate([0, 1], [0, 1])
    without("pandas")
    with pytest.raises(ImportError, match="to_frame needs pandas"):
        certificate.to_frame()


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, nan, inf, "0.05", None, True])
def test_refuses_probabilities(value):
    message = r"={}: must be a float in the range \(0, 1\)".format
    with pytest.raises(ValueError, match="delta" + message(repr(value))):
        fidelity_certificate([0, 1], [0, 1], delta=value)
    with pytest.raises(ValueError, match="delta" + message(repr(value))):
        disagreement_bound(0, 1, value)
    with pytest.raises(ValueError, match="eps" + message(repr(value))):
        certificate_sample_size(value)


def test_refuses_counts():
    with pytest.raises(ValueError, match=r"n_samples=0: must be an int in the range \[1, inf"):
        disagreement_bound(0, 0)
    with pytest.raises(ValueError, match=r"n_disagreements=4: .* \[0, 3\]"):
        disagreement_bound(4, 3)
    with pytest.raises(ValueError, match=r"n_disagreements=0.5: must be an int"):
        certificate_sample_size(0.1, n_disagreements=0.5)


def test_refuses_what_cannot_be_compared():
    with pytest.raises(ValueError, match="'1' is not 1"):
        fidelity_certificate([0, 1], ["0", "1"])
    model = DummyClassifier().fit([[0], [1]], [0, 1])
    with pytest.raises(
        TypeError, match=r"y_student is a model, DummyClassifier: pass its predictions"
    ):
        fidelity_certificate([0, 1], model)
