"""Rows lifted and multiplied on a torch device, for the solver that is exact.

Every evaluation, on all rows and on samples, happens there; what is as small as the coefficients
(steps, line search) and what is done once or twice (moments, the preconditioner) stays here.
"""

from functools import partial

import numpy as np

from .._devices import resolve_device
from ._blocks import MOST_BLOCK_ROWS, RowBlocks, added, rows_of
from ._consumers import DeviceFunction

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
        """Return the observables of some rows, in memory here."""
        return self._lifted_there(rows).cpu().numpy()

    def sum(self, function, *aligned, out=None):
        """Return the sums over all blocks, as `RowBlocks.sum` does.

        Parameters
        ----------
        function : callable or BlockFunction
            A `DeviceFunction` is summed there; blocks for others are brought here.
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
        """Return some rows as blocks that are lifted now, and kept on the device."""
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
        """Return an array's tensor; what is there already is not sent again. None stays None."""
        if array is None:
            return None
        if id(array) not in self._placed:
            self._placed[id(array)] = array, self._place(array)
        return self._placed[id(array)][1]


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
