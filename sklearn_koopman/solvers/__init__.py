"""The numerical core on plain arrays: blocks of rows, moments, least squares, distillation.

Nothing here knows an estimator. Rows are samples, columns are observables; all arithmetic is
done in float64, whatever the dtype of the lifted rows; mini-batches alone are float32.
"""

from ._blocks import RowBlocks
from ._distillation import DistillationProblem
from ._least_squares import correlation, solve_gram, solve_triangular_factor
from ._minibatch import train_minibatches
from ._minimise import minimise
from ._moments import DiagonalMoments, GramMoments, Scale, TriangularMoments
from ._sources import (
    aligned_with,
    as_numpy,
    by_rows,
    float_rows,
    is_dask,
    of_parts,
    row_blocks,
)
from ._threads import threads_for

__all__ = [
    "DiagonalMoments",
    "DistillationProblem",
    "GramMoments",
    "RowBlocks",
    "Scale",
    "TriangularMoments",
    "aligned_with",
    "as_numpy",
    "by_rows",
    "correlation",
    "float_rows",
    "is_dask",
    "minimise",
    "of_parts",
    "row_blocks",
    "solve_gram",
    "solve_triangular_factor",
    "threads_for",
    "train_minibatches",
]
