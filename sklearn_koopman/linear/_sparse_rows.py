r"""Ridge least squares on wide sparse rows: as in `_least_squares`, without a Gram matrix.

The standardised rows :math:`\Phi = (\Psi - 1 m^T) D^{-1}` are never made. Products with them are
products with :math:`\Psi` and a correction of rank one, that of the mean m. For few rows, as many
equations are solved by Cholesky. For more rows, the normal equations are solved by conjugate
gradients, in the form that does not square the condition number of :math:`\Phi` (CGLS, Hestenes &
Stiefel 1952).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_solve, lapack
from scipy.sparse import diags_array

from ._least_squares import EPS, restrict_rank
from ._noise import even_ridge

# Up to this many rows, the equations take little memory and are solved directly.
FEW_ROWS = 2048
# Conjugate gradients end when each column of the gradient is shorter than this share of its length
# without coefficients, or after this many steps.
TOLERANCE = 1e-8
MOST_STEPS = 2000


class SparseSolution(NamedTuple):
    """Coefficients, and the solver that found them.

    Attributes
    ----------
    coef : ndarray of shape (n_observables, n_targets)
        Coefficients of the standardised observables.
    solver : {"cholesky", "cg"}
    gradient : float
        Longest column of the gradient, as a share of its length without coefficients.
    """

    coef: np.ndarray
    solver: str
    gradient: float


def solve_sparse(blocks, scale, targets, sample_weight, ridge, rank=None):
    """Solve for the coefficients of wide sparse rows.

    Parameters
    ----------
    blocks : SparseBlocks
    scale : Scale
        Scale of the observables.
    targets : ndarray of shape (n_samples, n_targets)
    sample_weight : ndarray of shape (n_samples,)
    ridge : float or ndarray of shape (n_observables,)
    rank : int, default=None
        Largest rank of the coefficients. None does not restrict it.

    Returns
    -------
    solution : SparseSolution
    """
    ridge, stretch = even_ridge(ridge)
    share = sample_weight / sample_weight.sum()
    root = np.sqrt(share)[:, None]
    rows = StandardisedRows(
        blocks.X,
        scale.mean,
        np.where(scale.constant, 0.0, 1 / (scale.deviation * stretch)),
        root,
    )
    targets = root * (targets - share @ targets)
    cross = rows.transposed(targets)
    coef = _by_rows(rows, targets, ridge) if blocks.n_samples <= FEW_ROWS else None
    solver, gradient = "cholesky", 0.0
    if coef is None:
        solver = "cg"
        coef, gradient = _by_conjugate_gradients(rows, targets, ridge)
    stretch = np.broadcast_to(stretch, len(coef))[:, None]
    coef = restrict_rank(coef / stretch, cross * stretch, rank)
    return SparseSolution(coef, solver, gradient)


@dataclass(frozen=True)
class StandardisedRows:
    """Weighted, standardised rows as a linear map. The rows are not computed.

    Attributes
    ----------
    psi : sparse matrix or array in CSR, shape (n_samples, n_observables)
    mean, rate : ndarray of shape (n_observables,)
        Numbers to subtract, and factors to multiply by after that.
    root : ndarray of shape (n_samples, 1)
        Factors of the rows.
    """

    psi: Any
    mean: np.ndarray
    rate: np.ndarray
    root: np.ndarray

    def times(self, coef):
        """Return the rows times coefficients."""
        coef = self.rate[:, None] * coef
        return self.root * (self.psi @ coef - self.mean @ coef)

    def transposed(self, residual):
        """Return the transposed rows times numbers for each row."""
        residual = self.root * residual
        sums = np.outer(self.mean, residual.sum(axis=0))
        return self.rate[:, None] * (self.psi.T @ residual - sums)

    def products(self):
        """Return the products of all rows with each other, (n_samples, n_samples)."""
        scaled = self.psi.astype(np.float64) @ diags_array(self.rate)
        of_mean = self.mean * self.rate
        with_mean = (scaled @ of_mean)[:, None]
        products = (scaled @ scaled.T).toarray()
        products += of_mean @ of_mean - with_mean - with_mean.T
        products *= self.root * self.root.T
        return products


def _by_rows(rows, targets, ridge):
    """Solve as many equations as there are rows, by Cholesky; None if only rounding is left."""
    matrix = rows.products()
    matrix[np.diag_indices_from(matrix)] += ridge
    norm = np.abs(matrix).sum(axis=0).max()
    factor, failed = lapack.dpotrf(matrix, overwrite_a=1)
    if failed or lapack.dpocon(factor, norm)[0] < len(matrix) * EPS:
        return None
    return rows.transposed(cho_solve((factor, False), targets))


def _by_conjugate_gradients(rows, targets, ridge):
    """Return coefficients and the remaining share of the gradient, for all targets at once."""
    coef = np.zeros((len(rows.mean), targets.shape[1]))
    residual = targets.copy()
    gradient = rows.transposed(residual)
    step = gradient.copy()
    square = start = np.einsum("ij,ij->j", gradient, gradient)
    goal = TOLERANCE**2 * start
    for _ in range(MOST_STEPS):
        if (square <= goal).all():
            break
        image = rows.times(step)
        curvature = np.einsum("ij,ij->j", image, image)
        curvature += ridge * np.einsum("ij,ij->j", step, step)
        # A target that is already solved does not change.
        length = _ratio(square, curvature)
        coef += length * step
        residual -= length * image
        gradient = rows.transposed(residual) - ridge * coef
        new_square = np.einsum("ij,ij->j", gradient, gradient)
        step *= _ratio(new_square, square)
        step += gradient
        square = new_square
    return coef, float(np.sqrt(_ratio(square, start).max()))


def _ratio(above, below):
    """Return the ratio of non-negative numbers, or zero if the denominator is zero."""
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
