import os
import sys

import pytest
from hypothesis import settings

from sklearn_koopman import _memory
from sklearn_koopman.linear import _exact

# The time of an example depends more on the machine's other work than on the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


# Tests of code that hardly uses scikit-learn count as slow ones, see CONTRIBUTING.
WITHOUT_SCIKIT_LEARN = {"rows", "linear", "meshes", "datasets"}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name in WITHOUT_SCIKIT_LEARN:
            item.add_marker("slow")


@pytest.fixture
def has_memory(monkeypatch, tmp_path):
    """Return a function that sets how many bytes machine and container have from now on.

    No public function can give the machine less memory.
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


@pytest.fixture
def without(monkeypatch):
    """Return a function that makes imports of a package fail from now on.

    No test can uninstall packages that other tests need.
    """

    def make_missing(package):
        monkeypatch.setitem(sys.modules, package, None)

    return make_missing


@pytest.fixture
def bars(monkeypatch):
    """Return a list to which every progress bar is added from now on.

    The output of tqdm depends on how fast the machine is.
    """
    tqdm = pytest.importorskip("tqdm.auto")
    made = []

    class Bar(tqdm.tqdm):
        def __init__(self, *args, **kwargs):
            assert not any(bar.is_open for bar in made), "one bar at a time"
            self.is_open = True
            super().__init__(*args, **kwargs)
            made.append(self)

        def close(self):
            super().close()
            self.is_open = False

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    return made


@pytest.fixture
def sampled_from_the_first_row(monkeypatch):
    """Return a function that lets the minimiser take steps on samples, even of few rows.

    By default it does so from a million lifted numbers on. With so many, a test could not reach a
    minimum to eight digits. Other limits of the minimiser can be set by their names.
    """

    def set_limits(**limits):
        for name, limit in {"SAMPLED_FROM": 0, **limits}.items():
            monkeypatch.setattr(_exact._minimise, name, limit)

    return set_limits


@pytest.fixture
def torch_devices(monkeypatch):
    """Return stand-ins for the generators of a CUDA and of an Apple device.

    They record what torch would do to them. As in a new process, nobody has used the first yet.
    """
    torch = pytest.importorskip("torch")
    cuda, metal = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    calls_of_init = []
    stand_ins = [
        (torch.cuda, "is_available", lambda: True),
        (torch.cuda, "init", lambda: calls_of_init.append(True)),
        (torch.cuda, "is_initialized", lambda: bool(calls_of_init)),
        (torch.cuda, "default_generators", (cuda,)),
        # torch seeds an unused device when it is first used. That is too late to undo it.
        (torch.cuda, "manual_seed_all", lambda seed: pytest.fail("reseeded")),
        (torch.backends.mps, "is_available", lambda: True),
        (torch.mps, "get_rng_state", metal.get_state),
        (torch.mps, "set_rng_state", metal.set_state),
        (torch.mps, "manual_seed", metal.manual_seed),
    ]
    for part, name, stand_in in stand_ins:
        monkeypatch.setattr(part, name, stand_in)
    return cuda, metal
