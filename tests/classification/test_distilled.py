import pickle
import signal
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter

from .helpers import LinearTeacher, fitted, one_hot, samples, scaled, unscaled

X, Y = samples()
TEACHER = LinearTeacher()
LOGITS = TEACHER.logits(scaled(X)[0])
P = softmax(LOGITS, axis=1)
WEIGHT = np.linspace(0.2, 1.8, len(X))


def student(**parameters):
    return KoopmanDistilledClassifier(**({"ridge": 1e-2, "tol": 1e-9} | parameters))


# The model against scikit-learn's


@pytest.mark.parametrize("sample_weight", [None, WEIGHT], ids=["equal weights", "weighted"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_soft_targets_it_is_logistic_regression(sample_weight, n_classes):
    X, y = samples(n_classes=n_classes)
    model = student(soft_weight=0.0).fit(X, y, sample_weight)
    Z, _ = scaled(X, sample_weight)
    total = len(X) if sample_weight is None else sample_weight.sum()
    # For two classes scikit-learn has one vector: the difference of the student's two vectors.
    # The penalty makes these two its halves, so it is counted twice.
    C = (2 if n_classes == 2 else 1) / (1e-2 * total)
    oracle = LogisticRegression(C=C, tol=1e-10, max_iter=1000).fit(Z, y, sample_weight)
    assert_allclose(model.predict_proba(X), oracle.predict_proba(Z), atol=1e-6)
    assert_array_equal(model.predict(X), oracle.predict(Z))


def test_at_temperature_1_it_is_logistic_regression_on_rows_repeated_per_class():
    model = student(soft_weight=1.0, temperature=1.0).fit(X, Y, soft_labels=P)
    Z, scaler = scaled(X)
    oracle = LogisticRegression(C=1 / (1e-2 * len(X)), tol=1e-10, max_iter=1000)
    oracle.fit(np.repeat(Z, 3, axis=0), np.tile([0, 1, 2], len(X)), P.ravel())
    coef, _ = unscaled(oracle.coef_, oracle.intercept_, scaler)
    assert_allclose(model.coef_, coef, atol=1e-5)
    assert_allclose(model.predict_proba(X), oracle.predict_proba(Z), atol=1e-6)


def test_it_minimises_the_formula_of_its_docstring():
    """Temperature 3, soft weight 0.3, weights, and every third row without a label."""
    a, T, ridge = 0.3, 3.0, 1e-2
    y = np.where(np.arange(len(X)) % 3 == 0, -1, Y)
    labelled = y != -1
    Z, _ = scaled(X, WEIGHT)

    def loss(parameters):
        W, b = parameters[:15].reshape(5, 3), parameters[15:]
        s = Z @ W + b
        cross_entropy = -log_softmax(s, axis=1)[np.arange(len(X)), Y]
        log_p, log_q = log_softmax(LOGITS / T, axis=1), log_softmax(s / T, axis=1)
        divergence = (np.exp(log_p) * (log_p - log_q)).sum(axis=1)
        return (
            (1 - a) * np.average(cross_entropy[labelled], weights=WEIGHT[labelled])
            + a * T**2 * np.average(divergence, weights=WEIGHT)
            + ridge / 2 * (W**2).sum()
        )

    oracle = minimize(loss, np.zeros(18), method="BFGS", options={"gtol": 1e-7})
    W, b = oracle.x[:15].reshape(5, 3), oracle.x[15:]
    model = student(soft_weight=a, temperature=T, ridge=ridge, unlabeled_value=-1)
    model.fit(X, y, WEIGHT, soft_labels=LOGITS)
    assert_allclose(model.objective_, oracle.fun, rtol=1e-8)
    assert_allclose(model.predict_proba(X), softmax(Z @ W + b, axis=1), atol=1e-5)


def test_without_ridge():
    model = student(ridge=0.0, soft_weight=1.0, temperature=1.0).fit(X, Y, soft_labels=P)
    assert_allclose(model.predict_proba(X), P, atol=1e-5)  # the student finds a linear teacher


@pytest.mark.parametrize("include_bias", [True, False])
def test_koopman_matrix(include_bias):
    lifter = MonomialLifter(2, include_bias=include_bias)
    model = student(lifter=lifter).fit(X, Y, soft_labels=P)
    psi = lifter.fit_transform(X)
    intercept = 0 if include_bias else model.intercept_
    assert_allclose(
        psi @ model.koopman_matrix_.T + intercept, model.decision_function(X), atol=1e-9
    )
    assert model.koopman_matrix_.shape == model.coef_.shape == (3, psi.shape[1])


@pytest.mark.parametrize("n_classes", [2, 4])
def test_outputs_are_consistent(n_classes):
    X, y = samples(n_classes=n_classes)
    labels = np.array(["d", "c", "b", "a"])[:n_classes]
    model = student(soft_weight=0.0).fit(X, labels[y])
    logits = X @ model.coef_.T + model.intercept_
    assert_array_equal(model.classes_, np.sort(labels))
    assert model.coef_.shape == (n_classes, 5)
    assert model.intercept_.shape == (n_classes,)
    assert_allclose(model.predict_proba(X), softmax(logits, axis=1))
    assert_array_equal(model.predict(X), model.classes_[logits.argmax(axis=1)])
    decision = logits[:, 1] - logits[:, 0] if n_classes == 2 else logits
    assert_allclose(model.decision_function(X), decision)


def test_float32_is_kept():
    rows = X.astype(np.float32)
    model = student().fit(rows, Y, soft_labels=P)
    for array in (
        model.coef_,
        model.intercept_,
        model.decision_function(rows),
        model.predict_proba(rows),
        model.koopman_matrix_,
    ):
        assert array.dtype == np.float32
    wide = student().fit(X, Y, soft_labels=P)
    assert_allclose(model.predict_proba(rows), wide.predict_proba(X), atol=1e-4)


# The exact solver


def test_the_same_bits_whatever_the_seed():
    models = [student(random_state=seed).fit(X, Y, soft_labels=P) for seed in (0, 0, 1, None)]
    for model in models[1:]:
        assert model.coef_.tobytes() == models[0].coef_.tobytes()
        assert model.intercept_.tobytes() == models[0].intercept_.tobytes()


def test_how_near_the_optimum_it_came():
    exact = student().fit(X, Y, soft_labels=P)
    with pytest.warns(ConvergenceWarning):
        rough = student(max_iter=3).fit(X, Y, soft_labels=P)
    assert rough.n_iter_ == 3 < exact.n_iter_
    assert rough.objective_ > exact.objective_ > 0
    assert rough.gradient_norm_ > 1e-4 > 1e-9 >= exact.gradient_norm_
    assert all(type(value) is float for value in (exact.objective_, exact.gradient_norm_))


def test_convergence_warning():
    with pytest.warns(ConvergenceWarning, match="1 iterations .* raise max_iter") as caught:
        student(max_iter=1).fit(X, Y, soft_labels=P)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "lifter",
    [None, make_pipeline(PCA(10, random_state=0), MonomialLifter(2))],
    ids=["pixels", "monomials"],
)
def test_digits_converge_with_default_parameters(lifter):
    X, y = load_digits(return_X_y=True)
    teacher = make_pipeline(StandardScaler(), LogisticRegression())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = KoopmanDistilledClassifier(teacher, lifter=lifter).fit(X[:1200], y[:1200])
    assert model.gradient_norm_ <= model.tol
    assert model.score(X[1200:], y[1200:]) > 0.9


def test_warm_start_needs_fewer_iterations():
    model = student(warm_start=True, tol=1e-6).fit(X, Y, soft_labels=P)
    cold = model.n_iter_
    model.set_params(ridge=1.1e-2).fit(X, Y, soft_labels=P)
    assert model.n_iter_ < cold
    fresh = student(ridge=1.1e-2, tol=1e-6).fit(X, Y, soft_labels=P)
    assert_allclose(model.predict_proba(X), fresh.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize(
    ("other_X", "other_y"),
    [(X, np.array(["a", "b", "c"])[Y]), (X[:, :3], Y)],
    ids=["classes", "observables"],
)
def test_warm_start_with_others_starts_anew(other_X, other_y):
    warm = (
        student(warm_start=True).fit(X, Y, soft_labels=P).fit(other_X, other_y, soft_labels=P)
    )
    cold = student().fit(other_X, other_y, soft_labels=P)
    assert_array_equal(warm.coef_, cold.coef_)


def test_verbose(capsys):
    model = student(verbose=2).fit(X, Y, soft_labels=P)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_
    assert lines[-1].endswith(f"objective {model.objective_:.8f}")
    student().fit(X, Y, soft_labels=P)
    assert capsys.readouterr().out == ""


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_a_failed_fit_keeps_the_earlier_one():
    model = student().fit(X, Y, soft_labels=P)
    before = fitted(model)
    with pytest.raises(ValueError, match="one class"):
        model.fit(X[:, :2], np.zeros(len(X)), soft_labels=P)
    with pytest.raises(ValueError, match="not finite"):
        model.set_params(lifter=MonomialLifter(3)).fit(X * 1e200, Y, soft_labels=P)
    after = fitted(model)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert model.predict(X).shape == (len(X),)


# Mini-batches


@pytest.fixture(scope="module")
def _skorch():
    pytest.importorskip("skorch")


def adam(**parameters):
    return KoopmanDistilledClassifier(
        **({"solver": "adam", "ridge": 1e-2, "max_iter": 15, "random_state": 0} | parameters)
    )


needs_skorch = pytest.mark.usefixtures("_skorch")


@needs_skorch
@pytest.mark.parametrize("lifter", [None, MonomialLifter(2)], ids=["no lifter", "lifter"])
def test_adam_comes_near_the_exact_optimum(lifter):
    model = adam(lifter=lifter, batch_size=16, max_iter=20, learning_rate=0.1)
    model.fit(X, Y, soft_labels=P)
    exact = student(lifter=lifter).fit(X, Y, soft_labels=P)
    assert exact.objective_ <= model.objective_ < 1.03 * exact.objective_
    assert model.n_iter_ == len(model.history_) == 20
    assert np.mean(model.predict(X) == exact.predict(X)) > 0.97


@needs_skorch
def test_adam_gives_the_same_bits_for_the_same_seed():
    models = [adam(random_state=seed, max_iter=2, batch_size=32) for seed in (0, 0, 1)]
    same, again, other = (model.fit(X, Y, soft_labels=P).coef_ for model in models)
    assert_array_equal(same, again)
    assert not np.array_equal(same, other)


@needs_skorch
def test_adam_learns_from_a_stream():
    model = adam(batch_size=32).partial_fit(X, Y, [0, 1, 2], soft_labels=P)
    objectives = [model.objective_]
    for _ in range(30):
        model.partial_fit(X, Y, soft_labels=P)
        objectives.append(model.objective_)
    assert model.n_iter_ == 1
    assert len(model.history_) == 31
    exact = student().fit(X, Y, soft_labels=P)
    assert objectives[0] > objectives[5] > objectives[-1]
    assert objectives[-1] < 1.05 * exact.objective_


@needs_skorch
def test_adam_goes_on_after_fit():
    model = adam().fit(X, Y, soft_labels=P)
    objective = model.objective_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(X, Y, soft_labels=P)
    assert model.objective_ < 1.05 * objective


@needs_skorch
def test_a_failed_epoch_leaves_a_stream_as_it_was():
    from skorch.callbacks import Callback

    class Failing(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("the disk is full")

    stream = adam(batch_size=32).partial_fit(X, Y, [0, 1, 2], soft_labels=P)
    twin = pickle.loads(pickle.dumps(stream))
    stream.set_params(callbacks=[Failing()])
    with pytest.raises(RuntimeError, match="the disk is full"):
        stream.partial_fit(X[::-1], Y[::-1], soft_labels=P[::-1])
    stream.set_params(callbacks=None)
    assert_array_equal(stream.coef_, twin.coef_)
    for model in (stream, twin):
        model.partial_fit(X, Y, soft_labels=P)
    assert_array_equal(stream.coef_, twin.coef_)
    assert len(stream.history_) == len(twin.history_) == 2


class PressesControlC(MonomialLifter):
    """Lifts rows some number of times, and then acts as if a user pressed Control-C."""

    n_calls_left = 10**9

    def _lift(self, X):
        PressesControlC.n_calls_left -= 1
        if PressesControlC.n_calls_left == 0:
            signal.raise_signal(signal.SIGINT)
        return super()._lift(X)


@needs_skorch
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("n_calls", [3, 9])
def test_an_interrupt_comes_through(method, n_calls):
    from skorch.callbacks import Callback

    model = adam(lifter=PressesControlC(1), batch_size=5, callbacks=[Callback()])
    model.fit(X, Y, soft_labels=P)
    before = vars(model).copy()
    PressesControlC.n_calls_left = n_calls
    with pytest.raises(KeyboardInterrupt):
        getattr(model, method)(X, Y, soft_labels=P)
    assert vars(model) == before


@needs_skorch
def test_a_callback_may_stop_the_training():
    from skorch.callbacks import Callback

    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    assert adam(max_iter=4, callbacks=[Enough()]).fit(X, Y, soft_labels=P).n_iter_ == 2


@needs_skorch
def test_callbacks():
    from skorch.callbacks import Callback

    class CountEpochs(Callback):
        n_epochs = 0

        def on_epoch_end(self, net, **kwargs):
            self.n_epochs += 1

    counter = CountEpochs()
    adam(max_iter=4, callbacks=[counter]).fit(X, Y, soft_labels=P)
    assert counter.n_epochs == 4


@needs_skorch
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_missing_device_is_named(solver):
    with pytest.raises(ValueError, match=r"device='cuda:99' is not available.*cpu"):
        student(solver=solver, device="cuda:99").fit(X, Y, soft_labels=P)


@needs_skorch
@pytest.mark.parametrize(
    "lifter",
    [None, MonomialLifter(2), make_pipeline(PCA(2), MonomialLifter(3)), PolynomialFeatures(2)],
    ids=["lifted", "monomials", "pipeline", "another's"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_on_a_torch_device_it_is_the_same(lifter, dtype):
    rows = X.astype(dtype)
    here = student(lifter=lifter, tol=1e-8).fit(rows, Y, soft_labels=P)
    there = student(lifter=lifter, tol=1e-8, device="cpu").fit(rows, Y, soft_labels=P)
    assert there.coef_.dtype == dtype
    assert_allclose(there.predict_proba(rows), here.predict_proba(rows), atol=1e-5)
    assert_allclose(there.coef_, here.coef_, atol=1e-4 * np.abs(here.coef_).max())


@needs_skorch
def test_adam_pickles():
    model = adam(max_iter=2).fit(X, Y, soft_labels=P)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert_array_equal(
        copy.partial_fit(X, Y, soft_labels=P).coef_,
        model.partial_fit(X, Y, soft_labels=P).coef_,
    )


def test_only_adam_learns_from_streams():
    assert not hasattr(student(), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        student().partial_fit(X, Y)
    assert hasattr(clone(student()).set_params(solver="adam"), "partial_fit")


def test_one_hot_soft_labels_are_the_labels():
    soft = student(soft_weight=1.0, temperature=1.0).fit(X, Y, soft_labels=one_hot(Y))
    hard = student(soft_weight=0.0).fit(X, Y)
    assert_allclose(soft.predict_proba(X), hard.predict_proba(X), atol=1e-6)
