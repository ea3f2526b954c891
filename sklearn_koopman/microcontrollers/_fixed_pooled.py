"""Pooled responses of filters in integers.

With pixels x, levels L of a filter, and m the mean of the image,

    sum = L . (x - m)
    V = n sum of squares - (sum of pixels)^2 + n^2 c        (n^2 times variance and floor)
    g = 2^G / root(V)                                        (once a place; 0 where it is flat)
    r = (sum * g) >> ...

is a response in the units of its filter. Threshold and offset of the filter are integers too. A sum
over a cell becomes an observable by an integer root, a multiplier of the filter, and a shift.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ._fixed import Fixed, check_accumulator
from ._numbers import ACCUMULATOR, as_multiplier, roots, shifted

# Rows whose patches are held at once.
BLOCK = 64
# Most bits of a pixel: sums of squares over a patch must fit into 32 bits.
PIXEL_BITS = 9


@dataclass(frozen=True, eq=False)
class FixedPooled(Fixed):
    """Pooled responses of filters of small integers.

    Attributes
    ----------
    places : Places
    levels : ndarray of int64 of shape (n_filters, patch_size)
    bits : int
    nonlinearity : str
    is_centred, has_contrast, root : bool
    floor : int
        A number that is added to n^2 times the variance of a patch.
    spread_shift : int
        The shift to the left of this sum before its root; below zero: to the right.
    gain_shift : int
        G.
    sum_shift, response_shift : int
        Shifts of sums and of responses, to the right.
    above, below : ndarray of int64 of shape (n_filters,)
        Numbers that are subtracted from a response and from its negative.
    mean_shift : int
        The shift of sums over cells: to the left before a root, to the right if there is no root.
    multipliers : ndarray of int64 of shape (n_filters,)
    shift : int
        The multipliers and the shift that turn roots or sums into observables.
    """

    places: Any
    levels: np.ndarray
    bits: int
    nonlinearity: str
    is_centred: bool
    has_contrast: bool
    root: bool
    floor: int = 0
    spread_shift: int = 0
    gain_shift: int = 0
    sum_shift: int = 0
    response_shift: int = 0
    above: Any = None
    below: Any = None
    mean_shift: int = 0
    multipliers: Any = None
    shift: int = 0

    @property
    def n_signs(self):
        """How many observables a filter has in a cell."""
        return 2 if self.nonlinearity in ("threshold", "proportion") else 1

    @cached_property
    def totals(self):
        """Return the sum of the levels of each filter."""
        return self.levels.sum(axis=1)

    def patches(self, X):
        """Return patches (n_rows, n_places, patch_size) and the mean of each image."""
        places = self.places
        if any(places.padding):
            around = [(0, 0), (0, 0), *((n, n) for n in places.padding)]
            X = np.pad(X.reshape(-1, *places.image), around).reshape(len(X), -1)
        total, n = X.sum(axis=1), X.shape[1]
        means = np.sign(total) * (np.abs(total) // n)  # as C divides
        return X[:, places.columns(np.arange(places.n_places))], means

    def gains(self, patches):
        """Return the gain g of each patch. Flat patches have 0, and so their responses are 0."""
        n = self.places.patch_size
        sums = patches.sum(axis=-1)
        variance = n * np.square(patches).sum(axis=-1) - sums * sums
        spread, by = variance + self.floor, self.spread_shift
        spread = roots(spread << by if by >= 0 else spread >> -by)
        return np.where(variance > 0, (2**self.gain_shift + spread // 2) // spread, 0)

    def responses(self, patches, means):
        """Return (n_rows, n_places, n_filters) responses before offsets."""
        # Whole numbers that floating point holds exactly.
        top = np.abs(self.levels).sum(axis=1).max() * self.sources[0].reach.max()
        dtype = np.float32 if top < 2**24 else np.float64
        sums = (patches.astype(dtype) @ self.levels.T.astype(dtype)).astype(np.int32)
        if self.is_centred:
            sums -= (means[:, None, None] * self.totals).astype(np.int32)
        sums = shifted(sums, self.sum_shift)
        if self.has_contrast:
            sums *= self.gains(patches)[..., None].astype(np.int32)
        return shifted(sums, self.response_shift)

    def cell_sums(self, X):
        """Return sums over cells, (n_rows, n_filters, n_signs, n_cells)."""
        patches, means = self.patches(X)
        found = self.responses(patches, means)
        if self.n_signs == 2:
            parts = [found - self.above.astype(np.int32), -found - self.below.astype(np.int32)]
            if self.nonlinearity == "threshold":
                parts = [np.maximum(part, 0, out=part) for part in parts]
            else:
                parts = [(part > 0).astype(np.int32) for part in parts]
        else:
            moved = found - self.above.astype(np.int32)
            parts = [np.square(moved) if self.nonlinearity == "intensity" else np.abs(moved)]
        down, across = self.places.shape
        starts = [edges[:-1] for edges in self.places.edges]
        pooled = []
        for part in parts:
            by_line = part.reshape(len(X), down, across, -1)
            cells = np.add.reduceat(by_line, starts[0], axis=1)
            cells = np.add.reduceat(cells, starts[1], axis=2)
            pooled.append(cells.reshape(len(X), -1, part.shape[-1]))
        return np.stack(pooled, axis=1).transpose(0, 3, 1, 2).astype(np.int64)

    def means(self, X):
        """Return roots of sums over cells, or the sums shifted: below 2 ** 16."""
        blocks = [self.cell_sums(X[at : at + BLOCK]) for at in range(0, len(X), BLOCK)]
        return np.concatenate([self._mean(block) for block in blocks])

    def _mean(self, sums):
        if self.root:
            return roots(sums << self.mean_shift)
        return np.minimum(sums >> self.mean_shift, 2**16 - 1)

    def of_means(self, means):
        """Return observables of `means`."""
        found = (means * self.multipliers[:, None, None]) >> self.shift
        return np.minimum(found.reshape(len(means), -1), self.high)

    def apply(self, X):
        return self.of_means(self.means(X))


def fixed_pooled(step, source, integers, weight, settings):
    """Return pooled responses in integers, and those of training rows.

    Parameters
    ----------
    step : Pooled
    source : Fixed
        Pixels in the same units, without an offset.
    integers : ndarray of shape (n_rows, n_pixels)
        Of training rows.
    weight : ndarray of shape (n_rows,)
    settings : Settings
    """
    given = step.responses
    places, unit = given.places, float(source.scale[0])
    filters = given.filters.reshape(len(given.filters), -1).astype(np.float64)
    n, reach = places.patch_size, int(source.reach.max())
    contrast = given.contrast
    made = FixedPooled(
        (source,),
        np.ones(step.size),
        np.zeros(step.size),
        np.zeros(step.size, np.int64),
        np.full(step.size, 2 ** (settings.activation_bits - 1) - 1),
        places=places,
        levels=np.zeros(filters.shape, np.int64),
        bits=settings.filter_bits,
        nonlinearity=given.nonlinearity,
        is_centred=given.is_centred,
        has_contrast=contrast is not None,
        root=given.root,
    )
    if contrast is not None:
        floor = max(round(n * n * contrast / unit**2), 1)
        most = 2 * n * n * reach * reach + floor
        check_accumulator(most / 2, "The spread of a patch", "take smaller filters")
        spread_shift = (2**32 - 1).bit_length() - most.bit_length()
        spread_shift -= spread_shift % 2
        least = (
            int(roots(np.array(floor << spread_shift)))
            if spread_shift >= 0
            else int(roots(np.array(floor >> -spread_shift)))
        )
        gain_shift = min((65535 * max(least, 1)).bit_length() - 1, 31)
        made = replace(made, floor=floor, spread_shift=spread_shift, gain_shift=gain_shift)
    mean, gram = _patch_moments(made, integers, weight, unit)
    levels, steps = settings.rounding(filters, settings.filter_bits, gram)
    rounded = steps[:, None] * levels
    offsets = given.offsets + (filters - rounded) @ mean
    made = replace(made, levels=levels)
    made, units = _with_shifts(made, steps, unit, offsets, float(given.threshold))
    return _with_observables(made, integers, units, settings)


def _patch_moments(made, integers, weight, unit):
    """Return weighted mean and covariance of patches as filters see them."""
    size = made.places.patch_size
    some = np.linspace(0, len(integers) - 1, min(len(integers), 2000)).astype(int)
    first, second = np.zeros(size), np.zeros((size, size))
    for at in range(0, len(some), BLOCK):
        rows = some[at : at + BLOCK]
        patches, means = made.patches(integers[rows])
        seen = patches * unit
        if made.is_centred:
            seen = seen - (means * unit)[:, None, None]
        if made.has_contrast:
            seen = seen * (made.gains(patches) * _gain_unit(made, unit))[..., None]
        seen = seen.reshape(-1, size)
        weighted = seen * np.repeat(weight[rows], patches.shape[1])[:, None]
        first += weighted.sum(axis=0)
        second += seen.T @ weighted
    total = weight[some].sum() * made.places.n_places
    mean = first / total
    return mean, second / total - np.outer(mean, mean)


def _gain_unit(made, unit):
    """Return the real number that a gain of one stands for: one over a root of variance."""
    root_unit = unit / made.places.patch_size * 2.0 ** (-made.spread_shift / 2)
    return 2.0**-made.gain_shift / root_unit


def _with_shifts(made, steps, unit, offsets, threshold):
    """Return the step with shifts of responses, and the units of these."""
    reach = int(made.sources[0].reach.max())
    most = np.abs(made.levels).sum(axis=1) * reach
    if made.is_centred:
        most = most + np.abs(made.totals) * reach
    check_accumulator(most, "A response", "lower filter_bits or take smaller filters")
    most = int(most.max())
    units = steps * unit
    sum_shift = 0
    if made.has_contrast:
        sum_shift = max(0, most.bit_length() - 15)
        most = ((most >> sum_shift) + 1) * (2**16 - 1)
        units = units * 2.0**sum_shift * _gain_unit(made, unit)
    n_places = int(max(np.prod(np.meshgrid(*map(np.diff, made.places.edges)), axis=0).ravel()))
    if made.nonlinearity == "intensity":
        room = int(np.sqrt((ACCUMULATOR - 1) / n_places))
    elif made.nonlinearity == "proportion":
        room = ACCUMULATOR - 1
    else:
        room = (ACCUMULATOR - 1) // n_places
    response_shift = 0

    def needed(shift):
        # What is left of a response, plus what is taken from it.
        taken = (np.abs(offsets) + threshold) / (units * 2.0**shift)
        return (most >> shift) + 2 + taken.max(), taken.max()

    while needed(response_shift)[0] > room or needed(response_shift)[1] >= 2**15:
        response_shift += 1
    units = units * 2.0**response_shift
    side = threshold if made.n_signs == 2 else 0.0
    return replace(
        made,
        sum_shift=sum_shift,
        response_shift=response_shift,
        above=np.rint((side - offsets) / units).astype(np.int64),
        below=np.rint((side + offsets) / units).astype(np.int64),
    ), units


def _with_observables(made, integers, units, settings):
    """Return the step with the multipliers and shifts of its observables, and the observables.

    Training rows use the full range of observables.
    """
    if made.root and made.nonlinearity == "proportion":
        n_places = int(np.outer(*map(np.diff, made.places.edges)).max())
        made = replace(made, mean_shift=32 - n_places.bit_length())
    elif not made.root:
        # Some rows are enough: larger sums of others are clipped.
        sums = made.cell_sums(integers[:: max(1, len(integers) // 500)])
        made = replace(made, mean_shift=max(0, 1 + int(sums.max()).bit_length() - 16))
    top = 2 ** (settings.activation_bits - 1) - 1
    means = made.means(integers)
    ratios = (top + 0.5) / np.maximum(means.max(axis=(0, 2, 3)), 1)
    _, shift = as_multiplier(ratios.max(), bits=15)
    multipliers = np.maximum(np.floor(ratios * 2.0**shift), 1).astype(np.int64)
    n_places = np.outer(*map(np.diff, made.places.edges)).ravel()
    power = {"intensity": units**2, "proportion": np.ones_like(units)}
    per_sum = power.get(made.nonlinearity, units)[:, None] / n_places
    by = 2.0**made.mean_shift
    per_mean = np.sqrt(per_sum / by) if made.root else per_sum * by
    scale = per_mean * 2.0**shift / multipliers[:, None]
    scale = np.repeat(scale[:, None], made.n_signs, axis=1).reshape(-1)
    made = replace(made, scale=scale, multipliers=multipliers, shift=shift)
    return made, made.of_means(means)
