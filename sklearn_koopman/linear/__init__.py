"""One matrix: the distillation loss, its minimisers, and least squares, on plain arrays.

Nothing here knows an estimator. Coefficients are float64; mini-batches alone are float32.
"""

from ._checks import check_finite_moments, check_gram_fits_in_memory
from ._distillation import DistillationProblem
from ._forward_selection import forward_selection
from ._least_squares import correlation, restrict_rank, solve_gram, solve_triangular_factor
from ._minibatch import train_minibatches
from ._minimise import minimise, minimise_path
from ._noise import noise_penalty, with_even_ridge
from ._probes import LinearProbes
from ._ridge_path import RidgePath

__all__ = [
    "DistillationProblem",
    "LinearProbes",
    "RidgePath",
    "check_finite_moments",
    "check_gram_fits_in_memory",
    "correlation",
    "forward_selection",
    "minimise",
    "minimise_path",
    "noise_penalty",
    "restrict_rank",
    "solve_gram",
    "solve_triangular_factor",
    "train_minibatches",
    "with_even_ridge",
]
