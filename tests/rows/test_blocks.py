import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_koopman.rows import RowBlocks


def counting_rows(n_samples, n_columns=2):
    return np.arange(float(n_samples * n_columns)).reshape(n_samples, n_columns)


class RecordingLift:
    """Squares its rows and remembers how many there were."""

    def __init__(self):
        self.n_rows = []

    def __call__(self, rows):
        self.n_rows.append(len(rows))
        return rows**2


def add_products(total, psi, target, weight):
    return total + psi.T @ (weight[:, None] * target)


@given(n_samples=st.integers(1, 40), block_rows=st.integers(1, 50))
def test_map_reduce_equals_the_sum_over_all_rows(n_samples, block_rows):
    X = counting_rows(n_samples)
    target, weight = np.cos(X), np.sin(X[:, 0]) + 2.0
    blocks = RowBlocks(X, np.square, block_rows=block_rows)
    total = blocks.map_reduce(add_products, np.zeros((2, 2)), target, weight)
    assert_allclose(total, (X**2).T @ (weight[:, None] * target), rtol=1e-12, atol=1e-9)


@given(n_samples=st.integers(1, 40), block_rows=st.integers(1, 50))
def test_map_joins_blocks_in_order(n_samples, block_rows):
    X = counting_rows(n_samples)
    joined = RowBlocks(X, np.square, block_rows=block_rows).map(lambda psi: psi.sum(axis=1))
    assert_array_equal(joined, (X**2).sum(axis=1))


@given(n_samples=st.integers(1, 40), block_rows=st.integers(1, 50))
def test_chosen_rows_are_lifted_when_they_are_needed(n_samples, block_rows):
    X = counting_rows(40)
    rows = np.random.default_rng(0).permutation(40)[:n_samples]
    lift = RecordingLift()
    chosen = RowBlocks(X, lift, block_rows=block_rows).at(rows)
    assert chosen.n_samples == n_samples
    assert lift.n_rows == []
    assert_array_equal(chosen.map(lambda psi: psi), X[rows] ** 2)
    assert max(lift.n_rows) <= block_rows
    wider = chosen.with_rows_at_least(64)
    assert_array_equal(wider.map(lambda psi: psi), X[rows] ** 2)
    assert lift.n_rows[-1] == n_samples


@pytest.mark.parametrize("pass_over", ["map", "map_reduce"])
def test_lift_sees_one_block_at_a_time(pass_over):
    lift = RecordingLift()
    blocks = RowBlocks(counting_rows(10), lift, block_rows=4)
    if pass_over == "map":
        blocks.map(np.negative)
    else:
        blocks.map_reduce(lambda total, psi: total + psi.sum(), 0.0)
    assert lift.n_rows == [4, 4, 2]


def test_without_lift_the_rows_are_the_observables_and_are_not_copied():
    X = counting_rows(6, 3)
    blocks = RowBlocks(X, block_rows=4)
    assert blocks.n_samples == 6
    assert blocks.n_observables == 3
    views = blocks.map_reduce(lambda seen, psi: [*seen, psi], [])
    assert all(np.shares_memory(view, X) for view in views)
    assert_array_equal(np.vstack(views), X)


def test_memmap_is_read_block_by_block(tmp_path):
    X = counting_rows(1000, 5)
    path = tmp_path / "rows.dat"
    X.tofile(path)
    mapped = np.memmap(path, dtype=np.float64, mode="r", shape=X.shape)
    lift = RecordingLift()
    blocks = RowBlocks(mapped, lift, block_rows=300)
    total = blocks.map_reduce(lambda total, psi: total + psi.sum(axis=0), 0.0)
    assert_allclose(total, (X**2).sum(axis=0), rtol=1e-13)
    assert lift.n_rows == [300, 300, 300, 100]


@pytest.mark.parametrize("n_observables", [128, 861, 4096])
def test_default_block_of_lifted_rows_fits_in_cache(n_observables):
    blocks = RowBlocks(counting_rows(3), n_observables=n_observables)
    assert blocks.n_observables == n_observables
    assert blocks.block_rows % 64 == 0
    assert 4 * 2**20 < 8 * n_observables * blocks.block_rows <= 8 * 2**20


def test_default_blocks_of_small_dictionaries_keep_their_logits_in_cache():
    assert RowBlocks(counting_rows(3), n_observables=2).block_rows == 8192


def test_default_blocks_of_huge_dictionaries_keep_some_rows():
    assert RowBlocks(counting_rows(3), n_observables=10**6).block_rows == 64


@pytest.mark.parametrize(("asked", "expected"), [(3, 8), (8, 8), (20, 20)])
def test_with_rows_at_least_only_widens_the_blocks(asked, expected):
    blocks = RowBlocks(counting_rows(50), np.square, n_observables=2, block_rows=8)
    wider = blocks.with_rows_at_least(asked)
    assert wider.block_rows == expected
    assert blocks.block_rows == 8
    assert wider.n_observables == 2
    assert_array_equal(wider.map(np.copy), blocks.map(np.copy))


@given(n_samples=st.integers(1, 40), block_rows=st.integers(1, 50))
def test_sum_adds_what_the_blocks_give(n_samples, block_rows):
    X = counting_rows(n_samples)

    def moments(psi, target):
        return 1.0, psi.T @ target

    blocks = RowBlocks(X, np.square, block_rows=block_rows)
    n_blocks, products = blocks.sum(moments, np.cos(X))
    assert n_blocks == -(-n_samples // block_rows)
    assert_allclose(products, (X**2).T @ np.cos(X), rtol=1e-12, atol=1e-9)


def test_sums_of_float32_blocks_are_taken_in_float64():
    ones = RowBlocks(np.ones((3, 1), dtype=np.float32), block_rows=1)
    (total,) = ones.sum(lambda psi: (psi[0] * 2**24 + 1,))
    assert total.dtype == np.float64
    assert total == 3 * 2**24


@given(
    n_rows=st.integers(1, 60),
    block_rows=st.integers(1, 50),
    tile_rows=st.sampled_from([1, 4, 16]),
    at_least=st.integers(1, 80),
)
def test_held_rows_are_lifted_before_they_are_needed(n_rows, block_rows, tile_rows, at_least):
    lift = RecordingLift()
    X, rows = counting_rows(60), np.random.default_rng(0).permutation(60)[:n_rows]
    held = RowBlocks(X, lift, n_observables=2, block_rows=block_rows).held(rows, tile_rows)
    lift.n_rows.clear()
    for blocks in (held, held.with_rows_at_least(at_least)):
        assert_array_equal(blocks.map(np.copy), X[rows] ** 2)
        (total,) = blocks.sum(sum_of_tiles, np.cos(X[rows]))
        assert_allclose(total, (X[rows] ** 2).T @ np.cos(X[rows]), atol=1e-9)
    start, stop = n_rows // 3, n_rows - n_rows // 4
    assert_array_equal(held.lifted(slice(start, stop)), X[rows[start:stop]] ** 2)
    assert not lift.n_rows
    some = np.arange(0, n_rows, 2)
    assert_array_equal(held.held(some).map(np.copy), X[rows[some]] ** 2)


def sum_of_tiles(tiles, target):
    """Add products of rows that come in tiles."""
    return (tiles.reshape(-1, 2).T @ target,)


def test_few_rows_are_kept_and_many_are_not():
    X, lift = counting_rows(10), RecordingLift()
    few = RowBlocks(X, lift, n_observables=2).kept_if_few()
    lift.n_rows.clear()
    assert_array_equal(few.map(np.copy), X**2)
    assert lift.n_rows == []
    many = RowBlocks(np.broadcast_to(np.zeros(1), (10**9, 1)))  # only one row takes memory
    assert many.kept_if_few() is many


@given(n_samples=st.integers(1, 40), block_rows=st.integers(1, 50))
def test_a_sum_fills_numbers_of_each_row(n_samples, block_rows):
    X = counting_rows(n_samples)
    out = np.empty(n_samples)

    def fill(psi, weight, out):
        out[...] = weight * psi.sum(axis=1)
        return (out.sum(),)

    (total,) = RowBlocks(X, block_rows=block_rows).sum(fill, X[:, 0], out=out)
    assert_array_equal(out, X[:, 0] * X.sum(axis=1))
    assert_allclose(total, out.sum())
