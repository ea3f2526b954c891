"""Symmetric matrices of which only one triangle is stored.

In LAPACK's rectangular full packed format (Gustavson et al. 2010) the triangle fills a rectangle
without gaps, and products and factors still work on blocks: half the bytes at the same speed. For n
rows, of which h are n // 2, the column of row i of the upper triangle is::

    i >= h:  rectangle[: i + 1, i - h], above the diagonal and on it
    i <  h:  rectangle[h + 1 + i :, i], right of the diagonal and on it, up to column h
"""

import numpy as np
from scipy.linalg import lapack

from ._unlocked import add_packed_square

# Largest number of rounds of the norm's estimate, which rarely needs more than three.
MOST_ROUNDS = 5


class PackedTriangle:
    """A symmetric matrix of which one triangle is stored.

    Parameters
    ----------
    n : int
        Number of rows of the matrix.
    dtype : dtype, default=numpy.float64
        float32 or float64.

    Attributes
    ----------
    data : ndarray of shape (n * (n + 1) / 2,)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.rows import PackedTriangle
    >>> matrix = PackedTriangle(2)
    >>> matrix.add_product(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> matrix.full()
    array([[10., 14.],
           [14., 20.]])
    """

    def __init__(self, n, dtype=np.float64):
        self.n = n
        self.data = np.zeros(n * (n + 1) // 2, dtype)

    def copy(self, dtype=None):
        """Return a copy, in another dtype if one is given."""
        copied = PackedTriangle.__new__(PackedTriangle)
        copied.n, copied.data = self.n, self.data.astype(dtype or self.data.dtype)
        return copied

    def add_product(self, rows):
        """Add ``rows.T @ rows``.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n)
            Rows in the dtype of the matrix. In Fortran order they are not copied.
        """
        rows = np.asfortranarray(rows, self.data.dtype)
        if len(rows):
            add_packed_square(rows, self.data)

    def _name_of(self, function):
        """Return LAPACK's name of a function for this dtype."""
        return ("s" if self.data.dtype == np.float32 else "d") + function

    @property
    def columns(self):
        """The columns of the rectangle, as rows of a view."""
        return self.data.reshape(-(-self.n // 2), -1)

    def segments(self):
        """Yield (i, others, values): views with the entries of row i in other columns.

        Every entry of the upper triangle is in one of them.
        """
        half = self.n // 2
        for column, values in enumerate(self.columns):
            i = half + column
            yield i, slice(0, i + 1), values[: i + 1]
            if column < half:
                yield column, slice(column, half), values[i + 1 :]

    @property
    def diagonal(self):
        """The diagonal. An assignment changes only the diagonal."""
        return self.data[self._diagonal_places]

    @diagonal.setter
    def diagonal(self, values):
        self.data[self._diagonal_places] = values

    @property
    def _diagonal_places(self):
        half, i = self.n // 2, np.arange(self.n)
        n_rows = self.columns.shape[1]
        return np.where(i < half, half + 1 + i * (n_rows + 1), i + (i - half) * n_rows)

    def scale(self, factor):
        """Multiply every entry by the factors of its row and of its column."""
        for i, others, values in self.segments():
            values *= factor[i] * factor[others]

    def norm(self):
        """Return the largest sum of absolute values of a row."""
        sums = np.zeros(self.n)
        for i, others, values in self.segments():
            size = np.abs(values)
            sums[others] += size
            sums[i] += size.sum()
        return (sums - np.abs(self.diagonal)).max()

    def full(self, dtype=np.float64):
        """Return the full matrix with both triangles, in Fortran order."""
        matrix = np.empty((self.n, self.n), dtype, order="F")
        for i, others, values in self.segments():
            matrix[others, i] = matrix[i, others] = values
        return matrix

    def factorise(self):
        """Turn the matrix into its Cholesky factor. Return whether it is positive definite."""
        factorise = getattr(lapack, self._name_of("pftrf"))
        self.data, info = factorise(self.n, self.data, overwrite_a=1)
        return info == 0

    def invert(self):
        """Turn a Cholesky factor into the inverse of its matrix."""
        invert = getattr(lapack, self._name_of("pftri"))
        self.data, _ = invert(self.n, self.data, overwrite_a=1)

    def solve(self, right):
        """Return the inverse times columns, for the matrix whose Cholesky factor this is."""
        solution, _ = getattr(lapack, self._name_of("pftrs"))(self.n, self.data, right)
        return solution

    def inverse_norm(self):
        """Return a lower estimate of the norm of that inverse (Higham 1988)."""
        x = np.full((self.n, 1), 1.0 / self.n)
        solution = self.solve(x)
        estimate = np.abs(solution).sum()
        for _ in range(MOST_ROUNDS):
            slope = self.solve(np.copysign(1.0, solution))
            steepest = np.abs(slope).argmax()
            if abs(slope[steepest, 0]) <= np.vdot(slope, x):
                break
            x = np.zeros((self.n, 1))
            x[steepest] = 1.0
            solution = self.solve(x)
            if np.abs(solution).sum() <= estimate:
                break
            estimate = np.abs(solution).sum()
        return estimate
