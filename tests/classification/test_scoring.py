"""Scorers of scikit-learn choose the settings of students, as in its searches."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
)

X, Y = make_classification(
    150, 6, n_informative=4, n_classes=3, weights=[0.7, 0.2], random_state=1
)
RIDGES = [1e-4, 1e-2, 1.0]
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
SCORERS = {
    "by name": "balanced_accuracy",
    "of probabilities": "roc_auc_ovr",
    "made": make_scorer(balanced_accuracy_score, adjusted=True),
    "a function": lambda model, X, y: balanced_accuracy_score(y, model.predict(X)),
}


@pytest.mark.parametrize("scoring", SCORERS.values(), ids=SCORERS)
def test_distilled_as_in_a_search(scoring):
    own = KoopmanDistilledClassifierCV(
        ridges=RIDGES, soft_weights=[0], cv=FOLDS, scoring=scoring, cv_tol=1e-8
    ).fit(X, Y)
    search = GridSearchCV(
        KoopmanDistilledClassifier(soft_weight=0, tol=1e-8),
        {"ridge": RIDGES[::-1]},
        cv=FOLDS,
        scoring=scoring,
    ).fit(X, Y)
    # With soft weight 0 the temperature plays no part.
    assert_allclose(own.scores_[:, :, 0, 0].mean(axis=0), search.cv_results_["mean_test_score"])
    assert own.ridge_ == search.best_params_["ridge"]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_edmd_as_in_a_search(n_classes):
    some = n_classes > Y
    own = EDMDClassifierCV(ridges=RIDGES, cv=FOLDS, scoring="f1_macro").fit(X[some], Y[some])
    search = GridSearchCV(
        EDMDClassifier(), {"ridge": RIDGES[::-1]}, cv=FOLDS, scoring="f1_macro"
    ).fit(X[some], Y[some])
    assert_allclose(own.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"])


@pytest.mark.parametrize("chooser", [EDMDClassifierCV, KoopmanDistilledClassifierCV])
def test_a_function_may_ask_about_the_held_out_rows(chooser):
    asked = []

    def scoring(model, rows, y, sample_weight):
        margins = model.decision_function(rows)
        assert (model.classes_[margins.argmax(axis=1)] == model.predict(rows)).all()
        if chooser is KoopmanDistilledClassifierCV:
            assert_allclose(model.predict_proba(rows).sum(axis=1), 1)
        asked.append(len(y))
        return balanced_accuracy_score(y, model.predict(rows), sample_weight=sample_weight)

    settings = {} if chooser is EDMDClassifierCV else {"soft_weights": [0]}
    chooser(ridges=[1e-2], cv=FOLDS, scoring=scoring, **settings).fit(
        X, Y, np.arange(len(X)) + 1
    )
    assert set(asked) == {50}


@pytest.mark.parametrize("chooser", [EDMDClassifierCV, KoopmanDistilledClassifierCV])
def test_a_split_may_be_ranges_or_masks(chooser):
    is_training = np.arange(len(X)) < 100
    splits = [
        (range(100), range(100, 150)),
        (is_training, ~is_training),
        (np.flatnonzero(is_training), np.flatnonzero(~is_training)),
    ]
    settings = {} if chooser is EDMDClassifierCV else {"soft_weights": [0]}
    results = chooser(ridges=[1e-2], cv=splits, **settings).fit(X, Y).cv_results_
    for split in (0, 1):
        assert_allclose(results[f"split{split}_test_score"], results["split2_test_score"])


def test_weights_of_rows_count_and_those_of_classes_do_not():
    weights = 1.0 + (np.arange(len(X)) % 3)
    settings = {"ridges": RIDGES, "cv": FOLDS}
    by_name = EDMDClassifierCV(scoring="accuracy", class_weight={0: 0.2}, **settings)
    by_scorer = EDMDClassifierCV(
        scoring=make_scorer(
            lambda y, said, sample_weight: np.average(y == said, weights=sample_weight)
        ),
        class_weight={0: 0.2},
        **settings,
    )
    assert_allclose(
        by_name.fit(X, Y, weights).cv_results_["mean_test_score"],
        by_scorer.fit(X, Y, weights).cv_results_["mean_test_score"],
    )


def test_rows_without_a_label_are_not_scored():
    y = np.where(np.arange(len(X)) % 2, Y, -1)
    soft = np.eye(3)[Y]
    model = EDMDClassifierCV(
        ridges=RIDGES, cv=FOLDS, unlabeled_value=-1, scoring="balanced_accuracy"
    )
    assert np.isfinite(model.fit(X, y, soft_labels=soft).best_score_)
    assert (
        model.best_score_
        == model.set_params(
            scoring=lambda one, X, y: balanced_accuracy_score(y, one.predict(X))
        )
        .fit(X, y, soft_labels=soft)
        .best_score_
    )


def test_what_cannot_score_is_refused():
    with pytest.raises(ValueError, match="cv=None scores one row at a time"):
        EDMDClassifierCV(scoring="f1_macro").fit(X, Y)
    with pytest.raises(ValueError, match="get_scorer_names"):
        EDMDClassifierCV(cv=3, scoring="f2").fit(X, Y)
    with pytest.raises(ValueError, match="gives nan for a test set"):
        EDMDClassifierCV(cv=3, scoring=lambda *_: np.nan).fit(X, Y)
    with pytest.raises(AttributeError, match="predict_proba"):  # as in a search
        EDMDClassifierCV(cv=3, scoring="neg_log_loss").fit(X, Y)
