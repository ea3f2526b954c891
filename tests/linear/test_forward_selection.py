"""Greedy choices equal those of brute force and, without a ridge, those of a pivoted QR."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_koopman.solvers import GramMoments, forward_selection


def problem(seed=0, n_samples=60, n_observables=9, n_targets=3):
    """Return correlated observables, targets that depend on a few of them, and weights."""
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=(n_samples, n_observables)) @ rng.normal(size=(n_observables,) * 2)
    psi += 3
    targets = psi[:, :4] @ rng.normal(size=(4, n_targets)) + rng.normal(
        size=(n_samples, n_targets)
    )
    return psi, targets, rng.uniform(0.5, 2, size=n_samples)


def moments_of(psi, targets, weight):
    moments = GramMoments(psi.shape[1], targets.shape[1])
    return moments.update(psi, targets, weight)


def standardised(psi, targets, weight):
    """Return rows scaled by the roots of their weights, observables of unit norm."""
    share = weight / weight.sum()
    root = np.sqrt(share)[:, None]
    centred = psi - share @ psi
    deviation = np.sqrt(share @ centred**2)
    return root * centred / deviation, root * (targets - share @ targets)


def least_objective(phi, Y, chosen, ridge):
    """Return the least ridge objective of the chosen observables, by a QR of stacked rows."""
    phi = np.vstack([phi[:, chosen], np.sqrt(ridge) * np.eye(len(chosen))])
    Y = np.vstack([Y, np.zeros((len(chosen), Y.shape[1]))])
    q, _ = np.linalg.qr(phi)
    return 0.5 * np.sum((Y - q @ (q.T @ Y)) ** 2)


def brute_force(phi, Y, ridge, max_chosen):
    """Return choices and gains; fit every candidate at every step."""
    order, gains = [], []
    objective = 0.5 * np.sum(Y**2)
    for _ in range(max_chosen):
        rest = [j for j in range(phi.shape[1]) if j not in order]
        objectives = [least_objective(phi, Y, [*order, j], ridge) for j in rest]
        order.append(rest[int(np.argmin(objectives))])
        gains.append(objective - min(objectives))
        objective = min(objectives)
    return order, gains


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-4, 0.1]))
def test_equals_brute_force(seed, ridge):
    psi, targets, weight = problem(seed)
    order, gains = forward_selection(moments_of(psi, targets, weight), ridge, 9)
    expected, expected_gains = brute_force(*standardised(psi, targets, weight), ridge, 9)
    assert_allclose(gains, expected_gains, rtol=1e-6, atol=1e-9)
    assert_array_equal(order, expected)


def test_equals_a_qr_factorisation_with_these_pivots():
    psi, targets, weight = problem()
    phi, Y = standardised(psi, targets, weight)
    order, gains = forward_selection(moments_of(psi, targets, weight), 0.0, 9)
    q, _ = np.linalg.qr(phi[:, order])
    assert_allclose(gains, 0.5 * np.sum((q.T @ Y) ** 2, axis=1))


def test_choices_are_nested():
    moments = moments_of(*problem())
    order, gains = forward_selection(moments, 1e-3, 9)
    fewer, fewer_gains = forward_selection(moments, 1e-3, 4)
    assert_array_equal(fewer, order[:4])
    assert_array_equal(fewer_gains, gains[:4])


def test_the_moments_are_left_as_they_are():
    moments = moments_of(*problem())
    gram, cross = moments.gram.copy(), moments.cross.copy()
    forward_selection(moments, 1e-3, 5)
    assert_array_equal(moments.gram, gram)
    assert_array_equal(moments.cross, cross)


def test_without_a_ridge_nothing_that_depends_on_the_chosen_is_chosen():
    psi, targets, weight = problem(n_observables=5)
    dependent = np.column_stack([psi, psi[:, 0] + psi[:, 1], 2 * psi[:, 2] - 1, psi[:, 3]])
    order, gains = forward_selection(moments_of(dependent, targets, weight), 0.0, 8)
    assert len(order) == 5
    assert np.linalg.matrix_rank(dependent[:, order]) == 5
    phi, Y = standardised(psi, targets, weight)
    assert_allclose(sum(gains), 0.5 * (Y**2).sum() - least_objective(phi, Y, range(5), 0))


def test_constant_observables_are_not_chosen():
    psi, targets, weight = problem(n_observables=4)
    psi[:, 1] = 7
    order, _ = forward_selection(moments_of(psi, targets, weight), 1e-3, 4)
    assert sorted(order) == [0, 2, 3]


@pytest.mark.parametrize("ridge", [0.0, 1e-3])
def test_nothing_is_chosen_for_constant_targets(ridge):
    psi, targets, weight = problem()
    order, gains = forward_selection(moments_of(psi, np.ones_like(targets), weight), ridge, 9)
    assert len(order) == len(gains) == 0


def test_the_units_of_observables_do_not_matter():
    psi, targets, weight = problem()
    scaled = psi * np.logspace(-6, 6, 9) + 5
    first = forward_selection(moments_of(psi, targets, weight), 1e-3, 9)
    second = forward_selection(moments_of(scaled, targets, weight), 1e-3, 9)
    assert_array_equal(first[0], second[0])
    assert_allclose(first[1], second[1], rtol=1e-6)
