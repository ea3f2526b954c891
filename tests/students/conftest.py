import pytest
from threadpoolctl import threadpool_limits

from sklearn_koopman.rows import _blocks


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Keep the threads of BLAS, on arrays as small as these, from waiting for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def every_pass_lifts(monkeypatch):
    """Keep no lifted rows: else those that take less than 256 MB are lifted once."""
    monkeypatch.setattr(_blocks, "KEPT_BYTES", 0)
