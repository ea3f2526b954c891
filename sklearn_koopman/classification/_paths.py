"""Paths of ridges on the same rows, under several losses, that share all they can."""

from dataclasses import replace

from ..linear import minimise_path
from ._distilling import distillation_problem


class SharedPaths:
    """Minimisers of the distillation loss for many settings, on the rows of one task.

    What the losses share is computed once: rows that are few are kept lifted, their leverages, and
    a preconditioner for each ridge.

    Parameters
    ----------
    task : Task
    scale : Scale
        Of its observables.
    max_iter : int
        Of each setting.
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
        """Return an iterator of the solution for each ridge, each from where the last one ended.

        Parameters
        ----------
        soft_weight, temperature : float
        ridges : sequence of float
            From the largest down.
        coef : ndarray of shape (n_observables, n_classes)
            Where to start, for the standardised observables.
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
