"""The classifiers inside scikit-learn's meta-estimators, with and without metadata routing."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline as SklearnPipeline

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.pipeline import Pipeline
from sklearn_koopman.teachers import TorchTeacher

from .helpers import CountingClassifier, LinearTeacher, samples, scaled

# Ten "pixels". The first one numbers the rows. The teacher sees all of them.
X = scaled(samples(n_samples=120, n_features=10)[0])[0]
Y = samples(n_samples=120, n_features=10)[1]
X[:, 0] = np.arange(len(X)) / len(X)
LOGITS = LinearTeacher(10).logits(X)
P = softmax(LOGITS, axis=1)
CV = StratifiedKFold(3)
FOLDS = list(CV.split(X, Y))


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture
def _routing_on():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


routing_on = pytest.mark.usefixtures("_routing_on")


@pytest.fixture(params=[EDMDClassifier, KoopmanDistilledClassifier], ids=lambda c: c.__name__)
def student(request):
    return request.param(ridge=1e-2)


def steps(classifier):
    return [
        ("pca", PCA(3, random_state=0)),
        ("lift", MonomialLifter(2)),
        ("clf", classifier),
    ]


# Grid search

GRID = {
    "pca__n_components": [2, 3],
    "lift__degree": [1, 2],
    "clf__soft_weight": [0.0, 0.7],
    "clf__temperature": [1.0, 4.0],
    "clf__ridge": [1e-3, 1e-1],
}


def assert_searched(search):
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 32
    assert np.isfinite(scores).all()
    assert search.best_score_ > 0.4
    assert search.predict(X).shape == Y.shape


def test_grid_search_with_a_teacher_of_pixels():
    teacher = LinearTeacher(10)
    pipeline = Pipeline(steps(KoopmanDistilledClassifier(teacher, tol=1e-3)))
    assert_searched(GridSearchCV(pipeline, GRID, cv=3, n_jobs=2).fit(X, Y))


def test_grid_search_over_the_lifter_inside(student):
    lifter = SklearnPipeline(steps(None)[:2])
    student.set_params(lifter=lifter, teacher=LinearTeacher(10))
    grid = {"lifter__pca__n_components": [2, 3], "lifter__lift__degree": [1, 2]}
    search = GridSearchCV(student, grid, cv=CV, error_score="raise").fit(X, Y)
    best = search.best_params_
    assert (
        search.best_estimator_.lifter_["pca"].n_components_ == best["lifter__pca__n_components"]
    )


@pytest.mark.parametrize("name", ["soft_labels", "teacher_X"])
def test_grid_search_in_the_pipeline_of_scikit_learn(name):
    teacher = LinearTeacher(10) if name == "teacher_X" else None
    pipeline = SklearnPipeline(steps(KoopmanDistilledClassifier(teacher, tol=1e-3)))
    given = {f"clf__{name}": X if name == "teacher_X" else P}
    assert_searched(GridSearchCV(pipeline, GRID, cv=3, n_jobs=2).fit(X, Y, **given))


def rows_seen(teacher):
    """Return the numbers of the rows in each call of a teacher of pixels."""
    return [np.rint(seen[:, 0] * len(X)).astype(int) for seen in teacher.seen]


def test_our_pipeline_hands_each_fold_its_own_rows(student, routing):
    teacher = LinearTeacher(10)
    pipeline = Pipeline(steps(student.set_params(teacher=teacher)))
    GridSearchCV(pipeline, {"clf__ridge": [0.1]}, cv=CV).fit(X, Y)
    *folds, refit = rows_seen(teacher)
    assert_array_equal(refit, np.arange(len(X)))
    for seen, (train, _) in zip(folds, FOLDS, strict=True):
        assert_array_equal(seen, train)


def test_teacher_X_is_sliced_with_the_folds(student, routing):
    teacher = LinearTeacher(10)
    pipeline = SklearnPipeline(steps(student.set_params(teacher=teacher)))
    search = GridSearchCV(pipeline, {"clf__ridge": [0.1]}, cv=CV)
    search.fit(X, Y, **{"teacher_X" if routing else "clf__teacher_X": X})
    *folds, refit = rows_seen(teacher)
    assert_array_equal(refit, np.arange(len(X)))
    for seen, (train, _) in zip(folds, FOLDS, strict=True):
        assert_array_equal(seen, train)


def test_soft_labels_are_sliced_with_the_folds(student, routing):
    results = cross_validate(
        SklearnPipeline(steps(student)),
        X,
        Y,
        cv=CV,
        params={"soft_labels" if routing else "clf__soft_labels": P},
        return_estimator=True,
        error_score="raise",
    )
    for pipeline, (train, _) in zip(results["estimator"], FOLDS, strict=True):
        observables = pipeline[:-1].transform(X[train])
        by_hand = clone(student).fit(observables, Y[train], soft_labels=P[train])
        assert_allclose(pipeline["clf"].coef_, by_hand.coef_, atol=1e-8)


def test_a_plain_estimator_as_teacher_sees_no_validation_rows(student):
    CountingClassifier.fits.clear()
    student.set_params(teacher=CountingClassifier())
    cross_validate(Pipeline(steps(student)), X, Y, cv=CV, error_score="raise")
    for (seen, _, _), (train, _) in zip(CountingClassifier.fits, FOLDS, strict=True):
        assert_array_equal(seen, X[train])


# Metadata routing. soft_labels and teacher_X need no request.


@routing_on
@pytest.mark.parametrize("pipeline_class", [Pipeline, SklearnPipeline])
def test_routed_grid_search(student, pipeline_class):
    search = GridSearchCV(pipeline_class(steps(student)), {"clf__ridge": [1e-3, 1e-1]}, cv=CV)
    search.set_params(error_score="raise").fit(X, Y, soft_labels=P)
    best = clone(student).set_params(**{"ridge": search.best_params_["clf__ridge"]})
    by_hand = SklearnPipeline(steps(best)).fit(X, Y, soft_labels=P)
    assert_allclose(search.best_estimator_["clf"].coef_, by_hand["clf"].coef_, atol=1e-8)


def test_calibration(student, routing):
    model = CalibratedClassifierCV(student, cv=CV).fit(X, Y, soft_labels=P)
    for calibrated, (train, _) in zip(model.calibrated_classifiers_, FOLDS, strict=True):
        by_hand = clone(student).fit(X[train], Y[train], soft_labels=P[train])
        assert_array_equal(calibrated.estimator.coef_, by_hand.coef_)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_calibration_of_our_pipeline(student, routing):
    teacher = LinearTeacher(10)
    pipeline = Pipeline(steps(student.set_params(teacher=teacher)))
    model = CalibratedClassifierCV(pipeline, cv=CV).fit(X, Y)
    for seen, (train, _) in zip(rows_seen(teacher), FOLDS, strict=True):
        assert_array_equal(seen, train)
    assert model.score(X, Y) > 0.5


@routing_on
def test_bagging(student):
    """All members get all soft labels: weights are drawn, or rows together with soft labels."""
    teacher = LinearTeacher(10)
    bagging = BaggingClassifier(student, n_estimators=3, random_state=0)
    by_labels = clone(bagging).fit(X, Y, soft_labels=LOGITS)
    by_teacher = clone(bagging).set_params(estimator__teacher=teacher).fit(X, Y)
    assert len({member.coef_.tobytes() for member in by_labels.estimators_}) == 3
    for member, other in zip(by_labels.estimators_, by_teacher.estimators_, strict=True):
        assert_allclose(member.coef_, other.coef_, atol=1e-6)


@routing_on
def test_sample_weight_is_routed_where_it_is_requested(student):
    weight = np.linspace(0.1, 2, len(X))
    student.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    results = cross_validate(
        student,
        X,
        Y,
        cv=CV,
        params={"sample_weight": weight, "soft_labels": P},
        return_estimator=True,
        error_score="raise",
    )
    for model, (train, test) in zip(results["estimator"], FOLDS, strict=True):
        by_hand = clone(student).fit(X[train], Y[train], weight[train], soft_labels=P[train])
        assert_array_equal(model.coef_, by_hand.coef_)
        assert model.score(X[test], Y[test], weight[test]) in results["test_score"]


@routing_on
def test_a_request_can_be_withdrawn(student):
    student.set_fit_request(soft_labels=False)
    with pytest.raises(TypeError, match="soft_labels"):
        cross_validate(student, X, Y, params={"soft_labels": P}, error_score="raise")


def test_one_against_the_rest(student):
    student.set_params(teacher=LogisticRegression())
    assert OneVsRestClassifier(student).fit(X, Y).score(X, Y) > 0.5


# Copies


@pytest.fixture(params=["raw", "wrapped"])
def counted_teacher(request):
    """Return a teacher made of a torch module that counts its rows and refuses to be copied."""
    pytest.importorskip("torch")
    from ..teachers.helpers import Counting

    Counting.reset()
    module = Counting(10, 3)
    return module, module if request.param == "raw" else TorchTeacher(module)


def test_a_grid_search_copies_no_module(student, counted_teacher):
    module, teacher = counted_teacher
    pipeline = Pipeline(steps(student.set_params(teacher=teacher)))
    search = GridSearchCV(pipeline, {"clf__ridge": [1e-3, 1e-1]}, cv=CV, error_score="raise")
    search.fit(X, Y)
    assert type(module).n_copies == 0
    assert type(module).n_rows == 2 * sum(len(train) for train, _ in FOLDS) + len(X)
    assert search.best_estimator_["clf"].teacher is teacher


def test_clone_shares_the_module(student, counted_teacher):
    module, teacher = counted_teacher
    student.set_params(teacher=teacher)
    assert clone(student).teacher is teacher
    assert clone(Pipeline(steps(student)))["clf"].teacher is teacher
    assert student.teacher is teacher
    assert type(module).n_copies == 0


def test_clone_leaves_the_original_alone(student):
    """Threads may clone the same student, so its teacher must be there all the time."""
    teachers = []

    class Watching(MonomialLifter):
        def __sklearn_clone__(self):
            teachers.append(student.teacher)
            return self

    teacher = LinearTeacher(10)
    clone(student.set_params(teacher=teacher, lifter=Watching()))
    assert teachers == [teacher]


def test_clone_copies_an_estimator_but_not_a_frozen_one(student):
    plain, frozen = LogisticRegression(), FrozenEstimator(LogisticRegression().fit(X, Y))
    copy = clone(student.set_params(teacher=plain))
    assert isinstance(copy.teacher, LogisticRegression)
    assert copy.teacher is not plain
    assert clone(student.set_params(teacher=frozen)).teacher is frozen


def test_the_teacher_is_a_nested_parameter(student):
    student.set_params(teacher=LogisticRegression(), teacher__C=3.0)
    assert student.teacher.C == clone(student).teacher.C == 3.0
    search = GridSearchCV(student, {"teacher__C": [0.1, 1.0]}, cv=CV, error_score="raise")
    assert search.fit(X, Y).best_params_["teacher__C"] in (0.1, 1.0)


def test_pickle(student, counted_teacher):
    _, teacher = counted_teacher
    student.set_params(teacher=teacher, lifter=MonomialLifter(2)).fit(X, Y)
    copy = pickle.loads(pickle.dumps(student))
    assert_array_equal(copy.decision_function(X), student.decision_function(X))
    assert_array_equal(copy.fit(X, Y).coef_, student.fit(X, Y).coef_)


def test_the_hash_is_stable(student, counted_teacher):
    """joblib caches by the hash, so a clone or a call of the teacher must not change it."""
    _, teacher = counted_teacher
    student.set_params(teacher=teacher)
    before = joblib.hash(student)
    clone(student).fit(X, Y)
    assert joblib.hash(student) == joblib.hash(clone(student)) == before
    assert joblib.hash(clone(student).set_params(ridge=1.0)) != before


def test_pandas_output_of_the_steps_before(student):
    pipeline = SklearnPipeline(steps(student)).set_output(transform="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "soft_labels: the first choice")  # they are random
        pipeline.fit(X, Y, clf__soft_labels=P)
        decision = pipeline.decision_function(X)
    assert_array_equal(pipeline["clf"].feature_names_in_[:2], ["1", "pca0"])
    plain = clone(pipeline).set_output(transform="default")
    plain.fit(X, Y, clf__soft_labels=P)
    assert_allclose(decision, plain.decision_function(X))


def test_representations(student):
    student.set_params(teacher=LogisticRegression(), lifter=MonomialLifter(3))
    assert "teacher=LogisticRegression()" in repr(student)
    assert "MonomialLifter" in student._repr_html_()
