"""EDMDClassifierCV against brute force, against RidgeCV and against GridSearchCV."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV, RidgeCV
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import EDMDClassifier, EDMDClassifierCV, MonomialLifter

from .helpers import CountingClassifier, LinearTeacher, fitted, one_hot, samples, scaled

X, Y = samples(n_samples=60)
WEIGHT = np.linspace(0.0, 2.0, len(X))
RIDGES = [1e-4, 1e-2, 1.0]
DESCENDING = sorted(RIDGES, reverse=True)
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


def refitted_without_each_row(X, targets, ridge, weight):
    """Return the prediction for each row by ridge regression on all others.

    The rows stay standardised by the moments of all rows, and the penalty is ridge times the weight
    of all rows.
    """
    Z, _ = scaled(X, weight)
    rows = np.hstack([np.ones((len(Z), 1)), Z])
    penalty = weight.sum() * ridge * np.diag([0.0] + [1.0] * Z.shape[1])
    predicted = []
    for i in range(len(rows)):
        weight_of_others = np.where(np.arange(len(rows)) == i, 0.0, weight)
        normal = rows.T @ (weight_of_others[:, None] * rows) + penalty
        right = rows.T @ (weight_of_others[:, None] * targets)
        predicted.append(rows[i] @ np.linalg.solve(normal, right))
    return np.array(predicted)


# Leaving out one row


@pytest.mark.parametrize("weight", [np.ones(len(X)), WEIGHT], ids=["equal weights", "weighted"])
@pytest.mark.parametrize("lifter", [None, MonomialLifter(2)], ids=["not lifted", "lifted"])
def test_one_row_left_out_is_a_refit_without_it(weight, lifter):
    psi = X if lifter is None else MonomialLifter(2, include_bias=False).fit_transform(X)
    logits = LinearTeacher().logits(X) ** 2
    centred = logits - logits.mean(axis=1, keepdims=True)
    for targets, soft_labels in ((one_hot(Y), None), (centred, logits)):
        for scoring in ("accuracy", "neg_mean_squared_error"):
            model = EDMDClassifierCV(ridges=RIDGES, lifter=lifter, scoring=scoring)
            model.fit(X, Y, weight, soft_labels=soft_labels)
            expected = []
            for ridge in DESCENDING:
                predicted = refitted_without_each_row(psi, targets, ridge, weight)
                scores = (
                    predicted.argmax(axis=1) == Y
                    if scoring == "accuracy"
                    else -np.square(predicted - targets).mean(axis=1)
                )
                expected.append(np.average(scores, weights=weight))
            assert_allclose(model.cv_results_["mean_test_score"], expected, rtol=1e-8)
            assert model.ridge_ == DESCENDING[np.argmax(expected)]
            assert_allclose(model.best_score_, max(expected), rtol=1e-8)


def test_the_score_is_that_of_ridge_cv():
    Z, _ = scaled(X)
    alphas = np.array(RIDGES) * len(X)
    oracle = RidgeCV(alphas, scoring=None).fit(Z, one_hot(Y))
    model = EDMDClassifierCV(ridges=RIDGES).fit(X, Y)
    assert_allclose(model.ridge_ * len(X), oracle.alpha_)
    assert_allclose(model.best_score_, oracle.best_score_, rtol=1e-9)
    assert_allclose(model.decision_function(X), oracle.predict(Z), atol=1e-10)


def test_two_classes_are_those_of_ridge_classifier_cv():
    digits, y = load_digits(n_class=2, return_X_y=True)
    Z = StandardScaler().fit_transform(digits)
    oracle = RidgeClassifierCV(np.array(RIDGES) * len(Z)).fit(Z, y)
    model = EDMDClassifierCV(ridges=RIDGES).fit(digits, y)
    assert_allclose(model.ridge_ * len(Z), oracle.alpha_)
    assert_array_equal(model.predict(digits), oracle.predict(Z))


@pytest.mark.parametrize("cv", [None, KFold(3)], ids=["rows", "folds"])
@pytest.mark.parametrize("scoring", ["accuracy", "neg_mean_squared_error"])
def test_rows_without_a_label_are_not_scored(cv, scoring):
    y = np.where(np.arange(len(Y)) % 4 == 0, -1, Y)
    has_label = y >= 0  # the same number in each of the folds
    settings = {"ridges": RIDGES, "cv": cv, "scoring": scoring}
    model = EDMDClassifierCV(unlabeled_value=-1, **settings).fit(X, y)
    expected = EDMDClassifierCV(**settings).fit(X[has_label], y[has_label])
    assert_allclose(
        model.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )
    assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    # With soft targets, the model learns from these rows, and they count where no label is needed.
    soft = LinearTeacher().logits(X)
    all_rows = clone(model).fit(X, y, soft_labels=soft)
    expected = EDMDClassifierCV(**settings).fit(X, Y, soft_labels=soft)
    assert_allclose(all_rows.coef_, expected.coef_)
    is_same = np.isclose(all_rows.best_score_, expected.best_score_)
    assert is_same == (scoring == "neg_mean_squared_error")


def test_more_observables_than_rows():
    narrow, y = X[:20], Y[:20]
    lifter = MonomialLifter(2, include_bias=False)
    model = EDMDClassifierCV(ridges=[1e-6], lifter=lifter).fit(narrow, y)
    targets, weight = one_hot(y), np.ones(20)
    psi = clone(lifter).fit_transform(narrow)
    predicted = refitted_without_each_row(psi, targets, 1e-6, weight)
    expected = -np.square(predicted - targets).mean()
    assert_allclose(model.best_score_, expected, rtol=1e-5)


def test_a_ridge_that_only_rounding_could_judge_is_not_chosen():
    narrow, y = X[:15], Y[:15]
    model = EDMDClassifierCV(ridges=[1e-16, 1e-2], lifter=MonomialLifter(2)).fit(narrow, y)
    assert model.ridge_ == 1e-2
    assert_array_equal(np.isneginf(model.cv_results_["mean_test_score"]), [False, True])
    with pytest.raises(ValueError, match=r"No ridge of ridges=\[1e-16\] .* larger ridges"):
        model.set_params(ridges=[1e-16]).fit(narrow, y)


def test_constant_and_duplicate_observables_change_no_score():
    wide = np.hstack([X, np.full((len(X), 1), 7.0)])
    model = EDMDClassifierCV(ridges=RIDGES).fit(wide, Y)
    expected = EDMDClassifierCV(ridges=RIDGES).fit(X, Y)
    assert_allclose(model.best_score_, expected.best_score_, rtol=1e-10)
    assert_allclose(model.coef_[:, :-1], expected.coef_, rtol=1e-9)
    assert_array_equal(model.coef_[:, -1], 0)
    duplicated = EDMDClassifierCV(ridges=[1e-14]).fit(np.hstack([X, X]), Y)
    single = EDMDClassifierCV(ridges=[1e-14]).fit(X, Y)
    assert_allclose(duplicated.best_score_, single.best_score_, rtol=1e-8)


def test_a_teacher_that_would_have_seen_the_row_is_refused():
    model = EDMDClassifierCV(LogisticRegression(), ridges=RIDGES)
    with pytest.raises(ValueError, match=r"cv=None keeps the outputs of the teacher.* cv=5"):
        model.fit(X, Y)
    assert fitted(model) == {}
    teacher = FrozenEstimator(LogisticRegression(max_iter=1000).fit(X, Y))
    assert model.set_params(teacher=teacher).fit(X, Y).ridge_ in RIDGES


# Leaving out folds


@pytest.mark.parametrize("sample_weight", [None, WEIGHT], ids=["equal weights", "weighted"])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "soft labels"])
def test_folds_are_those_of_grid_search(sample_weight, soft):
    soft_labels = LinearTeacher().logits(X) if soft else None
    params = {"soft_labels": soft_labels} if soft else {}
    model = EDMDClassifierCV(ridges=RIDGES, cv=FOLDS).fit(X, Y, sample_weight, **params)
    for row, ridge in enumerate(DESCENDING):
        for split, (train, test) in enumerate(FOLDS.split(X, Y)):
            weight = np.ones(len(X)) if sample_weight is None else sample_weight
            part = {"soft_labels": soft_labels[train]} if soft else {}
            one = EDMDClassifier(ridge=ridge).fit(X[train], Y[train], weight[train], **part)
            expected = one.score(X[test], Y[test], weight[test])
            assert_allclose(model.cv_results_[f"split{split}_test_score"][row], expected)
    final = EDMDClassifier(ridge=model.ridge_).fit(X, Y, sample_weight, **params)
    assert_allclose(model.coef_, final.coef_, rtol=1e-9)
    assert_allclose(model.intercept_, final.intercept_, rtol=1e-9)


def test_squared_errors_of_folds():
    model = EDMDClassifierCV(ridges=RIDGES, cv=FOLDS, scoring="neg_mean_squared_error")
    model.fit(X, Y)
    search = GridSearchCV(
        EDMDClassifier(),
        {"ridge": DESCENDING},
        cv=FOLDS,
        scoring=lambda one, X, y: -np.square(one.decision_function(X) - one_hot(y)).mean(),
    ).fit(X, Y)
    for key in ("mean_test_score", "std_test_score", "rank_test_score", "split1_test_score"):
        assert_allclose(model.cv_results_[key], search.cv_results_[key], rtol=1e-9)
    assert model.cv_results_["params"] == search.cv_results_["params"]
    assert model.ridge_ == search.best_params_["ridge"]
    assert_allclose(model.best_score_, search.best_score_)


@pytest.mark.parametrize(
    "cv",
    [4, KFold(3), ShuffleSplit(4, random_state=0), list(FOLDS.split(X, Y))],
    ids=["int", "splitter", "not complements", "list"],
)
def test_any_cv(cv):
    model = EDMDClassifierCV(ridges=[1e-2], cv=cv).fit(X, Y)
    expected = cross_val_score(EDMDClassifier(ridge=1e-2), X, Y, cv=cv)
    assert_allclose(model.best_score_, expected.mean())
    assert_allclose(model.coef_, EDMDClassifier(ridge=1e-2).fit(X, Y).coef_, rtol=1e-9)


def test_a_teacher_that_learns_sees_no_held_out_row():
    CountingClassifier.fits = []
    model = EDMDClassifierCV(CountingClassifier(), ridges=[1e-2], cv=FOLDS).fit(X, Y)
    seen = [rows for rows, _, _ in CountingClassifier.fits]
    assert len(seen) == 4
    assert_array_equal(seen[0], X)  # for the last fit
    for rows, (train, _) in zip(seen[1:], FOLDS.split(X, Y), strict=True):
        assert_array_equal(rows, X[train])
    expected = cross_val_score(EDMDClassifier(CountingClassifier(), ridge=1e-2), X, Y, cv=FOLDS)
    assert_allclose(model.best_score_, expected.mean())
    final = EDMDClassifier(CountingClassifier(), ridge=1e-2).fit(X, Y)
    assert_allclose(model.coef_, final.coef_, rtol=1e-9)


class Squares(MonomialLifter):
    """Counts the rows that it lifts. It hides its products, so its rows have to be lifted."""

    n_rows = 0

    def _lift(self, rows):
        type(self).n_rows += len(rows)
        return super()._lift(rows)

    def pair_products(self):
        return None


def test_a_teacher_that_learns_reads_the_rows_in_the_same_pass():
    for teacher in (None, LogisticRegression(max_iter=1000)):
        for ridges in ([1e-2], RIDGES):
            Squares.n_rows = 0
            EDMDClassifierCV(teacher, ridges=ridges, cv=5, lifter=Squares(2)).fit(X, Y)
            # One pass to accumulate, one pass to score, and one row to learn the width.
            assert Squares.n_rows == 2 * len(X) + 1


def test_dependent_observables():
    wide = np.hstack([X, X[:, :2]])
    model = EDMDClassifierCV(ridges=[1e-16], cv=FOLDS).fit(wide, Y)
    expected = EDMDClassifierCV(ridges=[1e-16], cv=FOLDS).fit(X, Y)
    assert_allclose(model.best_score_, expected.best_score_)
    assert_allclose(model.decision_function(wide), expected.decision_function(X), atol=1e-7)


# Both


@pytest.mark.parametrize("cv", [None, FOLDS], ids=["rows", "folds"])
def test_float32_is_kept(cv):
    digits, y = load_digits(return_X_y=True)
    single = EDMDClassifierCV(cv=cv).fit(digits.astype(np.float32), y)
    double = EDMDClassifierCV(cv=cv).fit(digits, y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.ridge_ == double.ridge_
    assert_allclose(single.best_score_, double.best_score_, rtol=1e-3)


@pytest.mark.parametrize("cv", [None, 3])
def test_ties_go_to_the_larger_ridge(cv):
    model = EDMDClassifierCV(ridges=[1e-9, 1e-8, 1e-10], cv=cv, scoring="accuracy").fit(X, Y)
    assert len(set(model.cv_results_["mean_test_score"])) == 1
    assert model.ridge_ == 1e-8


@pytest.mark.parametrize("cv", [None, 3])
def test_the_number_of_ridges_is_free(cv):
    for ridges in ([1e-2], np.geomspace(1e-6, 1, 20)):
        Squares.n_rows = 0
        EDMDClassifierCV(ridges=ridges, cv=cv, lifter=Squares(2)).fit(X, Y)
        assert Squares.n_rows == 2 * len(X) + 1  # as in the test of a teacher that learns
