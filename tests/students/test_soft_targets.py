"""The sources of soft targets, and the class of each of their columns."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

import sklearn_koopman.pipeline
from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    KoopmanDistilledRegressor,
)
from sklearn_koopman.teachers import TorchTeacher

from ..classification.helpers import CountingClassifier, LinearTeacher, samples, scaled

X = scaled(samples()[0])[0]
Y = samples()[1]
TEACHER = LinearTeacher()
LOGITS = TEACHER.logits(X)
P = softmax(LOGITS, axis=1)
NAMES = np.array(["cat", "dog", "eel"])
PIXELS = np.hstack([X, X**2, np.ones((len(X), 2))])  # for a teacher of 12 features

CLASSIFIERS = [
    EDMDClassifier(ridge=1e-2),
    KoopmanDistilledClassifier(ridge=1e-2, soft_weight=0.9),
]


@pytest.fixture(params=CLASSIFIERS, ids=lambda classifier: type(classifier).__name__)
def student(request):
    return clone(request.param)


@pytest.fixture
def fits():
    """The rows on which clones of CountingClassifier were fitted."""
    CountingClassifier.fits.clear()
    return CountingClassifier.fits


def assert_same_student(student, other):
    assert_allclose(student.coef_, other.coef_, rtol=1e-6, atol=1e-8)
    assert_array_equal(student.classes_, other.classes_)


# The order: soft_labels, the teacher on teacher_X, the teacher on X


def test_soft_labels_come_first(student):
    teacher = LinearTeacher(seed=7)
    student.set_params(teacher=teacher).fit(X, Y, soft_labels=P, teacher_X=PIXELS)
    assert teacher.seen == []
    assert not hasattr(student, "teacher_")
    assert_same_student(
        student, clone(student).set_params(teacher=None).fit(X, Y, soft_labels=P)
    )


def test_then_the_teacher_on_teacher_X(student):
    teacher = LinearTeacher(12)
    student.set_params(teacher=teacher).fit(X, Y, teacher_X=PIXELS)
    (seen,) = teacher.seen
    assert_array_equal(seen, PIXELS)
    expected = clone(student).fit(X, Y, soft_labels=teacher.logits(PIXELS))
    assert_same_student(student, expected)


def test_then_the_teacher_on_X(student):
    teacher = LinearTeacher()
    student.set_params(teacher=teacher).fit(X, Y)
    (seen,) = teacher.seen
    assert_array_equal(seen, X)
    assert_same_student(student, clone(student).fit(X, Y, soft_labels=LOGITS))


def test_no_soft_targets_name_the_remedies():
    message = r"soft_weight=0\.5 needs soft targets.*teacher=.*soft_labels=.*soft_weight=0"
    with pytest.raises(ValueError, match=message):
        KoopmanDistilledClassifier().fit(X, Y)


def test_soft_weight_0_calls_no_teacher():
    teacher = LinearTeacher()
    KoopmanDistilledClassifier(teacher, soft_weight=0.0).fit(X, Y, soft_labels=np.nan)
    assert teacher.seen == []


# Probabilities or logits


def test_probabilities_and_their_logarithms_are_the_same(student):
    expected = clone(student).fit(X, Y, soft_labels=LOGITS)
    for kind, given in [("auto", P), ("proba", P), ("logits", np.log(P)), ("auto", LOGITS)]:
        model = clone(student).set_params(teacher_output=kind).fit(X, Y, soft_labels=given)
        assert_same_student(model, expected)


def test_probabilities_may_be_declared_logits(student):
    declared = clone(student).set_params(teacher_output="logits").fit(X, Y, soft_labels=P)
    shifted = clone(student).fit(X, Y, soft_labels=P + 1)
    assert_same_student(declared, shifted)


def test_a_teacher_may_say_what_it_gives(student):
    torch = pytest.importorskip("torch")
    declared = TorchTeacher(torch.nn.Softmax(dim=1), output="logits")
    by_teacher = clone(student).set_params(teacher=declared).fit(X, Y, teacher_X=LOGITS)
    by_labels = student.set_params(teacher_output="logits").fit(X, Y, soft_labels=P)
    assert_allclose(by_teacher.coef_, by_labels.coef_, atol=1e-5)


# The class of each column


def test_columns_follow_teacher_classes(student):
    order = [2, 0, 1]
    expected = clone(student).fit(X, NAMES[Y], soft_labels=P)
    student.set_params(teacher_classes=NAMES[order])
    assert_same_student(clone(student).fit(X, NAMES[Y], soft_labels=P[:, order]), expected)
    student.set_params(teacher=lambda X: TEACHER.logits(X)[:, order])
    assert_same_student(clone(student).fit(X, NAMES[Y]), expected)


@pytest.mark.parametrize("given", ["teacher", "soft_labels"])
def test_columns_follow_the_classes_of_the_teacher(student, given):
    order = [2, 0, 1]
    teacher = LinearTeacher(classes=NAMES[order])
    expected = clone(student).fit(X, NAMES[Y], soft_labels=LOGITS[:, np.argsort(order)])
    student.set_params(teacher=teacher)
    soft_labels = LOGITS if given == "soft_labels" else None
    assert_same_student(student.fit(X, NAMES[Y], soft_labels=soft_labels), expected)


def test_else_columns_are_in_sorted_order(student):
    by_name = clone(student).fit(X, NAMES[Y], soft_labels=P)
    by_number = clone(student).fit(X, Y, soft_labels=P)
    assert_array_equal(by_name.coef_, by_number.coef_)
    assert_array_equal(by_name.classes_, NAMES)


def test_a_class_may_be_missing_from_a_fold(student):
    fold = Y != 1
    student.set_params(teacher_classes=[0, 1, 2]).fit(X[fold], Y[fold], soft_labels=P[fold])
    conditional = P[fold][:, [0, 2]] / P[fold][:, [0, 2]].sum(axis=1, keepdims=True)
    expected = clone(student).set_params(teacher_classes=None)
    assert_same_student(student, expected.fit(X[fold], Y[fold], soft_labels=conditional))


def test_a_fold_without_a_class_is_refused_where_columns_have_no_names(student):
    fold = Y != 1
    with pytest.raises(
        ValueError, match=r"3 columns, but y has 2 classes \[0, 2\]; pass teacher_cl"
    ):
        student.fit(X[fold], Y[fold], soft_labels=P[fold])


def test_a_teacher_may_know_more_classes(student):
    teacher = LinearTeacher(n_columns=5, classes=["ant", "cat", "dog", "eel", "fox"])
    student.set_params(teacher=teacher).fit(X, NAMES[Y])
    expected = clone(student).set_params(teacher=None)
    assert_same_student(student, expected.fit(X, NAMES[Y], soft_labels=teacher(X)[:, 1:4]))


def test_a_teacher_that_lacks_a_class_is_refused(student):
    student.set_params(teacher=LinearTeacher(classes=["cat", "dog", "fox"]))
    with pytest.raises(ValueError, match=r"does not know the classes \['eel'\] of y"):
        student.fit(X, NAMES[Y])


@pytest.mark.parametrize("n_columns", [2, 4])
def test_a_wrong_number_of_columns_is_refused(student, n_columns):
    message = f"gave {n_columns} columns, but y has 3 classes.*pass teacher_classes="
    with pytest.raises(ValueError, match=f"soft_labels {message}"):
        student.fit(X, Y, soft_labels=np.ones((len(X), n_columns)))
    student.set_params(teacher=LinearTeacher(n_columns=n_columns))
    with pytest.raises(ValueError, match=f"teacher {message}"):
        student.fit(X, Y)


# Rows without a label


MARKED = np.arange(len(X)) % 3 == 0


@pytest.mark.parametrize(
    ("marker", "y"),
    [
        (-1, np.where(MARKED, -1, Y)),
        ("", np.where(MARKED, "", NAMES[Y])),
        (np.nan, np.where(MARKED, np.nan, Y)),
        (np.nan, np.where(MARKED, np.nan, NAMES[Y].astype(object))),
        (np.nan, pd.Series(NAMES[Y]).mask(MARKED)),
    ],
    ids=["-1", "empty string", "NaN", "NaN among strings", "missing in a Series"],
)
def test_rows_without_a_label_teach_through_soft_targets_alone(student, marker, y):
    student.set_params(unlabeled_value=marker).fit(X, y, soft_labels=LOGITS)
    assert len(student.classes_) == 3
    assert set(student.predict(X)) <= set(student.classes_)
    relabelled = np.where(MARKED, np.roll(Y, 1), Y)  # other hidden labels
    other = clone(student).set_params(unlabeled_value=-1)
    other.fit(X, np.where(MARKED, -1, relabelled), soft_labels=LOGITS)
    assert_array_equal(student.coef_, other.coef_)


@pytest.mark.parametrize(
    "model",
    [EDMDClassifier(), KoopmanDistilledClassifier(soft_weight=0.0, ridge=0.0, tol=1e-8)],
    ids=repr,
)
def test_without_soft_targets_rows_without_a_label_are_left_out(model):
    labelled = clone(model).fit(X[~MARKED], Y[~MARKED])
    model = clone(model).set_params(unlabeled_value=-1).fit(X, np.where(MARKED, -1, Y))
    assert_allclose(model.decision_function(X), labelled.decision_function(X), atol=1e-4)


def test_without_a_marker_every_row_is_labelled(student):
    y = np.where(Y == 0, -1, 1)
    student.fit(X, y, soft_labels=P[:, :2] / P[:, :2].sum(axis=1, keepdims=True))
    assert_array_equal(student.classes_, [-1, 1])


@pytest.mark.parametrize("y", [np.full(len(X), ""), [""] * len(X)], ids=["array", "list"])
def test_a_transfer_set_without_any_label(student, y):
    student.set_params(unlabeled_value="", teacher_classes=NAMES)
    student.fit(X, y, soft_labels=P)
    assert_array_equal(student.classes_, NAMES)
    known = LinearTeacher(classes=NAMES)
    from_teacher = clone(student).set_params(teacher_classes=None, teacher=known).fit(X, y)
    assert_same_student(student, from_teacher)


def test_without_any_label_the_classes_must_be_known(student):
    student.set_params(unlabeled_value=-1)
    with pytest.raises(ValueError, match=r"marks every row of y, .* pass teacher_classes="):
        student.fit(X, np.full(len(X), -1), soft_labels=P)


@pytest.mark.parametrize(
    "model", [EDMDClassifier(), KoopmanDistilledClassifier(soft_weight=0.0)], ids=repr
)
def test_neither_labels_nor_soft_targets(model):
    model.set_params(unlabeled_value=-1, teacher_classes=[0, 1, 2])
    with pytest.raises(ValueError, match="label"):
        model.fit(X, np.full(len(X), -1))


# Weights


def test_rows_of_weight_zero_are_as_if_they_were_not_there(student):
    weight = np.where(MARKED, 0.0, 1.5)
    student.fit(X, Y, weight, soft_labels=LOGITS)
    without = clone(student).fit(X[~MARKED], Y[~MARKED], soft_labels=LOGITS[~MARKED])
    assert_allclose(student.coef_, without.coef_, atol=1e-4)


def test_a_scalar_weight_is_that_of_every_row(student):
    expected = clone(student).fit(X, Y, np.full(len(X), 3.0), soft_labels=P)
    assert_array_equal(student.fit(X, Y, 3.0, soft_labels=P).coef_, expected.coef_)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(len(X)), "Negative values in sample_weight"),
        (np.zeros(len(X)), "must not all be zero"),
        (np.ones(len(X) - 1), r"sample_weight\.shape == \(149,\), expected \(150,\)"),
        (np.ones((len(X), 2)), r"sample_weight\.shape == \(150, 2\), expected"),
        (np.full(len(X), np.nan), "sample_weight contains NaN"),
    ],
    ids=["negative", "zero", "short", "two columns", "NaN"],
)
def test_bad_weights(student, weight, message):
    with pytest.raises(ValueError, match=message):
        student.fit(X, Y, weight, soft_labels=P)


# Teachers that are estimators


def test_an_estimator_is_fitted_on_labelled_rows_with_their_weights(student, fits):
    y = np.where(MARKED, -1, Y)
    weight = np.linspace(0.1, 2, len(X))
    teacher = CountingClassifier()
    student.set_params(teacher=teacher, unlabeled_value=-1).fit(X, y, weight)
    ((X_seen, y_seen, weight_seen),) = fits
    assert_array_equal(X_seen, X[~MARKED])
    assert_array_equal(y_seen, Y[~MARKED])
    assert_array_equal(weight_seen, weight[~MARKED])
    assert not hasattr(teacher, "classes_")
    assert_array_equal(student.teacher_.classes_, [0, 1, 2])


def test_an_estimator_is_fitted_on_teacher_X(student, fits):
    student.set_params(teacher=CountingClassifier()).fit(X, Y, teacher_X=PIXELS)
    ((X_seen, _, weight_seen),) = fits
    assert_array_equal(X_seen, PIXELS)
    assert weight_seen is None


def test_a_frozen_estimator_is_not_fitted_again(student, fits):
    teacher = CountingClassifier().fit(X, NAMES[Y])
    student.set_params(teacher=FrozenEstimator(teacher)).fit(X, NAMES[Y])
    assert len(fits) == 1
    expected = clone(student).fit(X, NAMES[Y], soft_labels=teacher.predict_proba(X))
    assert_same_student(student, expected)


@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict_log_proba"])
def test_a_bound_method_is_used_as_it_is(student, method):
    teacher = LogisticRegression().fit(X, NAMES[Y])
    student.set_params(teacher=getattr(teacher, method)).fit(X, NAMES[Y])
    expected = clone(student).set_params(teacher=None)
    expected.fit(X, NAMES[Y], soft_labels=teacher.predict_log_proba(X))
    assert_allclose(student.decision_function(X), expected.decision_function(X), atol=1e-4)


def test_a_decision_function_of_two_classes(student):
    y = (Y > 0).astype(int)
    student.set_params(teacher=LinearSVC()).fit(X, y)
    z = LinearSVC().fit(X, y).decision_function(X)
    expected = clone(student).set_params(teacher=None)
    expected.fit(X, y, soft_labels=np.column_stack([np.zeros(len(X)), z]))
    assert_allclose(student.decision_function(X), expected.decision_function(X), atol=1e-2)


def test_a_torch_module_raw_and_wrapped(student):
    torch = pytest.importorskip("torch")
    linear = torch.nn.Linear(5, 3, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.as_tensor(TEACHER.weight.T))
    expected = clone(student).fit(X, Y, soft_labels=LOGITS)
    images = torch.nn.Sequential(torch.nn.Flatten(), linear)
    for teacher in (linear, TorchTeacher(images, input_shape=(1, 5, 1))):
        student.set_params(teacher=teacher).fit(X, Y)
        assert_allclose(student.coef_, expected.coef_, atol=1e-4)
    student.set_params(teacher=images).fit(X[:, :2], Y, teacher_X=X.reshape(-1, 1, 5, 1))
    assert student.coef_.shape == (3, 2)


@pytest.fixture
def skorch_net():
    skorch = pytest.importorskip("skorch")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return skorch.NeuralNetClassifier(
        torch.nn.Linear(5, 3),
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=30,
        lr=0.1,
        train_split=None,
        verbose=0,
    )


def test_a_skorch_net_is_fitted(student, skorch_net):
    student.set_params(teacher=skorch_net).fit(X, NAMES[Y])
    assert not hasattr(skorch_net, "module_")
    assert_array_equal(student.classes_, NAMES)
    assert student.score(X, NAMES[Y]) > 0.7


def test_a_frozen_skorch_net_is_used_as_it_is(student, skorch_net):
    skorch_net.fit(X.astype(np.float32), Y)
    student.set_params(teacher=FrozenEstimator(skorch_net)).fit(X, Y)
    soft_labels = skorch_net.predict_proba(X.astype(np.float32))
    assert_same_student(student, clone(student).fit(X, Y, soft_labels=soft_labels))


# A teacher of pixels for a student after PCA


def behind_pca(student, teacher):
    return make_pipeline(PCA(3), clone(student).set_params(teacher=teacher))


@pytest.mark.parametrize(
    "teacher", [LinearTeacher(12), lambda X: X], ids=["fails", "wrong number of columns"]
)
def test_a_teacher_behind_pca_names_the_ways_out(student, teacher):
    if not isinstance(teacher, LinearTeacher):
        student.set_params(teacher_classes=[0, 1, 2, 3])
    with pytest.raises(ValueError) as error:
        behind_pca(student, teacher).fit(PIXELS, Y)
    message = str(error.value)
    assert "(150, 3) array that fit received" in message
    for way_out in (
        "sklearn_koopman.pipeline.make_pipeline",
        "lifter=",
        "teacher_X=",
        "soft_labels=",
        "<step>__teacher_X=",
    ):
        assert way_out in message


@pytest.mark.parametrize(
    ("distilled", "teacher"),
    [
        (EDMDClassifier(), LogisticRegression()),
        (KoopmanDistilledClassifier(), FrozenEstimator(LogisticRegression().fit(PIXELS, Y))),
        (KoopmanDistilledRegressor(), Ridge()),
    ],
    ids=["fitted", "frozen", "regressor"],
)
def test_a_teacher_says_that_it_is_the_one_who_takes_no_missing_values(distilled, teacher):
    holes = np.where(np.arange(PIXELS.size).reshape(PIXELS.shape) % 11, PIXELS, np.nan)
    steps = SimpleImputer(), PCA(3)
    student = sklearn_koopman.pipeline.make_pipeline(
        *steps, clone(distilled).set_params(teacher=teacher)
    )
    with pytest.raises(
        ValueError, match=r"(?s)^teacher: Input X contains NaN.*an imputer of its own"
    ):
        student.fit(holes, Y)
    student[-1].set_params(teacher=make_pipeline(SimpleImputer(), clone(teacher)))
    assert student.fit(holes, Y).predict(holes).shape == (len(Y),)


def test_an_error_of_the_teacher_of_a_pipeline_says_whose_it_is():
    def fails(rows):
        raise TypeError("unknown rows")

    student = sklearn_koopman.pipeline.make_pipeline(PCA(3), EDMDClassifier(fails))
    with pytest.raises(TypeError, match="unknown rows") as error:
        student.fit(PIXELS, Y)
    assert error.value.__notes__ == ["The teacher raised this error."]


def test_the_ways_out_give_the_same_student(student):
    teacher = LinearTeacher(12)
    name = type(student).__name__.lower()
    ours = sklearn_koopman.pipeline.make_pipeline(*behind_pca(student, teacher)).fit(PIXELS, Y)
    with_X = behind_pca(student, teacher).fit(PIXELS, Y, **{f"{name}__teacher_X": PIXELS})
    soft_labels = {f"{name}__soft_labels": teacher.logits(PIXELS)}
    with_labels = behind_pca(student, teacher).fit(PIXELS, Y, **soft_labels)
    inside = clone(student).set_params(teacher=teacher, lifter=PCA(3)).fit(PIXELS, Y)
    for model in (ours, with_X, with_labels):
        assert_allclose(model.decision_function(PIXELS), inside.decision_function(PIXELS))


def test_a_teacher_out_of_memory_says_so(student):
    torch = pytest.importorskip("torch")

    def teacher(X):
        raise torch.OutOfMemoryError("no memory left")

    with pytest.raises(torch.OutOfMemoryError, match="no memory left"):
        student.set_params(teacher=teacher).fit(X, Y)
