"""How many bytes the tables of a program take in integers, before it is converted to integers.

This depends on the sizes of steps only, so a student can be priced before it is fitted. The numbers
of some tables decide which type they have, or whether they are needed. Such a table counts with its
largest type. So the tables that `write_program` writes are never larger.
"""

from functools import singledispatch

import numpy as np

from ._fixed import TABLE_BITS
from ._numbers import packed_bytes
from ._program import (
    Affine,
    Columns,
    Distances,
    Function,
    Input,
    Pooled,
    Product,
    Products,
    Scaled,
    Step,
    Sum,
)
from ._writer import SIZES, smallest_type

# A multiplier and an addition of each number that is brought into other units.
CHANGE_OF_UNITS = 8
# The bias and the multiplier of each output of a matrix.
OF_AN_OUTPUT = 8
# The two thresholds and the multiplier of each filter.
OF_A_FILTER = 6


def most_table_bytes(program, settings, *, takes_bytes):
    """Return how many bytes the tables of a program in integers take at most.

    Parameters
    ----------
    program : Program
    settings : Settings
        `rounding` is not needed.
    takes_bytes : bool
        Whether rows are bytes, not floats.
    """
    count = _Count(settings, takes_bytes, program.steps[-1])
    return sum(_table_bytes(step, count) for step in program.steps)


class _Count:
    """What sizes of tables depend on, besides the step itself."""

    def __init__(self, settings, takes_bytes, last):
        self.settings, self.takes_bytes, self.last = settings, takes_bytes, last

    def change_of_units(self, source, *, alike=False):
        """Return the bytes of bringing the numbers of a step into units without an offset."""
        while isinstance(source, Columns):
            source = source.sources[0]
        is_there = isinstance(source, Affine) and not alike
        is_one_for_all = alike and self._is_uniform(source)
        return 0 if is_there or is_one_for_all else CHANGE_OF_UNITS * source.size

    def _is_uniform(self, step):
        """Whether all numbers of a step are in the same units, and have the same offset."""
        if isinstance(step, Columns | Scaled):
            is_same = isinstance(step, Columns) or (
                np.ptp(step.factor) == 0 and np.ptp(step.offset) == 0
            )
            return is_same and self._is_uniform(step.sources[0])
        is_lookup = isinstance(step, Function) and step.function != "square"
        is_row = isinstance(step, Input) and self.takes_bytes
        return is_row or is_lookup or isinstance(step, Distances | Sum)


@singledispatch
def _table_bytes(step: Step, count):
    """Return the most bytes of the tables of one step; most steps have none."""
    return 0


@_table_bytes.register
def _input(step: Input, count):
    # The middle and the unit of each feature, in float32.
    return 0 if count.takes_bytes else 2 * SIZES["float"] * step.size


@_table_bytes.register
def _affine(step: Affine, count):
    settings = count.settings
    bits = settings.bits if step is count.last else settings.reducer_bits
    return packed_bytes(step.matrix.size, bits) + OF_AN_OUTPUT * step.size


@_table_bytes.register
def _columns(step: Columns, count):
    return _bytes_of(step.indices)


@_table_bytes.register
def _function(step: Function, count):
    if step.function == "square":
        return count.change_of_units(step.sources[0])
    table = SIZES["int16_t"] * (2**TABLE_BITS + 1)
    return table + count.change_of_units(step.sources[0], alike=True)


@_table_bytes.register
def _sum(step: Sum, count):
    return sum(count.change_of_units(source, alike=True) for source in step.sources)


@_table_bytes.register
def _product(step: Product, count):
    return sum(count.change_of_units(source) for source in step.sources)


@_table_bytes.register
def _products(step: Products, count):
    units = count.change_of_units(step.sources[0])
    if step.degree is None:
        return units + sum(_bytes_of(table) for table in (step.lower, step.observables))
    # Where the monomials of each degree begin that have a later variable first.
    n_tables = max(step.degree - 2, 0)
    return units + n_tables * SIZES["uint32_t"] * step.sources[0].size


@_table_bytes.register
def _distances(step: Distances, count):
    centers = SIZES["int16_t"] * step.centers.size
    return centers + count.change_of_units(step.sources[0], alike=True)


@_table_bytes.register
def _pooled(step: Pooled, count):
    filters = step.responses.filters
    packed = packed_bytes(filters.size, count.settings.filter_bits)
    units = count.change_of_units(step.sources[0], alike=True)
    return packed + OF_A_FILTER * len(filters) + units


def _bytes_of(indices):
    return SIZES[smallest_type(indices)] * indices.size if indices.size else 0
