import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax, rel_entr, softmax
from sklearn.linear_model import LogisticRegression

from sklearn_koopman.solvers import (
    DistillationProblem,
    GramMoments,
    RowBlocks,
    minimise,
    minimise_path,
)
from tests.rows.helpers import accumulate, as_codes, samples, standardised, with_constants

N_SAMPLES, N_OBSERVABLES, N_CLASSES = 120, 4, 3
X = samples(N_SAMPLES, N_OBSERVABLES)
TEACHER = standardised(X) @ samples(N_OBSERVABLES, N_CLASSES, seed=1)
LABELS = np.argmax(TEACHER + np.random.default_rng(2).gumbel(size=TEACHER.shape), axis=1)
ONE_HOT = np.eye(N_CLASSES)[LABELS]
WEIGHT = np.linspace(0.2, 1.8, N_SAMPLES)

LOSSES = {
    "hard": {"soft_weight": 0.0},
    "soft": {"soft_weight": 1.0},
    "both": {"soft_weight": 0.5},
    "cold": {"soft_weight": 0.8, "temperature": 0.5},
    "hot": {"soft_weight": 0.8, "temperature": 5.0},
    "without temperature": {"soft_weight": 0.3, "temperature": 1.0},
}
all_losses = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def make_problem(
    X=X,
    one_hot=ONE_HOT,
    soft_logits=TEACHER,
    sample_weight=WEIGHT,
    *,
    soft_weight=0.5,
    temperature=2.0,
    ridge=1e-2,
    block_rows=50,
):
    moments = accumulate(GramMoments, X, sample_weight=sample_weight)
    return DistillationProblem(
        RowBlocks(X, block_rows=block_rows),
        moments.scale,
        as_codes(one_hot),
        soft_logits if soft_weight > 0 else None,
        sample_weight,
        n_classes=N_CLASSES,
        soft_weight=soft_weight,
        temperature=temperature,
        ridge=ridge,
    )


def solve(*arrays, start=None, max_iter=1000, tol=1e-7, report=None, **params):
    problem = make_problem(*arrays, **params)
    if start is None:
        start = np.zeros((problem.blocks.n_observables, N_CLASSES)), np.zeros(N_CLASSES)
    return minimise(problem, *start, max_iter=max_iter, tol=tol, report=report)


def random_start(seed, n_observables=N_OBSERVABLES, spread=1.0):
    rng = np.random.default_rng(seed)
    return spread * rng.normal(size=(n_observables, N_CLASSES)), rng.normal(size=N_CLASSES)


def centred(intercept):
    """Return intercepts without the constant, on which no probability depends."""
    return intercept - intercept.mean()


def as_function(problem):
    """Return value and gradient as functions of one vector."""
    n_observables = problem.blocks.n_observables

    def value_and_gradient(x):
        coef, intercept = np.vsplit(x.reshape(n_observables + 1, N_CLASSES), [n_observables])
        value, *gradients = problem(coef, intercept[0])
        return value, np.vstack(gradients).ravel()

    return value_and_gradient


def direct_value(
    coef, intercept, one_hot, soft_logits, weight, soft_weight, temperature, ridge, X=X
):
    """Return the loss by its formula."""
    logits = standardised(X, weight) @ coef + intercept
    labelled = one_hot.any(axis=1)
    hard = soft = 0.0
    if weight[labelled].sum() > 0:
        cross_entropy = -(one_hot * log_softmax(logits, axis=1)).sum(axis=1)
        hard = np.average(cross_entropy[labelled], weights=weight[labelled])
    if soft_weight > 0:
        divergence = rel_entr(
            softmax(soft_logits / temperature, axis=1), softmax(logits / temperature, axis=1)
        )
        soft = np.average(divergence.sum(axis=1), weights=weight)
    penalty = 0.5 * ridge * (coef**2).sum()
    return (1 - soft_weight) * hard + soft_weight * temperature**2 * soft + penalty


# Value and gradient


@st.composite
def problems(draw):
    """Draw arrays and parameters of a problem, with some rows without label or weight."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    one_hot, weight = ONE_HOT.copy(), 2 * rng.random(N_SAMPLES)
    one_hot[rng.random(N_SAMPLES) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = 0.0
    weight[rng.random(N_SAMPLES) < draw(st.sampled_from([0.0, 0.5]))] = 0.0
    params = {
        "soft_weight": draw(st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)),
        "temperature": draw(st.just(1.0) | st.floats(0.3, 20.0)),
        "ridge": draw(st.sampled_from([0.0, 1e-3, 1.0])),
    }
    return (one_hot, 3 * rng.normal(size=TEACHER.shape), weight), params


@settings(max_examples=60)
@given(problems(), st.integers(1, 150), st.integers(0, 2**16))
def test_value_equals_the_formula(arrays_and_params, block_rows, seed):
    arrays, params = arrays_and_params
    point = random_start(seed)
    problem = make_problem(X, *arrays, **params, block_rows=block_rows)
    expected = direct_value(*point, *arrays, **params)
    assert_allclose(problem(*point)[0], expected, rtol=1e-11, atol=1e-12)


@settings(max_examples=30)
@given(problems(), st.integers(0, 2**16))
def test_gradient_equals_finite_differences(arrays_and_params, seed):
    arrays, params = arrays_and_params
    problem = make_problem(X, *arrays, **params)
    function = as_function(problem)
    x = np.vstack(random_start(seed)).ravel()
    steps = 1e-5 * np.eye(len(x))
    differences = [(function(x + h)[0] - function(x - h)[0]) / 2e-5 for h in steps]
    assert_allclose(function(x)[1], differences, rtol=1e-6, atol=1e-7)


@settings(max_examples=60)
@given(problems(), st.floats(0.0, 1.0), st.integers(0, 2**16))
def test_loss_is_convex(arrays_and_params, position, seed):
    arrays, params = arrays_and_params
    problem = make_problem(X, *arrays, **params)
    function = as_function(problem)
    a, b = (np.vstack(random_start([seed, end], spread=3.0)).ravel() for end in (0, 1))
    between = position * a + (1 - position) * b
    (value_a, _), (value_b, _), (value, gradient) = map(function, (a, b, between))
    assert value <= position * value_a + (1 - position) * value_b + 1e-10
    # A convex function lies above its tangents.
    assert value_a >= value + gradient @ (a - between) - 1e-10


def test_extreme_logits_neither_overflow_nor_lose_the_gradient():
    problem = make_problem(soft_logits=1e4 * TEACHER, ridge=0.0)
    coef, intercept = random_start(0)
    value, *gradients = problem(1e4 * coef, intercept)
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_teacher_that_rules_a_class_out():
    """The logarithm of a probability of zero is a valid logit."""
    soft_logits = TEACHER.copy()
    soft_logits[::2, 0] = -np.inf
    point = random_start(0)
    problem = make_problem(soft_logits=soft_logits)
    params = {"soft_weight": 0.5, "temperature": 2.0, "ridge": 1e-2}
    expected = direct_value(*point, ONE_HOT, soft_logits, WEIGHT, **params)
    assert_allclose(problem(*point)[0], expected, rtol=1e-12)


def test_soft_loss_of_a_student_equal_to_its_teacher_is_zero():
    coef, intercept = random_start(0)
    soft_logits = standardised(X, WEIGHT) @ coef + intercept + WEIGHT[:, None]
    problem = make_problem(soft_logits=soft_logits, soft_weight=1.0, ridge=0.0)
    value, *gradients = problem(coef, intercept)
    assert abs(value) < 1e-14
    assert all(np.abs(gradient).max() < 1e-14 for gradient in gradients)


def test_inputs_are_not_changed():
    arrays = [array.copy() for array in (X, ONE_HOT, TEACHER, WEIGHT)]
    coef, intercept = random_start(0)
    solve(*arrays, start=(coef, intercept))
    for array, original in zip(arrays, (X, ONE_HOT, TEACHER, WEIGHT), strict=True):
        assert_array_equal(array, original)
    assert_array_equal(coef, random_start(0)[0])
    assert_array_equal(intercept, random_start(0)[1])


# The minimiser


@all_losses
@pytest.mark.parametrize("ridge", [1e-4, 1e-1])
def test_minimiser_equals_that_of_a_long_plain_optimisation(loss, ridge):
    problem = make_problem(**loss, ridge=ridge)
    oracle = minimize(
        as_function(problem),
        np.zeros((N_OBSERVABLES + 1) * N_CLASSES),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-10, "maxiter": 5000},
    )
    solution = solve(**loss, ridge=ridge)
    assert solution.converged
    assert_allclose(solution.objective, oracle.fun, rtol=0, atol=1e-11)
    *coef, intercept = oracle.x.reshape(-1, N_CLASSES)
    assert_allclose(solution.coef, coef, atol=1e-5)
    assert_allclose(centred(solution.intercept), centred(intercept), atol=1e-5)


@all_losses
def test_solution_reports_where_it_is(loss):
    solution = solve(**loss)
    problem = make_problem(**loss)
    value, coef_gradient, intercept_gradient = problem(solution.coef, solution.intercept)
    largest = max(np.abs(coef_gradient).max(), np.abs(intercept_gradient).max())
    assert_allclose(solution.objective, value, rtol=1e-12)
    assert_allclose(solution.gradient_norm, largest, atol=1e-12)
    assert solution.gradient_norm < 1e-6
    assert solution.coef.shape == (N_OBSERVABLES, N_CLASSES)
    assert solution.intercept.shape == (N_CLASSES,)


@all_losses
def test_minimiser_does_not_depend_on_the_start(loss):
    solutions = [solve(**loss, start=random_start(seed, spread=5.0)) for seed in range(2)]
    assert_allclose(solutions[0].objective, solutions[1].objective, rtol=0, atol=1e-12)
    assert_allclose(solutions[0].coef, solutions[1].coef, atol=1e-5)
    assert_allclose(*(centred(each.intercept) for each in solutions), atol=1e-5)


@all_losses
def test_starting_at_the_minimiser_takes_hardly_any_iteration(loss):
    cold = solve(**loss, tol=1e-6)
    warm = solve(**loss, tol=1e-6, start=(cold.coef, cold.intercept))
    assert cold.n_iter > 3
    assert warm.n_iter <= 1
    assert_allclose(warm.coef, cold.coef, atol=1e-5)


def test_hard_loss_is_logistic_regression():
    ridge = 1e-2
    oracle = LogisticRegression(C=1 / (WEIGHT.sum() * ridge), tol=1e-10, max_iter=10_000)
    oracle.fit(standardised(X, WEIGHT), LABELS, sample_weight=WEIGHT)
    solution = solve(soft_weight=0.0, ridge=ridge)
    assert_allclose(solution.coef, oracle.coef_.T, atol=1e-5)
    assert_allclose(centred(solution.intercept), centred(oracle.intercept_), atol=1e-5)


@pytest.mark.parametrize("soft_weight", [0.4, 1.0])
def test_at_temperature_one_it_is_logistic_regression_on_mixed_labels(soft_weight):
    ridge = 1e-2
    mixed = (1 - soft_weight) * ONE_HOT + soft_weight * softmax(TEACHER, axis=1)
    oracle = LogisticRegression(C=1 / (WEIGHT.sum() * ridge), tol=1e-10, max_iter=10_000)
    oracle.fit(
        standardised(X, WEIGHT).repeat(N_CLASSES, axis=0),
        np.tile(np.arange(N_CLASSES), N_SAMPLES),
        sample_weight=(WEIGHT[:, None] * mixed).ravel(),
    )
    solution = solve(soft_weight=soft_weight, temperature=1.0, ridge=ridge)
    assert_allclose(solution.coef, oracle.coef_.T, atol=1e-5)
    assert_allclose(centred(solution.intercept), centred(oracle.intercept_), atol=1e-5)


def test_unlabelled_rows_count_for_the_teacher_only():
    one_hot = ONE_HOT.copy()
    one_hot[::2] = 0.0
    hard = solve(X, one_hot, soft_weight=0.0)
    assert_allclose(
        hard.objective,
        direct_value(hard.coef, hard.intercept, one_hot, None, WEIGHT, 0.0, 1.0, 1e-2),
        rtol=1e-12,
    )
    soft, soft_of_labelled = solve(X, one_hot, soft_weight=1.0), solve(soft_weight=1.0)
    assert_allclose(soft.coef, soft_of_labelled.coef, atol=1e-12)


def test_no_labels_at_all():
    without = solve(X, np.zeros_like(ONE_HOT), soft_weight=1.0)
    assert_allclose(without.coef, solve(soft_weight=1.0).coef, atol=1e-12)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=20)
def test_more_soft_weight_moves_the_student_towards_its_teacher(first, second):
    """At the minimiser, a loss falls when it gains weight, and the other loss rises."""
    assume(abs(first - second) > 1e-3)
    low, high = sorted([first, second])
    students = [solve(soft_weight=soft_weight, ridge=0.0) for soft_weight in (low, high)]
    (hard_low, soft_low), (hard_high, soft_high) = (
        [
            direct_value(
                student.coef, student.intercept, ONE_HOT, TEACHER, WEIGHT, soft_weight, 2.0, 0.0
            )
            for soft_weight in (0.0, 1.0)
        ]
        for student in students
    )
    assert soft_high <= soft_low + 1e-10
    assert hard_high >= hard_low - 1e-10


@all_losses
def test_weights_are_repetitions_and_their_scale_is_free(loss):
    repetitions = np.arange(N_SAMPLES) % 3
    weighted = solve(sample_weight=repetitions * 5.0, **loss)
    repeated = (array.repeat(repetitions, axis=0) for array in (X, ONE_HOT, TEACHER))
    expected = solve(*repeated, np.ones(repetitions.sum()), **loss)
    assert_allclose(weighted.objective, expected.objective, rtol=1e-12)
    assert_allclose(weighted.coef, expected.coef, atol=1e-5)


@pytest.mark.parametrize("block_rows", [1, 17, 1000])
def test_blocks_make_no_difference(block_rows):
    assert_allclose(solve(block_rows=block_rows).coef, solve().coef, atol=1e-5)


@pytest.mark.parametrize(("tol", "atol"), [(1e-5, 1e-3), (1e-9, 1e-6)])
def test_float32_rows_are_solved_as_exactly_as_asked(tol, atol):
    """Beyond the digits of float32, products are taken in float64."""
    single = X.astype(np.float32)
    solution, expected = (solve(X, tol=tol) for X in (single, single.astype(np.float64)))
    assert solution.converged
    assert solution.coef.dtype == np.float64
    assert_allclose(solution.objective, expected.objective, rtol=1e-6)
    assert_allclose(solution.coef, expected.coef, atol=atol)


# Dictionaries that are hard to optimise over


def test_units_of_the_observables_do_not_matter():
    plain, scaled = solve(), solve(X * [1e-8, 1e-3, 1e3, 1e8])
    assert scaled.converged
    assert_allclose(scaled.objective, plain.objective, rtol=1e-12)
    assert_allclose(scaled.coef, plain.coef, atol=1e-5)


@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6, 1e8])
def test_offsets_of_the_observables_hardly_matter(offset):
    """Logits lose only the digits that a product with the offset rounds away."""
    plain, shifted = solve(tol=1e-6), solve(X + offset, tol=1e-6)
    assert shifted.converged
    assert_allclose(shifted.objective, plain.objective, rtol=0, atol=1e-15 * offset + 1e-12)
    assert_allclose(shifted.coef, plain.coef, atol=1e-4)


@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_constant_observables_get_no_coefficient(ridge):
    longer, constant = with_constants(X)
    plain, solution = solve(ridge=ridge), solve(longer, ridge=ridge)
    assert solution.converged
    assert_allclose(solution.objective, plain.objective, rtol=1e-12)
    assert_array_equal(solution.coef[constant], 0.0)
    assert_allclose(solution.coef[~constant], plain.coef, atol=1e-5)


def test_duplicate_observables_share_the_coefficient():
    """Two equal halves of a coefficient cost half of its penalty."""
    plain, doubled = solve(ridge=1e-2), solve(np.hstack([X, X]), ridge=2e-2)
    assert doubled.converged
    assert_allclose(doubled.objective, plain.objective, rtol=1e-12)
    assert_allclose(doubled.coef, np.vstack([plain.coef, plain.coef]) / 2, atol=1e-5)


@pytest.mark.parametrize("n_copies", [2, 30])
def test_duplicate_observables_without_ridge(n_copies):
    plain, solution = solve(ridge=0.0), solve(np.hstack([X] * n_copies), ridge=0.0)
    assert solution.converged
    assert_allclose(solution.objective, plain.objective, rtol=1e-10)
    total = solution.coef.reshape(n_copies, N_OBSERVABLES, N_CLASSES).sum(axis=0)
    assert_allclose(total, plain.coef, atol=1e-4)


@pytest.mark.parametrize("ridge", [1e-4, 1e-2])
def test_nearly_dependent_observables_take_few_iterations(ridge):
    powers = np.vander(np.linspace(-1.0, 1.0, N_SAMPLES), 20)[:, :-1]
    assert np.linalg.cond(standardised(powers)) > 1e6
    solution = solve(powers, ridge=ridge, tol=1e-6)
    assert solution.converged
    assert solution.n_iter < 100
    problem = make_problem(powers, ridge=ridge)
    _, *gradients = problem(solution.coef, solution.intercept)
    # By strong convexity this bounds how far the objective is above its minimum.
    assert sum((gradient**2).sum() for gradient in gradients) / (2 * ridge) < 1e-7


@pytest.mark.parametrize("ridge", [0.0, 1e-6])
def test_more_observables_than_rows(ridge):
    wide = samples(20, 40)
    solution = solve(
        wide, ONE_HOT[:20], TEACHER[:20], np.ones(20), soft_weight=1.0, ridge=ridge
    )
    assert solution.converged
    probability = softmax((standardised(wide) @ solution.coef + solution.intercept) / 2, axis=1)
    assert_allclose(probability, softmax(TEACHER[:20] / 2, axis=1), atol=1e-4)


# Stopping and reporting


def test_too_few_iterations_are_not_convergence():
    solution = solve(max_iter=1)
    assert not solution.converged
    assert solution.n_iter == 1
    assert solution.gradient_norm > 1e-3


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
def test_tolerance_bounds_the_gradient(tol):
    solution = solve(tol=tol)
    assert solution.converged
    assert solution.gradient_norm <= tol


def test_report_hears_of_every_iteration():
    heard = []
    solution = solve(report=lambda *progress: heard.append(progress))
    iterations, objectives, gradients = zip(*heard, strict=True)
    assert_array_equal(iterations, np.arange(1, solution.n_iter + 1))
    assert np.all(np.diff(objectives) <= 1e-14)
    assert objectives[-1] == solution.objective
    assert gradients[-1] <= 1 < gradients[0]


# Paths


@all_losses
def test_a_path_ends_where_each_ridge_alone_does(loss):
    problem, preconditioners = make_problem(**loss), {}
    start = np.zeros((N_OBSERVABLES, N_CLASSES)), np.zeros(N_CLASSES)
    ridges = [1.0, 1e-2, 1e-1]
    settings = {"max_iter": 1000, "tol": 1e-8}
    shared = {"leverage": problem.leverage(), "preconditioners": preconditioners}
    for _ in range(2):  # the second time with the preconditioners of the first time
        path = minimise_path(problem, ridges, *start, **settings, **shared)
        for ridge, solution in zip(ridges, path, strict=True):
            assert solution.converged
            alone = minimise(problem.with_ridge(ridge), *start, **settings)
            assert_allclose(solution.coef, alone.coef, atol=1e-6)
            value, coef_gradient, intercept_gradient = problem.with_ridge(ridge)(
                solution.coef, solution.intercept
            )
            assert_allclose(solution.objective, value, rtol=1e-12)
            largest = max(np.abs(coef_gradient).max(), np.abs(intercept_gradient).max())
            assert_allclose(solution.gradient_norm, largest, atol=1e-13)
        assert sorted(preconditioners) == sorted(ridges)


def test_another_ridge_that_asks_for_no_step_costs_no_pass():
    start = np.zeros((N_OBSERVABLES, N_CLASSES)), np.zeros(N_CLASSES)
    problem = make_problem()
    settings = {
        "max_iter": 1000,
        "tol": 1e-3,
        "leverage": problem.leverage(),
        "preconditioners": {},
    }
    first, second = minimise_path(problem, [1e-2, 0.999e-2], *start, **settings)
    assert first.n_iter > 0
    assert second.n_iter == second.n_passes == 0
    assert_array_equal(first.coef, second.coef)
    assert settings["preconditioners"].keys() == {1e-2}
