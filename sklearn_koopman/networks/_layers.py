"""The layer that replaces a span: rows of the input, lifted, times one matrix."""

import numpy as np
import torch
from torch import nn

from ..lifting import NoLayerError, as_layer, linear_layer, transformed


class WholeMap(nn.Module):
    """Layout in which a sample is one row: its whole activation, flattened.

    Parameters
    ----------
    output_shape : tuple of int
        Shape of one sample after the span.
    """

    def __init__(self, output_shape):
        super().__init__()
        self.output_shape = list(output_shape)

    def forward(self, a):
        """Return rows of shape (n, width)."""
        return a.flatten(1)

    def targets(self, b):
        """Return the output of the span as rows."""
        return b.flatten(1)

    @torch.jit.export
    def restore(self, rows, a):
        """Return rows in the shape of the span's output."""
        return rows.unflatten(1, self.output_shape)


class Tokens(nn.Module):
    """Layout in which every position of (n, ..., channels) is a row."""

    def forward(self, a):
        """Return rows of shape (n * positions, channels)."""
        return a.reshape(-1, a.shape[-1])

    def targets(self, b):
        """Return the output of the span as rows."""
        return b.reshape(-1, b.shape[-1])

    @torch.jit.export
    def restore(self, rows, a):
        """Return rows in the shape of the span's output."""
        return rows.reshape(a.shape[:-1] + rows.shape[-1:])


class Patches(nn.Module):
    """Layout of (n, channels, height, width): a row is the input patch of an output position.

    Parameters
    ----------
    kernel_size, stride, padding : int or tuple of int
        Sizes for height and width.
    output_size : tuple of int
        Height and width of the output.
    """

    def __init__(self, kernel_size, stride, padding, output_size):
        super().__init__()
        self.unfold = nn.Unfold(kernel_size, stride=stride, padding=padding)
        self.height, self.width = output_size

    def forward(self, a):
        """Return rows of shape (n * height * width, channels * kernel height * kernel width)."""
        patches = self.unfold(a).transpose(1, 2)
        return patches.reshape(-1, patches.shape[-1])

    def targets(self, b):
        """Return the output of the span as rows."""
        return b.permute(0, 2, 3, 1).reshape(-1, b.shape[1])

    @torch.jit.export
    def restore(self, rows, a):
        """Return rows in the shape of the span's output."""
        maps = rows.reshape(a.shape[0], self.height, self.width, rows.shape[-1])
        return maps.permute(0, 3, 1, 2)


def make_layout(layout, kernel_size, a, b, names):
    """Return the layout that turns activations of a span into rows.

    Parameters
    ----------
    layout : {"whole", "channels_first", "channels_last"}
    kernel_size : int or tuple of int
    a, b : torch.Tensor
        Input and output of the span for some samples.
    names : tuple of str
        Names of the ends of the span, for error messages.

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
                f"layout='channels_last' needs as many positions before span={names!r} as after "
                f"it, got {shapes}; layout='whole' takes all shapes."
            )
        return Tokens()
    if a.ndim != 4 or b.ndim != 4:
        raise ValueError(
            "layout='channels_first' needs (channels, height, width) before and after "
            f"span={names!r}, got {shapes}; layout='whole' takes all shapes."
        )
    before, behind = tuple(a.shape[2:]), tuple(b.shape[2:])
    if isinstance(kernel_size, tuple):
        sizes = zip(kernel_size, before, behind, strict=True)
        steps = [_steps((kernel,), (n,), (m,)) for kernel, n, m in sizes]
    else:
        steps = [_steps((kernel_size,) * 2, before, behind)] * 2
    found = [step for step in steps if step is not None]
    if len(found) == 2:
        strides, paddings = zip(*found, strict=True)
        return Patches(kernel_size, strides, paddings, behind)
    raise ValueError(
        f"kernel_size={kernel_size}: no stride and padding leads from height and width "
        f"{before} to {behind} in span={names!r}; choose another "
        "kernel_size, or layout='whole'."
    )


def _steps(kernel, before, behind):
    """Return the smallest stride and padding that turn some sizes into others, or None."""
    for stride in range(1, max(kernel) + max(before)):
        for padding in range(max(kernel)):
            sizes = tuple(
                (n + 2 * padding - k) // stride + 1 for k, n in zip(kernel, before, strict=True)
            )
            if sizes == behind:
                return stride, padding
    return None


class KoopmanLayer(nn.Module):
    """A span as one matrix: makes rows, their observables, the product, and the output's shape.

    Parameters
    ----------
    layout : WholeMap, Tokens or Patches
    lift : torch.nn.Module
        Maps rows to observables.
    readout : torch.nn.Module
        The matrix, or its two factors.
    """

    def __init__(self, layout, lift, readout):
        super().__init__()
        self.layout = layout
        self.lift = lift
        self.readout = readout

    def forward(self, a):
        """Return the output in place of the span's."""
        return self.layout.restore(self.readout(self.lift(self.layout(a))), a)


def make_readout(coef, intercept, rank=None, density=None):
    """Return the matrix of a layer: one linear module, or two factors if the rank is restricted.

    Parameters
    ----------
    coef : ndarray of shape (n_observables, n_outputs)
        Coefficients of the standardised observables.
    intercept : ndarray of shape (n_outputs,)
    rank : int, default=None
    density : float, default=None
        Share of the entries to keep: the ones of largest magnitude. The others become zero.

    Returns
    -------
    readout : torch.nn.Sequential, float64
        Module for standardised observables.
    """
    if rank is None or rank >= min(coef.shape):
        return nn.Sequential(_linear(kept_largest(coef, density), intercept))
    left, singular, right = np.linalg.svd(coef, full_matrices=False)
    root = np.sqrt(singular[:rank])
    first = kept_largest(left[:, :rank] * root, density)
    second = kept_largest(right[:rank] * root[:, None], density)
    return nn.Sequential(_linear(first), _linear(second, intercept))


def standardised(readout, scale):
    """Return a readout of standardised observables after the step that standardises them."""
    return nn.Sequential(Standardised(scale), *readout)


def folded(readout, scale):
    """Turn a readout of standardised observables into one of the original observables."""
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
    """Return a matrix with all but its largest entries, a share of all, set to zero."""
    if density is None:
        return matrix
    n_kept = max(1, round(density * matrix.size))
    dropped = np.argpartition(np.abs(matrix), matrix.size - n_kept, axis=None)[:-n_kept]
    pruned = matrix.copy()
    pruned.flat[dropped] = 0.0
    return pruned


def _linear(coef, intercept=None):
    return linear_layer(coef.T, intercept)


class ForeignLift(nn.Module):
    """A scikit-learn transformer within a network. It cannot be scripted or exported.

    Parameters
    ----------
    lifter : fitted transformer
    """

    def __init__(self, lifter):
        super().__init__()
        self.lifter = lifter

    def forward(self, rows):
        """Return the observables."""
        lifted = transformed(self.lifter, rows.detach().cpu().numpy())
        return torch.as_tensor(lifted).to(rows)


class Standardised(nn.Module):
    """Subtracts the mean of each column, and divides by its deviation. Nothing in it is trained.

    Parameters
    ----------
    scale : Scale
    """

    def __init__(self, scale):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(np.array(scale.mean)))
        self.register_buffer("factor", torch.from_numpy(_inverse_deviation(scale)))

    def forward(self, rows):
        """Return the standardised rows."""
        return (rows - self.mean) * self.factor


def make_lift(lifter):
    """Return a fitted lifter, or None, as a torch module in float64 that is not trained.

    Transformers without a form in torch are called as they are, and their networks cannot be
    exported.
    """
    try:
        return as_layer(lifter).requires_grad_(False)
    except NoLayerError:
        return ForeignLift(lifter)
