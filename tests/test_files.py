"""A file is complete or as it was before, whatever happens while it is written."""

import os
import signal
import stat
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from experiments.runner import Results
from sklearn_koopman import EDMDClassifier, MonomialLifter

# The function is private. Public tests cover the writers that use it, but not all of its rules.
from sklearn_koopman._files import replaced_when_whole
from sklearn_koopman.deployment import load_student, save_student

resource = pytest.importorskip("resource", reason="limits of files are those of Unix")

X = np.random.default_rng(0).normal(size=(60, 12))
y = np.arange(60) % 3
OLD = EDMDClassifier().fit(X, y)
# A few hundred kilobytes.
LARGE = EDMDClassifier(lifter=MonomialLifter(4)).fit(X, y)


@contextmanager
def files_of_at_most(n_bytes):
    """Let writes fail after some number of bytes of a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_large_student(path):
    save_student(LARGE, path)


def write_long_table(path):
    table = Results(path, ["a"])
    table.add({"a": "x" * 100_000})


def write_bytes(path):
    with replaced_when_whole(path) as file:
        file.write(bytes(100_000))


WRITERS = [write_large_student, write_long_table, write_bytes]


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_the_old_file(write, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"good\n")
    with files_of_at_most(2**15), pytest.raises(OSError, match="File too large"):
        write(path)
    assert path.read_bytes() == b"good\n"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("write", WRITERS)
def test_a_killed_process_leaves_the_old_file_and_nothing_else(write, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"good\n")
    child = os.fork()
    if child == 0:  # the system ends the child in the middle of a write
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with files_of_at_most(2**15):
            write(path)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGXFSZ
    assert path.read_bytes() == b"good\n"
    if hasattr(os, "O_TMPFILE"):
        assert os.listdir(tmp_path) == ["file"]


def test_a_student_takes_the_place_of_another(tmp_path):
    path = tmp_path / "student.skops"
    save_student(OLD, path)
    path.chmod(0o640)
    save_student(LARGE, str(path))
    assert_array_equal(load_student(path).coef_, LARGE.coef_)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["student.skops"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"good")
    with pytest.raises(TypeError, match="bytes"), replaced_when_whole(path) as file:
        file.writelines([b"bad", "no bytes"])
    assert path.read_bytes() == b"good"
    assert os.listdir(tmp_path) == ["file"]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    with replaced_when_whole(tmp_path / "new", text=True) as file:
        file.write("a\r\nö")
    assert (tmp_path / "new").read_bytes() == "a\r\nö".encode()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    with replaced_when_whole(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_what_is_not_a_file_is_not_replaced(tmp_path):
    with replaced_when_whole("/dev/null") as file:
        file.write(b"nothing")
    assert not os.path.isfile("/dev/null")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError), replaced_when_whole(tmp_path / "folder"):
        pass
    with pytest.raises(FileNotFoundError), replaced_when_whole(tmp_path / "none" / "file"):
        pass
    assert os.listdir(tmp_path) == ["folder"]


def test_systems_without_nameless_files(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "file"
    for content in (b"one", b"two"):
        with replaced_when_whole(path) as file:
            file.write(content)
        assert path.read_bytes() == content
    with files_of_at_most(2**15), pytest.raises(OSError, match="File too large"):
        write_bytes(path)
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["file"]
