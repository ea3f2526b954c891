"""The preconditioner of the minimiser."""

import numpy as np
from sklearn.utils import gen_even_slices

# Parts that threads share the products of a preconditioner in.
N_PARTS = 8
# Least and largest share of the mean curvature that is added in all directions: few rows hardly
# show some of them at all, and a preconditioner that blows these up repeats rounding errors.
SHIFTS = 1e-3, 1.0


class CurvaturePreconditioner:
    """The inverse of the Hessian of a sample, as if all classes curved alike.

    Its block for one class is the Gram matrix of the rows, weighted by their curvature, about
    their mean, which is what eliminating the intercept leaves.

    Parameters
    ----------
    problem : DistillationProblem
    moments : GramMoments
        Of the observables of the sample, each row weighing what it curves. Its Gram matrix is
        overwritten.
    n_rows : float
        Rows of the sample, counted by their sample weights. The fewer there are for each
        observable, the more is added in all directions.
    slope_gram : ndarray of shape (n_observables, n_observables), default=None
        What slopes add for one class, see `DistillationProblem.slope_gram`.
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
        """Return the inverse times columns of gradients, of n_observables + 1 numbers each."""
        step = np.empty_like(gradient)
        coef_gradient = gradient[:-1] - np.outer(self.mean, gradient[-1])
        coef_gradient = coef_gradient.astype(self.inverse.dtype)

        def multiply(parts):
            for rows in parts:
                # Columns of a symmetric matrix are its rows, and lie in one piece.
                step[rows] = self.inverse[:, rows].T @ coef_gradient

        self.pool.map_shares(multiply, self.parts)
        step[-1] = gradient[-1] / self.weight - self.mean @ step[:-1]
        return step


def inverse(matrix, dtype):
    """Return the inverse of a packed matrix, overwritten, in a precision that it allows."""
    factor = matrix if dtype == np.float64 else matrix.copy(dtype)
    if not factor.factorise() and factor is not matrix:
        factor = matrix
        factor.factorise()
    factor.invert()
    return factor.full(dtype)
