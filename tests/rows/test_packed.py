import numpy as np
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_koopman.rows import PackedTriangle

sizes = st.integers(1, 12)


def packed_and_full(n, dtype=np.float64):
    """Return a positive definite matrix, packed and as an array."""
    rows = np.random.default_rng(n).normal(size=(n + 3, n)).astype(dtype)
    packed = PackedTriangle(n, dtype)
    packed.add_product(rows)
    return packed, rows.T.astype(float) @ rows


@given(sizes, st.sampled_from([np.float32, np.float64]))
def test_products_add_up(n, dtype):
    packed, full = packed_and_full(n, dtype)
    packed.add_product(np.ones((4, n), dtype))
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    assert_allclose(packed.full(), full + 4, rtol=rtol, atol=10 * rtol)
    assert packed.full(np.float32).dtype == np.float32
    assert len(packed.data) == n * (n + 1) // 2


@given(sizes)
def test_every_entry_is_in_one_segment(n):
    packed = PackedTriangle(n)
    for i, others, values in packed.segments():
        assert np.shares_memory(values, packed.data)
        for other in range(n)[others]:
            values[other - others.start] = 100 * min(i, other) + max(i, other)
    low, high = np.sort(np.indices((n, n)), axis=0)
    assert_array_equal(packed.full(), 100 * low + high)
    assert_array_equal(packed.diagonal, 101 * np.arange(n))
    assert len(np.unique(packed.data)) == len(packed.data)


@given(sizes)
def test_diagonal_scale_and_norm(n):
    packed, full = packed_and_full(n)
    copied = packed.copy()
    assert_allclose(packed.norm(), np.abs(full).sum(axis=0).max())
    packed.diagonal = packed.diagonal + 2
    factor = np.linspace(-1, 2, n)
    packed.scale(factor)
    assert_allclose(packed.full(), np.outer(factor, factor) * (full + 2 * np.eye(n)))
    assert_allclose(copied.full(), full)


@given(sizes)
def test_factor_solves_and_inverts(n):
    packed, full = packed_and_full(n)
    inverse = np.linalg.inv(full)
    assert packed.factorise()
    right = np.random.default_rng(0).normal(size=(n, 2))
    size = np.abs(inverse).max()
    assert_allclose(packed.solve(right), inverse @ right, atol=1e-8 * size)
    norm = np.abs(inverse).sum(axis=0).max()
    assert 0.1 * norm < packed.inverse_norm() < 1.0001 * norm
    packed.invert()
    assert_allclose(packed.full(), inverse, atol=1e-8 * size)


@given(sizes)
def test_factor_of_single_precision(n):
    packed, full = packed_and_full(n)
    packed.diagonal = packed.diagonal + 0.1
    inverse = np.linalg.inv(full + 0.1 * np.eye(n))
    single = packed.copy(np.float32)
    assert single.data.dtype == np.float32
    assert single.factorise()
    right = np.random.default_rng(0).normal(size=(n, 2))
    atol = 2e-3 * np.abs(inverse).max()
    assert_allclose(single.solve(right), inverse @ right, atol=atol)
    single.invert()
    assert_allclose(single.full(), inverse, atol=atol)


def test_products_of_no_rows_and_of_rows_of_another_type():
    packed, full = packed_and_full(4)
    packed.add_product(np.zeros((0, 4)))
    packed.add_product(np.eye(4, dtype=np.float32))
    assert_allclose(packed.full(), full + np.eye(4))


def test_inverse_norm_of_a_matrix_that_is_nearly_singular():
    n = 40
    full = np.vander(np.linspace(0, 1, 60), n)[:, ::-1]
    packed = PackedTriangle(n)
    packed.add_product(np.asfortranarray(full))
    packed.diagonal = packed.diagonal + 1e-9
    assert packed.factorise()
    # Its largest eigenvalue is 1e9, and no norm of 40 rows is more than sqrt(40) times as large.
    assert 0.9e9 < packed.inverse_norm() < 6.4e9


def test_no_factor_of_what_is_not_positive_definite():
    packed = PackedTriangle(3)
    packed.diagonal = [1.0, -1.0, 1.0]
    assert not packed.factorise()
