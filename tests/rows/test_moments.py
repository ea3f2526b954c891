from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from sklearn_koopman.solvers import (
    DiagonalMoments,
    GramMoments,
    RowBlocks,
    Scale,
    TriangularMoments,
    correlation,
)
from tests.rows.helpers import (
    accumulate,
    exact_mean_and_scatter,
    samples,
    standardised,
    with_constants,
)

MOMENTS = [GramMoments, TriangularMoments]
both_moments = pytest.mark.parametrize("moments_class", MOMENTS)


def scatter_and_cross(moments):
    """Return the scatter of the observables and that with the targets, for all forms."""
    if isinstance(moments, GramMoments):
        return moments.gram, moments.cross
    return moments.factor.T @ moments.factor, moments.factor.T @ moments.projected


def assert_same_moments(moments, expected, rtol=1e-10):
    assert_allclose(moments.weight, expected.weight, rtol=1e-13)
    assert_allclose(moments.mean, expected.mean, rtol=rtol, atol=1e-12)
    for actual, desired in zip(
        scatter_and_cross(moments), scatter_and_cross(expected), strict=True
    ):
        assert_allclose(
            actual, desired, rtol=rtol, atol=rtol * np.abs(desired).max(initial=0.0)
        )


@st.composite
def weighted_rows(draw):
    n_samples = draw(st.integers(3, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    weight = rng.integers(0, 4, n_samples) * rng.choice([1.0, 0.3], n_samples)
    weight[:3] = 1.0  # a scatter needs a few rows
    return samples(n_samples, 3, seed=rng), rng.normal(size=(n_samples, 2)), weight


@both_moments
@settings(max_examples=50)
@given(rows=weighted_rows(), block_rows=st.integers(1, 50))
def test_equal_numpy_and_standard_scaler_for_any_blocks(moments_class, rows, block_rows):
    X, targets, weight = rows
    moments = accumulate(moments_class, X, targets, weight, block_rows)
    both = np.hstack([X, targets])
    covariance = np.cov(both.T, aweights=weight, ddof=0)
    scaler = StandardScaler().fit(X, sample_weight=weight)

    assert_allclose(moments.weight, weight.sum(), rtol=1e-13)
    assert_allclose(moments.mean, np.average(both, axis=0, weights=weight), atol=1e-12)
    assert_allclose(moments.target_mean, moments.mean[3:], rtol=0)
    scatter, cross = scatter_and_cross(moments)
    tolerance = 1e-12 * np.abs(covariance).max()
    assert_allclose(scatter / moments.weight, covariance[:3, :3], atol=tolerance)
    assert_allclose(cross / moments.weight, covariance[:3, 3:], atol=tolerance)
    assert_allclose(moments.scale.mean, scaler.mean_, atol=1e-12)
    assert_allclose(moments.scale.deviation, scaler.scale_, rtol=1e-9)


@both_moments
@settings(max_examples=50)
@given(rows=weighted_rows(), n_first=st.integers(0, 40), offset=st.sampled_from([0.0, 1e8]))
def test_merged_moments_are_those_of_all_rows(moments_class, rows, n_first, offset):
    X, targets, weight = rows
    X = np.column_stack([X, np.full(len(X), 0.3 + offset)])
    parts = [
        accumulate(moments_class, *(array[part] for array in (X, targets, weight)))
        if weight[part].any()
        else moments_class(4, 2)
        for part in (slice(n_first), slice(n_first, None))
    ]
    second = deepcopy(parts[1])
    merged = parts[0].merge(parts[1])
    assert merged is parts[0]
    expected = accumulate(moments_class, X, targets, weight)
    assert_same_moments(merged, expected, rtol=1e-9)
    assert_array_equal(merged.scale.constant, [False, False, False, True])
    if second.weight > 0:
        assert_same_moments(parts[1], second, rtol=0)


def test_merged_diagonal_moments():
    X, weight = samples(50, 3), np.linspace(0, 1, 50)
    parts = [
        RowBlocks(X[part]).map_reduce(DiagonalMoments.update, DiagonalMoments(3), weight[part])
        for part in (slice(20), slice(20, 50))
    ]
    scale = parts[0].blank().merge(parts[0]).merge(parts[1]).scale
    expected = StandardScaler().fit(X, sample_weight=weight)
    assert_allclose(scale.mean, expected.mean_, rtol=1e-12)
    assert_allclose(scale.deviation, expected.scale_, rtol=1e-12)


@both_moments
@given(
    repetitions=st.lists(st.integers(0, 3), min_size=12, max_size=12), block=st.integers(1, 9)
)
def test_weights_are_repetitions(moments_class, repetitions, block):
    repetitions = np.array(repetitions)
    repetitions[0] += 1
    X, targets = samples(12, 3), samples(12, 2, seed=1)
    weighted = accumulate(moments_class, X, targets, repetitions.astype(float), block)
    repeated = accumulate(
        moments_class, X.repeat(repetitions, axis=0), targets.repeat(repetitions, axis=0)
    )
    assert_same_moments(weighted, repeated)


@both_moments
@pytest.mark.parametrize("block_rows", [1, 4, None])
@pytest.mark.parametrize("ignored", [slice(0, 5), slice(15, 20)], ids=["first", "last"])
def test_rows_of_weight_zero_leave_no_trace(moments_class, block_rows, ignored):
    X, targets, weight = samples(20, 3), samples(20, 2, seed=1), np.full(20, 0.7)
    weight[ignored] = 0.0
    kept = weight > 0
    X[ignored], targets[ignored] = 1e200, -1e200
    moments = accumulate(moments_class, X, targets, weight, block_rows)
    assert_same_moments(
        moments, accumulate(moments_class, X[kept], targets[kept], weight[kept])
    )


@both_moments
def test_a_block_of_no_weight_changes_nothing(moments_class):
    moments = moments_class(2, 1)
    assert moments.update(np.ones((3, 2)), np.ones((3, 1)), np.zeros(3)) is moments
    assert moments.weight == 0.0
    assert_array_equal(moments.mean, np.zeros(3))


@both_moments
def test_update_continues_a_copy_without_touching_the_original(moments_class):
    X, weight = samples(20, 3), np.ones(20)
    first = accumulate(moments_class, X[:12])
    before = deepcopy(first)
    both = deepcopy(first).update(X[12:], weight[12:])
    assert_same_moments(both, accumulate(moments_class, X), rtol=1e-12)
    assert_same_moments(first, before, rtol=0)


@both_moments
def test_inputs_are_not_changed(moments_class):
    X, targets, weight = samples(20, 3), samples(20, 2), np.linspace(1, 2, 20)
    copies = X.copy(), targets.copy(), weight.copy()
    accumulate(moments_class, X, targets, weight)
    for array, copy in zip((X, targets, weight), copies, strict=True):
        assert_array_equal(array, copy)


@both_moments
@pytest.mark.parametrize("block_rows", [1, 7, 100])
def test_large_means_cost_no_digits(moments_class, block_rows):
    """Against rational arithmetic, in a case where a sum of squares has lost every digit."""
    X = samples(300, 2) + 1e8
    weight = np.random.default_rng(1).random(300)
    mean, scatter = exact_mean_and_scatter(X, weight)
    naive = (weight[:, None] * X).T @ X - weight.sum() * np.outer(mean, mean)
    assert np.abs(naive / scatter - 1).max() > 1e-2

    moments = accumulate(moments_class, X, sample_weight=weight, block_rows=block_rows)
    assert_allclose(moments.mean, mean, rtol=3e-16)
    assert_allclose(scatter_and_cross(moments)[0], scatter, rtol=1e-13)


@both_moments
@pytest.mark.parametrize("block_rows", [5, None])
def test_columns_of_very_different_scales(moments_class, block_rows):
    X = samples(100, 5)
    factors = np.array([1e-8, 1e-4, 1.0, 1e4, 1e8])
    plain = accumulate(moments_class, X, block_rows=block_rows)
    scaled = accumulate(moments_class, X * factors, block_rows=block_rows)
    assert not scaled.scale.constant.any()
    assert_allclose(scaled.scale.deviation, plain.scale.deviation * factors, rtol=1e-13)
    expected = scatter_and_cross(plain)[0] * np.outer(factors, factors)
    assert_allclose(scatter_and_cross(scaled)[0], expected, rtol=1e-11)


@both_moments
@pytest.mark.parametrize("constant", [0.0, 0.1, -1 / 3, 1e8 + 0.1, 1e-300])
@pytest.mark.parametrize("block_rows", [37, None])
def test_constants_are_recognised_exactly(moments_class, constant, block_rows):
    """The mean of many equal numbers is rounded. A constant must not look like noise."""
    X = np.column_stack([np.full(3000, constant), samples(3000, 1)])
    for weight in (np.ones(3000), np.random.default_rng(0).random(3000)):
        moments = accumulate(moments_class, X, sample_weight=weight, block_rows=block_rows)
        assert_array_equal(moments.scale.constant, [True, False])
        assert moments.scale.mean[0] == constant
        assert moments.scale.deviation[0] == 1.0


@both_moments
def test_flickering_in_the_last_digit_is_constant(moments_class):
    X, constant = with_constants(samples(50, 2))
    assert X[:, 1].std() > 0
    assert_array_equal(accumulate(moments_class, X).scale.constant, constant)


def test_small_variation_about_a_large_mean_is_not_constant():
    X = 1e6 + 1e-6 * samples(200, 1)
    moments = accumulate(GramMoments, X)
    _, scatter = exact_mean_and_scatter(X, np.ones(200))
    assert not moments.scale.constant.any()
    assert_allclose(moments.scale.deviation, np.sqrt(scatter[0] / 200), rtol=1e-12)


@pytest.mark.parametrize(
    ("moments_class", "rtol"), [(GramMoments, 2e-6), (TriangularMoments, 1e-14)]
)
@pytest.mark.parametrize("n_samples", [500, 20_000])
def test_float32_rows_are_summed_in_float64(moments_class, rtol, n_samples):
    """float32 only loses digits of the products, for any number of rows far from zero."""
    X = (samples(n_samples, 3) + 1000).astype(np.float32)
    single = accumulate(moments_class, X, block_rows=500)
    double = accumulate(moments_class, X.astype(np.float64), block_rows=500)
    assert_same_moments(single, double, rtol=rtol)
    assert single.mean.dtype == np.float64


def test_triangular_factor_is_triangular_and_agrees_with_gram():
    X, targets = samples(60, 4), samples(60, 2, seed=1)
    triangular = accumulate(TriangularMoments, X, targets, block_rows=9)
    assert_array_equal(triangular.factor, np.triu(triangular.factor))
    assert_same_moments(triangular, accumulate(GramMoments, X, targets, block_rows=13))


@pytest.mark.parametrize("n_samples", [2, 5])
def test_triangular_factor_of_fewer_rows_than_observables(n_samples):
    X, targets = samples(n_samples, 6), samples(n_samples, 2, seed=1)
    triangular = accumulate(TriangularMoments, X, targets)
    assert_same_moments(triangular, accumulate(GramMoments, X, targets))


def test_correlation_equals_numpy_and_leaves_the_moments_alone():
    X, weight = samples(50, 4) * [1e-8, 1.0, 1e3, 1e8], np.linspace(0.1, 2, 50)
    moments = accumulate(GramMoments, X, sample_weight=weight)
    gram = moments.gram.copy()
    phi = standardised(X, weight)
    expected = (weight[:, None] * phi).T @ phi / weight.sum()
    assert_allclose(correlation(moments), expected, atol=1e-14)
    assert_array_equal(moments.gram, gram)


def test_correlation_of_a_constant_is_a_unit_diagonal():
    X = samples(50, 3)
    X[:, 1] = 0.1
    matrix = correlation(accumulate(GramMoments, X))
    assert_array_equal(matrix[1], [0.0, 1.0, 0.0])
    assert_array_equal(matrix[:, 1], [0.0, 1.0, 0.0])
    assert_allclose(np.diag(matrix), 1.0, rtol=1e-14)


def scale_with_a_constant():
    return Scale.from_scatter(np.array([3.0, 1.0, -2e4]), np.array([4.0, 0.0, 1e-6]))


def test_unscaled_coefficients_give_the_same_logits():
    scale = scale_with_a_constant()
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(20, 3))
    phi[:, 1] = 0.0
    psi = scale.mean + scale.deviation * phi
    coef, intercept = rng.normal(size=(3, 2)), rng.normal(size=2)
    raw_coef, raw_intercept = scale.unscale(coef, intercept)
    assert_allclose(psi @ raw_coef + raw_intercept, phi @ coef + intercept, atol=1e-7)
    assert_array_equal(raw_coef[1], 0.0)


def test_rescale_undoes_unscale():
    scale = scale_with_a_constant()
    coef, intercept = np.array([[1.0, 2.0], [0.0, 0.0], [-3.0, 0.5]]), np.array([0.1, -0.2])
    back = scale.rescale(*scale.unscale(coef, intercept))
    assert_allclose(back[0], coef, rtol=1e-14)
    assert_allclose(back[1], intercept, atol=1e-9)


# Merging


@settings(max_examples=50)
@given(rows=weighted_rows(), first=st.integers(0, 40))
def test_merging_is_accumulating_all_rows(rows, first):
    X, targets, weight = rows
    X = X + 1e6  # nothing may cancel
    parts = [
        accumulate(GramMoments, X[chosen], targets[chosen], weight[chosen], 10)
        for chosen in (slice(first), slice(first, None))
        if len(X[chosen])
    ]
    before = deepcopy(parts[-1])
    merged = GramMoments(X.shape[1], targets.shape[1])
    for part in parts:
        assert merged.merge(part) is merged
    assert_same_moments(merged, accumulate(GramMoments, X, targets, weight, 10), rtol=1e-8)
    assert_same_moments(parts[-1], before, rtol=0)


def test_merging_variances():
    X, weight = samples(30, 3) + 1e6, np.arange(30.0)
    parts = [
        DiagonalMoments(3).update(X[rows], weight[rows]) for rows in (slice(12), slice(12, 30))
    ]
    scale = parts[0].merge(parts[1]).scale
    expected = StandardScaler().fit(X, sample_weight=weight)
    assert_allclose(scale.mean, expected.mean_)
    assert_allclose(scale.deviation, expected.scale_, rtol=1e-9)


def test_a_constant_stays_one_when_merged():
    rows = np.full((5, 1), 0.1)
    parts = [GramMoments(1).update(rows, np.ones(5)) for _ in range(2)]
    assert parts[0].merge(parts[1]).scale.constant.all()
