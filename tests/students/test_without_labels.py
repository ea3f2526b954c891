"""Students that learn only from a teacher: fit(X), without labels."""

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    DistilledTreeClassifier,
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    TensorTrainClassifier,
    TransferSet,
)
from sklearn_koopman.inspection import fidelity_score
from sklearn_koopman.pipeline import make_pipeline

from ..classification.helpers import CountingClassifier, LinearTeacher, samples, scaled

X = scaled(samples()[0])[0]
TEACHER = LinearTeacher()
LOGITS = TEACHER.logits(X)
CHOICES = LOGITS.argmax(axis=1)
NAMES = np.array(["cat", "dog", "eel"])
FROZEN = FrozenEstimator(LogisticRegression().fit(X, NAMES[CHOICES]))

# Each student, and the settings that make it the same: all weight on the teacher.
STUDENTS = {
    "edmd": (EDMDClassifier(), {}),
    "edmd cv": (EDMDClassifierCV(), {}),
    "edmd folds": (EDMDClassifierCV(cv=3), {}),
    "distilled": (KoopmanDistilledClassifier(lifter=MonomialLifter(1)), {"soft_weight": 1.0}),
    "distilled cv": (
        KoopmanDistilledClassifierCV(ridges=[1e-3, 1e-2], temperatures=[1.0, 2.0], cv=3),
        {"soft_weights": [1.0]},
    ),
    "train": (TensorTrainClassifier(rank=2, max_iter=2, tol=1), {"soft_weight": 1.0}),
    "train by epochs": (
        TensorTrainClassifier(
            rank=2, solver="adam", max_iter=10, learning_rate=0.1, batch_size=50, random_state=0
        ),
        {"soft_weight": 1.0},
    ),
    "train by squares": (
        TensorTrainClassifier(rank=2, max_iter=2, tol=1, loss="squared_error"),
        {},
    ),
    "tree": (DistilledTreeClassifier(max_depth=2, random_state=0), {}),
}
MINI_BATCHES = KoopmanDistilledClassifier(solver="adam", max_iter=2, random_state=0)


@pytest.fixture(params=STUDENTS)
def pair(request):
    """A student, and the same one with all weight on the teacher."""
    student, alone = STUDENTS[request.param]
    return clone(student), clone(student).set_params(**alone)


def outputs(student):
    method = "decision_function" if hasattr(student, "decision_function") else "predict_proba"
    return getattr(student, method)(X)


@pytest.mark.parametrize("source", ["callable", "frozen", "soft_labels"])
def test_it_is_a_soft_weight_of_one(pair, source):
    student, alone = pair
    teacher = {"callable": TEACHER, "frozen": FROZEN}.get(source)
    soft_labels = {} if teacher is not None else {"soft_labels": softmax(LOGITS, axis=1)}
    labels = FROZEN.predict(X) if source == "frozen" else CHOICES
    student.set_params(teacher=teacher).fit(X, **soft_labels)
    alone.set_params(teacher=teacher).fit(X, labels, **soft_labels)
    assert_array_equal(student.classes_, NAMES if source == "frozen" else [0, 1, 2])
    assert_allclose(outputs(student), outputs(alone), rtol=1e-6, atol=1e-9)


def test_mini_batches_without_labels():
    pytest.importorskip("skorch")
    student = clone(MINI_BATCHES).set_params(teacher=TEACHER).fit(X)
    alone = clone(MINI_BATCHES).set_params(teacher=TEACHER, soft_weight=1.0).fit(X, CHOICES)
    assert_allclose(student.coef_, alone.coef_, rtol=1e-6)


@pytest.mark.parametrize("classifier", [EDMDClassifier(), MINI_BATCHES], ids=["edmd", "adam"])
def test_streams_without_labels(classifier):
    pytest.importorskip("skorch")
    student = clone(classifier).set_params(teacher=TEACHER)
    alone = clone(student)
    if "soft_weight" in alone.get_params():
        alone.set_params(soft_weight=1.0)
    for rows in (slice(0, 70), slice(70, None)):
        student.partial_fit(X[rows])
        alone.partial_fit(X[rows], CHOICES[rows], classes=[0, 1, 2])
    assert_allclose(student.coef_, alone.coef_, rtol=1e-6)
    assert_array_equal(student.classes_, [0, 1, 2])


def test_teacher_classes_name_the_columns(pair):
    student, _ = pair
    student.set_params(teacher=TEACHER, teacher_classes=["dog", "cat", "eel"]).fit(X)
    assert_array_equal(student.classes_, NAMES)
    assert student.score(X, NAMES[[1, 0, 2]][CHOICES]) > 0.7


def test_one_column_is_two_classes(pair):
    student, _ = pair
    student.set_params(teacher=lambda X: X[:, 0], teacher_output="logits").fit(X)
    assert_array_equal(student.classes_, [0, 1])
    assert student.score(X, X[:, 0] > 0) > 0.8


def test_weights_count(pair):
    student, _ = pair
    if isinstance(student, DistilledTreeClassifier):
        pytest.skip("trees take no weights")
    weight = np.arange(len(X)) % 3 + 1
    student.set_params(teacher=lambda X: TEACHER.logits(np.sin(X)))
    student.fit(X, sample_weight=weight)
    weighted = outputs(student)
    assert np.abs(weighted - outputs(clone(student).fit(X))).max() > 1e-6


def test_made_rows_need_no_labels_either():
    settings = {"transfer_set": TransferSet(np.negative), "teacher": TEACHER}
    student = EDMDClassifier(**settings).fit(X)
    assert_allclose(student.coef_, EDMDClassifier(**settings).fit(X, CHOICES).coef_)


def test_a_teacher_that_must_be_fitted_needs_labels(pair):
    student, _ = pair
    CountingClassifier.fits.clear()
    student.set_params(teacher=CountingClassifier())
    with pytest.raises(ValueError, match=r"requires y to be passed.*FrozenEstimator"):
        student.fit(X)
    assert CountingClassifier.fits == []
    student.fit(X, soft_labels=LOGITS)  # no teacher has to be fitted


def test_labels_are_needed_where_nobody_else_speaks(pair):
    student, _ = pair
    with pytest.raises(
        ValueError, match=r"requires y to be passed, .*teacher= or soft_labels="
    ):
        student.fit(X)


@pytest.mark.parametrize(
    "student",
    [
        KoopmanDistilledClassifier(TEACHER, soft_weight=0),
        KoopmanDistilledClassifierCV(TEACHER, soft_weights=[0]),
        TensorTrainClassifier(TEACHER, soft_weight=0),
    ],
    ids=lambda student: type(student).__name__,
)
def test_labels_are_needed_where_the_teacher_has_no_weight(student):
    with pytest.raises(ValueError, match=r"soft weight of 0 .* requires y to be passed"):
        student.fit(X)


def test_a_pipeline_needs_no_labels():
    def teacher(X):
        assert X.shape[1] == 5  # the raw rows, not the lifted ones
        return TEACHER.logits(X)

    student = EDMDClassifier(teacher)
    pipeline = make_pipeline(StandardScaler(), MonomialLifter(2), student).fit(X)
    lifted = MonomialLifter(2).fit_transform(StandardScaler().fit_transform(X))
    expected = EDMDClassifier().fit(lifted, soft_labels=LOGITS)
    assert_allclose(
        pipeline.decision_function(X), expected.decision_function(lifted), atol=1e-8
    )


def test_a_search_needs_a_scorer_without_labels():
    """A scorer is a callable of the model and X."""

    def agreement(model, X, y=None):
        return fidelity_score(TEACHER(X), model.decision_function(X))

    pipeline = make_pipeline(MonomialLifter(1), KoopmanDistilledClassifier(TEACHER))
    grid = {"koopmandistilledclassifier__ridge": [1e-4, 1e3]}
    search = GridSearchCV(pipeline, grid, scoring=agreement, cv=3).fit(X)
    assert search.best_params_ == {"koopmandistilledclassifier__ridge": 1e-4}
    assert search.best_score_ > 0.9


def test_the_score_says_what_works_without_labels(pair):
    student, _ = pair
    student.set_params(teacher=TEACHER).fit(X)
    with pytest.raises(ValueError, match="fidelity_score"):
        student.score(X)


def test_names_of_columns_are_the_classes():
    frame = pandas.DataFrame(LOGITS, columns=["dog", "cat", "eel"])
    student = EDMDClassifier().fit(X, soft_labels=frame)
    assert_array_equal(student.classes_, NAMES)
    expected = EDMDClassifier().fit(X, soft_labels=LOGITS[:, [1, 0, 2]])
    assert_allclose(student.coef_, expected.coef_)
    student = EDMDClassifier(lambda X: frame.iloc[: len(X)]).fit(X)
    assert_array_equal(student.classes_, NAMES)
