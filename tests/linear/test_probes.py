import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from sklearn_koopman.solvers import LinearProbes


def error_by_ridge(features, clause, ridge):
    """Return the error of one clause by scikit-learn's ridge regression."""
    n_varying = np.count_nonzero(features.std(axis=0))
    phi = StandardScaler().fit_transform(features) / np.sqrt(n_varying)
    probe = Ridge(alpha=ridge * len(phi), solver="svd").fit(phi, clause)
    residual = np.mean((clause - probe.predict(phi)) ** 2)
    return (residual + ridge * np.sum(probe.coef_**2)) / np.var(clause)


@settings(max_examples=40)
@given(
    n_rows=st.integers(4, 30),
    n_features=st.integers(1, 40),
    ridge=st.sampled_from([1e-5, 1e-3, 0.1, 10.0]),
    seed=st.integers(0, 2**16),
)
def test_errors_are_those_of_ridge_regression(n_rows, n_features, ridge, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, n_features)) * 10 ** rng.uniform(-3, 3, n_features)
    features += rng.normal(size=n_features)
    rows = rng.random(n_rows) < 0.8
    literals = rng.random((n_rows, 3)) < 0.5
    errors = LinearProbes(features, ridge).errors(rows, literals)

    for column, literal in enumerate(literals.T):
        for half, clause in enumerate([rows & literal, rows & ~literal]):
            constant = clause.all() or not clause.any()
            desired = 1.0 if constant else error_by_ridge(features, clause * 1.0, ridge)
            assert_allclose(errors[half, column], desired, atol=1e-6)


def test_a_clause_that_is_a_feature_has_no_error_and_noise_has_all():
    rng = np.random.default_rng(0)
    clauses = rng.random((500, 2)) < 0.4
    probes = LinearProbes(clauses[:, :1].astype(float), ridge=1e-9)
    errors = probes.errors(np.ones(500, dtype=bool), clauses)
    assert_allclose(errors[:, 0], 0, atol=1e-8)
    assert (errors[:, 1] > 0.95).all()


def test_neither_scale_nor_offset_nor_constants_matter():
    rng = np.random.default_rng(1)
    features, literals = rng.normal(size=(50, 4)), rng.random((50, 6)) < 0.5
    rows = rng.random(50) < 0.7
    plain = LinearProbes(features, 1e-3).errors(rows, literals)
    changed = np.hstack([features * [1, 10, 100, 1e-3] + 5, np.full((50, 2), 7.0)])
    assert_allclose(LinearProbes(changed, 1e-3).errors(rows, literals), plain, atol=1e-9)


@pytest.mark.parametrize("n_features", [5, 80])
def test_float32_stays_float32(n_features):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(40, n_features))
    literals, rows = rng.random((40, 6)) < 0.5, np.ones(40, dtype=bool)
    single = LinearProbes(features.astype(np.float32), 1e-2)
    double = LinearProbes(features, 1e-2)
    assert single.coordinates.dtype == np.float32
    assert double.coordinates.dtype == np.float64
    assert single.coordinates.shape == (40, min(40, n_features))
    assert_allclose(single.errors(rows, literals), double.errors(rows, literals), atol=1e-5)


def test_without_features_that_vary_nothing_is_known():
    probes = LinearProbes(np.ones((10, 3)), 1e-3)
    literals = np.arange(10)[:, None] < 5
    assert_array_equal(probes.errors(np.ones(10, dtype=bool), literals), [[1.0], [1.0]])


def test_refuses_a_ridge_that_rounding_swallows():
    features = np.random.default_rng(3).normal(size=(20, 3))[:, [0, 1, 2, 0]]
    with pytest.raises(ValueError, match=r"4 features on 20 rows .* ridge=1e-20: raise ridge"):
        LinearProbes(features, 1e-20)


def test_refuses_what_cannot_fit_in_memory(has_memory):
    has_memory(1000)
    with pytest.raises(MemoryError, match=r"100 x 5 matrix of features.*fewer rows"):
        LinearProbes(np.ones((100, 5)), 1e-3)
