"""In our pipeline, a student lifts rows when it reads them: the same model, less memory."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import pipeline as sklearn_pipeline
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import (
    ActiveSubspace,
    DelayLifter,
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    ObservableSelector,
    OrthogonalPolynomialLifter,
    RBFLifter,
    TensorTrainClassifier,
    TransferSet,
)
from sklearn_koopman.pipeline import Pipeline, make_pipeline

from .classification.helpers import LinearTeacher, samples

X, Y = samples(n_samples=400, n_features=6)
TEACHER = LinearTeacher(6)
REDUCER = PCA(4, svd_solver="covariance_eigh")


class LargestBlock(MonomialLifter):
    """Remembers the largest number of rows that it lifted at once."""

    rows = 0

    def transform(self, X):
        type(self).rows = max(type(self).rows, len(X))
        return super().transform(X)

    def _lift(self, X):
        type(self).rows = max(type(self).rows, len(X))
        return super()._lift(X)


def kept_few(pipeline, *calls):
    """Return whether every call lifts at most one block of rows at a time."""
    LargestBlock.rows = 0
    for call in calls:
        call(pipeline)
    return LargestBlock.rows < 0.2 * len(MANY)


MANY, MANY_LABELS = samples(n_samples=60_000, n_features=4)


@pytest.mark.parametrize(
    "student",
    [
        EDMDClassifier(),
        EDMDClassifier(solver="svd"),
        KoopmanDistilledClassifier(soft_weight=0, tol=1e-2),
        KoopmanDistilledClassifier(soft_weight=0, solver="adam", max_iter=1),
    ],
    ids=["cholesky", "svd", "lbfgs", "adam"],
)
def test_rows_are_lifted_in_blocks(student):
    pipeline = make_pipeline(StandardScaler(), LargestBlock(4), student)
    assert kept_few(
        pipeline,
        lambda pipeline: pipeline.fit(MANY, MANY_LABELS),
        lambda pipeline: pipeline.predict(MANY),
        lambda pipeline: pipeline.decision_function(MANY),
        lambda pipeline: pipeline.score(MANY, MANY_LABELS),
    )


def test_a_pipeline_behind_a_lifter_that_learns_nothing_does_not_need_the_rows():
    inside = sklearn_pipeline.make_pipeline(MonomialLifter(1), None)
    pipeline = make_pipeline(LargestBlock(2), inside, EDMDClassifier())
    assert kept_few(pipeline, lambda pipeline: pipeline.fit(MANY, MANY_LABELS))
    expected = make_pipeline(MonomialLifter(2), EDMDClassifier()).fit(MANY, MANY_LABELS)
    assert_array_equal(pipeline.predict(MANY), expected.predict(MANY))


def test_probabilities_are_made_in_blocks():
    student = KoopmanDistilledClassifier(soft_weight=0, tol=1e-2)
    pipeline = make_pipeline(LargestBlock(2), student).fit(X, Y)
    assert kept_few(
        pipeline, lambda pipeline: pipeline.predict_proba(MANY[:, [0, 1, 2, 3, 0, 1]])
    )


def test_the_lifted_rows_are_never_all_in_memory():
    pipeline = make_pipeline(MonomialLifter(6), EDMDClassifier())
    lifted_bytes = 8 * 210 * len(MANY)
    tracemalloc.start()
    try:
        pipeline.fit(MANY, MANY_LABELS).predict(MANY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * lifted_bytes


STUDENTS = {
    "EDMD": EDMDClassifier(TEACHER, ridge=1e-3),
    "EDMD, cross-validated": EDMDClassifierCV(TEACHER, ridges=[1e-3, 1e-1]),
    "distilled": KoopmanDistilledClassifier(TEACHER, ridge=1e-2, tol=1e-8),
    "distilled, cross-validated": KoopmanDistilledClassifierCV(
        TEACHER, ridges=[1e-2], temperatures=[1.0, 2.0], soft_weights=[0.5], cv=3, tol=1e-8
    ),
    "tensor train": TensorTrainClassifier(TEACHER, rank=2, random_state=0),
}
LIFTERS = {
    "monomials": [MonomialLifter(2)],
    "PCA, monomials": [REDUCER, MonomialLifter(3)],
    "polynomials": [StandardScaler(), OrthogonalPolynomialLifter(degree=2)],
    "Gaussians": [RBFLifter(n_centers=20, random_state=0)],
    "chosen observables": [ObservableSelector(MonomialLifter(2), max_observables=8)],
    "delays, monomials": [DelayLifter(2, state_size=2), MonomialLifter(2)],
    "active coordinates": [ActiveSubspace(TEACHER, n_components=3), MonomialLifter(2)],
    "two lifters that learn": [
        RBFLifter(5, random_state=0),
        OrthogonalPolynomialLifter(degree=2),
    ],
    "another's lifter": [REDUCER, PolynomialFeatures(2)],
    "Nystroem": [StandardScaler(), Nystroem(n_components=20, random_state=0)],
    "a union": [
        REDUCER,
        sklearn_pipeline.make_union(MonomialLifter(2), RBFLifter(5, random_state=0)),
    ],
    "a union that passes": [
        sklearn_pipeline.FeatureUnion(
            [("as they are", "passthrough"), ("m", MonomialLifter(2))]
        )
    ],
    "a union that drops": [
        sklearn_pipeline.FeatureUnion([("nothing", "drop"), ("m", MonomialLifter(2))])
    ],
    "a pipeline inside": [sklearn_pipeline.make_pipeline(REDUCER, MonomialLifter(2))],
    "frozen": [
        FrozenEstimator(PCA(3).fit(X)),
        FrozenEstimator(MonomialLifter(2).fit(X[:, :3])),
    ],
    "scaled afterwards": [MonomialLifter(2), StandardScaler()],
    "nothing": ["passthrough", MonomialLifter(2), None],
}


def pipelines(steps, student):
    """Return the same steps in this package's pipeline and in scikit-learn's."""
    named = [(f"step {i}", clone(step, safe=False)) for i, step in enumerate([*steps, student])]
    theirs = [(name, clone(step, safe=False)) for name, step in named]
    return Pipeline(named), sklearn_pipeline.Pipeline(theirs)


def fit_both(steps, student, X=X, Y=Y):
    """Fit both to the same rows; scikit-learn's pipeline gets the rows of its teacher."""
    ours, theirs = pipelines(steps, student)
    raw = {} if student.teacher is None else {f"step {len(steps)}__teacher_X": X}
    return ours.fit(X, Y), theirs.fit(X, Y, **raw)


@pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)
@pytest.mark.parametrize("steps", [LIFTERS["PCA, monomials"]], ids=["PCA, monomials"])
def test_every_student_is_that_of_scikit_learns_pipeline(steps, student):
    ours, theirs = fit_both(steps, student)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-5)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, Y) == theirs.score(X, Y)
    if hasattr(student, "predict_proba"):
        assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("steps", LIFTERS.values(), ids=LIFTERS)
def test_every_dictionary_is_that_of_scikit_learns_pipeline(steps):
    ours, theirs = fit_both(steps, STUDENTS["EDMD"])
    expected = theirs[-1].coef_
    assert_allclose(ours[-1].coef_, expected, atol=1e-7 * np.abs(expected).max())
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-8)
    assert ours[-1].n_features_in_ == theirs[-1].n_features_in_
    assert [type(step) for _, step in ours.steps] == [type(step) for _, step in theirs.steps]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_rows_is_kept(dtype):
    ours, theirs = fit_both(LIFTERS["PCA, monomials"], STUDENTS["EDMD"], X.astype(dtype))
    assert ours[-1].coef_.dtype == theirs[-1].coef_.dtype == dtype
    assert ours.decision_function(X.astype(dtype)).dtype == dtype


@pytest.mark.parametrize(
    "rows",
    [
        np.round(X).astype(int),
        np.round(X).tolist(),
        pd.DataFrame(X),
        pd.DataFrame(X, columns=list("abcdef")),
        np.asfortranarray(X),
        X[::2],
    ],
    ids=["int", "list", "frame", "named", "columns", "stride"],
)
def test_rows_may_be_whatever_the_first_step_takes(rows):
    labels = Y[: len(rows)] if len(rows) == len(Y) else Y[::2]
    ours, theirs = fit_both([MonomialLifter(2)], EDMDClassifier(), rows, labels)
    assert_allclose(ours[-1].coef_, theirs[-1].coef_, atol=1e-9)
    assert_array_equal(ours.predict(rows), theirs.predict(rows))
    assert ours.n_features_in_ == 6


@pytest.mark.parametrize("form", [pd.DataFrame, np.ndarray.tolist], ids=["frame", "list"])
def test_rows_may_be_whatever_another_package_takes(form):
    ours, theirs = fit_both([PolynomialFeatures(2)], EDMDClassifier(), form(X))
    assert_allclose(ours[-1].coef_, theirs[-1].coef_, atol=1e-9)
    assert_array_equal(ours.predict(form(X)), theirs.predict(form(X)))


def test_a_teacher_may_see_the_observables():
    ours, theirs = pipelines([MonomialLifter(2)], EDMDClassifier(LinearTeacher(28)))
    ours.fit(X, Y, **{"step 1__teacher_X": None})
    expected = theirs.fit(X, Y)[-1].coef_
    assert_allclose(ours[-1].coef_, expected, atol=1e-8 * np.abs(expected).max())


def test_a_memmap_is_read_block_by_block(tmp_path):
    file = tmp_path / "rows.npy"
    np.save(file, MANY)
    rows = np.load(file, mmap_mode="r")
    pipeline = make_pipeline(LargestBlock(2), EDMDClassifier())
    assert kept_few(pipeline, lambda pipeline: pipeline.fit(rows, MANY_LABELS).predict(rows))


@pytest.mark.parametrize("n_rows", [1, 2, 300])
def test_few_rows_are_predicted_as_many_are(n_rows):
    pipeline = make_pipeline(REDUCER, MonomialLifter(2), EDMDClassifier()).fit(X, Y)
    expected = pipeline.decision_function(X)[:n_rows]
    assert_allclose(pipeline.decision_function(X[:n_rows]), expected, atol=1e-12)
    assert_array_equal(pipeline.predict(X[:n_rows].tolist()), expected.argmax(axis=1))


# A step that looks at all rows when it transforms must get all of them.


def less_the_mean(X):
    return X - X.mean(axis=0)


CENTRING = FunctionTransformer(less_the_mean)


@pytest.mark.parametrize(
    "step",
    [
        CENTRING,
        sklearn_pipeline.make_pipeline(CENTRING, MonomialLifter(2)),
        sklearn_pipeline.make_pipeline(MonomialLifter(2), CENTRING),
        sklearn_pipeline.make_union(MonomialLifter(1), CENTRING),
        FrozenEstimator(CENTRING),
    ],
    ids=["alone", "before a lifter", "after a lifter", "beside a lifter", "frozen"],
)
def test_a_step_that_looks_at_all_rows_gets_all_of_them(step):
    ours, theirs = pipelines([step], EDMDClassifier(ridge=1e-3))
    ours.fit(MANY, MANY_LABELS), theirs.fit(MANY, MANY_LABELS)
    assert_array_equal(ours[-1].coef_, theirs[-1].coef_)
    assert_array_equal(ours.predict(MANY), theirs.predict(MANY))


# Promises of scikit-learn


def test_steps_are_those_of_the_user():
    lifter, student = MonomialLifter(2), EDMDClassifier()
    pipeline = Pipeline([("reduce", REDUCER), ("lift", lifter), ("classify", student)])
    pipeline.fit(X, Y)
    assert pipeline.named_steps["lift"] is lifter
    assert pipeline[-1] is student
    assert pipeline["lift"].n_features_in_ == 4
    assert student.n_features_in_ == 15
    lifted = pipeline[:-1].transform(X)
    assert_allclose(student.decision_function(lifted), pipeline.decision_function(X))
    assert list(pipeline[:-1].get_feature_names_out())[:2] == ["1", "pca0"]


@pytest.mark.parametrize("globally", [False, True])
def test_names_of_observables_reach_the_student(globally):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    ours, theirs = pipelines([MonomialLifter(2)], EDMDClassifier())
    if not globally:
        ours.set_output(transform="pandas"), theirs.set_output(transform="pandas")
    with sklearn.config_context(transform_output="pandas" if globally else "default"):
        ours.fit(frame, Y), theirs.fit(frame, Y)
        assert_array_equal(ours[-1].feature_names_in_, theirs[-1].feature_names_in_)
        assert_array_equal(ours.predict(frame), theirs.predict(frame))
    assert ours[-1].feature_names_in_[1] == "a"


@pytest.mark.filterwarnings("error:X does not have valid feature names")
@pytest.mark.parametrize("output", ["default", "pandas"])
@pytest.mark.parametrize(
    "steps",
    [
        [RBFLifter(5, random_state=0)],
        [MonomialLifter(2), RBFLifter(5, random_state=0)],
        [StandardScaler(), FrozenEstimator(MonomialLifter(2).fit(X))],
        [Pipeline([("none", "passthrough"), ("lift", MonomialLifter(2))])],
    ],
    ids=["lifter", "lifters", "scaler", "nested"],
)
def test_data_frames_are_lifted_without_a_warning_of_names(steps, output):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    ours, theirs = pipelines(steps, EDMDClassifier())
    with sklearn.config_context(transform_output=output):
        ours.fit(frame, Y), theirs.fit(frame, Y)
        assert_allclose(ours.decision_function(frame), theirs.decision_function(frame))
        names = [getattr(each[-1], "feature_names_in_", None) for each in (ours, theirs)]
        assert_array_equal(*names)
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            ours[:-1].transform(X)  # scikit-learn says so, too


def test_other_names_are_refused():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    pipeline = make_pipeline(MonomialLifter(2), EDMDClassifier()).fit(frame, Y)
    with pytest.raises(ValueError, match="feature names should match"):
        pipeline.predict(frame[list("bacdef")])


@pytest.mark.parametrize("lifts", [True, False])
def test_a_lifter_inside_follows_those_before(lifts):
    inside = EDMDClassifier(lifter=MonomialLifter(2) if lifts else StandardScaler(), ridge=1e-3)
    ours, theirs = fit_both([REDUCER, MonomialLifter(1)], inside)
    assert_allclose(ours[-1].coef_, theirs[-1].coef_, atol=1e-9)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-9)


def test_grid_search_over_the_steps():
    pipeline = make_pipeline(PCA(), MonomialLifter(), EDMDClassifier())
    grid = {"monomiallifter__degree": [1, 2], "pca__n_components": [2, 3]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, Y)
    theirs = GridSearchCV(
        sklearn_pipeline.Pipeline(clone(pipeline).steps), grid, cv=3, error_score="raise"
    ).fit(X, Y)
    assert_array_equal(
        search.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"]
    )


def test_clones_copies_and_pickles():
    fitted = make_pipeline(REDUCER, MonomialLifter(2), EDMDClassifier()).fit(X, Y)
    for other in (pickle.loads(pickle.dumps(fitted)), clone(fitted).fit(X, Y)):
        assert_array_equal(other.predict(X), fitted.predict(X))


def test_memory_keeps_fitted_steps(tmp_path):
    steps = clone(REDUCER), LargestBlock(2), EDMDClassifier()
    plain = make_pipeline(*map(clone, steps)).fit(X, Y)
    for _ in range(2):
        pipeline = make_pipeline(*map(clone, steps), memory=str(tmp_path)).fit(X, Y)
        assert_array_equal(pipeline.predict(X), plain.predict(X))
        assert isinstance(pipeline[1], LargestBlock)


@pytest.mark.parametrize("routing", [False, True])
def test_weights_are_routed(routing):
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(X))
    with sklearn.config_context(enable_metadata_routing=routing):
        student = EDMDClassifier()
        if routing:
            student.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        ours, theirs = pipelines([MonomialLifter(2)], student)
        given = {"sample_weight" if routing else "step 1__sample_weight": weight}
        ours.fit(X, Y, **given), theirs.fit(X, Y, **given)
        assert_allclose(ours[-1].coef_, theirs[-1].coef_, atol=1e-10)
        assert ours.score(X, Y, sample_weight=weight) == theirs.score(
            X, Y, sample_weight=weight
        )


def negative(rows):
    return -rows


@pytest.mark.parametrize("transfer_set", [None, TransferSet(negative, keep_labels=True)])
def test_weights_are_routed_to_steps_that_lift_later(transfer_set):
    weight = np.random.default_rng(0).uniform(0, 2, size=len(X)) ** 4
    steps = ObservableSelector(MonomialLifter(2), max_observables=8), EDMDClassifier()
    unweighted = make_pipeline(*map(clone, steps)).fit(X, Y)
    steps[1].set_params(transfer_set=transfer_set)
    names = "observableselector", "edmdclassifier"
    by_name = {f"{name}__sample_weight": weight for name in names}
    expected = make_pipeline(*map(clone, steps)).fit(X, Y, **by_name)
    with sklearn.config_context(enable_metadata_routing=True):
        for step in steps:
            step.set_fit_request(sample_weight=True)
        found = make_pipeline(*steps).fit(X, Y, sample_weight=weight)
    chosen = [pipeline[0].get_feature_names_out() for pipeline in (found, expected, unweighted)]
    assert_array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])
    assert_allclose(found[-1].coef_, expected[-1].coef_)


# Errors


def fitted_pipeline():
    return make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier()).fit(X, Y)


@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_rows_that_cannot_be_are_refused(method):
    pipeline = make_pipeline(MonomialLifter(2), EDMDClassifier()).fit(X, Y)
    with pytest.raises(ValueError, match="X has 5 features, but MonomialLifter is expecting 6"):
        getattr(pipeline, method)(X[:, :5])
    with pytest.raises(ValueError, match="NaN"):
        getattr(pipeline, method)(np.full_like(X, np.nan))
    with pytest.raises(ValueError, match="0 sample"):
        getattr(pipeline, method)(X[:0])


def test_nan_is_refused_in_fit():
    broken = X.copy()
    broken[-1, -1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        make_pipeline(MonomialLifter(2), EDMDClassifier()).fit(broken, Y)


@pytest.mark.parametrize("labels", [None, Y[:-1], np.full(len(Y), np.nan)])
def test_labels_that_cannot_be_are_refused_as_scikit_learn_refuses_them(labels):
    ours, theirs = pipelines([MonomialLifter(2)], EDMDClassifier())
    with pytest.raises(ValueError) as expected:
        theirs.fit(X, labels)
    with pytest.raises(ValueError, match=r"(?i)y|samples|NaN") as found:
        ours.fit(X, labels)
    assert str(found.value).splitlines()[0] == str(expected.value).splitlines()[0]


def test_unfitted_pipelines_say_so():
    with pytest.raises(NotFittedError):
        make_pipeline(MonomialLifter(2), EDMDClassifier()).predict(X)


def test_a_fit_that_fails_leaves_the_student():
    pipeline = fitted_pipeline()
    before = pipeline[-1].coef_
    with pytest.raises(ValueError, match="class"):
        pipeline.fit(X, np.zeros(len(X)))
    assert pipeline[-1].coef_ is before


# Dask


@pytest.fixture
def chunked():
    return pytest.importorskip("dask.array").from_array(X, chunks=(90, 6))


def test_dask_arrays_in_front_of_all_steps(chunked):
    steps = FrozenEstimator(PCA(3).fit(X)), "passthrough", MonomialLifter(2)
    pipeline = make_pipeline(*steps, EDMDClassifier(ridge=1e-3)).fit(chunked, Y)
    expected = make_pipeline(*steps, EDMDClassifier(ridge=1e-3)).fit(X, Y)
    assert_allclose(pipeline[-1].coef_, expected[-1].coef_, atol=1e-9)
    predicted = pipeline.predict(chunked)
    assert hasattr(predicted, "__dask_graph__")
    assert_array_equal(predicted.compute(), expected.predict(X))
    assert pipeline.score(chunked, Y) == expected.score(X, Y)


def test_a_pipeline_inside_that_learns_nothing_takes_dask_arrays(chunked):
    inside = sklearn_pipeline.make_pipeline(PolynomialFeatures(1), MonomialLifter(2))
    found, expected = (
        make_pipeline(clone(inside), EDMDClassifier(ridge=1e-3)).fit(rows, Y)
        for rows in (chunked, X)
    )
    assert_allclose(found[-1].coef_, expected[-1].coef_, atol=1e-9)
    learns = sklearn_pipeline.make_pipeline(StandardScaler(), MonomialLifter(2))
    with pytest.raises(TypeError, match="would have to learn from a dask array"):
        make_pipeline(learns, EDMDClassifier()).fit(chunked, Y)


def test_a_teacher_may_see_the_observables_of_chunks(chunked):
    found, expected = pipelines([MonomialLifter(2)], EDMDClassifier(LinearTeacher(28)))
    for pipeline, rows in (found, chunked), (expected, X):
        pipeline.fit(rows, Y, **{"step 1__teacher_X": None})
    assert_allclose(found[-1].coef_, expected[-1].coef_, atol=1e-8)


def test_names_of_observables_of_chunks_reach_the_student(chunked):
    pipeline = make_pipeline(MonomialLifter(2), EDMDClassifier()).set_output(transform="pandas")
    pipeline.fit(chunked, Y)
    names = pipeline[0].get_feature_names_out()
    assert_array_equal(pipeline[-1].feature_names_in_, names)
    assert_array_equal(pipeline.predict(chunked).compute(), pipeline.predict(X))


def test_a_teacher_sees_the_chunks_that_entered(chunked):
    steps = FrozenEstimator(PCA(3).fit(X)), MonomialLifter(2)
    student = KoopmanDistilledClassifier(TEACHER, ridge=1e-2, tol=1e-8)
    found = make_pipeline(*steps, clone(student)).fit(chunked, Y)
    expected = make_pipeline(*steps, clone(student)).fit(X, Y)
    assert_allclose(found[-1].coef_, expected[-1].coef_, atol=1e-5)


def test_steps_that_would_learn_from_dask_arrays_are_refused(chunked):
    with pytest.raises(TypeError, match="PCA would have to learn from a dask array"):
        make_pipeline(PCA(2), MonomialLifter(2), EDMDClassifier()).fit(chunked, Y)


# Steps are fitted in place, as in scikit-learn's pipeline. Its own tests expect this.
FITTED_IN_PLACE = {"check_estimators_overwrite_params": "steps are parameters, and are fitted"}


@parametrize_with_checks(
    [
        make_pipeline(StandardScaler(), MonomialLifter(), EDMDClassifier()),
        make_pipeline(
            MonomialLifter(), KoopmanDistilledClassifier(soft_weight=0, max_iter=20, tol=1e-3)
        ),
    ],
    expected_failed_checks=lambda estimator: FITTED_IN_PLACE,
)
def test_estimator_checks(estimator, check):
    check(estimator)
