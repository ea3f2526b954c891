import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Give BLAS one thread: on arrays this small, several would wait for each other."""
    with threadpool_limits(1):
        yield
