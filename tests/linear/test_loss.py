"""The loss of logits: numpy, torch and the kernel against the formula and finite differences."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, rel_entr, softmax

from sklearn_koopman.lifting import MonomialLifter
from sklearn_koopman.linear import (
    DistillationLoss,
    DistillationProblem,
    LogitLoss,
    LossTerms,
    minimise,
    train_minibatches,
)
from sklearn_koopman.rows import Factors, RowBlocks, Scale, can_multiply, row_blocks

N_CLASSES = 4


def arrays(n_rows, soft_weight, temperature, seed=0):
    """Return a loss, logits, the labels and weights of the rows, and the teacher's logits."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, N_CLASSES, n_rows)
    hard = (1 - soft_weight) * rng.uniform(size=n_rows) * (labels >= 0)
    soft = soft_weight * rng.uniform(size=n_rows)
    soft_logits = 3 * rng.normal(size=(n_rows, N_CLASSES))
    loss = DistillationLoss(temperature)
    softened = loss.soften(soft_logits) if soft_weight > 0 else None
    logits = 3 * rng.normal(size=(N_CLASSES, n_rows))
    return loss, logits, (labels, hard, soft, softened), soft_logits


every_loss = pytest.mark.parametrize(
    ("soft_weight", "temperature"), [(0.0, 2.0), (0.3, 1.0), (0.7, 4.0), (1.0, 0.5)]
)


@every_loss
def test_losses_are_those_of_the_formula(soft_weight, temperature):
    loss, logits, known, soft_logits = arrays(20, soft_weight, temperature)
    labels, hard, soft, softened = known
    losses = loss(logits, *known).losses
    expected = -hard * log_softmax(logits, axis=0)[labels, np.arange(20)]
    if softened is not None:
        losses = losses + soft * loss.constant(softened)
        p, q = (
            softmax(soft_logits.T / temperature, axis=0),
            softmax(logits / temperature, axis=0),
        )
        expected = expected + temperature**2 * soft * rel_entr(p, q).sum(axis=0)
    assert_allclose(losses, expected, rtol=1e-12)


@every_loss
def test_residual_and_curvature_equal_finite_differences(soft_weight, temperature):
    loss, logits, known, _ = arrays(20, soft_weight, temperature)
    terms = loss(logits, *known, with_curvature=True)
    curvature = np.zeros(20)
    for k in range(N_CLASSES):
        step = np.zeros_like(logits)
        step[k] = 1e-5
        more, less = loss(logits + step, *known), loss(logits - step, *known)
        slope = (more.losses - less.losses) / 2e-5
        assert_allclose(terms.residual[k], slope, rtol=1e-6, atol=1e-8)
        curvature += (more.residual[k] - less.residual[k]) / 2e-5
    assert_allclose(terms.curvature, curvature, rtol=1e-6, atol=1e-8)


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_says_what_numpy_says(soft_weight, temperature, dtype):
    torch = pytest.importorskip("torch")
    loss, logits, known, soft_logits = arrays(20, soft_weight, temperature)
    labels, *floats = known
    known = labels, *(None if array is None else array.astype(dtype) for array in floats)
    there = [None if array is None else torch.from_numpy(array) for array in known]
    logits = logits.astype(dtype)
    found = loss(torch.from_numpy(logits), *there, with_curvature=True)
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    for part, expected in zip(found, loss(logits, *known, with_curvature=True), strict=True):
        assert part.numpy().dtype == expected.dtype == dtype
        assert_allclose(part.numpy(), expected, rtol=rtol, atol=rtol)
    softened = loss.soften(torch.from_numpy(soft_logits))
    assert_allclose(softened.numpy(), loss.soften(soft_logits), rtol=1e-12)
    assert_allclose(
        loss.constant(softened).numpy(), loss.constant(softened.numpy()), rtol=1e-12
    )


@pytest.mark.skipif(not can_multiply(), reason="the kernel has not been compiled")
@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_says_what_numpy_says(soft_weight, temperature, dtype):
    loss, _, known, _ = arrays(50, soft_weight, temperature)
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 5)).astype(dtype)
    weights, intercept = rng.normal(size=(N_CLASSES, 5)), rng.normal(size=N_CLASSES)
    products = MonomialLifter(1, include_bias=False).fit(X).pair_products()
    curvature = np.empty(50)
    value, gradient, sums = Factors(X, products).distillation_loss(
        weights.astype(dtype), intercept.astype(dtype), temperature, *known, curvature
    )
    expected = loss(weights @ X.T + intercept[:, None], *known, with_curvature=True)
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    assert_allclose(value, expected.losses.sum(), rtol=rtol)
    assert_allclose(gradient, X.T @ expected.residual.T, rtol=rtol, atol=20 * rtol)
    assert_allclose(sums, expected.residual.sum(axis=1), rtol=rtol, atol=20 * rtol)
    assert_allclose(curvature, expected.curvature, rtol=rtol, atol=rtol)


@given(st.integers(1, 5), st.integers(1, 7), st.sampled_from([1.0, 3.0]))
def test_rows_in_tiles(n_tiles, n_rows, temperature):
    loss, logits, known, _ = arrays(n_tiles * n_rows, 0.5, temperature)
    labels, hard, soft, softened = (
        array.reshape(n_tiles, n_rows, *array.shape[1:]) for array in known
    )
    in_tiles = logits.reshape(N_CLASSES, n_tiles, n_rows).transpose(1, 0, 2)
    found = loss(in_tiles, labels, hard, soft, softened, with_curvature=True)
    expected = loss(logits, *known, with_curvature=True)
    assert_allclose(found.losses.ravel(), expected.losses, rtol=1e-12)
    assert_allclose(found.curvature.ravel(), expected.curvature, rtol=1e-12)
    residual = found.residual.transpose(1, 0, 2).reshape(logits.shape)
    assert_allclose(residual, expected.residual, rtol=1e-12)


def test_nothing_that_is_handed_in_is_changed():
    loss, logits, known, _ = arrays(9, 0.5, 2.0)
    before = [array.copy() for array in (logits, *known)]
    loss(logits, *known, with_curvature=True)
    for array, copy in zip((logits, *known), before, strict=True):
        assert_array_equal(array, copy)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_any_size(dtype):
    logits = np.array([[1e30, -1e30, 1e4], [0.0, 1e30, 0.0]], dtype)
    labels, weight = np.array([0, 0, 1]), np.ones(3, dtype)
    with np.errstate(all="raise", under="ignore"):
        terms = DistillationLoss(1.0)(
            logits, labels, weight, 0 * weight, None, with_curvature=True
        )
    assert_allclose(terms.losses, [0.0, 2e30, 1e4], rtol=1e-6)
    assert_array_equal(terms.residual, [[0, -1, 1], [0, 1, -1]])
    assert_array_equal(terms.curvature, 0.0)


def test_a_teacher_that_is_sure_costs_no_logarithm_of_zero():
    loss = DistillationLoss(1.0)
    softened = loss.soften(np.array([[1e4, 0.0], [0.0, 0.0]]))
    assert_allclose(loss.constant(softened), [0.0, -np.log(2)])


class SquaredDistance(LogitLoss):
    """Half the squared distance from the teacher's logits."""

    def __call__(self, logits, labels, hard_weight, soft_weight, softened, **_):
        gap = logits - softened.swapaxes(-1, -2)
        losses = soft_weight * (gap**2).sum(axis=-2) / 2
        return LossTerms(
            losses, soft_weight[..., None, :] * gap, logits.shape[-2] * soft_weight
        )

    def soften(self, soft_logits):
        return soft_logits


class TestANewLoss:
    """A loss needs only one class. It is minimised in memory, on a device, on mini-batches."""

    def problem(self, device=None):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 3))
        lifter = MonomialLifter(2, include_bias=False).fit(X)
        psi = lifter.transform(X)
        logits = psi @ rng.normal(size=(9, N_CLASSES)) + rng.normal(size=N_CLASSES)
        if device is None:
            products = lifter.pair_products()
            blocks = RowBlocks(X, lifter.transform, n_observables=9, products=products)
        else:
            blocks = row_blocks(psi, device=device)
        problem = DistillationProblem(
            blocks,
            Scale.from_scatter(psi.mean(axis=0), psi.var(axis=0)),
            np.full(300, -1),
            logits,
            np.ones(300),
            n_classes=N_CLASSES,
            soft_weight=1.0,
            ridge=0.0,
            loss=SquaredDistance(),
        )
        return problem, psi, logits

    def start(self):
        return np.zeros((9, N_CLASSES)), np.zeros(N_CLASSES)

    @pytest.mark.parametrize("device", [None, "cpu"])
    def test_the_exact_solver_finds_the_least_squares(self, device):
        if device is not None:
            device = pytest.importorskip("torch").device(device)
        problem, psi, logits = self.problem(device)
        solution = minimise(problem, *self.start(), max_iter=200, tol=1e-9)
        coef, intercept = problem.scale.unscale(solution.coef, solution.intercept)
        assert solution.converged
        assert_allclose(psi @ coef + intercept, logits, atol=1e-6)

    def test_mini_batches_come_near(self):
        pytest.importorskip("skorch")
        problem, psi, logits = self.problem()
        settings = {"max_epochs": 60, "batch_size": 30, "learning_rate": 0.1}
        coef, intercept, _ = train_minibatches(
            problem, *self.start(), **settings, random_state=0
        )
        coef, intercept = problem.scale.unscale(coef, intercept)
        assert_allclose(psi @ coef + intercept, logits, atol=1e-2)
