import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import pipeline as sklearn_pipeline
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_koopman import KoopmanDistilledClassifier
from sklearn_koopman.pipeline import Pipeline, make_pipeline


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps the arguments of `fit`; tells the class of a row by its first feature."""

    __metadata_request__fit = {"teacher_X": True, "soft_labels": True}  # noqa: RUF012

    def __init__(self, size=1):
        self.size = size

    def fit(self, X, y, *, teacher_X=None, soft_labels=None, sample_weight=None):
        self.classes_ = np.unique(y)
        self.X_, self.y_ = X, y
        self.teacher_X_, self.soft_labels_ = teacher_X, soft_labels
        self.sample_weight_ = sample_weight
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class RecordingTransformer(TransformerMixin, BaseEstimator):
    __metadata_request__fit = {"teacher_X": True}  # noqa: RUF012

    def fit(self, X, y=None, *, teacher_X=None):
        self.teacher_X_ = teacher_X
        return self

    def transform(self, X):
        return X


class NoFitTransform(BaseEstimator):
    """Transforms, but has no `fit_transform`."""

    def fit(self, X, y=None, *, teacher_X=None):
        self.teacher_X_ = teacher_X
        return self

    def transform(self, X):
        return X


class RecordingClusterer(ClusterMixin, BaseEstimator):
    __metadata_request__fit = {"teacher_X": True}  # noqa: RUF012

    def fit(self, X, y=None, *, teacher_X=None):
        self.teacher_X_ = teacher_X
        self.labels_ = np.zeros(len(X), dtype=int)
        return self


class StrictClusterer(RecordingClusterer):
    """Its `fit_predict` takes no arguments for the teacher."""

    def fit_predict(self, X, y=None):
        return self.fit(X).labels_


def double(X):
    return 2 * np.asarray(X)


def doubler():
    return FunctionTransformer(double)


X = np.arange(60.0).reshape(30, 2)
Y = np.arange(30) % 3
P = np.full((30, 3), 1 / 3)


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture
def routing_on():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def key(routing, name, step="recorder"):
    return name if routing else f"{step}__{name}"


@pytest.mark.parametrize(
    "raw",
    [X, pd.DataFrame(X, columns=["a", "b"]), X.tolist()],
    ids=lambda raw: type(raw).__name__,
)
def test_last_step_gets_the_raw_X(routing, raw):
    last = make_pipeline(doubler(), doubler(), Recorder()).fit(raw, Y)[-1]
    assert last.teacher_X_ is raw
    np.testing.assert_array_equal(last.X_, 4 * X)
    assert last.soft_labels_ is None
    assert last.sample_weight_ is None


def test_alone_in_the_pipeline(routing):
    assert make_pipeline(Recorder()).fit(X, Y)[-1].teacher_X_ is X


@pytest.mark.parametrize("value", [X + 1, None], ids=["array", "None"])
def test_the_users_teacher_X_wins(routing, value):
    pipeline = make_pipeline(doubler(), Recorder())
    pipeline.fit(X, Y, **{key(routing, "teacher_X"): value})
    assert pipeline[-1].teacher_X_ is value


@pytest.mark.parametrize("value", [P, None], ids=["array", "None"])
def test_the_users_soft_labels_win(routing, value):
    pipeline = make_pipeline(doubler(), Recorder())
    pipeline.fit(X, Y, **{key(routing, "soft_labels"): value})
    assert pipeline[-1].soft_labels_ is value
    assert pipeline[-1].teacher_X_ is None


def test_sample_weight_comes_along(routing):
    recorder = Recorder()
    if routing:
        recorder.set_fit_request(sample_weight=True)
    weight = np.arange(30.0)
    pipeline = make_pipeline(doubler(), recorder)
    pipeline.fit(X, Y, **{key(routing, "sample_weight"): weight})
    assert pipeline[-1].sample_weight_ is weight
    assert pipeline[-1].teacher_X_ is X


def test_fits_like_sklearn_without_a_teacher(routing):
    data = load_iris(return_X_y=True)
    steps = StandardScaler(), PCA(2), LogisticRegression()
    ours = make_pipeline(*steps).fit(*data)
    theirs = sklearn_pipeline.make_pipeline(*map(clone, steps)).fit(*data)
    np.testing.assert_array_equal(ours[-1].coef_, theirs[-1].coef_)
    np.testing.assert_array_equal(ours.predict_proba(data[0]), theirs.predict_proba(data[0]))


@pytest.mark.parametrize("last", ["passthrough", None])
def test_last_step_that_does_nothing(routing, last):
    pipeline = Pipeline([("double", doubler()), ("last", last)])
    np.testing.assert_array_equal(pipeline.fit(X, Y).transform(X), 2 * X)
    np.testing.assert_array_equal(pipeline.fit_transform(X, Y), 2 * X)


# Other methods that fit


def test_fit_transform(routing):
    pipeline = make_pipeline(doubler(), RecordingTransformer())
    np.testing.assert_array_equal(pipeline.fit_transform(X, Y), 2 * X)
    assert pipeline[-1].teacher_X_ is X


def test_fit_transform_of_a_step_without_it():
    pipeline = make_pipeline(doubler(), NoFitTransform())
    np.testing.assert_array_equal(pipeline.fit_transform(X), 2 * X)
    assert pipeline[-1].teacher_X_ is X


def test_fit_predict(routing):
    pipeline = make_pipeline(doubler(), RecordingClusterer())
    np.testing.assert_array_equal(pipeline.fit_predict(X), np.zeros(30))
    assert pipeline[-1].teacher_X_ is X


def test_fit_predict_that_takes_no_teacher_X():
    pipeline = make_pipeline(doubler(), StrictClusterer())
    np.testing.assert_array_equal(pipeline.fit_predict(X), np.zeros(30))
    assert pipeline[-1].teacher_X_ is None
    assert pipeline.fit(X)[-1].teacher_X_ is X


@pytest.mark.parametrize("method", ["fit_transform", "fit_predict"])
def test_methods_that_the_last_step_lacks(method):
    pipeline = make_pipeline(doubler(), LogisticRegression())
    assert not hasattr(pipeline, method)
    with pytest.raises(AttributeError, match=f"'Pipeline' has no attribute '{method}'"):
        getattr(pipeline, method)
    assert hasattr(make_pipeline(doubler()), "fit_transform")


# Nested


@pytest.mark.parametrize("inner", [make_pipeline, sklearn_pipeline.make_pipeline])
def test_nested_pipelines(routing, inner):
    pipeline = make_pipeline(doubler(), inner(doubler(), inner(doubler(), Recorder())))
    recorder = pipeline.fit(X, Y)[-1][-1][-1]
    assert recorder.teacher_X_ is X
    np.testing.assert_array_equal(recorder.X_, 8 * X)


@pytest.mark.parametrize("inner", [make_pipeline, sklearn_pipeline.make_pipeline])
def test_nested_pipelines_and_the_users_soft_labels(routing, inner):
    pipeline = make_pipeline(doubler(), inner(doubler(), Recorder()))
    pipeline.fit(X, Y, **{key(routing, "soft_labels", "pipeline__recorder"): P})
    assert pipeline[-1][-1].soft_labels_ is P
    assert pipeline[-1][-1].teacher_X_ is None


def test_nested_pipelines_without_a_teacher(routing):
    pipeline = make_pipeline(doubler(), make_pipeline(doubler(), LogisticRegression()))
    assert pipeline.fit(X, Y).score(X, Y) >= 0


def test_nested_fit_transform(routing):
    pipeline = make_pipeline(doubler(), make_pipeline(doubler(), RecordingTransformer()))
    np.testing.assert_array_equal(pipeline.fit_transform(X), 4 * X)
    assert pipeline[-1][-1].teacher_X_ is X


# Meta-estimators


def assert_aligned(recorder, factor=2):
    """The teacher's rows are the rows of the recorder's fit, but raw."""
    np.testing.assert_array_equal(factor * np.asarray(recorder.teacher_X_), recorder.X_)
    np.testing.assert_array_equal(recorder.y_, recorder.X_[:, 0] / factor // 2 % 3)


def test_calibration_of_the_last_step(routing_on):
    pipeline = make_pipeline(doubler(), CalibratedClassifierCV(Recorder(), cv=3))
    for calibrated in pipeline.fit(X, Y)[-1].calibrated_classifiers_:
        assert len(calibrated.estimator.teacher_X_) == 20
        assert_aligned(calibrated.estimator)


def test_calibration_around_a_nested_pipeline(routing_on):
    inner = sklearn_pipeline.make_pipeline(doubler(), Recorder())
    pipeline = make_pipeline(doubler(), CalibratedClassifierCV(inner, cv=3))
    for calibrated in pipeline.fit(X, Y)[-1].calibrated_classifiers_:
        assert_aligned(calibrated.estimator[-1], factor=4)


def test_bagging_of_the_last_step(routing_on):
    pipeline = make_pipeline(
        doubler(), BaggingClassifier(Recorder(), n_estimators=3, max_samples=0.5)
    )
    for recorder in pipeline.fit(X, Y)[-1].estimators_:
        assert len(recorder.teacher_X_) == 15
        assert_aligned(recorder)


def test_calibration_around_the_pipeline(routing):
    calibration = CalibratedClassifierCV(make_pipeline(doubler(), Recorder()), cv=3)
    for calibrated in calibration.fit(X, Y).calibrated_classifiers_:
        assert len(calibrated.estimator[-1].teacher_X_) == 20
        assert_aligned(calibrated.estimator[-1])


def test_metaestimators_without_a_teacher(routing):
    for last in CalibratedClassifierCV(Recorder(), cv=3), AdaBoostClassifier():
        if routing and isinstance(last, CalibratedClassifierCV):
            last.estimator.set_fit_request(teacher_X=False, soft_labels=False)
        make_pipeline(doubler(), last).fit(X, Y)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("raw", [X, pd.DataFrame(X)], ids=["array", "DataFrame"])
def test_folds_get_their_own_rows(routing, raw, n_jobs):
    folds = KFold(3, shuffle=True, random_state=0)
    pipeline = make_pipeline(doubler(), Recorder())
    results = cross_validate(
        pipeline, raw, Y, cv=folds, n_jobs=n_jobs, return_estimator=True, error_score="raise"
    )
    for (train, _), fitted in zip(folds.split(raw), results["estimator"], strict=True):
        np.testing.assert_array_equal(fitted[-1].teacher_X_, X[train])
        assert type(fitted[-1].teacher_X_) is type(raw)
        assert_aligned(fitted[-1])


def is_aligned(estimator, X, y):
    assert_aligned(estimator[-1])
    return float(len(estimator[-1].teacher_X_))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(routing, n_jobs):
    search = GridSearchCV(
        make_pipeline(doubler(), Recorder()),
        {"recorder__size": [1, 2]},
        cv=3,
        n_jobs=n_jobs,
        scoring=is_aligned,
        error_score="raise",
    ).fit(X, Y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], [20, 20])
    np.testing.assert_array_equal(search.best_estimator_[-1].teacher_X_, X)


def test_grid_search_with_the_users_soft_labels(routing):
    search = GridSearchCV(
        make_pipeline(doubler(), Recorder()), {"recorder__size": [1]}, cv=3, error_score="raise"
    )
    search.fit(X, Y, **{key(routing, "soft_labels"): P})
    assert search.best_estimator_[-1].soft_labels_.shape == (30, 3)
    assert search.best_estimator_[-1].teacher_X_ is None


# Routing


def test_a_request_may_be_withdrawn(routing_on):
    recorder = Recorder().set_fit_request(teacher_X=False)
    assert make_pipeline(doubler(), recorder).fit(X, Y)[-1].teacher_X_ is None


def test_an_alias_is_the_users(routing_on):
    recorder = Recorder().set_fit_request(teacher_X="pixels")
    pipeline = make_pipeline(doubler(), recorder)
    assert pipeline.fit(X, Y)[-1].teacher_X_ is None
    assert pipeline.fit(X, Y, pixels=P)[-1].teacher_X_ is P


def test_earlier_steps_get_what_they_request(routing_on):
    pipeline = make_pipeline(doubler(), RecordingTransformer(), Recorder()).fit(X, Y)
    assert pipeline[1].teacher_X_ is X
    assert pipeline[-1].teacher_X_ is X


def test_earlier_steps_get_nothing_for_themselves(routing):
    pipeline = make_pipeline(doubler(), RecordingTransformer(), LogisticRegression())
    assert pipeline.fit(X, Y)[1].teacher_X_ is None


def test_earlier_steps_must_say_what_they_request(routing_on):
    pipeline = make_pipeline(NoFitTransform(), Recorder())
    with pytest.raises(UnsetMetadataPassedError, match="teacher_X"):
        pipeline.fit(X, Y)
    pipeline[0].set_fit_request(teacher_X=False)
    assert pipeline.fit(X, Y)[-1].teacher_X_ is X


def test_transform_input(routing_on):
    pipeline = make_pipeline(doubler(), Recorder(), transform_input=["soft_labels"])
    assert pipeline.fit(X, Y)[-1].teacher_X_ is X
    recorder = pipeline.fit(X, Y, soft_labels=X)[-1]
    np.testing.assert_array_equal(recorder.soft_labels_, 2 * X)

    pipeline = make_pipeline(doubler(), Recorder(), transform_input=["teacher_X"])
    assert pipeline.fit(X, Y)[-1].teacher_X_ is None
    recorder = pipeline.fit(X, Y, teacher_X=X)[-1]
    np.testing.assert_array_equal(recorder.teacher_X_, 2 * X)


def test_transform_input_without_routing_is_refused_as_by_sklearn():
    pipeline = make_pipeline(doubler(), Recorder(), transform_input=["teacher_X"])
    with pytest.raises(ValueError, match="only be set if metadata"):
        pipeline.fit(X, Y)


# In everything else it is a scikit-learn pipeline


@pytest.mark.parametrize(
    "steps",
    [
        [],
        3,
        [1, 2],
        [("a", 3)],
        [("a", doubler()), ("b", 3)],
        [("a__b", Recorder())],
        [("a", doubler()), ("a", Recorder())],
        [("a", LogisticRegression()), ("b", Recorder())],
        {"a": Recorder()},
    ],
)
def test_bad_steps_are_refused_as_by_sklearn(routing, steps):
    with pytest.raises(Exception) as expected:
        sklearn_pipeline.Pipeline(steps).fit(X, Y)
    with pytest.raises(expected.type) as error:
        Pipeline(steps).fit(X, Y)
    assert str(error.value) == str(expected.value)


def test_parameter_of_no_step_is_refused():
    with pytest.raises(ValueError, match="does not accept the sample_weight parameter"):
        make_pipeline(doubler(), Recorder()).fit(X, Y, sample_weight=Y)


def test_make_pipeline():
    pipeline = make_pipeline(PCA(), PCA(), Recorder(), memory="m", verbose=True)
    assert type(pipeline) is Pipeline
    assert list(pipeline.named_steps) == ["pca-1", "pca-2", "recorder"]
    assert (pipeline.memory, pipeline.transform_input, pipeline.verbose) == ("m", None, True)


def test_slices_keep_the_class(routing):
    pipeline = make_pipeline(doubler(), doubler(), Recorder())
    assert type(pipeline[1:]) is Pipeline
    assert pipeline[1:].fit(X, Y)[-1].teacher_X_ is X
    np.testing.assert_array_equal(pipeline[:-1].fit_transform(X), 4 * X)


def test_parameters_clone_and_pickle(routing):
    pipeline = clone(make_pipeline(doubler(), Recorder(), verbose=True))
    assert type(pipeline) is Pipeline
    assert pipeline.set_params(recorder__size=5) is pipeline
    assert pipeline.get_params()["recorder__size"] == 5
    assert pipeline.get_params()["verbose"] is True
    copy = pickle.loads(pickle.dumps(pipeline.set_params(verbose=False).fit(X, Y)))
    np.testing.assert_array_equal(copy[-1].teacher_X_, X)
    np.testing.assert_array_equal(copy.predict(X), pipeline.predict(X))
    np.testing.assert_array_equal(copy.classes_, [0, 1, 2])


def test_representations():
    pipeline = make_pipeline(doubler(), Recorder())
    assert repr(pipeline).startswith("Pipeline(steps=[")
    for estimator in pipeline, pipeline.fit(X, Y), Pipeline([("last", "passthrough")]):
        assert "Pipeline" in estimator._repr_html_()


def test_set_output(routing):
    pipeline = make_pipeline(StandardScaler(), Recorder()).set_output(transform="pandas")
    raw = pd.DataFrame(X, columns=["a", "b"])
    recorder = pipeline.fit(raw, Y)[-1]
    assert recorder.teacher_X_ is raw
    assert list(recorder.X_.columns) == ["a", "b"]


class Counting(StandardScaler):
    n_fits = 0

    def fit(self, X, y=None):
        type(self).n_fits += 1
        return super().fit(X, y)


def test_memory(routing, tmp_path):
    Counting.n_fits = 0
    for size in 1, 2:
        pipeline = make_pipeline(Counting(), Recorder(size), memory=str(tmp_path))
        assert pipeline.fit(X, Y)[-1].teacher_X_ is X
    pipeline.fit(X, Y, **{key(routing, "teacher_X"): X + 1})
    assert Counting.n_fits == 1


class MovesOfSeries(TransformerMixin, BaseEstimator):
    """Takes series of several channels, (n, channels, time), like those of other packages."""

    def fit(self, X, y=None):
        assert X.ndim == 3
        return self

    def transform(self, X):
        assert X.ndim == 3
        return np.square(np.diff(X)).mean(axis=2)


def as_series(X):
    return X.reshape(len(X), 2, 20)


@pytest.mark.parametrize("is_flat", [True, False])
def test_series_of_several_channels(is_flat):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    series = rng.normal(size=(600, 2, 20)) * np.where(y, 2, 1)[:, None, None]
    seen = []

    def teacher(X):
        seen.append(X.shape[1:])
        size = np.square(X.reshape(len(X), -1)).mean(axis=1) - 2.5
        return np.column_stack([-size, size])

    steps = [MovesOfSeries(), KoopmanDistilledClassifier(teacher)]
    rows = series
    if is_flat:
        steps, rows = [FunctionTransformer(as_series), *steps], series.reshape(600, -1)
    grid = {"koopmandistilledclassifier__ridge": [1e-3, 10.0]}
    search = GridSearchCV(make_pipeline(*steps), grid, cv=2).fit(rows[:300], y[:300])
    assert search.score(rows[300:], y[300:]) > 0.95
    assert set(seen) == {rows.shape[1:]}
    lifted = MovesOfSeries().transform(series[:300])
    alone = clone(search.best_estimator_[-1]).fit(lifted, y[:300], teacher_X=rows[:300])
    np.testing.assert_allclose(search.best_estimator_[-1].coef_, alone.coef_, rtol=1e-6)
