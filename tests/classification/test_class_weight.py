"""The weight of a class is a weight of its rows."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import compute_sample_weight

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    TensorTrainClassifier,
)
from sklearn_koopman.search import KoopmanSearchCV

X, CODES = make_classification(
    120, 5, n_informative=4, n_redundant=0, n_classes=3, weights=[0.7, 0.2], random_state=0
)
Y = np.array(["common", "rare", "seldom"])[CODES]
RNG = np.random.default_rng(0)
SOFT = RNG.normal(size=(len(X), 3)) + 3 * np.eye(3)[CODES]
STUDENTS = {
    "EDMD": EDMDClassifier(ridge=1e-2),
    "EDMD, folds": EDMDClassifierCV(cv=3),
    "EDMD, one out": EDMDClassifierCV(),
    "distilled": KoopmanDistilledClassifier(tol=1e-9),
    "distilled, mini-batches": KoopmanDistilledClassifier(
        solver="adam", max_iter=5, batch_size=16, learning_rate=0.1, random_state=0
    ),
    "distilled, folds": KoopmanDistilledClassifierCV(
        ridges=[1e-3, 1e-1], temperatures=[2.0], cv=3, cv_tol=1e-7, tol=1e-9
    ),
    "train": TensorTrainClassifier(rank=2, max_iter=2, random_state=0),
}
WEIGHTS = {"balanced": "balanced", "some": {"rare": 3.0, "seldom": 0.5}}


def with_weights(student, class_weight):
    return type(student)(**student.get_params() | {"class_weight": class_weight})


@pytest.mark.parametrize("class_weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("name", STUDENTS)
def test_a_class_counts_as_its_rows_do(name, class_weight):
    if "mini-batches" in name:
        pytest.importorskip("skorch")
    student = STUDENTS[name]
    weighted = with_weights(student, class_weight).fit(X, Y, soft_labels=SOFT)
    rows = compute_sample_weight(class_weight, Y)
    soft = SOFT + np.log([rows[label == Y][0] for label in np.unique(Y)])
    if "folds" in name or "one out" in name:  # they score by weights of rows, not of classes
        student = clone(STUDENTS["EDMD" if "EDMD" in name else "distilled"])
        student.set_params(ridge=weighted.ridge_)
        if "distilled" in name:
            student.set_params(
                soft_weight=weighted.soft_weight_, temperature=weighted.temperature_
            )
    expected = student.fit(X, Y, rows, soft_labels=soft).decision_function(X)
    assert_allclose(weighted.decision_function(X), expected, rtol=1e-5, atol=1e-6)


def test_balanced_as_logistic_regression():
    scaled = (
        StandardScaler().fit(X, sample_weight=compute_sample_weight("balanced", Y)).transform(X)
    )
    oracle = LogisticRegression(
        C=1 / (1e-2 * len(X)), class_weight="balanced", tol=1e-10, max_iter=1000
    ).fit(scaled, Y)
    student = KoopmanDistilledClassifier(
        soft_weight=0, ridge=1e-2, class_weight="balanced", tol=1e-9
    )
    assert_allclose(student.fit(X, Y).predict_proba(X), oracle.predict_proba(scaled), atol=1e-6)


def test_balanced_counts_weights_of_rows():
    twice = 1 + (np.arange(len(X)) % 2)
    repeated = np.repeat(np.arange(len(X)), twice)
    student = EDMDClassifier(ridge=1e-2, class_weight="balanced")
    by_weight = student.fit(X, Y, twice).decision_function(X)
    assert_allclose(by_weight, student.fit(X[repeated], Y[repeated]).decision_function(X))


def test_rows_without_a_label_keep_their_weight():
    y = CODES.copy()
    y[::3] = -1
    student = EDMDClassifier(ridge=1e-2, unlabeled_value=-1, class_weight={0: 2.0})
    found = student.fit(X, y, soft_labels=SOFT).decision_function(X)
    student.set_params(class_weight=None)
    weights, soft = np.where(y == 0, 2.0, 1.0), SOFT + np.log([2.0, 1.0, 1.0])
    assert_allclose(found, student.fit(X, y, weights, soft_labels=soft).decision_function(X))


def test_a_teacher_that_is_fitted_in_folds_as_in_a_search():
    settings = {"class_weight": {"rare": 3.0, "common": 0.3}}
    ridges = [1e-2, 1e-4]
    own = EDMDClassifierCV(LogisticRegression(), ridges=ridges, cv=3, **settings).fit(X, Y)
    search = GridSearchCV(
        EDMDClassifier(LogisticRegression(), **settings), {"ridge": ridges}, cv=3
    ).fit(X, Y)
    assert_allclose(own.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"])


def test_a_class_without_weight_is_never_predicted():
    student = KoopmanDistilledClassifier(class_weight={"rare": 0.0})
    assert "rare" not in student.fit(X, Y, soft_labels=SOFT).predict(X)


def test_part_by_part():
    student = EDMDClassifier(ridge=1e-2, class_weight={"rare": 3.0})
    at_once = student.fit(X, Y).decision_function(X)
    for part in (slice(50), slice(50, None)):
        student.partial_fit(X[part], Y[part], np.unique(Y)) if part.start is None else (
            student.partial_fit(X[part], Y[part])
        )
    assert_allclose(student.decision_function(X), at_once)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("even", "class_weight='even' must be a dict of classes and weights, 'balanced' or"),
        ([1, 2, 3], "class_weight="),
        ({"common": -1.0}, "finite, not negative"),
        ({"common": np.nan}, "finite, not negative"),
        (dict.fromkeys(np.unique(Y), 0.0), "not all zero"),
        ({"another": 2.0}, r"weights of \['another'\], and the classes are \['common'"),
        ({"another": 2.0, "common": 1.0}, r"weights of \['another'\]"),
    ],
)
def test_wrong_weights_are_refused(class_weight, message):
    with pytest.raises(ValueError, match=message):
        EDMDClassifier(class_weight=class_weight).fit(X, Y)


MARGINS = {
    "estimator": LinearSVC(random_state=0),
    "pipeline": make_pipeline(StandardScaler(), RidgeClassifier()),
    "frozen": FrozenEstimator(SVC().fit(X, Y)),
    "method": SVC().fit(X, Y).decision_function,
}
MAY_BE_WRONG = "are margins, which are not log odds.*CalibratedClassifierCV"


@pytest.mark.parametrize("teacher", MARGINS.values(), ids=MARGINS)
def test_weights_are_not_added_to_margins_without_a_warning(teacher):
    student = EDMDClassifier(teacher, class_weight={"rare": 3.0})
    with pytest.warns(UserWarning, match=MAY_BE_WRONG):
        student.fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        student.set_params(class_weight=None).fit(X, Y)


@pytest.mark.parametrize(
    "student",
    [
        *(STUDENTS[name] for name in ("EDMD, folds", "distilled", "distilled, folds", "train")),
        KoopmanSearchCV(ridges=[1e-2], temperatures=[2.0], soft_weights=[0.5], budget=20),
    ],
    ids=lambda student: type(student).__name__,
)
def test_all_students_warn_of_margins(student):
    student = with_weights(student, "balanced").set_params(teacher=LinearSVC(random_state=0))
    with pytest.warns(UserWarning, match="scores of LinearSVC are margins"):
        student.fit(X, Y)


def test_log_odds_are_not_taken_for_margins():
    calibrated = CalibratedClassifierCV(LinearSVC(random_state=0), ensemble=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for teacher in (calibrated, LogisticRegression().fit(X, Y).decision_function):
            EDMDClassifier(teacher, class_weight="balanced").fit(X, Y)
        student = EDMDClassifier(LinearSVC(), class_weight="balanced")
        student.fit(X, Y, soft_labels=SOFT)  # the teacher says nothing


def test_what_cannot_be_counted_is_refused():
    student = EDMDClassifier(class_weight="balanced")
    with pytest.raises(ValueError, match="partial_fit sees a part"):
        student.partial_fit(X, Y, np.unique(Y))
    with pytest.raises(ValueError, match="goes by labels, and there are none"):
        student.fit(X, soft_labels=SOFT)
