"""Rows in batches, for the teachers that run a network."""

import numbers
from math import prod

import numpy as np

from ._outputs import KNOWN_KINDS, OUTPUT_KINDS, UnusableTeacherError


def check_batching(teacher):
    """Check `batch_size`, `output` and `input_shape` of a teacher.

    Raises
    ------
    UnusableTeacherError
        If one of them is not valid.
    """
    if not _is_positive_int(teacher.batch_size):
        raise UnusableTeacherError(f"batch_size={teacher.batch_size!r}: must be an int >= 1.")
    if teacher.output not in OUTPUT_KINDS:
        raise UnusableTeacherError(f"output={teacher.output!r}: must be {KNOWN_KINDS}.")
    if not _is_shape(teacher.input_shape):
        raise UnusableTeacherError(
            f"input_shape={teacher.input_shape!r}: must be None or a tuple of ints >= 1, for "
            "example (1, 28, 28)."
        )


def as_numeric(X, name):
    """Return X as an array of numbers. `name` is the teacher, for error messages."""
    if hasattr(X, "toarray"):
        raise TypeError(f"{name} takes dense X; convert a sparse X with X.toarray().")
    array = np.asanyarray(X)  # a memmap stays a memmap, and is read batch by batch
    if array.dtype.kind == "O":
        return array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} takes real numbers, got X of dtype {array.dtype}.")
    return array


def check_sample_size(shape, rows, source):
    """Raise ValueError if rows do not have as many features as a sample of some shape.

    Parameters
    ----------
    shape : tuple of int
    rows : array of shape (n_samples, ...)
    source : str
        Name of the teacher, for error messages.
    """
    n_features = prod(rows.shape[1:])
    if prod(shape) != n_features:
        raise ValueError(f"{source} needs {prod(shape)} features, but X has {n_features}.")


def row_batches(n_rows, size):
    """Return the slices of batches of rows."""
    # No rows still make one empty batch, because only the network knows the number of columns.
    return [slice(i, min(i + size, n_rows)) for i in range(0, max(n_rows, 1), size)]


def _is_positive_int(value):
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_int and value >= 1


def _is_shape(shape):
    if shape is None:
        return True
    return isinstance(shape, (tuple, list)) and all(map(_is_positive_int, shape))
