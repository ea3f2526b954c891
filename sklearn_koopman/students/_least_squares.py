"""Least squares on lifted rows: how moments are stored, and which solver is used."""

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError
from sklearn.exceptions import ConvergenceWarning

from .._validation import check_choice, check_integer, check_real
from .._warnings import warn_user
from ..linear import (
    TOLERANCE,
    check_finite_moments,
    check_gram_fits_in_memory,
    check_moments_fit_in_memory,
    has_few_rows,
    noise_penalty,
    solve_gram,
    solve_rows,
    solve_sparse,
    solve_triangular_factor,
)
from ..rows import DiagonalMoments, GramMoments, TriangularMoments, accumulated
from ._koopman import KoopmanMatrix, koopman_attributes

EXACT_MOMENTS = partial(GramMoments, exact=True)


class LeastSquares(KoopmanMatrix):
    """Base of the estimators whose matrix is fitted by least squares (EDMD).

    A subclass has the parameters `ridge`, `rank`, `solver`, `multiplicative_noise` and
    `additive_noise`. It defines ``_targets(task)``, which returns the targets of the rows of a
    task, and their weights.
    """

    # Attributes of every subclass.
    ridge: float
    rank: int | None
    solver: str
    multiplicative_noise: float
    additive_noise: float
    _targets: Callable

    # Moments of the rows that `partial_fit` has seen so far, if it was called.
    moments_: Any

    _reads_rows_once = True

    def _check_least_squares(self):
        """Check the parameters that all subclasses have."""
        check_real(self, "ridge", low=0.0, inclusive="left")
        check_integer(self, "rank", minimum=1, optional=True)
        check_choice(self, "solver", ("auto", "cholesky", "svd"))
        check_real(self, "multiplicative_noise", low=0.0, inclusive="left")
        check_real(self, "additive_noise", low=0.0, inclusive="left")

    def _solve(self, task):
        if task.blocks.is_sparse and self.solver == "auto":
            return self._solve_sparse(task)
        check_moments_fit_in_memory(task.blocks)
        *faster, (form, solver) = self._ways(task)
        for faster_form, faster_solver in faster:
            with suppress(LinAlgError):  # no name for the moments, to free them
                return self._solve_moments(
                    self._accumulate(task, faster_form),
                    task.dtype,
                    faster_solver,
                    overwrite=True,
                )
        return self._solve_moments(
            self._accumulate(task, form), task.dtype, solver, overwrite=True
        )

    def _solve_sparse(self, task):
        """Return the fitted attributes for wide sparse rows, which are never made dense."""
        targets, weight = self._targets(task)
        targets = targets[:]
        scale = accumulated(
            DiagonalMoments(task.blocks.n_observables), task.blocks, weight
        ).scale
        check_finite_moments(scale)
        coef, solver, gradient = solve_sparse(
            task.blocks, scale, targets, weight, self._ridge_for(scale), self.rank
        )
        if gradient > TOLERANCE:
            warn_user(
                f"Conjugate gradients stopped at {gradient:.1e} of the initial gradient, above "
                f"{TOLERANCE:.0e}, with ridge={self.ridge}: raise ridge.",
                ConvergenceWarning,
            )
        mean = weight @ targets / weight.sum()
        return {**koopman_attributes(coef, mean, scale, task.dtype), "solver_": solver}

    def _ridge_for(self, scale):
        """Return the ridge of every observable, because noise adds a different penalty to each."""
        if not (self.multiplicative_noise or self.additive_noise):
            return self.ridge
        return self.ridge + noise_penalty(scale, self.multiplicative_noise, self.additive_noise)

    def _accumulate(self, task, form, start=None):
        """Return the moments of a task's rows, in some form, or added to earlier moments."""
        targets, weight = self._targets(task)
        if start is None:
            start = form(task.blocks.n_observables, task.n_targets)
        return accumulated(start, task.blocks, targets, weight)

    def _ways(self, task):
        """Return forms of moments and solvers. If rounding decides, the next one is used."""
        forms: list[Callable]
        if has_few_rows(task.blocks):
            forms = [TriangularMoments]  # which can represent the rows exactly
        elif task.dtype != np.float32:
            forms = [GramMoments]
        elif task.blocks.n_samples < task.blocks.n_observables:
            forms = [EXACT_MOMENTS]  # only the ridge keeps the Gram matrix regular
        else:
            forms = [GramMoments, EXACT_MOMENTS]
        by_cholesky = [(form, "cholesky") for form in forms]
        by_svd = [(TriangularMoments, "svd")]
        ways = {"auto": by_cholesky + by_svd, "cholesky": by_cholesky, "svd": by_svd}
        return ways[self.solver]

    def _continues_stream(self):
        """Whether a call of `partial_fit` adds to earlier ones. Warn if it follows a `fit`."""
        continues = hasattr(self, "moments_")
        if hasattr(self, "coef_") and not continues:
            warn_user(
                "partial_fit after fit starts anew: fit keeps no moments of its rows. Use "
                "partial_fit from the start to learn from both.",
            )
        return continues

    def _solve_stream(self, task, *, continues):
        """Return the fitted attributes of the rows of a task and of those seen before."""
        # A copy, so that an interrupted call does not leave half a batch.
        start = deepcopy(self.moments_) if continues else None
        check_gram_fits_in_memory(task.blocks.n_observables)
        moments = self._accumulate(task, self._streaming_form(), start)
        solver = "cholesky" if isinstance(moments, GramMoments) else "svd"
        return self._solve_moments(moments, task.dtype, solver) | {"moments_": moments}

    def _streaming_form(self):
        """Return the form of moments for a stream, which cannot be read again for a second try."""
        safe_for_gram = self.solver == "cholesky" or self.ridge >= 1e-10
        return EXACT_MOMENTS if self.solver != "svd" and safe_for_gram else TriangularMoments

    def _solve_moments(self, moments, dtype, solver, *, overwrite=False):
        """Return the fitted attributes of the moments of all rows."""
        scale = moments.scale
        check_finite_moments(scale)
        ridge = self._ridge_for(scale)
        if solver == "svd":
            coef = solve_triangular_factor(moments, ridge, self.rank)
        elif isinstance(moments, TriangularMoments):
            coef = solve_rows(moments, ridge, self.rank)
        else:
            coef = solve_gram(moments, ridge, self.rank, overwrite=overwrite)
        if coef is None:
            raise LinAlgError(
                f"The Gram matrix of the {moments.n_observables} observables is not "
                f"numerically positive definite with ridge={self.ridge}: raise ridge, or use "
                "solver='svd'."
            )
        return {
            **koopman_attributes(coef, moments.target_mean, scale, dtype),
            "solver_": solver,
        }
