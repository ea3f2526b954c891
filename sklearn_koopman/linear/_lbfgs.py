"""Steps of L-BFGS: directions from past steps, and how far to go."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas

SUFFICIENT_DECREASE = 1e-4
# Rounding errors that a value is made of.
ROUNDINGS = 8
FLATTER = 0.9
MOST_TRIALS = 20


@dataclass(frozen=True)
class Point:
    """Where the minimiser is: coefficients above intercepts, value and gradient."""

    x: np.ndarray
    value: float
    gradient: np.ndarray

    @property
    def gradient_norm(self):
        """Largest component of the gradient."""
        return float(np.abs(self.gradient).max())


def line_search(function, point, step, eps):
    """Return a lower point along a step, None if there is none beyond rounding.

    Where rounding no longer lets values tell points apart, a slope that is less steep does
    (Hager & Zhang 2005).

    Parameters
    ----------
    function : callable
        Returns the point at given coefficients.
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
        # The slope of a convex function vanishes about where the secant does; unless the slope
        # is steep on a small part of the way only, and then secants hardly get nearer.
        bend = slope_there - slope
        length *= np.clip(-slope / bend, 0.1, 0.9 if trial == 0 else 0.5) if bend > 0 else 0.1
    return None


class History:
    """Pairs of steps and changes of the gradient, for L-BFGS (Nocedal & Wright 2006, 7.2).

    Parameters
    ----------
    n_pairs : int
        How many to keep, the last ones.
    """

    def __init__(self, n_pairs):
        self.pairs: deque = deque(maxlen=n_pairs)

    def add(self, step, change):
        """Keep a step and how it changed the gradient, unless rounding decided that."""
        product = np.vdot(step, change)
        if product > np.finfo(np.float64).eps * np.vdot(change, change):
            self.pairs.append((step, change, product))

    def direction(self, gradient, preconditioner=np.copy):
        """Return the step to take from a point with this gradient.

        Parameters
        ----------
        gradient : ndarray of shape (n_numbers, n_classes)
        preconditioner : callable, default=numpy.copy
            Turns columns of gradients, downhill, into the steps taken without a history.

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
        # Side by side, as a preconditioner is a large matrix, which then is read once.
        step, of_change = np.hsplit(preconditioner(np.hstack([step, change])), 2)
        step = step * (product / np.vdot(change, of_change))
        for (past, change, product), share in zip(self.pairs, reversed(shares), strict=True):
            _add(step, share - np.vdot(change, step) / product, past)
        return step


def _add(total, factor, term):
    """Add a multiple of an array to another, in C order, without making a third."""
    blas.daxpy(term.ravel(), total.ravel(), a=factor)
