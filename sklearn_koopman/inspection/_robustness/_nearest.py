r"""The nearest zeros of quadratic functions, exact and for many points at once.

The task is to find the shortest :math:`\delta` with
:math:`f(\delta) = v + g^T \delta + \delta^T \Lambda \delta \le 0`, where :math:`v > 0` and
:math:`\Lambda` is diagonal. There is no gap between this problem and its dual, although f need not
be convex (the S-lemma [1]_). So some :math:`\mu \ge 0` with :math:`1 + \mu \lambda_k \ge 0` has

.. math:: \delta_k = - \frac{\mu g_k}{2 (1 + \mu \lambda_k)}, \qquad
          f(\delta(\mu)) = v - \sum_k \frac{g_k^2}{4}
              \frac{\mu (2 + \mu \lambda_k)}{(1 + \mu \lambda_k)^2} = 0 .

The left-hand side decreases in :math:`\mu`. If the smallest eigenvalue :math:`\lambda` is negative,
it goes to minus infinity at the pole :math:`-1 / \lambda`, and is nearly linear in
:math:`w = (1 + \mu \lambda)^{-2} - 1`. So Newton's method is applied to w. In the *hard case* there
is no slope along the eigenvector of :math:`\lambda`. Then the sum may stay below v, and
:math:`\delta` at the pole lacks a step along this eigenvector, in either direction. If no
eigenvalue is negative and the sum stays below v, f has no zero.

References
----------
.. [1] S. Boyd and L. Vandenberghe, "Convex Optimization", Cambridge University Press (2004),
   appendix B.
"""

from abc import ABC, abstractmethod

import numpy as np

MOST_ITERATIONS = 100
# The search ends when f is this small, relative to its value at the start.
TOLERANCE = 1e-14
# Largest w. Beyond it, the slope along the eigenvector counts as zero.
LARGEST = 1e26
# Factor by which brackets without an end are widened.
WIDENING = 16.0


def lower_bounds(values, slopes, smallest):
    r"""Return distances within which f has no zero: the positive zero of this lower bound.

    .. math:: f(\delta) \ge v - \|g\| \|\delta\| + \min(\lambda, 0) \|\delta\|^2

    Parameters
    ----------
    values : ndarray of shape (...)
        v.
    slopes : ndarray of shape (...)
        The norms of the slopes g.
    smallest : ndarray of shape (...)
        The smallest eigenvalue of each function.
    """
    drop = np.maximum(-smallest, 0.0)
    denominator = slopes + np.sqrt(slopes**2 + 4 * drop * values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, 2 * values / denominator, 0.0)


def nearest_zeros(values, slopes, eigenvalues):
    """Return the shortest steps to where quadratic functions are zero.

    Parameters
    ----------
    values : ndarray of shape (n,)
        v, not negative.
    slopes : ndarray of shape (n, m)
        g, in the coordinates of the eigenvectors.
    eigenvalues : ndarray of shape (n, m)
        In ascending order.

    Returns
    -------
    steps : ndarray of shape (n, m)
        Steps. They are infinite for functions without a zero.
    """
    steps = np.empty_like(slopes)
    has_pole = eigenvalues[:, 0] < 0
    for kind, rows in ((_ToThePole, has_pole), (_WithoutPole, ~has_pole)):
        if rows.any():
            steps[rows] = kind(values[rows], slopes[rows], eigenvalues[rows]).steps()
    return steps


class _Search(ABC):
    """Newton's method for all functions at once, each within its bracket."""

    def __init__(self, values, slopes, eigenvalues):
        self.values = values
        self.slopes = slopes
        self.squares = slopes**2
        self.eigenvalues = eigenvalues

    @abstractmethod
    def upper_ends(self):
        """Return upper bounds of the zeros."""

    @abstractmethod
    def starts(self):
        """Return starting points."""

    @abstractmethod
    def multipliers(self, root, rows):
        """Return the multipliers, and one plus their product with each eigenvalue.

        Parameters
        ----------
        root : ndarray of shape (n_rows,)
        rows : ndarray of int, or slice
            Rows that the roots belong to.
        """

    @abstractmethod
    def mu_rate(self, root, rows):
        """Return the derivative of the multipliers by the unknown."""

    @abstractmethod
    def lacking_steps(self, rows):
        """Return the steps of rows without a multiplier."""

    def steps(self):
        """Return the shortest steps to where the functions are zero."""
        root = self.run()
        mu, factor = self.multipliers(root, slice(None))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            steps = -0.5 * mu[:, None] * self.slopes / factor
        is_lacking = root >= LARGEST
        steps[is_lacking] = self.lacking_steps(is_lacking)
        found = np.isfinite(steps).all(axis=1)
        steps[found] *= _to_the_zero(
            self.values[found], self.slopes[found], self.eigenvalues[found], steps[found]
        )
        return steps

    def run(self):
        """Return the zeros, or `LARGEST` if there is none."""
        n = len(self.values)
        low, high = np.zeros(n), self.upper_ends()
        root = np.minimum(self.starts(), high)
        active = np.flatnonzero(self.values > 0)
        root[self.values <= 0] = 0.0
        for _ in range(MOST_ITERATIONS):
            if len(active) == 0:
                break
            at = root[active]
            value, rate = self.evaluate(at, active)
            is_above = value > 0
            low[active] = np.where(is_above, np.maximum(low[active], at), low[active])
            high[active] = np.where(is_above, high[active], np.minimum(high[active], at))
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                proposed = at - value / rate
            lo, hi = low[active], high[active]
            between = np.where(np.isinf(hi), WIDENING * (lo + at), _middle(lo, hi))
            is_inside = (proposed > lo) & (proposed < hi)
            proposed = np.where(is_inside, proposed, between)
            is_done = np.abs(value) <= TOLERANCE * self.values[active]
            is_done |= np.isfinite(hi) & ((hi - lo) <= 4 * np.finfo(float).eps * hi)
            is_lost = is_above & (at >= LARGEST)
            root[active] = np.where(is_done | is_lost, at, np.minimum(proposed, LARGEST))
            active = active[~(is_done | is_lost)]
        return root

    def evaluate(self, root, active):
        """Return f and its derivative by the unknown."""
        mu, factor = self.multipliers(root, active)
        squares = self.squares[active]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            shares = squares / factor**2
            drop = 0.25 * mu * np.einsum("ij,ij->i", shares, 1 + factor)
            rate = -0.5 * np.einsum("ij,ij->i", shares, 1 / factor)
        return self.values[active] - drop, rate * self.mu_rate(root, active)

    def linear_multipliers(self):
        """Return the multipliers that would be right without curvature."""
        with np.errstate(divide="ignore", over="ignore"):
            return 2 * self.values / self.squares.sum(axis=1)


class _WithoutPole(_Search):
    """Searches for the multiplier itself. f is convex in it, so no step is too long."""

    def upper_ends(self):
        return np.full(len(self.values), np.inf)

    def starts(self):
        return np.minimum(self.linear_multipliers(), LARGEST)

    def multipliers(self, root, rows):
        return root, 1 + root[:, None] * self.eigenvalues[rows]

    def mu_rate(self, root, rows):
        return 1.0

    def lacking_steps(self, rows):
        return np.inf


class _ToThePole(_Search):
    """Searches for w, which is infinite at the pole."""

    def upper_ends(self):
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            ends = 4 * -self.eigenvalues[:, 0] * self.values / self.squares[:, 0]
        return np.where(np.isnan(ends), np.inf, ends * (1 + 1e-12))

    def starts(self):
        share = np.minimum(-self.eigenvalues[:, 0] * self.linear_multipliers(), 0.5)
        return np.expm1(-2 * np.log1p(-share))

    def multipliers(self, root, rows):
        smallest = self.eigenvalues[rows, 0]
        to_the_pole = np.exp(-0.5 * np.log1p(root))  # 1 + mu * lambda
        mu = np.expm1(-0.5 * np.log1p(root)) / smallest
        ratios = self.eigenvalues[rows] / smallest[:, None]
        return mu, (1 - ratios) + to_the_pole[:, None] * ratios

    def mu_rate(self, root, rows):
        return 0.5 * np.exp(-1.5 * np.log1p(root)) / -self.eigenvalues[rows, 0]

    def lacking_steps(self, rows):
        """Return steps at the pole, completed along the eigenvector that belongs to it."""
        values, slopes, eigenvalues = (
            each[rows] for each in (self.values, self.slopes, self.eigenvalues)
        )
        gaps = eigenvalues - eigenvalues[:, :1]
        is_at_pole = gaps <= 1e-12 * np.abs(eigenvalues).max(axis=1, keepdims=True)
        steps = np.where(is_at_pole, 0.0, -0.5 * slopes / np.where(is_at_pole, 1.0, gaps))
        left = values + np.einsum("ij,ij->i", steps, slopes + steps * eigenvalues)
        left, slope = np.maximum(left, 0.0), slopes[:, 0]
        root = np.sqrt(slope**2 - 4 * eigenvalues[:, 0] * left)
        steps[:, 0] = np.where(slope > 0, -2.0, 2.0) * left / (np.abs(slope) + root)
        return steps


def _to_the_zero(values, slopes, eigenvalues, steps):
    """Return factors by which steps must be longer to end at a zero of f, up to rounding."""
    linear = np.einsum("ij,ij->i", slopes, steps)
    square = np.einsum("ij,ij,ij->i", steps, steps, eigenvalues)
    # v + t linear + t^2 square = 0, near t = 1.
    root = np.sqrt(np.maximum(linear**2 - 4 * values * square, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        length = 2 * values / (root - linear)
    return np.where(np.abs(length - 1) < 0.1, length, 1.0)[:, None]


def _middle(low, high):
    """Return a number between two others: the geometric mean, unless the lower one is zero."""
    return np.where(low > 0, np.sqrt(low) * np.sqrt(high), high / WIDENING)
