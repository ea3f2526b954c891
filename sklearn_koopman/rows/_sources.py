"""Functions for all sources: rows in memory, rows of dask arrays, and rows that are made.

dask is imported only for dask arrays.
"""

from scipy.sparse import issparse

from ._blocks import RowBlocks
from ._enlarged import EnlargedRows
from ._given import GivenRows
from ._lifted_rows import LiftedRows
from ._sparse import sparse_blocks


def is_dask(array):
    """Return whether an array is a dask collection. This test does not import dask.

    Lifted rows of a dask array count too.
    """
    rows = array.X if isinstance(array, LiftedRows) else array
    return hasattr(rows, "__dask_graph__")


def row_blocks(
    X, lift=None, *, n_observables=None, device=None, products=None, is_costly=False
):
    """Return the rows of an array, or of a dask array, as blocks.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
    lift, n_observables
        As for `RowBlocks`.
    device : torch.device, default=None
        Device that lifts and sums. ``lift`` takes tensors then. None: the processor.
    products : PairProducts, default=None
        As for `RowBlocks`. Not used on a device.
    is_costly : bool, default=False
        As for `RowBlocks`. Rows on a device, and rows of dask arrays, are not stored.

    Returns
    -------
    blocks : RowBlocks
    """
    if issparse(X):
        if device is not None:
            raise TypeError(
                f"device={str(device)!r} takes no sparse X: convert it with X.toarray(), or use "
                "device=None."
            )
        return sparse_blocks(X)
    if device is not None:
        from ._device import DeviceBlocks

        return DeviceBlocks(X, lift, n_observables=n_observables, device=device)
    if is_dask(X):
        from ._dask import DaskBlocks

        return DaskBlocks(X, lift, n_observables=n_observables, products=products)
    return RowBlocks(
        X, lift, n_observables=n_observables, products=products, is_costly=is_costly
    )


def by_rows(function, array, *, keep=False):
    """Return ``function(array)`` for a function that works row by row.

    Parameters
    ----------
    function : callable
        Maps rows to as many rows.
    array : array of shape (n_samples, ...)
    keep : bool, default=False
        Whether the workers compute a dask array now and keep it.

    Returns
    -------
    result : array of shape (n_samples, ...)
        A lazy dask array for a dask array. An array in memory for rows that are made, or rows in
        the form that the user gave.
    """
    if isinstance(array, LiftedRows):
        return by_rows(function, by_rows(array.lift, array.X), keep=keep)
    if isinstance(array, EnlargedRows | GivenRows):
        return array.map(function)
    if is_dask(array):
        from ._dask import by_rows as by_chunks

        return by_chunks(function, array, keep=keep)
    return function(array)


def of_parts(function, array):
    """Return ``function(part)`` for each part in which the rows are stored."""
    if is_dask(array):
        from ._dask import of_chunks

        return of_chunks(function, array)
    return [function(array)]


def take(array, rows):
    """Return some rows in memory. ``rows`` are indices."""
    if is_dask(array):
        from ._dask import take as take_from_chunks

        return take_from_chunks(array, rows)
    return array[rows]


def as_numpy(array):
    """Return the computed value of a dask collection, and anything else unchanged."""
    if is_dask(array):
        from ._dask import computed

        return computed(array)
    return array


def aligned_with(X, array):
    """Return an array like X: in chunks of the same rows, or in memory. None stays None."""
    X = X.X if isinstance(X, LiftedRows) else X
    if is_dask(X) and array is not None:
        from ._dask import in_chunks_of

        return in_chunks_of(X, array)
    return as_numpy(array)


def float_rows(X, input_name="X"):
    """Return a dask array of finite floats whose chunks are whole rows; see `_dask`."""
    from ._dask import float_rows as dask_float_rows

    return dask_float_rows(X, input_name)
