"""Rows that are costly to lift are lifted once, and kept in memory or on disk."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
import warnings
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone, config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline as make_pipeline_of_sklearn
from sklearn.preprocessing import FunctionTransformer

from sklearn_koopman import (
    ConvolutionalLifter,
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    RBFLifter,
    TransferSet,
)
from sklearn_koopman.pipeline import make_pipeline

from ..classification.helpers import LinearTeacher, RecordingTransformer, samples

X, Y = samples(n_samples=300, n_features=36)
LOGITS = LinearTeacher(36).logits(X)
WEIGHT = np.random.default_rng(0).uniform(0.5, 2.0, size=len(X))
LIFTER = ConvolutionalLifter((6, 6), n_filters=6, filter_size=3, grid=2, random_state=0)
# 300 rows of 48 observables, more than there are pixels, are 115 kB in float64.
KINDS = {"in memory": 1024, "on disk": 0.01}

STUDENTS = {
    "distilled": KoopmanDistilledClassifier(ridge=1e-2, tol=1e-8),
    "minibatches": KoopmanDistilledClassifier(solver="adam", max_iter=2, random_state=0),
    "chosen ridge": EDMDClassifierCV(cv=3),
    "chosen settings": KoopmanDistilledClassifierCV(
        ridges=[1e-3, 1e-2], temperatures=[2.0], soft_weights=[0.5], cv=2
    ),
    "read once": EDMDClassifier(ridge=1e-3),
}
every_student = pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS.keys())
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return the folder of lifted rows, which must be empty after a test."""
    monkeypatch.setenv("SKLEARN_KOOPMAN_TEMP_FOLDER", str(tmp_path))
    yield tmp_path
    assert_nothing_is_left(tmp_path)


def assert_nothing_is_left(folder):
    """Check that a folder has no files and, on Linux, that none of them is open or mapped."""
    assert list(folder.iterdir()) == []
    process = Path("/proc/self")
    if process.is_dir():
        assert str(folder) not in (process / "maps").read_text()
        links = [os.readlink(link) for link in (process / "fd").iterdir() if link.is_symlink()]
        assert not any(link.startswith(str(folder)) for link in links)


def with_a_one(transformer):
    """Return the transformer after a step that widens rows. Alone it would be applied at once."""
    return make_pipeline_of_sklearn(MonomialLifter(1), transformer)


def with_adam(student):
    """Skip the test if a student needs packages that are missing."""
    if getattr(student, "solver", None) == "adam":
        pytest.importorskip("skorch")


@every_kind
@every_student
def test_the_student_is_that_of_rows_lifted_before(student, kind):
    with_adam(student)
    psi = clone(LIFTER).fit_transform(X)
    expected = clone(student).fit(psi, Y, WEIGHT, soft_labels=LOGITS)
    found = clone(student).set_params(lifter=LIFTER)
    with config_context(working_memory=kind):
        found.fit(X, Y, WEIGHT, soft_labels=LOGITS)
        pipeline = make_pipeline(LIFTER, clone(student))
        pipeline.fit(
            X,
            Y,
            **{
                f"{pipeline.steps[-1][0]}__{name}": value
                for name, value in {"sample_weight": WEIGHT, "soft_labels": LOGITS}.items()
            },
        )
    assert_allclose(found.decision_function(X), expected.decision_function(psi), atol=1e-6)
    assert_array_equal(pipeline[-1].coef_, found.coef_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_student
def test_rows_on_disk_are_those_in_memory_to_the_last_digit(student, dtype):
    with_adam(student)
    fitted = []
    for kind in KINDS.values():
        with config_context(working_memory=kind), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # float32 cannot reach such a tol
            model = clone(student).set_params(lifter=LIFTER)
            fitted.append(model.fit(X.astype(dtype), Y, soft_labels=LOGITS))
    assert fitted[0].coef_.dtype == dtype
    assert_array_equal(fitted[0].coef_, fitted[1].coef_)
    assert_array_equal(fitted[0].intercept_, fitted[1].intercept_)


@every_kind
def test_they_are_lifted_once(kind):
    student = KoopmanDistilledClassifier(lifter=with_a_one(RecordingTransformer()))
    with config_context(working_memory=kind):
        student.fit(X, Y, soft_labels=LOGITS)
    seen = student.lifter_[-1].n_rows_
    assert sum(seen) - seen.count(1) == len(X)


def many_times(X):
    return np.tile(X, 50)


def test_they_are_on_disk_and_not_in_memory():
    rows, labels = samples(n_samples=15_000, n_features=8)
    lifter = FunctionTransformer(many_times)  # its cost is unknown
    lifted_bytes = 50 * rows.nbytes
    student = KoopmanDistilledClassifier(lifter=lifter, soft_weight=0.0, max_iter=1, tol=1.0)
    peaks = []
    for working_memory in (1024, 1):
        with config_context(working_memory=working_memory):
            tracemalloc.start()
            try:
                student.fit(rows, labels)
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
    assert peaks[1] < peaks[0] - lifted_bytes / 2


@pytest.mark.parametrize("kind", [0.01, 1024])
def test_a_machine_with_little_memory_takes_the_disk(kind, folder, has_memory, monkeypatch):
    has_memory(machine=4 * 300 * 37 * 8 - 1)
    monkeypatch.setenv("SKLEARN_KOOPMAN_TEMP_FOLDER", str(folder / "missing"))
    student = KoopmanDistilledClassifier(lifter=with_a_one(RecordingTransformer()))
    with config_context(working_memory=kind), pytest.raises(NotADirectoryError):
        student.fit(X, Y, soft_labels=LOGITS)
    (folder / "memory.max").unlink(missing_ok=True)


def test_what_is_cheap_is_lifted_in_every_pass(folder, monkeypatch):
    monkeypatch.setenv("SKLEARN_KOOPMAN_TEMP_FOLDER", str(folder / "missing"))
    with config_context(working_memory=0.01):
        KoopmanDistilledClassifier(lifter=MonomialLifter(2)).fit(X, Y, soft_labels=LOGITS)


@every_kind
def test_rows_that_are_made_are_kept_too(kind):
    transfer_set = TransferSet(lambda X: -X, keep_labels=True)
    psi = clone(LIFTER).fit(X).transform(np.vstack([X, -X]))
    logits = np.vstack([LOGITS, LinearTeacher(36).logits(-X)])
    student = clone(STUDENTS["distilled"])
    expected = clone(student).fit(psi, np.tile(Y, 2), soft_labels=logits)
    student.set_params(teacher=LinearTeacher(36), transfer_set=transfer_set)
    with config_context(working_memory=kind):
        found = make_pipeline(LIFTER, student).fit(X, Y)
    assert_allclose(
        found.decision_function(X), expected.decision_function(psi[:300]), atol=1e-6
    )


@every_kind
def test_calls_of_partial_fit(kind):
    pytest.importorskip("skorch")
    student = KoopmanDistilledClassifier(solver="adam", random_state=0, soft_weight=0.0)
    psi = clone(LIFTER).fit_transform(X)
    expected, found = clone(student), clone(student).set_params(lifter=clone(LIFTER))
    with config_context(working_memory=kind):
        for _ in range(2):
            expected.partial_fit(psi, Y, classes=np.unique(Y))
            found.partial_fit(X, Y, classes=np.unique(Y))
    assert_allclose(found.coef_, expected.coef_, rtol=1e-4, atol=1e-6)


def test_rows_of_dask_stay_with_its_workers(folder, monkeypatch):
    da = pytest.importorskip("dask.array")
    dask = pytest.importorskip("dask")
    monkeypatch.setenv("SKLEARN_KOOPMAN_TEMP_FOLDER", str(folder / "missing"))
    lifter = FrozenEstimator(RBFLifter(20, random_state=0).fit(X))
    student = KoopmanDistilledClassifier(ridge=1e-2, tol=1e-8)
    expected = make_pipeline(lifter, clone(student)).fit(
        X, Y, koopmandistilledclassifier__soft_labels=LOGITS
    )
    with config_context(working_memory=0.001), dask.config.set(scheduler="synchronous"):
        found = make_pipeline(lifter, clone(student))
        found.fit(
            da.from_array(X, chunks=(100, -1)),
            Y,
            koopmandistilledclassifier__soft_labels=LOGITS,
        )
    assert_allclose(found[-1].coef_, expected[-1].coef_, atol=1e-5)


def test_a_bar_shows_how_far_lifting_has_come(bars):
    student = clone(STUDENTS["distilled"]).set_params(lifter=LIFTER)
    for verbose in (0, 1):
        student.set_params(verbose=verbose).fit(X, Y, soft_labels=LOGITS)
        assert ("lifting rows" in [bar.desc for bar in bars]) == (verbose > 0)
    assert [bar.desc for bar in bars].count("lifting rows") == 1


class Failing(RecordingTransformer):
    """Raises an error when it has seen many rows."""

    def __init__(self, error=None, after=200):
        self.error = error
        self.after = after

    def transform(self, X):
        rows = super().transform(X)
        if self.error is not None and sum(self.n_rows_) > self.after:
            raise self.error
        return rows


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no")], ids=repr)
@every_kind
def test_nothing_is_left_of_a_fit_that_ends_early(error, kind):
    student = KoopmanDistilledClassifier(lifter=with_a_one(Failing()))
    coef = student.fit(X, Y, soft_labels=LOGITS).coef_
    student.set_params(lifter=with_a_one(Failing(error)))
    with config_context(working_memory=kind):
        try:
            student.fit(X, Y, soft_labels=LOGITS)
        except (KeyboardInterrupt, ValueError) as raised:
            assert type(raised) is type(error)  # noqa: PT017  nothing else may hold its traceback
        else:
            pytest.fail("not raised")
    gc.collect()  # frames of the error refer to each other
    assert student.coef_ is coef


KILLED = """
import os, signal
import numpy as np
from sklearn import config_context
from sklearn.preprocessing import FunctionTransformer
from sklearn_koopman import KoopmanDistilledClassifier

def last_words(X):
    if len(X) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.tile(X, 2)

X = np.random.default_rng(0).normal(size=(300, 4))
student = KoopmanDistilledClassifier(lifter=FunctionTransformer(last_words), soft_weight=0)
with config_context(working_memory=1e-3):
    student.fit(X, X[:, 0] > 0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")
def test_nothing_is_left_of_a_process_that_is_killed(folder):
    ended = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(folder.iterdir()) == []


def test_there_must_be_room(folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    # No test can fill a disk.
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 1000))
    student = clone(STUDENTS["distilled"]).set_params(lifter=LIFTER)
    with config_context(working_memory=0.01), pytest.raises(OSError, match="No room") as raised:
        student.fit(X, Y, soft_labels=LOGITS)
    message = str(raised.value)
    for part in (
        "115,200 bytes",
        "1,000 bytes are free",
        str(folder),
        "SKLEARN_KOOPMAN_TEMP_FOLDER",
    ):
        assert part in message


def test_the_folder_must_exist(folder, monkeypatch):
    monkeypatch.setenv("SKLEARN_KOOPMAN_TEMP_FOLDER", str(folder / "missing"))
    student = clone(STUDENTS["distilled"]).set_params(lifter=LIFTER)
    message = r"is not a folder.*115,200 bytes"
    with (
        config_context(working_memory=0.01),
        pytest.raises(NotADirectoryError, match=message),
    ):
        student.fit(X, Y, soft_labels=LOGITS)
    student.fit(X, Y, soft_labels=LOGITS)  # now in memory
