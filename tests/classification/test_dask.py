"""Classifiers fitted to dask arrays: the same models, whoever computes the chunks."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_koopman import (
    DelayLifter,
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    ObservableSelector,
)
from sklearn_koopman.pipeline import make_pipeline as make_teacher_pipeline
from sklearn_koopman.teachers import TorchTeacher

from .helpers import LinearTeacher, samples

dask = pytest.importorskip("dask", reason="dask is not installed")
pytest.importorskip("distributed", reason="distributed is not installed")
da = pytest.importorskip("dask.array")

X, Y = samples(n_samples=700, n_features=5)
WEIGHT = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
LOGITS = LinearTeacher(5).logits(X)
CHUNKS = (150, 5)

EDMD = EDMDClassifier(ridge=1e-3, lifter=MonomialLifter(2))
DISTILLED = KoopmanDistilledClassifier(ridge=1e-2, lifter=MonomialLifter(2), tol=1e-10)
both_classifiers = pytest.mark.parametrize("student", [EDMD, DISTILLED], ids=["edmd", "kd"])


def with_parameters(student, **parameters):
    """Return an unfitted copy of a student with other parameters."""
    return type(student)(**{**student.get_params(deep=False), **parameters})


def chunked(array, rows=CHUNKS[0]):
    """Return a dask array of chunks of rows."""
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


def assert_same_model(student, expected):
    assert_allclose(student.coef_, expected.coef_, rtol=1e-8, atol=1e-8)
    assert_allclose(student.intercept_, expected.intercept_, rtol=1e-8, atol=1e-8)
    assert_array_equal(student.classes_, expected.classes_)


class Deadly:
    """A function of rows that kills its worker once, in its n-th call there."""

    def __init__(self, function, corpse, n_calls=1):
        self.function = function
        self.corpse = corpse
        self.n_calls = n_calls
        self.survivor = os.getpid()

    def __call__(self, X):
        self.n_calls -= 1
        is_due = self.n_calls <= 0 and os.getpid() != self.survivor
        if is_due and not self.corpse.exists():
            self.corpse.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.function(X)


CALLS = []  # the calls of DeadlyLifter in this process


class DeadlyLifter(TransformerMixin, BaseEstimator):
    """Monomials that kill a worker once, in the n-th block that it lifts."""

    def __init__(self, corpse, survivor, n_calls):
        self.corpse = corpse
        self.survivor = survivor
        self.n_calls = n_calls

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        CALLS.append(len(X))
        is_due = len(CALLS) >= self.n_calls and os.getpid() != self.survivor
        if is_due and not self.corpse.exists():
            self.corpse.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return MonomialLifter(2).fit_transform(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


@pytest.fixture(scope="module")
def _quick_to_start():
    """Fork workers from a process that has already imported all that they need."""
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(["distributed", __name__])
        yield


@pytest.fixture
def client(_quick_to_start):
    """A client of two new workers. dask may give up a worker that dies while it is restarted."""
    from distributed import LocalCluster

    two_processes = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with two_processes as cluster, cluster.get_client() as client:
        yield client


@pytest.fixture
def _in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


in_this_thread = pytest.mark.usefixtures("_in_this_thread")


# On a cluster of processes


@both_classifiers
def test_a_cluster_finds_the_model_of_one_process(client, student):
    student = with_parameters(student, teacher=LinearTeacher(5).logits)
    expected = with_parameters(student).fit(X, Y, WEIGHT)
    student.fit(chunked(X).persist(), chunked(Y), chunked(WEIGHT))
    assert_same_model(student, expected)
    assert_array_equal(student.predict(chunked(X)).compute(), expected.predict(X))
    assert student.score(chunked(X), chunked(Y)) == expected.score(X, Y)


@pytest.mark.slow
@both_classifiers
def test_a_worker_killed_while_the_teacher_speaks(client, student, tmp_path):
    teacher = Deadly(LinearTeacher(5).logits, tmp_path / "corpse", n_calls=3)
    student = with_parameters(student, teacher=teacher)
    expected = with_parameters(student).fit(X, Y)
    student.fit(chunked(X), chunked(Y))
    assert teacher.corpse.exists()
    assert_same_model(student, expected)


@pytest.mark.slow
@both_classifiers
def test_a_worker_killed_in_the_middle_of_the_sums(client, student, tmp_path):
    n_calls = 2 if student is EDMD else 30  # distillation passes over the rows many times
    lifter = DeadlyLifter(tmp_path / "corpse", os.getpid(), n_calls)
    student = with_parameters(student, lifter=lifter)
    expected = with_parameters(student).fit(X, Y, soft_labels=LOGITS)
    student.fit(chunked(X).persist(), chunked(Y), soft_labels=chunked(LOGITS).persist())
    assert lifter.corpse.exists()
    assert_same_model(student, expected)


@pytest.mark.slow
def test_samples_of_rows_on_a_cluster(client):
    X, y = samples(n_samples=15_000, n_features=12)
    student = with_parameters(DISTILLED, soft_weight=0.0, ridge=1e-5, tol=1e-9)
    expected = with_parameters(student).fit(X, y)
    student.fit(chunked(X, 3000).persist(), chunked(y, 3000))
    assert_same_model(student, expected)


# Chunks of any kind, on any scheduler


@in_this_thread
@both_classifiers
@pytest.mark.parametrize("rows", [1, 64, 150, 699, 700])
def test_any_chunks(student, rows):
    if rows == 1:
        X_few, y_few, logits = X[:12], Y[:12], LOGITS[:12]
    else:
        X_few, y_few, logits = X, Y, LOGITS
    expected = with_parameters(student).fit(X_few, y_few, soft_labels=logits)
    X_chunks = da.from_array(X_few, chunks=(rows, 2))
    student = with_parameters(student).fit(X_chunks, y_few, soft_labels=chunked(logits, 101))
    assert_same_model(student, expected)


@in_this_thread
def test_objects_beside_dask_arrays_are_refused_as_they_are_in_memory():
    objects = LOGITS.astype(object)  # dask cannot tell their size
    for rows in (X, chunked(X)):
        with pytest.raises(ValueError, match="soft_labels") as refusal:
            with_parameters(EDMD).fit(rows, Y, soft_labels=objects)
        assert "object" in str(refusal.value)


@in_this_thread
@both_classifiers
def test_rows_in_memory_beside_dask_arrays(student):
    expected = with_parameters(student).fit(X, Y, WEIGHT, soft_labels=LOGITS)
    student = with_parameters(student)
    student.fit(X, chunked(Y), chunked(WEIGHT), soft_labels=chunked(LOGITS))
    assert_array_equal(student.coef_, expected.coef_)
    assert_array_equal(student.predict(X), expected.predict(X))


@in_this_thread
def test_empty_chunks():
    X_chunks = da.concatenate([chunked(X)[:0], chunked(X), chunked(X)[:0]])
    student = with_parameters(EDMD).fit(X_chunks, Y)
    assert_same_model(student, with_parameters(EDMD).fit(X, Y))
    assert_array_equal(student.predict(X_chunks).compute(), student.predict(X))


@in_this_thread
@pytest.mark.parametrize(
    "parameters", [{"solver": "svd"}, {"ridge": 0.0}, {"rank": 1}], ids=repr
)
def test_the_ways_of_edmd(parameters):
    student = with_parameters(EDMD, **parameters)
    expected = with_parameters(student).fit(X, Y)
    assert_same_model(student.fit(chunked(X), chunked(Y)), expected)
    assert student.solver_ == expected.solver_


@in_this_thread
def test_partial_fit_of_edmd():
    student = with_parameters(EDMD)
    student.partial_fit(chunked(X[:300]), Y[:300], classes=[0, 1, 2])
    student.partial_fit(chunked(X[300:]), Y[300:])
    assert_same_model(student, with_parameters(EDMD).fit(X, Y))


@in_this_thread
@both_classifiers
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_float32_and_integers(student, dtype):
    rows = X.astype(dtype)
    student = with_parameters(student)
    if isinstance(student, KoopmanDistilledClassifier):
        student.tol = 1e-6  # float32 has digits for this
    expected = with_parameters(student).fit(rows, Y, soft_labels=LOGITS)
    student.fit(chunked(rows), Y, soft_labels=chunked(LOGITS))
    assert student.coef_.dtype == expected.coef_.dtype
    logits = student.decision_function(chunked(rows))
    expected_logits = expected.decision_function(rows)
    assert logits.dtype == expected_logits.dtype
    assert_allclose(logits.compute(), expected_logits, rtol=1e-3, atol=1e-3)


@in_this_thread
@both_classifiers
def test_labels_of_strings_with_some_missing(student):
    y = np.array(["cat", "dog", "eel"])[Y].astype(object)
    y[::3] = "?"
    student = with_parameters(student, unlabeled_value="?")
    expected = with_parameters(student).fit(X, y, soft_labels=LOGITS)
    student.fit(chunked(X), chunked(y), soft_labels=chunked(LOGITS))
    assert_same_model(student, expected)
    assert_array_equal(student.predict(chunked(X)).compute(), expected.predict(X))


FITTED = LogisticRegression(max_iter=3000).fit(X, Y)
TEACHERS = {
    "callable": LinearTeacher(5).logits,
    "frozen": FrozenEstimator(FITTED),
    "bound method": FITTED.predict_proba,
}


@in_this_thread
@both_classifiers
@pytest.mark.parametrize("teacher", TEACHERS.values(), ids=TEACHERS.keys())
def test_teachers(student, teacher):
    student = with_parameters(student, teacher=teacher)
    expected = with_parameters(student).fit(X, Y)
    assert_same_model(student.fit(chunked(X), chunked(Y)), expected)


@in_this_thread
@both_classifiers
def test_a_torch_module(student):
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(5, 3, dtype=torch.float64)
    student = with_parameters(student, teacher=TorchTeacher(module, batch_size=64))
    expected = with_parameters(student).fit(X, Y)
    assert_same_model(student.fit(chunked(X), chunked(Y)), expected)


@in_this_thread
@both_classifiers
@pytest.mark.parametrize("is_chunked", [True, False])
def test_teacher_X(student, is_chunked):
    images = X.reshape(-1, 5, 1)
    student = with_parameters(student, teacher=lambda images: images[:, :3, 0])
    expected = with_parameters(student).fit(X, Y, teacher_X=images)
    teacher_X = chunked(images, 200) if is_chunked else images
    assert_same_model(student.fit(chunked(X), Y, teacher_X=teacher_X), expected)


@in_this_thread
@both_classifiers
@pytest.mark.parametrize(
    "lifter",
    [
        None,
        make_pipeline(FrozenEstimator(PCA(3).fit(X)), MonomialLifter(2)),
        make_pipeline("passthrough", FunctionTransformer(np.tanh)),
        DelayLifter(2),
        FrozenEstimator(ObservableSelector(MonomialLifter(2), max_observables=6).fit(X, Y)),
    ],
    ids=["none", "frozen PCA", "function", "delays", "chosen observables"],
)
def test_lifters(student, lifter):
    student = with_parameters(student, lifter=lifter)
    expected = with_parameters(student).fit(X, Y, soft_labels=LOGITS)
    student.fit(chunked(X), Y, soft_labels=chunked(LOGITS))
    assert_same_model(student, expected)
    assert_allclose(
        student.decision_function(chunked(X)).compute(), expected.decision_function(X)
    )


@in_this_thread
@both_classifiers
def test_a_pipeline_that_hands_the_rows_on(student):
    student = with_parameters(student, teacher=LinearTeacher(5).logits)
    pipeline = make_teacher_pipeline("passthrough", with_parameters(student))
    pipeline.fit(chunked(X), Y)
    assert_same_model(pipeline[-1], student.fit(X, Y))


@in_this_thread
@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_are_lazy(n_classes):
    y = Y % n_classes
    asked = []

    def rows(block):
        asked.append(len(block))
        return block

    X_lazy = chunked(X).map_blocks(rows, meta=np.empty((0, 5)))
    student = with_parameters(DISTILLED, soft_weight=0.0).fit(X, y)
    for method in ("predict", "predict_proba", "decision_function"):
        lazy, expected = getattr(student, method)(X_lazy), getattr(student, method)(X)
        assert isinstance(lazy, da.Array)
        assert lazy.shape == expected.shape
        assert lazy.dtype == expected.dtype
        assert lazy.chunks[0] == X_lazy.chunks[0]
        assert not asked
        assert_array_equal(lazy[:10].compute(), expected[:10])
        assert asked == [150]
        asked.clear()
        assert_array_equal(lazy.compute(), expected)
        asked.clear()
    score = student.score(X_lazy, chunked(y), chunked(WEIGHT))
    assert score == student.score(X, y, WEIGHT)
    assert isinstance(score, float)


# Refused inputs


@in_this_thread
@both_classifiers
def test_a_teacher_that_must_be_fitted(student):
    student = with_parameters(student, teacher=LogisticRegression())
    with pytest.raises(
        TypeError, match=r"LogisticRegression\(\) .*FrozenEstimator; or .* soft"
    ):
        student.fit(chunked(X), Y)
    student.fit(chunked(X), Y, soft_labels=LOGITS)


@in_this_thread
@both_classifiers
@pytest.mark.parametrize(
    "lifter",
    [
        StandardScaler(),
        make_pipeline(PCA(2), MonomialLifter(2)),
        ObservableSelector(MonomialLifter(2)),
    ],
)
def test_a_lifter_that_must_be_fitted(student, lifter):
    student = with_parameters(student, lifter=lifter)
    with pytest.raises(
        TypeError, match=r"(Scaler|PCA|Selector) would have .*FrozenEstimator\("
    ):
        student.fit(chunked(X), Y, soft_labels=LOGITS)


@in_this_thread
def test_adam():
    student = with_parameters(DISTILLED, solver="adam")
    message = r"solver='adam' takes no dask arrays: .* solver='lbfgs', or"
    with pytest.raises(TypeError, match=message):
        student.fit(chunked(X), Y, soft_labels=LOGITS)
    with pytest.raises(TypeError, match=message):
        student.partial_fit(chunked(X), Y, [0, 1, 2], soft_labels=LOGITS)


@in_this_thread
def test_a_torch_device():
    student = with_parameters(DISTILLED, device="cpu")
    with pytest.raises(TypeError, match=r"device='cpu' takes no dask arrays.*device=None"):
        student.fit(chunked(X), Y, soft_labels=LOGITS)


@in_this_thread
@both_classifiers
def test_rows_that_are_no_numbers(student):
    rows = X.copy()
    rows[-1, 0] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        student.fit(chunked(rows), Y, soft_labels=LOGITS)


@in_this_thread
def test_other_forms_of_rows():
    with pytest.raises(ValueError, match=r"Expected 2D array, got 1D .*\(700,\)"):
        EDMD.fit(chunked(Y), Y)
    unknown = chunked(X)[chunked(Y) > 0]
    with pytest.raises(
        ValueError, match=r"number of rows of X is not known.*compute_chunk_sizes"
    ):
        EDMD.fit(unknown, Y)
    with pytest.raises(TypeError, match=r"X is a dask\.delayed.* only dask arrays"):
        EDMD.fit(dask.delayed(X), Y)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[700, 10\]"):
        EDMD.fit(chunked(X), Y[:10])
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[700, 10\]"):
        EDMD.fit(chunked(X), Y, soft_labels=chunked(LOGITS[:10]))
    student = with_parameters(EDMD).fit(X, Y)
    with pytest.raises(ValueError, match="X has 3 features, but EDMDClassifier is expecting 5"):
        student.predict(chunked(X[:, :3]))


@in_this_thread
@both_classifiers
def test_outputs_of_which_only_some_chunks_are_probabilities(student):
    mixed = LOGITS.copy()
    mixed[:150] = 1 / 3
    with pytest.raises(
        ValueError, match=r"some chunks look like prob.* set teacher_output='proba'"
    ):
        student.fit(chunked(X), Y, soft_labels=chunked(mixed))
    student = with_parameters(student, teacher_output="logits")
    expected = with_parameters(student).fit(X, Y, soft_labels=mixed)
    student.fit(chunked(X), Y, soft_labels=chunked(mixed))
    assert_same_model(student, expected)


@in_this_thread
@both_classifiers
def test_a_teacher_that_fails_on_the_workers(student):
    student = with_parameters(student, teacher=LinearTeacher(4).logits)
    with pytest.raises(ValueError, match="three ways out"):
        student.fit(chunked(X), Y)


def test_arrays_in_memory_need_no_dask():
    code = (
        "import sys; sys.modules['dask'] = None\n"
        "from sklearn_koopman import EDMDClassifier\n"
        "EDMDClassifier().fit([[0.0], [1.0], [3.0]], [0, 1, 1]).predict([[0.0]])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "model", [EDMDClassifierCV(), KoopmanDistilledClassifierCV(soft_weights=[0.0])]
)
def test_cross_validation_inside_takes_no_dask_arrays(model):
    with pytest.raises(TypeError, match=f"{type(model).__name__} takes no dask arrays"):
        model.fit(da.zeros((10, 2)), np.arange(10) % 2)
