"""From a program in floating point to one in integers, step by step, by training rows."""

import numpy as np

from . import _program as real
from ._fixed import (
    Bytes,
    Encoded,
    Fixed,
    FixedBeside,
    FixedColumns,
    FixedSum,
    Renamed,
    fixed_affine,
    fixed_distances,
    fixed_lookup,
    fixed_product,
    fixed_products,
    largest_of,
    normalised,
)
from ._fixed_pooled import PIXEL_BITS, fixed_pooled
from ._numbers import as_bytes

# Bits of numbers whose squared distances are sums of 32 bits.
DISTANCE_BITS = 10


class FixedProgram:
    """A program in integers, and its twin in numpy.

    Attributes
    ----------
    input : Bytes or Encoded
    steps : list of Fixed
        In the order in which they run: the input first, the logits last.
    """

    def __init__(self, steps):
        self.input, self.steps = steps[0], steps

    def apply(self, rows):
        """Return the integer logits that the C computes.

        Parameters
        ----------
        rows : ndarray of uint8 or float32 of shape (n_rows, n_features)
            As the C takes them.
        """
        found = {self.input: self.input.of_rows(rows)}
        for step in self.steps[1:]:
            found[step] = step.apply(*(found[source] for source in step.sources))
        return found[self.steps[-1]]


def fixed_program(program, X, weight, settings, byte_range=None):
    """Return a program in integers.

    Parameters
    ----------
    program : Program
    X : ndarray of shape (n_rows, n_features)
        Training rows.
    weight : ndarray of shape (n_rows,)
        How much an error matters in each row.
    settings : Settings
    byte_range : tuple of float, default=None
        What the bytes 0 and 255 stand for. None: rows are floats.
    """
    return _Fixing(program, X, weight, settings, byte_range).made()


class _Fixing:
    """One conversion: its steps, with the integers and the real numbers of all training rows."""

    def __init__(self, program, X, weight, settings, byte_range):
        self.program, self.weight, self.settings = program, weight, settings
        size = program.n_features
        if byte_range is None:
            first = Encoded.of_training(X, settings.activation_bits)
            rows = X.astype(np.float32)
        else:
            first = Bytes.over(size, *map(float, byte_range))
            rows = as_bytes(X, byte_range)
        self.steps = [first]
        self.integers = {first: first.of_rows(rows)}
        self.fixed = {program.rows: first}
        self.real = {program.rows: X}

    def made(self):
        """Return the program in integers."""
        last = self.program.steps[-1]
        for step in self.program.steps[1:]:
            self.real[step] = step.apply(*(self.real[source] for source in step.sources))
            sources = [self.fixed[source] for source in step.sources]
            self.fixed[step] = self._step(step, sources, is_last=step is last)
        return FixedProgram(self.steps)

    def _added(self, step, integers=None):
        self.steps.append(step)
        if integers is None:
            integers = step.apply(*(self.integers[source] for source in step.sources))
        self.integers[step] = integers
        return step

    def _normalised(self, source, bits=None, *, alike=False):
        """Return a step without an offset that uses all its bits: the same one if it does."""
        bits = bits or self.settings.activation_bits
        top = 2 ** (bits - 1) - 1
        used = np.abs(self.integers[source]).max(axis=0)
        used = used.max() if alike else used[used > 0]
        fits = not source.offset.any() and source.reach.max() <= top
        if fits and np.all(used > top / 2) and (source.is_alike or not alike):
            return source
        largest = largest_of(source.real(self.integers[source]))
        if alike:
            largest[:] = largest.max()
        return self._added(normalised(source, bits, largest))

    def _step(self, step, sources, *, is_last):
        settings = self.settings
        source = sources[0]
        found: Fixed
        if isinstance(step, real.Affine):
            found = fixed_affine(
                step,
                source,
                self.integers[source],
                self.weight,
                self.real[step],
                settings,
                is_last=is_last,
            )
        elif isinstance(step, real.Scaled):
            scale, offset = source.scale * step.factor, source.offset * step.factor
            found = Renamed((source,), scale, offset + step.offset, source.low, source.high)
        elif isinstance(step, real.Columns):
            scale, offset, low, high = (part[step.indices] for part in _parts(source))
            found = FixedColumns((source,), scale, offset, low, high, step.indices)
        elif isinstance(step, real.Beside):
            parts = [np.concatenate(each) for each in zip(*map(_parts, sources), strict=True)]
            found = FixedBeside(tuple(sources), *parts)
        elif isinstance(step, real.Function) and step.function == "square":
            source = self._normalised(source)
            found = fixed_product((source,), [self.integers[source]], settings)
        elif isinstance(step, real.Function):
            found = fixed_lookup(step, self._normalised(source, alike=True), settings)
        elif isinstance(step, real.Sum):
            found = self._sum(*sources)
        elif isinstance(step, real.Product):
            both = tuple(self._normalised(each) for each in sources)
            found = fixed_product(both, [self.integers[each] for each in both], settings)
        elif isinstance(step, real.Products):
            found = fixed_products(step, self._normalised(source), settings)
        elif isinstance(step, real.Distances):
            bits = min(settings.activation_bits, DISTANCE_BITS)
            source = self._normalised(source, bits, alike=True)
            found = fixed_distances(step, source, self.integers[source], settings)
        elif isinstance(step, real.Pooled):
            source = self._normalised(source, PIXEL_BITS, alike=True)
            pixels = self.integers[source]
            found, integers = fixed_pooled(step, source, pixels, self.weight, settings)
            return self._added(found, integers)
        else:
            raise TypeError(f"{type(step).__name__} has no form in integers.")
        return self._added(found)

    def _sum(self, *sources):
        """Return the sum of two vectors, each of which has one bit fewer."""
        bits = self.settings.activation_bits - 1
        largest = max(
            np.abs(each.real(self.integers[each])).max(initial=1e-30) for each in sources
        )
        first, second = (
            self._added(normalised(each, bits, np.full(each.size, largest))) for each in sources
        )
        return FixedSum(
            (first, second),
            first.scale,
            first.offset,
            first.low + second.low,
            first.high + second.high,
        )


def _parts(step):
    """Return the units and bounds of each number of a step."""
    return step.scale, step.offset, step.low, step.high
