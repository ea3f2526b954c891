r"""The minimiser of the distillation loss: L-BFGS on the rows that still have curvature.

Once a student is confident about most rows, these rows add almost nothing to gradient and Hessian.
The few rows that still have curvature determine the objective. So an evaluation on all rows is
followed by some steps on a sample. A row with more curvature is more likely to be in the sample
(and its weight is divided by its probability). A linear term corrects the sample's loss, such that
its value and gradient are those of all rows at the start of these steps:

.. math:: \tilde L(x) = L_s(x) + \langle \nabla L(x_0) - \nabla L_s(x_0), x - x_0 \rangle
          + L(x_0) - L_s(x_0) .

It is convex, so the direction to its minimiser leads downhill on L. The next evaluation on all rows
determines how far to go, and how many steps on a sample are allowed. L-BFGS always keeps its
history. Its preconditioner is the inverse of the Gram matrix of a sample with rows weighted by
their curvature. This is the inverse of the Hessian if all classes have the same curvature. For many
classes, Newton's steps are used.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from ...rows import DiagonalMoments, GramMoments, accumulated
from .._checks import has_few_rows, has_few_sparse_rows, over
from ._diagonal import DiagonalPreconditioner
from ._lbfgs import History, Point, line_search
from ._newton import ClassPreconditioner, Hessian, conjugate_gradients, standardised_rows
from ._preconditioner import CurvaturePreconditioner
from ._row_coordinates import in_row_coordinates
from ._sampling import choose_rows
from ._sparse_minimise import RowSearch

# Number of classes from which on Newton's steps are used.
MANY_CLASSES = 32
# Smallest and largest share of the gradient that a Newton step may leave.
NEWTON_ACCURACY = 0.01, 0.5

# Smallest curvature for Newton's steps, as a share of the largest possible one. If the student is
# sure of most rows, L-BFGS needs fewer products.
LEAST_SHARE_OF_CURVATURE = 0.15

# Number of lifted values below which every step evaluates all rows, because samples would not be
# faster.
SAMPLED_FROM = 2**20
# Share of all rows' possible contribution to the Hessian that the sample may leave to chance.
LEFT_TO_CHANCE = 0.08
# A sample that is not much smaller than all rows is not worth lifting.
LARGEST_SAMPLE = 0.5
# Largest number of bytes of a sample's lifted rows, unless this many rows per observable take more:
# with fewer rows, a Gram matrix hardly shows its directions.
SAMPLE_BYTES = 2**27
FEWEST_ROWS_PER_OBSERVABLE = 1.5
# Largest number of bytes for the rows of a Hessian and their probabilities.
HESSIAN_BYTES = 2**28

N_PAIRS = 20
# Pairs of coefficients of wide sparse rows would take more memory than the rows.
N_PAIRS_IF_SPARSE = 6
# Number of steps on all rows before a sample is tried again, and of the first steps on a sample.
FULL_STEPS = 8
# Number of attempts on all rows, in double precision, without progress.
PATIENCE = 3
FEWEST_STEPS, MOST_STEPS = 3, 60
# Steps on a sample end when its gradient has fallen by this factor.
SAMPLE_ACCURACY = 0.1
# Decrease on all rows divided by that on the sample: below the first, take fewer steps; above the
# second, more.
POOR, GOOD = 0.5, 0.8

# Share of the mean curvature that is added to every row's curvature when a sample is drawn.
FLOOR = 0.02
# Number of rows per observable for a preconditioner, if memory allows.
PRECONDITIONER_ROWS_PER_OBSERVABLE = 8
# From this many observables on, problems with few rows use fewer unknowns. Below, all problems are
# solved in the same coordinates, so that weights and repeated rows take the same steps.
LEAST_OBSERVABLES_OF_FEW_ROWS = 1024
# The preconditioner is renewed when the curvature falls below this share of its former value. For
# many classes it is renewed more often, because it is a smaller part of the work.
REFRESHED_BELOW = 0.5
REFRESHED_BELOW_IF_MANY_CLASSES = 0.75


@dataclass(frozen=True)
class Solution:
    """The result of a minimisation.

    Attributes
    ----------
    coef : ndarray of shape (n_observables, n_classes)
        Coefficients of the standardised observables.
    intercept : ndarray of shape (n_classes,)
    objective : float
    gradient_norm : float
        Largest component of the gradient.
    n_iter : int
        Number of steps on all rows and on samples, and of products with the Hessian.
    n_passes : int
        Number of evaluations on all rows.
    converged : bool
    """

    coef: np.ndarray
    intercept: np.ndarray
    objective: float
    gradient_norm: float
    n_iter: int
    n_passes: int
    converged: bool


def minimise(problem, coef, intercept, *, max_iter, tol, report=None):
    """Minimise the distillation loss.

    Parameters
    ----------
    problem : DistillationProblem
    coef : ndarray of shape (n_observables, n_classes)
        Initial coefficients of the standardised observables.
    intercept : ndarray of shape (n_classes,)
    max_iter : int
        Largest number of steps.
    tol : float
        Tolerance: stop when no component of the gradient is larger.
    report : callable, default=None
        Function that is called after every step to a new point, with (steps so far, objective,
        largest component of the gradient divided by `tol`).

    Returns
    -------
    solution : Solution
    """
    blocks = problem.blocks
    starts_at_zero = not (coef.any() or intercept.any())
    if starts_at_zero and problem.ridge > 0 and has_few_sparse_rows(blocks):
        return _minimise_among_row_sums(problem, max_iter, tol, report)
    is_wide = blocks.n_observables >= LEAST_OBSERVABLES_OF_FEW_ROWS and has_few_rows(blocks)
    # Slopes belong to the observables, not to other coordinates.
    if problem.ridge > 0 and is_wide and problem.slopes is None:
        return _minimise_in_row_coordinates(problem, coef, intercept, max_iter, tol, report)
    problem = problem.keeping_few_rows()
    start = _stacked(problem, coef, intercept)
    search = _search_for(problem)(problem, start, max_iter, tol, problem.leverage(), report)
    search.run()
    return search.solution


def _minimise_among_row_sums(problem, max_iter, tol, report=None):
    search = RowSearch(problem)
    search.run(max_iter, tol, report)
    return Solution(
        coef=search.coef,
        intercept=search.intercept,
        objective=search.objective,
        gradient_norm=search.gradient_norm,
        n_iter=search.n_iter,
        n_passes=search.n_iter + 1,
        converged=search.gradient_norm <= tol,
    )


def _minimise_in_row_coordinates(problem, coef, intercept, max_iter, tol, report):
    smaller, basis = in_row_coordinates(problem)
    solution = minimise(
        smaller,
        basis.T @ coef,
        intercept,
        max_iter=max_iter,
        # Then no component is larger in other coordinates.
        tol=tol / np.sqrt(smaller.blocks.n_observables),
        report=report,
    )
    _, gradient, intercept_gradient = smaller(solution.coef, solution.intercept)
    gradient_norm = max(np.abs(basis @ gradient).max(), np.abs(intercept_gradient).max())
    return replace(
        solution,
        coef=basis @ solution.coef,
        gradient_norm=float(gradient_norm),
        converged=bool(gradient_norm <= tol),
    )


def minimise_path(
    problem, ridges, coef, intercept, *, max_iter, tol, leverage, preconditioners
):
    """Minimise the distillation loss for one ridge after another, each from the last solution.

    Value, gradient and the history of L-BFGS are converted to the new ridge without an evaluation.

    Parameters
    ----------
    problem : DistillationProblem
    ridges : sequence of float
        Penalties. The smallest ones are the hardest, so they should be the last.
    coef, intercept, max_iter, tol
        As for `minimise`. The first two are for the first ridge. `max_iter` holds for each ridge.
    leverage : ndarray of shape (n_samples,)
        Leverage of the problem, and of problems that differ only in their loss.
    preconditioners : dict of float to callable
        Preconditioners from paths of similar problems, for each ridge. Missing ones are made and
        added.

    Yields
    ------
    solution : Solution
    """
    if min(ridges) > 0 and has_few_sparse_rows(problem.blocks):
        for ridge in ridges:  # each one starts from zero
            yield _minimise_among_row_sums(problem.with_ridge(ridge), max_iter, tol)
        return
    problem = problem.with_ridge(ridges[0])
    start = _stacked(problem, coef, intercept)
    search = _search_for(problem)(problem, start, max_iter, tol, leverage)
    for ridge in ridges:
        search.change_ridge(ridge)
        search.preconditioner = preconditioners.get(ridge)
        search.run()
        if search.preconditioner is not None:
            preconditioners[ridge] = search.preconditioner
        yield search.solution
        search.n_iter = search.n_passes = 0


def _search_for(problem):
    """Return the kind of search for a problem."""
    terms = problem.loss.log_sum_exps(problem.hard_weight, problem.soft_weight)
    is_dense_here = problem.blocks.are_here and not problem.blocks.is_sparse
    is_known = terms is not None and is_dense_here and problem.slopes is None
    return NewtonSearch if is_known and problem.n_classes >= MANY_CLASSES else Search


def _stacked(problem, coef, intercept):
    """Stack coefficients and intercepts. Constant observables get zero."""
    return np.vstack([np.where(problem.scale.constant[:, None], 0.0, coef), intercept])


class Search:
    """A run of the minimiser."""

    def __init__(self, problem, x, max_iter, tol, leverage, report=None):
        self.problem = problem
        self.leverage = leverage
        self.max_iter = max_iter
        self.tol = tol
        self.report = report
        self.n_iter = self.n_passes = 0
        self.n_sample_steps = FULL_STEPS
        self.n_pairs = N_PAIRS_IF_SPARSE if problem.blocks.is_sparse else N_PAIRS
        self.history = History(self.n_pairs)
        self.preconditioner: Callable | None = None
        self.curvature = np.empty(problem.blocks.n_samples, dtype=problem.dtype)
        self.sample_buffer = np.empty(0, problem.blocks.dtype)
        # Largest rise of a row's curvature in steps on a sample, because it may happen again.
        self.largest_rise = np.zeros_like(self.curvature)
        self.point = self.evaluate(x)

    def run(self):
        """Step until the gradient is small, the steps are used up, or only rounding is left."""
        with self.problem.blocks.pool.keeping_blas_to_one_thread():
            self._run()

    def _run(self):
        if self.preconditioner is not None:
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
                self.history = History(self.n_pairs)
            else:
                self.change_to_double_precision()

    def is_better_than(self, start):
        """Whether the point is lower than the start beyond rounding, or its gradient is halved."""
        eps = np.finfo(self.problem.dtype).eps
        is_lower = self.point.value < start.value - eps * abs(start.value)
        return is_lower or self.point.gradient_norm < start.gradient_norm / 2

    @property
    def solution(self):
        """The current solution."""
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
        """Continue with another penalty, whose value, gradient and secants are known."""
        more = ridge - self.problem.ridge
        self.problem = self.problem.with_ridge(ridge)
        coef = self.point.x.copy()
        coef[-1] = 0.0  # the intercept is not penalised
        self.point = Point(
            self.point.x,
            self.point.value + 0.5 * more * np.vdot(coef, coef),
            self.point.gradient + more * coef,
        )
        pairs, self.history = self.history.pairs, History(self.n_pairs)
        for step, change, _ in pairs:
            change = change.copy()
            change[:-1] += more * step[:-1]
            self.history.add(step, change)

    def change_to_double_precision(self):
        self.problem = self.problem.in_double_precision()
        self.history = History(self.n_pairs)
        self.curvature = self.curvature.astype(np.float64)
        self.point = self.evaluate(self.point.x)
        self.precondition()

    @property
    def is_unfinished(self):
        """Whether the gradient is not small yet, and steps are left."""
        return self.n_iter < self.max_iter and self.point.gradient_norm > self.tol

    def evaluate(self, x):
        """Return the point at x for all rows, and store the curvature of every row."""
        value, gradient = self.problem.evaluate(x, self.curvature)
        self.n_passes += 1
        return Point(x, value, gradient)

    def precondition(self):
        """Make a preconditioner from a sample that is just large enough for a Gram matrix."""
        blocks = self.problem.blocks
        if blocks.is_sparse:
            moments = accumulated(DiagonalMoments(blocks.n_observables), blocks, self.curvature)
            self.preconditioner = DiagonalPreconditioner(self.problem, moments)
            self.preconditioned_at = self.curvature.sum()
            return
        enough = max(
            PRECONDITIONER_ROWS_PER_OBSERVABLE * self.problem.blocks.n_observables, 4096
        )
        rows, factor = self.choose_rows(0.0, min(enough, self.most_rows))
        self.preconditioner = None  # free the old one, which is as large as the new one
        few = self.restricted(rows, factor)
        moments = GramMoments(few.blocks.n_observables)
        pool = self.problem.blocks.pool
        moments = accumulated(moments, few.blocks, self.curvature[rows] * factor)
        n_rows, slope_gram = few.weight, few.slope_gram(self.point.x)
        if moments.packed.data.nbytes > SAMPLE_BYTES:
            # Free the buffer: the Gram matrix needs the memory, although the next sample takes
            # longer.
            del few
            self.sample_buffer = np.empty(0, self.sample_buffer.dtype)
        with nullcontext() if moments.is_small else pool.lending_threads_to_blas():
            self.preconditioner = CurvaturePreconditioner(
                self.problem, moments, n_rows, slope_gram
            )
        self.preconditioned_at = self.curvature.sum()

    def restricted(self, rows, factor):
        """Return the problem for some rows, which are lifted into the buffer of the last ones.

        Allocation of a new buffer takes as long as lifting. Rows whose products are not stored, and
        sparse rows, need no buffer.
        """
        if self.problem.makes_products or self.problem.blocks.is_sparse:
            return self.problem.restricted(rows, factor)
        size = len(rows) * self.problem.blocks.n_observables
        if len(self.sample_buffer) < size:
            # A little larger than now, as the next sample may be larger.
            self.sample_buffer = np.empty(size + size // 8, self.sample_buffer.dtype)
        return self.problem.restricted(rows, factor, self.sample_buffer)

    def choose_rows(self, left_to_chance, most):
        """Sample rows in proportion to their possible contributions to the Hessian."""
        floor = FLOOR * self.curvature.mean(dtype=np.float64)
        score = (self.curvature + floor + self.largest_rise) * self.leverage
        return choose_rows(score, left_to_chance, most)

    @property
    def most_rows(self):
        """Largest number of lifted rows that may be kept."""
        n_observables = self.problem.blocks.n_observables
        row_bytes = self.problem.dtype.itemsize * n_observables
        return max(SAMPLE_BYTES // row_bytes, int(FEWEST_ROWS_PER_OBSERVABLE * n_observables))

    def choose_sample(self):
        """Return rows and factors of their weights, or None if all rows are better."""
        blocks = self.problem.blocks
        if blocks.n_numbers < SAMPLED_FROM:
            return None
        rows, factor = self.choose_rows(LEFT_TO_CHANCE, self.most_rows)
        return (rows, factor) if len(rows) <= LARGEST_SAMPLE * blocks.n_samples else None

    def step_on_all_rows(self):
        """Take some steps on all rows, as long as there are lower points."""
        for _ in range(FULL_STEPS):
            point, n_steps = self.descend(self.evaluate, self.point, 1, self.tol)
            if n_steps == 0:
                return
            self.move_to(point, 1)
            if not self.is_unfinished:
                return

    def move_to(self, point, n_steps):
        self.point = point
        self.n_iter += n_steps
        if self.report:
            self.report(self.n_iter, point.value, over(self.tol, point.gradient_norm))

    def step_on_sample(self, rows, factor):
        """Take some steps on a sample. Return whether they were good on all rows."""
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
            point = self.evaluate(start.x + fraction * (end.x - start.x))
            np.maximum(self.largest_rise, self.curvature - known, out=self.largest_rise)
            if point.value < start.value:
                break
        else:
            self.n_iter += n_steps
            self.evaluate(start.x)  # for the curvature at the start
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
        """Take L-BFGS steps on a function. Return the last point and the number of steps."""
        for done in range(n_steps):
            if point.gradient_norm <= goal:
                return point, done
            step = self.history.direction(point.gradient, self.preconditioner)
            lower = line_search(function, point, step, np.finfo(self.problem.dtype).eps)
            if lower is None:
                return point, done
            self.history.add(lower.x - point.x, lower.gradient - point.gradient)
            point = lower
        return point, n_steps


class NewtonSearch(Search):
    """A run of the minimiser for many classes: Newton's steps, in which each product counts."""

    def _run(self):
        if self.preconditioner is not None:
            self.preconditioned_at = self.curvature.sum()
        elif self.is_unfinished:
            self.precondition()
        self.first_gradient = self.point.gradient_norm
        self.phi = None  # all rows
        while self.is_unfinished and self.still_curves:
            start = self.point
            self.newton_step()
            if self.is_better_than(start):
                continue
            if self.problem.dtype == np.float64:
                break
            self.change_to_double_precision()
        self.phi = None
        if self.is_unfinished:  # only few rows, or rounding errors, still matter
            super()._run()

    @property
    def still_curves(self):
        """Whether there is enough curvature that the Hessian here is useful for the next steps."""
        weight = self.problem.hard_weight.sum() + self.problem.soft_weight.sum()
        return self.curvature.sum() > LEAST_SHARE_OF_CURVATURE * weight

    def newton_step(self):
        """Go to a lower point along the approximate solution of Newton's equations, if any."""
        if self.curvature.sum() < REFRESHED_BELOW_IF_MANY_CLASSES * self.preconditioned_at:
            self.precondition()
        hessian = self.hessian()
        share = np.sqrt(self.point.gradient_norm / self.first_gradient)
        step, n_products = conjugate_gradients(
            hessian,
            self.point.gradient,
            ClassPreconditioner(self.preconditioner, hessian.class_curvature),
            accuracy=np.clip(share, *NEWTON_ACCURACY),
            goal=self.tol / 2,
            most=self.max_iter - self.n_iter,
        )
        del hessian  # free its memory before all rows are evaluated
        eps = np.finfo(self.problem.dtype).eps
        lower = line_search(self.evaluate, self.point, step, eps)
        self.move_to(self.point if lower is None else lower, n_products)

    def hessian(self):
        """Return the Hessian of all rows, or of a sample of the rows with curvature."""
        problem = self.problem
        terms = problem.loss.log_sum_exps(problem.hard_weight, problem.soft_weight)
        chosen = self.choose_hessian_rows(len(terms))
        if chosen is None:
            if self.phi is None:
                self.phi = standardised_rows(problem.blocks, problem.scale)
            phi = self.phi
        else:
            rows, factor = chosen
            blocks = problem.blocks.at(rows)
            phi = standardised_rows(blocks, problem.scale)
            terms = [(factor * weight[rows], temperature) for weight, temperature in terms]
        return Hessian(phi, terms, problem.ridge, self.point.x, problem.blocks.pool)

    def choose_hessian_rows(self, n_terms):
        """Return rows and factors of their weights, or None for all rows without factors."""
        blocks = self.problem.blocks
        if blocks.n_numbers < SAMPLED_FROM:
            return None
        # In float32: the rows and their probabilities, which take no more memory than the pairs of
        # L-BFGS.
        n_observables, n_classes = blocks.n_observables, self.problem.n_classes
        most = min(
            max(
                HESSIAN_BYTES // (4 * n_observables),
                int(FEWEST_ROWS_PER_OBSERVABLE * n_observables),
            ),
            max(HESSIAN_BYTES, 16 * N_PAIRS * n_observables * n_classes)
            // (4 * n_terms * n_classes),
        )
        rows, factor = self.choose_rows(LEFT_TO_CHANCE, most)
        are_few = len(rows) <= LARGEST_SAMPLE * blocks.n_samples
        return (rows, factor) if are_few or blocks.n_samples > most else None
