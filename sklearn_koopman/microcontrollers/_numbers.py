"""Integers in place of real numbers: bytes, multipliers with a shift, and packed weights."""

from math import frexp

import numpy as np

#: Most bits of the numbers of a packed table.
MOST_PACKED = 8
#: One more than the largest number of an accumulator.
ACCUMULATOR = 2**31


def as_bytes(X, byte_range):
    """Return real rows as bytes; raise ValueError where they are outside of the range.

    Rows become bytes in this function only. So the core and the twin get the same ones.

    Parameters
    ----------
    X : ndarray of float
    byte_range : tuple of float
        What the bytes 0 and 255 stand for.
    """
    low, high = map(float, byte_range)
    # Always in float64: how halves are rounded must not depend on the dtype of the rows.
    found = np.rint((X.astype(np.float64) - low) * (255 / (high - low)))
    if (found < 0).any() or (found > 255).any():
        raise ValueError(
            f"byte_range=({low:g}, {high:g}), but rows are from {X.min():g} to {X.max():g}: "
            "give the range that bytes stand for."
        )
    return found.astype(np.uint8)


def from_bytes(rows, byte_range):
    """Return the real rows that bytes stand for, in float32 as the C computes them."""
    low, high = map(float, byte_range)
    return rows.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)


def as_multiplier(factor, bits=15):
    """Return integers (multiplier, shift) with ``multiplier / 2**shift`` close to a factor.

    Parameters
    ----------
    factor : float > 0
    bits : int, default=15
        Bits of the multiplier. The shift is from 0 to 62 - 31 + 15.
    """
    mantissa, exponent = frexp(factor)
    multiplier, shift = round(mantissa * 2**bits), bits - exponent
    if multiplier == 2**bits:
        multiplier, shift = multiplier // 2, shift - 1
    if shift > 46:  # so small that nothing is left
        return multiplier >> min(shift - 46, 63), 46
    return (multiplier, shift) if shift >= 0 else (multiplier << -shift, 0)


def shifted(numbers, shift):
    """Return integers divided by a power of two, rounded to the nearest, halves upwards."""
    return numbers if shift == 0 else (numbers + (1 << (shift - 1))) >> shift


def roots(numbers):
    """Return the integer parts of the roots of integers below 2 ** 52."""
    return np.sqrt(numbers.astype(np.float64)).astype(np.int64)


def packed(levels, bits):
    """Return signed levels packed into bytes, the lowest bits of a byte first.

    Parameters
    ----------
    levels : ndarray of int
        Between ``1 - 2 ** (bits - 1)`` and its negative.
    bits : int
        From 2 to 8.

    Returns
    -------
    packed : ndarray of uint8
        The difference of each level to the lowest. There is one byte more than needed, because two
        bytes are read at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.microcontrollers import packed
    >>> packed(np.array([-1, 0, 1, 1]), bits=2)
    array([164,   0], dtype=uint8)
    """
    codes = (np.ravel(levels) + 2 ** (bits - 1) - 1).astype(np.uint8)
    as_bits = np.unpackbits(codes[:, None], axis=1, count=bits, bitorder="little")
    return np.append(np.packbits(as_bits, bitorder="little"), np.uint8(0))


def packed_bytes(n_numbers, bits):
    """Return how many bytes a table of so many numbers takes."""
    return -(-n_numbers * bits // 8) + 1 if bits <= MOST_PACKED else 2 * n_numbers
