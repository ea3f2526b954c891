import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Keep the threads of BLAS, on arrays as small as these, from waiting for each other."""
    with threadpool_limits(1):
        yield
