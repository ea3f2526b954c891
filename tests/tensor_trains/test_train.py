"""Tensor trains against the tensors that they represent."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime, check_grad
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning

from sklearn_koopman.solvers import GramMoments
from sklearn_koopman.tensor_trains import (
    LONGEST_STEP,
    Environments,
    SquaredLoss,
    Sweeper,
    TensorTrain,
    constant_loss,
    descend,
    distillation_loss,
    linear_start,
    mirrored,
    roots,
    start_of_linear_model,
    warn_of_breakdown,
)

N_CLASSES = 3


def random_train(sizes, ranks, centre, seed=0):
    rng = np.random.default_rng(seed)
    cores = []
    for k, (n, (before, behind)) in enumerate(
        zip(sizes, pairwise([1, *ranks, 1]), strict=True)
    ):
        classes = (N_CLASSES,) if k == centre else ()
        cores.append(rng.normal(size=(before, n, *classes, behind)))
    return TensorTrain(cores, centre)


def random_features(sizes, n_samples=20, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, n_samples)) for n in sizes]


def whole_tensor(train):
    """Return all coefficients, (n_classes, n_1, ..., n_p)."""
    tensor = np.ones((1, 1))  # classes so far or 1, products so far, rank
    tensor = tensor[None]
    for k, core in enumerate(train.cores):
        core = core if k == train.centre else core[:, :, None]
        tensor = np.einsum("cpr,rnds->cdpns", tensor, core)
        classes = tensor.shape[0] * tensor.shape[1]
        tensor = tensor.reshape(classes, -1, tensor.shape[-1])
    return tensor[..., 0]


def all_products(features):
    psi = features[0]
    for each in features[1:]:
        psi = (psi[:, None] * each).reshape(-1, psi.shape[1])
    return psi


def least_squares(n_samples, seed=2):
    targets = np.random.default_rng(seed).normal(size=(n_samples, N_CLASSES))
    return SquaredLoss(targets, np.ones(n_samples))


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    data=st.data(),
)
def test_logits_are_those_of_the_whole_tensor(sizes, data):
    centre = data.draw(st.integers(0, len(sizes) - 1))
    ranks = [data.draw(st.integers(1, 3)) for _ in sizes[1:]]
    train, features = random_train(sizes, ranks, centre), random_features(sizes)
    expected = whole_tensor(train) @ all_products(features)
    assert_allclose(train(features), expected, atol=1e-9 * max(np.abs(expected).max(), 1))
    assert train.ranks == ranks
    assert train.n_parameters == sum(core.size for core in train.cores)


def test_gradient_against_finite_differences():
    sizes, features = [2, 3, 2, 4], random_features([2, 3, 2, 4])
    train = random_train(sizes, [2, 3, 2], 1)
    loss, samples = least_squares(20), np.arange(20)
    shapes = [core.shape for core in train.cores]
    cuts = np.cumsum([core.size for core in train.cores])[:-1]

    def unpack(x):
        parts = np.split(x, cuts)
        cores = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        return TensorTrain(cores, train.centre)

    def value(x):
        return loss(unpack(x)(features), samples)[0]

    def gradient(x):
        forward = unpack(x).forward(features)
        _, slope = loss(forward.logits, samples)
        return np.concatenate([each.ravel() for each in forward.gradient(slope)])

    x = np.concatenate([core.ravel() for core in train.cores])
    assert check_grad(value, gradient, x) < 1e-4 * np.linalg.norm(gradient(x))


def test_mirrored_train():
    train, features = random_train([2, 3, 4], [2, 3], 1), random_features([2, 3, 4])
    other = TensorTrain([mirrored(core) for core in reversed(train.cores)], 1)
    assert_allclose(other(features[::-1]), train(features))


def test_multiplications_are_those_that_a_pass_makes():
    train = random_train([2, 3, 2], [2, 4], 1)
    #    products of environment and features, matrices, and the classes with the right side
    assert train.multiplications == (2 + 2 * 2) + (2 * 3 + 6 * 12) + (2 + 2 * 4) + 12


@given(n=st.integers(1, 6), rank=st.integers(1, 6), seed=st.integers(0, 99))
def test_roots(n, rank, seed):
    factor = np.random.default_rng(seed).normal(size=(rank, n))
    gram = factor.T @ factor
    root, inverse = roots(gram)
    assert_allclose(root.T @ root, gram, atol=1e-9 * np.abs(gram).max())
    assert_allclose(root @ inverse, np.eye(len(root)), atol=1e-6)


# Losses


@pytest.mark.parametrize(("temperature", "soft_weight"), [(1.0, 0.3), (3.0, 1.0), (2.0, 0.0)])
def test_distillation_loss(temperature, soft_weight):
    rng = np.random.default_rng(0)
    labels, soft_logits = rng.integers(-1, N_CLASSES, 6), rng.normal(size=(6, N_CLASSES))
    hard, soft = (1 - soft_weight) * rng.random(6), soft_weight * rng.random(6)
    logits = rng.normal(size=(N_CLASSES, 6))
    loss = distillation_loss(labels, soft_logits, hard, soft, temperature)
    expected = 0.0
    for i in range(6):
        if labels[i] >= 0:
            expected -= hard[i] * log_softmax(logits[:, i])[labels[i]]
        p, q = softmax(soft_logits[i] / temperature), softmax(logits[:, i] / temperature)
        expected += temperature**2 * soft[i] * (p @ np.log(p / q))
    value, slope = loss(logits, np.arange(6))
    assert_allclose(value, expected)
    assert_allclose(slope, _differences(loss, logits), atol=1e-6)


def distillation(n_samples):
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, N_CLASSES, n_samples)
    soft_logits = rng.normal(size=(n_samples, N_CLASSES))
    return distillation_loss(labels, soft_logits, *rng.random((2, n_samples)), 2.0)


def _differences(loss, logits):
    def value(x):
        return loss(x.reshape(logits.shape), np.arange(logits.shape[1]))[0]

    return approx_fprime(logits.ravel(), value, 1e-7).reshape(logits.shape)


def test_squared_loss():
    loss = least_squares(6)
    logits = np.random.default_rng(1).normal(size=(N_CLASSES, 6))
    value, slope = loss(logits, np.arange(6))
    assert_allclose(value, np.square(logits.T - loss.targets).sum() / 2)
    assert_allclose(slope, _differences(loss, logits), atol=1e-5)


# Start


def moments_of(features):
    rows = np.concatenate(features).T
    return GramMoments(rows.shape[1]).update(rows, np.ones(len(rows)))


def start(features, rank, n_classes=N_CLASSES, seed=0):
    sizes = [len(each) for each in features]
    random_state = np.random.RandomState(seed)
    return linear_start(moments_of(features), sizes, rank, n_classes, random_state)


def with_ones(n_variables, n_samples=50, n_features=2, seed=0):
    t = np.random.default_rng(seed).normal(size=(n_variables, n_samples))
    return [np.stack([each**k for k in range(n_features)]) for each in t]


@pytest.mark.parametrize("rank", [1, 2, 4, 7])
@pytest.mark.parametrize("n_variables", [1, 2, 5, 8])
def test_ranks_of_the_start(n_variables, rank):
    train = start(with_ones(n_variables), rank)
    assert train.centre == n_variables // 2
    assert not train(with_ones(n_variables)).any()
    for k, core in enumerate(train.cores[1:], start=1):
        most = 2 ** min(k, n_variables - k)
        assert core.shape[0] <= min(rank, most) if k <= train.centre else True
        assert core.shape[0] <= rank


def test_environments_of_the_start_are_linear_and_of_unit_variance():
    features = with_ones(600, 200)
    train = start(features, 5)
    environment = np.ones((1, 200))
    for k in range(train.centre):
        products = (environment[:, None] * features[k]).reshape(-1, 200)
        environment = train.cores[k].reshape(len(products), -1).T @ products
    assert_allclose(environment[0], 1.0)
    assert_allclose(environment[1:] @ environment[1:].T / 200, np.eye(4), atol=1e-8)
    assert_allclose(environment[1:].mean(axis=1), 0.0, atol=1e-10)


def at_linear_model(features, rank, coef, intercept):
    """Return the logits of the train that starts at a linear model, and those of the model."""
    train, constants = start_of_linear_model(
        moments_of(features), [len(each) for each in features], rank, coef, intercept,
        np.random.RandomState(0),
    )  # fmt: skip
    assert max(core.shape[0] for core in train.cores) <= rank
    expected = coef.T @ np.concatenate(features) + intercept[:, None]
    return train(features) + constants[:, None], expected


@pytest.mark.parametrize("rank", [N_CLASSES + 1, 9])
@pytest.mark.parametrize("n_variables", [1, 2, 3, 5, 40])
def test_a_train_starts_at_the_logits_of_a_linear_model(n_variables, rank):
    features = with_ones(n_variables, n_features=3)
    rng = np.random.default_rng(0)
    coef = rng.normal(size=(3 * n_variables, N_CLASSES))
    found, expected = at_linear_model(features, rank, coef, np.arange(3.0))
    assert_allclose(found, expected, atol=1e-9)


def test_variables_of_very_different_scales_start_at_the_linear_model_too():
    units = 10.0 ** np.arange(-4, 4)
    features = [each * [[1.0], [unit]] for each, unit in zip(with_ones(8), units, strict=True)]
    coef = np.random.default_rng(0).normal(size=(16, N_CLASSES))
    coef[1::2] /= units[:, None]
    found, expected = at_linear_model(features, 4, coef, np.zeros(N_CLASSES))
    assert_allclose(found, expected, atol=1e-6)


def test_a_rank_that_is_too_small_keeps_most_of_the_linear_model():
    features = with_ones(10, 200)
    coef = np.random.default_rng(0).normal(size=(20, N_CLASSES)) * [1.0, 1.0, 0.1]
    found, expected = at_linear_model(features, 3, coef, np.zeros(N_CLASSES))
    lost = np.square(found - expected).mean()
    assert 0 < lost < 0.02 * expected.var(axis=1).mean()


# Solvers


def sweeper(features, rank, loss, ridge=0.0, n_samples=50):
    return Sweeper(
        start(features, rank),
        np.zeros(N_CLASSES),
        lambda k: features[k],
        loss,
        np.ones(n_samples),
        ridge,
    )


def mean_loss(solver, features, loss):
    logits = solver.train(features) + solver.intercept[:, None]
    return loss(logits, np.arange(logits.shape[1]))[0] / logits.shape[1]


def test_sweeps_of_full_rank_reach_least_squares_on_the_whole_dictionary():
    features, loss = with_ones(3), least_squares(50)
    solver = sweeper(features, 4, loss)
    for _ in range(30):
        solver.sweep()
    psi = all_products(features).T
    coef, *_ = np.linalg.lstsq(psi, loss.targets, rcond=None)
    residual = loss.targets - psi @ coef
    expected = np.square(residual).sum() / 2 / 50
    assert_allclose(mean_loss(solver, features, loss), expected, rtol=1e-3)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["squared", "distillation"])
def test_sweeps_never_raise_the_loss(kind, ridge):
    features = with_ones(9)
    loss = least_squares(50) if kind == "squared" else distillation(50)
    solver = sweeper(features, 3, loss, ridge)
    losses = [mean_loss(solver, features, loss)]
    for _ in range(4):
        solver.sweep()
        losses.append(mean_loss(solver, features, loss))
        assert_allclose(solver.objective, losses[-1])
    assert all(after <= before + 1e-12 for before, after in pairwise(losses))
    assert losses[-1] < losses[0] / (1.5 if ridge == 0 else 1.2)


def test_a_planted_train_of_rank_one_is_found():
    features = with_ones(8, 300)
    weights = np.random.default_rng(3).normal(size=8) / 3
    planted = np.prod([1 + w * f[1] for w, f in zip(weights, features, strict=True)], axis=0)
    loss = SquaredLoss(np.outer(planted, [1.0, -1.0, 0.5]), np.ones(300))
    solver = sweeper(features, 2, loss, n_samples=300)
    for _ in range(20):
        solver.sweep()
    assert mean_loss(solver, features, loss) < 1e-4 * np.square(loss.targets).mean()


def test_hundreds_of_cores_neither_overflow_nor_vanish():
    features = [each.astype(np.float32) for each in with_ones(400, 60)]
    solver = sweeper(features, 3, least_squares(60), ridge=1e-2, n_samples=60)
    before = mean_loss(solver, features, solver.loss)
    solver.sweep()
    after = mean_loss(solver, features, solver.loss)
    assert np.isfinite(after)
    assert after < before / 2


def test_environments_come_again_when_they_are_needed():
    calls = []

    def advance(k, environment):
        calls.append(k)
        return environment + 1

    environments = Environments(0, advance, 100)
    for k in range(100, -1, -1):
        assert environments[k] == k
        assert len(environments._held) <= 2 * 11 + 2
    assert len(calls) <= 3 * 100


def descended(train, features, loss, n_samples=100, **settings):
    """Return train, intercept and objective after the last epoch."""
    *_, last = descend(
        train,
        np.zeros(N_CLASSES),
        lambda rows: [each[:, rows] for each in features],
        loss,
        n_samples,
        random_state=np.random.RandomState(0),
        **settings,
    )
    return last


def test_mini_batches_lower_the_loss_and_keep_the_start():
    features, loss = with_ones(6, 200), least_squares(200)
    train = start(features, 3)
    before = [core.copy() for core in train.cores]
    settings = {"ridge": 0.0, "n_epochs": 30, "batch_size": 20, "learning_rate": 1e-2}
    found, intercept, objective = descended(train, features, loss, 200, **settings)
    for core, old in zip(train.cores, before, strict=True):
        assert_array_equal(core, old)
    reached = loss(found(features) + intercept[:, None], np.arange(200))[0] / 200
    psi = np.concatenate([features[0][:1], *(each[1:] for each in features)]).T
    coef, *_ = np.linalg.lstsq(psi, loss.targets, rcond=None)
    linear = np.square(loss.targets - psi @ coef).sum() / 2 / 200
    assert reached < linear
    assert abs(objective - reached) < 0.2 * reached


def test_a_large_ridge_keeps_the_cores_where_they_start():
    features = with_ones(4, 100)
    train = start(features, 2)
    settings = {"ridge": 1e4, "n_epochs": 20, "batch_size": 50, "learning_rate": 1e-3}
    found, _, _ = descended(train, features, least_squares(100), **settings)
    for core, old in zip(found.cores, train.cores, strict=True):
        assert_allclose(core, old, atol=1e-2)


@pytest.mark.parametrize(("slope", "is_finite"), [(1e10, True), (1e25, False)])
def test_squared_gradients_that_overflow_are_no_silence(slope, is_finite):
    features = [each.astype(np.float32) for each in with_ones(4, 100)]
    train = start(with_ones(4, 100), 2).astype(np.float32)

    def loss(logits, rows):
        return 1.0, np.full_like(logits, slope)

    with np.errstate(over="ignore"):
        settings = {"ridge": 0.0, "n_epochs": 1, "batch_size": 50, "learning_rate": 1e-9}
        _, _, objective = descended(train, features, loss, **settings)
    assert np.isfinite(objective) == is_finite


def one_step(learning_rate):
    """Return the sum of the norms of the changes of 300 cores in one step of Adam."""
    features, targets = with_ones(300, 100), least_squares(100)
    first = start(features, 4)
    # As the class core is zero at the start, only it has a gradient there.
    first.cores[first.centre][:] = np.random.default_rng(0).normal(
        size=first.cores[first.centre].shape
    )
    settings = {"ridge": 0.0, "n_epochs": 1, "batch_size": 100, "learning_rate": learning_rate}
    found, _, _ = descended(first, features, targets, **settings)
    return sum(np.linalg.norm(a - b) for a, b in zip(found.cores, first.cores, strict=True))


def test_a_step_is_as_long_as_its_rate_says_but_no_longer_than_the_bound():
    short = one_step(1e-5)
    assert 0 < short < LONGEST_STEP
    assert_allclose(one_step(2e-5), 2 * short, rtol=1e-6)
    assert short / 1e-5 > LONGEST_STEP  # without a bound, a rate of 1 would be too high
    for rate in (1.0, 1e6):
        assert_allclose(one_step(rate), LONGEST_STEP, rtol=1e-6)


@pytest.mark.parametrize("learning_rate", [3e-3, 1e-1, 1e1])
def test_hundreds_of_cores_are_fitted_at_any_rate(learning_rate):
    features, loss = with_ones(300, 400), least_squares(400)
    train = start(features, 8)
    settings = {
        "ridge": 0.0, "n_epochs": 15, "batch_size": 50, "learning_rate": learning_rate,
    }  # fmt: skip
    objectives = [
        objective
        for *_, objective in descend(
            train,
            np.zeros(N_CLASSES),
            lambda rows: [each[:, rows] for each in features],
            loss,
            400,
            random_state=np.random.RandomState(0),
            **settings,
        )
    ]
    constant = constant_loss(loss, (N_CLASSES, 400))
    assert max(objectives) < 2 * constant
    assert objectives[-1] < 0.8 * constant


def test_the_best_constant_logits():
    targets = least_squares(100).targets
    expected = np.square(targets - targets.mean(axis=0)).sum() / 2 / 100
    assert_allclose(constant_loss(least_squares(100), (N_CLASSES, 100)), expected, rtol=1e-6)
    labels = np.repeat(np.arange(3), [70, 20, 10])
    loss = distillation_loss(labels, None, np.ones(100), np.zeros(100), 1.0)
    shares = np.array([0.7, 0.2, 0.1])
    assert_allclose(constant_loss(loss, (3, 100)), -shares @ np.log(shares), rtol=1e-6)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([2.2, 1.0, 0.5, 0.52], None),
        ([9.0, 6.0, 0.5], None),  # a bad start is not a breakdown
        ([2.2, 2.1], "epoch 1, the one kept, is no better with 2.1"),
        ([2.2, 2.0, 2.0, 2.0], "epoch 3, the one kept, is no better with 2"),
        ([2.2, 4.5, 0.6], "rose from 2.2 to 4.5 in epoch 1, and the descent does not always"),
        ([2.2, 1.0, 0.5, 0.7], "the loss rose from 0.5 to 0.7 in epoch 3"),
    ],
)
def test_breakdowns_are_said(losses, message):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_breakdown(losses, 2.0, 0.1)
    if message is None:
        assert not caught
    else:
        (warning,) = caught
        assert warning.category is ConvergenceWarning
        assert message in str(warning.message)
        assert "Lower learning_rate=0.1" in str(warning.message)
        assert warning.filename == __file__
