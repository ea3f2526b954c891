"""Blocks of dask arrays give the same results as blocks of arrays."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_koopman import MonomialLifter
from sklearn_koopman.rows import LiftedRows
from sklearn_koopman.solvers import (
    DiagonalMoments,
    RowBlocks,
    as_numpy,
    by_rows,
    of_parts,
    row_blocks,
)

from ..helpers import blas_threads

dask = pytest.importorskip("dask", reason="dask is not installed")
da = pytest.importorskip("dask.array")

X = np.random.default_rng(0).normal(size=(53, 3))
WEIGHT = np.arange(53.0)


@pytest.fixture(autouse=True)
def _in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(params=[53, 20, 2])
def blocks(request):
    return row_blocks(da.from_array(X, chunks=(request.param, 3)), np.square)


EXPECTED = RowBlocks(X, np.square)


def fill_row_sums(psi, weight, out):
    out[...] = psi.sum(axis=1)
    return weight @ psi, len(psi)


def test_sum(blocks):
    out, expected_out = np.empty(53), np.empty(53)
    total, n_rows = blocks.sum(fill_row_sums, WEIGHT, out=out)
    expected, _ = EXPECTED.sum(fill_row_sums, WEIGHT, out=expected_out)
    assert_allclose(total, expected, rtol=1e-13)
    assert n_rows == 53
    assert_array_equal(out, expected_out)


def test_map_reduce_goes_on_from_the_total(blocks):
    total = DiagonalMoments(3)
    for _ in range(2):
        total = blocks.map_reduce(DiagonalMoments.update, total, WEIGHT)
    expected = EXPECTED.map_reduce(DiagonalMoments.update, DiagonalMoments(3), WEIGHT)
    assert_allclose(total.mean, expected.mean, rtol=1e-12)
    assert_allclose(total.sum_of_squares, 2 * expected.sum_of_squares, rtol=1e-12)


def test_aligned_rows_are_sent_once(blocks):
    blocks.map_reduce(DiagonalMoments.update, DiagonalMoments(3), WEIGHT)
    sent = blocks._sent[id(WEIGHT)]
    blocks.map_reduce(DiagonalMoments.update, DiagonalMoments(3), WEIGHT)
    assert blocks._sent[id(WEIGHT)] is sent


def test_map_is_lazy(blocks):
    sums = blocks.map(lambda psi: psi.sum(axis=1))
    assert isinstance(sums, da.Array)
    assert_array_equal(sums.compute(), (X**2).sum(axis=1))


def test_held_rows_are_in_memory(blocks):
    rows = np.array([0, 1, 19, 20, 52])
    held = blocks.held(rows)
    assert_array_equal(held.map(np.copy), X[rows] ** 2)
    assert_array_equal(blocks.lifted(slice(2, 30)), X[2:30] ** 2)


def test_with_rows_at_least(blocks):
    wider = blocks.with_rows_at_least(10**5)
    assert wider.block_rows == 10**5
    assert_array_equal(wider.map(np.copy).compute(), X**2)


@pytest.mark.parametrize("keep", [False, True])
def test_by_rows(keep):
    images = da.from_array(X.reshape(53, 3, 1), chunks=(10, 3, 1))
    flat = by_rows(lambda block: block[:, :2, 0].astype(np.float32), images, keep=keep)
    assert flat.shape == (53, 2)
    assert flat.dtype == np.float32
    assert_array_equal(as_numpy(flat), X[:, :2].astype(np.float32))


def test_parts_are_chunks():
    assert list(of_parts(len, da.from_array(X, chunks=(20, 3)))) == [20, 20, 13]
    assert of_parts(len, X) == [53]


def test_lifted_rows_are_lifted_chunk_by_chunk():
    lifter = MonomialLifter(2).fit(X)
    rows = LiftedRows(da.from_array(X, chunks=(20, 3)), [lifter])
    sums = by_rows(lambda psi: psi.sum(axis=1), rows)
    assert sums.chunks == ((20, 20, 13),)
    assert_allclose(sums.compute(), lifter.transform(X).sum(axis=1))


def test_a_task_of_the_workers_has_one_thread():
    before = blas_threads()
    blocks = row_blocks(da.from_array(X, chunks=(20, 3)))
    assert blocks.sum(lambda psi: (blas_threads(),)) == [3.0]
    assert_array_equal(as_numpy(blocks.map(lambda psi: np.full(len(psi), blas_threads()))), 1)
    assert blas_threads() == before
