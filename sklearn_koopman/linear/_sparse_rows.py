r"""Ridge least squares of wide sparse rows: what `_least_squares` solves, without a Gram matrix.

The standardised rows :math:`\Phi = (\Psi - 1 m^T) D^{-1}` are never made. Products with them are
products with :math:`\Psi` and a correction of rank one, that of the mean m. Of few rows, as many
equations are solved by Cholesky; of more, the normal equations by conjugate gradients, in the form
that does not square the condition number of :math:`\Phi` (CGLS, Hestenes & Stiefel 1952).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_solve, lapack
from scipy.sparse import diags_array

from ._least_squares import EPS, restrict_rank
from ._noise import even_ridge

# Rows of which the equations are solved as they are: they take little memory.
FEW_ROWS = 2048
# Conjugate gradients end when no column of the gradient is longer than this share of what it was
# without coefficients; and they take no more steps than this.
TOLERANCE = 1e-8
MOST_STEPS = 2000


class SparseSolution(NamedTuple):
    """Coefficients, and how they were found.

    Attributes
    ----------
    coef : ndarray of shape (n_observables, n_targets)
        Of the standardised observables.
    solver : {"cholesky", "cg"}
    gradient : float
        Longest column of the gradient, as a share of what it was without coefficients.
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
        Of the observables.
    targets : ndarray of shape (n_samples, n_targets)
    sample_weight : ndarray of shape (n_samples,)
    ridge : float or ndarray of shape (n_observables,)
    rank : int, default=None
        Largest rank of the coefficients; None does not restrict it.

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
    """Weighted, standardised rows as a linear map; they are never made.

    Attributes
    ----------
    psi : sparse matrix or array in CSR, shape (n_samples, n_observables)
    mean, rate : ndarray of shape (n_observables,)
        What is subtracted, and what is multiplied after that.
    root : ndarray of shape (n_samples, 1)
        What a row is multiplied by.
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
        """Return the transposed rows times numbers of each row."""
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
    """Solve as many equations as there are rows, by Cholesky; None where rounding decides."""
    matrix = rows.products()
    matrix[np.diag_indices_from(matrix)] += ridge
    norm = np.abs(matrix).sum(axis=0).max()
    factor, failed = lapack.dpotrf(matrix, overwrite_a=1)
    if failed or lapack.dpocon(factor, norm)[0] < len(matrix) * EPS:
        return None
    return rows.transposed(cho_solve((factor, False), targets))


def _by_conjugate_gradients(rows, targets, ridge):
    """Return coefficients and the share of the gradient that is left, for all targets at once."""
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
        # A target that is solved already stays as it is.
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
    """Return the ratio of numbers that are not negative; zero where there is nothing below."""
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
