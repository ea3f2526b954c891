"""Rows that are lifted block by block when functions sum over them.

Rows may be in memory, on disk, in dask arrays, on a torch device, or made when they are needed.
Moments and Gram matrices of rows are here too. Nothing here depends on estimators. Rows are
samples, columns are observables. float32 rows are multiplied in float32 and summed over blocks in
float64, as far as this is accurate enough.

`__all__` is for authors of new students. Other folders use the other names.
"""

from ._blocks import Blocks, RowBlocks, added as added
from ._consumers import (
    BlockFunction,
    DeviceFunction,
    MadeRows,
    Total,
    consumer_of as consumer_of,
)
from ._device import exact_device, lifting_there
from ._enlarged import EnlargedRows
from ._factors import (
    Factors as Factors,
    can_multiply as can_multiply,
    say_if_not_compiled as say_if_not_compiled,
    vector_bytes as vector_bytes,
)
from ._given import (
    FloatRows,
    GivenRows,
    as_floats as as_floats,
    as_given as as_given,
    taken as taken,
    telling_what_rows_are as telling_what_rows_are,
)
from ._lifted import fit_lifter, lifted_blocks, rows_to_fit as rows_to_fit
from ._lifted_rows import LiftedRows, Origin as Origin
from ._sources import (
    aligned_with,
    as_numpy,
    by_rows,
    float_rows,
    is_dask,
    of_parts,
    row_blocks,
    take as take,
)
from ._sparse import SparseBlocks, without_duplicates as without_duplicates
from ._stored import stored as stored
from ._sums._moments import (
    DiagonalMoments,
    GramMoments,
    Scale,
    TriangularMoments,
    accumulated,
    merged,
)
from ._sums._packed import PackedTriangle as PackedTriangle
from ._tiles import in_tiles as in_tiles, tile_rows as tile_rows
from ._unlabelled import (
    fit_on_labelled as fit_on_labelled,
    fit_transform_on_labelled as fit_transform_on_labelled,
)

__all__ = [
    "BlockFunction",
    "Blocks",
    "DeviceFunction",
    "DiagonalMoments",
    "EnlargedRows",
    "FloatRows",
    "GivenRows",
    "GramMoments",
    "LiftedRows",
    "MadeRows",
    "RowBlocks",
    "Scale",
    "SparseBlocks",
    "Total",
    "TriangularMoments",
    "accumulated",
    "aligned_with",
    "as_numpy",
    "by_rows",
    "exact_device",
    "fit_lifter",
    "float_rows",
    "is_dask",
    "lifted_blocks",
    "lifting_there",
    "merged",
    "of_parts",
    "row_blocks",
]
