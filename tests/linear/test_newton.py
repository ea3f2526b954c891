"""Many classes: products with the Hessian; Newton's steps lead to the only optimum."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sklearn_koopman import KoopmanDistilledClassifier, KoopmanDistilledClassifierCV
from sklearn_koopman.linear import (
    ClassPreconditioner,
    Hessian,
    conjugate_gradients,
    minimise,
    minimise_path,
    standardised_rows,
)

from .helpers import make_rows, problem_of, start_of

N_CLASSES = 34


def rows_of_many_classes(n_samples):
    """Return rows, labels of all classes, and logits of a teacher."""
    X, labels, logits = make_rows(n_samples, 6, N_CLASSES, clarity=2.0)
    labels[:N_CLASSES] = np.arange(N_CLASSES)
    return X, labels, logits


def make_problem(n_samples=800, *, soft_weight=0.5, dtype=float):
    """Return a problem with a constant observable, and rows without a label."""
    X, labels, logits = rows_of_many_classes(n_samples)
    X[:, 2] = 1.0
    labels[::7] = -1
    return problem_of(X.astype(dtype), labels, logits, soft_weight=soft_weight, ridge=1e-3)


def hessian_of(problem, x):
    phi = standardised_rows(problem.blocks, problem.scale)
    terms = problem.loss.log_sum_exps(problem.hard_weight, problem.soft_weight)
    return Hessian(phi, terms, problem.ridge, x, problem.blocks.pool)


@pytest.mark.parametrize("soft_weight", [0.0, 0.5, 1.0])
def test_products_with_the_hessian_are_differences_of_gradients(soft_weight):
    problem = make_problem(soft_weight=soft_weight)
    rng = np.random.default_rng(2)
    x, v = rng.normal(size=(2, 7, N_CLASSES))
    x[2] = v[2] = 0.0  # the constant observable
    eps = 1e-5
    ends = [problem.evaluate(x + sign * eps * v)[1] for sign in (1, -1)]
    difference = (ends[0] - ends[1]) / (2 * eps)
    assert_allclose(hessian_of(problem, x)(v), difference, atol=1e-5 * np.abs(difference).max())


def test_conjugate_gradients_solve_newton_s_equations():
    problem = make_problem()
    x = np.zeros((7, N_CLASSES))
    hessian, gradient = hessian_of(problem, x), problem.evaluate(x)[1]
    preconditioner = ClassPreconditioner(np.copy, hessian.class_curvature)
    step, n_products = conjugate_gradients(
        hessian, gradient, preconditioner, accuracy=1e-5, goal=0.0, most=500
    )
    assert n_products < 500
    assert_allclose(hessian(step), -gradient, atol=1e-4 * np.abs(gradient).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("soft_weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("is_sampled", [False, True])
def test_same_optimum_as_that_of_first_order_steps(
    sampled_from_the_first_row, soft_weight, dtype, is_sampled
):
    problem = make_problem(soft_weight=soft_weight, dtype=dtype)
    sampled_from_the_first_row(MANY_CLASSES=N_CLASSES + 1, SAMPLED_FROM=2**20)
    oracle = minimise(problem, *start_of(problem), max_iter=1000, tol=1e-8)
    if is_sampled:
        sampled_from_the_first_row(MANY_CLASSES=N_CLASSES, LARGEST_SAMPLE=0.95)
    else:
        sampled_from_the_first_row(MANY_CLASSES=N_CLASSES, SAMPLED_FROM=2**20)
    found = minimise(problem, *start_of(problem), max_iter=1000, tol=1e-8)
    assert oracle.converged
    assert found.converged
    assert found.n_passes < found.n_iter  # products are not evaluations
    rtol = 1e-6 if dtype == np.float32 else 1e-10
    assert_allclose(found.objective, oracle.objective, rtol=rtol)
    assert_allclose(found.coef, oracle.coef, atol=2e-4)


def test_products_count_as_steps():
    problem = make_problem()
    for max_iter in (1, 5, 9):
        solution = minimise(problem, *start_of(problem), max_iter=max_iter, tol=1e-10)
        assert solution.n_iter == max_iter
        assert not solution.converged


def test_a_start_at_the_optimum_takes_no_step():
    problem = make_problem()
    first = minimise(problem, *start_of(problem), max_iter=1000, tol=1e-7)
    again = minimise(problem, first.coef, first.intercept, max_iter=1000, tol=1e-7)
    assert first.n_iter > 0
    assert again.n_iter == 0
    assert again.converged


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tolerance_that_rounding_forbids_ends_without_convergence(dtype):
    problem = make_problem(dtype=dtype)
    oracle = minimise(problem, *start_of(problem), max_iter=1000, tol=1e-8)
    solution = minimise(problem, *start_of(problem), max_iter=10_000, tol=0.0)
    assert not solution.converged
    assert solution.n_iter < 2000
    assert_allclose(solution.objective, oracle.objective, rtol=1e-12)


def test_a_path_of_ridges_ends_at_the_optimum_of_each():
    problem, ridges = make_problem(), [1e-1, 1e-2, 1e-3]
    path = minimise_path(
        problem,
        ridges,
        *start_of(problem),
        max_iter=1000,
        tol=1e-7,
        leverage=problem.leverage(),
        preconditioners={},
    )
    for ridge, solution in zip(ridges, path, strict=True):
        alone = minimise(problem.with_ridge(ridge), *start_of(problem), max_iter=1000, tol=1e-7)
        assert solution.converged
        assert_allclose(solution.objective, alone.objective, rtol=1e-9)


def steps_to_the_minimum(problem):
    """Return the solution, and the number of products or steps to each point on the way."""
    counts = [0]
    found = minimise(
        problem,
        *start_of(problem),
        max_iter=5000,
        tol=1e-7,
        report=lambda n_iter, *_: counts.append(n_iter),
    )
    return found, np.diff(counts)


def test_what_a_sure_student_lacks_is_left_to_first_order_steps(sampled_from_the_first_row):
    """Labels without noise: soon few rows curve, and products with the Hessian say little."""
    rows = make_rows(300, 6, N_CLASSES, clarity=30.0, noise=0.0)
    problem = problem_of(*rows, soft_weight=0.0, ridge=2e-5)
    found, steps = steps_to_the_minimum(problem)
    n_newton = len(steps) - np.argmax(steps[::-1] > 1)
    assert 1 <= n_newton <= len(steps) - 100  # products first, then single steps
    assert found.converged
    sampled_from_the_first_row(LEAST_SHARE_OF_CURVATURE=0.0, SAMPLED_FROM=2**20)
    by_newton, steps_of_newton = steps_to_the_minimum(problem)
    assert steps_of_newton[-1] > 1  # products to the end
    assert by_newton.converged
    assert_allclose(found.objective, by_newton.objective, rtol=1e-5)


def test_labels_alone_give_logistic_regression():
    X, y, _ = rows_of_many_classes(600)
    weight = np.random.default_rng(1).integers(1, 4, size=600)
    ridge = 1e-2
    student = KoopmanDistilledClassifier(soft_weight=0, ridge=ridge, tol=1e-8)
    student.fit(X, y, sample_weight=weight)
    Z = (X - np.average(X, axis=0, weights=weight)) / np.sqrt(
        np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    )
    oracle = LogisticRegression(C=1 / (ridge * weight.sum()), tol=1e-8, max_iter=5000)
    oracle.fit(Z, y, sample_weight=weight)
    assert_allclose(student.predict_proba(X), oracle.predict_proba(Z), atol=2e-6)


def test_stopping_early_is_told():
    X, y, logits = rows_of_many_classes(400)
    student = KoopmanDistilledClassifier(max_iter=4)
    with pytest.warns(ConvergenceWarning, match="after 4 iterations"):
        student.fit(X, y, soft_labels=logits)
    assert student.n_iter_ == 4


def test_warm_start():
    X, y, logits = rows_of_many_classes(400)
    student = KoopmanDistilledClassifier(warm_start=True).fit(X, y, soft_labels=logits)
    n_iter = student.n_iter_
    assert student.fit(X, y, soft_labels=logits).n_iter_ == 1
    assert n_iter > 1


def test_cross_validation_ends_at_the_optimum_of_all_rows():
    X, y, logits = rows_of_many_classes(900)
    y = np.where(np.isin(y, np.flatnonzero(np.bincount(y) < 3)), y.max(), y)
    logits = logits[:, np.unique(y)]
    settings = {"ridges": [1e-1, 1e-3], "temperatures": [2.0], "soft_weights": [0.5], "cv": 3}
    searched = KoopmanDistilledClassifierCV(**settings).fit(X, y, soft_labels=logits)
    chosen = KoopmanDistilledClassifier(
        ridge=searched.ridge_, soft_weight=0.5, temperature=2.0
    ).fit(X, y, soft_labels=logits)
    assert_allclose(searched.objective_, chosen.objective_, rtol=1e-7)
    assert np.isfinite(searched.scores_).all()
