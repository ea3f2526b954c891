"""The preconditioner of the minimiser."""

import numpy as np
from sklearn.utils import gen_even_slices

# Number of parts into which threads split the products of a preconditioner.
N_PARTS = 8
# Smallest and largest share of the mean curvature that is added in all directions. Few rows hardly
# vary along some directions, and a preconditioner that enlarges these amplifies rounding errors.
SHIFTS = 1e-3, 1.0


class CurvaturePreconditioner:
    """The inverse of the Hessian of a sample, as if all classes had the same curvature.

    Its block for one class is the Gram matrix of the rows, weighted by their curvature and taken
    about their mean, because the intercept is eliminated.

    Parameters
    ----------
    problem : DistillationProblem
    moments : GramMoments
        Moments of the observables of the sample, with rows weighted by their curvature. The Gram
        matrix is overwritten.
    n_rows : float
        Number of rows of the sample, counted by their sample weights. With fewer rows per
        observable, more is added in all directions.
    slope_gram : ndarray of shape (n_observables, n_observables), default=None
        Part of the slopes for one class, see `DistillationProblem.slope_gram`.
    """

    def __init__(self, problem, moments, n_rows, slope_gram=None):
        scale = problem.scale
        self.mean = (moments.mean - scale.mean) / scale.deviation
        self.mean[scale.constant] = 0.0
        n_free_classes = max(problem.n_classes - 1, 1)
        self.weight = moments.weight / n_free_classes
        factor = np.where(scale.constant, 0.0, 1 / scale.deviation)
        matrix = moments.packed
        matrix.data /= n_free_classes
        if slope_gram is not None:
            for i, others, values in matrix.segments():
                values += slope_gram[i, others]
        matrix.scale(factor)
        variances = matrix.diagonal
        shift = np.clip((moments.n_observables / n_rows) ** 2, *SHIFTS) * variances.mean()
        matrix.diagonal = np.where(scale.constant, 1.0, variances + problem.ridge + shift)
        self.inverse = inverse(matrix, problem.dtype)
        self.pool = problem.blocks.pool
        self.parts = list(gen_even_slices(len(self.inverse), N_PARTS))

    def __call__(self, gradient):
        """Return the inverse times columns of gradients, with n_observables + 1 numbers each."""
        step = np.empty_like(gradient)
        coef_gradient = gradient[:-1] - np.outer(self.mean, gradient[-1])
        coef_gradient = coef_gradient.astype(self.inverse.dtype)

        def multiply(parts):
            for rows in parts:
                # Columns of a symmetric matrix are its rows, which are contiguous.
                step[rows] = self.inverse[:, rows].T @ coef_gradient

        self.pool.map_shares(multiply, self.parts)
        step[-1] = gradient[-1] / self.weight - self.mean @ step[:-1]
        return step


def inverse(matrix, dtype):
    """Return the inverse of a packed matrix in a sufficient precision. It is overwritten."""
    factor = matrix if dtype == np.float64 else matrix.copy(dtype)
    if not factor.factorise() and factor is not matrix:
        factor = matrix
        factor.factorise()
    factor.invert()
    return factor.full(dtype)
