"""KoopmanDistilledClassifierCV against one fit after another."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import ShuffleSplit, StratifiedKFold

from sklearn_koopman import (
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
)
from sklearn_koopman.deployment import detach_teacher
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.solvers import DistillationProblem

from .helpers import CountingClassifier, LinearTeacher, samples

X, Y = samples(n_samples=90)
WEIGHT = np.linspace(0.0, 2.0, len(X))
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
GRID = {
    "ridges": [1e-3, 1e-1],
    "temperatures": [1.0, 3.0],
    "soft_weights": [0.0, 0.4, 1.0],
}
TIGHT = {"tol": 1e-9, "cv_tol": 1e-9}


def make(**settings):
    return KoopmanDistilledClassifierCV(LinearTeacher(), **(GRID | {"cv": FOLDS} | settings))


def score(scoring, model, X, y, weight, soft):
    if scoring == "accuracy":
        return accuracy_score(y, model.predict(X), sample_weight=weight)
    if scoring == "neg_log_loss":
        return -log_loss(y, model.predict_proba(X), sample_weight=weight, labels=[0, 1, 2])
    return np.average(model.predict(X) == soft.argmax(axis=1), weights=weight)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "fidelity"])
@pytest.mark.parametrize("sample_weight", [None, WEIGHT], ids=["equal weights", "weighted"])
def test_scores_are_those_of_one_fit_after_another(scoring, sample_weight):
    model = make(scoring=scoring, **TIGHT).fit(X, Y, sample_weight)
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    soft = LinearTeacher().logits(X)
    splits = list(FOLDS.split(X, Y))
    names = "ridge", "soft_weight", "temperature"
    grid = product([1e-1, 1e-3], GRID["soft_weights"], GRID["temperatures"])
    for candidate, values in enumerate(grid):
        settings = dict(zip(names, values, strict=True))
        assert model.cv_results_["params"][candidate] == settings
        for split, (train, test) in enumerate(splits):
            one = KoopmanDistilledClassifier(tol=1e-9, **settings)
            one.fit(X[train], Y[train], weight[train], soft_labels=soft[train])
            expected = score(scoring, one, X[test], Y[test], weight[test], soft[test])
            found = model.cv_results_[f"split{split}_test_score"][candidate]
            assert_allclose(found, expected, atol=1e-7)
    best = model.cv_results_["mean_test_score"].argmax()
    assert model.best_score_ == model.cv_results_["mean_test_score"][best]
    chosen = model.ridge_, model.soft_weight_, model.temperature_
    assert chosen == tuple(model.cv_results_["params"][best][name] for name in names)
    assert model.scores_.shape == (3, 2, 3, 2)
    assert_array_equal(model.scores_.reshape(3, -1)[1], model.cv_results_["split1_test_score"])


@pytest.mark.parametrize("lifter", [None, MonomialLifter(2)], ids=["not lifted", "lifted"])
def test_it_ends_as_the_classifier_of_the_chosen_settings(lifter):
    model = make(lifter=lifter).fit(X, Y)
    settings = {
        "ridge": model.ridge_,
        "temperature": model.temperature_,
        "soft_weight": model.soft_weight_,
    }
    same = KoopmanDistilledClassifier(LinearTeacher(), lifter=lifter, **settings).fit(X, Y)
    assert model.gradient_norm_ <= 1e-6
    assert_allclose(model.objective_, same.objective_, rtol=1e-6)
    assert_allclose(model.predict_proba(X), same.predict_proba(X), atol=1e-3)
    assert_allclose(
        model.koopman_matrix_, model.coef_ if lifter is None else model.koopman_matrix_
    )
    assert model.n_iter_ <= same.n_iter_


def test_loose_folds_choose_what_tight_ones_do():
    loose = make(scoring="neg_log_loss").fit(X, Y)
    tight = make(scoring="neg_log_loss", **TIGHT).fit(X, Y)
    assert not np.array_equal(loose.scores_, tight.scores_)
    settings = "ridge_", "soft_weight_", "temperature_"
    chosen = [[getattr(model, name) for name in settings] for model in (loose, tight)]
    assert chosen[0] == chosen[1]


def test_the_temperature_of_hard_labels_is_not_tried(monkeypatch):
    made = []
    original = DistillationProblem.__init__

    def counting(self, *args, **settings):
        made.append(settings["temperature"])
        original(self, *args, **settings)

    # Only the time would show how many problems were solved: the scores would be equal.
    monkeypatch.setattr(DistillationProblem, "__init__", counting)
    model = make(soft_weights=[0.0], temperatures=[1.0, 2.0, 3.0]).fit(X, Y)
    assert len(made) == 3 + 1  # the folds and the last fit
    assert_array_equal(model.scores_[..., 0], model.scores_[..., 2])
    assert not hasattr(model, "teacher_")


@pytest.mark.parametrize("cv", [3, ShuffleSplit(2, random_state=0)], ids=["int", "shuffle"])
def test_the_teacher_is_asked_once(cv):
    teacher = LinearTeacher()
    KoopmanDistilledClassifierCV(teacher, cv=cv, **GRID).fit(X, Y)
    assert len(teacher.seen) == 1


def test_a_teacher_that_learns_sees_no_held_out_row():
    CountingClassifier.fits = []
    settings = {"ridges": [1e-2], "temperatures": [2.0], "soft_weights": [1.0]}
    model = KoopmanDistilledClassifierCV(CountingClassifier(), cv=FOLDS, **settings, **TIGHT)
    model.fit(X, Y)
    seen = [rows for rows, _, _ in CountingClassifier.fits]
    assert len(seen) == 4
    for rows, (train, _) in zip(seen[1:], FOLDS.split(X, Y), strict=True):
        assert_array_equal(rows, X[train])
    one = KoopmanDistilledClassifier(CountingClassifier(), ridge=1e-2, soft_weight=1.0)
    expected = [
        clone(one).fit(X[train], Y[train]).score(X[test], Y[test])
        for train, test in FOLDS.split(X, Y)
    ]
    assert_allclose(model.scores_.ravel(), expected)


def test_rows_without_a_label():
    y = np.where(np.arange(len(Y)) % 3 == 0, -1, Y)
    model = make(unlabeled_value=-1, **TIGHT).fit(X, y)
    train, test = next(FOLDS.split(X, y))
    one = KoopmanDistilledClassifier(
        LinearTeacher(),
        ridge=1e-1,
        soft_weight=0.4,
        temperature=1.0,
        unlabeled_value=-1,
        tol=1e-9,
    ).fit(X[train], y[train])
    is_labelled = y[test] >= 0
    expected = one.score(X[test][is_labelled], y[test][is_labelled])
    assert_allclose(model.scores_[0, 0, 1, 0], expected)
    nothing = np.full(len(Y), -1)
    soft = {"soft_weights": [1.0], "teacher_classes": [0, 1, 2], "unlabeled_value": -1}
    agreed = make(scoring="fidelity", **soft).fit(X, nothing)
    assert agreed.best_score_ > 0.8
    with pytest.raises(ValueError, match="scoring='accuracy' has no row to score"):
        make(**soft).fit(X, nothing)


def test_float32_is_kept():
    model = make().fit(X.astype(np.float32), Y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32


def test_it_is_deterministic():
    first, second = make().fit(X, Y), make().fit(X, Y)
    assert_array_equal(first.coef_, second.coef_)
    assert_array_equal(first.scores_, second.scores_)


def test_it_is_no_stream_and_ships_without_its_teacher():
    model = make().fit(X, Y)
    assert not hasattr(model, "partial_fit")
    shipped = detach_teacher(model)
    assert_array_equal(shipped.predict(X), model.predict(X))


def test_folds_that_stop_short_are_counted():
    with pytest.warns(ConvergenceWarning) as caught:
        make(max_iter=1, soft_weights=[0.5], temperatures=[2.0], cv_tol=1e-6).fit(X, Y)
    caught = [warning for warning in caught if warning.category is ConvergenceWarning]
    first, second = (str(warning.message) for warning in caught)
    assert first.startswith("lbfgs stopped above cv_tol=1e-06 in 6 fits to training rows")
    assert second.startswith("lbfgs stopped after 1 iterations")
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("classifier", [EDMDClassifierCV, KoopmanDistilledClassifierCV])
def test_in_a_pipeline_the_teacher_sees_the_untransformed_rows(classifier):
    teacher = LinearTeacher()
    pipeline = make_pipeline(PCA(3, random_state=0), classifier(teacher, cv=3)).fit(X, Y)
    assert_array_equal(teacher.seen, [X])
    soft = {f"{classifier.__name__.lower()}__soft_labels": teacher.logits(X)}
    same = make_pipeline(PCA(3, random_state=0), classifier(cv=3)).fit(X, Y, **soft)
    assert_array_equal(pipeline[-1].coef_, same[-1].coef_)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"soft_weights=\(0.5, 0.9\) needs soft targets"),
        (
            {"soft_weights": [0], "scoring": "fidelity"},
            "scoring='fidelity' needs soft targets",
        ),
    ],
    ids=["soft weight", "fidelity"],
)
def test_soft_targets_that_are_missing(settings, message):
    with pytest.raises(ValueError, match=message):
        KoopmanDistilledClassifierCV(**settings).fit(X, Y)


def test_labels_alone_are_logistic_regression():
    model = KoopmanDistilledClassifierCV(
        soft_weights=[0], ridges=[1e-2], cv=FOLDS, scoring="neg_log_loss", **TIGHT
    ).fit(X, Y)
    train, test = next(FOLDS.split(X, Y))
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0)
    oracle = LogisticRegression(C=1 / (1e-2 * len(train)), tol=1e-10, max_iter=10_000)
    oracle.fit((X[train] - mean) / deviation, Y[train])
    expected = -log_loss(Y[test], oracle.predict_proba((X[test] - mean) / deviation))
    assert_allclose(model.scores_.ravel()[0], expected, rtol=1e-5)
