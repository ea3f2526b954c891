"""The parts of the minimiser; steps on samples of the rows lead to the same optimum."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.preprocessing import StandardScaler

from sklearn_koopman.linear import (
    CurvaturePreconditioner,
    History,
    Point,
    Search,
    choose_rows,
    inverse,
    line_search,
)
from sklearn_koopman.rows import PackedTriangle
from sklearn_koopman.solvers import (
    GramMoments,
    accumulated,
    minimise,
)

from ..helpers import blas_threads
from .helpers import make_rows, problem_of, start_of

N_CLASSES = 4


def make_problem(
    n_samples=3000, n_observables=12, *, soft_weight=0.5, dtype=float, clarity=6.0
):
    """Return a problem in which the student is soon confident of most rows."""
    X, *known = make_rows(n_samples, n_observables, N_CLASSES, clarity=clarity)
    return problem_of(X.astype(dtype), *known, soft_weight=soft_weight)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("soft_weight", [0.0, 0.5, 1.0])
def test_samples_lead_to_the_optimum_of_all_rows(
    sampled_from_the_first_row, soft_weight, dtype
):
    problem = make_problem(soft_weight=soft_weight, dtype=dtype)
    plain = minimise(problem, *start_of(problem), max_iter=1000, tol=1e-8)
    sampled_from_the_first_row(LARGEST_SAMPLE=0.9)
    sampled = minimise(problem, *start_of(problem), max_iter=1000, tol=1e-8)
    assert plain.converged
    assert sampled.converged
    assert sampled.n_passes < sampled.n_iter  # some steps did not evaluate all rows
    assert_allclose(
        sampled.objective, plain.objective, rtol=1e-6 if dtype == np.float32 else 1e-10
    )
    assert_allclose(sampled.coef, plain.coef, atol=2e-4)


def test_a_sample_that_misleads_is_given_up(sampled_from_the_first_row):
    """Tiny samples promise more than all rows keep. The optimum is reached all the same."""
    sampled_from_the_first_row(LEFT_TO_CHANCE=0.99)
    problem = make_problem(soft_weight=0.0)
    solution = minimise(problem, *start_of(problem), max_iter=1000, tol=1e-6)
    x = np.vstack([solution.coef, solution.intercept])
    assert solution.converged
    assert np.abs(problem.evaluate(x)[1]).max() <= 1e-6


@pytest.fixture
def preconditioners(monkeypatch):
    """Return a list that gets the number of rows and of BLAS threads of each preconditioner.

    Only the number of steps and the time would show what a preconditioner is made of.
    """
    made = []
    original = CurvaturePreconditioner.__init__

    def watched(self, problem, moments, n_rows, slope_gram=None):
        made.append((n_rows / problem.weight * problem.blocks.n_samples, blas_threads()))
        original(self, problem, moments, n_rows)

    monkeypatch.setattr(CurvaturePreconditioner, "__init__", watched)
    return made


def test_a_preconditioner_has_more_rows_than_observables_whatever_a_sample_may_hold(
    sampled_from_the_first_row, preconditioners
):
    problem = make_problem(n_observables=40)
    sampled_from_the_first_row(SAMPLE_BYTES=1)  # less than a Gram matrix needs, too
    assert minimise(problem, *start_of(problem), max_iter=1000, tol=1e-6).converged
    assert min(n_rows for n_rows, _ in preconditioners) > 40


@pytest.mark.parametrize(("n_observables", "is_large"), [(12, False), (2100, True)])
def test_preconditioners_of_large_dictionaries_are_made_by_all_threads_of_blas(
    preconditioners, n_observables, is_large
):
    before = blas_threads()
    problem = make_problem(3000, n_observables)
    minimise(problem, *start_of(problem), max_iter=1, tol=1e-6)
    assert {n_threads for _, n_threads in preconditioners} == {before if is_large else 1}
    assert blas_threads() == before


def test_most_iterations_count_steps_on_samples_too(sampled_from_the_first_row):
    sampled_from_the_first_row()
    problem = make_problem()
    solution = minimise(problem, *start_of(problem), max_iter=13, tol=1e-12)
    assert solution.n_iter == 13
    assert not solution.converged


# The rows that are chosen


@given(st.integers(1, 300), st.floats(0.0, 0.9), st.integers(1, 400), st.floats(0.1, 4.0))
def test_chosen_rows(n_samples, left_to_chance, most, spread):
    score = np.random.default_rng(n_samples).lognormal(sigma=spread, size=n_samples)
    rows, factor = choose_rows(score, left_to_chance, most)
    assert_array_equal(rows, np.unique(rows))
    assert len(rows) <= most + 1
    assert np.all(factor >= 1 - 1e-12)
    # All rows that are chosen by chance count about equally.
    by_chance = factor > 1 + 1e-9
    assert_allclose(
        factor[by_chance] * score[rows[by_chance]], (factor * score[rows])[by_chance]
    )
    assert (
        np.ptp((factor * score[rows])[by_chance]) <= 1e-6 * score.sum()
        if by_chance.any()
        else 1
    )


def test_all_rows_are_chosen_where_nothing_is_left_to_chance():
    score = np.random.default_rng(0).random(50)
    rows, factor = choose_rows(score, 0.0, 50)
    assert_array_equal(rows, np.arange(50))
    assert_array_equal(factor, 1.0)


def test_few_rows_with_all_the_score_are_enough():
    score = np.full(1000, 1e-9)
    score[::100] = 1.0
    rows, factor = choose_rows(score, 0.05, 1000)
    assert set(range(0, 1000, 100)) <= set(rows)
    assert len(rows) < 30
    assert_allclose(factor[np.isin(rows, range(0, 1000, 100))], 1.0)


def test_weights_stand_for_all_rows():
    score = np.random.default_rng(0).lognormal(sigma=2.0, size=20_000)
    rows, factor = choose_rows(score, 0.2, 5000)
    assert len(rows) < 5000
    assert_allclose(factor @ score[rows], score.sum(), rtol=0.01)


def test_rows_without_a_score_are_as_good_as_any_other():
    rows, _ = choose_rows(np.zeros(100), 0.0, 10)
    assert 9 <= len(rows) <= 11


def test_leverage_is_the_mean_square_of_standardised_observables():
    problem = make_problem()
    X = problem.blocks.X
    problem.scale.constant[3] = True  # it gets no coefficient
    standardised = np.delete(StandardScaler().fit_transform(X), 3, axis=1)
    problem.scale.mean[:], problem.scale.deviation[:] = X.mean(axis=0), X.std(axis=0)
    assert_allclose(problem.leverage(), np.square(standardised).mean(axis=1))


def test_leverage_of_observables_whose_squares_are_no_float32():
    X = np.random.default_rng(0).normal(size=(500, 3))
    scales = np.array([1e-30, 1.0, 1e30])
    problem, extreme = make_problem(500, 3), make_problem(500, 3)
    problem.blocks.X, extreme.blocks.X = X, (X * scales).astype(np.float32)
    problem.scale.mean[:], problem.scale.deviation[:] = X.mean(axis=0), X.std(axis=0)
    extreme.scale.mean[:] = problem.scale.mean * scales
    extreme.scale.deviation[:] = problem.scale.deviation * scales
    assert_allclose(extreme.leverage(), problem.leverage(), rtol=1e-4)


def test_a_row_that_curved_in_a_step_that_did_not_see_it_is_seen_from_then_on():
    problem = make_problem(20_000, 60, clarity=20.0)
    search = Search(problem, np.zeros((61, N_CLASSES)), 100, 1e-8, problem.leverage())
    search.precondition()
    search.step_on_all_rows()
    rows, factor = search.choose_sample()
    before = search.curvature.copy()
    search.step_on_sample(rows, factor)
    risen = search.curvature - before
    assert_array_equal(search.largest_rise, np.maximum(risen, 0.0))
    row = np.setdiff1d(np.arange(20_000), rows)[0]
    search.largest_rise[row] = search.curvature.max()
    rows, factor = search.choose_sample()
    assert factor[rows == row] == 1.0


# The parts of a step


def test_preconditioner_is_the_inverse_of_the_hessian_of_classes_that_curve_alike():
    problem = make_problem(400, 3)
    curvature = np.linspace(0.1, 1.0, 400)
    moments = accumulated(GramMoments(3), problem.blocks, curvature)
    preconditioner = CurvaturePreconditioner(problem, moments, 400)
    phi = (problem.blocks.X - problem.scale.mean) / problem.scale.deviation
    rows = np.column_stack([phi, np.ones(400)])
    hessian = (curvature[:, None] * rows).T @ rows / (N_CLASSES - 1)
    gradient = np.random.default_rng(1).normal(size=(4, N_CLASSES))
    assert_allclose(
        preconditioner(gradient), np.linalg.solve(hessian, gradient), rtol=0.02, atol=1e-5
    )


def test_an_inverse_takes_the_precision_that_it_needs():
    # The smaller eigenvalue of the second matrix is below the precision of float32.
    for gap in (0.5, 1e-9):
        packed = PackedTriangle(2)
        packed.data[:] = 1.0
        packed.diagonal = [1.0 + gap, 1.0 + gap]
        expected = np.linalg.inv(packed.full())
        found = inverse(packed, np.float32)
        assert found.dtype == np.float32
        assert_allclose(found, expected, rtol=1e-5)


def test_line_search_where_the_slope_is_steep_on_a_thousandth_of_the_way_only():
    def kink(x):  # it falls over the first 1e-5, and rises after that
        value = np.logaddexp(0.0, -1e5 * x[0]) + 10.0 * x[0]
        slope = 10.0 - 1e5 / (1.0 + np.exp(1e5 * x[0]))
        return Point(x, value, np.array([slope]))

    start = kink(np.zeros(1))
    assert line_search(kink, start, np.ones(1), np.finfo(float).eps).value < start.value


def test_history_of_a_quadratic_knows_its_hessian():
    """After as many steps as dimensions, the direction is Newton's."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    hessian = root @ root.T + np.eye(5)
    x, history = rng.normal(size=(5, 1)), History(10)
    for _ in range(5):
        gradient = hessian @ x
        step = history.direction(gradient)
        step = step * (
            -np.vdot(step, gradient) / np.vdot(step, hessian @ step)
        )  # to the lowest point
        history.add(step, hessian @ step)
        x = x + step
    assert_allclose(x, 0.0, atol=1e-8)


def test_history_ignores_steps_without_curvature():
    history = History(3)
    history.add(np.ones(2), np.zeros(2))
    history.add(np.ones(2), -np.ones(2))
    assert not history.pairs


@pytest.mark.parametrize("length", [1e-6, 1.0, 1e4])
def test_line_search_finds_a_lower_point_however_long_the_step(length):
    def function(x):
        return Point(x, float(np.logaddexp(x, -x).sum()), np.tanh(x))

    point = function(np.array([0.7]))
    lower = line_search(function, point, -length * point.gradient, 1e-16)
    assert lower.value < point.value


def test_line_search_gives_up_uphill():
    def function(x):
        return Point(x, float(x @ x), 2 * x)

    point = function(np.array([1.0]))
    assert line_search(function, point, np.array([1.0]), 1e-16) is None


def test_tolerance_that_rounding_forbids_ends_without_convergence():
    problem = make_problem(300, 3, soft_weight=0.0, clarity=1.0)
    solution = minimise(problem, *start_of(problem), max_iter=10_000, tol=0.0)
    assert not solution.converged
    assert solution.n_iter < 1000
    oracle = minimize(
        lambda x: (lambda value, gradient: (value, gradient.ravel()))(
            *problem.evaluate(x.reshape(4, N_CLASSES))
        ),
        np.zeros(4 * N_CLASSES),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-10},
    )
    assert_allclose(solution.objective, oracle.fun, rtol=1e-12)
