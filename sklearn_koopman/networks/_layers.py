"""The layer that stands in for a span: rows of the input, lifted, times one matrix."""

from functools import singledispatch
from math import sqrt

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from torch import nn

from ..classification._lifted import _transform
from ..lifting import MonomialLifter


class WholeMap(nn.Module):
    """A sample is one row: its whole activation, flattened.

    Parameters
    ----------
    output_shape : tuple of int
        Shape of one sample behind the span.
    """

    def __init__(self, output_shape):
        super().__init__()
        self.output_shape = list(output_shape)

    def forward(self, a):
        """Return rows of shape (n, width)."""
        return a.flatten(1)

    def targets(self, b):
        """Return what leaves the span as rows."""
        return b.flatten(1)

    @torch.jit.export
    def restore(self, rows, a):
        """Return rows in the shape that leaves the span."""
        return rows.unflatten(1, self.output_shape)


class Tokens(nn.Module):
    """Every position of (n, ..., channels) is a row."""

    def forward(self, a):
        """Return rows of shape (n * positions, channels)."""
        return a.reshape(-1, a.shape[-1])

    def targets(self, b):
        """Return what leaves the span as rows."""
        return b.reshape(-1, b.shape[-1])

    @torch.jit.export
    def restore(self, rows, a):
        """Return rows in the shape that leaves the span."""
        return rows.reshape(a.shape[:-1] + rows.shape[-1:])


class Patches(nn.Module):
    """Every position of the output of (n, channels, height, width) is a row: a patch of the input.

    Parameters
    ----------
    kernel_size, stride, padding : int
    output_size : tuple of int
        Height and width of the output.
    """

    def __init__(self, kernel_size, stride, padding, output_size):
        super().__init__()
        self.unfold = nn.Unfold(kernel_size, stride=stride, padding=padding)
        self.height, self.width = output_size

    def forward(self, a):
        """Return rows of shape (n * height * width, channels * kernel_size ** 2)."""
        patches = self.unfold(a).transpose(1, 2)
        return patches.reshape(-1, patches.shape[-1])

    def targets(self, b):
        """Return what leaves the span as rows."""
        return b.permute(0, 2, 3, 1).reshape(-1, b.shape[1])

    @torch.jit.export
    def restore(self, rows, a):
        """Return rows in the shape that leaves the span."""
        maps = rows.reshape(a.shape[0], self.height, self.width, rows.shape[-1])
        return maps.permute(0, 3, 1, 2)


def make_layout(layout, kernel_size, a, b, names):
    """Return how activations of a span become rows.

    Parameters
    ----------
    layout : {"whole", "channels_first", "channels_last"}
    kernel_size : int
    a, b : torch.Tensor
        What enters and leaves the span for some samples.
    names : tuple of str
        The span, for error messages.

    Returns
    -------
    layout : WholeMap, Tokens or Patches
    """
    if a.ndim < 2 or b.ndim < 2 or len(a) != len(b):
        raise ValueError(
            f"span={names!r}: activations need one row per sample, got shapes "
            f"{tuple(a.shape)} and {tuple(b.shape)}."
        )
    if layout == "whole":
        return WholeMap(b.shape[1:])
    shapes = f"shapes {tuple(a.shape[1:])} and {tuple(b.shape[1:])} of a sample"
    if layout == "channels_last":
        if a.shape[:-1] != b.shape[:-1]:
            raise ValueError(
                f"layout='channels_last' needs as many positions before span={names!r} as "
                f"behind it, got {shapes}; layout='whole' takes any."
            )
        return Tokens()
    if a.ndim != 4 or b.ndim != 4:
        raise ValueError(
            f"layout='channels_first' needs (channels, height, width) before and behind "
            f"span={names!r}, got {shapes}; layout='whole' takes any."
        )
    for stride in range(1, kernel_size + max(a.shape[2:])):
        for padding in range(kernel_size):
            sizes = [(size + 2 * padding - kernel_size) // stride + 1 for size in a.shape[2:]]
            if sizes == list(b.shape[2:]):
                return Patches(kernel_size, stride, padding, sizes)
    raise ValueError(
        f"kernel_size={kernel_size}: no stride and padding leads from height and width "
        f"{tuple(a.shape[2:])} to {tuple(b.shape[2:])} in span={names!r}; choose another "
        "kernel_size, or layout='whole'."
    )


class KoopmanLayer(nn.Module):
    """A span as one matrix: rows, their observables, the matrix, and back.

    Parameters
    ----------
    layout : WholeMap, Tokens or Patches
    lift : torch.nn.Module
        From rows to observables.
    readout : torch.nn.Module
        The matrix, or its two factors.
    """

    def __init__(self, layout, lift, readout):
        super().__init__()
        self.layout = layout
        self.lift = lift
        self.readout = readout

    def forward(self, a):
        """Return what is to leave the span."""
        return self.layout.restore(self.readout(self.lift(self.layout(a))), a)


def make_readout(coef, intercept, rank=None, density=None):
    """Return the matrix of a layer: linear, or two factors where the rank is restricted.

    Parameters
    ----------
    coef : ndarray of shape (n_observables, n_outputs)
        For the standardised observables.
    intercept : ndarray of shape (n_outputs,)
    rank : int, default=None
    density : float, default=None
        Share of the entries that is kept, those of largest magnitude; the others become zero.

    Returns
    -------
    readout : torch.nn.Sequential, float64
        For standardised observables.
    """
    if rank is None or rank >= min(coef.shape):
        return nn.Sequential(_linear(kept_largest(coef, density), intercept))
    left, singular, right = np.linalg.svd(coef, full_matrices=False)
    root = np.sqrt(singular[:rank])
    first = kept_largest(left[:, :rank] * root, density)
    second = kept_largest(right[:rank] * root[:, None], density)
    return nn.Sequential(_linear(first), _linear(second, intercept))


def standardised(readout, scale):
    """Return a readout of standardised observables behind the step that standardises them."""
    return nn.Sequential(Affine(scale.mean, _inverse_deviation(scale)), *readout)


def folded(readout, scale):
    """Return a readout of standardised observables as one of the observables as they are."""
    first, *others = (_weights(linear) for linear in readout)
    coef, intercept = first
    coef = coef * _inverse_deviation(scale)[:, None]
    shift = -scale.mean @ coef
    if others:
        ((second, offset),) = others
        return nn.Sequential(_linear(coef), _linear(second, offset + shift @ second))
    return _linear(coef, intercept + shift)


def _inverse_deviation(scale):
    return np.where(scale.constant, 0.0, 1.0 / scale.deviation)


def _weights(linear):
    """Return coefficients and intercepts of a linear layer in float64."""
    bias = None if linear.bias is None else linear.bias.detach().cpu().double().numpy()
    return linear.weight.detach().cpu().double().numpy().T, bias


def kept_largest(matrix, density):
    """Return a matrix with all but a share of its entries, the largest, set to zero."""
    if density is None:
        return matrix
    n_kept = max(1, round(density * matrix.size))
    dropped = np.argpartition(np.abs(matrix), matrix.size - n_kept, axis=None)[:-n_kept]
    pruned = matrix.copy()
    pruned.flat[dropped] = 0.0
    return pruned


def _linear(coef, intercept=None):
    linear = nn.utils.skip_init(  # random weights would advance torch's global generator
        nn.Linear, *coef.shape, bias=intercept is not None, dtype=torch.float64
    )
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(coef.T)))
        if intercept is not None:
            linear.bias.copy_(torch.from_numpy(intercept))
    return linear


class ForeignLift(nn.Module):
    """A scikit-learn transformer within a network; neither scripted nor exported.

    Parameters
    ----------
    lifter : fitted transformer
    """

    def __init__(self, lifter):
        super().__init__()
        self.lifter = lifter

    def forward(self, rows):
        """Return the observables."""
        lifted = _transform(self.lifter, rows.detach().cpu().numpy())
        return torch.as_tensor(lifted).to(rows)


class Affine(nn.Module):
    """``(rows - mean) @ matrix``; a vector in place of the matrix scales every column.

    Parameters
    ----------
    mean : ndarray of shape (n_columns,)
    matrix : ndarray of shape (n_columns, n_outputs) or (n_columns,)
    """

    def __init__(self, mean, matrix):
        super().__init__()
        self.scales = np.ndim(matrix) == 1
        self.register_buffer("mean", torch.from_numpy(np.array(mean, dtype=np.float64)))
        self.register_buffer("matrix", torch.from_numpy(np.array(matrix, dtype=np.float64)))

    def forward(self, rows):
        """Return the rows in the new coordinates."""
        centred = rows - self.mean
        return centred * self.matrix if self.scales else centred @ self.matrix


class Monomials(nn.Module):
    """Products of columns.

    Parameters
    ----------
    powers : ndarray of int, shape (n_observables, n_columns)
    """

    factors: torch.Tensor

    def __init__(self, powers):
        super().__init__()
        degree = max(1, int(powers.sum(axis=1).max()))
        factors = np.zeros((degree, len(powers)), dtype=np.int64)  # column 0 is the constant 1
        for number, exponents in enumerate(powers):
            variables = np.repeat(np.arange(len(exponents)), exponents) + 1
            factors[: len(variables), number] = variables
        self.register_buffer("factors", torch.from_numpy(factors))

    def forward(self, rows):
        """Return the observables."""
        factors = nn.functional.pad(rows, (1, 0), value=1.0)
        products = factors[:, self.factors[0]]
        for number in range(1, self.factors.shape[0]):
            products = products * factors[:, self.factors[number]]
        return products


class GaussianKernel(nn.Module):
    """Gaussian functions of the distance to some centres, in linear combinations.

    Parameters
    ----------
    centres : ndarray of shape (n_centres, n_columns)
    gamma : float
    matrix : ndarray of shape (n_centres, n_observables)
    """

    centres: torch.Tensor
    matrix: torch.Tensor

    def __init__(self, centres, gamma, matrix):
        super().__init__()
        self.gamma = float(gamma)
        self.register_buffer("centres", torch.from_numpy(np.array(centres, dtype=np.float64)))
        self.register_buffer("matrix", torch.from_numpy(np.array(matrix, dtype=np.float64)))

    def forward(self, rows):
        """Return the observables."""
        squares = rows.square().sum(1, keepdim=True) + self.centres.square().sum(1)
        distances = (squares - 2.0 * rows @ self.centres.T).clamp(min=0.0)
        return torch.exp(-self.gamma * distances) @ self.matrix


class RandomCosines(nn.Module):
    """Random Fourier features.

    Parameters
    ----------
    weights : ndarray of shape (n_columns, n_observables)
    offsets : ndarray of shape (n_observables,)
    """

    def __init__(self, weights, offsets):
        super().__init__()
        self.amplitude = sqrt(2.0 / len(offsets))
        self.register_buffer("weights", torch.from_numpy(np.array(weights, dtype=np.float64)))
        self.register_buffer("offsets", torch.from_numpy(np.array(offsets, dtype=np.float64)))

    def forward(self, rows):
        """Return the observables."""
        return torch.cos(rows @ self.weights + self.offsets) * self.amplitude


@singledispatch
def torch_lift(lifter):
    """Return a fitted lifter as a torch module, in float64.

    Register a function for other transformers: ``torch_lift.register(MyLifter)``. Those that
    are not known are called as they are, and their networks cannot be exported.
    """
    return ForeignLift(lifter)


@torch_lift.register(type(None))
def _lift_nothing(lifter):
    return nn.Identity()


@torch_lift.register
def _lift_frozen(lifter: FrozenEstimator):
    return torch_lift(lifter.estimator)


@torch_lift.register
def _lift_pipeline(lifter: Pipeline):
    steps = [step for _, step in lifter.steps if step is not None and step != "passthrough"]
    lifts = [torch_lift(step) for step in steps]
    if any(isinstance(lift, ForeignLift) for lift in lifts):
        return ForeignLift(lifter)
    return nn.Sequential(*lifts)


@torch_lift.register
def _lift_pca(lifter: PCA):
    components = lifter.components_
    if lifter.whiten:
        components = components / np.sqrt(lifter.explained_variance_)[:, None]
    return Affine(lifter.mean_, components.T)


@torch_lift.register
def _lift_standard(lifter: StandardScaler):
    width = lifter.n_features_in_
    mean = lifter.mean_ if lifter.with_mean else np.zeros(width)
    return Affine(mean, 1.0 / lifter.scale_ if lifter.with_std else np.ones(width))


@torch_lift.register(MonomialLifter)
@torch_lift.register(PolynomialFeatures)
def _lift_monomials(lifter):
    return Monomials(lifter.powers_)


@torch_lift.register
def _lift_nystroem(lifter: Nystroem):
    if lifter.kernel != "rbf":
        return ForeignLift(lifter)
    gamma = 1.0 / lifter.n_features_in_ if lifter.gamma is None else lifter.gamma
    return GaussianKernel(lifter.components_, gamma, lifter.normalization_.T)


@torch_lift.register
def _lift_fourier(lifter: RBFSampler):
    return RandomCosines(lifter.random_weights_, lifter.random_offset_)
