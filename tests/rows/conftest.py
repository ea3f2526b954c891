import pytest

from .helpers import _factors, _power_sums


@pytest.fixture
def no_kernel(monkeypatch):
    """Return a function that takes the kernel away: as if there had been no compiler for it."""
    return lambda: monkeypatch.setattr(_factors, "_kernel", None)


@pytest.fixture
def shared_sums(monkeypatch):
    """Return a function that lets all threads share power sums, however few, from now on.

    Else they do from four million sums on, whose Gram matrices take gigabytes.
    """
    return lambda: monkeypatch.setattr(_power_sums, "SMALL", 100)
