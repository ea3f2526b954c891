from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline as sklearn_pipeline

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.deployment import (
    descend_to_levels,
    quantise_matrix,
    quantise_student,
    round_with_feedback,
    unit_levels,
)
from sklearn_koopman.pipeline import make_pipeline

from .helpers import STUDENTS, TEACHER, X, y


def change(matrix, rounded, gram):
    """Return the squared change of products with rows of this covariance."""
    error = matrix - rounded
    return np.trace(error @ gram @ error.T)


def problem(seed, n_outputs=3, n_inputs=12):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((50, n_inputs)) @ rng.standard_normal((n_inputs, n_inputs))
    return rng.standard_normal((n_outputs, n_inputs)), rows.T @ rows / 50


@given(st.integers(2, 8), st.sampled_from(["uniform", "logarithmic"]))
def test_levels(bits, kind):
    levels = unit_levels(bits, kind)
    assert len(levels) == 2**bits - 1
    assert_array_equal(levels, -levels[::-1])
    assert levels[-1] == 1
    positive = levels[levels > 0]
    if kind == "uniform":
        assert_allclose(np.diff(levels), positive[0])
    else:
        assert_array_equal(np.log2(positive), np.arange(1 - len(positive), 1))


@pytest.mark.parametrize("scale", ["row", "matrix"])
@pytest.mark.parametrize("levels", ["uniform", "logarithmic"])
@pytest.mark.parametrize("feedback", [True, False])
def test_entries_are_levels_of_their_scale(scale, levels, feedback):
    matrix, gram = problem(0)
    rounded = quantise_matrix(
        matrix, 3, gram=gram, scale=scale, levels=levels, feedback=feedback
    )
    groups = rounded if scale == "row" else rounded.reshape(1, -1)
    for group in groups:
        units = np.unique(np.abs(group))
        assert len(units) <= 4
        assert units[0] == 0 or len(units) <= 3
        ratios = units[units > 0] / units.max()
        steps = unit_levels(3, levels)
        # the largest entry need not be the full scale
        assert any(
            np.isclose(ratios[:, None] * top, steps).any(axis=1).all()
            for top in steps[steps > 0]
        )


@given(st.integers(0, 10**6), st.integers(2, 5))
def test_feedback_changes_products_less_on_average(seed, bits):
    changes = []
    for offset in range(8):
        matrix, gram = problem(seed + offset)
        rounded = [
            quantise_matrix(matrix, bits, gram=gram, feedback=feedback)
            for feedback in (True, False)
        ]
        changes.append([change(matrix, each, gram) for each in rounded])
    with_feedback, plain = np.sum(changes, axis=0)
    assert with_feedback < plain


def test_plain_rounding_takes_the_nearest_level():
    matrix, _ = problem(1)
    rounded = quantise_matrix(matrix, 4, feedback=False)
    for row, found in zip(matrix, rounded, strict=True):
        scales = np.linspace(0.1, 1.0, 19) * np.abs(row).max()
        best = min(
            np.abs(row[:, None] - unit_levels(4) * scale).min(axis=1) @ np.ones(len(row))
            for scale in scales
        )
        # chosen by squares, so not better than the best choice by absolute values
        assert np.abs(row - found).sum() >= best - 1e-12
        squares = min(
            np.square(row[:, None] - unit_levels(4) * scale).min(axis=1).sum()
            for scale in scales
        )
        assert_allclose(np.square(row - found).sum(), squares)


def test_feedback_is_conditional_least_squares():
    """Each step leaves the best real values for the weights that are not rounded yet."""
    matrix, gram = problem(2, n_outputs=1, n_inputs=5)
    gram = gram[np.ix_(order := np.argsort(-np.diag(gram)), order)]
    found = round_with_feedback(matrix, unit_levels(3), np.ones(1), gram)[0]
    damped = gram + 1e-3 * np.diag(gram).mean() * np.eye(5)
    target = matrix[0].copy()
    steps, rounded = unit_levels(3), np.zeros(0)
    for j in range(5):
        fixed, free = slice(0, j), slice(j, 5)
        shift = np.linalg.solve(
            damped[free, free], damped[free, fixed] @ (matrix[0, fixed] - rounded)
        )
        target = matrix[0, free] + shift
        rounded = np.append(rounded, steps[np.abs(steps - target[0]).argmin()])
    assert_allclose(found, rounded)


def test_feedback_comes_near_the_best_of_all_roundings():
    matrix, gram = problem(3, n_outputs=1, n_inputs=6)
    found = round_with_feedback(matrix, unit_levels(2), np.ones(1), gram)
    everything = np.array(list(product(unit_levels(2), repeat=6)))
    best = min(change(matrix, each[None], gram) for each in everything)
    plain = np.abs(matrix[..., None] - unit_levels(2)).argmin(axis=-1) - 1.0
    assert best <= change(matrix, found, gram) <= change(matrix, plain, gram)


@given(
    st.integers(0, 10**6),
    st.integers(2, 5),
    st.sampled_from(["uniform", "logarithmic"]),
    st.booleans(),
)
def test_descent_lowers_the_change_until_no_entry_can(seed, bits, kind, start_at_zero):
    matrix, gram = problem(seed, n_inputs=8)
    steps, scale = unit_levels(bits, kind), np.abs(matrix).max(axis=1)
    start = np.zeros_like(matrix)
    if not start_at_zero:
        start = round_with_feedback(matrix, steps, scale, gram)
    found = descend_to_levels(matrix, start, steps, scale, gram)
    for row, begin, end, full in zip(matrix, start, found, scale, strict=True):
        cost = change(row[None], end[None], gram)
        assert cost <= change(row[None], begin[None], gram) * (1 + 1e-9)
        assert np.isin(end, steps * full).all()
        for j, level in product(range(len(row)), steps * full):
            other = end.copy()
            other[j] = level
            assert change(row[None], other[None], gram) >= cost * (1 - 1e-9)


def test_descent_finds_the_best_where_entries_do_not_interact():
    matrix, _ = problem(5)
    gram = np.diag(
        np.arange(matrix.shape[1], dtype=float)
    )  # the first column does not matter: it stays
    steps = unit_levels(3)
    found = descend_to_levels(matrix, np.zeros_like(matrix), steps, np.ones(3), gram)
    nearest = steps[np.abs(matrix[..., None] - steps).argmin(axis=-1)]
    assert_array_equal(found[:, 1:], nearest[:, 1:])
    assert_array_equal(found[:, 0], 0)


def test_descent_is_near_the_best_of_all_roundings():
    """Over many problems it closes most of the gap that error feedback leaves."""
    everything = np.array(list(product(unit_levels(2), repeat=6)))
    left, reached = [], []
    for seed in range(40):
        matrix, gram = problem(seed, n_outputs=1, n_inputs=6)
        start = round_with_feedback(matrix, unit_levels(2), np.ones(1), gram)
        found = descend_to_levels(matrix, start, unit_levels(2), np.ones(1), gram)
        error = matrix - everything
        best = np.einsum("ij,ij->i", error @ gram, error).min()
        assert change(matrix, found, gram) >= best * (1 - 1e-9)
        left.append(change(matrix, start, gram) - best)
        reached.append(change(matrix, found, gram) - best)
    assert sum(reached) < sum(left) / 2


def test_zeros_and_constants_stay():
    gram = np.diag([1.0, 0.0, 2.0])
    rounded = quantise_matrix([[0.0, 0.0, 0.0], [1.0, 0.5, -1.0]], 2, gram=gram)
    assert_array_equal(rounded[0], 0)
    assert_array_equal(np.abs(rounded[1, [0, 2]]), 1)


def test_many_bits_change_nothing():
    matrix, gram = problem(4)
    assert_allclose(quantise_matrix(matrix, 16, gram=gram), matrix, atol=2e-4)


def test_students_keep_their_accuracy(student):
    rounded = quantise_student(student, X, bits=6)
    assert type(rounded) is type(student)
    assert rounded.score(X, y) > student.score(X, y) - 0.01
    coarse = quantise_student(student, X, bits=2)
    assert coarse.score(X, y) < student.score(X, y)  # the student itself has not changed


def test_the_mean_of_the_logits_stays_where_the_student_is_unsure():
    student = clone(STUDENTS["pipeline"]).fit(X, y)
    curvature = 1 - np.square(student.predict_proba(X)).sum(axis=1)
    weight = curvature + curvature.mean()
    for settings in ({}, {"reducer_bits": 3}):
        rounded = quantise_student(student, X, bits=2, **settings)
        assert_allclose(
            np.average(rounded.decision_function(X), axis=0, weights=weight),
            np.average(student.decision_function(X), axis=0, weights=weight),
            atol=1e-3,
        )


def test_rows_count_by_how_unsure_the_student_is():
    steps = PCA(16, random_state=0), MonomialLifter(2), KoopmanDistilledClassifier(TEACHER)
    student = make_pipeline(*steps).fit(X, y)
    probabilities = student.predict_proba(X)

    def divergence(rounded):
        return (probabilities * np.log(probabilities / rounded)).sum(axis=1).mean()

    def all_rows_alike(bits):
        """Return the probabilities of a student whose rounding counts all rows equally."""
        lifted, coef = student[:-1].transform(X), student[-1].coef_
        gram = np.cov(lifted.T, bias=True)
        rounded = quantise_matrix(coef, bits, gram=gram)
        centred = lifted - lifted.mean(axis=0)
        return softmax(student.decision_function(X) + centred @ (rounded - coef).T, axis=1)

    for bits in (3, 4, 5):
        weighted = quantise_student(student, X, bits=bits).predict_proba(X)
        assert divergence(weighted) < divergence(all_rows_alike(bits))


def test_reducers():
    student = clone(STUDENTS["pipeline"]).fit(X, y)
    rounded = quantise_student(student, X, bits=8, reducer_bits=4)
    for row in rounded[0].components_:
        assert len(np.unique(row)) <= 15
    assert len(np.unique(student[0].components_[0])) > 15
    assert rounded.score(X, y) > student.score(X, y) - 0.02
    assert rounded[-1].teacher is None
    assert student[-1].teacher is TEACHER


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 1}, r"bits=1: must be an int in the range \[2, 16\]"),
        ({"bits": 2.5}, r"bits=2.5"),
        ({"bits": 4, "levels": "ternary"}, "levels='ternary': must be 'uniform' or"),
        ({"bits": 4, "scale": "column"}, "scale='column': must be 'row' or 'matrix'"),
        ({"bits": 4, "gram": np.eye(2)}, r"gram has shape \(2, 2\), must be \(3, 3\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        quantise_matrix(np.ones((2, 3)), **arguments)


def test_reducer_bits_need_a_reducer():
    student = EDMDClassifier(lifter=MonomialLifter(1)).fit(X, y)
    with pytest.raises(ValueError, match="reducer_bits=4 needs a PCA"):
        quantise_student(student, X, reducer_bits=4)
    with pytest.raises(ValueError, match=r"^reducer_bits=1: must be"):
        quantise_student(student, X, reducer_bits=1)
    with pytest.raises(ValueError, match=r"^filter_bits=17: must be"):
        quantise_student(student, X, filter_bits=17)
    with pytest.raises(TypeError, match="has no Koopman matrix"):
        quantise_student(sklearn_pipeline(PCA(2)).fit(X), X)
