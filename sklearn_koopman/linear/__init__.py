"""One matrix: the distillation loss, its minimisers, and least squares, on plain arrays.

Nothing here depends on estimators. Coefficients are float64, or float32 for mini-batches.

`__all__` is for authors of new students. Other folders use the other names, and tests use some
parts of a minimiser.
"""

from ._checks import (
    check_finite_moments as check_finite_moments,
    check_gram_fits_in_memory as check_gram_fits_in_memory,
    check_moments_fit_in_memory as check_moments_fit_in_memory,
    has_few_rows as has_few_rows,
)
from ._distillation import (
    BlockLoss as BlockLoss,
    DistillationProblem,
    SquaredNorms as SquaredNorms,
)
from ._exact import (
    ClassPreconditioner as ClassPreconditioner,
    CurvaturePreconditioner as CurvaturePreconditioner,
    Hessian as Hessian,
    History as History,
    Point as Point,
    Search as Search,
    choose_rows as choose_rows,
    conjugate_gradients as conjugate_gradients,
    inverse as inverse,
    line_search as line_search,
    minimise,
    minimise_path,
    standardised_rows as standardised_rows,
)
from ._forward_selection import forward_selection
from ._least_squares import (
    correlation,
    restrict_rank as restrict_rank,
    solve_gram,
    solve_rows,
    solve_triangular_factor,
)
from ._loss import DistillationLoss, LogitLoss, LossTerms
from ._minibatch import (
    BatchIterator as BatchIterator,
    BatchLoss as BatchLoss,
    ProblemRows as ProblemRows,
    train_minibatches,
)
from ._noise import noise_penalty, with_even_ridge
from ._perturbation import LogitSlopes
from ._probes import LinearProbes
from ._ridge_path import RidgePath
from ._sparse_rows import TOLERANCE as TOLERANCE, solve_sparse

__all__ = [
    "DistillationLoss",
    "DistillationProblem",
    "LinearProbes",
    "LogitLoss",
    "LogitSlopes",
    "LossTerms",
    "RidgePath",
    "correlation",
    "forward_selection",
    "minimise",
    "minimise_path",
    "noise_penalty",
    "solve_gram",
    "solve_rows",
    "solve_sparse",
    "solve_triangular_factor",
    "train_minibatches",
    "with_even_ridge",
]
