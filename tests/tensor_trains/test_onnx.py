import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from sklearn_koopman import EDMDClassifier, MonomialLifter, TensorTrainClassifier
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.deployment import to_onnx
from sklearn_koopman.lifting import ProductKernelLifter

from ..deployment.test_onnx import run, scores

X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]
MAPS = [("monomial", 1), ("monomial", 3), ("legendre", 3), ("trigonometric", 2)]


def check_parity(student, dtype, X=X, **options):
    model = to_onnx(student, X[:1].astype(dtype), **options)
    label, found = run(model, X.astype(dtype))
    assert found.dtype == dtype
    assert_array_equal(label, student.predict(X))
    assert_array_equal(run(model, X[:1].astype(dtype))[0], label[:1])
    return model, found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("feature_map", "degree"), MAPS)
def test_tensor_trains(feature_map, degree, dtype):
    student = TensorTrainClassifier(
        soft_weight=0,
        rank=4,
        feature_map=feature_map,
        degree=degree,
        lifter=PCA(9, random_state=0),
        solver="adam",
        max_iter=3,
        random_state=0,
    ).fit(X, y)
    _, found = check_parity(student, dtype)
    assert_allclose(found, student.predict_proba(X), atol=1e-5)
    _, found = check_parity(student, dtype, raw_scores=True)
    assert_allclose(
        found, student.decision_function(X), atol=1e-3 if dtype == np.float32 else 1e-9
    )


def test_a_train_of_two_classes_and_one_variable():
    few = y < 2
    student = TensorTrainClassifier(soft_weight=0, rank=3, solver="adam", max_iter=3)
    student.fit(X[few][:, 20:21], y[few])
    _, found = check_parity(student, np.float64, X[few][:, 20:21])
    assert_allclose(found, student.predict_proba(X[few][:, 20:21]), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("steps", [[PCA(8, random_state=0)], []], ids=["reduced", "as it is"])
def test_compressed_students(steps, dtype):
    rows = X if steps else X[:, 18:26]
    whole = EDMDClassifier(lifter=make_pipeline(*steps, MonomialLifter(3)), ridge=1e-2)
    student = CompressedStudent(whole.fit(rows, y), rank=5).fit(rows)
    _, found = check_parity(student, dtype, rows)
    assert_allclose(found, scores(student, rows), atol=1e-4 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("feature_map", "degree"), MAPS)
def test_product_kernels_are_few_nodes(feature_map, degree, dtype):
    lifter = ProductKernelLifter(feature_map, degree=degree, n_landmarks=30, random_state=0)
    rows = X[:, 18:26].astype(dtype)
    student = EDMDClassifier(lifter=lifter, ridge=1e-3).fit(rows, y)
    model, found = check_parity(student, dtype, rows)
    assert_allclose(found, scores(student, rows), atol=1e-3 if dtype == np.float32 else 1e-9)
    assert len(model.graph.node) < 40
