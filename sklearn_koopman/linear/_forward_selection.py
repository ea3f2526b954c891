r"""Greedy choice of observables for least squares, from their Gram matrix.

With A the Gram matrix of the standardised observables plus ridge on its diagonal, and c their
correlations with the targets, ridge regression on the observables in S leaves the objective

.. math:: \tfrac{1}{2} \operatorname{tr} (Y^T Y) / W
          - \tfrac{1}{2} \operatorname{tr} (c_S^T A_S^{-1} c_S) .

Forward selection (orthogonal least squares: Chen, Billings & Luo, International Journal of Control
50, 1873-1896, 1989) adds the observable that lowers it most. This is a Cholesky factorisation with
a special pivot: after each choice, the diagonal of A and the rows of c contain the part of each
candidate that the chosen ones do not explain. The next choice is the largest
:math:`\|c_j\|^2 / A_{jj}`.
"""

import numpy as np

from .._progress import watched
from ._least_squares import EPS, correlation

# A candidate with so little left depends on the chosen ones, up to rounding.
LEAST_LEFT = 1e-10


def forward_selection(moments, ridge, max_chosen):
    """Choose observables one by one, each the best one in addition to the earlier choices.

    It takes one pass over an array (n_chosen, n_observables) for every choice.

    Parameters
    ----------
    moments : GramMoments
        Moments, which do not change.
    ridge : float
    max_chosen : int
        Largest number of choices. There are fewer if no other observable explains anything.

    Returns
    -------
    order : ndarray of int, shape (n_chosen,)
        The observables in the order of their choice.
    gains : ndarray of shape (n_chosen,)
        Decrease of the objective by each choice.
    """
    scale = moments.scale
    matrix = correlation(moments)
    np.einsum("ii->i", matrix)[...] += ridge
    left = np.diag(matrix).copy()
    cross = moments.cross / (scale.deviation[:, None] * moments.weight)
    cross[scale.constant] = 0.0
    max_chosen = min(max_chosen, len(matrix))
    factor = np.empty((max_chosen, len(matrix)))
    is_candidate = ~scale.constant
    order: list[int] = []
    gains: list[float] = []
    for k in watched(range(max_chosen), "choosing observables", "choice"):
        is_candidate &= left > LEAST_LEFT
        gain = np.where(is_candidate, np.einsum("ij,ij->i", cross, cross), 0.0)
        gain[is_candidate] /= 2 * left[is_candidate]
        best = int(gain.argmax())
        if gain[best] <= EPS**2 * sum(gains):
            break
        row = matrix[:, best].copy()
        row -= factor[:k, best] @ factor[:k]
        row /= np.sqrt(left[best])
        factor[k] = row
        cross -= np.outer(row, cross[best] / np.sqrt(left[best]))
        left -= row**2
        is_candidate[best] = False
        order.append(best)
        gains.append(float(gain[best]))
    return np.array(order, dtype=int), np.array(gains)
