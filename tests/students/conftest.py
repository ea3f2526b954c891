import pytest
from threadpoolctl import threadpool_limits

from sklearn_koopman.rows import _blocks


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Give BLAS one thread: on arrays this small, several would wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def every_pass_lifts(monkeypatch):
    """Keep no lifted rows. By default, rows that take less than 256 MB are lifted once."""
    monkeypatch.setattr(_blocks, "KEPT_BYTES", 0)
