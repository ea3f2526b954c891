"""No teacher is silently mistaken for another kind: students get ambiguous inputs."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from sklearn_koopman import (
    DistilledTreeClassifier,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
)
from sklearn_koopman.pipeline import make_pipeline as make_koopman_pipeline
from sklearn_koopman.teachers import CallableTeacher

X, CODES = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
Y = np.array(["setosa", "versicolor", "virginica"])[CODES]
FITTED = LogisticRegression(C=0.1).fit(X, Y)
P = FITTED.predict_proba(X)
LOGITS = FITTED.decision_function(X)
AGAIN = "is fitted already, and will be cloned and fitted again.*FrozenEstimator.*clone"

students = pytest.mark.parametrize(
    "student", [EDMDClassifier(), KoopmanDistilledClassifier(tol=1e-6)], ids=lambda s: type(s)
)


def learned(student, **given):
    return clone(student).fit(X, Y, **given)


def outcome(student):
    return student.decision_function(X)


# A fitted estimator that would be fitted again


@students
@pytest.mark.parametrize(
    "fitted", [FITTED, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)]
)
def test_a_fitted_estimator_is_fitted_again_with_a_warning(student, fitted):
    student = clone(student).set_params(teacher=fitted)
    with pytest.warns(UserWarning, match=AGAIN) as caught:
        student.fit(X, Y)
    assert caught[0].filename == __file__


@students
def test_searches_and_clones_warn_of_it_too(student):
    student = clone(student).set_params(teacher=FITTED)
    searches = (
        lambda: GridSearchCV(student, {"ridge": [1e-3]}, cv=2).fit(X, Y),
        lambda: cross_val_score(make_pipeline(StandardScaler(), student), X, Y, cv=2),
        lambda: make_koopman_pipeline(StandardScaler(), student).fit(X, Y),
        lambda: clone(student),
    )
    for search in searches:
        with pytest.warns(UserWarning, match=AGAIN):
            search()


@students
@pytest.mark.parametrize(
    "teacher",
    [
        LogisticRegression(C=0.1),
        FrozenEstimator(FITTED),
        FITTED.predict_proba,
        clone(FITTED),
        make_pipeline(FunctionTransformer(), KNeighborsClassifier()),
        copy.deepcopy(GridSearchCV(LogisticRegression(), {"C": [0.1]}, cv=2)),
    ],
    ids=str,
)
def test_what_is_no_reason_to_warn(student, teacher):
    student = clone(student).set_params(teacher=teacher)
    with warnings.catch_warnings(action="error"):
        student.fit(X, Y).fit(X, Y)
        GridSearchCV(student, {"ridge": [1e-3]}, cv=2).fit(X, Y)


def test_skorch_nets_that_have_been_initialised():
    helpers = pytest.importorskip("tests.teachers.helpers")
    net = helpers.skorch_net(max_epochs=1)
    student = EDMDClassifier(net)
    with warnings.catch_warnings(action="error", category=UserWarning):
        clone(student)
    net.initialize()
    with pytest.warns(UserWarning, match=AGAIN):
        clone(student)


# Sigmoids


@students
def test_sigmoids_are_refused_or_understood(student):
    one_vs_rest = OneVsRestClassifier(LogisticRegression()).fit(X, Y)

    def sigmoids(X):
        return 1 / (1 + np.exp(-one_vs_rest.decision_function(X)))

    with pytest.raises(ValueError, match=r"teacher: .*teacher_output='sigmoid'") as error:
        learned(clone(student).set_params(teacher=sigmoids))
    assert "three ways out" not in str(error.value)
    with pytest.raises(ValueError, match=r"soft_labels: .*teacher_output='sigmoid'"):
        learned(student, soft_labels=sigmoids(X))
    expected = learned(clone(student).set_params(teacher=one_vs_rest.decision_function))
    found = clone(student).set_params(teacher=sigmoids, teacher_output="sigmoid").fit(X, Y)
    assert_allclose(outcome(found), outcome(expected), rtol=1e-4, atol=1e-4)


def test_a_tree_takes_sigmoids():
    tree = DistilledTreeClassifier(
        lambda X: 1 / (1 + np.exp(-LOGITS)), teacher_output="sigmoid", random_state=0
    ).fit(X, Y)
    assert np.mean(tree.predict(X) == FITTED.predict(X)) > 0.9


# Names of columns


@students
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
@pytest.mark.parametrize("kind", [P, LOGITS])
def test_columns_of_a_DataFrame_are_found_by_name(student, order, kind):
    expected = learned(student, soft_labels=kind)
    frame = pd.DataFrame(kind, columns=FITTED.classes_).iloc[:, order]
    assert_allclose(outcome(learned(student, soft_labels=frame)), outcome(expected), rtol=1e-6)
    teacher = clone(student).set_params(teacher=lambda rows: frame.iloc[: len(rows)])
    assert_allclose(outcome(learned(teacher)), outcome(expected), rtol=1e-6)
    without_names = pd.DataFrame(kind)
    found = learned(student, soft_labels=without_names)
    assert_array_equal(outcome(found), outcome(expected))


@students
def test_columns_of_the_same_name_are_added(student):
    halves = pd.DataFrame(
        np.hstack([0.25 * P[:, [1]], P[:, [0, 2]], 0.75 * P[:, [1]]]),
        columns=["versicolor", "setosa", "virginica", "versicolor"],
    )
    expected = outcome(learned(student, soft_labels=P))
    assert_allclose(outcome(learned(student, soft_labels=halves)), expected, atol=1e-5)
    named = clone(student).set_params(teacher_classes=list(halves.columns))
    given = learned(named, soft_labels=halves.to_numpy())
    assert_allclose(outcome(given), expected, atol=1e-5)


def test_names_survive_a_search_and_a_fold_without_a_class():
    frame = pd.DataFrame(P, columns=FITTED.classes_).iloc[:, ::-1]
    search = GridSearchCV(EDMDClassifier(), {"ridge": [1e-6, 1e-3]}, cv=3)
    assert search.fit(X, Y, soft_labels=frame).score(X, Y) > 0.8
    two = Y != "setosa"
    found = EDMDClassifier().fit(X[two], Y[two], soft_labels=frame[two])
    expected = EDMDClassifier(teacher_classes=FITTED.classes_)
    expected.fit(X[two], Y[two], soft_labels=P[two])
    assert_allclose(found.decision_function(X), expected.decision_function(X), rtol=1e-6)


@students
def test_names_are_known_of_chunks_too(student):
    arrays = pytest.importorskip("dask.array")

    def teacher(rows):
        return pd.DataFrame(FITTED.decision_function(rows), columns=FITTED.classes_).iloc[
            :, ::-1
        ]

    expected = clone(student).set_params(teacher=FITTED.decision_function).fit(X, Y)
    found = clone(student).set_params(teacher=teacher)
    found.fit(arrays.from_array(X, chunks=(60, 4)), Y)
    assert_allclose(outcome(found), outcome(expected), rtol=1e-4, atol=1e-4)


# One against one, several outputs, labels instead of scores


@students
@pytest.mark.parametrize(
    "wrap", [lambda s: s, FrozenEstimator, "bound", make_pipeline, "bagged"]
)
def test_scores_of_pairs_of_classes_are_refused(student, wrap):
    pairs = SVC(decision_function_shape="ovo")  # three pairs of three classes
    if wrap == "bagged":
        teacher = BaggingClassifier(pairs, n_estimators=2, random_state=0)
        teacher = teacher.fit(X, Y).decision_function
    elif wrap == "bound":
        teacher = pairs.fit(X, Y).decision_function
    else:
        teacher = wrap(pairs.fit(X, Y) if wrap is FrozenEstimator else pairs)
    with pytest.raises(ValueError, match=r"one-vs-one.*decision_function_shape='ovr'") as error:
        learned(clone(student).set_params(teacher=teacher))
    assert "three ways out" not in str(error.value)
    two = Y != "setosa"
    clone(student).set_params(teacher=SVC(decision_function_shape="ovo")).fit(X[two], Y[two])


@students
def test_pairs_are_known_by_their_number_too(student):
    y = CODES + 3 * (np.arange(150) % 2)
    pairs = SVC(decision_function_shape="ovo").fit(X, y)
    with pytest.raises(ValueError, match="15 columns for 6 classes, one for each pair"):
        clone(student).fit(X, y, soft_labels=pairs.decision_function(X))


@students
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda X: (LOGITS, X), r"got a tuple of 2 arrays of shapes \(150, 3\), \(150, 4\)"),
        (lambda X: {"logits": LOGITS}, "got a dict of 'logits'"),
        (FITTED.predict, "expected real numbers, got dtype"),
        (lambda X: CODES, "gave one number for each row, but y has 3 classes"),
    ],
)
def test_what_is_no_fault_of_the_inputs(student, function, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        learned(clone(student).set_params(teacher=function))
    assert "three ways out" not in str(error.value)


# Rows on which an estimator is fitted


@pytest.mark.parametrize("form", ["sparse", "frame", "list", "polars"])
def test_a_teacher_is_fitted_on_the_labelled_rows_in_their_own_form(form):
    given = {"sparse": csr_array, "frame": pd.DataFrame, "list": np.ndarray.tolist}
    if form == "polars":
        polars = pytest.importorskip("polars")
        given["polars"] = lambda rows: polars.DataFrame(rows)
    rows = given[form](X)
    some = np.where(np.arange(150) % 3 == 0, "", Y)
    teacher = LogisticRegression(C=0.1)
    known = clone(teacher).fit(X[some != ""], some[some != ""])
    student = EDMDClassifier(teacher, unlabeled_value="").fit(X, some, teacher_X=rows)
    expected = EDMDClassifier(unlabeled_value="")
    expected.fit(X, some, soft_labels=known.predict_proba(X))
    assert_allclose(outcome(student), outcome(expected), rtol=1e-3, atol=1e-3)
    folds = KoopmanDistilledClassifierCV(teacher, cv=2).fit(X, Y, teacher_X=rows)
    assert folds.score(X, Y) > 0.8


# Labels and columns with other names


def test_numbers_of_columns_or_of_sorted_classes():
    """y may have either of the two. The message names both, and the way to tell them apart."""
    columns = ["virginica", "setosa", "versicolor"]
    order = [2, 0, 1]
    teacher = CallableTeacher(lambda X: FITTED.decision_function(X)[:, order], columns)
    with pytest.raises(ValueError, match="has the number of the column") as raised:
        EDMDClassifier(teacher).fit(X, CODES)
    said = str(raised.value)
    assert "so that 0 is 'virginica', pass teacher_classes=range(3)." in said
    assert "so that 0 is 'setosa', pass teacher_classes=[2, 0, 1]," in said
    sorted_codes = EDMDClassifier(teacher, teacher_classes=order).fit(X, CODES)
    assert sorted_codes.score(X, CODES) > 0.8
    by_column = np.array([columns.index(name) for name in Y])
    student = EDMDClassifier(teacher, teacher_classes=range(3)).fit(X, by_column)
    assert student.score(X, by_column) > 0.8


@students
def test_columns_with_numbers_and_labels_with_names(student):
    numbered = FrozenEstimator(LogisticRegression(C=0.1).fit(X, CODES))
    student = clone(student).set_params(teacher=numbered)
    message = r"order of \[0, 1, 2\].*not known here.*teacher_classes=\['setosa', 'versicolor'"
    with pytest.raises(ValueError, match=message):
        student.fit(X, Y)
    student.set_params(teacher_classes=["setosa", "versicolor", "virginica"]).fit(X, Y)
    assert student.score(X, Y) > 0.8


@students
def test_two_orders_of_the_same_classes_are_refused(student):
    names = ["setosa", "versicolor", "virginica"]
    teacher = CallableTeacher(lambda X: LOGITS, names)
    student = clone(student).set_params(teacher=teacher, teacher_classes=names[::-1])
    with pytest.raises(ValueError, match="orders differ: set only one of them"):
        student.fit(X, Y)
    student.set_params(teacher_classes=names).fit(X, Y)
    # Other names are allowed: students of numbers learn from teachers of names.
    assert student.set_params(teacher_classes=[0, 1, 2]).fit(X, CODES).score(X, CODES) > 0.8


@students
@pytest.mark.parametrize(
    "teacher",
    [
        SVC(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        FrozenEstimator(FITTED),
        FITTED.predict_proba,
    ],
    ids=["estimator", "pipeline", "frozen", "method"],
)
def test_another_order_than_that_of_an_estimator_is_refused(student, teacher):
    names = ["setosa", "versicolor", "virginica"]
    student = clone(student).set_params(teacher=teacher, teacher_classes=names[::-1])
    with pytest.raises(ValueError, match=r"its own classes_.*leave teacher_classes out"):
        student.fit(X, Y)
    assert student.set_params(teacher_classes=names).fit(X, Y).score(X, Y) > 0.8
    # A function has no classes_: what the user says about its columns counts.
    function = FITTED.predict_proba
    student.set_params(teacher=lambda X: function(X)[:, ::-1], teacher_classes=names[::-1])
    assert student.fit(X, Y).score(X, Y) > 0.8


WORSE = SVC().fit(
    X, Y[np.roll(np.arange(len(Y)), 50)]
)  # rows and labels do not belong together


@students
@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"teacher": FrozenEstimator(WORSE)}, "order is not what is wrong. Look at the inputs"),
        ({"teacher": lambda X: WORSE.decision_function(X)}, "pass teacher_classes="),
    ],
    ids=["certain", "not certain"],
)
def test_another_order_is_not_advised_where_it_is_certain(student, given, advice):
    with pytest.warns(UserWarning, match="the first choice is the label of") as said:
        clone(student).set_params(**given).fit(X, Y)
    (message,) = (str(each.message) for each in said if "first choice" in str(each.message))
    assert advice in message
    assert ("teacher_classes" in message) == ("teacher_classes" in advice)
