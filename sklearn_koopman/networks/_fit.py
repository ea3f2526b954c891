"""Least squares for the matrix of one span, batch by batch of activations."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh

from ..linear import (
    check_finite_moments,
    check_gram_fits_in_memory,
    restrict_rank,
    solve_gram,
    solve_triangular_factor,
)
from ..rows import GramMoments, Scale, TriangularMoments, accumulated, fit_lifter, lifted_blocks

# A lifter is fitted to at most this many rows, and numbers (half a GB in float32).
LIFTER_ROWS = 20_000
LIFTER_NUMBERS = 2**27


@dataclass(frozen=True)
class KoopmanOperator:
    """Lifter and matrix that replace one span.

    Attributes
    ----------
    coef : ndarray of shape (n_observables, n_targets)
        Coefficients of the standardised observables of the input.
    intercept : ndarray of shape (n_targets,)
    scale : Scale
        Mean and deviation of the observables.
    singular_values : ndarray of shape (min(n_observables, n_targets),)
        Standard deviations of the products of matrix and observables along the principal
        directions, before any truncation. They show how much each rank adds.
    lifter : fitted transformer or None
        Maps activations to observables.
    output_lifter : fitted transformer or None
        Maps activations after the span to targets. None if the activations are the targets.
    output_readout : tuple of ndarray or None
        Coefficients (n_targets, n_outputs) and intercepts that map observables of the output back
        to the output.
    """

    coef: np.ndarray
    intercept: np.ndarray
    scale: Scale
    singular_values: np.ndarray
    lifter: Any
    output_lifter: Any = None
    output_readout: tuple | None = None

    @property
    def is_square(self):
        """Whether the matrix maps observables to the same observables."""
        same_lifter = self.lifter is self.output_lifter  # also if both are None
        return same_lifter and self.coef.shape[0] == self.coef.shape[1]

    @property
    def matrix(self):
        """Coefficients of the observables without standardisation, (n_targets, n_observables)."""
        return self.scale.unscale(self.coef, self.intercept)[0].T

    @property
    def to_outputs(self):
        """Coefficients and intercepts from standardised observables to the output."""
        if self.output_readout is None:
            return self.coef, self.intercept
        coef, intercept = self.output_readout
        return self.coef @ coef, self.intercept @ coef + intercept


def fit_operator(batches, sample, lifter, *, ridge, rank, lift_output):
    """Fit the matrix of one span.

    Parameters
    ----------
    batches : callable
        Function that returns an iterator of rows before the span, rows after it, and weights.
    sample : tuple of ndarray
        Some rows before and after the span, to which the lifter is fitted.
    lifter : transformer or None
    ridge : float
    rank : int or None
    lift_output : bool
        Whether the targets are observables too.

    Returns
    -------
    operator : KoopmanOperator
    """
    before, behind = sample
    fitted = fit_lifter(lifter, before, None)
    output_lifter = output_readout = None
    if lift_output and lifter is not None:
        square = before.shape[1] == behind.shape[1]
        output_lifter = fitted if square else fit_lifter(lifter, behind, None)
        pairs = partial(_readout_pairs, batches, output_lifter)
        coef, intercept, scale, _ = _regress(pairs, output_lifter, None, ridge, None)
        output_readout = scale.unscale(coef, intercept)
    coef, intercept, scale, singular_values = _regress(
        batches, fitted, output_lifter, ridge, rank
    )
    return KoopmanOperator(
        coef, intercept, scale, singular_values, fitted, output_lifter, output_readout
    )


def _readout_pairs(batches, lifter):
    for _, behind, weight in batches():
        yield behind, behind, weight


def _regress(batches, lifter, target_lifter, ridge, rank):
    """Return coefficients, intercepts, scale and singular values of a regression."""
    exact = partial(GramMoments, exact=True)
    moments: Any = None
    # Each solver is slower and more exact than the one before.
    for kind, solve in (
        (GramMoments, solve_gram),
        (exact, solve_gram),
        (TriangularMoments, solve_triangular_factor),
    ):
        if kind is exact and not moments.is_single:
            continue  # the moments were exact already
        moments = _accumulate(batches, lifter, target_lifter, kind)
        check_finite_moments(moments.scale)
        coef = solve(moments, ridge)
        if coef is not None:
            break
    scale = moments.scale
    cross = moments.cross / (scale.deviation[:, None] * moments.weight)
    cross[scale.constant] = 0.0
    variances = eigvalsh(coef.T @ cross)[::-1][: min(coef.shape)]
    coef = restrict_rank(coef, cross, rank)
    return coef, moments.target_mean, scale, np.sqrt(np.maximum(variances, 0.0))


def _accumulate(batches, lifter, target_lifter, kind):
    moments = None
    for before, behind, weight in batches():
        blocks = lifted_blocks(lifter, before)
        if target_lifter is not None:
            behind = lifted_blocks(target_lifter, behind).all_lifted()
        if moments is None:
            check_gram_fits_in_memory(blocks.n_observables)
            moments = kind(blocks.n_observables, behind.shape[1])
        moments = accumulated(moments, blocks, behind, weight)
    return moments


def n_lifter_rows(width):
    """Return the largest number of rows of some width that a lifter is fitted to."""
    return max(1, min(LIFTER_ROWS, LIFTER_NUMBERS // width))
