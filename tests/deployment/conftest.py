import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from .helpers import STUDENTS, X, y


@pytest.fixture(scope="session", params=STUDENTS)
def student(request):
    """A fitted student."""
    with threadpool_limits(1):
        return clone(STUDENTS[request.param]).fit(X, y)
