r"""The distillation loss of a linear student, and its exact minimiser.

With standardised observables :math:`\phi_i`, logits :math:`s_i = W^T \phi_i + b`, one-hot
labels :math:`y_i`, the teacher's softened probabilities :math:`p_i = softmax(t_i / T)` and row
weights :math:`w_i` (h: rows with a label),

.. math::
    L(W, b) = (1 - a) \frac{\sum_h w_i\, CE(y_i, s_i)}{\sum_h w_i}
            + a T^2 \frac{\sum w_i\, KL(p_i \| softmax(s_i / T))}{\sum w_i}
            + \frac{ridge}{2} \|W\|_F^2 .

Both losses are a log-sum-exp of linear functions minus a linear function, so L is convex; with
``ridge > 0`` its minimiser W is unique, and so are the probabilities.
"""

from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
from scipy import optimize
from scipy.linalg import lapack
from scipy.special import softmax, xlogy

from ._least_squares import EPS, correlation


class DistillationProblem:
    """Value and gradient of the distillation loss, each call one pass over the rows.

    Parameters
    ----------
    blocks : RowBlocks
        The lifted rows.
    scale : Scale
        Means and deviations that standardise the observables.
    one_hot : ndarray of shape (n_samples, n_classes)
        Labels; a row without a label is zero.
    soft_logits : ndarray of shape (n_samples, n_classes), or None
        The teacher's logits; None stands for no teacher and needs ``soft_weight=0``.
    sample_weight : ndarray of shape (n_samples,)
    soft_weight, temperature, ridge : float

    Attributes
    ----------
    n_classes : int
    target_mass : ndarray of shape (n_samples, n_classes)
        What multiplies the logits in the loss: all that the passes need of labels and teacher.
    """

    def __init__(
        self,
        blocks,
        scale,
        one_hot,
        soft_logits,
        sample_weight,
        *,
        soft_weight,
        temperature,
        ridge,
    ):
        self.blocks = blocks
        self.scale = scale
        self.temperature = temperature
        self.ridge = ridge
        self.n_classes = one_hot.shape[1]
        hard_weight = (1 - soft_weight) * _normalised(sample_weight * one_hot.sum(axis=1))
        self.hard_weight = hard_weight
        self.soft_weight = soft_weight * _normalised(sample_weight)
        self.target_mass = hard_weight[:, None] * one_hot
        self.negative_entropy = 0.0
        if soft_weight > 0:
            softened = softmax(soft_logits / temperature, axis=1)
            self.target_mass += (self.soft_weight * temperature)[:, None] * softened
            row_entropy = xlogy(softened, softened).sum(axis=1)
            self.negative_entropy = temperature**2 * (self.soft_weight @ row_entropy)
        self.target_mass = np.asfortranarray(self.target_mass)

    def __call__(self, coef, intercept):
        """Return the loss and its gradient at coefficients of the standardised observables.

        Parameters
        ----------
        coef : ndarray of shape (n_observables, n_classes)
        intercept : ndarray of shape (n_classes,)

        Returns
        -------
        value : float
        coef_gradient : ndarray of shape (n_observables, n_classes)
        intercept_gradient : ndarray of shape (n_classes,)
        """
        raw_coef, raw_intercept = self.scale.unscale(coef, intercept)
        add_block = partial(self._add_block, raw_coef.T.copy(), raw_intercept[:, None])
        value, psi_gradient, intercept_gradient = self.blocks.map_reduce(
            add_block,
            (0.0, np.zeros_like(coef), np.zeros_like(intercept)),
            self.target_mass,
            self.hard_weight,
            self.soft_weight,
        )
        coef_gradient = psi_gradient - np.outer(self.scale.mean, intercept_gradient)
        coef_gradient /= self.scale.deviation[:, None]
        coef_gradient[self.scale.constant] = 0.0
        value += self.negative_entropy + 0.5 * self.ridge * np.vdot(coef, coef)
        return value, coef_gradient + self.ridge * coef, intercept_gradient

    def _add_block(self, coef, intercept, total, psi, target_mass, hard_weight, soft_weight):
        value, coef_gradient, intercept_gradient = total
        psi = psi.astype(np.float64, copy=False)
        # One row a class: sums over classes then run along contiguous memory.
        logits = coef @ psi.T
        logits += intercept
        residual = -target_mass.T
        value += np.vdot(residual, logits)
        for weight, temperature in self._log_sum_exp_terms(hard_weight, soft_weight):
            log_sum, probability = _log_sum_exp(logits / temperature)
            value += temperature**2 * (weight @ log_sum)
            probability *= temperature * weight
            residual += probability
        coef_gradient += psi.T @ residual.T
        intercept_gradient += residual.sum(axis=1)
        return value, coef_gradient, intercept_gradient

    def _log_sum_exp_terms(self, hard_weight, soft_weight):
        """Return the (row weights, temperature) of each log-sum-exp in the loss."""
        if self.temperature == 1.0:
            return [(hard_weight + soft_weight, 1.0)]
        terms = [(hard_weight, 1.0), (soft_weight, self.temperature)]
        return [term for term in terms if term[0].any()]


def _normalised(weight):
    total = weight.sum()
    return weight / total if total > 0 else weight


def _log_sum_exp(logits):
    """Return log-sum-exp and softmax over the first axis; ``logits`` is overwritten."""
    largest = logits.max(axis=0)
    logits -= largest
    probability = np.exp(logits, out=logits)
    total = probability.sum(axis=0)
    probability /= total
    return np.log(total) + largest, probability


@dataclass(frozen=True)
class Solution:
    """A minimiser and how near to it the solver came.

    Attributes
    ----------
    coef : ndarray of shape (n_observables, n_classes)
        Coefficients of the standardised observables.
    intercept : ndarray of shape (n_classes,)
    objective : float
    gradient_norm : float
        Largest component of the gradient in the preconditioned coordinates.
    n_iter : int
    converged : bool
    message : str
    """

    coef: np.ndarray
    intercept: np.ndarray
    objective: float
    gradient_norm: float
    n_iter: int
    converged: bool
    message: str


class Preconditioner:
    """Coordinates ``V = U W`` in which the loss curves about equally in all directions.

    ``U.T @ U = C + (shift + ridge) I`` with C the Gram matrix of the D standardised observables,
    which is the Hessian of the loss when all logits of all rows curve alike.

    Parameters
    ----------
    moments : GramMoments
    ridge : float

    Notes
    -----
    The shift is ``(D / W)^2`` for rows of total weight W, kept within [1e-3, 1]. Few rows hardly
    show some directions at all, and a preconditioner that blows these up makes L-BFGS repeat
    rounding errors tenfold an iteration; many rows show them all.
    """

    def __init__(self, moments, ridge):
        shift = np.clip((moments.n_observables / moments.weight) ** 2, 1e-3, 1.0)
        matrix = correlation(moments)
        np.einsum("ii->i", matrix)[...] += shift + ridge
        self.factor, _ = lapack.dpotrf(matrix, lower=0, clean=0, overwrite_a=1)

    def to_coef(self, coordinates):
        """Return ``W = U^-1 V``."""
        return lapack.dtrtrs(self.factor, coordinates)[0]

    def to_coordinates(self, coef):
        """Return ``V = U W``."""
        return np.triu(self.factor) @ coef

    def to_coordinate_gradient(self, coef_gradient):
        """Return the gradient with respect to V, ``U^-T`` times that with respect to W."""
        return lapack.dtrtrs(self.factor, coef_gradient, trans=1)[0]


def minimise(problem, preconditioner, coef, intercept, *, max_iter, tol, report=None):
    """Minimise the distillation loss by L-BFGS in preconditioned coordinates.

    Parameters
    ----------
    problem : DistillationProblem
    preconditioner : Preconditioner
    coef : ndarray of shape (n_observables, n_classes)
        Where to start, for the standardised observables.
    intercept : ndarray of shape (n_classes,)
    max_iter : int
    tol : float
        Stop when no component of the preconditioned gradient is larger.
    report : callable, default=None
        Called after every iteration with (iteration, objective).

    Returns
    -------
    solution : Solution
    """
    shape, n_coef = coef.shape, coef.size

    def unpack(x):
        coordinates = x[:n_coef].reshape(shape, order="F")
        return preconditioner.to_coef(coordinates), x[n_coef:]

    def pack(coordinates, intercept):
        return np.concatenate([coordinates.ravel(order="F"), intercept])

    def value_and_gradient(x):
        value, coef_gradient, intercept_gradient = problem(*unpack(x))
        coordinate_gradient = preconditioner.to_coordinate_gradient(coef_gradient)
        return value, pack(coordinate_gradient, intercept_gradient)

    iterations = count(1)
    result = optimize.minimize(
        value_and_gradient,
        pack(preconditioner.to_coordinates(coef), intercept),
        method="L-BFGS-B",
        jac=True,
        callback=report
        and (lambda intermediate_result: report(next(iterations), intermediate_result.fun)),
        options={
            "maxiter": max_iter,
            "maxls": 50,
            "gtol": tol,
            "ftol": 4 * EPS,
            "maxfun": 20 * max_iter,
        },
    )
    coef, intercept = unpack(result.x)
    return Solution(
        coef=coef,
        intercept=intercept,
        objective=float(result.fun),
        gradient_norm=float(np.abs(result.jac).max()),
        n_iter=result.nit,
        converged=bool(result.success),
        message=str(result.message),
    )
