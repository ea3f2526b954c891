r"""Linear probes: how well a linear function of features predicts on which rows a clause holds.

A clause is a set of rows with the indicator :math:`c`. With features :math:`\phi`, standardised
and divided by the square root of their number, its error over the n rows is

.. math:: e(c) = \frac{1}{\bar c (1 - \bar c)} \min_{w, b} \Big[
          \frac{1}{n} \sum_i (c_i - b - w^T \phi_i)^2 + ridge \|w\|^2 \Big]

from 0 (a linear function of small norm equals the clause) to 1 (the features do not help). Let
:math:`\Phi^T \Phi / n + ridge I = R^T R` and :math:`U = \Phi R^{-1} / \sqrt n`; then

.. math:: e(c) = 1 - \frac{\|U^T c\|^2}{n \bar c (1 - \bar c)} .

So one factorisation serves all clauses, and a probe is a column of a matrix product.
"""

import numpy as np
from scipy.linalg import qr, solve_triangular

from .._memory import check_fits_in_memory
from ..rows import PackedTriangle, Scale
from ._least_squares import cholesky_factor


class LinearProbes:
    """Errors of any number of clauses, from one factorisation of the features.

    Parameters
    ----------
    features : array of shape (n_rows, n_features)
        float32 and float64 are kept for the products; the factorisation is in float64.
    ridge : float
        Penalty on the squared norm of a probe, in units of the total variance of the features.

    Attributes
    ----------
    coordinates : ndarray of shape (n_rows, min(n_rows, n_features))
        The matrix U of the formula.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.solvers import LinearProbes
    >>> x = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    >>> probes = LinearProbes(x[:, :1], ridge=1e-6)
    >>> everywhere = np.ones(4, dtype=bool)
    >>> probes.errors(everywhere, x > 0)[0].round(3)  # the probes see only the first column
    array([0., 1.])
    """

    def __init__(self, features, ridge):
        self.coordinates = _coordinates(features, ridge)

    def errors(self, rows, literals):
        """Return the errors of a clause that each of many conditions splits in two.

        Only the rows of the clause enter the product. One product serves both halves, because their
        indicators add up to that of the clause.

        Parameters
        ----------
        rows : ndarray of bool, shape (n_rows,)
            Mask of the rows on which the clause holds.
        literals : ndarray of bool, shape (n_rows, n_literals)
            Mask of the rows on which each condition holds.

        Returns
        -------
        errors : ndarray of shape (2, n_literals)
            Errors of "clause and condition", and of "clause and not condition". A clause that holds
            on no row, or on all rows, has the error 1.
        """
        inside = self.coordinates[rows]
        holds = literals[rows]
        n_holding = np.count_nonzero(holds, axis=0)
        holding = inside.T @ holds.astype(inside.dtype)
        failing = inside.sum(axis=0)[:, None] - holding
        return np.stack(
            [self._error(holding, n_holding), self._error(failing, len(inside) - n_holding)]
        )

    def _error(self, projected, n_clause):
        """Return the errors of clauses from U^T c, one column for each clause."""
        explained = np.einsum("ij,ij->j", projected, projected, dtype=np.float64)
        scatter = n_clause * (1 - n_clause / len(self.coordinates))
        share = np.zeros_like(scatter)
        np.divide(explained, scatter, out=share, where=scatter > 0)
        return 1 - share


def _coordinates(features, ridge):
    n_rows, n_features = features.shape
    dtype = np.float32 if features.dtype == np.float32 else np.float64
    check_fits_in_memory(
        8 * n_rows * n_features,
        f"A {n_rows} x {n_features} matrix of features",
        "Probe fewer rows, or pass features of fewer layers.",
    )
    phi = features.astype(np.float64)
    scale = Scale.from_scatter(phi.mean(axis=0), phi.var(axis=0))
    phi -= scale.mean
    phi[:, scale.constant] = 0.0
    phi /= scale.deviation * np.sqrt(max(1, n_features - scale.constant.sum()))
    if n_features > n_rows:
        # Only inner products of rows matter, and the triangular factor has the same ones.
        (triangle,) = qr(phi.T, overwrite_a=True, mode="r", check_finite=False)
        phi = triangle[:n_rows].T
    gram = PackedTriangle(phi.shape[1])
    gram.add_product(phi)
    gram.data /= n_rows
    factor = cholesky_factor(gram, ridge)
    if factor is None:
        raise ValueError(
            f"The Gram matrix of {n_features} features on {n_rows} rows is not numerically "
            f"positive definite with ridge={ridge}: raise ridge."
        )
    coordinates = solve_triangular(factor.full(), phi.T, trans="T", check_finite=False).T
    coordinates /= np.sqrt(n_rows)
    return np.ascontiguousarray(coordinates, dtype=dtype)
