"""Rows and rows that are made from them, which are never all in memory."""

import numpy as np

from ._given import GivenRows

# Number of rows that an augmenter gets at a time. Its random numbers depend on it.
MADE_ROWS = 1024


class EnlargedRows:
    """Rows of an array, followed by copies that augmenters make from them, block by block.

    A block always gets the same random numbers, so all passes over the rows see the same rows.

    Parameters
    ----------
    X : ndarray of shape (n_real, n_columns), or GivenRows
    augmenters : sequence of callables
        Each makes one copy of all rows: ``augmenter(block, rng)`` returns as many rows as the block
        has.
    seed : int
    n_before : int, default=0
        Number of earlier rows of a stream, so that other rows get other random numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.solvers import EnlargedRows
    >>> rows = EnlargedRows(np.arange(2.0)[:, None], [lambda X, rng: X + rng.random(X.shape)], 0)
    >>> rows.shape
    (4, 1)
    >>> np.array_equal(rows[:], rows.map(np.copy))
    True
    """

    def __init__(self, X, augmenters, seed, n_before=0):
        self.real = X
        self.n_copies = len(augmenters)
        self.shape = (len(X) * (1 + len(augmenters)), *X.shape[1:])
        self.ndim = len(self.shape)
        self.dtype = X.dtype
        self._augmenters = augmenters
        self._seed = seed
        self._n_before = n_before

    def __len__(self):
        return self.shape[0]

    def map(self, function):
        """Return ``function(block)`` of all rows, joined. It maps rows to as many rows."""
        n_real = len(self.real)
        real = self.real
        results = real.map(function) if isinstance(real, GivenRows) else function(real)
        # Copied, because a view would keep its block alive.
        joined = np.empty((len(self), *results.shape[1:]), results.dtype)
        joined[:n_real] = results
        for copy in range(self.n_copies):
            for start in range(0, n_real, MADE_ROWS):
                rows = (copy + 1) * n_real + np.arange(start, min(start + MADE_ROWS, n_real))
                joined[rows] = function(self._made(copy, start))
        return joined

    def __getitem__(self, rows):
        """Return some rows: a slice, or an array of indices."""
        rows = np.arange(len(self))[rows]
        copies, sources = np.divmod(rows, len(self.real))
        is_real = copies == 0
        real = self.real[sources[is_real]]
        if is_real.all():
            return real  # in the form in which the user gave them
        chosen = np.empty((len(rows), *self.shape[1:]), self.dtype)
        chosen[is_real] = real
        starts = sources - sources % MADE_ROWS
        for copy, start in np.unique(np.stack([copies, starts])[:, ~is_real], axis=1).T:
            wanted = (copies == copy) & (starts == start)
            chosen[wanted] = self._made(copy - 1, start)[sources[wanted] - start]
        return chosen

    def repeated(self, array, fill=None):
        """Extend values of the real rows to all rows.

        Parameters
        ----------
        array : ndarray of shape (n_real,)
        fill : object, default=None
            Value of the made rows. None gives them the values of their originals.
        """
        if fill is None:
            return np.tile(array, 1 + self.n_copies)
        return np.concatenate([array, np.full(self.n_copies * len(array), fill)])

    def _made(self, copy, start):
        block = self.real[start : start + MADE_ROWS]
        if isinstance(block, np.ndarray):
            block.flags.writeable = (
                False  # only of the view, because the rows belong to the user
            )
        rng = np.random.default_rng([self._seed, copy, self._n_before + start])
        return self._augmenters[copy](block, rng)
