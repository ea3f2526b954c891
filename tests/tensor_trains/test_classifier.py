"""Tensor-train students, and the sources from which they learn."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline

from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    TensorTrainClassifier,
)
from sklearn_koopman.deployment import detach_teacher

from ..classification.helpers import LinearTeacher, fitted, samples

X, Y = samples()
pytestmark = pytest.mark.filterwarnings("ignore:als has not settled")


def train(*args, **settings):
    settings = {"rank": 3, "max_iter": 3, "random_state": 0, **settings}
    return TensorTrainClassifier(*args, **settings)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:1200] / 16, y[:1200], X[1200:] / 16, y[1200:]


@pytest.mark.parametrize(
    ("settings", "accuracy"),
    [
        ({"loss": "squared_error", "max_iter": 5}, 0.91),
        ({"max_iter": 3}, 0.88),
        ({"solver": "adam", "max_iter": 20, "dropout": 0.1, "ridge": 0.0}, 0.92),
        ({"solver": "adam", "max_iter": 20, "feature_map": "trigonometric"}, 0.9),
        ({"solver": "adam", "max_iter": 20, "feature_map": "legendre", "degree": 2}, 0.9),
        ({"solver": "adam", "max_iter": 20, "loss": "squared_error"}, 0.88),
    ],
)
def test_digits_from_64_pixels(digits, settings, accuracy):
    X, y, X_test, y_test = digits
    student = TensorTrainClassifier(
        soft_weight=0.0, rank=6, random_state=0, batch_size=50, **settings
    ).fit(X, y)
    assert student.score(X_test, y_test) > accuracy
    assert student.tensor_train_.n_parameters < 10_000
    assert len(student.history_) == student.n_iter_


def test_full_rank_is_edmd_on_the_whole_dictionary():
    rows = X[:, :3]
    student = train(rank=4, loss="squared_error", ridge=0.0, max_iter=40, tol=0.0).fit(rows, Y)
    t = (rows - student.local_features_.shift) / student.local_features_.scale
    lifter = MonomialLifter(3, interaction_only=True)
    explicit = EDMDClassifier(lifter=lifter, ridge=1e-12).fit(t, Y)
    assert_allclose(student.decision_function(rows), explicit.decision_function(t), atol=0.02)


def test_full_rank_is_the_distilled_student_of_the_whole_dictionary():
    rows, teacher = X[:, :2], LinearTeacher(2)
    settings = {"soft_weight": 0.7, "temperature": 3.0}
    student = train(teacher, rank=2, ridge=0.0, max_iter=30, tol=0.0, **settings)
    student.fit(rows, Y)
    lifter = MonomialLifter(2, interaction_only=True)
    explicit = KoopmanDistilledClassifier(teacher, ridge=0.0, lifter=lifter, **settings)
    explicit.fit(rows, Y)
    assert_allclose(student.predict_proba(rows), explicit.predict_proba(rows), atol=2e-3)
    assert_allclose(student.objective_, explicit.objective_, rtol=1e-3)


@pytest.mark.parametrize("feature_map", ["monomial", "legendre"])
@pytest.mark.parametrize("units", [1.0, 1e3])
def test_sweeps_fit_the_rows_at_least_as_well_as_a_linear_model(feature_map, units):
    rows = X * np.where(np.arange(X.shape[1]) % 2, units, 1.0)
    linear = KoopmanDistilledClassifier(soft_weight=0.0, ridge=1e-3).fit(rows, Y)
    student = train(soft_weight=0.0, rank=3, feature_map=feature_map).fit(rows, Y)
    losses = [record["objective"] for record in student.history_]
    assert max(losses) <= log_loss(Y, linear.predict_proba(rows))
    assert losses == sorted(losses, reverse=True)
    assert_allclose(log_loss(Y, student.predict_proba(rows)), losses[-1])


def test_the_start_is_of_the_same_loss():
    logits = np.column_stack([X[:, 0], -X[:, 0], 0.1 * X[:, 1]])
    settings = {"loss": "squared_error", "ridge": 1e9}
    student = train(**settings).fit(X, Y, soft_labels=logits)
    expected = logits - logits.mean(axis=1, keepdims=True)
    assert_allclose(student.decision_function(X), expected, atol=0.01)


@pytest.mark.parametrize("solver", ["als", "adam"])
def test_the_teacher_is_followed(solver):
    teacher = LinearTeacher()
    settings = {"solver": solver, "max_iter": 60, "batch_size": 30, "ridge": 1e-3}
    student = train(teacher, soft_weight=1.0, **settings).fit(X, Y)
    chosen = teacher.logits(X).argmax(axis=1)
    assert np.mean(student.predict(X) == chosen) > 0.95
    alone = train(soft_weight=0.0, **settings).fit(X, Y)
    assert np.mean(student.predict(X) == chosen) > np.mean(alone.predict(X) == chosen)


def test_soft_labels_are_what_the_teacher_says():
    teacher = LinearTeacher()
    asked = train(teacher).fit(X, Y)
    given = train().fit(X, Y, soft_labels=teacher.logits(X))
    assert_array_equal(asked.decision_function(X), given.decision_function(X))


def test_squared_error_follows_logits_or_labels():
    teacher = LinearTeacher()
    logits = teacher.logits(X)
    student = train(teacher, loss="squared_error", ridge=0.0, rank=4, max_iter=10, tol=0).fit(
        X, Y
    )
    assert_allclose(
        student.decision_function(X), logits - logits.mean(axis=1, keepdims=True), atol=0.05
    )
    assert not hasattr(student, "predict_proba")
    assert train(loss="squared_error").fit(X, Y).score(X, Y) > 0.6


def test_the_teacher_sees_what_fit_received():
    teacher = LinearTeacher()
    train(teacher, lifter=PCA(3)).fit(X, Y)
    assert_array_equal(teacher.seen[0], X)


def test_variables_come_from_the_lifter():
    pca = PCA(3, random_state=0)
    inside = train(soft_weight=0.0, lifter=pca).fit(X, Y)
    outside = make_pipeline(pca, train(soft_weight=0.0)).fit(X, Y)
    assert_allclose(inside.predict_proba(X), outside.predict_proba(X))
    assert len(inside.tensor_train_.cores) == 3


def test_rows_without_labels():
    teacher = LinearTeacher()
    y = np.where(np.arange(len(Y)) < 75, Y, -1)
    student = train(teacher, unlabeled_value=-1).fit(X, y)
    assert_array_equal(student.classes_, [0, 1, 2])
    no_labels = train(
        teacher, soft_weight=1.0, unlabeled_value=-1, teacher_classes=[0, 1, 2]
    ).fit(X, np.full(len(Y), -1))
    labels = train(teacher, soft_weight=1.0).fit(X, Y)
    assert_allclose(no_labels.predict_proba(X), labels.predict_proba(X))


def test_no_soft_targets():
    with pytest.raises(ValueError, match=r"soft_weight=0\.5 needs soft targets"):
        train().fit(X, Y)


@pytest.mark.parametrize("solver", ["als", "adam"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(solver, dtype):
    student = train(soft_weight=0.0, solver=solver).fit(X.astype(dtype), Y)
    assert student.tensor_train_.cores[0].dtype == dtype
    assert student.decision_function(X.astype(dtype)).dtype == dtype
    assert student.predict_proba(X.astype(dtype)).dtype == dtype


def test_float32_is_as_good():
    double, single = (
        train(soft_weight=0.0, ridge=0.1).fit(X.astype(dtype), Y).predict_proba(X)
        for dtype in (np.float64, np.float32)
    )
    assert_allclose(single, double, atol=1e-2)


@pytest.mark.parametrize("solver", ["als", "adam"])
def test_the_same_seed_gives_the_same_bits(solver):
    settings = {"soft_weight": 0.0, "solver": solver, "dropout": 0.2}
    first, second = (train(**settings).fit(X, Y).decision_function(X) for _ in range(2))
    assert_array_equal(first, second)


@pytest.mark.filterwarnings("ignore:The best loss:sklearn.exceptions.ConvergenceWarning")
def test_the_best_epoch_on_held_out_rows_is_kept():
    student = train(
        soft_weight=0.0, solver="adam", max_iter=60, batch_size=10, learning_rate=0.1,
        validation_fraction=0.3, rank=6, degree=3,
    ).fit(X, Y)  # fmt: skip
    scores = [record["validation_accuracy"] for record in student.history_]
    assert len(scores) == student.n_iter_ == 60
    best = int(np.argmax(scores))
    assert best < 59
    # The schedule of the learning rate makes the first epochs of a longer run different. So compare
    # the kept train with its recorded loss on the held-out rows.
    order = np.random.RandomState(0).permutation(len(X))
    held_out = order[: int(0.3 * len(X))]
    assert_allclose(student.score(X[held_out], Y[held_out]), scores[best])
    stopped = train(
        soft_weight=0.0, solver="adam", max_iter=60, batch_size=10, learning_rate=0.1,
        validation_fraction=0.3, rank=6, degree=3, n_iter_no_change=2,
    ).fit(X, Y)  # fmt: skip
    assert stopped.n_iter_ < 60


def test_validation_that_leaves_no_weight():
    weight = np.zeros(len(X))
    weight[np.random.RandomState(0).permutation(len(X))[:5]] = 1.0
    student = train(soft_weight=0.0, validation_fraction=0.1)
    with pytest.raises(ValueError, match=r"validation_fraction=0.1 leaves no row of positive"):
        student.fit(X, Y, weight)
    assert fitted(student) == {}


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value")
def test_products_that_overflow():
    rows = np.random.default_rng(0).normal(size=(100, 700)).astype(np.float32)
    rows[0] *= 50
    student = train(soft_weight=0.0, solver="adam", degree=4, batch_size=10)
    with pytest.raises(
        ValueError, match=r"The objective is .*the products of the local features"
    ):
        student.fit(rows, Y[:100])
    assert fitted(student) == {}


def test_a_rate_that_is_too_high_is_no_silence():
    settings = {"soft_weight": 0.0, "solver": "adam", "batch_size": 10, "rank": 6, "degree": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(**settings, learning_rate=1e-2, max_iter=20).fit(X, Y)
    message = r"the loss rose from .* Lower learning_rate=1.0"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        train(**settings, learning_rate=1.0, max_iter=20).fit(X, Y)
    assert [warning.filename for warning in caught] == [__file__]


def test_the_bound_of_the_steps_keeps_hundreds_of_variables_from_breaking_down():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 1)) + rng.normal(size=(600, 500))
    labels = (rows[:, :5].sum(axis=1) > 0).astype(int)
    student = train(
        soft_weight=0.0, solver="adam", rank=8, batch_size=50, max_iter=6, ridge=0.0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        student.fit(rows, labels)
    assert max(record["objective"] for record in student.history_) < 0.8
    assert student.score(rows, labels) > 0.9


def test_sweeps_that_do_not_settle():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match="als has not settled after 2 sweeps"):
            train(soft_weight=0.0, max_iter=2, tol=0.0).fit(X, Y)


def test_progress(capsys):
    train(soft_weight=0.0, max_iter=1, verbose=2).fit(X, Y)
    assert capsys.readouterr().out.startswith("sweep    1: objective 0.")
    settings = {"solver": "adam", "max_iter": 2, "batch_size": 30, "validation_fraction": 0.2}
    train(soft_weight=0.0, verbose=2, **settings).fit(X, Y)
    assert "epoch    2: objective" in (out := capsys.readouterr().out)
    assert "validation_accuracy" in out


def test_a_fit_that_fails_leaves_the_old_one():
    student = train(soft_weight=0.0).fit(X, Y)
    before = student.decision_function(X)
    with pytest.raises(ValueError, match="NaN"):
        student.fit(np.full_like(X, np.nan), Y)
    assert_array_equal(student.decision_function(X), before)


def test_too_many_variables_for_the_memory(has_memory):
    has_memory(1000)
    with pytest.raises(
        MemoryError, match=r"tensor train of rank 3 for 5 variables .*Lower the"
    ):
        train(soft_weight=0.0).fit(X, Y)


def test_dask_arrays_are_refused():
    dask_array = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="TensorTrainClassifier takes no dask arrays"):
        train(soft_weight=0.0).fit(dask_array.from_array(X), Y)


def test_shipping_without_the_teacher():
    student = train(LogisticRegression(), ridge=0.1).fit(X, Y)
    shipped = pickle.loads(pickle.dumps(detach_teacher(student)))
    assert shipped.teacher is None
    assert_array_equal(shipped.predict_proba(X), student.predict_proba(X))
