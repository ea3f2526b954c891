"""Sample weights reach all estimators inside a teacher, or a warning says that they cannot."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import AdaBoostClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier
from sklearn_koopman.teachers import as_teacher

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 2))
Y = (X[:, 0] + rng.normal(size=120) > 0).astype(int)
WEIGHT = np.where(Y == 1, 9.0, 1.0)
REPEATED = np.arange(120).repeat(WEIGHT.astype(int))
ONE_C = {"C": [1.0]}


def scaled_regression():
    return make_pipeline(StandardScaler(), LogisticRegression())


# Each of these, fitted to weighted rows, equals itself fitted to repeated rows.
TAKE_WEIGHTS = {
    "classifier": LogisticRegression(),
    "pipeline": scaled_regression(),
    "pipeline in a pipeline": make_pipeline(StandardScaler(), scaled_regression()),
    "search": GridSearchCV(LogisticRegression(), ONE_C),
    "search with a scorer": GridSearchCV(LogisticRegression(), ONE_C, scoring="accuracy"),
    "search with a scorer of one's own": GridSearchCV(
        LogisticRegression(), ONE_C, scoring=make_scorer(roc_auc_score)
    ),
    "search with scorers": GridSearchCV(
        LogisticRegression(), ONE_C, scoring=["accuracy", "neg_log_loss"], refit="accuracy"
    ),
    "search in a pipeline": make_pipeline(
        make_column_transformer((StandardScaler(), [0, 1])),
        RandomizedSearchCV(LogisticRegression(), ONE_C, n_iter=1),
    ),
    "search for a pipeline": GridSearchCV(
        scaled_regression(), {"logisticregression__C": [1.0]}
    ),
    "one against the rest": OneVsRestClassifier(scaled_regression()),
    "votes": VotingClassifier([("one", scaled_regression())], voting="soft"),
    "threshold": FixedThresholdClassifier(scaled_regression()),
    "self-training": SelfTrainingClassifier(LogisticRegression()),
    "boosting": AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=3),
}
TAKE_NONE = {
    "classifier": KNeighborsClassifier(),
    "pipeline": make_pipeline(StandardScaler(), KNeighborsClassifier()),
    "search": GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [5]}),
}


@pytest.fixture(params=[False, True], ids=["without routing", "with routing"], autouse=True)
def routing(request):
    with config_context(enable_metadata_routing=request.param):
        yield


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples")
@pytest.mark.parametrize("estimator", TAKE_WEIGHTS.values(), ids=TAKE_WEIGHTS)
def test_a_weight_is_a_repetition(estimator):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*sample_weight")
        weighted = as_teacher(estimator).fit(X, Y, sample_weight=WEIGHT)
    repeated = clone(estimator).fit(X[REPEATED], Y[REPEATED])
    assert_allclose(weighted(X), repeated.predict_proba(X), atol=1e-4)
    unweighted = clone(estimator).fit(X, Y).predict_proba(X)
    assert np.abs(weighted(X) - unweighted).max() > 0.05


@pytest.mark.parametrize(
    "estimator",
    [
        CalibratedClassifierCV(scaled_regression(), cv=StratifiedKFold(3)),
        StackingClassifier(
            [("one", scaled_regression())], LogisticRegression(), cv=StratifiedKFold(3)
        ),
    ],
    ids=["calibration", "stack"],
)
def test_weights_reach_what_is_fitted_fold_by_fold(estimator):
    """Folds of repeated rows differ, so the weighted fit is only near that of repetitions."""
    weighted = as_teacher(estimator).fit(X, Y, sample_weight=WEIGHT)(X)
    repeated = clone(estimator).fit(X[REPEATED], Y[REPEATED]).predict_proba(X)
    unweighted = clone(estimator).fit(X, Y).predict_proba(X)
    assert np.abs(weighted - repeated).mean() < np.abs(weighted - unweighted).mean() / 3


@pytest.mark.parametrize("estimator", TAKE_NONE.values(), ids=TAKE_NONE)
def test_a_warning_says_where_weights_are_lost(estimator):
    with pytest.warns(UserWarning, match=f"{type(estimator).__name__} takes no sample_weight"):
        teacher = as_teacher(estimator).fit(X, Y, sample_weight=WEIGHT)
    assert_allclose(teacher(X), clone(estimator).fit(X, Y).predict_proba(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is lost if all weights are equal
        as_teacher(estimator).fit(X, Y, sample_weight=np.full(len(X), 3.0))


@pytest.mark.parametrize("student", [EDMDClassifier(), KoopmanDistilledClassifier()])
def test_weights_of_a_student_reach_its_teacher(student):
    student = clone(student).set_params(teacher=scaled_regression())
    weighted = student.fit(X, Y, sample_weight=WEIGHT).decision_function(X)
    repeated = clone(student).fit(X[REPEATED], Y[REPEATED]).decision_function(X)
    assert_allclose(weighted, repeated, atol=1e-3)
    assert np.abs(weighted - clone(student).fit(X, Y).decision_function(X)).max() > 0.1


def test_what_the_user_asked_for_is_kept(routing):
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            LogisticRegression().set_fit_request(sample_weight=False), {"C": [1.0]}
        )
    with pytest.warns(UserWarning, match="takes no sample_weight"):
        teacher = as_teacher(search).fit(X, Y, sample_weight=WEIGHT)
    assert_allclose(teacher(X), LogisticRegression().fit(X, Y).predict_proba(X))


def test_the_estimator_of_the_user_is_left_as_it_was():
    search = GridSearchCV(LogisticRegression(), ONE_C, scoring="accuracy")
    as_teacher(search).fit(X, Y, sample_weight=WEIGHT)
    assert search.scoring == "accuracy"
    assert not hasattr(search.estimator, "_metadata_request")
