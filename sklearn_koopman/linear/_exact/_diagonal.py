"""The preconditioner for wide sparse rows, whose Gram matrix would be too large."""

import numpy as np

# Smallest entry of the diagonal, as a share of its mean.
LEAST_SHARE = 1e-3


class DiagonalPreconditioner:
    """The inverse of the diagonal of the Hessian, as if all classes had the same curvature.

    Rows are weighted by their curvature and taken about their mean, because the intercept is
    eliminated.

    Parameters
    ----------
    problem : DistillationProblem
    moments : DiagonalMoments
        Moments of the observables of all rows, weighted by their curvature.
    """

    def __init__(self, problem, moments):
        scale = problem.scale
        of_rows = moments.scale
        n_free_classes = max(problem.n_classes - 1, 1)
        self.weight = moments.weight / n_free_classes
        self.mean = np.where(scale.constant, 0.0, (of_rows.mean - scale.mean) / scale.deviation)
        deviation = np.where(of_rows.constant, 0.0, of_rows.deviation / scale.deviation)
        curvature = self.weight * deviation**2 + problem.ridge
        # A direction with little curvature here may have more elsewhere.
        least = LEAST_SHARE * curvature.mean()
        self.inverse = np.where(scale.constant, 1.0, 1.0 / np.maximum(curvature, least))

    def __call__(self, gradient):
        """Return the inverse times columns of gradients, with n_observables + 1 numbers each."""
        step = np.empty_like(gradient)
        np.subtract(gradient[:-1], np.outer(self.mean, gradient[-1]), out=step[:-1])
        step[:-1] *= self.inverse[:, None]
        step[-1] = gradient[-1] / self.weight - self.mean @ step[:-1]
        return step
