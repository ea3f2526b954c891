"""One door for everything that sums over rows."""

import numpy as np
from sklearn.utils import gen_batches

# A lifted block of this size stays in the last-level cache and is recycled by malloc; so do the
# logits of a block that has no more rows than this.
BLOCK_BYTES = 8 * 2**20
MOST_BLOCK_ROWS = 2**13


class RowBlocks:
    """Rows of an array, lifted block by block on their way to whoever sums over them.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        Anything whose slices of rows are arrays; a ``numpy.memmap`` is read block by block.
    lift : callable, default=None
        Maps a block of rows of ``X`` to its ``(n_rows, n_observables)`` observables. None: the
        rows of ``X`` are the observables already.
    n_observables : int, default=None
        Number of observables; None takes the number of columns of ``X``.
    block_rows : int, default=None
        Rows of a block; None takes as many as keep a lifted block in cache.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.solvers import RowBlocks
    >>> blocks = RowBlocks(np.arange(6.0).reshape(3, 2), np.square, block_rows=2)
    >>> blocks.map_reduce(lambda total, psi: total + psi.sum(axis=0), 0.0)
    array([20., 35.])
    """

    def __init__(self, X, lift=None, *, n_observables=None, block_rows=None):
        self.X = X
        self.lift = lift
        self.n_samples = X.shape[0]
        self.n_observables = X.shape[1] if n_observables is None else n_observables
        if block_rows is None:
            block_rows = np.clip(BLOCK_BYTES // (8 * self.n_observables), 64, MOST_BLOCK_ROWS)
        self.block_rows = int(block_rows)

    def lifted(self, rows):
        """Return the observables of some rows: a slice, or an array of indices."""
        return self.X[rows] if self.lift is None else self.lift(self.X[rows])

    def map(self, function):
        """Return ``function(psi)`` of every lifted block, joined along the rows."""
        batches = gen_batches(self.n_samples, self.block_rows)
        return np.concatenate([function(self.lifted(rows)) for rows in batches])

    def map_reduce(self, update, total, *aligned):
        """Return ``total`` after ``total = update(total, psi, *aligned)`` for every block.

        Parameters
        ----------
        update : callable
            Takes the running total, the lifted block, and the rows of the aligned arrays that
            belong to it; returns the new total.
        total : object
            The total before the first block.
        *aligned : arrays of shape (n_samples, ...)
            Arrays with one row (or number) for each row of ``X``.
        """
        for rows in gen_batches(self.n_samples, self.block_rows):
            total = update(total, self.lifted(rows), *(array[rows] for array in aligned))
        return total

    def with_rows_at_least(self, block_rows):
        """Return the same rows in blocks of at least ``block_rows`` rows."""
        return RowBlocks(
            self.X,
            self.lift,
            n_observables=self.n_observables,
            block_rows=max(self.block_rows, block_rows),
        )
