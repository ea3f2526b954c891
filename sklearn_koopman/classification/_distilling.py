"""Base of the classifiers that minimise the distillation loss exactly."""

from functools import partial

import numpy as np
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

from .._progress import progress
from .._validation import check_real
from .._warnings import warn_user
from ..linear import DistillationProblem, minimise
from ..rows import DiagonalMoments
from ..students import KoopmanClassifier, koopman_attributes, logit_slopes


class DistillingClassifier(KoopmanClassifier):
    """Base of the classifiers that minimise the distillation loss.

    A subclass has the parameters `max_iter` and `tol`, in addition to those of a
    `KoopmanClassifier`.
    """

    max_iter: int
    tol: float

    def predict_proba(self, X):
        """Return the probabilities of the classes, the softmax of the logits.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Rows as `fit` received them. For a dask array the result is a lazy dask array.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        return self._map_outputs(partial(softmax, axis=1), X)

    def _accumulate(self, task, moments):
        return task.blocks.map_reduce(DiagonalMoments.update, moments, task.sample_weight)

    def _minimise(self, problem, start, dtype):
        """Minimise a problem by L-BFGS, and return the fitted attributes.

        Parameters
        ----------
        problem : DistillationProblem
        start : tuple of (coef, intercept), or None
            As for `standardised`.
        dtype : numpy.dtype
            Dtype of X.

        Returns
        -------
        fitted : dict of str -> object
        """
        with progress("distillation", total=1) as steps:
            solution = minimise(
                problem,
                *standardised(start, problem),
                max_iter=self.max_iter,
                tol=self.tol,
                report=_Descent(steps, self.max_iter),
            )
        if not solution.converged:
            warn_user(
                f"lbfgs stopped after {solution.n_iter} iterations at a gradient of "
                f"{solution.gradient_norm:.1e}, above tol={self.tol}: {_reason(solution, self)}.",
                ConvergenceWarning,
            )
        return {
            **koopman_attributes(solution.coef, solution.intercept, problem.scale, dtype),
            "n_iter_": max(solution.n_iter, 1),
            "objective_": solution.objective,
            "gradient_norm_": solution.gradient_norm,
        }


def check_perturbation(student):
    """Raise an error for an invalid perturbation, or for settings that cannot move rows."""
    # Its square must not overflow.
    if not check_real(student, "perturbation", low=0.0, high=1e100):
        return
    for name, value in (("solver", "lbfgs"), ("device", None)):
        if getattr(student, name, value) != value:
            raise ValueError(
                f"perturbation={student.perturbation} with {name}={getattr(student, name)!r}: only "
                f"solver='lbfgs' without a device can use slopes of logits. Set {name}={value!r}, "
                "or perturbation=0."
            )


def distillation_problem(task, scale, *, soft_weight, temperature, ridge, perturbation):
    """Return the loss of a task's rows, standardised by a scale."""
    return DistillationProblem(
        task.blocks,
        scale,
        task.labels.codes,
        task.soft_logits,
        task.sample_weight,
        n_classes=len(task.labels.classes),
        soft_weight=soft_weight,
        temperature=temperature,
        ridge=ridge,
        perturbation=perturbation,
        slopes=logit_slopes(task) if perturbation else None,
    )


def standardised(start, problem):
    """Return a starting point as coefficients of the standardised observables, and intercepts.

    Parameters
    ----------
    start : tuple of (coef, intercept), or None
        Starting point for observables without standardisation, in the shapes of the fitted
        attributes. None: zeros.
    problem : DistillationProblem
    """
    if start is None:
        shape = problem.blocks.n_observables, problem.n_classes
        return np.zeros(shape), np.zeros(problem.n_classes)
    coef, intercept = (np.asarray(array, dtype=np.float64) for array in start)
    return problem.scale.rescale(coef.T, intercept)


def _reason(solution, student):
    """Return the reason why the solver stopped early, with advice."""
    if solution.n_iter >= student.max_iter:
        return "raise max_iter, or ridge, which makes the problem easier"
    return "rounding hides any further decrease; raise tol, or ridge"


class _Descent:
    """Progress of a minimiser, whose gradient falls about like a geometric series.

    Parameters
    ----------
    steps : Steps
        Progress, which is updated after every step.
    max_iter : int
    """

    def __init__(self, steps, max_iter):
        self.steps, self.max_iter = steps, max_iter
        self.first: float | None = None

    def __call__(self, n_iter, objective, excess):
        """Report a step, from the gradient in units of the tolerance."""
        if self.first is None:
            self.first = excess
        share = n_iter / self.max_iter
        if 1 < self.first < np.inf:
            share = max(share, 1 - np.log(max(excess, 1)) / np.log(self.first))
        self.steps.reached(share, f"iteration {n_iter:4d}: objective {objective:.8f}")
