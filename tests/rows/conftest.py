import pytest

from .helpers import _factors, _power_sums


@pytest.fixture
def no_kernel(monkeypatch):
    """Return a function that removes the kernel, as if there were no compiler."""
    return lambda: monkeypatch.setattr(_factors, "_kernel", None)


@pytest.fixture
def shared_sums(monkeypatch):
    """Return a function that lets all threads share power sums from now on, even a few sums.

    By default they do so from four million sums on, whose Gram matrices take gigabytes.
    """
    return lambda: monkeypatch.setattr(_power_sums, "SMALL", 100)
