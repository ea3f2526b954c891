"""Small problems keep to one BLAS thread, and leave the setting as it was."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from sklearn_koopman.solvers import RowBlocks, threads_for


def blas_threads():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


@pytest.mark.parametrize(("n_samples", "limited"), [(100, True), (10**6, False)])
def test_few_rows_get_one_thread(n_samples, limited):
    before = blas_threads()
    rows = np.broadcast_to(np.zeros(10), (n_samples, 10))
    with threads_for(RowBlocks(rows)):
        assert blas_threads() == ({1} if limited else before)
    assert blas_threads() == before
