"""Inputs for an ONNX model: arrays with the types and shapes that it declares."""

from math import prod

import numpy as np

from ._outputs import UnusableTeacherError

FLOATS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
}
_DTYPES = FLOATS | {
    "tensor(bool)": np.bool_,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(string)": np.object_,
}


def declared_dtype(given, source):
    """Return the dtype of an input that a model declares.

    Parameters
    ----------
    given : onnxruntime.NodeArg
    source : str
        Name of the teacher, for error messages.
    """
    if given.type not in _DTYPES:
        raise UnusableTeacherError(
            f"{source}: the input {given.name!r} is a {given.type}; known are "
            f"{', '.join(_DTYPES)}."
        )
    return np.dtype(_DTYPES[given.type])


def as_declared(values, given, source):
    """Return values in the dtype of an input. Values may change only by rounding of floats.

    Parameters
    ----------
    values : array-like
    given : onnxruntime.NodeArg
    source : str

    Returns
    -------
    array : ndarray, in C order
    """
    dtype = declared_dtype(given, source)
    values = np.asarray(values)
    with np.errstate(invalid="ignore", over="ignore"):
        array = np.ascontiguousarray(values, dtype=dtype)
    if np.can_cast(values.dtype, dtype, "safe") or dtype.kind == "O":
        return array.reshape(values.shape)  # numpy turns a scalar into one dimension
    if dtype.kind in "biu":
        if not np.array_equal(array.reshape(values.shape), values):
            raise ValueError(
                f"{source}: the input {given.name!r} takes {_integers(dtype)}, got values from "
                f"{values.min():.6g} to {values.max():.6g} of dtype {values.dtype}. Pass rows in "
                "the form that the model takes, for example without scaling."
            )
    elif np.isfinite(values).all() and not np.isfinite(array).all():
        raise ValueError(
            f"{source}: the input {given.name!r} has dtype {dtype}, which is too small for values "
            f"from {values.min():.3g} to {values.max():.3g}. Scale them."
        )
    return array.reshape(values.shape)


def _integers(dtype):
    if dtype.kind == "b":
        return "0 and 1"
    limits = np.iinfo(dtype)
    return f"whole numbers from {limits.min} to {limits.max}"


def sample_shape(given, rows, source):
    """Return the shape of a sample, from the shape that a model declares and from the rows.

    Parameters
    ----------
    given : onnxruntime.NodeArg
    rows : array of shape (n_samples, ...)
    source : str

    Returns
    -------
    shape : tuple of int
    """
    declared = tuple(given.shape[1:])
    if declared and all(isinstance(size, int) for size in declared):
        return declared
    if rows.ndim == 2 and len(declared) > 1:
        n_features = rows.shape[1]
        shown = ", ".join(str(size or "?") for size in declared)
        raise UnusableTeacherError(
            f"{source}: the input {given.name!r} takes samples of shape ({shown}) and leaves some "
            f"sizes open, and rows are flat, with {n_features} features. Set the shape of a "
            f"sample, as in OnnxTeacher(model, input_shape={_filled(declared, n_features)}), or "
            "pass rows of that shape."
        )
    return rows.shape[1:]


def _filled(declared, n_features):
    """Return a shape in which the open sizes are equal, if that is possible."""
    known = prod(n for n in declared if isinstance(n, int))
    n_open = sum(not isinstance(n, int) for n in declared)
    side = round((n_features / known) ** (1 / n_open))
    if known * side**n_open != n_features:
        side = 224
    return tuple(n if isinstance(n, int) else side for n in declared)


def padded(array, n_rows):
    """Return an array with as many rows as a model requires, by repeating the last one."""
    missing = n_rows - len(array)
    if missing <= 0:
        return array
    if len(array) == 0:
        return np.zeros((n_rows, *array.shape[1:]), array.dtype)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
