"""Students of data frames with missing values, in every form that takes their numbers."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_koopman import (
    KoopmanDistilledClassifier,
    MonomialLifter,
    deployment,
)
from sklearn_koopman.inspection import cost
from sklearn_koopman.pipeline import make_pipeline

rng = np.random.default_rng(0)
DATA = load_breast_cancer(as_frame=True)
FULL = DATA.data.iloc[:, :6]
FRAME = FULL.mask(rng.random(FULL.shape) < 0.1)
Y = np.where(DATA.target, "benign", "malignant")
NAMES = list(FRAME.columns)
IMPUTERS = {
    "mean": SimpleImputer(),
    "median": SimpleImputer(strategy="median"),
    "a number": SimpleImputer(missing_values=-1, strategy="constant", fill_value=7.0),
}


def student_of(first, X=FRAME, y=Y):
    last = KoopmanDistilledClassifier(soft_weight=0, ridge=0.1)
    return make_pipeline(first, StandardScaler(), MonomialLifter(2), last).fit(X, y)


def columns():
    numbers = make_pipeline(SimpleImputer(), PCA(2))
    return make_column_transformer(
        (numbers, NAMES[:3]), (SimpleImputer(), slice("mean area", NAMES[-1]))
    )


def run_onnx(model, rows):
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": rows})


@pytest.mark.parametrize("imputer", IMPUTERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gaps_are_filled_in_every_form(imputer, dtype):
    frame = FRAME.fillna(-1) if imputer == "a number" else FRAME
    X = frame.to_numpy(dtype)
    student = student_of(IMPUTERS[imputer], X)
    expected = student.decision_function(X)
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    assert_allclose(
        deployment.compile(student).decision_function(X), expected, tolerance, tolerance
    )
    assert deployment.compile(student).predict(X[3]) == student.predict(X)[3]
    later = cost(student[1:], student[:1].transform(X[:1]), n_repeats=1)
    assert cost(student, X[:1], n_repeats=1).multiplications == later.multiplications
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        logits = deployment.to_module(student)(torch.tensor(X)).numpy()
    assert_allclose(np.diff(logits, axis=1)[:, 0], expected, tolerance, tolerance)
    pytest.importorskip("skl2onnx")
    model = deployment.to_onnx(student, X[:1])
    assert_array_equal(run_onnx(model, X)[0], student.predict(X))


def test_what_is_more_than_numbers_filled_in_is_said():
    student = student_of(SimpleImputer(add_indicator=True))
    for form in (deployment.compile, deployment.to_module):
        pytest.importorskip("torch")
        with pytest.raises(TypeError, match=r"add_indicator=False.*student\[1:\]"):
            form(student)


def test_compiled_students_look_at_names():
    compiled = deployment.compile(student_of(SimpleImputer()))
    with pytest.raises(ValueError, match=r"feature names should match.*same order"):
        compiled.predict(FRAME[NAMES[::-1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_onnx_of_columns_with_names(dtype):
    pytest.importorskip("skl2onnx")
    student, X = student_of(columns()), FRAME.astype(dtype)
    model = deployment.to_onnx(student, X[:1])
    label, probabilities = run_onnx(model, X.to_numpy())
    assert_array_equal(label, student.predict(FRAME))
    assert_allclose(probabilities, student.predict_proba(FRAME), atol=1e-3)
    inside = KoopmanDistilledClassifier(
        soft_weight=0, lifter=make_pipeline(columns(), MonomialLifter(1))
    ).fit(FRAME.fillna(0), Y)
    model = deployment.to_onnx(inside, X.fillna(0)[:1])
    assert_array_equal(run_onnx(model, X.fillna(0).to_numpy())[0], inside.predict(X.fillna(0)))


def test_other_forms_of_columns_with_names():
    frame = FRAME.fillna(0.0)
    parts = [(StandardScaler(), NAMES[3:5]), (PCA(2), NAMES[:2]), ("passthrough", NAMES[2:3])]
    student = student_of(make_column_transformer(*parts), frame)
    rows, expected = frame.to_numpy(), student.decision_function(frame)
    assert_allclose(deployment.compile(student).decision_function(frame), expected, atol=1e-9)
    logits = deployment.to_c(student).decision_function(rows)
    assert_allclose(np.diff(logits, axis=1)[:, 0], expected, atol=2e-3)
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        logits = deployment.to_module(student)(torch.tensor(rows)).numpy()
    assert_allclose(np.diff(logits, axis=1)[:, 0], expected, atol=1e-9)
    with_gaps = deployment.compile(student_of(columns()))
    assert_array_equal(with_gaps.predict(FRAME), student_of(columns()).predict(FRAME))
    with pytest.raises(ValueError, match="NaN or infinity"):
        deployment.compile(student).predict(FRAME)


def test_onnx_of_columns_that_are_not_numbers():
    pytest.importorskip("skl2onnx")
    mixed = FRAME.assign(site=rng.choice(["A", "B"], len(FRAME)))
    pre = make_column_transformer(
        (SimpleImputer(), NAMES), (OneHotEncoder(sparse_output=False), ["site"])
    )
    student = student_of(pre, mixed)
    with pytest.raises(TypeError, match=r"columns \['site'\].*not numbers.*student\[1:\]"):
        deployment.to_onnx(student, mixed[:1])
    rows = student[:1].transform(mixed)
    label = run_onnx(deployment.to_onnx(student[1:], rows[:1]), rows)[0]
    assert_array_equal(label, student.predict(mixed))


def test_files_load_as_they_were_saved(tmp_path):
    skops_io = pytest.importorskip("skops.io")
    file = tmp_path / "student.skops"
    for first in (SimpleImputer(), columns()):
        student = student_of(first)
        with warnings.catch_warnings(record=True) as caught:
            deployment.save_student(student, file)
        # scikit-learn 1.6 keeps columns in a list of its own; later ones have no type to trust.
        types = [
            each for each in skops_io.get_untrusted_types(file=file) if "Remainder" in each
        ]
        assert [str(types) in str(warning.message) for warning in caught] == [True] * len(types)
        loaded = deployment.load_student(file, trusted=types)
        assert_array_equal(loaded.predict(FRAME), student.predict(FRAME))
