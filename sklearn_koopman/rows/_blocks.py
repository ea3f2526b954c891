"""The interface of everything that sums over rows."""

from abc import ABC, abstractmethod
from copy import copy
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils import gen_batches, gen_even_slices

from .._progress import watched
from .._threads import ThreadPool
from ._consumers import Total, consumer_of
from ._factors import FACTOR_ROWS, Factors, can_multiply
from ._tiles import TILE_ROWS

# A lifted block of this size stays in the last-level cache, and malloc reuses its memory. So do the
# logits of a block with at most this many rows.
BLOCK_BYTES = 8 * 2**20
MOST_BLOCK_ROWS = 2**13
# Lifted rows of at most this size are kept instead of being lifted again in every pass.
KEPT_BYTES = 2**28
# Blocks consist of whole tiles.
ROWS_MULTIPLE: int = max(TILE_ROWS)


class Blocks(ABC):
    """Rows that are lifted block by block when functions sum over them.

    Sums use a plain function, a plain total, or a class of `_consumers`, which may take rows in
    other forms too.

    Attributes
    ----------
    n_samples, n_observables : int
    block_rows : int
        Number of rows in a block.
    pool : ThreadPool
        Threads that share the blocks of a sum.
    products : PairProducts or None
        The observables as products of columns, for sums that compute the products themselves.
    """

    n_samples: int
    n_observables: int
    block_rows: int
    pool: ThreadPool
    products: Any

    #: Whether lifting a row takes longer than reading its observables, see `stored`.
    is_costly = False
    # #: Whether the rows are sparse, and are passed as sparse rows to consumers that take them.
    is_sparse = False
    # #: Whether this process lifts and sums the rows, on its processor.
    are_here = True

    @property
    def n_numbers(self):
        """Number of values that a pass over the rows reads."""
        return self.n_samples * self.n_observables

    @abstractmethod
    def lifted(self, rows):
        """Return the observables of some rows: a slice, or an array of indices."""

    @abstractmethod
    def taken(self, rows):
        """Return some rows as blocks that keep the rows and lift them when needed.

        Parameters
        ----------
        rows : ndarray of int, or slice

        Returns
        -------
        blocks : RowBlocks
        """

    @abstractmethod
    def _factors(self, rows):
        """Return the `Factors` of a batch."""

    @cached_property
    def dtype(self):
        """The dtype of lifted rows. One row is lifted to find it."""
        return self.lifted(slice(0, 1)).dtype

    def map(self, function):
        """Return ``function(psi)`` of every lifted block, joined along the rows.

        Threads share the blocks.

        Parameters
        ----------
        function : callable or BlockFunction
        """
        block, batches = self._blocks_for(consumer_of(function), self.lifted)

        def map_share(batches):
            return [function(block(rows)) for rows in batches]

        shares = self.pool.map_shares(map_share, batches)
        results = [shares[i % len(shares)][i // len(shares)] for i in range(len(batches))]
        return np.concatenate(results)

    def all_lifted(self):
        """Return the observables of all rows, (n_samples, n_observables), as `map` joins them."""
        return self.map(_unchanged)

    def map_reduce(self, update, total, *aligned):
        """Return ``total`` after ``total = update(total, psi, *aligned)`` for every block.

        Parameters
        ----------
        update : callable
            Function of the running total, the lifted block, and its rows of the aligned arrays. It
            returns the new total.
        total : Total or object
            The total before the first block. A `Total` may have parts in all threads, and may take
            rows in other forms.
        *aligned : arrays of shape (n_samples, ...), or None
            Arrays with one row (or number) for each row. None is passed on as it is.
        """
        block, batches = self._blocks_for(consumer_of(total), self.lifted)

        def update_all(total, batches):
            for rows in self._batches(batches):
                total = update(total, block(rows), *rows_of(aligned, rows))
            return total

        if not (isinstance(total, Total) and total.is_small):
            return update_all(total, batches)
        blank = total.blank
        for part in self.pool.map_shares(lambda share: update_all(blank(), share), batches):
            total.merge(part)
        return total

    def sum(self, function, *aligned, out=None):
        """Return the sums over all blocks of what ``function(psi, *aligned)`` returns.

        Threads share the blocks. Sums are in float64.

        Parameters
        ----------
        function : callable or BlockFunction
            Function of a lifted block and its rows of the aligned arrays. It returns a tuple of
            numbers and arrays.
        *aligned : arrays of shape (n_samples, ...), or None
            None is passed on as it is.
        out : ndarray of shape (n_samples,), default=None
            Array to fill. The function gets the block's part of it as a further argument.

        Returns
        -------
        totals : list of float and ndarray
        """
        if out is not None:
            aligned = (*aligned, out)
        consumer = consumer_of(function)
        lifted = self._kept if consumer.takes_tiles else self.lifted
        block, batches = self._blocks_for(consumer, lifted)

        def sum_share(batches):
            totals = None
            for rows in self._batches(batches):
                terms = function(block(rows), *rows_of(aligned, rows))
                if totals is None:
                    totals = [np.array(term, dtype=np.float64) for term in terms]
                else:
                    for total, term in zip(totals, terms, strict=True):
                        total += term
            return totals

        return added(self.pool.map_shares(sum_share, batches))

    def _kept(self, rows):
        """Return the observables of a batch in the form in which they are kept, such as tiles."""
        return self.lifted(rows)

    @property
    def makes_products(self):
        """Whether consumers that take factors need no lifted rows."""
        return self.products is not None and can_multiply()

    def _blocks_for(self, consumer, block):
        """Return the function that makes blocks for a consumer of all rows, and the batches."""
        if self.makes_products and consumer.takes_factors:
            most = consumer.block_rows or FACTOR_ROWS
            # The same number for each thread.
            n_batches = self.pool.size * -(-self.n_samples // (self.pool.size * most))
            return self._factors, list(gen_even_slices(self.n_samples, n_batches))
        return block, self._all_batches()

    def _all_batches(self):
        return list(gen_batches(self.n_samples, self.block_rows))

    def _batches(self, batches, title="pass over the rows"):
        """Return a share of the batches. The share with the first batch moves the progress bar."""
        return watched(batches, title) if batches[0].start == 0 else batches

    def _indices(self, rows):
        """Return the indices of some rows, which are a slice or already indices."""
        return np.arange(*rows.indices(self.n_samples)) if isinstance(rows, slice) else rows

    def at(self, rows):
        """Return some rows as blocks that are lifted when they are needed.

        Parameters
        ----------
        rows : ndarray of int, or slice

        Returns
        -------
        blocks : Blocks
        """
        return ChosenBlocks(self, self._indices(rows))

    def held(self, rows, tile_rows=ROWS_MULTIPLE, buffer=None):
        """Lift some rows now, and return them as blocks that keep the observables.

        Parameters
        ----------
        rows : ndarray of int, or slice
        tile_rows : int, default=64
            Number of rows that are neighbours in memory.
        buffer : ndarray of shape (at least n_rows * n_observables,), default=None
            Memory for the lifted rows, in their dtype. None allocates new memory.

        Returns
        -------
        blocks : Blocks
        """
        return HeldBlocks(self, self._indices(rows), tile_rows, buffer)

    def kept_if_few(self, tile_rows=ROWS_MULTIPLE):
        """Lift the rows now and keep them, if that takes little memory; or else return self."""
        if self.n_samples * self.n_observables * self.dtype.itemsize > KEPT_BYTES:
            return self
        return self.held(slice(None), tile_rows)

    def taken_if_few(self):
        """Return the rows in memory, not lifted, if that takes little memory; or else self."""
        n_numbers = self.n_samples * self.taken(slice(0, 1)).X.shape[1]
        return self if n_numbers * self.dtype.itemsize > KEPT_BYTES else self.taken(slice(None))

    def with_rows_at_least(self, block_rows):
        """Return the same rows in blocks of at least ``block_rows`` rows."""
        wider = copy(self)
        wider.block_rows = max(self.block_rows, block_rows)
        return wider


class RowBlocks(Blocks):
    """Rows of an array that are lifted block by block when functions sum over them.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        Any object whose slices of rows are arrays. A ``numpy.memmap`` is read block by block.
    lift : callable, default=None
        Maps a block of rows of ``X`` to its ``(n_rows, n_observables)`` observables. None: the rows
        of ``X`` are the observables.
    n_observables : int, default=None
        Number of observables. None takes the number of columns of ``X``.
    block_rows : int, default=None
        Number of rows in a block. None takes as many as keep a lifted block in cache.
    pool : ThreadPool, default=None
        Threads that share the blocks of a sum. None takes as many as BLAS may use.
    products : PairProducts, default=None
        The observables as products of the columns of ``X``, for sums that compute them themselves.
    is_costly : bool, default=False
        Whether lifting a row takes longer than reading its observables.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.solvers import RowBlocks
    >>> blocks = RowBlocks(np.arange(6.0).reshape(3, 2), np.square, block_rows=2)
    >>> (total,) = blocks.sum(lambda psi: (psi.sum(axis=0),))
    >>> total
    array([20., 35.])
    """

    def __init__(
        self,
        X,
        lift=None,
        *,
        n_observables=None,
        block_rows=None,
        pool=None,
        products=None,
        is_costly=False,
    ):
        self.X = X
        self.lift = lift
        self.n_samples = X.shape[0]
        self.n_observables = X.shape[1] if n_observables is None else n_observables
        if block_rows is None:
            most = min(BLOCK_BYTES // (8 * self.n_observables), MOST_BLOCK_ROWS)
            block_rows = max(most // ROWS_MULTIPLE, 1) * ROWS_MULTIPLE
        self.block_rows = block_rows
        self.pool = pool or ThreadPool()
        self.products = products
        self.is_costly = is_costly

    def lifted(self, rows):
        """Return the observables of some rows: a slice, or an array of indices."""
        return self.X[rows] if self.lift is None else self.lift(self.X[rows])

    def taken(self, rows):
        """Return some rows as blocks that keep these rows of ``X`` and lift them when needed."""
        return self._lifting(self.X[rows])

    def _lifting(self, X):
        """Return blocks of other rows with the same lifting, in this process."""
        return RowBlocks(
            X,
            self.lift,
            n_observables=self.n_observables,
            block_rows=self.block_rows,
            pool=self.pool,
            products=self.products,
            is_costly=self.is_costly,
        )

    def _factors(self, rows):
        return Factors(self.X[rows], self.products)


def _unchanged(psi):
    return psi


def rows_of(aligned, rows):
    """Return some rows of each aligned array. None stays None."""
    return [None if array is None else array[rows] for array in aligned]


def added(parts):
    """Return the sums of parts, term by term. Parts are sequences of numbers and arrays."""
    return [sum(terms[1:], start=terms[0]) for terms in zip(*parts, strict=True)]


class ChosenBlocks(Blocks):
    """Some of the rows of other blocks.

    Parameters
    ----------
    blocks : Blocks
    rows : ndarray of int, shape (n_samples,)
    """

    def __init__(self, blocks, rows):
        self.n_samples = len(rows)
        self.n_observables = blocks.n_observables
        self.block_rows = blocks.block_rows
        self._blocks = blocks
        self._rows = rows
        self.pool = blocks.pool
        self.products = blocks.products

    def lifted(self, rows):
        """Return the observables of some of the chosen rows."""
        return self._blocks.lifted(self._rows[rows])

    def taken(self, rows):
        """Return some rows as blocks that hold their source."""
        return self._blocks.taken(self._rows[rows])

    def _factors(self, rows):
        return self._blocks._factors(self._rows[rows])


class HeldBlocks(ChosenBlocks):
    """Some of the rows of other blocks, lifted once and kept in tiles.

    A tile is contiguous in memory. So repeated reads of rows take half the time of reads of columns
    that are far apart.

    Parameters
    ----------
    blocks : Blocks
    rows : ndarray of int, shape (n_samples,)
    tile_rows : int
    buffer : ndarray, default=None
        As for `Blocks.held`.
    """

    def __init__(self, blocks, rows, tile_rows, buffer=None):
        super().__init__(blocks, rows)
        self.products = None  # the products are already made
        n_tiles, n_rest = divmod(self.n_samples, tile_rows)
        # One large array, because the system allocates a few large pages faster than many small
        # ones.
        if buffer is None:
            buffer = np.empty(self.n_samples * self.n_observables, blocks.dtype)
        tiles, rest, _ = np.split(
            buffer, np.cumsum([n_tiles * tile_rows, n_rest]) * self.n_observables
        )
        self._tiles = tiles.reshape(n_tiles, self.n_observables, tile_rows)
        self._rest = rest.reshape(1, self.n_observables, n_rest)

        def lift(batches):
            for batch in batches:
                tiles = self._kept(batch)
                tiles[...] = blocks.lifted(rows[batch]).reshape(tiles.shape)

        self.pool.map_shares(lift, self._all_batches())

    def lifted(self, rows):
        """Return the observables of some of the rows."""
        if not isinstance(rows, slice):
            return self._lifted_one_by_one(rows)
        start, stop, step = rows.indices(self.n_samples)
        if step != 1 or start >= stop:
            return self._lifted_one_by_one(rows)
        n_tiles, _, tile_rows = self._tiles.shape
        first = min(start // tile_rows, n_tiles)
        tiles = [*self._tiles[first : -(-stop // tile_rows)]]
        if stop > n_tiles * tile_rows:
            tiles += [*self._rest]
        n_before = first * tile_rows
        joined = np.concatenate(tiles, axis=1).T
        return joined[start - n_before : stop - n_before]

    def _lifted_one_by_one(self, rows):
        """Return the observables of rows by any indices."""
        n_tiles, _, tile_rows = self._tiles.shape
        tile, place = np.divmod(np.arange(self.n_samples)[rows], tile_rows)
        is_rest = tile == n_tiles
        psi = np.empty((len(tile), self.n_observables), self._tiles.dtype)
        psi[~is_rest] = self._tiles[tile[~is_rest], :, place[~is_rest]]
        psi[is_rest] = self._rest[0].T[place[is_rest]]
        return psi

    def kept_if_few(self, tile_rows=ROWS_MULTIPLE):
        """Return self, because the rows are kept."""
        return self

    def held(self, rows, tile_rows=ROWS_MULTIPLE, buffer=None):
        """Return some of these rows as blocks that keep them."""
        return HeldBlocks(self._blocks, self._rows[self._indices(rows)], tile_rows, buffer)

    def _kept(self, rows):
        """Return the tiles of a batch, (n_tiles, n_tile_rows, n_observables)."""
        n_tiles, _, tile_rows = self._tiles.shape
        first, last = rows.start // tile_rows, rows.stop // tile_rows
        tiles = self._tiles[first:last] if first < n_tiles else self._rest
        return tiles.transpose(0, 2, 1)

    def _all_batches(self):
        """Return batches of whole tiles, and one of the remaining rows."""
        n_tiles, _, tile_rows = self._tiles.shape
        n_tiled = n_tiles * tile_rows
        step = max(self.block_rows // tile_rows, 1) * tile_rows
        starts = [*range(0, n_tiled, step), n_tiled]
        batches = [slice(*ends) for ends in pairwise(starts)]
        if n_tiled < self.n_samples:
            batches.append(slice(n_tiled, self.n_samples))
        return batches
