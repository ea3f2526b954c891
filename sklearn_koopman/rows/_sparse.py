"""Sparse rows in CSR (compressed sparse rows).

Rows with few columns are made dense block by block, and are then treated like others. Rows with
many columns are not centred or made dense for consumers that take sparse blocks. Other consumers
get dense blocks.
"""

import numpy as np

from ._blocks import RowBlocks

# Up to this many columns a Gram matrix takes little memory, and it saves many steps.
MOST_NARROW_COLUMNS = 1024


class SparseBlocks(RowBlocks):
    """Wide rows in CSR. Consumers that take sparse blocks get all of them at once.

    Parameters
    ----------
    X : sparse matrix or array in CSR, of floats, shape (n_samples, n_observables)
        Rows without duplicate entries.
    pool : ThreadPool, default=None
        As for `RowBlocks`.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from sklearn_koopman.rows import SparseBlocks
    >>> SparseBlocks(csr_array(np.eye(3))).lifted(slice(1, 2))
    array([[0., 1., 0.]])
    """

    is_sparse = True

    def __init__(self, X, pool=None):
        super().__init__(X, dense, pool=pool)

    @property
    def n_numbers(self):
        """Number of values that a pass reads, which are the stored ones."""
        return self.X.nnz

    @property
    def dtype(self):
        """The dtype of the rows."""
        return self.X.dtype

    def at(self, rows):
        """Return some rows as sparse blocks."""
        return SparseBlocks(self.X[rows], self.pool)

    taken = at

    def held(self, rows, tile_rows=None, buffer=None):
        """Return some rows as sparse blocks, because there is nothing to lift."""
        return self.at(rows)

    def kept_if_few(self, tile_rows=None):
        """Return self, because the rows are kept."""
        return self

    def taken_if_few(self):
        """Return self, because the rows are in memory."""
        return self

    def _blocks_for(self, consumer, block):
        """Return the function that makes blocks for a consumer of all rows, and the batches."""
        if consumer.takes_sparse:
            return self._unchanged, [slice(0, self.n_samples)]
        return super()._blocks_for(consumer, block)

    def _unchanged(self, rows):
        return self.X if rows == slice(0, self.n_samples) else self.X[rows]


def sparse_blocks(X):
    """Return sparse rows as blocks: dense ones for few columns, sparse ones for many.

    Parameters
    ----------
    X : sparse matrix or array in CSR, of floats, shape (n_samples, n_observables)
    """
    return RowBlocks(X, dense) if X.shape[1] <= MOST_NARROW_COLUMNS else SparseBlocks(X)


def dense(X):
    """Return sparse rows as an array."""
    return X.toarray()


def without_duplicates(X):
    """Return rows in CSR without duplicate entries. The user's matrix does not change.

    Parameters
    ----------
    X : sparse matrix or array in CSR
    """
    if X.has_canonical_format:
        return X
    X = X.copy()
    X.sum_duplicates()
    return X


def sparse_moments(X, sample_weight):
    """Return the sum of weights, and the means and scatters of sparse columns.

    As for dense rows, means are distances from a row, and squares are those of distances from the
    mean. So nothing cancels, and a constant column has no scatter.

    Parameters
    ----------
    X : sparse matrix or array in CSR
    sample_weight : ndarray of shape (n_samples,)
        Weights that are not all zero.

    Returns
    -------
    weight : float
    mean : ndarray of shape (n_columns,)
    sum_of_squares : ndarray of shape (n_columns,)
    """
    sample_weight = sample_weight.astype(np.float64, copy=False)
    weight = sample_weight.sum()
    of_entries = np.repeat(sample_weight, np.diff(X.indptr))
    counts = sample_weight > 0

    def summed(terms):
        return np.bincount(X.indices, terms, X.shape[1])

    is_full = summed(of_entries > 0) == counts.sum()
    elsewhere = np.where(is_full, 0.0, weight - summed(of_entries))
    origin = dense(X[[np.argmax(counts)]])[0].astype(np.float64)
    distance = summed(of_entries * (X.data - origin[X.indices])) - elsewhere * origin
    mean = origin + distance / weight
    squares = of_entries * (X.data - mean[X.indices]) ** 2
    return weight, mean, summed(squares) + elsewhere * mean**2
