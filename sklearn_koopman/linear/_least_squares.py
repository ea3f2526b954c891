r"""Ridge least squares from moments, as stateless functions.

With standardised observables :math:`\Phi` and centred targets :math:`Y` (rows of weights w, of
sum W), the coefficients B (n_observables, n_targets) minimise

.. math:: \frac{1}{2 W} \|\sqrt{w} (Y - \Phi B)\|_F^2 + \frac{ridge}{2} \|B\|_F^2
          \quad\text{subject to}\quad \operatorname{rank} B \le rank .

Constant observables get no coefficient. Each observable may have its own ridge.

The solution is a sum of the rows :math:`R = \sqrt{w / W} \Phi`: :math:`B = R^T A` with
:math:`(R R^T + ridge) A = \sqrt{w / W} Y`. So there are never more equations than rows.
"""

import numpy as np
from scipy.linalg import eigh, svd

from ..rows import PackedTriangle
from ._noise import even_ridge

EPS = np.finfo(np.float64).eps


def packed_correlation(moments, *, overwrite=False):
    """Return the Gram matrix of the standardised observables as a `PackedTriangle`.

    A constant observable has a unit diagonal and no correlation. The moments do not change, unless
    they may be overwritten.
    """
    scale = moments.scale
    matrix = moments.packed if overwrite else moments.packed.copy()
    matrix.scale(np.where(scale.constant, 0.0, 1 / (scale.deviation * np.sqrt(moments.weight))))
    matrix.diagonal = np.where(scale.constant, 1.0, matrix.diagonal)
    return matrix


def correlation(moments):
    """Return the matrix of `packed_correlation` as an array (n_observables, n_observables)."""
    return packed_correlation(moments).full()


def cholesky_factor(matrix, ridge, rounding=None):
    """Return the Cholesky factor of ``matrix + diag(ridge)``, or None if there is none.

    The result is also None if the matrix is so nearly singular that rounding errors matter: its
    reciprocal condition number is below `rounding`, ``n * eps`` by default. The matrix, a
    `PackedTriangle`, is overwritten.
    """
    rounding = matrix.n * EPS if rounding is None else rounding
    matrix.diagonal = matrix.diagonal + ridge
    norm = matrix.norm()
    if not matrix.factorise():
        return None
    return matrix if rounding * norm * matrix.inverse_norm() < 1 else None


def solve_gram(moments, ridge, rank=None, *, overwrite=False):
    """Solve the normal equations by Cholesky.

    Parameters
    ----------
    moments : GramMoments
    ridge : float or ndarray of shape (n_observables,)
    rank : int, default=None
        Largest rank of the coefficients. None does not restrict it.
    overwrite : bool, default=False
        Whether the Gram matrix may be overwritten, which halves the memory.

    Returns
    -------
    coef : ndarray of shape (n_observables, n_targets), or None
        Coefficients of the standardised observables. None if the Gram matrix is not numerically
        positive definite.
    """
    scale = moments.scale
    matrix = packed_correlation(moments, overwrite=overwrite)
    factor = cholesky_factor(matrix, ridge, moments.rounding)
    if factor is None:
        return None
    cross = moments.cross / (scale.deviation[:, None] * moments.weight)
    cross[scale.constant] = 0.0
    return restrict_rank(factor.solve(cross), cross, rank)


def solve_triangular_factor(moments, ridge, rank=None):
    """Solve by the singular value decomposition of the triangular factor of the rows.

    It works for all observables. If they are linearly dependent and ``ridge`` is zero, it gives the
    solution of smallest norm.

    Parameters
    ----------
    moments : TriangularMoments
    ridge : float or ndarray of shape (n_observables,)
    rank : int, default=None
        Largest rank of the coefficients. None does not restrict it.

    Returns
    -------
    coef : ndarray of shape (n_observables, n_targets)
        Coefficients of the standardised observables.
    """
    ridge, stretch = even_ridge(ridge)
    stretch = np.broadcast_to(stretch, moments.n_observables)[:, None]
    standardised = standardised_factor(moments) / stretch.T
    left, singular, right = svd(standardised, full_matrices=False, overwrite_a=True)
    kept = singular > moments.n_observables * EPS * singular[0]
    left, singular, right = left[:, kept], singular[kept], right[kept]
    projected = left.T @ (moments.projected / np.sqrt(moments.weight))
    coef = right.T @ (projected * (singular / (singular**2 + ridge))[:, None]) / stretch
    coef[moments.scale.constant] = 0.0  # to the last bit
    cross = right.T @ (projected * singular[:, None]) * stretch
    return restrict_rank(coef, cross, rank)


def solve_rows(moments, ridge, rank=None):
    """Solve as many equations as the factor has rows, by Cholesky.

    It is for fewer rows than observables: then there are fewer equations than coefficients.

    Parameters
    ----------
    moments : TriangularMoments
    ridge : float or ndarray of shape (n_observables,)
    rank : int, default=None
        Largest rank of the coefficients. None does not restrict it.

    Returns
    -------
    coef : ndarray of shape (n_observables, n_targets), or None
        Coefficients of the standardised observables. None if the equations are independent only
        because of rounding, which is always so with ``ridge=0``.
    """
    ridge, stretch = even_ridge(ridge)
    stretch = np.broadcast_to(stretch, moments.n_observables)[:, None]
    rows = standardised_factor(moments).T / stretch
    projected = moments.projected / np.sqrt(moments.weight)
    matrix = PackedTriangle(rows.shape[1])
    matrix.add_product(rows)
    factor = cholesky_factor(matrix, ridge, moments.rounding)
    if factor is None:
        return None
    coef = rows @ factor.solve(projected) / stretch
    return restrict_rank(coef, rows @ projected * stretch, rank)


def standardised_factor(moments):
    """Return R, where ``R.T @ R`` is the Gram matrix of the standardised observables.

    Constant observables are zero.

    Parameters
    ----------
    moments : TriangularMoments

    Returns
    -------
    factor : ndarray of shape (n_factor_rows, n_observables)
    """
    scale = moments.scale
    rate = np.where(scale.constant, 0.0, 1 / (scale.deviation * np.sqrt(moments.weight)))
    return moments.factor * rate


def restrict_rank(coef, cross, rank):
    """Return the best coefficients of limited rank: reduced-rank ridge regression.

    ``coef`` solves ``A coef = cross`` with A the regularised Gram matrix; the best of rank r is
    its projection on the leading eigenvectors of ``coef.T A coef = coef.T cross``.
    """
    n_targets = coef.shape[1]
    if rank is None or rank >= n_targets:
        return coef
    _, directions = eigh(coef.T @ cross, subset_by_index=(n_targets - rank, n_targets - 1))
    return coef @ directions @ directions.T
