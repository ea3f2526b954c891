"""Bad input and bad parameters, for all classifiers alike."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    TensorTrainClassifier,
)

from .helpers import LinearTeacher, fitted, samples

X, Y = samples()
P = np.full((len(X), 3), 1 / 3)
X_WITH_NAN, X_WITH_INF = X.copy(), X.copy()
X_WITH_NAN[3, 2] = np.nan
X_WITH_INF[3, 2] = np.inf

SMALL_GRID = {"ridges": [1e-2], "temperatures": [2.0], "soft_weights": [0.5], "cv": 2}
CLASSIFIERS = [
    EDMDClassifier(),
    EDMDClassifierCV(),
    KoopmanDistilledClassifier(),
    KoopmanDistilledClassifierCV(**SMALL_GRID),
]


STUDENTS = [*CLASSIFIERS, TensorTrainClassifier(rank=2, max_iter=1)]


@pytest.fixture(params=STUDENTS, ids=lambda classifier: type(classifier).__name__)
def student(request):
    return clone(request.param)


# X and y


@pytest.mark.parametrize(
    ("bad_X", "message"),
    [
        (X_WITH_NAN, "Input X contains NaN"),
        (X_WITH_INF, "Input X contains infinity"),
        (X[:, 0], "Expected 2D array, got 1D array"),
        (X[:, :, None], "Found array with dim 3"),
        (np.empty((0, 5)), r"Found array with 0 sample\(s\)"),
        (np.empty((len(X), 0)), r"0 feature\(s\)"),
        (X[:-1], "inconsistent numbers of samples"),
        (X.astype(complex), "Complex data not supported"),
        ([["a"] * 5] * len(X), "could not convert string to float"),
    ],
    ids=[
        "NaN",
        "inf",
        "1-D",
        "3-D",
        "no rows",
        "no columns",
        "one row too few",
        "complex",
        "strings",
    ],
)
def test_bad_X(student, bad_X, message):
    with pytest.raises(ValueError, match=message):
        student.fit(bad_X, Y, soft_labels=P)


def test_sparse_X_for_a_dictionary_that_takes_none(student):
    with pytest.raises(TypeError, match="Sparse data was passed"):
        student.set_params(lifter=MonomialLifter()).fit(csr_array(X), Y, soft_labels=P)


@pytest.mark.parametrize(
    ("bad_y", "message"),
    [
        (np.linspace(0, 1, len(X)), "Unknown label type: continuous"),
        (np.zeros(len(X)), "contains only one class: np.float64"),
        (np.where(Y == 0, np.nan, Y), "Input y contains NaN"),
        (np.eye(3)[Y], "y should be a 1d array"),
        ([], "inconsistent numbers of samples|0 sample"),
    ],
    ids=["continuous", "one class", "NaN", "one-hot", "empty"],
)
def test_bad_y(student, bad_y, message):
    with pytest.raises(ValueError, match=message):
        student.fit(X, bad_y, soft_labels=P)


@pytest.mark.parametrize("marker", [None, -1])
def test_y_is_needed_with_and_without_a_marker(student, marker):
    student.set_params(unlabeled_value=marker)
    with pytest.raises(ValueError, match="requires y to be passed"):
        student.fit(X, None)


@pytest.mark.parametrize("classes", [[], [0]])
def test_streams_need_two_classes(classes):
    with pytest.raises(ValueError, match="at least 2 classes"):
        EDMDClassifier().partial_fit(X, Y, classes)


@pytest.mark.parametrize(
    ("bad_X", "message"),
    [
        (X[:, :3], "3 features, but .* is expecting 5 features"),
        (X_WITH_NAN, "contains NaN"),
        (X[:0], r"0 sample\(s\)"),
    ],
    ids=["features", "NaN", "no rows"],
)
def test_bad_X_in_predict(student, bad_X, message):
    student.fit(X, Y, soft_labels=P)
    with pytest.raises(ValueError, match=message):
        student.predict(bad_X)


# Soft targets


@pytest.mark.parametrize(
    ("soft_labels", "message"),
    [
        (np.where(P > 0.3, np.nan, P), "soft_labels: NaN or infinity in 150 of 150 rows"),
        (np.full_like(P, -np.inf), "soft_labels: NaN or infinity"),
        (P[:-1], "inconsistent numbers of samples"),
        (P[:, :, None], r"soft_labels: .*shape \(150, 3, 1\)"),
        (P.astype(str), "soft_labels: expected real numbers"),
        (P * [4, -2, 1], "soft_labels: 0 of 150 rows look like prob.* set teacher_output="),
    ],
    ids=["NaN", "inf", "one row too few", "3-D", "strings", "negative"],
)
def test_bad_soft_labels(student, soft_labels, message):
    with pytest.raises(ValueError, match=message):
        student.fit(X, Y, soft_labels=soft_labels)


def test_negative_probabilities(student):
    student.set_params(teacher_output="proba")
    with pytest.raises(
        ValueError, match=r"values in \[0, 1\], got values from -0\.667 to 1\.33"
    ):
        student.fit(X, Y, soft_labels=P * [4, -2, 1])


def test_probabilities_with_a_few_bad_rows(student):
    soft_labels = P.copy()
    soft_labels[0] = 0.7
    with pytest.raises(ValueError, match="149 of 150 rows look like probabilities"):
        student.fit(X, Y, soft_labels=soft_labels)


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (lambda X: X[:-1, :3], "got 149 rows for 150 samples"),
        (lambda X: X[:, :3, None], r"got an array of shape \(150, 3, 1\)"),
        (lambda X: X[:, :3] * np.nan, "NaN or infinity in 150 of 150 rows"),
        (LinearTeacher(7), "matmul"),
    ],
    ids=["one row too few", "3-D", "NaN", "features"],
)
def test_bad_outputs_of_a_teacher(student, teacher, message):
    with pytest.raises(ValueError, match=message) as error:
        student.set_params(teacher=teacher).fit(X, Y)
    assert "three ways out" in str(error.value)
    with pytest.raises(ValueError, match=message) as error:
        student.fit(X, Y, teacher_X=X)
    assert "three ways out" not in str(error.value)


def test_teacher_X_of_another_length(student):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        student.set_params(teacher=LinearTeacher()).fit(X, Y, teacher_X=X[:-1])


@pytest.mark.parametrize("teacher", [3, "teacher", LinearTeacher])
def test_what_is_no_teacher(student, teacher):
    with pytest.raises(TypeError, match="teacher"):
        student.set_params(teacher=teacher).fit(X, Y)


# Parameters

RIDGE = [
    ("ridge", -1.0, r"\[0\.0, inf\)"),
    ("ridge", np.nan, r"\[0\.0, inf\)"),
    ("ridge", "a little", r"\[0\.0, inf\)"),
    ("ridge", None, r"\[0\.0, inf\)"),
]
OUTPUT = "teacher_output", "prob", "{'auto', 'proba', 'logits', 'sigmoid'}"
PARAMETERS = [
    *[(EDMDClassifier, *case) for case in RIDGE],
    *[(KoopmanDistilledClassifier, *case) for case in RIDGE],
    *[(type(classifier), *OUTPUT) for classifier in CLASSIFIERS],
    *[
        (
            EDMDClassifierCV,
            "ridges",
            value,
            r"a non-empty list of floats in the range \(0.0, inf\)",
        )
        for value in ([], 1e-3, [1e-3, 0.0], [np.nan], ["a"], "ab", None, [[1e-3]])
    ],
    (
        EDMDClassifierCV,
        "scoring",
        "f2",
        "{'accuracy', 'neg_mean_squared_error'}",
    ),
    (
        KoopmanDistilledClassifierCV,
        "ridges",
        [-1e-3],
        r"list of floats in the range \[0.0, inf\)",
    ),
    (
        KoopmanDistilledClassifierCV,
        "temperatures",
        [0],
        r"list of floats in the range \(0.0, inf\)",
    ),
    (KoopmanDistilledClassifierCV, "temperatures", 2.0, "a non-empty list of floats"),
    (KoopmanDistilledClassifierCV, "soft_weights", [0, 2], r"floats in the range \[0.0, 1.0\]"),
    (KoopmanDistilledClassifierCV, "scoring", "f2", "{'accuracy', 'neg_log_loss', 'fidelity'}"),
    (KoopmanDistilledClassifierCV, "max_iter", 0, r"\[1, inf\)"),
    (KoopmanDistilledClassifierCV, "tol", -1e-3, r"\[0\.0, inf\)"),
    (KoopmanDistilledClassifierCV, "cv_tol", "loose", r"\[0\.0, inf\)"),
    (EDMDClassifier, "rank", 0, r"an int in the range \[1, inf\) or None"),
    (EDMDClassifier, "rank", 2.0, r"an int in the range \[1, inf\) or None"),
    (EDMDClassifier, "solver", "qr", "{'auto', 'cholesky', 'svd'}"),
    (KoopmanDistilledClassifier, "soft_weight", 1.5, r"\[0\.0, 1\.0\]"),
    (KoopmanDistilledClassifier, "soft_weight", -0.1, r"\[0\.0, 1\.0\]"),
    (KoopmanDistilledClassifier, "temperature", 0, r"\(0\.0, inf\)"),
    (KoopmanDistilledClassifier, "temperature", np.inf, r"\(0\.0, inf\)"),
    (KoopmanDistilledClassifier, "solver", "sgd", "{'lbfgs', 'adam'}"),
    (KoopmanDistilledClassifier, "max_iter", 0, r"\[1, inf\)"),
    (KoopmanDistilledClassifier, "tol", -1e-3, r"\[0\.0, inf\)"),
    (KoopmanDistilledClassifier, "warm_start", "yes", "a bool"),
    (KoopmanDistilledClassifier, "batch_size", 0, r"\[1, inf\)"),
    (KoopmanDistilledClassifier, "learning_rate", 0.0, r"\(0\.0, inf\)"),
    (KoopmanDistilledClassifier, "callbacks", "bar", "a list of skorch callbacks or None"),
    *[(TensorTrainClassifier, *case) for case in (*RIDGE[:-1], OUTPUT)],
    (TensorTrainClassifier, "rank", 0, r"an int in the range \[1, inf\)"),
    (TensorTrainClassifier, "feature_map", "sine", "{'monomial', 'legendre', 'trigonometric'}"),
    (TensorTrainClassifier, "degree", 0, r"\[1, inf\)"),
    (TensorTrainClassifier, "frequency", 0.0, r"\(0\.0, inf\)"),
    (TensorTrainClassifier, "loss", "hinge", "{'distillation', 'squared_error'}"),
    (TensorTrainClassifier, "soft_weight", 1.5, r"\[0\.0, 1\.0\]"),
    (TensorTrainClassifier, "temperature", 0, r"\(0\.0, inf\)"),
    (TensorTrainClassifier, "solver", "lbfgs", "{'als', 'adam'}"),
    (TensorTrainClassifier, "max_iter", 0, r"\[1, inf\)"),
    (TensorTrainClassifier, "tol", -1.0, r"\[0\.0, inf\)"),
    (TensorTrainClassifier, "dropout", 1.0, r"\[0\.0, 1\.0\)"),
    (TensorTrainClassifier, "batch_size", 0, r"\[1, inf\)"),
    (TensorTrainClassifier, "learning_rate", 0.0, r"\(0\.0, inf\)"),
    (TensorTrainClassifier, "validation_fraction", 1.0, r"\(0\.0, 1\.0\) or None"),
    (TensorTrainClassifier, "n_iter_no_change", 0, r"\[1, inf\) or None"),
]


@pytest.mark.parametrize(("classifier", "name", "value", "expected"), PARAMETERS)
def test_bad_parameters(classifier, name, value, expected):
    student = classifier(**{name: value})
    message = f"The '{name}' parameter of {classifier.__name__} must be .*{expected}.* Got "
    with pytest.raises(ValueError, match=message):
        student.fit(X, Y, soft_labels=P)
    assert fitted(student) == {}


@pytest.mark.parametrize("classifier", [EDMDClassifierCV, KoopmanDistilledClassifierCV])
def test_bad_cv(classifier):
    student = classifier()
    for cv, message in (
        (1, "at least one train/test split"),
        ("three", "Expected .?cv.? as an integer"),  # newer ones quote it
        (100, "cannot be greater than the number of members in each class"),
    ):
        with pytest.raises(ValueError, match=message):
            student.set_params(cv=cv).fit(X, Y, soft_labels=P)
    assert fitted(student) == {}


def test_a_split_that_leaves_nothing_to_learn_from():
    weight = np.r_[np.ones(75), np.zeros(75)]
    first, second = np.arange(75), np.arange(75, 150)
    student = EDMDClassifierCV(cv=[(second, first)])
    with pytest.raises(ValueError, match="training rows of a split of cv"):
        student.fit(X, Y, weight)
    student.set_params(cv=[(first, second)])
    with pytest.raises(ValueError, match="scoring='accuracy' has no row to score"):
        student.fit(X, Y, weight)


@pytest.mark.parametrize("degree", [0, -1, 1.5])
def test_bad_degree_of_the_lifter(student, degree):
    with pytest.raises(ValueError, match="'degree' parameter of MonomialLifter"):
        student.set_params(lifter=MonomialLifter(degree)).fit(X, Y, soft_labels=P)


# Too big


@pytest.mark.parametrize("student", CLASSIFIERS, ids=lambda each: type(each).__name__)
def test_a_gram_matrix_larger_than_the_memory(student, has_memory):
    student = clone(student).set_params(lifter=MonomialLifter(3))
    has_memory(10_000)
    with pytest.raises(MemoryError, match=r"The 56 x 56 Gram matrix .*Lower the degree"):
        student.fit(X, Y, soft_labels=P)
    assert fitted(student) == {}


overflow_is_expected = pytest.mark.filterwarnings(
    "ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning"
)
EVERY_SOLVER = [
    EDMDClassifier(),
    EDMDClassifier(solver="svd"),
    KoopmanDistilledClassifier(),
    KoopmanDistilledClassifier(solver="adam"),
    EDMDClassifierCV(),
    EDMDClassifierCV(cv=3),
    KoopmanDistilledClassifierCV(**SMALL_GRID),
]


@overflow_is_expected
@pytest.mark.parametrize("student", EVERY_SOLVER, ids=repr)
def test_observables_that_overflow(student):
    student = clone(student).set_params(lifter=MonomialLifter(3))
    rows = (X * 1e30).astype(np.float32)
    message = "observables are not finite: .* Scale the features"
    with pytest.raises(ValueError, match=message):
        student.fit(rows, Y, soft_labels=P)
    if hasattr(student, "partial_fit"):
        with pytest.raises(ValueError, match=message):
            student.partial_fit(rows, Y, [0, 1, 2], soft_labels=P)
    assert fitted(student) == {}


@overflow_is_expected
def test_one_row_that_overflows(student):
    rows = X.copy()
    rows[-1] = 1e120
    with pytest.raises(ValueError, match="observables are not finite"):
        student.set_params(lifter=MonomialLifter(3)).fit(rows, Y, soft_labels=P)
