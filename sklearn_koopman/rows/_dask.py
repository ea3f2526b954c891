"""Rows of dask arrays: workers sum their chunks, and the sums are added in a tree.

This is the only module that uses dask. Chunks are lazy: to keep them in the workers, persist X.
Labels and weights, a few numbers for each row, are sent to the workers once.
"""

from functools import partial
from operator import getitem

import dask
import dask.array as da
import numpy as np
from dask import delayed
from sklearn.utils import check_array

from .._threads import ThreadPool
from ._blocks import ROWS_MULTIPLE, RowBlocks, added
from ._consumers import MadeRows, Total
from ._sums._moments import merged

# Number of partial sums that one task adds.
SPLIT_EVERY = 4


class DaskBlocks(RowBlocks):
    """Rows of a dask array. Passes over them give the results of `RowBlocks`, up to rounding.

    Parameters
    ----------
    X : dask array of shape (n_samples, n_columns)
        Array with chunks of whole rows.
    lift, n_observables, block_rows, pool, products
        As for `RowBlocks`. A worker lifts its chunks block by block.
    """

    are_here = False

    def __init__(self, X, lift=None, **settings):
        super().__init__(X, lift, **settings)
        self._sent = {}

    def lifted(self, rows):
        """Return the observables of some rows, lifted in this process."""
        rows = take(self.X, self._indices(rows))
        return rows if self.lift is None else self.lift(rows)

    def map(self, function):
        """Return ``function(psi)`` of all lifted rows as a lazy dask array."""
        blocks_of = self._blocks_of
        form = blocks_of(np.zeros((1, self.X.shape[1]), self.X.dtype)).map(function)
        return _joined(partial(_map_chunk, blocks_of, function), self.X, form)

    def map_reduce(self, update, total, *aligned):
        """Return ``total`` merged with the totals of all chunks.

        Parameters
        ----------
        update : callable
            As for `RowBlocks.map_reduce`.
        total : Total
            The total. It cannot be a plain one, because the workers have parts of it.
        *aligned : arrays of shape (n_samples, ...), or None
        """
        if not isinstance(total, Total):
            raise TypeError(
                f"total={total!r} cannot be summed by the workers of dask, because their parts "
                "must be merged: let its class inherit from sklearn_koopman.rows.Total."
            )
        parts = self._of_chunks(_reduce_chunk, (update, total.blank), aligned)
        (sums,) = dask.compute(_in_a_tree(merged, parts))
        return total.merge(sums)

    def sum(self, function, *aligned, out=None):
        """Return the sums over all chunks, as `RowBlocks.sum` does."""
        dtype = None if out is None else out.dtype
        parts = self._of_chunks(_sum_chunk, (function, dtype), aligned)
        ((totals, filled),) = dask.compute(_in_a_tree(_added, parts))
        if out is not None:
            out[...] = filled
        return totals

    def held(self, rows, tile_rows=ROWS_MULTIPLE, buffer=None):
        """Return some rows as blocks that are lifted and kept in this process."""
        return self.taken(rows).held(slice(None), tile_rows, buffer)

    def taken(self, rows):
        """Return some rows as blocks that keep them in this process."""
        return self._lifting(take(self.X, self._indices(rows)))

    def kept_if_few(self, tile_rows=ROWS_MULTIPLE):
        """Return self, because rows stay where they are."""
        return self

    def taken_if_few(self):
        """Return self, because rows stay where they are."""
        return self

    @property
    def _blocks_of(self):
        """A function that makes blocks from a chunk. Each task of a worker has one thread."""
        return partial(
            RowBlocks,
            lift=self.lift,
            n_observables=self.n_observables,
            block_rows=self.block_rows,
            pool=ThreadPool(1),
            products=self.products,
        )

    def _of_chunks(self, function, settings, aligned):
        """Return ``function(blocks_of, *settings, chunk, *aligned)`` of each chunk, delayed."""
        settings = [_once(value) for value in (self._blocks_of, *settings)]
        parts = [self._parts(array) for array in aligned]
        return [
            delayed(function)(*settings, *chunk_and_aligned)
            for chunk_and_aligned in zip(_chunks(self.X), *parts, strict=True)
        ]

    def _parts(self, array):
        """Return an array's rows for each chunk. They are sent to the workers only once."""
        if array is None:
            return [None] * self.X.numblocks[0]
        if id(array) not in self._sent:
            self._sent[id(array)] = array, self._sent_parts(array)
        return self._sent[id(array)][1]

    def _sent_parts(self, array):
        if isinstance(array, da.Array):
            return _chunks(in_chunks_of(self.X, array))
        part = array.part if isinstance(array, MadeRows) else partial(getitem, array)
        # One by one, because dask warns of graphs with many megabytes.
        return [_once(part(rows)).persist() for rows in _row_slices(self.X)]


def float_rows(X, input_name):
    """Return a dask array in chunks of whole rows, which the workers check.

    Parameters
    ----------
    X : dask array of shape (n_samples, n_columns)
    input_name : str
        Name for error messages.

    Returns
    -------
    X : dask array of shape (n_samples, n_columns)
        float32 is kept, other dtypes become float64. NaN and infinity raise ValueError when the
        chunk is computed.
    """
    if not isinstance(X, da.Array):
        raise TypeError(
            f"{input_name} is a {type(X).__module__}.{type(X).__name__}: of the dask collections, "
            "only dask arrays are supported. For a dask DataFrame, pass "
            f"{input_name}.to_dask_array(lengths=True)."
        )
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead: {input_name} must have the shape "
            f"(n_samples, n_features), got {X.shape}."
        )
    X = _in_chunks(X, [n_rows for n_rows in _known_rows(X, input_name) if n_rows > 0])
    dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    check = partial(check_array, dtype=dtype, input_name=input_name)
    return X.map_blocks(check, dtype=dtype, meta=np.empty((0, 0), dtype))


def in_chunks_of(X, array):
    """Return an array as a dask array in chunks of the same rows as X."""
    if not isinstance(array, da.Array):
        array = np.asarray(array)
        # Do not let dask choose the chunks: it does not know the sizes of objects.
        n_rows = X.chunks[0] if array.shape[:1] == X.shape[:1] else -1
        array = da.from_array(array, chunks=(n_rows, *[-1] * array.ndim)[: array.ndim])
    if sum(_known_rows(array, "a dask array given beside X")) != X.shape[0]:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[X.shape[0], array.shape[0]]}"
        )
    return _in_chunks(array, X.chunks[0])


def by_rows(function, array, *, keep):
    """Return ``function(chunk)`` of all chunks as a dask array.

    The workers first apply the function to one row, to find the form of its result.

    Parameters
    ----------
    function : callable
        Maps rows to as many rows.
    array : dask array of shape (n_samples, ...)
    keep : bool
        Whether the workers compute the result now and keep it.

    Returns
    -------
    result : dask array of shape (n_samples, ...)
    """
    (form,) = dask.compute(delayed(_apply)(_once(function), _chunks(array)[0][:1]))
    return _joined(function, array, form, keep=keep)


def of_chunks(function, array):
    """Return a list of ``function(chunk)`` for each chunk."""
    sent = _once(function)
    return dask.compute(*(delayed(_apply)(sent, chunk) for chunk in _chunks(array)))


def computed(collection):
    """Return the computed value of a dask collection."""
    if isinstance(collection, da.Array) and collection.ndim == 1:
        return np.concatenate(dask.compute(*_chunks(collection)))
    return collection.compute()


def take(array, rows):
    """Return some rows of a dask array in memory.

    Parameters
    ----------
    array : dask array of shape (n_samples, ...)
    rows : ndarray of int, shape (n_rows,)
        Indices in any order.

    Returns
    -------
    taken : ndarray of shape (n_rows, ...)
    """
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    parts = []
    for chunk, span in zip(_chunks(array), _row_slices(array), strict=True):
        first, last = np.searchsorted(ascending, (span.start, span.stop))
        if first < last:
            parts.append(delayed(getitem)(chunk, ascending[first:last] - span.start))
    taken = np.empty((len(rows), *array.shape[1:]), array.dtype)
    if parts:
        taken[order] = np.concatenate(dask.compute(*parts))
    return taken


def _known_rows(array, name):
    """Return the number of rows of each chunk."""
    if np.isnan(array.shape[0]):
        raise ValueError(
            f"The number of rows of {name} is not known to dask: call compute_chunk_sizes() on "
            "it first."
        )
    return array.chunks[0]


def _in_chunks(array, n_rows):
    """Return a dask array in chunks of this many whole rows."""
    return array.rechunk((tuple(n_rows), *array.shape[1:]))


def _chunks(array):
    """Return the chunks of a dask array, which have whole rows, as delayed arrays."""
    # Optimised graphs would release what the workers keep. They also must not be mixed with others,
    # because they give new tasks to old keys.
    return array.to_delayed(optimize_graph=False).ravel().tolist()


def _row_slices(array):
    """Return the rows of each chunk of a dask array."""
    stops = np.cumsum(array.chunks[0]).tolist()
    return [slice(first, last) for first, last in zip([0, *stops], stops, strict=False)]


def _joined(function, array, form, *, keep=False):
    """Return ``function(chunk)`` of all chunks. ``form`` is an example of its result."""
    sent = _once(function)
    results = [delayed(_apply)(sent, chunk) for chunk in _chunks(array)]
    if keep:
        results = dask.persist(*results)
    return da.concatenate(
        [
            da.from_delayed(result, (n_rows, *form.shape[1:]), meta=form[:0])
            for result, n_rows in zip(results, array.chunks[0], strict=True)
        ]
    )


def _once(value):
    """Return a node of the graph that is sent to each worker only once."""
    return delayed(value, traverse=False)


def _in_a_tree(join, parts):
    """Let the workers join all parts, some at a time."""
    while len(parts) > 1:
        parts = [
            delayed(join)(parts[first : first + SPLIT_EVERY])
            for first in range(0, len(parts), SPLIT_EVERY)
        ]
    return parts[0]


# Functions that the workers run.


def _apply(function, chunk):
    return function(chunk)


def _map_chunk(blocks_of, function, chunk):
    blocks = blocks_of(chunk)
    with blocks.pool.keeping_blas_to_one_thread():
        return blocks.map(function)


def _reduce_chunk(blocks_of, update, blank, chunk, *aligned):
    blocks = blocks_of(chunk)
    with blocks.pool.keeping_blas_to_one_thread():
        return blocks.map_reduce(update, blank(), *aligned)


def _sum_chunk(blocks_of, function, dtype, chunk, *aligned):
    blocks = blocks_of(chunk)
    out = None if dtype is None else np.empty(len(chunk), dtype)
    with blocks.pool.keeping_blas_to_one_thread():
        return blocks.sum(function, *aligned, out=out), out


def _added(parts):
    # Make new sums, as for moments: a part may be needed again if a worker is lost.
    sums, filled = zip(*parts, strict=True)
    return added(sums), None if filled[0] is None else np.concatenate(filled)
