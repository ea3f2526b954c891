"""Students take images, flat or not, and so does every exported form of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from sklearn_koopman import Flatten, KoopmanDistilledClassifier, MonomialLifter, deployment
from sklearn_koopman.audit import audit_report
from sklearn_koopman.inspection import UncountableError, cost, robust_radius, shapley_values
from sklearn_koopman.pipeline import make_pipeline

FLAT, Y = load_digits(n_class=4, return_X_y=True)
FLAT = (FLAT / 16).astype(np.float32)
IMAGES = FLAT.reshape(-1, 1, 8, 8)
LOGISTIC = LogisticRegression().fit(FLAT, Y)


def teacher(images):
    assert images.shape[1:] == (1, 8, 8)
    return LOGISTIC.predict_proba(images.reshape(-1, 64))


STUDENT = make_pipeline(
    Flatten(), PCA(6), MonomialLifter(2), KoopmanDistilledClassifier(teacher)
)
STUDENT.fit(IMAGES, Y)
PREDICTED = STUDENT.predict(IMAGES)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (1, 8, 8), (4, 4, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_rows_of_every_shape(shape, dtype):
    rows = (16 * FLAT).astype(dtype)
    flatten = Flatten().fit(rows.reshape(-1, *shape))
    assert (flatten.input_shape_, flatten.n_features_in_) == (shape, 64)
    for given in (rows.reshape(-1, *shape), rows, rows.reshape(-1, *shape).tolist()):
        assert_array_equal(flatten.transform(given), rows)
    assert flatten.transform(rows.reshape(-1, *shape)).dtype == dtype
    assert flatten.get_feature_names_out()[-1] == "x63"


def test_rows_of_another_shape():
    flatten = Flatten().fit(IMAGES)
    with pytest.raises(ValueError, match=r"shape \(8, 8\), but .*\(1, 8, 8\).*64 features"):
        flatten.transform(IMAGES[:, 0])
    with pytest.raises(ValueError, match="X has 63 features, but Flatten is expecting 64"):
        flatten.transform(FLAT[:, 1:])
    with pytest.raises(ValueError, match="NaN"):
        flatten.transform(np.full((1, 1, 8, 8), np.nan))
    with pytest.raises(ValueError, match="0 sample"):
        flatten.transform(IMAGES[:0])


def test_the_student_is_that_of_flat_rows_and_the_teacher_sees_images():
    same = make_pipeline(PCA(6), MonomialLifter(2), KoopmanDistilledClassifier())
    same.fit(FLAT, Y, koopmandistilledclassifier__soft_labels=teacher(IMAGES))
    assert_allclose(STUDENT[-1].coef_, same[-1].coef_, rtol=1e-4, atol=1e-6)
    assert_array_equal(STUDENT.predict(FLAT), PREDICTED)
    assert (PREDICTED == Y).mean() > 0.95


rows_of_both_forms = pytest.mark.parametrize("rows", [IMAGES, FLAT], ids=["images", "flat"])


@rows_of_both_forms
def test_torch(rows):
    torch = pytest.importorskip("torch")
    module = deployment.to_module(STUDENT)
    with torch.no_grad():
        logits = module(torch.from_numpy(rows)).numpy()
    assert_allclose(logits, STUDENT.decision_function(rows), atol=1e-4)


@rows_of_both_forms
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_onnx(rows, dtype):
    pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    rows = rows.astype(dtype)
    model = deployment.to_onnx(STUDENT, rows[:1])
    (label, probabilities) = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"X": rows}
    )
    assert_array_equal(label, PREDICTED)
    assert_allclose(probabilities, STUDENT.predict_proba(rows), atol=1e-5)


@rows_of_both_forms
def test_plain_functions(rows):
    compiled = deployment.compile(STUDENT)
    assert_array_equal(compiled.predict(rows), PREDICTED)
    assert compiled.predict(rows[5]) == PREDICTED[5]
    with pytest.raises(ValueError, match=r"shape \(2, 8, 8\): expected rows"):
        compiled.predict(IMAGES[:2, 0])


@rows_of_both_forms
@pytest.mark.parametrize("number", ["float32", "integer"])
def test_c(rows, number):
    small = deployment.to_c(STUDENT, X=rows, number=number)
    assert np.mean(small.predict(rows) == PREDICTED) > 0.98


@rows_of_both_forms
def test_cost_files_bits_and_chips(rows, tmp_path):
    of_flat = cost(STUDENT[1:], FLAT[:1], n_repeats=1)
    assert cost(STUDENT, rows[:1], n_repeats=1).multiplications == of_flat.multiplications
    pytest.importorskip("skops")
    deployment.save_student(STUDENT, tmp_path / "student.skops")
    loaded = deployment.load_student(tmp_path / "student.skops")
    assert_array_equal(loaded.predict(rows), PREDICTED)
    rounded = deployment.quantise_student(STUDENT, rows, bits=6)
    assert np.mean(rounded.predict(rows) == PREDICTED) > 0.95
    chip = deployment.SimulatedChip(STUDENT, deployment.Hardware(), rows, random_state=0)
    assert_array_equal(chip.predict(rows), PREDICTED)
    assert deployment.to_mesh(STUDENT, rows).n_interferometers > 0


@rows_of_both_forms
def test_inspection_and_audit(rows):
    of_flat = STUDENT[1:]
    assert_allclose(robust_radius(STUDENT, rows[:3]), robust_radius(of_flat, FLAT[:3]))
    values = shapley_values(STUDENT, rows[:2], rows[:20]).values
    assert_allclose(values, shapley_values(of_flat, FLAT[:2], FLAT[:20]).values)
    of_teacher = None if rows is FLAT else teacher
    report = audit_report(STUDENT, rows[:60], Y[:60], teacher=of_teacher, image_shape=(8, 8))
    assert report.certified.median_radius > 0
    assert (report.fidelity is None) == (of_teacher is None)
    assert "<svg" in report.to_html()


@pytest.mark.parametrize(
    ("form", "error"),
    [
        (deployment.to_module, TypeError),
        (deployment.compile, TypeError),
        (deployment.to_c, TypeError),
        (lambda student: cost(student, FLAT[:1]), UncountableError),
        (lambda student: deployment.to_onnx(student, FLAT[:1]), (RuntimeError, TypeError)),
    ],
)
def test_where_a_first_step_has_no_form_the_later_ones_have(form, error):
    last = KoopmanDistilledClassifier(soft_weight=0)
    roots = FunctionTransformer(lambda X: np.sqrt(X[:, ::2]))
    student = make_pipeline(roots, PCA(4), MonomialLifter(2), last).fit(FLAT, Y)
    with pytest.raises(error, match=r"student\[1:\]"):
        form(student)
    later = student[1:]
    assert_array_equal(later.predict(student[:1].transform(FLAT)), student.predict(FLAT))
    if form.__name__ == "<lambda>":
        assert later.n_features_in_ == 32
    else:
        form(later)
