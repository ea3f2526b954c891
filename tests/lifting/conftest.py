import pytest

import sklearn_koopman.lifting._filtering._responses as _responses


@pytest.fixture
def small_blocks(monkeypatch):
    """Return a function that makes blocks of responses small. Real blocks take megabytes."""
    return lambda: monkeypatch.setattr(_responses, "BLOCK_RESPONSES", 500)


@pytest.fixture
def no_pooling(monkeypatch):
    """Return a function that removes the compiled pooling, as if there were no compiler."""
    return lambda: monkeypatch.setattr(_responses, "_pooling", None)
