r"""The minimiser of the distillation loss on wide sparse rows, in the coordinates of the rows.

With a ridge the minimiser is a linear combination of the standardised rows :math:`\Phi`, so
:math:`W = \Phi^T A` with a number in A for each row and class. All directions of L-BFGS have this
form too: the gradient belongs to :math:`R + ridge\, A`, with the residuals R. Inner products of
coefficients are inner products of such numbers with the logits that they give,
:math:`\langle A, \Phi \Phi^T A' \rangle`. So a step takes two products with the sparse rows, and
otherwise only arrays of n x n_classes. The coefficients, which are far more numbers, are not
stored. Logits are linear along a step, so the line search needs no product.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

from .._checks import over
from .._distillation import LOSS_ROWS
from .._sparse_rows import StandardisedRows

N_PAIRS = 8
MOST_TRIALS = 30
# Smallest curvature of the intercepts, as a share of the curvature without coefficients.
LEAST_CURVATURE = 1e-3
# A step ends when its slope is below this share of the initial slope.
FLATTER = 0.5


@dataclass(frozen=True)
class RowSum:
    """A linear combination of the rows, and intercepts: coefficients that are not computed.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_classes)
        Factors of the rows.
    logits : ndarray of shape (n_samples, n_classes)
        Logits of the sum for each row, without the intercepts.
    intercept : ndarray of shape (n_classes,)
    """

    rows: np.ndarray
    logits: np.ndarray
    intercept: np.ndarray

    def dot(self, other):
        """Return the inner product of coefficients and intercepts."""
        return np.vdot(self.rows, other.logits) + self.intercept @ other.intercept

    def plus(self, factor, other):
        """Return this sum plus a multiple of another one."""
        return RowSum(
            self.rows + factor * other.rows,
            self.logits + factor * other.logits,
            self.intercept + factor * other.intercept,
        )


class RowSearch:
    """A run of L-BFGS from zero on linear combinations of the rows.

    Parameters
    ----------
    problem : DistillationProblem
        Problem with wide sparse rows and a ridge.

    Attributes
    ----------
    coef : ndarray of shape (n_observables, n_classes)
        Coefficients of the standardised observables.
    intercept : ndarray of shape (n_classes,)
    objective, gradient_norm : float
    n_iter : int
    """

    def __init__(self, problem):
        scale = problem.scale
        rate = np.where(scale.constant, 0.0, 1 / scale.deviation)
        self.problem = problem
        self.map = StandardisedRows(problem.blocks.X, scale.mean, rate, np.ones((1, 1)))
        shape = problem.blocks.n_samples, problem.n_classes
        self.point = RowSum(np.zeros(shape), np.zeros(shape), np.zeros(shape[1]))
        self.pairs: deque = deque(maxlen=N_PAIRS)
        self.n_iter = 0
        self.value, self.residual, self.curvature = self._loss(self.point)
        self.first_curvature = self.curvature
        self.gradient, self.gradient_norm = self._gradient()

    def run(self, max_iter, tol, report=None):
        """Step until the gradient is small, the steps are used up, or only rounding is left."""
        while self.gradient_norm > tol and self.n_iter < max_iter:
            if not self._step():
                break
            self.n_iter += 1
            if report:
                report(self.n_iter, self.objective, over(tol, self.gradient_norm))

    @property
    def coef(self):
        return self.map.transposed(self.point.rows)

    @property
    def intercept(self):
        return self.point.intercept

    @property
    def objective(self):
        penalty = 0.5 * self.problem.ridge * np.vdot(self.point.rows, self.point.logits)
        return float(self.value + self.problem.constant + penalty)

    def _loss(self, point):
        """Return the loss without the penalty, its gradient by the logits, and the curvature."""
        problem, value = self.problem, 0.0
        residual = np.empty_like(point.logits)
        curvature = 0.0
        for rows in gen_batches(len(residual), LOSS_ROWS):
            softened = None if problem.softened is None else problem.softened[rows]
            terms = problem.loss(
                (point.logits[rows] + point.intercept).T,
                problem.labels[rows],
                problem.hard_weight[rows],
                problem.soft_weight[rows],
                softened,
                with_curvature=True,
            )
            value += terms.losses.sum()
            curvature += terms.curvature.sum()
            residual[rows] = terms.residual.T
        return value, residual, curvature

    def _gradient(self):
        """Return the gradient of the objective, and its largest component."""
        rows = self.residual + self.problem.ridge * self.point.rows
        coef = self.map.transposed(rows)
        intercept = self.residual.sum(axis=0)
        norm = max(np.abs(coef).max(), np.abs(intercept).max())
        return RowSum(rows, self.map.times(coef), intercept), float(norm)

    def _step(self):
        """Take a step. Return whether there is a lower point."""
        direction = self._direction()
        slope = self.gradient.dot(direction)
        length = self._search(direction, slope) if slope < 0 else None
        if length is None:
            return False
        before = self.gradient
        self.point = self.point.plus(length, direction)
        self.value, self.residual, self.curvature = self._loss(self.point)
        self.gradient, self.gradient_norm = self._gradient()
        step = RowSum(*(length * part for part in vars(direction).values()))
        change = self.gradient.plus(-1.0, before)
        if step.dot(change) > 0:
            self.pairs.append((step, change, 1 / step.dot(change)))
        return True

    def _direction(self):
        """Return the direction of L-BFGS, which leads downhill."""
        found, shares = self.gradient, []
        for step, change, inverse in reversed(self.pairs):
            shares.append(inverse * step.dot(found))
            found = found.plus(-shares[-1], change)
        found = self._preconditioned(found)
        for (step, change, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            found = found.plus(share - inverse * change.dot(found), step)
        return RowSum(-found.rows, -found.logits, -found.intercept)

    def _preconditioned(self, gradient):
        """Return the gradient divided by the Hessian, as if that were one number for all."""
        curvature = max(self.curvature, LEAST_CURVATURE * self.first_curvature)
        weight = curvature / max(self.problem.n_classes - 1, 1)
        if self.pairs:
            step, change, _ = self.pairs[-1]
            coefficients = np.vdot(change.rows, change.logits)
            factor = max(np.vdot(step.rows, change.logits), 0.0) / coefficients
        else:
            factor = 1 / (weight + self.problem.ridge)
        return RowSum(
            factor * gradient.rows, factor * gradient.logits, gradient.intercept / weight
        )

    def _search(self, direction, slope):
        """Return the step length at which the convex function along the step is nearly flat."""
        ridge = self.problem.ridge
        rise = ridge * np.vdot(self.point.rows, direction.logits)
        bend = ridge * np.vdot(direction.rows, direction.logits)

        def along(length):
            value, residual, _ = self._loss(self.point.plus(length, direction))
            value += length * rise + 0.5 * length**2 * bend
            logits = direction.logits + direction.intercept
            return value, np.vdot(residual, logits) + rise + length * bend

        low, high, low_slope = 0.0, np.inf, slope
        length = 1.0
        for _ in range(MOST_TRIALS):
            value, here = along(length)
            if value < self.value and abs(here) <= FLATTER * abs(slope):
                return length
            if here < 0 and value < self.value:
                low, low_slope = length, here
                secant = length * 2 if high == np.inf else 0.5 * (low + high)
            else:
                high = length
                secant = (
                    low + (high - low) * low_slope / (low_slope - here) if here > 0 else 0.0
                )
            is_inside = low < secant < high
            length = secant if is_inside else 0.5 * (low + high)
        return low or None
