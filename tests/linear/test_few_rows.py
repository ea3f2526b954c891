"""Fewer rows than observables: as many equations as rows give the same matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import lstsq
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
)
from sklearn_koopman.solvers import (
    GramMoments,
    RidgePath,
    TriangularMoments,
    merged,
    solve_gram,
    solve_rows,
)
from tests.rows.helpers import accumulate, standardised

N_ROWS, N_OBSERVABLES = 24, 90
RIDGES = [1e-3, 1e-1, 10.0]


def few_rows(dtype=np.float64, n_observables=N_OBSERVABLES):
    """Return rows that depend on each other, with one constant observable, and labels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 9)) @ rng.normal(size=(9, n_observables))
    X = np.exp(0.3 * X) * np.geomspace(0.1, 10, n_observables)
    X[:, 7] = 0.1
    return X.astype(dtype), np.arange(N_ROWS) % 3


X, Y = few_rows()
WIDE, _ = few_rows(n_observables=1100)  # enough that cross-entropy, too, counts the rows
TARGETS = np.eye(3)[Y]
WEIGHT = np.linspace(0.0, 2.0, N_ROWS)


@pytest.mark.parametrize("block_rows", [5, 1000])
@pytest.mark.parametrize("rank", [None, 1])
@pytest.mark.parametrize(
    "ridge", [1e-3, 1.0, np.geomspace(1e-3, 10, N_OBSERVABLES)], ids=["small", "large", "own"]
)
def test_rows_give_what_the_gram_matrix_gives(ridge, rank, block_rows):
    of_rows = accumulate(TriangularMoments, X, TARGETS, WEIGHT, block_rows)
    of_gram = accumulate(GramMoments, X, TARGETS, WEIGHT, block_rows)
    assert len(of_rows.factor) < N_OBSERVABLES
    expected = solve_gram(of_gram, ridge, rank)
    coef = solve_rows(of_rows, ridge, rank)
    assert_allclose(coef, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())
    assert_array_equal(coef[7], 0.0)


def test_rows_without_a_ridge_are_given_up():
    moments = accumulate(TriangularMoments, X, TARGETS, None, 10)
    assert solve_rows(moments, 0.0) is None


def test_moments_of_few_rows_join_and_become_triangular():
    half = N_ROWS // 2
    parts = [
        accumulate(TriangularMoments, X[rows, :30], TARGETS[rows], WEIGHT[rows], 7)
        for rows in (slice(half), slice(half, None))
    ]
    joined = merged([*parts, parts[1]])
    repeated = np.r_[np.arange(N_ROWS), np.arange(half, N_ROWS)]
    whole = accumulate(GramMoments, X[repeated, :30], TARGETS[repeated], WEIGHT[repeated], 100)
    assert joined.factor.shape == (30, 30)
    assert_allclose(joined.factor.T @ joined.factor, whole.gram, rtol=1e-9, atol=1e-9)
    assert_allclose(joined.cross, whole.cross, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("ridge", RIDGES)
def test_the_path_is_ridge_regression(ridge):
    path = RidgePath(accumulate(TriangularMoments, X, TARGETS, WEIGHT, 10))
    oracle = Ridge(alpha=WEIGHT.sum() * ridge, solver="svd")
    oracle.fit(standardised(X, WEIGHT), TARGETS, sample_weight=WEIGHT)
    assert_allclose(path.coef(ridge), oracle.coef_.T, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["auto", "cholesky", "svd"])
def test_the_student_is_ridge_regression(solver, dtype):
    rows, labels = few_rows(dtype)
    student = EDMDClassifier(ridge=0.01, solver=solver).fit(rows, labels, WEIGHT)
    Z = standardised(rows.astype(np.float64), WEIGHT)
    oracle = Ridge(alpha=WEIGHT.sum() * 0.01, solver="svd").fit(Z, TARGETS, WEIGHT)
    digits = 1e-9 if dtype == np.float64 else 1e-5
    assert_allclose(student.decision_function(rows), oracle.predict(Z), atol=digits)
    assert student.coef_.dtype == dtype
    assert student.solver_ == ("svd" if solver == "svd" else "cholesky")


def test_without_a_ridge_the_norm_is_least():
    student = EDMDClassifier(ridge=0.0).fit(X, Y)
    scaler = StandardScaler().fit(X)
    expected = lstsq(scaler.transform(X), TARGETS - TARGETS.mean(axis=0), cond=1e-12)[0]
    coef = student.coef_.T * np.where(scaler.var_ > 1e-20, scaler.scale_, 0.0)[:, None]
    assert student.solver_ == "svd"
    assert_allclose(coef, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_leaving_one_out_is_that_of_ridge_cv(dtype):
    rows, labels = few_rows(dtype)
    student = EDMDClassifierCV(ridges=RIDGES).fit(rows, labels)
    Z = standardised(rows.astype(np.float64))
    oracle = RidgeCV(np.multiply(RIDGES, N_ROWS), store_cv_results=True).fit(Z, TARGETS)
    errors = oracle.cv_results_.mean(axis=(0, 1))[::-1]
    assert_allclose(student.cv_results_["mean_test_score"], -errors, rtol=1e-6)
    assert_allclose(student.ridge_ * N_ROWS, oracle.alpha_)
    digits = 1e-9 if dtype == np.float64 else 1e-5
    assert_allclose(student.decision_function(rows), oracle.predict(Z), atol=digits)


def test_folds_are_refits():
    folds = [(np.arange(N_ROWS) % 3 != k, np.arange(N_ROWS) % 3 == k) for k in range(3)]
    folds = [tuple(map(np.flatnonzero, fold)) for fold in folds]
    labels = np.arange(N_ROWS) // 3 % 3
    student = EDMDClassifierCV(ridges=RIDGES, cv=folds).fit(X, labels)
    for k, (train, test) in enumerate(folds):
        expected = [
            EDMDClassifier(ridge=ridge)
            .fit(X[train], labels[train])
            .score(X[test], labels[test])
            for ridge in sorted(RIDGES, reverse=True)
        ]
        assert_allclose(student.cv_results_[f"split{k}_test_score"], expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cross_entropy_is_logistic_regression(dtype):
    rows, labels = few_rows(dtype, n_observables=1100)
    student = KoopmanDistilledClassifier(soft_weight=0.0, ridge=0.1, tol=1e-9)
    student.fit(rows, labels)
    Z = standardised(rows.astype(np.float64))
    # The default solver stops here when the probabilities are exact to 1e-7.
    oracle = LogisticRegression(C=1 / (0.1 * N_ROWS), solver="newton-cg", tol=1e-10).fit(
        Z, labels
    )
    proba = oracle.predict_proba(Z)
    digits = 1e-7 if dtype == np.float64 else 1e-5
    assert_allclose(student.predict_proba(rows), proba, atol=digits)
    objective = log_loss(labels, proba) + 0.05 * np.square(oracle.coef_).sum()
    assert_allclose(student.objective_, objective, rtol=1e-8)
    assert student.gradient_norm_ <= 1e-9


def test_distillation_is_that_of_rows_and_their_copies():
    """With many copies there are more rows than observables, but the same loss."""
    soft = 3 * TARGETS + WIDE[:, :3] / 10
    settings = {"ridge": 0.05, "tol": 1e-8, "temperature": 3.0}
    few = KoopmanDistilledClassifier(**settings).fit(WIDE, Y, WEIGHT, soft_labels=soft)
    times = 25
    many = KoopmanDistilledClassifier(**settings).fit(
        *(np.repeat(array, times, axis=0) for array in (WIDE, Y, WEIGHT)),
        soft_labels=np.repeat(soft, times, axis=0),
    )
    assert 2 * times * N_ROWS > WIDE.shape[1] > 2 * N_ROWS
    assert_allclose(few.objective_, many.objective_, rtol=1e-9)
    assert_allclose(few.predict_proba(WIDE), many.predict_proba(WIDE), atol=1e-6)


def test_a_warm_start_of_few_rows_is_done():
    student = KoopmanDistilledClassifier(
        soft_weight=0.0, ridge=0.1, tol=1e-6, warm_start=True, max_iter=200
    ).fit(WIDE, Y)
    coef = student.coef_.copy()
    student.fit(WIDE, Y)
    assert student.n_iter_ == 1
    assert_allclose(student.coef_, coef, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "student",
    [
        EDMDClassifier(),
        EDMDClassifier(multiplicative_noise=0.1),
        EDMDClassifierCV(),
        EDMDClassifierCV(cv=2),
        KoopmanDistilledClassifier(soft_weight=0.0),
    ],
)
def test_observables_whose_gram_matrix_no_machine_holds(student):
    rng = np.random.default_rng(0)
    labels = np.arange(8) % 2
    rows = rng.normal(size=(8, 200_000)).astype(np.float32) + labels[:, None]
    assert student.fit(rows, labels).score(rows, labels) == 1.0
