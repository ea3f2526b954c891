"""Paths of ridges on the same rows for several losses, with shared computations."""

from dataclasses import replace

from ..linear import minimise_path
from ._distilling import distillation_problem


class SharedPaths:
    """Minimisers of the distillation loss for many settings, on the rows of one task.

    Shared parts are computed once: lifted rows (if there are few), their leverages, and a
    preconditioner for each ridge.

    Parameters
    ----------
    task : Task
    scale : Scale
        Scale of its observables.
    max_iter : int
        Largest number of steps for each setting.
    tol : float
    perturbation : float, default=0.0
        As in :class:`~sklearn_koopman.KoopmanDistilledClassifier`.
    """

    def __init__(self, task, scale, *, max_iter, tol, perturbation=0.0):
        self.task = task
        self.scale = scale
        self.max_iter = max_iter
        self.tol = tol
        self.perturbation = perturbation
        self.leverage = None
        self.preconditioners: dict = {}

    def path(self, soft_weight, temperature, ridges, coef, intercept):
        """Return an iterator over the solutions for all ridges. Each starts from the last solution.

        Parameters
        ----------
        soft_weight, temperature : float
        ridges : sequence of float
            Penalties in descending order.
        coef : ndarray of shape (n_observables, n_classes)
            Initial coefficients of the standardised observables.
        intercept : ndarray of shape (n_classes,)
        """
        problem = distillation_problem(
            self.task,
            self.scale,
            soft_weight=soft_weight,
            temperature=temperature,
            ridge=ridges[0],
            perturbation=self.perturbation,
        )
        if self.leverage is None:
            problem = problem.keeping_few_rows()
            self.task = replace(self.task, blocks=problem.blocks)
            self.leverage = problem.leverage()
        return minimise_path(
            problem,
            ridges,
            coef,
            intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            leverage=self.leverage,
            preconditioners=self.preconditioners,
        )
