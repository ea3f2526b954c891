"""Weighted means and second moments of lifted rows, one block at a time.

Sums of squares about a running mean (Chan, Golub & LeVeque 1979): joining the rows seen so far
(weight W, mean m) with a block (weight w, mean b) adds to the scatter of the block one more
row, ``sqrt(W w / (W + w)) (b - m)``. Nothing cancels, whatever the means are. A block is added in
one symmetric product or one QR step. Moments of other rows are merged in the same way.
"""

from abc import abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import blas, qr
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from ..._threads import ThreadPool
from .._consumers import Total
from .._factors import Factors
from .._sparse import sparse_moments
from ._buffer import ReusedBuffer
from ._packed import PackedTriangle
from ._power_sums import PowerSums, layout_of

# Number of columns that are centred together. With some thousand rows they stay in a core's cache.
SLAB_COLUMNS = 128
# Number of entries of a Gram matrix that a thread adds at once.
FLUSHED_AT_ONCE = 2**16
# Up to this many observables, moments are small, and every thread may have its own.
SMALL = 2048
# Number of rows, from all parts of the data, that show how far observables are from zero.
SHOWN_PARTS, SHOWN_ROWS = 4, 256
# Largest mean, in standard deviations, for which sums about zero lose only few digits.
LARGEST_MEAN = 3


@dataclass(frozen=True)
class Scale:
    """Weighted mean and standard deviation of every observable.

    Attributes
    ----------
    mean : ndarray of shape (n_observables,)
    deviation : ndarray of shape (n_observables,)
        Standard deviations; 1 for constant observables.
    constant : ndarray of bool, shape (n_observables,)
        Mask of the observables that do not vary beyond rounding. They get no coefficient.
    """

    mean: np.ndarray
    deviation: np.ndarray
    constant: np.ndarray

    @classmethod
    def from_scatter(cls, mean, variance):
        """Return the scale of observables with the given means and variances."""
        deviation = np.sqrt(variance)
        constant = deviation <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, deviation), constant)

    def unscale(self, coef, intercept):
        """Return the coefficients and intercepts for observables without standardisation.

        Parameters
        ----------
        coef : ndarray of shape (n_observables, n_targets)
            Coefficients of the standardised observables.
        intercept : ndarray of shape (n_targets,)

        Returns
        -------
        coef : ndarray of shape (n_observables, n_targets)
        intercept : ndarray of shape (n_targets,)
        """
        coef = coef / self.deviation[:, None]
        coef[self.constant] = 0.0
        return coef, intercept - self.mean @ coef

    def rescale(self, coef, intercept):
        """Undo `unscale`."""
        return coef * self.deviation[:, None], intercept + self.mean @ coef


class RunningMoments(Total):
    """Moments of observables and targets, which are all that least squares needs.

    Parameters
    ----------
    n_observables : int
    n_targets : int, default=0

    Attributes
    ----------
    weight : float
        Sum of the sample weights.
    """

    _keeps_float32 = False
    _joins_fast = True

    def __init__(self, n_observables, n_targets=0):
        self.n_observables = n_observables
        self.n_targets = n_targets
        self.weight = 0.0
        # The mean is stored as its distance from a row. So a constant has a mean and a scatter
        # without rounding errors, and means of large values do not lose digits.
        self._origin = self._mean = np.zeros(n_observables + n_targets)
        self._pool = ThreadPool()
        self._buffer = ReusedBuffer()

    def update(self, psi, *targets_and_weight):
        """Add a block: observables, then targets if there are any, then weights.

        Parameters
        ----------
        psi : array of shape (n_rows, n_observables)
        targets : array of shape (n_rows, n_targets), only if ``n_targets > 0``
        sample_weight : array of shape (n_rows,)

        Returns
        -------
        self : RunningMoments
        """
        *targets, sample_weight = targets_and_weight
        block_weight = sample_weight.sum()
        if block_weight == 0.0:
            return self
        dtype = np.float32 if self._keeps_float32 and psi.dtype == np.float32 else np.float64
        # One row more than in the block, for the difference of the means.
        rows = self._buffer.columns(
            len(sample_weight) + 1, self.n_observables + self.n_targets, dtype
        )
        arrays, means, done = [psi, *targets], [], 0
        if isinstance(psi, Factors):
            arrays, done = targets, self.n_observables
            means = [psi.centred(sample_weight, rows[:-1, :done], self._pool)]
        if self.weight == 0.0:
            first = np.argmax(sample_weight > 0)
            self._origin = np.concatenate(
                [*means, *(array[first] for array in arrays)], dtype=np.float64
            )
        means = [mean - self._origin[:done] for mean in means]
        means.append(
            self._centre(
                arrays, self._origin[done:], sample_weight.astype(dtype), rows[:-1, done:]
            )
        )
        rows[-1] = self._join(np.concatenate(means), block_weight)
        self._absorb(rows)
        return self

    def merge(self, other):
        """Add the moments of other rows, which do not change.

        Parameters
        ----------
        other : RunningMoments
            Moments of the same kind, with the same observables and targets.

        Returns
        -------
        self : RunningMoments
        """
        if other.weight == 0.0:
            return self
        if self.weight == 0.0:
            self._origin = other._origin
        step = self._join(other._origin - self._origin + other._mean, other.weight)
        self._add_scatter(other)
        self._absorb(np.asfortranarray(step[None]))
        return self

    @property
    def is_small(self):
        """Whether they are small enough for moments of its own in every thread."""
        return self._joins_fast and self.n_observables <= SMALL

    @property
    def blank(self):
        """A function that makes empty moments of the same kind."""
        return partial(type(self), self.n_observables, self.n_targets)

    def _join(self, mean, weight):
        """Add a mean, and return the row that its distance adds to the scatter."""
        total = self.weight + weight
        step = mean - self._mean
        row = np.sqrt(self.weight * weight / total) * step
        self._mean = self._mean + (weight / total) * step
        self.weight = total
        return row

    def _centre(self, arrays, origin, sample_weight, out):
        """Write weighted, centred columns and return their means, in slabs that fit in cache."""
        share = sample_weight / sample_weight.sum()
        root = np.sqrt(sample_weight)[:, None]
        origin = origin.astype(out.dtype)
        mean = np.empty(len(origin))
        starts = np.cumsum([0, *(array.shape[1] for array in arrays)])
        slabs = [
            (array[:, columns], slice(start + columns.start, start + columns.stop))
            for array, start in zip(arrays, starts[:-1], strict=True)
            for columns in gen_batches(array.shape[1], SLAB_COLUMNS)
        ]

        def centre(slabs):
            for values, columns in slabs:
                slab = np.subtract(values, origin[columns], out=out[:, columns])
                mean[columns] = share @ slab
                slab -= mean[columns].astype(out.dtype)
                slab *= root

        self._pool.map_shares(centre, slabs)
        return mean

    @abstractmethod
    def _absorb(self, rows):
        """Add ``rows.T @ rows`` to the scatter. ``rows`` may be overwritten."""

    @abstractmethod
    def _add_scatter(self, other):
        """Add the scatter of other rows about their own mean."""

    @abstractmethod
    def _sum_of_squares(self):
        """Return the scatter of each observable about its mean."""

    @property
    def mean(self):
        """Weighted mean of observables and targets, shape (n_observables + n_targets,)."""
        return self._origin + self._mean

    @property
    def target_mean(self):
        """Weighted mean of the targets, shape (n_targets,)."""
        return self.mean[self.n_observables :]

    @property
    def scale(self):
        """Mean and standard deviation of the observables."""
        variance = self._sum_of_squares() / self.weight
        return Scale.from_scatter(self.mean[: self.n_observables], variance)


def accumulated(moments, blocks, *aligned):
    """Add all rows of some blocks to moments, and return the moments.

    Parameters
    ----------
    moments : GramMoments or TriangularMoments
        The moments. They determine the number of rows in a block.
    blocks : RowBlocks
    *aligned : arrays of shape (n_samples, ...)
        Targets, if the moments have any, and weights.

    Returns
    -------
    moments : RunningMoments
    """
    if isinstance(moments, GramMoments) and blocks.makes_products:
        sums = _power_sums_of(blocks, *aligned, exact=moments.exact)
        if sums is not None:
            return moments.merge(_added_up(sums, blocks, aligned))
    return _added_up(moments, blocks.with_rows_at_least(moments.block_rows or 1), aligned)


def _added_up(total, blocks, aligned):
    """Return a total of all rows. Threads of BLAS share a large total instead of having parts."""
    with nullcontext() if total.is_small else blocks.pool.lending_threads_to_blas():
        return blocks.map_reduce(type(total).update, total, *aligned)


def _power_sums_of(blocks, *targets_and_weight, exact=False):
    """Return power sums for the rows of blocks, or None if moments are as fast or better."""
    *targets, sample_weight = targets_and_weight
    degree, n_samples = blocks.products.degree, blocks.n_samples
    if degree is None or degree < 2 or n_samples < SHOWN_PARTS * SHOWN_ROWS:
        return None
    starts = np.linspace(0, n_samples - SHOWN_ROWS, SHOWN_PARTS).astype(int)
    shown = [slice(start, start + SHOWN_ROWS) for start in starts]
    few = [blocks.taken(rows) for rows in shown]
    layout = layout_of(few[0].X.shape[1], degree)
    if not layout.is_faster(n_samples):
        return None
    moments = DiagonalMoments(blocks.n_observables)
    for rows, block in zip(shown, few, strict=True):
        block.map_reduce(DiagonalMoments.update, moments, np.asarray(sample_weight[rows]))
    has_constant = blocks.n_observables == layout.n_terms
    dtype = np.float64 if exact else few[0].dtype
    if not _are_near_zero(moments, dtype, has_constant):
        return None
    origin = [np.asarray(of_all[shown[0]]).mean(axis=0) for of_all in targets]
    return PowerSums(layout, has_constant, np.concatenate([np.empty(0), *origin]), exact)


def _are_near_zero(moments, dtype, has_constant):
    """Whether sums about zero are as accurate as sums about the mean."""
    if moments.weight == 0.0:
        return False
    mean = moments.mean[int(has_constant) :]
    variance = moments._sum_of_squares()[int(has_constant) :] / moments.weight
    # Numbers near the limits of their type have lost digits before they were multiplied.
    limits = np.finfo(dtype)
    is_number = (variance == 0.0) | (variance > limits.tiny / limits.eps)
    return bool(np.all(is_number & (mean**2 <= LARGEST_MEAN**2 * variance)))


def merged(parts):
    """Return new moments of the rows of all parts, which do not change.

    Parameters
    ----------
    parts : sequence of RunningMoments

    Returns
    -------
    moments : RunningMoments
    """
    total = parts[0].blank()
    for part in parts:
        total.merge(part)
    return total


class GramMoments(RunningMoments):
    """Moments stored as a Gram matrix: half of a symmetric product for each block.

    Parameters
    ----------
    n_observables : int
    n_targets : int, default=0
    exact : bool, default=False
        Whether float32 rows are multiplied in float64.

    Attributes
    ----------
    is_single : bool
        Whether some rows were multiplied in float32.
    packed : PackedTriangle
        Scatter of the observables.
    cross : ndarray of shape (n_observables, n_targets)
        Scatter of the observables with the targets.
    """

    # #: Number of rows in a block such that the Gram matrix is not read too often.
    block_rows = 1024

    # Products of float32 rows lose little accuracy: the rows are centred first, and sums over this
    # many rows are added in float64.
    _summed_rows = 16384

    def __init__(self, n_observables, n_targets=0, exact=False):
        super().__init__(n_observables, n_targets)
        self.exact = exact
        self._keeps_float32 = not exact
        self.is_single = False
        self._packed = PackedTriangle(n_observables)
        self.cross = np.zeros((n_observables, n_targets), order="F")
        self._pending: PackedTriangle | None = None
        self._n_pending = 0

    @property
    def blank(self):
        """A function that makes empty moments of the same kind."""
        return partial(type(self), self.n_observables, self.n_targets, self.exact)

    @property
    def takes_factors(self):
        """Whether it takes `Factors` as observables, which keep their dtype."""
        return not self.exact

    @property
    def rounding(self):
        """Largest rounding error of a Gram matrix of norm one."""
        if self.is_single:
            return np.finfo(np.float32).eps
        return self.n_observables * np.finfo(np.float64).eps

    @property
    def packed(self):
        """Scatter of the observables, of which one triangle is stored."""
        self._flush()
        self._pending = None  # free the memory, which the caller needs
        self._buffer = ReusedBuffer()
        return self._packed

    @property
    def gram(self):
        """Scatter of the observables, as a new array (n_observables, n_observables)."""
        return self.packed.full()

    def _absorb(self, rows):
        # scipy's BLAS for all products: threads of a second BLAS would only wait and disturb.
        psi, targets = rows[:, : self.n_observables], rows[:, self.n_observables :]
        if rows.dtype == np.float64:
            self._packed.add_product(psi)
        else:
            if self._pending is None:
                self._pending = PackedTriangle(self.n_observables, np.float32)
            self.is_single = True
            self._pending.add_product(psi)
            self._n_pending += len(rows)
            if self._n_pending >= self._summed_rows:
                self._flush()
        if self.n_targets:
            product = blas.sgemm if rows.dtype == np.float32 else blas.dgemm
            self.cross += product(1.0, psi, targets, trans_a=1)

    def _add_scatter(self, other):
        self.is_single |= other.is_single
        other.add_scatter(self._packed, self.cross, self._pool)

    def add_scatter(self, packed, cross, pool):
        """Add the scatter, as `PowerSums.add_scatter` does."""
        packed.data += self.packed.data
        cross += self.cross

    def _flush(self):
        if self._pending is None or not self._n_pending:
            return
        pending, total = self._pending.data, self._packed.data

        def add(parts):
            for entries in parts:
                total[entries] += pending[entries]
                pending[entries] = 0.0

        self._pool.map_shares(add, list(gen_batches(len(total), FLUSHED_AT_ONCE)))
        self._n_pending = 0

    def _sum_of_squares(self):
        self._flush()
        return self._packed.diagonal


class TriangularMoments(RunningMoments):
    """Moments stored as the triangular factor of the rows: twice the digits of a Gram matrix.

    As long as there are fewer rows than observables, the rows are the factor: centred, and times
    the roots of their weights.

    Attributes
    ----------
    factor : ndarray of shape (n_factor_rows, n_observables)
        R, where ``R.T @ R`` is the scatter of the observables. It is upper triangular if it has as
        many rows as columns. It never has more rows.
    projected : ndarray of shape (n_factor_rows, n_targets)
        The targets in the coordinates of R: ``R.T @ projected`` is their cross scatter.
    """

    _joins_fast = False

    def __init__(self, n_observables, n_targets=0):
        super().__init__(n_observables, n_targets)
        self.factor = np.empty((0, n_observables))
        self.projected = np.empty((0, n_targets))

    @property
    def cross(self):
        """Scatter of the observables with the targets, shape (n_observables, n_targets)."""
        return self.factor.T @ self.projected

    @property
    def rounding(self):
        """Largest rounding error of a Gram matrix of norm one."""
        return self.n_observables * np.finfo(np.float64).eps

    @property
    def block_rows(self):
        """Rows of a block. A QR step costs at least as much as one of the factor's rows."""
        return max(1024, self.n_observables // 2)

    def _absorb(self, rows):
        n = self.n_observables
        if len(self.factor) + len(rows) <= n:
            self.factor = np.vstack([self.factor, rows[:, :n]])
            self.projected = np.vstack([self.projected, rows[:, n:]])
            return
        stacked = np.vstack([np.hstack([self.factor, self.projected]), rows])
        (reduced,) = qr(stacked, overwrite_a=True, mode="r", check_finite=False)
        self.factor, self.projected = reduced[:n, :n].copy(), reduced[:n, n:].copy()

    def _add_scatter(self, other):
        self._absorb(np.hstack([other.factor, other.projected]))

    def _sum_of_squares(self):
        return np.einsum("ij,ij->j", self.factor, self.factor)


class DiagonalMoments(RunningMoments):
    """Moments without products of different observables: means and variances in O(D) memory.

    Attributes
    ----------
    sum_of_squares : ndarray of shape (n_observables + n_targets,)
    """

    _keeps_float32 = True

    def __init__(self, n_observables, n_targets=0):
        super().__init__(n_observables, n_targets)
        self.sum_of_squares = np.zeros(n_observables + n_targets)

    @property
    def takes_factors(self):
        """Whether it takes `Factors` as observables."""
        return self.n_targets == 0

    @property
    def takes_sparse(self):
        """Whether it takes sparse blocks of observables."""
        return self.n_targets == 0

    def update(self, psi, *targets_and_weight):
        """Add a block: observables, then targets if there are any, then weights."""
        if isinstance(psi, Factors):
            moments = psi.moments
        elif issparse(psi):
            moments = partial(sparse_moments, psi)
        else:
            return super().update(psi, *targets_and_weight)
        part = self.blank()
        if targets_and_weight[-1].any():
            part.weight, part._origin, part.sum_of_squares = moments(*targets_and_weight)
        return self.merge(part)

    def _absorb(self, rows):
        self.sum_of_squares += np.einsum("ij,ij->j", rows, rows)

    def _add_scatter(self, other):
        self.sum_of_squares += other.sum_of_squares

    def _sum_of_squares(self):
        return self.sum_of_squares[: self.n_observables]
