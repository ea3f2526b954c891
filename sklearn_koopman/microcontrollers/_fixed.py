"""A program in integers: steps whose arithmetic cannot overflow, and their twin in numpy.

A vector of integers x stands for the real numbers ``scale * x + offset``. `apply` computes what the
C computes, to the last bit. `low` and `high` are bounds of every number, whatever the row is. With
them, every step that adds or multiplies checks that 32 bits are enough.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._numbers import ACCUMULATOR, as_multiplier, shifted
from ._program import FUNCTIONS

# Intervals of a table of a function, as a power of two.
TABLE_BITS = 8


@dataclass(frozen=True, eq=False)
class Fixed:
    """One step in integers.

    Attributes
    ----------
    sources : tuple of Fixed
    scale, offset : ndarray of shape (size,)
        The real numbers that the integers stand for are ``scale * x + offset``.
    low, high : ndarray of int64 of shape (size,)
        Bounds of the integers.
    """

    sources: tuple["Fixed", ...]
    scale: np.ndarray
    offset: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def size(self):
        """How many numbers the step computes."""
        return len(self.scale)

    @property
    def reach(self):
        """Return the largest absolute value that each number can have."""
        return np.maximum(-self.low, self.high)

    @property
    def is_alike(self):
        """Whether all numbers are in the same units, without an offset."""
        return not self.offset.any() and np.ptp(self.scale) == 0 and self.scale[0] > 0

    def real(self, integers):
        """Return the real numbers that integers stand for."""
        return self.scale * integers + self.offset

    def apply(self, *arrays):
        """Return the integers of the step, given those of its sources."""
        raise NotImplementedError


def limits(size, bits):
    """Return the bounds of numbers of some bits, one of which is the sign: symmetric about zero."""
    high = np.full(size, 2 ** (bits - 1) - 1)
    return {"low": -high, "high": high}


@dataclass(frozen=True, eq=False)
class Bytes(Fixed):
    """The row, as bytes."""

    @classmethod
    def over(cls, size, low, high):
        """Return the input whose byte 0 stands for `low`, and 255 for `high`."""
        spread = np.ones(size)
        zeros = np.zeros(size, np.int64)
        return cls((), (high - low) / 255 * spread, low * spread, zeros, zeros + 255)

    def of_rows(self, rows):
        """Return the integers of rows of bytes."""
        return rows.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Encoded(Fixed):
    """The row, whose floats are rounded to integers first."""

    @classmethod
    def of_training(cls, X, bits):
        """Return the input for rows such as the training rows."""
        X = X.astype(np.float64)
        low, high = X.min(axis=0), X.max(axis=0)
        half = np.where(high > low, (high - low) / 2, np.maximum(np.abs(high), 1.0))
        bounds = limits(X.shape[1], bits)
        scale = (half / bounds["high"]).astype(np.float32).astype(np.float64)
        middle = ((low + high) / 2).astype(np.float32).astype(np.float64)
        return cls((), scale, middle, **bounds)

    @property
    def factors(self):
        """Return the factors of differences to the middle, in float32."""
        return (1 / self.scale).astype(np.float32)

    def of_rows(self, rows):
        """Return the integers of rows of float32."""
        units = (rows - self.offset.astype(np.float32)) * self.factors
        return np.clip(np.floor(units + np.float32(0.5)), self.low, self.high).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Renamed(Fixed):
    """The same integers, which stand for other numbers: so a scaler costs nothing."""

    def apply(self, X):
        return X


@dataclass(frozen=True, eq=False)
class FixedColumns(Fixed):
    """Some of the integers."""

    indices: np.ndarray

    def apply(self, X):
        return X[:, self.indices]


@dataclass(frozen=True, eq=False)
class FixedBeside(Fixed):
    """Integers of several steps, one after the other."""

    def apply(self, *arrays):
        return np.hstack(arrays)


@dataclass(frozen=True, eq=False)
class Normalised(Fixed):
    """Integers in other units, without an offset: multiplied, added to, and shifted."""

    multipliers: np.ndarray
    additions: np.ndarray
    shift: int

    def apply(self, X):
        found = shifted(X * self.multipliers + self.additions, self.shift)
        return np.clip(found, self.low, self.high)


@dataclass(frozen=True, eq=False)
class FixedAffine(Fixed):
    """A matrix of small integers, whose sums are converted to the units of the outputs.

    Attributes
    ----------
    levels : ndarray of int64 of shape (size, n_inputs)
    bits : int
        Bits of a level.
    bias : ndarray of int64
        The start of each sum.
    multipliers : ndarray of int64
    shift : int
        Sums times multipliers are shifted to the right by so many bits.
    is_last : bool
        Whether these are the logits, which have 32 bits and are not clipped.
    """

    levels: np.ndarray
    bits: int
    bias: np.ndarray
    multipliers: np.ndarray
    shift: int
    is_last: bool

    def sums(self, X):
        """Return the sums."""
        # Whole numbers below 2 ** 53: floating point is exact, and fast.
        return (X.astype(np.float64) @ self.levels.T.astype(np.float64)).astype(
            np.int64
        ) + self.bias

    def apply(self, X):
        found = shifted(self.sums(X) * self.multipliers, self.shift)
        return found if self.is_last else np.clip(found, self.low, self.high)


@dataclass(frozen=True, eq=False)
class Lookup(Fixed):
    """A function from a table, linear between its entries."""

    table: np.ndarray
    bits: int

    def apply(self, X):
        shift = self.bits - TABLE_BITS
        above = X + 2 ** (self.bits - 1)
        place, rest = above >> shift, above & (2**shift - 1)
        left, right = self.table[place], self.table[place + 1]
        return left + (((right - left) * rest) >> shift)


@dataclass(frozen=True, eq=False)
class FixedSum(Fixed):
    """The sum of two vectors in the same units."""

    def apply(self, X, Y):
        return X + Y


@dataclass(frozen=True, eq=False)
class FixedProduct(Fixed):
    """The product of two vectors, or the square of one, number by number."""

    shift: int

    def apply(self, X, Y=None):
        return np.clip(shifted(X * (X if Y is None else Y), self.shift), self.low, self.high)


@dataclass(frozen=True, eq=False)
class FixedProducts(Fixed):
    """Products of two rows of a table, as `Products` has them.

    Attributes
    ----------
    one : int
        The integer that stands for 1.
    """

    lower: np.ndarray
    observables: np.ndarray
    degree: int | None
    one: int
    shift: int

    def apply(self, X):
        table = [np.full(len(X), self.one), *X.T]
        for a, b in self.lower:
            table.append(shifted(table[a] * table[b], self.shift))
        columns = [
            table[a] if b == 0 else shifted(table[a] * table[b], self.shift)
            for a, b in self.observables
        ]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class FixedDistances(Fixed):
    """Squared distances to centres, shifted."""

    centers: np.ndarray
    shift: int

    def apply(self, X):
        found = [np.square(X - center).sum(axis=1) for center in self.centers]
        return np.minimum(np.stack(found, axis=1) >> self.shift, self.high)


@dataclass(frozen=True)
class Settings:
    """How a program is made one of integers.

    Attributes
    ----------
    rounding : callable
        Takes a matrix, bits and second moments. Returns levels, and the unit of each row.
    bits : int
        Bits of an entry of the last matrix.
    reducer_bits, filter_bits : int
        Bits of an entry of other matrices, and of filters.
    activation_bits : int
        Bits of a number between steps; one of them is the sign.
    """

    rounding: Any
    bits: int
    reducer_bits: int
    filter_bits: int
    activation_bits: int


def check_accumulator(reach, what, remedy):
    """Raise ValueError if a sum can be too large for 32 bits."""
    largest = int(np.max(reach))
    if largest >= ACCUMULATOR:
        raise ValueError(
            f"{what} can reach {largest:,}, and 32 bits hold less than {ACCUMULATOR:,}: {remedy}."
        )


def largest_of(numbers):
    """Return the largest absolute value of each column, or one if all are zero."""
    largest = np.abs(numbers).max(axis=0).astype(np.float64)
    return np.where(largest > 0, largest, 1.0)


def normalised(source, bits, largest):
    """Return a step that converts numbers to units without an offset.

    Parameters
    ----------
    source : Fixed
    bits : int
    largest : ndarray of shape (size,)
        The real number that the largest integer is to stand for.
    """
    bounds = limits(source.size, bits)
    factors = source.scale / (largest / bounds["high"])
    reach = max(int(source.reach.max()), 1)
    # Products and additions have half of an accumulator each.
    room = 29 - reach.bit_length()
    top = np.abs(factors).max()
    shift = max(0, min(room - int(np.ceil(np.log2(top))), 30))
    constant = source.offset / (largest / bounds["high"])
    while shift > 0 and np.abs(constant).max() * 2.0**shift >= ACCUMULATOR / 4:
        shift -= 1
    multipliers = np.rint(factors * 2.0**shift).astype(np.int64)
    additions = np.rint(constant * 2.0**shift).astype(np.int64)
    sums = source.reach * np.abs(multipliers) + np.abs(additions) + 2 ** max(shift - 1, 0)
    check_accumulator(
        sums, "A number that is brought into other units", "lower activation_bits"
    )
    return Normalised(
        (source,),
        largest / bounds["high"],
        np.zeros(source.size),
        **bounds,
        multipliers=multipliers,
        additions=additions,
        shift=shift,
    )


def fixed_affine(step, source, integers, weight, targets, settings, *, is_last):
    """Return an affine step in integers.

    Its matrix makes up for the errors of all steps before it, as well as least squares can. Then it
    is rounded by the second moments of its inputs, and its offsets by their means.

    Parameters
    ----------
    step : Affine
    source : Fixed
    integers : ndarray of shape (n_rows, n_inputs)
        Of training rows.
    weight : ndarray of shape (n_rows,)
    targets : ndarray of shape (n_rows, n_outputs)
        The real numbers that it should compute.
    settings : Settings
    is_last : bool
    """
    bits = settings.bits if is_last else settings.reducer_bits
    matrix = step.matrix * source.scale
    mean, gram, cross, target_mean = _moments(integers, weight, targets, matrix)
    damping = 1e-3 * max(np.diag(gram).mean(), 1e-12)
    damped = gram + damping * np.eye(len(gram))
    matrix = matrix + np.linalg.solve(damped, cross).T
    levels, steps = settings.rounding(matrix, bits, gram)
    offset = target_mean - steps * (levels @ mean)
    bias = np.rint(offset / steps).astype(np.int64)
    sums = np.abs(levels) @ source.reach + np.abs(bias)
    check_accumulator(
        sums,
        f"A sum of {len(source.scale)} products",
        f"lower activation_bits={settings.activation_bits} or {'' if is_last else 'reducer_'}"
        f"bits={bits}",
    )
    common = {"levels": levels, "bits": bits, "bias": bias, "is_last": is_last}
    zeros = np.zeros(len(bias))
    if is_last:
        # The largest sum there can be is just below 2 ** 30.
        unit = (sums * steps).max() / 2.0**30
        _, shift = as_multiplier((steps / unit).max(), bits=24)
        multipliers = np.rint(steps / unit * 2.0**shift).astype(np.int64)
        bound = ((sums * multipliers) >> shift) + 1
        scale = np.full(len(bias), unit)
        return FixedAffine(
            (source,),
            scale,
            zeros,
            -bound,
            bound,
            multipliers=multipliers,
            shift=shift,
            **common,
        )
    bounds = limits(len(bias), settings.activation_bits)
    reached = integers @ levels.T + bias
    ratios = bounds["high"] / largest_of(reached)
    _, shift = as_multiplier(ratios.max())
    multipliers = np.maximum(np.floor(ratios * 2.0**shift), 1).astype(np.int64)
    return FixedAffine(
        (source,),
        steps * 2.0**shift / multipliers,
        zeros,
        **bounds,
        multipliers=multipliers,
        shift=shift,
        **common,
    )


def _moments(integers, weight, targets, matrix):
    """Return mean and covariance of integers, their covariance with errors, mean of targets."""
    share = weight / weight.sum()
    mean = share @ integers
    target_mean = share @ targets
    gram = np.zeros((integers.shape[1],) * 2)
    cross = np.zeros((integers.shape[1], targets.shape[1]))
    for start in range(0, len(integers), 2048):
        rows = slice(start, start + 2048)
        centred = integers[rows] - mean
        weighted = centred * share[rows, None]
        gram += centred.T @ weighted
        cross += weighted.T @ (targets[rows] - target_mean - centred @ matrix.T)
    return mean, gram, cross, target_mean


def fixed_lookup(step, source, settings):
    """Return a function as a table."""
    bits = settings.activation_bits
    if bits <= TABLE_BITS:
        raise ValueError(
            f"activation_bits={bits!r}: a table of {step.function!r} needs more than {TABLE_BITS}."
        )
    ends = (np.arange(2**TABLE_BITS + 1) * 2 ** (bits - TABLE_BITS)) - 2 ** (bits - 1)
    values = FUNCTIONS[step.function](ends * source.scale[0])
    bounds = limits(source.size, bits)
    scale = np.abs(values).max() / bounds["high"][0]
    table = np.rint(values / scale).astype(np.int64)
    spread = np.full(source.size, scale)
    return Lookup((source,), spread, np.zeros(source.size), **bounds, table=table, bits=bits)


def fixed_product(sources, integers, settings):
    """Return the product of two vectors, or the square of one. Training rows use its full range."""
    X, Y = integers[0], integers[-1]
    bounds = limits(sources[0].size, settings.activation_bits)
    largest = max(int(np.abs(X * Y).max()), 1)
    shift = max(0, (largest // int(bounds["high"][0])).bit_length())
    check_accumulator(
        sources[0].reach * sources[-1].reach, "A product", "lower activation_bits"
    )
    scale = sources[0].scale * sources[-1].scale * 2.0**shift
    return FixedProduct(sources, scale, np.zeros(len(scale)), **bounds, shift=shift)


def fixed_products(step, source, settings):
    """Return products of entries of a table. If the numbers are in range, so are the products."""
    shift = settings.activation_bits - 1
    one = 2**shift - 1
    scale = [1 / one, *source.scale]
    for a, b in step.lower:
        scale.append(scale[a] * scale[b] * 2.0**shift)
    found = [
        scale[a] if b == 0 else scale[a] * scale[b] * 2.0**shift for a, b in step.observables
    ]
    return FixedProducts(
        (source,),
        np.array(found),
        np.zeros(step.size),
        **limits(step.size, settings.activation_bits),
        lower=step.lower,
        observables=step.observables,
        degree=step.degree,
        one=one,
        shift=shift,
    )


def fixed_distances(step, source, integers, settings):
    """Return squared distances. Training rows use their full range."""
    reach = int(source.reach[0])
    centers = np.rint(step.centers / source.scale[0])
    centers = np.clip(centers, -(2**15), 2**15 - 1).astype(np.int64)
    sums = np.square(np.abs(centers) + reach).sum(axis=1)
    check_accumulator(sums, "A squared distance", "lower activation_bits")
    largest = max(int(np.square(integers - center).sum(axis=1).max()) for center in centers)
    bounds = limits(step.size, settings.activation_bits)
    shift = (max(largest, 1) // int(bounds["high"][0])).bit_length()
    scale = np.full(step.size, source.scale[0] ** 2 * 2.0**shift)
    bounds["low"] = np.zeros(step.size, np.int64)
    return FixedDistances(
        (source,), scale, np.zeros(step.size), **bounds, centers=centers, shift=shift
    )
