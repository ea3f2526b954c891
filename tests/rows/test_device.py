"""Blocks on a torch device against blocks in memory; torch's CPU stands in for an accelerator."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_koopman.lifting import MonomialLifter, as_layer
from sklearn_koopman.solvers import (
    DiagonalMoments,
    DistillationProblem,
    RowBlocks,
    exact_device,
    lifting_there,
    minimise,
    row_blocks,
)

torch = pytest.importorskip("torch")
TorchFunctionMode = torch.overrides.TorchFunctionMode
CPU = torch.device("cpu")
N_CLASSES = 4


def rows(n_samples=2000, dtype=np.float64, offset=0.0):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n_samples, 5)) + offset).astype(dtype)


def make_problem(blocks, *, soft_weight=0.5, temperature=2.0):
    """Return a problem with labels, some of them missing, a teacher and weights."""
    rng = np.random.default_rng(1)
    n, n_observables = blocks.n_samples, blocks.n_observables
    weight = rng.uniform(0.5, 1.5, size=n)
    moments = blocks.map_reduce(DiagonalMoments.update, DiagonalMoments(n_observables), weight)
    logits = 3 * rng.normal(size=(n, N_CLASSES))
    labels = logits.argmax(axis=1)
    labels[::7] = -1
    settings = {"soft_weight": soft_weight, "temperature": temperature, "ridge": 1e-4}
    return DistillationProblem(
        blocks, moments.scale, labels, logits, weight, n_classes=N_CLASSES, **settings
    )


def both(X, **settings):
    """Return the problem of the lifted rows here, and on a device."""
    lifter = MonomialLifter(2).fit(X)
    shape = {"n_observables": lifter.n_output_features_}
    here = RowBlocks(X, lifter._lift, **shape)
    there = row_blocks(X, as_layer(lifter), device=CPU, **shape)
    return make_problem(here, **settings), make_problem(there, **settings)


def test_rows_held_there_have_the_threads_of_all_rows():
    blocks = row_blocks(rows(), device=CPU, n_observables=5)
    assert blocks.held(slice(0, 9)).pool is blocks.pool


@pytest.mark.parametrize("offset", [0.0, 1e4], ids=["around zero", "far from zero"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("soft_weight", [0.0, 0.5, 1.0])
def test_value_gradient_and_curvature(soft_weight, temperature, dtype, offset):
    X = rows(dtype=dtype, offset=offset)
    here, there = both(X, soft_weight=soft_weight, temperature=temperature)
    assert there.dtype == here.dtype
    x = 0.1 * np.random.default_rng(2).normal(size=(here.blocks.n_observables + 1, N_CLASSES))
    found, expected = np.empty((2, len(X)), here.dtype)
    value, gradient = there.evaluate(x, found)
    expected_value, expected_gradient = here.evaluate(x, expected)
    rtol = 1e-4 if here.dtype == np.float32 else 1e-10
    assert_allclose(value, expected_value, rtol=rtol)
    assert_allclose(gradient, expected_gradient, atol=rtol * np.abs(gradient).max())
    assert_allclose(found, expected, rtol=rtol, atol=rtol * expected.max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_optimum(sampled_from_the_first_row, dtype):
    sampled_from_the_first_row(LARGEST_SAMPLE=0.9)
    here, there = (
        minimise(
            problem,
            np.zeros((problem.blocks.n_observables, N_CLASSES)),
            np.zeros(N_CLASSES),
            max_iter=500,
            tol=1e-8,
        )
        for problem in both(rows(dtype=dtype))
    )
    assert here.converged
    assert there.converged
    is_single = dtype == np.float32
    assert_allclose(there.objective, here.objective, rtol=1e-6 if is_single else 1e-10)
    assert_allclose(there.coef, here.coef, atol=2e-4 if is_single else 1e-6)


def test_rows_of_other_functions_come_back():
    X = rows(100)
    blocks = row_blocks(X, torch.square, device=CPU)
    assert_array_equal(blocks.lifted(slice(2, 5)), np.square(X[2:5]))
    assert_array_equal(blocks.map(np.sqrt), np.abs(X))
    chosen = np.array([3, 50, 99])
    assert_array_equal(blocks.held(chosen).map(np.copy), np.square(X[chosen]))


def test_rows_on_disk_are_sent_block_by_block(tmp_path):
    X = np.memmap(tmp_path / "X", dtype=np.float64, mode="w+", shape=(300, 5))
    X[...] = rows(300)
    blocks = row_blocks(X, device=CPU)
    assert isinstance(blocks.X, np.memmap)
    blocks.block_rows = 64
    assert_array_equal(blocks.map(np.copy), X)


class Sent(TorchFunctionMode):
    """Remembers the shapes of all arrays that become tensors while it is active."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.as_tensor:
            self.shapes.append(np.shape(args[0]))
        return function(*args, **kwargs or {})


def test_labels_and_weights_are_sent_once():
    _, problem = both(rows(200))
    x = np.zeros((problem.blocks.n_observables + 1, N_CLASSES))
    with Sent() as first:
        problem.evaluate(x)
    with Sent() as second:
        problem.evaluate(x)
    of_rows = [
        [shape for shape in sent.shapes if shape[:1] == (200,)] for sent in (first, second)
    ]
    assert (200,) in of_rows[0]
    assert of_rows[1] in ([], [problem.blocks.X.shape])


def test_a_lift_that_knows_no_tensors():
    X = rows(50)
    lift = lifting_there(np.cos)
    blocks = row_blocks(X, lift, device=CPU)
    assert_array_equal(blocks.map(np.copy), np.cos(X))


def test_devices():
    assert exact_device(None) is None
    assert exact_device("cpu") == CPU


class Metal(TorchFunctionMode):
    """Makes tensors on Apple's device, which is missing: they can only be moved."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.empty and kwargs["device"] == "mps":
            return SimpleNamespace(device=torch.device("mps"), cpu=lambda: None)
        return function(*args, **kwargs or {})


def test_a_device_without_float64():
    message = r"device='mps' does not support float64.*solver='adam'"
    with Metal(), pytest.raises(ValueError, match=message):
        exact_device("mps")


def test_without_torch(without):
    without("torch")
    with pytest.raises(
        ImportError, match=r"device='cpu' needs torch.*sklearn-koopman\[torch\]"
    ):
        exact_device("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cuda(dtype):
    X = rows(dtype=dtype)
    lifter = MonomialLifter(3).fit(X)
    shape = {"n_observables": lifter.n_output_features_}
    device = torch.device("cuda")
    here = make_problem(RowBlocks(X, lifter._lift, **shape))
    there = make_problem(row_blocks(X, as_layer(lifter).to(device), device=device, **shape))
    x = 0.1 * np.random.default_rng(2).normal(size=(here.blocks.n_observables + 1, N_CLASSES))
    found, expected = there.evaluate(x), here.evaluate(x)
    rtol = 1e-3 if dtype == np.float32 else 1e-10
    assert_allclose(found[0], expected[0], rtol=rtol)
    assert_allclose(found[1], expected[1], atol=rtol * np.abs(expected[1]).max())
