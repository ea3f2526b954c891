"""Rows that are lifted and multiplied on a torch device, for the exact solver.

All evaluations, on all rows and on samples, run on the device. Work of the size of the coefficients
(steps, line search) and work that is done once or twice (moments, the preconditioner) stays on the
processor.
"""

from functools import partial

import numpy as np

from .._devices import resolve_device
from ._blocks import MOST_BLOCK_ROWS, RowBlocks, added, rows_of
from ._consumers import DeviceFunction

# A lifted block of this size keeps an accelerator busy and leaves it enough memory. A processor
# needs blocks that stay in its cache.
BLOCK_BYTES = 2**28


class DeviceBlocks(RowBlocks):
    """Rows that are lifted and summed on a torch device, with the results of `RowBlocks`.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        Rows. An array in memory is kept on the device. A ``numpy.memmap``, and rows that are made
        when they are needed, are sent block by block.
    lift : callable, default=None
        As for `RowBlocks`, but for tensors.
    n_observables : int, default=None
    device : torch.device
        Device from `exact_device`.
    pool : ThreadPool, default=None
        As for `RowBlocks`, for work on the processor.
    """

    are_here = False

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
        """Return the observables of some rows as an array in memory."""
        return self._lifted_there(rows).cpu().numpy()

    def sum(self, function, *aligned, out=None):
        """Return the sums over all blocks, as `RowBlocks.sum` does.

        Parameters
        ----------
        function : callable or BlockFunction
            A `DeviceFunction` is summed on the device. Blocks for other functions are copied to
            memory.
        *aligned, out
            As for `RowBlocks.sum`.
        """
        if not isinstance(function, DeviceFunction):
            return super().sum(function, *aligned, out=out)
        there = function.on_device(self._place)
        tensors = [self._place_once(array) for array in aligned]
        if out is not None:
            filled = self._place(np.empty_like(out))
            tensors.append(filled)
        totals: list = []
        for rows in self._batches(self._all_batches()):
            terms = there(self._lifted_there(rows), *rows_of(tensors, rows))
            terms = [term.double() for term in terms]
            totals = added([totals, terms]) if totals else terms
        if out is not None:
            out[...] = filled.cpu().numpy()
        return [total.cpu().numpy() for total in totals]

    def held(self, rows, tile_rows=None, buffer=None):
        """Lift some rows now, and return them as blocks that are kept on the device."""
        return DeviceBlocks(self._lifted_there(rows), device=self._device, pool=self.pool)

    def _lifting(self, X):
        return DeviceBlocks(
            X,
            self.lift,
            n_observables=self.n_observables,
            device=self._device,
            pool=self.pool,
        )

    def _lifted_there(self, rows):
        X = self._place(self.X[rows])
        return X if self.lift is None else self.lift(X)

    def _place(self, array):
        import torch

        return torch.as_tensor(array, device=self._device)

    def _place_once(self, array):
        """Return an array's tensor. Arrays are sent only once. None stays None."""
        if array is None:
            return None
        if id(array) not in self._placed:
            self._placed[id(array)] = array, self._place(array)
        return self._placed[id(array)][1]


def lifting_there(lift):
    """Return a function of tensors from one that lifts arrays in memory."""
    return partial(_lift_here, lift)


def _lift_here(lift, rows):
    import torch

    return torch.as_tensor(lift(rows.cpu().numpy()), device=rows.device)


def exact_device(device):
    """Return a torch device that supports float64, or None for None.

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
            f"device={str(device)!r} does not support float64, which the exact solver needs near "
            "the optimum: set device=None, or solver='adam'."
        )
    return device
