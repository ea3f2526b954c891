import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import LinAlgError
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge, RidgeClassifier

from sklearn_koopman import EDMDClassifier, MonomialLifter, OrthogonalPolynomialLifter

from .helpers import LinearTeacher, fitted, one_hot, samples, scaled, unscaled

X, Y = samples()
WEIGHT = np.linspace(0.0, 2.0, len(X))
DUPLICATED = np.hstack([X, X[:, :2]])


def ridge_regression(X, targets, ridge, sample_weight=None):
    """Return the coefficients and intercepts of scikit-learn's Ridge on scaled features."""
    Z, scaler = scaled(X, sample_weight)
    total = len(X) if sample_weight is None else sample_weight.sum()
    model = Ridge(alpha=total * ridge, solver="cholesky").fit(Z, targets, sample_weight)
    return unscaled(model.coef_, model.intercept_, scaler)


def assert_same_model(model, other, rtol=1e-9):
    largest = np.abs(other.coef_).max()
    assert_allclose(model.coef_, other.coef_, rtol=rtol, atol=rtol * largest)
    assert_allclose(model.intercept_, other.intercept_, rtol=rtol, atol=rtol * largest)
    assert_array_equal(model.classes_, other.classes_)


# The model against scikit-learn's


@pytest.mark.parametrize("sample_weight", [None, WEIGHT], ids=["equal weights", "weighted"])
@pytest.mark.parametrize("solver", ["cholesky", "svd", "auto"])
@pytest.mark.parametrize("ridge", [1e-6, 0.1])
def test_labels_are_ridge_regression_on_one_hot_targets(sample_weight, solver, ridge):
    model = EDMDClassifier(ridge=ridge, solver=solver).fit(X, Y, sample_weight)
    coef, intercept = ridge_regression(X, one_hot(Y), ridge, sample_weight)
    assert_allclose(model.coef_, coef, rtol=0, atol=1e-10)
    assert_allclose(model.intercept_, intercept, rtol=0, atol=1e-10)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_are_those_of_ridge_classifier(n_classes):
    X, y = samples(n_classes=n_classes)
    Z, _ = scaled(X)
    model = EDMDClassifier(ridge=0.01).fit(X, y)
    oracle = RidgeClassifier(alpha=0.01 * len(X)).fit(Z, y)
    assert_array_equal(model.predict(X), oracle.predict(Z))
    if n_classes == 2:
        assert_allclose(model.decision_function(X), oracle.decision_function(Z), atol=1e-10)


@pytest.mark.parametrize("sample_weight", [None, WEIGHT], ids=["equal weights", "weighted"])
def test_a_teacher_is_ridge_regression_on_centred_logits(sample_weight):
    teacher = LinearTeacher()
    logits = teacher.logits(X) ** 2
    model = EDMDClassifier(lambda X: teacher(X) ** 2, ridge=0.01).fit(X, Y, sample_weight)
    targets = logits - logits.mean(axis=1, keepdims=True)
    coef, intercept = ridge_regression(X, targets, 0.01, sample_weight)
    assert_allclose(model.coef_, coef, rtol=1e-10, atol=1e-10)
    assert_allclose(model.intercept_, intercept, rtol=1e-10, atol=1e-10)


def test_probabilities_are_logits_floored_at_1e_7():
    p = softmax(20 * LinearTeacher().logits(X), axis=1)
    assert p.min() < 1e-12
    model = EDMDClassifier(ridge=0.01).fit(X, Y, soft_labels=p)
    logits = np.log(np.maximum(p, 1e-7))
    targets = logits - logits.mean(axis=1, keepdims=True)
    assert_allclose(model.coef_, ridge_regression(X, targets, 0.01)[0], rtol=1e-9)


def test_rank_is_reduced_rank_ridge_regression():
    X, y = samples(n_features=6, n_classes=5)
    Z, _ = scaled(X)
    n, p = Z.shape
    ridge = 0.05
    # Ridge is least squares on augmented rows. The fitted values of these are truncated.
    rows = np.vstack([Z, np.sqrt(n * ridge) * np.eye(p)])
    targets = np.vstack([one_hot(y) - one_hot(y).mean(axis=0), np.zeros((p, 5))])
    coef = np.linalg.lstsq(rows, targets)[0]
    directions = np.linalg.svd(rows @ coef)[2][:2]
    expected = Z @ coef @ directions.T @ directions + one_hot(y).mean(axis=0)

    for solver in ("cholesky", "svd"):
        model = EDMDClassifier(ridge=ridge, rank=2, solver=solver).fit(X, y)
        assert np.linalg.matrix_rank(model.coef_) == 2
        assert_allclose(model.decision_function(X), expected, atol=1e-10)
    unrestricted = EDMDClassifier(ridge=ridge).fit(X, y)
    assert_same_model(EDMDClassifier(ridge=ridge, rank=5).fit(X, y), unrestricted)


def test_float32_is_kept():
    digits, y = load_digits(return_X_y=True)
    model = EDMDClassifier().fit(digits.astype(np.float32), y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert model.decision_function(digits.astype(np.float32)).dtype == np.float32
    assert_same_model(model, EDMDClassifier().fit(digits, y), rtol=1e-4)


def test_it_has_no_probabilities():
    assert not hasattr(EDMDClassifier().fit(X, Y), "predict_proba")


# Solvers


def test_solvers_agree():
    models = [EDMDClassifier(solver=solver).fit(X, Y) for solver in ("cholesky", "svd", "auto")]
    assert [model.solver_ for model in models] == ["cholesky", "svd", "cholesky"]
    for model in models[1:]:
        assert_same_model(model, models[0])


@pytest.mark.parametrize("lifter", [MonomialLifter(3), OrthogonalPolynomialLifter(3)])
@pytest.mark.parametrize("solver", ["auto", "cholesky"])
def test_float32_rows_are_multiplied_in_float64_where_rounding_would_decide(lifter, solver):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(1500, 20)).astype(np.float32)  # 1,771 observables
    y = (X[:, 0] * X[:, 1] > 0.3 * X[:, 2]).astype(int)
    settings = {"lifter": lifter, "solver": solver, "ridge": 1e-6}
    wide = EDMDClassifier(**settings).fit(X.astype(np.float64), y)
    model = EDMDClassifier(**settings).fit(X, y)
    stream = EDMDClassifier(**settings).partial_fit(X[:700], y[:700], classes=[0, 1])
    stream.partial_fit(X[700:], y[700:])
    for single in (model, stream):
        assert single.solver_ == "cholesky"
        assert single.coef_.dtype == np.float32
        expected = wide.decision_function(X)
        assert_allclose(single.decision_function(X), expected, rtol=0, atol=1e-3)


def test_float32_rows_are_multiplied_again_where_observables_are_nearly_the_same():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(3000, 5))
    near = np.hstack([half, half + 1e-4 * rng.normal(size=half.shape)]).astype(np.float32)
    y = (half[:, 0] > half[:, 1]).astype(int)
    wide = EDMDClassifier(ridge=1e-7).fit(near.astype(np.float64), y)
    model = EDMDClassifier(ridge=1e-7).fit(near, y)
    assert model.solver_ == wide.solver_ == "cholesky"
    assert_same_model(model, wide, rtol=1e-5)


def test_auto_falls_back_where_observables_depend_on_each_other():
    model = EDMDClassifier(ridge=0).fit(DUPLICATED, Y)
    assert model.solver_ == "svd"
    assert_same_model(model, EDMDClassifier(ridge=0, solver="svd").fit(DUPLICATED, Y))
    plain = EDMDClassifier(ridge=0).fit(X, Y)
    assert plain.solver_ == "cholesky"
    assert_allclose(model.decision_function(DUPLICATED), plain.decision_function(X), atol=1e-10)


def test_cholesky_alone_says_what_to_do():
    message = r"7 observables .* ridge=0: raise ridge, or use solver='svd'"
    with pytest.raises(LinAlgError, match=message):
        EDMDClassifier(ridge=0, solver="cholesky").fit(DUPLICATED, Y)
    with pytest.raises(LinAlgError, match=message):
        EDMDClassifier(ridge=0, solver="cholesky").partial_fit(DUPLICATED, Y, np.unique(Y))


# Streams

STREAMS = {
    "cholesky": {"solver": "cholesky"},
    "svd": {"solver": "svd"},
    "auto": {},
    "auto without ridge": {"ridge": 0},
    "lifter": {"lifter": MonomialLifter(2)},
    "lifter, svd": {"lifter": MonomialLifter(2), "solver": "svd"},
    "teacher": {"teacher": LinearTeacher()},
    "rank": {"teacher": LinearTeacher(), "rank": 1},
}


@pytest.mark.parametrize("sample_weight", [None, WEIGHT], ids=["equal weights", "weighted"])
@pytest.mark.parametrize("parameters", STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_gives_the_model_of_all_rows(parameters, sample_weight):
    order = np.argsort(Y, kind="stable")  # the first batch has only one class
    X_sorted, y_sorted = X[order], Y[order]
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    stream = EDMDClassifier(**parameters)
    for rows in np.array_split(np.arange(len(X)), 5):
        stream.partial_fit(X_sorted[rows], y_sorted[rows], [0, 1, 2], weight[rows])
    batch = EDMDClassifier(**parameters).fit(X_sorted, y_sorted, weight)
    assert_same_model(stream, batch, rtol=1e-9)


def test_a_stream_with_other_classes_is_refused():
    model = EDMDClassifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, Y)
    model.partial_fit(X, Y, [0, 1, 2])
    with pytest.raises(ValueError, match="differs from that of the first call"):
        model.partial_fit(X, Y, [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"labels \[7\] that are not in classes"):
        model.partial_fit(X, np.where(Y == 1, 7, Y))


def test_a_stream_does_not_mix_labels_with_soft_targets():
    model = EDMDClassifier().partial_fit(X, Y, [0, 1, 2])
    before = model.coef_
    with pytest.raises(
        ValueError, match="learn from soft targets, earlier ones learned from labels"
    ):
        model.partial_fit(X, Y, soft_labels=one_hot(Y))
    assert model.coef_ is before


def test_a_stream_after_fit_warns_and_starts_anew():
    model = EDMDClassifier().fit(X, Y)
    with pytest.warns(UserWarning, match="partial_fit after fit starts anew") as caught:
        model.partial_fit(X[:50], Y[:50])
    assert caught[0].filename == __file__
    assert_same_model(model, EDMDClassifier().fit(X[:50], Y[:50]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(X[50:], Y[50:])
    assert_same_model(model, EDMDClassifier().fit(X, Y))


def test_fit_after_a_stream_forgets_it():
    model = EDMDClassifier().partial_fit(X[:50], Y[:50], [0, 1, 2]).fit(X[50:], Y[50:])
    assert not hasattr(model, "moments_")
    assert_same_model(model, EDMDClassifier().fit(X[50:], Y[50:]))


class Stoppable(OrthogonalPolynomialLifter):
    """Lifts rows; at a very large one, it acts as if a user pressed Control-C."""

    def _lift(self, X):
        if X.max() > 1e9:
            raise KeyboardInterrupt
        return super()._lift(X)


def test_an_interrupted_call_takes_nothing_in():
    model = EDMDClassifier(lifter=Stoppable(2)).partial_fit(X[:50], Y[:50], [0, 1, 2])
    before = fitted(model)
    many, labels = np.tile(X, (200, 1)), np.tile(Y, 200)  # more than one block
    many[-1] = 1e10
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(many, labels)
    assert_kept(model, before)
    model.partial_fit(X[50:], Y[50:])
    assert_same_model(model, EDMDClassifier(lifter=FrozenEstimator(model.lifter_)).fit(X, Y))


def test_a_call_whose_sums_have_no_solution_takes_nothing_in():
    model = EDMDClassifier(ridge=0.0, solver="cholesky").partial_fit(X[:50], Y[:50], [0, 1, 2])
    before = fitted(model)
    dependent = 1e9 * X[50:, :1] * np.ones(X.shape[1])
    with pytest.raises(LinAlgError, match="not numerically positive definite"):
        model.partial_fit(dependent, Y[50:])
    assert_kept(model, before)
    model.partial_fit(X[50:], Y[50:])
    assert_same_model(model, EDMDClassifier(ridge=0.0).fit(X, Y))


def assert_kept(model, before):
    """Check that the attributes of a model are the same objects as before."""
    after = fitted(model)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def test_a_failed_first_call_leaves_an_unfitted_model():
    model = EDMDClassifier()
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.full_like(X, np.nan), Y, [0, 1, 2])
    assert fitted(model) == {}
