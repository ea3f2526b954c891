"""Steps of L-BFGS: directions from past steps, and line search."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas

SUFFICIENT_DECREASE = 1e-4
# Number of rounding errors in a value.
ROUNDINGS = 8
FLATTER = 0.9
MOST_TRIALS = 20


@dataclass(frozen=True)
class Point:
    """The current point of the minimiser: stacked coefficients, value and gradient."""

    x: np.ndarray
    value: float
    gradient: np.ndarray

    @property
    def gradient_norm(self):
        """Largest component of the gradient."""
        return float(np.abs(self.gradient).max())


def line_search(function, point, step, eps):
    """Return a lower point along a step, or None if there is none beyond rounding.

    If values differ only by rounding errors, a point with a smaller slope is accepted (Hager &
    Zhang 2005).

    Parameters
    ----------
    function : callable
        Function that returns the point at given coefficients.
    point : Point
    step : ndarray
    eps : float
        Relative precision of the values.

    Returns
    -------
    lower : Point or None
    """
    slope = np.vdot(point.gradient, step)
    noise = ROUNDINGS * eps * abs(point.value)
    length = 1.0
    for trial in range(MOST_TRIALS):
        lower = function(point.x + length * step)
        rise = lower.value - point.value
        slope_there = np.vdot(lower.gradient, step)
        if rise <= min(SUFFICIENT_DECREASE * length * slope, -noise):
            return lower
        if rise <= noise and slope_there <= FLATTER * abs(slope):
            return lower
        # The slope of a convex function is zero about where the secant is. But if the slope is
        # steep only on a small part of the way, secants hardly get nearer.
        bend = slope_there - slope
        length *= np.clip(-slope / bend, 0.1, 0.9 if trial == 0 else 0.5) if bend > 0 else 0.1
    return None


class History:
    """Pairs of steps and changes of the gradient, for L-BFGS (Nocedal & Wright 2006, 7.2).

    Parameters
    ----------
    n_pairs : int
        Number of pairs to keep, which are the last ones.
    """

    def __init__(self, n_pairs):
        self.pairs: deque = deque(maxlen=n_pairs)

    def add(self, step, change):
        """Keep a step and its change of the gradient, unless the change is only rounding."""
        product = np.vdot(step, change)
        if product > np.finfo(np.float64).eps * np.vdot(change, change):
            self.pairs.append((step, change, product))

    def direction(self, gradient, preconditioner=np.copy):
        """Return the step to take from a point with this gradient.

        Parameters
        ----------
        gradient : ndarray of shape (n_numbers, n_classes)
        preconditioner : callable, default=numpy.copy
            Turns columns of negative gradients into the steps without a history.

        Returns
        -------
        step : ndarray
        """
        step = np.negative(gradient, order="C")
        shares = []
        for past, change, product in reversed(self.pairs):
            shares.append(np.vdot(past, step) / product)
            _add(step, -shares[-1], change)
        if not self.pairs:
            return preconditioner(step)
        _, change, product = self.pairs[-1]
        # Side by side, so that the preconditioner, a large matrix, is read only once.
        step, of_change = np.hsplit(preconditioner(np.hstack([step, change])), 2)
        step = step * (product / np.vdot(change, of_change))
        for (past, change, product), share in zip(self.pairs, reversed(shares), strict=True):
            _add(step, share - np.vdot(change, step) / product, past)
        return step


def _add(total, factor, term):
    """Add a multiple of an array to another, in C order, without a third array."""
    blas.daxpy(term.ravel(), total.ravel(), a=factor)
