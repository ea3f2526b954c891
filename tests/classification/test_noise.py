"""Noise-aware students against the mean over all noise, which has two values here."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter

X, y = load_iris(return_X_y=True)
SIGNS = np.array(list(product([-1.0, 1.0], repeat=4)))


def with_all_noise(multiplicative, additive):
    """Return every row with every combination of signs of the noise of its four features.

    This is independent noise of zero mean and these deviations. The mean over 16 copies is exact.
    """
    size = np.sqrt(multiplicative**2 * X**2 + additive**2)
    noisy = X + SIGNS[:, None, :] * size
    return noisy.reshape(-1, 4), np.tile(y, len(SIGNS))


NOISE = [(0.1, 0.0), (0.0, 0.3), (0.1, 0.3)]


@pytest.mark.parametrize("solver", ["cholesky", "svd"])
@pytest.mark.parametrize(("multiplicative", "additive"), NOISE)
def test_least_squares_is_that_of_all_noisy_rows(multiplicative, additive, solver):
    aware = EDMDClassifier(
        ridge=0.0,
        multiplicative_noise=multiplicative,
        additive_noise=additive,
        solver=solver,
    ).fit(X, y)
    augmented = EDMDClassifier(ridge=0.0).fit(*with_all_noise(multiplicative, additive))
    assert_allclose(aware.coef_, augmented.coef_, atol=1e-10)
    assert_allclose(aware.intercept_, augmented.intercept_, atol=1e-10)
    plain = EDMDClassifier(ridge=0.0).fit(X, y)
    assert np.abs(plain.coef_ - aware.coef_).max() > 0.01


@pytest.mark.parametrize("rank", [1, 2])
def test_rank_with_noise_is_the_same_for_both_solvers(rank):
    settings = {"rank": rank, "ridge": 1e-3, "additive_noise": 0.2, "multiplicative_noise": 0.1}
    found = [
        EDMDClassifier(solver=solver, **settings).fit(X, y) for solver in ("cholesky", "svd")
    ]
    assert_allclose(found[0].coef_, found[1].coef_, atol=1e-10)


def test_ridge_and_noise_add_up():
    aware = EDMDClassifier(ridge=0.01, additive_noise=0.2).fit(X, y)
    deviation = X.std(axis=0)
    # in raw coordinates: ridge * deviation ** 2 + noise ** 2 for every feature
    factor = np.sqrt(0.01 * deviation**2 + 0.2**2)
    ridge = Ridge(alpha=len(X)).fit(X / factor, np.eye(3)[y])
    assert_allclose(aware.coef_, ridge.coef_ / factor, atol=1e-10)


def test_partial_fit_with_noise_is_fit():
    student = EDMDClassifier(multiplicative_noise=0.1)
    order = np.random.default_rng(0).permutation(len(X))
    for rows in np.array_split(order, 3):
        student.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert_allclose(student.coef_, EDMDClassifier(multiplicative_noise=0.1).fit(X, y).coef_)


def distillation_loss(student, rows, labels, soft_logits):
    """Return the student's loss on rows, without any penalty."""
    a, T = student.soft_weight, student.temperature
    logits = rows @ student.coef_.T + student.intercept_
    log_p = logits - logsumexp(logits, axis=1, keepdims=True)
    cross_entropy = -log_p[np.arange(len(rows)), labels].mean()
    soft, target = logits / T, soft_logits / T
    soft = soft - logsumexp(soft, axis=1, keepdims=True)
    target = target - logsumexp(target, axis=1, keepdims=True)
    divergence = (np.exp(target) * (target - soft)).sum(axis=1).mean()
    return (1 - a) * cross_entropy + a * T**2 * divergence


@pytest.mark.parametrize(("multiplicative", "additive"), NOISE)
@pytest.mark.parametrize(("soft_weight", "temperature"), [(0.0, 1.0), (0.5, 2.0), (1.0, 4.0)])
def test_distillation_bounds_the_mean_loss(multiplicative, additive, soft_weight, temperature):
    soft_logits = 3 * np.random.default_rng(0).standard_normal((len(X), 3))
    student = KoopmanDistilledClassifier(
        soft_weight=soft_weight,
        temperature=temperature,
        ridge=0.0,
        multiplicative_noise=multiplicative,
        additive_noise=additive,
    ).fit(X, y, soft_labels=soft_logits)
    noisy, labels = with_all_noise(multiplicative, additive)
    clean_loss = distillation_loss(student, X, y, soft_logits)
    mean_loss = distillation_loss(student, noisy, labels, np.tile(soft_logits, (16, 1)))
    assert clean_loss < mean_loss < student.objective_
    # the bound is the loss and half of the mean variance of the logits, halved
    variance = (multiplicative**2 * X**2 + additive**2).mean(axis=0)
    penalty = 0.25 * (variance * student.coef_**2).sum()
    assert_allclose(student.objective_, clean_loss + penalty, rtol=1e-6)
    assert student.gradient_norm_ < 1e-5


def test_adam_knows_the_same_noise():
    pytest.importorskip("skorch")
    settings = {"soft_weight": 0.0, "multiplicative_noise": 0.1, "lifter": MonomialLifter(2)}
    exact = KoopmanDistilledClassifier(**settings).fit(X, y)
    adam = KoopmanDistilledClassifier(
        solver="adam", max_iter=150, batch_size=32, random_state=0, **settings
    ).fit(X, y)
    assert exact.objective_ <= adam.objective_ < exact.objective_ + 0.02


def test_constants_are_free_of_noise():
    student = KoopmanDistilledClassifier(
        soft_weight=0.0, multiplicative_noise=0.1, lifter=MonomialLifter(2)
    ).fit(X, y)
    assert (student.coef_[:, 0] == 0).all()
    bare = student.set_params(lifter=MonomialLifter(2, include_bias=False)).fit(X, y)
    assert_allclose(bare.score(X, y), student.score(X, y))


@pytest.mark.parametrize("kind", [EDMDClassifier, KoopmanDistilledClassifier])
@pytest.mark.parametrize("name", ["multiplicative_noise", "additive_noise"])
def test_bad_noise(kind, name):
    with pytest.raises(
        ValueError, match=f"The '{name}' parameter of {kind.__name__} must be a"
    ):
        kind(**{name: -0.1}).fit(X, y)
