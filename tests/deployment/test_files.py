import io
import json
import tracemalloc
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import onnxruntime
import pytest
import skops.io
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline as sklearn_pipeline

from sklearn_koopman import (
    ConvolutionalLifter,
    DistilledTreeClassifier,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    TensorTrainClassifier,
)
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.deployment import load_student, save_student, to_onnx
from sklearn_koopman.inspection import cost
from sklearn_koopman.lifting import ProductKernelLifter

from .helpers import TEACHER, X, y


def test_a_student_comes_back_without_its_teacher(student, tmp_path):
    file = tmp_path / "student.skops"
    save_student(student, file)
    restored = load_student(file)
    assert type(restored) is type(getattr(student, "best_estimator_", student))
    assert_array_equal(restored.decision_function(X), student.decision_function(X))
    assert b"LogisticRegression" not in file.read_bytes()


REDUCER = PCA(6, random_state=0)
STUDENT = KoopmanDistilledClassifier(
    TEACHER, lifter=sklearn_pipeline(REDUCER, MonomialLifter(2)), tol=1e-2
)


@pytest.mark.parametrize(
    "student",
    [
        TensorTrainClassifier(TEACHER, rank=2, lifter=REDUCER, solver="adam", max_iter=1),
        EDMDClassifier(TEACHER, lifter=sklearn_pipeline(REDUCER, ProductKernelLifter())),
        EDMDClassifier(
            TEACHER,
            lifter=ConvolutionalLifter(
                (8, 8),
                dilation=2,
                nonlinearity="proportion",
                n_filters=4,
                filter_size=3,
                grid=1,
            ),
        ),
        CompressedStudent(STUDENT.fit(X, y), rank=2),
    ],
    ids=["train", "kernel", "filters", "compressed"],
)
def test_trains_kernels_and_filters(student):
    file = io.BytesIO()
    save_student(student.fit(X[:200], y[:200]), file)
    restored = load_student(file)
    assert_array_equal(restored.decision_function(X), student.decision_function(X))
    assert b"LogisticRegression" not in file.getvalue()


def test_trees_need_trust():
    tree = DistilledTreeClassifier(TEACHER, max_depth=2, beam_width=10).fit(X, y)
    file = io.BytesIO()
    with pytest.warns(UserWarning, match=r"trusted=\['sklearn\.tree\._tree\.Tree'\]"):
        save_student(tree, file)
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException, match="Tree"):
        load_student(file)
    restored = load_student(file, trusted=["sklearn.tree._tree.Tree"])
    assert_array_equal(restored.predict(X), tree.predict(X))


class Foreign(MonomialLifter):
    pass


def test_what_is_foreign_is_not_loaded():
    student = sklearn_pipeline(Foreign(1), EDMDClassifier()).fit(X, y)
    file = io.BytesIO()
    with pytest.warns(UserWarning, match=r"trusted=.*Foreign"):
        save_student(student, file)
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException, match="Foreign"):
        load_student(file)


def test_errors(without):
    with pytest.raises(TypeError, match="There is no student in LogisticRegression"):
        save_student(LogisticRegression(max_iter=300).fit(X, y), io.BytesIO())
    without("skops.io")
    with pytest.raises(ImportError, match=r"sklearn-koopman\[skops\]"):
        load_student(io.BytesIO())


# One file for every kind of type in a student, written before modules moved into folders. Each
# student was fitted to iris.
OLD = Path(__file__).parent / "files_of_0_1"
OLD_PREDICTIONS = json.loads((OLD / "predictions.json").read_text("utf-8"))


@pytest.mark.parametrize("name", OLD_PREDICTIONS)
def test_files_of_earlier_versions_are_read(name):
    rows, _ = load_iris(return_X_y=True)
    student = load_student(OLD / f"{name}.skops")
    assert student.predict(rows[::10]).tolist() == OLD_PREDICTIONS[name]


@pytest.mark.parametrize("name", OLD_PREDICTIONS)
def test_students_of_earlier_versions_have_all_forms(name):
    rows, _ = load_iris(return_X_y=True)
    student = load_student(OLD / f"{name}.skops")
    session = onnxruntime.InferenceSession(to_onnx(student, rows[:1]).SerializeToString())
    label, _ = session.run(None, {"X": rows})
    assert_array_equal(label, student.predict(rows))
    found = cost(student, rows[:1], n_repeats=1)
    assert found.linear > 0
    assert found.bytes == 8 * found.parameters


def test_a_file_object_of_an_earlier_version_is_read_and_can_be_saved_again():
    rows, _ = load_iris(return_X_y=True)
    with (OLD / "tensor_train.skops").open("rb") as file:
        student = load_student(file)
    again = io.BytesIO()
    save_student(student, again)
    assert_array_equal(load_student(again).predict(rows), student.predict(rows))


def rewritten(content, rename=None, **changes):
    """Return a skops file with other parts, and with words of its schema replaced."""
    written = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as old, ZipFile(written, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "schema.json":
                for before, after in (rename or {}).items():
                    part = part.replace(before, after)
                part = changes.get("schema", part)
            else:
                part = changes.get("arrays", part)
            new.writestr(name, part)
    return written.getvalue()


def saved():
    file = io.BytesIO()
    save_student(
        EDMDClassifier(lifter=MonomialLifter(2)).fit(*load_iris(return_X_y=True)), file
    )
    return file.getvalue()


SAVED = saved()
DAMAGED = {
    "no zip": b"hello",
    "empty": b"",
    "cut": SAVED[: len(SAVED) // 2],
    "no schema": rewritten(SAVED, schema=b"{}"),
    "null": rewritten(SAVED, schema=b"null"),
    "no JSON": rewritten(SAVED, schema=b"{"),
    "nested": rewritten(SAVED, schema=b"[" * 100_000),
    "no arrays": rewritten(SAVED, arrays=b"hello"),
    "no coef_": rewritten(SAVED, {b'"coef_"': b'"other_"'}),
    "no lifter_": rewritten(SAVED, {b'"lifter_"': b'"other_"'}),
    "no intercept_": rewritten(SAVED, {b'"intercept_"': b'"other_"'}),
    "attributes exchanged": rewritten(
        SAVED, {b'"intercept_"': b'"_"', b'"coef_"': b'"intercept_"', b'"_"': b'"coef_"'}
    ),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("has_name", [True, False])
def test_damaged_files_are_named(content, has_name, tmp_path):
    file = tmp_path / "student.skops" if has_name else io.BytesIO(content)
    if has_name:
        file.write_bytes(content)
    name = "student.skops" if has_name else "BytesIO"
    with pytest.raises(ValueError, match=f"file='.*{name}.*' was not written by save_student"):
        load_student(file)


def test_what_unpacks_to_far_more_is_not_unpacked():
    content = rewritten(SAVED, arrays=bytes(2**25))
    tracemalloc.start()
    with pytest.raises(ValueError, match="bytes unpack to"):
        load_student(io.BytesIO(content))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**22


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_student(tmp_path / "none.skops")
