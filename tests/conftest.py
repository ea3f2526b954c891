import os

import pytest
from hypothesis import settings

from sklearn_koopman import _memory

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture
def has_memory(monkeypatch, tmp_path):
    """Return a function that says how many bytes machine and container have from now on.

    No public door leads to a machine with less memory than this one.
    """

    sysconf = getattr(os, "sysconf", None)

    def says(machine, container=None):
        limit = tmp_path / "memory.max"
        if container is not None:
            limit.write_text(container)
        monkeypatch.setattr(_memory, "_CGROUP_LIMIT", limit)
        answers = {"SC_PHYS_PAGES": machine, "SC_PAGE_SIZE": 1}
        monkeypatch.setattr(
            os, "sysconf", lambda name: answers.get(name) or sysconf(name), raising=False
        )

    return says
