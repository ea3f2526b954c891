"""Problems with few rows and many observables, in as many coordinates as there are rows.

Coefficients that are orthogonal to all rows do not change logits, and a ridge makes them zero. So
the minimiser is a linear combination of the rows, and only as many coefficients as rows must be
found: those for an orthonormal basis of the span of the rows, in which the penalty is the same.
"""

from copy import copy

import numpy as np
from scipy.linalg import qr

from ...rows import RowBlocks, Scale, as_numpy


def in_row_coordinates(problem):
    """Return a problem in the coordinates of its rows, and the basis.

    Parameters
    ----------
    problem : DistillationProblem

    Returns
    -------
    smaller : DistillationProblem
        Problem in float64, with `n_samples` observables without further standardisation.
    basis : ndarray of shape (n_observables, n_samples)
        Basis. Its product with coefficients of the smaller problem gives coefficients of the
        problem.
    """
    scale = problem.scale
    phi = as_numpy(problem.blocks.all_lifted()) - scale.mean
    phi *= np.where(scale.constant, 0.0, 1 / scale.deviation)
    basis, factor = qr(phi.T, mode="economic", overwrite_a=True, check_finite=False)
    n_rows = len(phi)
    smaller = copy(problem)
    smaller.blocks = RowBlocks(np.ascontiguousarray(factor.T), pool=problem.blocks.pool)
    smaller.scale = Scale(np.zeros(n_rows), np.ones(n_rows), np.zeros(n_rows, dtype=bool))
    smaller.is_centred = False
    smaller.dtype = np.dtype(np.float64)
    smaller.softened = None if problem.softened is None else as_numpy(problem.softened)
    return smaller, basis
