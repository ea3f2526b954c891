r"""The minimiser of the distillation loss: L-BFGS that knows which rows still curve.

Once a student is confident of most rows, these add next to nothing to gradient and Hessian: the
loss is decided by the few rows that are not yet clear. So a look at all rows is followed by some
steps on a sample of them, in which a row is the more likely the more its loss curves (its weight
is raised by as much as its chance was below one), corrected by the linear term that makes value
and gradient those of all rows where the steps begin:

.. math:: \tilde L(x) = L_s(x) + \langle \nabla L(x_0) - \nabla L_s(x_0), x - x_0 \rangle
          + L(x_0) - L_s(x_0) .

It is convex, so its minimiser lies downhill on L; the next look at all rows says how far to go
there, and how many steps the sample may be trusted with. L-BFGS keeps its memory throughout. It
starts from the inverse of the Gram matrix of the sample, each row weighted by its curvature:
the Hessian, if all classes curved alike.
"""

from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas
from sklearn.utils import gen_even_slices

from ..rows import GramMoments, accumulated

# Lifted numbers below which every step looks at all rows: they cost no more than the bookkeeping.
SAMPLED_FROM = 2**20
# Of what all rows may add to the Hessian, what the sample may leave to chance.
LEFT_TO_CHANCE = 0.08
# A sample that is not much smaller than all rows is not worth the lifting.
LARGEST_SAMPLE = 0.5
# Bytes of lifted rows that a sample may hold, unless so few rows per observable take more:
# a Gram matrix of fewer hardly shows its directions.
SAMPLE_BYTES = 2**27
FEWEST_ROWS_PER_OBSERVABLE = 1.5

N_PAIRS = 20
# Steps on all rows before a sample is tried again; as many are the first that it is trusted with.
FULL_STEPS = 8
# Attempts on all rows, in double precision, without getting better.
PATIENCE = 3
FEWEST_STEPS, MOST_STEPS = 3, 60
# Steps on a sample end when its gradient has fallen by this.
SAMPLE_ACCURACY = 0.1
# Decrease of all rows over that of the sample: below, take fewer steps; above, more.
POOR, GOOD = 0.5, 0.8
SUFFICIENT_DECREASE = 1e-4
# Rounding errors that a value is made of.
ROUNDINGS = 8
FLATTER = 0.9
MOST_TRIALS = 20

# Of the mean curvature, what every row has more of when the sample is drawn.
FLOOR = 0.02
# Rows per observable that make a metric, if so many may be held lifted.
METRIC_ROWS_PER_OBSERVABLE = 8
# Parts that threads share its products in.
N_PARTS = 8
# The metric is made anew when the rows curve less than this share of what they did.
REFRESHED_BELOW = 0.5
# Least and largest share of the mean curvature that is added in all directions: few rows hardly
# show some of them at all, and a metric that blows these up repeats rounding errors.
SHIFTS = 1e-3, 1.0


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
        Largest component of the gradient.
    n_iter : int
        Steps, on all rows and on samples.
    n_passes : int
        Looks at all rows.
    converged : bool
    """

    coef: np.ndarray
    intercept: np.ndarray
    objective: float
    gradient_norm: float
    n_iter: int
    n_passes: int
    converged: bool


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


def minimise(problem, coef, intercept, *, max_iter, tol, report=None):
    """Minimise the distillation loss.

    Parameters
    ----------
    problem : DistillationProblem
    coef : ndarray of shape (n_observables, n_classes)
        Where to start, for the standardised observables.
    intercept : ndarray of shape (n_classes,)
    max_iter : int
        Most steps.
    tol : float
        Stop when no component of the gradient is larger.
    report : callable, default=None
        Called after every look at all rows with (steps so far, objective).

    Returns
    -------
    solution : Solution
    """
    problem = problem.keeping_few_rows()
    start = _stacked(problem, coef, intercept)
    search = _Search(problem, start, max_iter, tol, problem.leverage(), report)
    search.run()
    return search.solution


def minimise_path(problem, ridges, coef, intercept, *, max_iter, tol, leverage, metrics):
    """Minimise the distillation loss for one ridge after another, each from where the last ended.

    Value, gradient and the memory of L-BFGS are those of the new ridge without a look at a row.

    Parameters
    ----------
    problem : DistillationProblem
    ridges : sequence of float
        The last are hardest if they are the smallest.
    coef, intercept, max_iter, tol
        As for `minimise`, the first two for the first ridge; `max_iter` is that of each ridge.
    leverage : ndarray of shape (n_samples,)
        That of the problem, and of all that differ from it in their loss alone.
    metrics : dict of float to callable
        Preconditioners that paths of like problems have left for each ridge; those that are
        missing are made and added.

    Yields
    ------
    solution : Solution
    """
    problem = problem.with_ridge(ridges[0])
    start = _stacked(problem, coef, intercept)
    search = _Search(problem, start, max_iter, tol, leverage)
    for ridge in ridges:
        search.change_ridge(ridge)
        search.metric = metrics.get(ridge)
        search.run()
        if search.metric is not None:
            metrics[ridge] = search.metric
        yield search.solution
        search.n_iter = search.n_passes = 0


def _stacked(problem, coef, intercept):
    """Return coefficients above intercepts; constant observables have none."""
    return np.vstack([np.where(problem.scale.constant[:, None], 0.0, coef), intercept])


class _Search:
    """A run of the minimiser."""

    def __init__(self, problem, x, max_iter, tol, leverage, report=None):
        self.problem = problem
        self.leverage = leverage
        self.max_iter = max_iter
        self.tol = tol
        self.report = report
        self.n_iter = self.n_passes = 0
        self.n_sample_steps = FULL_STEPS
        self.memory = Memory(N_PAIRS)
        self.metric: Callable | None = None
        self.curvature = np.empty(problem.blocks.n_samples, dtype=problem.dtype)
        self.sample_buffer = np.empty(0, problem.blocks.dtype)
        # The most that a row's curvature rose by in steps on a sample: what it did once, it may
        # do again.
        self.surprise = np.zeros_like(self.curvature)
        self.point = self.look(x)

    def run(self):
        """Step until the gradient is small, the steps are used up, or rounding is reached."""
        with self.problem.blocks.pool.keeping_blas_to_one_thread():
            self._run()

    def _run(self):
        if self.metric is not None:
            self.preconditioned_at = self.curvature.sum()
        elif self.is_unfinished:
            self.precondition()
        trusts_sample, patience = False, PATIENCE
        while self.is_unfinished and patience > 0:
            chosen = self.choose_sample() if trusts_sample else None
            if chosen is not None:
                trusts_sample = self.step_on_sample(*chosen)
                continue
            start, trusts_sample = self.point, True
            self.step_on_all_rows()
            if self.is_better_than(start):
                patience = PATIENCE
            elif self.problem.dtype == np.float64:
                patience -= 1
                self.memory = Memory(N_PAIRS)
            else:
                self.change_to_double_precision()

    def is_better_than(self, start):
        """Whether the point is beyond rounding lower than the start, or flatter by half."""
        eps = np.finfo(self.problem.dtype).eps
        is_lower = self.point.value < start.value - eps * abs(start.value)
        return is_lower or self.point.gradient_norm < start.gradient_norm / 2

    @property
    def solution(self):
        """Where the minimiser is now."""
        return Solution(
            coef=self.point.x[:-1],
            intercept=self.point.x[-1],
            objective=self.point.value,
            gradient_norm=self.point.gradient_norm,
            n_iter=self.n_iter,
            n_passes=self.n_passes,
            converged=self.point.gradient_norm <= self.tol,
        )

    def change_ridge(self, ridge):
        """Go on with another penalty, of which value, gradient and secants are known."""
        more = ridge - self.problem.ridge
        self.problem = self.problem.with_ridge(ridge)
        coef = self.point.x.copy()
        coef[-1] = 0.0  # the intercept is not penalised
        self.point = Point(
            self.point.x,
            self.point.value + 0.5 * more * np.vdot(coef, coef),
            self.point.gradient + more * coef,
        )
        pairs, self.memory = self.memory.pairs, Memory(N_PAIRS)
        for step, change, _ in pairs:
            change = change.copy()
            change[:-1] += more * step[:-1]
            self.memory.add(step, change)

    def change_to_double_precision(self):
        self.problem = self.problem.in_double_precision()
        self.memory = Memory(N_PAIRS)
        self.curvature = self.curvature.astype(np.float64)
        self.point = self.look(self.point.x)
        self.precondition()

    @property
    def is_unfinished(self):
        """Whether there is something left to do, and a step left to do it."""
        return self.n_iter < self.max_iter and self.point.gradient_norm > self.tol

    def look(self, x):
        """Return the point of all rows at x, and note the curvature of every row."""
        value, gradient = self.problem.evaluate(x, self.curvature)
        self.n_passes += 1
        return Point(x, value, gradient)

    def precondition(self):
        """Precondition by a sample that is just large enough for a Gram matrix."""
        enough = max(METRIC_ROWS_PER_OBSERVABLE * self.problem.blocks.n_observables, 4096)
        rows, factor = self.choose_rows(0.0, min(enough, self.most_rows))
        self.metric = None  # the old one is as large as the new one
        few = self.restricted(rows, factor)
        moments = GramMoments(few.blocks.n_observables)
        pool = self.problem.blocks.pool
        moments = accumulated(moments, few.blocks, self.curvature[rows] * factor)
        n_rows = few.weight
        if moments.packed.data.nbytes > SAMPLE_BYTES:
            # The Gram matrix needs the room more than the next sample needs the time.
            del few
            self.sample_buffer = np.empty(0, self.sample_buffer.dtype)
        with nullcontext() if moments.is_small else pool.lending_threads_to_blas():
            self.metric = CurvatureMetric(self.problem, moments, n_rows)
        self.preconditioned_at = self.curvature.sum()

    def restricted(self, rows, factor):
        """Return the problem of some rows, lifted to where those before them were.

        The system takes as long to hand out memory as lifting takes to fill it. Rows whose
        products are not stored need none.
        """
        if self.problem.makes_products:
            return self.problem.restricted(rows, factor)
        size = len(rows) * self.problem.blocks.n_observables
        if len(self.sample_buffer) < size:
            # The next sample may be a little larger.
            self.sample_buffer = np.empty(size + size // 8, self.sample_buffer.dtype)
        return self.problem.restricted(rows, factor, self.sample_buffer)

    def choose_rows(self, left_to_chance, most):
        """Sample rows in proportion to what they may add to the Hessian."""
        floor = FLOOR * self.curvature.mean(dtype=np.float64)
        score = (self.curvature + floor + self.surprise) * self.leverage
        return choose_rows(score, left_to_chance, most)

    @property
    def most_rows(self):
        """Rows that may be held lifted."""
        n_observables = self.problem.blocks.n_observables
        row_bytes = self.problem.dtype.itemsize * n_observables
        return max(SAMPLE_BYTES // row_bytes, int(FEWEST_ROWS_PER_OBSERVABLE * n_observables))

    def choose_sample(self):
        """Return rows and what their weights are raised by, None where all rows are better."""
        blocks = self.problem.blocks
        if blocks.n_samples * blocks.n_observables < SAMPLED_FROM:
            return None
        rows, factor = self.choose_rows(LEFT_TO_CHANCE, self.most_rows)
        return (rows, factor) if len(rows) <= LARGEST_SAMPLE * blocks.n_samples else None

    def step_on_all_rows(self):
        """Take some steps on all rows, as long as there are lower points."""
        for _ in range(FULL_STEPS):
            point, n_steps = self.descend(self.look, self.point, 1, self.tol)
            if n_steps == 0:
                return
            self.move_to(point, 1)
            if not self.is_unfinished:
                return

    def move_to(self, point, n_steps):
        self.point = point
        self.n_iter += n_steps
        if self.report:
            self.report(self.n_iter, point.value)

    def step_on_sample(self, rows, factor):
        """Take some steps on a sample; return whether they were good ones on all rows."""
        if self.curvature.sum() < REFRESHED_BELOW * self.preconditioned_at:
            self.precondition()
        few = self.restricted(rows, factor)
        start = self.point
        value, gradient = few.evaluate(start.x)
        slope = start.gradient - gradient

        def corrected(x):
            few_value, few_gradient = few.evaluate(x)
            line = start.value - value + np.vdot(slope, x - start.x)
            return Point(x, few_value + line, few_gradient + slope)

        goal = max(SAMPLE_ACCURACY * start.gradient_norm, self.tol / 2)
        n_steps = min(self.n_sample_steps, self.max_iter - self.n_iter)
        end, n_steps = self.descend(corrected, start, n_steps, goal)
        known = self.curvature.copy()
        for fraction in (1.0, 0.5, 0.25):
            point = self.look(start.x + fraction * (end.x - start.x))
            np.maximum(self.surprise, self.curvature - known, out=self.surprise)
            if point.value < start.value:
                break
        else:
            self.n_iter += n_steps
            self.look(start.x)  # for the curvature there
            self.n_sample_steps = FEWEST_STEPS
            return False
        self.move_to(point, n_steps)
        kept = (start.value - point.value) / (start.value - end.value)
        if fraction < 1 or kept < POOR:
            self.n_sample_steps = max(FEWEST_STEPS, self.n_sample_steps // 2)
        elif kept > GOOD:
            self.n_sample_steps = min(MOST_STEPS, 2 * self.n_sample_steps)
        return True

    def descend(self, function, point, n_steps, goal):
        """Take L-BFGS steps on a function; return where they end and how many there were."""
        for done in range(n_steps):
            if point.gradient_norm <= goal:
                return point, done
            step = self.memory.direction(point.gradient, self.metric)
            lower = line_search(function, point, step, np.finfo(self.problem.dtype).eps)
            if lower is None:
                return point, done
            self.memory.add(lower.x - point.x, lower.gradient - point.gradient)
            point = lower
        return point, n_steps


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


def choose_rows(score, left_to_chance, most):
    """Sample rows, each with a chance in proportion to its score and at most one.

    Systematic sampling: it draws nothing, and takes rows from all over the data.

    Parameters
    ----------
    score : ndarray of shape (n_samples,)
        Not negative.
    left_to_chance : float in [0, 1)
        Share of the scores of all rows that may be missing before the weights are raised.
    most : int
        Rows to choose at most.

    Returns
    -------
    rows : ndarray of int, shape (n_rows,)
    factor : ndarray of shape (n_rows,)
        One over the chance of the row.
    """
    score = np.asarray(score, dtype=np.float64)
    if not score.any():
        score = np.ones(len(score))
    # At the level of the i-th score, rows below it have a chance of score / level.
    ordered = np.sort(score)
    below = np.cumsum(ordered) - ordered
    n_chosen = np.arange(len(score), 0, -1) + below / ordered
    missed = below - (np.cumsum(ordered**2) - ordered**2) / ordered
    last = len(score) - 1
    enough = np.searchsorted(missed, left_to_chance * ordered.sum(), side="right") - 1
    few = np.searchsorted(-n_chosen, -most)
    level = ordered[max(enough, min(few, last))] if few <= last else ordered.sum() / most
    chance = np.minimum(score / level, 1.0)
    reached = np.cumsum(chance) + 0.5
    rows = np.flatnonzero(np.floor(reached) > np.floor(reached - chance))
    return rows, 1.0 / chance[rows]


class Memory:
    """Steps and changes of the gradient that L-BFGS has seen (Nocedal & Wright 2006, 7.2).

    Parameters
    ----------
    n_pairs : int
        Steps to remember.
    """

    def __init__(self, n_pairs):
        self.pairs: deque = deque(maxlen=n_pairs)

    def add(self, step, change):
        """Remember a step and how it changed the gradient, unless rounding decided that."""
        product = np.vdot(step, change)
        if product > np.finfo(np.float64).eps * np.vdot(change, change):
            self.pairs.append((step, change, product))

    def direction(self, gradient, metric=np.copy):
        """Return the step to take from a point with this gradient.

        Parameters
        ----------
        gradient : ndarray of shape (n_numbers, n_classes)
        metric : callable, default=numpy.copy
            Turns columns of gradients, downhill, into the steps taken without a memory.

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
            return metric(step)
        _, change, product = self.pairs[-1]
        # Side by side, as a metric is a large matrix that is read once.
        step, of_change = np.hsplit(metric(np.hstack([step, change])), 2)
        step = step * (product / np.vdot(change, of_change))
        for (past, change, product), share in zip(self.pairs, reversed(shares), strict=True):
            _add(step, share - np.vdot(change, step) / product, past)
        return step


def _add(total, factor, term):
    """Add a multiple of an array to another, in C order, without making a third."""
    blas.daxpy(term.ravel(), total.ravel(), a=factor)


class CurvatureMetric:
    """The inverse of the Hessian of a sample, as if all classes curved alike.

    Its block for one class is the Gram matrix of the rows, weighted by their curvature, about
    their mean, which is what eliminating the intercept leaves.

    Parameters
    ----------
    problem : DistillationProblem
    moments : GramMoments
        Of the observables of the sample, each row weighing what it curves. Its Gram matrix is
        overwritten.
    n_rows : float
        Rows of the sample, counted by their sample weights. The fewer there are for each
        observable, the more is added in all directions.
    """

    def __init__(self, problem, moments, n_rows):
        scale = problem.scale
        self.mean = (moments.mean - scale.mean) / scale.deviation
        self.mean[scale.constant] = 0.0
        n_free_classes = max(problem.n_classes - 1, 1)
        self.weight = moments.weight / n_free_classes
        factor = np.where(scale.constant, 0.0, 1 / scale.deviation)
        matrix = moments.packed
        matrix.data /= n_free_classes
        matrix.scale(factor)
        variances = matrix.diagonal
        shift = np.clip((moments.n_observables / n_rows) ** 2, *SHIFTS) * variances.mean()
        matrix.diagonal = np.where(scale.constant, 1.0, variances + problem.ridge + shift)
        self.inverse = _inverse(matrix, problem.dtype)
        self.pool = problem.blocks.pool
        self.parts = list(gen_even_slices(len(self.inverse), N_PARTS))

    def __call__(self, gradient):
        """Return the inverse times columns of gradients, of n_observables + 1 numbers each."""
        step = np.empty_like(gradient)
        coef_gradient = gradient[:-1] - np.outer(self.mean, gradient[-1])
        coef_gradient = coef_gradient.astype(self.inverse.dtype)

        def multiply(parts):
            for rows in parts:
                # Columns of a symmetric matrix are its rows, and lie in one piece.
                step[rows] = self.inverse[:, rows].T @ coef_gradient

        self.pool.map_shares(multiply, self.parts)
        step[-1] = gradient[-1] / self.weight - self.mean @ step[:-1]
        return step


def _inverse(matrix, dtype):
    """Return the inverse of a packed matrix, overwritten, in a precision that it allows."""
    factor = matrix if dtype == np.float64 else matrix.copy(dtype)
    if not factor.factorise() and factor is not matrix:
        factor = matrix
        factor.factorise()
    factor.invert()
    return factor.full(dtype)
