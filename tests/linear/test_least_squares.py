import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import lstsq, svd
from sklearn.linear_model import Ridge

from sklearn_koopman.solvers import (
    GramMoments,
    TriangularMoments,
    solve_gram,
    solve_triangular_factor,
)
from tests.rows.helpers import accumulate, samples, standardised, with_constants

SOLVERS = {
    "gram": (GramMoments, solve_gram),
    "triangular": (TriangularMoments, solve_triangular_factor),
}
both_solvers = pytest.mark.parametrize("solver", SOLVERS)


def solve(solver, X, Y, ridge, sample_weight=None, rank=None, block_rows=11):
    moments_class, solve_moments = SOLVERS[solver]
    moments = accumulate(moments_class, X, Y, sample_weight, block_rows)
    return solve_moments(moments, ridge, rank)


def targets_for(X, n_targets=3, noise=1.0, seed=1):
    rng = np.random.default_rng(seed)
    signal = np.tanh(X @ rng.normal(size=(X.shape[1], n_targets)))
    return signal + noise * rng.normal(size=signal.shape) + 5.0


def objective(coef, X, Y, ridge, sample_weight=None):
    """Return the objective by the module's formula."""
    phi, centred = standardised(X, sample_weight), Y - np.average(Y, 0, weights=sample_weight)
    residual = np.average(((centred - phi @ coef) ** 2).sum(axis=1), weights=sample_weight)
    return 0.5 * residual + 0.5 * ridge * (coef**2).sum()


def reduced_rank_oracle(X, Y, ridge, rank):
    """Return the coefficients: truncate the fit of rows augmented with the penalty."""
    n_samples, n_observables = X.shape
    penalty = np.sqrt(n_samples * ridge) * np.eye(n_observables)
    augmented = np.vstack([standardised(X), penalty])
    centred = np.vstack([Y - Y.mean(axis=0), np.zeros((n_observables, Y.shape[1]))])
    full = lstsq(augmented, centred)[0]
    _, _, right = svd(augmented @ full, full_matrices=False)
    return full @ right[:rank].T @ right[:rank]


@both_solvers
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ridge", [1e-8, 1e-3, 1.0, 100.0])
def test_equals_ridge_on_standardised_observables(solver, weighted, ridge):
    X = samples(80, 5) * [1e-8, 1e-3, 1.0, 10.0, 1e8] + [0.0, 1.0, 1e3, 0.0, -1e8]
    Y = targets_for(samples(80, 5))
    weight = np.random.default_rng(2).random(80) if weighted else np.ones(80)
    oracle = Ridge(alpha=weight.sum() * ridge, solver="svd")
    oracle.fit(standardised(X, weight), Y, sample_weight=weight)
    coef = solve(solver, X, Y, ridge, weight)
    assert_allclose(coef, oracle.coef_.T, rtol=1e-9, atol=1e-9 * np.abs(coef).max())


@both_solvers
@pytest.mark.parametrize("rank", [None, 1])
def test_weights_are_repetitions_and_their_scale_is_free(solver, rank):
    X, repetitions = samples(40, 4), np.arange(40) % 3
    Y = targets_for(X)
    weighted = solve(solver, X, Y, 0.1, repetitions * 7.0, rank)
    repeated = solve(
        solver, X.repeat(repetitions, axis=0), Y.repeat(repetitions, axis=0), 0.1, rank=rank
    )
    assert_allclose(weighted, repeated, rtol=1e-9, atol=1e-12)


@both_solvers
@pytest.mark.parametrize("block_rows", [1, 17, 1000])
def test_blocks_make_no_difference(solver, block_rows):
    X = samples(60, 4)
    Y = targets_for(X)
    coef = solve(solver, X, Y, 1e-3, block_rows=block_rows)
    assert_allclose(coef, solve(solver, X, Y, 1e-3), rtol=1e-10)


@both_solvers
@pytest.mark.parametrize("ridge", [0.0, 1e-3])
def test_constant_observables_get_no_coefficient(solver, ridge):
    X = samples(60, 4)
    Y = targets_for(X)
    longer, constant = with_constants(X)
    coef = solve(solver, longer, Y, ridge)
    assert_array_equal(coef[constant], 0.0)
    assert_allclose(coef[~constant], solve(solver, X, Y, ridge), atol=1e-12)


@both_solvers
def test_only_constant_observables(solver):
    X = np.full((20, 3), 0.1)
    coef = solve(solver, X, targets_for(samples(20, 3)), 1e-3)
    assert_array_equal(coef, np.zeros((3, 3)))


def duplicated_observables():
    X = samples(50, 3)
    return np.column_stack([X, X, X[:, 0] - 2 * X[:, 1]]), targets_for(X)


def test_gram_gives_up_on_dependent_observables_without_ridge():
    X, Y = duplicated_observables()
    assert solve("gram", X, Y, 0.0) is None
    assert solve("gram", samples(5, 9), samples(5, 2), 0.0) is None
    powers = np.vander(np.linspace(-1.0, 1.0, 50), 23)[:, :-1]
    assert solve("gram", powers, powers[:, :1], 0.0) is None
    assert solve("gram", X, Y, 1e-6) is not None


def test_triangular_factor_gives_the_solution_of_least_norm():
    for X, Y in (duplicated_observables(), (samples(5, 9), samples(5, 2, seed=1))):
        expected, *_ = lstsq(standardised(X), Y - Y.mean(axis=0))
        assert_allclose(solve("triangular", X, Y, 0.0), expected, atol=1e-12)


@both_solvers
def test_dependent_observables_with_ridge(solver):
    X, Y = duplicated_observables()
    oracle = Ridge(alpha=len(X) * 1e-2, solver="svd").fit(standardised(X), Y)
    assert_allclose(solve(solver, X, Y, 1e-2), oracle.coef_.T, atol=1e-12)


def test_triangular_factor_keeps_twice_the_digits_of_the_normal_equations():
    X = np.vander(np.linspace(-1.0, 1.0, 200), 20, increasing=True)[:, 1:]
    phi = standardised(X)
    assert np.linalg.cond(phi) > 1e6
    exact = np.random.default_rng(0).normal(size=(19, 2))
    error = {
        solver: np.abs(solve(solver, X, phi @ exact, 0.0) - exact).max() for solver in SOLVERS
    }
    assert error["triangular"] < 1e-8
    assert error["gram"] > 1e4 * error["triangular"]


@both_solvers
@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_reduced_rank_equals_the_truncated_fit(solver, ridge, rank):
    X = samples(70, 6)
    Y = targets_for(X, n_targets=4)
    coef = solve(solver, X, Y, ridge, rank=rank)
    assert np.linalg.matrix_rank(coef, tol=1e-10) == rank
    assert_allclose(coef, reduced_rank_oracle(X, Y, ridge, rank), atol=1e-9)


@both_solvers
@pytest.mark.parametrize("rank", [4, 5, None])
def test_rank_of_the_targets_or_more_restricts_nothing(solver, rank):
    X = samples(70, 6)
    Y = targets_for(X, n_targets=4)
    assert_array_equal(solve(solver, X, Y, 0.1, rank=rank), solve(solver, X, Y, 0.1))


@settings(max_examples=60)
@given(
    solver=st.sampled_from(sorted(SOLVERS)),
    rank=st.integers(1, 3),
    ridge=st.sampled_from([0.0, 1e-3, 0.3]),
    spread=st.sampled_from([1e-3, 1e-1, 1.0]),
    seed=st.integers(0, 2**16),
)
def test_no_other_coefficients_of_that_rank_are_better(solver, rank, ridge, spread, seed):
    X, weight = samples(40, 5), np.linspace(0.2, 2.0, 40)
    Y = targets_for(X, n_targets=4)
    coef = solve(solver, X, Y, ridge, weight, rank)
    left, singular, right = svd(coef, full_matrices=False)
    rng = np.random.default_rng(seed)
    left = left[:, :rank] * singular[:rank] + spread * rng.normal(size=(5, rank))
    candidate = left @ (right[:rank] + spread * rng.normal(size=(rank, 4)))
    assert objective(coef, X, Y, ridge, weight) <= objective(candidate, X, Y, ridge, weight)


@pytest.mark.parametrize("rank", [1, 2])
def test_reduced_rank_of_dependent_observables(rank):
    X, Y = duplicated_observables()
    coef = solve("triangular", X, Y, 0.0, rank=rank)
    assert_allclose(coef, reduced_rank_oracle(X, Y, 0.0, rank), atol=1e-10)


@both_solvers
def test_moments_are_left_as_they_are(solver):
    moments_class, solve_moments = SOLVERS[solver]
    X = samples(30, 4)
    moments = accumulate(moments_class, X, targets_for(X))
    first = solve_moments(moments, 0.1, 2)
    assert_array_equal(solve_moments(moments, 0.1, 2), first)
