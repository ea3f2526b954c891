"""The numerical core on plain arrays: blocks of rows, moments, least squares, distillation.

Nothing here knows an estimator. Rows are samples, columns are observables. float32 rows are
multiplied in float32 and summed over blocks in float64, as far as that is as exact as asked for;
mini-batches alone are float32 throughout.
"""

from .._threads import threads_for
from ._blocks import RowBlocks
from ._device import exact_device, lifting_there
from ._distillation import DistillationProblem
from ._enlarged import EnlargedRows
from ._least_squares import correlation, solve_gram, solve_triangular_factor
from ._minibatch import train_minibatches
from ._minimise import minimise, minimise_path
from ._moments import (
    DiagonalMoments,
    GramMoments,
    Scale,
    TriangularMoments,
    accumulated,
    merged,
)
from ._noise import noise_penalty, with_even_ridge
from ._probes import LinearProbes
from ._ridge_path import RidgePath
from ._selection import forward_selection
from ._sources import (
    aligned_with,
    as_numpy,
    by_rows,
    float_rows,
    is_dask,
    of_parts,
    row_blocks,
)

__all__ = [
    "DiagonalMoments",
    "DistillationProblem",
    "EnlargedRows",
    "GramMoments",
    "LinearProbes",
    "RidgePath",
    "RowBlocks",
    "Scale",
    "TriangularMoments",
    "accumulated",
    "aligned_with",
    "as_numpy",
    "by_rows",
    "correlation",
    "exact_device",
    "float_rows",
    "forward_selection",
    "is_dask",
    "lifting_there",
    "merged",
    "minimise",
    "minimise_path",
    "noise_penalty",
    "of_parts",
    "row_blocks",
    "solve_gram",
    "solve_triangular_factor",
    "threads_for",
    "train_minibatches",
    "with_even_ridge",
]
