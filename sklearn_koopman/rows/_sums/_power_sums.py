r"""Gram matrices of all monomials up to a degree: equal entries are summed only once.

The product of two monomials is a monomial, and many pairs have the same product: x0 times x1 x2 is
x0 x1 times x2. For p variables and degree q the Gram matrix has as many numbers as there are
monomials up to degree 2 q (it is a moment matrix, see Lasserre 2010), :math:`\binom{p + 2q}{2q}`,
while a symmetric product computes :math:`D (D + 1) / 2` with :math:`D = \binom{p + q}{q}`: 7.6
times as many for p = 30, q = 3.

Write a monomial as its 2 q factors in ascending order, filled up with the constant 1. It is the
product of a head, the first q factors, and a tail, the last q factors. A tail does not begin before
the end of its head. The tails that begin with x_m or later are neighbours in lexicographic order.
The heads that end with x_m are neighbours in colexicographic order. So the sums come from a product
of matrices for each m, or for a few m together.
"""

from functools import lru_cache, partial
from itertools import combinations_with_replacement, product
from math import comb
from typing import NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from ..._threads import ThreadPool
from ...lifting import CONSTANT
from .._consumers import Total
from .._factors import CENTRED_ROWS, _kernel
from ._buffer import ReusedBuffer
from ._unlocked import add_product

# Number of heads whose products with all tails take as long as the preparation of the tails.
HEADS_AT_ONCE = 64
# Up to this many sums, every thread may have its own.
SMALL = 2**22
# Number of rows in a block, for more sums.
LARGE_BLOCK_ROWS = 2112
# float32 sums over this many rows are added in float64.
SUMMED_ROWS = 4096
# Number of columns of a packed triangle that a thread fills at once.
COLUMNS_AT_ONCE = 64
# Number of rows that are lifted and multiplied in the time for looking up the sum of each entry.
LOOKUP_ROWS = 1000


class Block(NamedTuple):
    """Some heads, the tails that they multiply, and the positions of the sums."""

    heads: slice
    tails: slice
    sums: slice


class Layout:
    """The positions of all sums.

    Parameters
    ----------
    n_variables, degree : int

    Attributes
    ----------
    terms : ndarray of int32, shape (n_terms, degree)
        The factors of each monomial, ascending; 0 is the constant, v the variable v - 1. In
        lexicographic order, as the observables of a `MonomialLifter`.
    heads : ndarray of int, shape (n_terms,)
        The same monomials in colexicographic order.
    blocks : list of Block
    head_rank, tail_rank : ndarray of int64, shape (2 * degree, n_variables + 1)
        The index of a head among the heads is the sum of contributions of its factors at their
        places. The same holds for a tail among the terms.
    start : ndarray of int64, shape (n_terms,)
        The sum of a head and a tail is at ``start[head] + tail``.
    n_sums : int
    """

    def __init__(self, n_variables, degree):
        factors = range(n_variables + 1)
        self.terms = np.array(list(combinations_with_replacement(factors, degree)), np.int32)
        n_terms = len(self.terms)
        self.head_rank, self.tail_rank = np.zeros((2, 2 * degree, len(factors)), np.int64)
        for t, i in product(range(degree), factors):
            self.head_rank[t, i] = comb(i + t, t + 1)
            self.tail_rank[degree + t, i] = -comb(n_variables - i + degree - 1 - t, degree - t)
        self.tail_rank[degree] += n_terms - 1
        rank = self.head_rank[np.arange(degree), self.terms].sum(axis=1)
        self.heads = np.argsort(rank)
        # For each factor: the first head that ends with it, the first tail that begins with it.
        bounds = np.arange(len(factors) + 1)
        first_heads = np.searchsorted(self.terms[self.heads, -1], bounds).tolist()
        first_tails = np.searchsorted(self.terms[:, 0], bounds).tolist()
        self.blocks, self.n_sums = [], 0
        self.start = np.empty(n_terms, np.int64)
        for first, last in _groups(first_heads, first_tails):
            heads = slice(first_heads[first], first_heads[last])
            tails = slice(first_tails[first], n_terms)
            n_heads, n_tails = heads.stop - heads.start, tails.stop - tails.start
            self.start[heads] = self.n_sums + np.arange(n_heads) * n_tails - tails.start
            end = self.n_sums + n_heads * n_tails
            self.blocks.append(Block(heads, tails, slice(self.n_sums, end)))
            self.n_sums = end

    @property
    def n_terms(self):
        """Number of monomials, including the constant."""
        return len(self.terms)

    def is_faster(self, n_rows):
        """Whether the sums over this many rows take less time than a symmetric product."""
        n_entries = self.n_terms * (self.n_terms + 1) // 2
        return n_rows * self.n_sums + LOOKUP_ROWS * n_entries < n_rows * n_entries


@lru_cache(maxsize=4)
def layout_of(n_variables, degree):
    """Return the layout for all monomials of some variables up to a degree."""
    return Layout(n_variables, degree)


def _groups(first_heads, first_tails):
    """Return pairs of first and last factors of the heads that are multiplied together.

    The shortest time for all heads that end before a factor follows from those of earlier factors.

    Parameters
    ----------
    first_heads, first_tails : list of int
        For each factor, and one more: the first head that ends with it or later, and the first tail
        that begins with it or later.
    """
    n_tails = [first_tails[-1] - first for first in first_tails]
    times: list[int] = [0]
    groups: list[list[tuple[int, int]]] = [[]]
    for last in range(1, len(first_heads)):
        time_from = [
            times[first]
            + (first_heads[last] - first_heads[first] + HEADS_AT_ONCE) * n_tails[first]
            for first in range(last)
        ]
        first = int(np.argmin(time_from))
        times.append(time_from[first])
        groups.append([*groups[first], (first, last)])
    return groups[-1]


class PowerSums(Total):
    """Moments of all monomials up to a degree, from one sum for each monomial of twice the degree.

    They are sums about zero, and lose digits if the observables are far from zero.

    Parameters
    ----------
    layout : Layout
    has_constant : bool
        Whether the constant is an observable.
    target_origin : ndarray of shape (n_targets,)
        Approximate mean of the targets.
    exact : bool, default=False
        Whether float32 rows are multiplied in float64.
    """

    takes_factors = True

    def __init__(self, layout, has_constant, target_origin, exact=False):
        self.has_constant = has_constant
        self.n_observables = layout.n_terms - (not has_constant)
        self._layout = layout
        self._target_origin = target_origin
        self._exact = exact
        # After the sums of products of two terms come the sums of each target with all terms.
        self._sums = np.zeros(layout.n_sums + len(target_origin) * layout.n_terms)
        self._pending: np.ndarray | None = None  # sums of float32 rows
        self._n_pending = 0
        self._pool = ThreadPool()
        self._buffers = ReusedBuffer(), ReusedBuffer()

    @property
    def is_small(self):
        """Whether they are small enough for sums of its own in every thread."""
        return len(self._sums) <= SMALL

    @property
    def block_rows(self):
        """Rows of a block, such that sums outside of the cache are not read too often."""
        return CENTRED_ROWS if self.is_small else LARGE_BLOCK_ROWS

    @property
    def blank(self):
        """A function that makes empty moments of the same kind."""
        settings = self._layout, self.has_constant, self._target_origin, self._exact
        return partial(type(self), *settings)

    @property
    def is_single(self):
        """Whether some rows were multiplied in float32."""
        return self._pending is not None

    def update(self, psi, *targets_and_weight):
        """Add a block: `Factors`, then targets if there are any, then weights."""
        *targets, sample_weight = targets_and_weight
        layout = self._layout
        if self._exact:
            most = float(np.finfo(psi.dtype).max)
            if np.abs(psi.X).max(initial=0.0) > most ** (1 / layout.terms.shape[1]):
                self._sums[...] = np.nan  # in their own type, in which later code lifts them
            psi = psi.astype(np.float64)
        sample_weight = sample_weight.astype(psi.dtype)
        n_rows = len(sample_weight)
        heads, tails = (
            buffer.columns(n_rows, layout.n_terms, psi.dtype) for buffer in self._buffers
        )
        if not self.has_constant:
            psi = psi.with_observables(np.concatenate([CONSTANT, psi.products.observables]))
        psi.weighted(np.ones_like(sample_weight), tails, self._pool)
        in_order = psi.products.observables[layout.heads]
        psi.with_observables(in_order).weighted(sample_weight, heads, self._pool)
        sums = self._sums_of_type(psi.dtype)
        for block in layout.blocks:
            of_block = sums[block.sums].reshape(block.heads.stop - block.heads.start, -1).T
            add_product(tails[:, block.tails], heads[:, block.heads], of_block)
        for values in targets:
            centred = (values - self._target_origin) * sample_weight[:, None]
            add_product(tails, np.asfortranarray(centred, psi.dtype), self._cross_of(sums))
        self._n_pending += n_rows
        if self._n_pending >= SUMMED_ROWS:
            self._flush()
        return self

    def merge(self, other):
        """Add the sums of other rows, which do not change."""
        other._flush()
        self._sums += other._sums
        if other.is_single:
            self._sums_of_type(np.float32)
        return self

    def add_scatter(self, packed, cross, pool):
        """Add the scatter of the observables about their mean, and their scatter with the targets.

        Parameters
        ----------
        packed : PackedTriangle
        cross : ndarray of shape (n_observables, n_targets)
        pool : ThreadPool
        """
        layout, weight, mean = self._layout, self.weight, self._means_of_terms
        with_targets = self._cross_of(self._sums)
        cross += (with_targets - np.outer(mean, with_targets[0]))[self._observables]
        terms, mean = layout.terms[self._observables], mean[self._observables]
        where = layout.start, layout.head_rank, layout.tail_rank
        columns = packed.columns

        def add(parts):
            for part in parts:
                _kernel.add_scatter(
                    self._sums[: layout.n_sums],
                    *where,
                    terms,
                    mean,
                    columns[part],
                    part.start,
                    weight,
                )

        pool.map_shares(add, list(gen_batches(len(columns), COLUMNS_AT_ONCE)))

    @property
    def weight(self):
        """Sum of the sample weights."""
        self._flush()
        return self._sums[0]  # sum of the constant times the constant

    @property
    def _origin(self):
        return np.concatenate([np.zeros(self.n_observables), self._target_origin])

    @property
    def _mean(self):
        """Means of observables and targets, minus their origin."""
        of_targets = self._cross_of(self._sums)[0] / self.weight  # sums with the constant
        return np.concatenate([self._means_of_terms[self._observables], of_targets])

    def _cross_of(self, sums):
        """Return the sums of products of terms (rows) and targets (columns), as a view."""
        return sums[self._layout.n_sums :].reshape(-1, self._layout.n_terms).T

    @property
    def _means_of_terms(self):
        self._flush()
        layout = self._layout
        with_constant = layout.start[0] + np.arange(layout.n_terms)
        return self._sums[with_constant] / self.weight

    @property
    def _observables(self):
        return slice(None if self.has_constant else 1, None)

    def _sums_of_type(self, dtype):
        """Return the array in which rows of a type are summed."""
        if dtype == np.float64:
            return self._sums
        if self._pending is None:
            self._pending = np.zeros_like(self._sums, dtype=np.float32)
        return self._pending

    def _flush(self):
        if self._pending is not None and self._n_pending:
            self._sums += self._pending
            self._pending[...] = 0.0
        self._n_pending = 0
