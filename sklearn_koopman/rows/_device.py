"""Rows lifted and multiplied on a torch device, for the solver that is exact.

Every look at the rows, on all of them and on samples, happens there; what is as small as the
coefficients (steps, line search) and what is done once or twice (moments, the metric) stays here.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .._devices import resolve_device
from ._blocks import KEPT_BYTES, MOST_BLOCK_ROWS, RowBlocks, added

# A lifted block of this size keeps an accelerator busy and leaves it room; a processor wants
# blocks that stay in its cache.
BLOCK_BYTES = 2**28


class DeviceBlocks(RowBlocks):
    """Rows that are lifted and summed on a torch device, to what `RowBlocks` returns.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        An array in memory is held on the device; a ``numpy.memmap``, and rows that are made when
        they are needed, are sent block by block.
    lift : callable, default=None
        As for `RowBlocks`, of tensors.
    n_observables : int, default=None
    device : torch.device
        One that `exact_device` returned.
    pool : ThreadPool, default=None
        As for `RowBlocks`, for what is done here.
    """

    def __init__(self, X, lift=None, *, n_observables=None, device, pool=None):
        import torch

        super().__init__(X, lift, n_observables=n_observables, pool=pool)
        self._device = device
        if self._device.type != "cpu":
            self.block_rows = max(
                1, min(BLOCK_BYTES // (8 * self.n_observables), MOST_BLOCK_ROWS)
            )
        self._placed = {}
        if isinstance(X, np.ndarray | torch.Tensor) and not isinstance(X, np.memmap):
            self.X = self._place(X)

    def lifted(self, rows):
        """Return the observables of some rows, in memory here."""
        return self._lifted_there(rows).cpu().numpy()

    def sum(self, function, *aligned, out=None):
        """Return the sums over all blocks, as `RowBlocks.sum` does.

        Parameters
        ----------
        function : BlockLoss
        *aligned, out
            As for `RowBlocks.sum`.
        """
        loss = TensorLoss.of(function, self._place)
        tensors = [self._place_once(array) for array in aligned]
        totals: list = []
        for rows in self._batches(self._all_batches()):
            parts = [tensor[rows] for tensor in tensors]
            terms, curvature = loss(self._lifted_there(rows), *parts)
            terms = [term.double() for term in terms]
            totals = added([totals, terms]) if totals else terms
            if out is not None:
                out[rows] = curvature.cpu().numpy()
        return [total.cpu().numpy() for total in totals]

    def held(self, rows, tile_rows=None, buffer=None):
        """Return some rows as blocks that are lifted now, and kept on the device."""
        return DeviceBlocks(self._lifted_there(rows), device=self._device, pool=self.pool)

    def kept_if_few(self, tile_rows=None):
        """Return the rows lifted now, and kept on the device, if that takes little memory."""
        lifted_bytes = self.n_samples * self.n_observables * self.X[:1].itemsize
        return self if lifted_bytes > KEPT_BYTES else self.held(slice(None))

    def _lifted_there(self, rows):
        X = self._place(self.X[rows])
        return X if self.lift is None else self.lift(X)

    def _place(self, array):
        import torch

        return torch.as_tensor(array, device=self._device)

    def _place_once(self, array):
        """Return an array's tensor; what is there already is not sent again."""
        if not isinstance(array, np.ndarray):
            return array  # stands for nothing
        if id(array) not in self._placed:
            self._placed[id(array)] = array, self._place(array)
        return self._placed[id(array)][1]


@dataclass(frozen=True)
class TensorLoss:
    """Loss, gradients and curvature of a block of rows that is a tensor.

    Attributes
    ----------
    weights : tensor of shape (n_observables, n_classes)
    intercept : tensor of shape (n_classes,)
    offset : tensor of shape (n_observables,), or None
    classes : tensor of int, shape (n_classes,)
    temperature : float
    terms : callable
        Returns the (row weights, temperature) of each log-sum-exp in the loss.
    """

    weights: Any
    intercept: Any
    offset: Any
    classes: Any
    temperature: float
    terms: Any

    @classmethod
    def of(cls, loss, place):
        """Return the loss of blocks in memory, placed on a device."""
        return cls(
            weights=place(loss.weights).T,
            intercept=place(loss.intercept)[:, 0],
            offset=None if loss.offset is None else place(loss.offset),
            classes=place(np.arange(len(loss.weights))),
            temperature=loss.temperature,
            terms=loss.log_sum_exp_terms,
        )

    def __call__(self, psi, labels, hard_weight, soft_weight, softened):
        """Return (loss, gradient by the weights, by the intercepts), and each row's curvature."""
        dtype = self.weights.dtype
        if self.offset is not None:
            psi = psi - self.offset
        psi = psi.to(dtype)
        hard_weight, soft_weight = hard_weight.to(dtype), soft_weight.to(dtype)
        logits = psi @ self.weights + self.intercept
        logits = logits - logits.amax(dim=1, keepdim=True)
        mass = hard_weight[:, None] * (labels[:, None] == self.classes)
        if softened is not None:
            mass = mass + (self.temperature * soft_weight)[:, None] * softened
        value = -(mass * logits).double().sum()
        residual = -mass
        curvature = 0.0
        for weight, temperature in self.terms(hard_weight, soft_weight):
            scaled = logits / temperature
            log_sum = scaled.logsumexp(dim=1)
            probability = (scaled - log_sum[:, None]).exp()
            value = value + temperature**2 * (weight * log_sum).double().sum()
            residual = residual + (temperature * weight)[:, None] * probability
            curvature = curvature + weight * (1 - probability.square().sum(dim=1))
        return (value, psi.T @ residual, residual.sum(dim=0)), curvature


def lifting_there(lift):
    """Return a function that lifts tensors by one that lifts arrays, which are sent for it."""
    return partial(_lift_here, lift)


def _lift_here(lift, rows):
    import torch

    return torch.as_tensor(lift(rows.cpu().numpy()), device=rows.device)


def exact_device(device):
    """Return a torch device that knows float64, None for None.

    Parameters
    ----------
    device : str, torch.device or None
    """
    try:
        device = resolve_device(device)
    except ImportError as error:
        raise ImportError(
            f"device={str(device)!r} needs torch: pip install "
            '"sklearn-koopman[torch]". device=None works without it.',
            name=error.name,
        ) from error
    if device is not None and device.type == "mps":
        raise ValueError(
            f"device={str(device)!r} knows no float64, which the exact solver needs near the "
            "optimum: take device=None, or solver='adam'."
        )
    return device
