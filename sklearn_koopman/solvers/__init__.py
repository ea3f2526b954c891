"""The numerical core on plain arrays: blocks of rows, moments, least squares, distillation.

Nothing here knows an estimator. Rows are samples, columns are observables; all arithmetic is
done in float64, whatever the dtype of the lifted rows; mini-batches alone are float32.
"""

from ._blocks import RowBlocks
from ._distillation import DistillationProblem
from ._least_squares import correlation, solve_gram, solve_triangular_factor
from ._minibatch import train_minibatches
from ._minimise import minimise, minimise_path
from ._moments import DiagonalMoments, GramMoments, Scale, TriangularMoments
from ._ridge_path import RidgePath
from ._threads import threads_for

__all__ = [
    "DiagonalMoments",
    "DistillationProblem",
    "GramMoments",
    "RidgePath",
    "RowBlocks",
    "Scale",
    "TriangularMoments",
    "correlation",
    "minimise",
    "minimise_path",
    "solve_gram",
    "solve_triangular_factor",
    "threads_for",
    "train_minibatches",
]
