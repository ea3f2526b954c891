"""The preconditioner of wide sparse rows, of which there can be no Gram matrix."""

import numpy as np

# Least share of the mean of the diagonal that an observable counts with.
LEAST_SHARE = 1e-3


class DiagonalPreconditioner:
    """The inverse of the diagonal of the Hessian, as if all classes curved alike.

    About the mean of the rows, each weighing what it curves, which is what eliminating the
    intercept leaves.

    Parameters
    ----------
    problem : DistillationProblem
    moments : DiagonalMoments
        Of the observables of all rows, each row weighing what it curves.
    """

    def __init__(self, problem, moments):
        scale = problem.scale
        of_rows = moments.scale
        n_free_classes = max(problem.n_classes - 1, 1)
        self.weight = moments.weight / n_free_classes
        self.mean = np.where(scale.constant, 0.0, (of_rows.mean - scale.mean) / scale.deviation)
        deviation = np.where(of_rows.constant, 0.0, of_rows.deviation / scale.deviation)
        curvature = self.weight * deviation**2 + problem.ridge
        # What hardly curves where the minimiser is now may curve elsewhere.
        least = LEAST_SHARE * curvature.mean()
        self.inverse = np.where(scale.constant, 1.0, 1.0 / np.maximum(curvature, least))

    def __call__(self, gradient):
        """Return the inverse times columns of gradients, of n_observables + 1 numbers each."""
        step = np.empty_like(gradient)
        np.subtract(gradient[:-1], np.outer(self.mean, gradient[-1]), out=step[:-1])
        step[:-1] *= self.inverse[:, None]
        step[-1] = gradient[-1] / self.weight - self.mean @ step[:-1]
        return step
