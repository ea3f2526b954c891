"""Functions of BLAS and LAPACK that let other threads run, unlike scipy's own wrappers."""

import ctypes
from functools import cache

import numpy as np
from scipy.linalg import cython_blas, cython_lapack


@cache
def _function(name):
    """Return one of scipy's functions for Cython, which takes pointers as arguments."""
    offered = cython_blas.__pyx_capi__ | cython_lapack.__pyx_capi__
    python = ctypes.pythonapi
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
        ("PyCapsule_GetName", python)
    )
    address_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", python)
    )
    signature = name_of(offered[name])
    n_arguments = signature.count(b",") + 1
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * n_arguments)
    return function(address_of(offered[name], signature))


def _of_type(name, dtype):
    """Return a function for numbers of a type, and a pointer to such a 1."""
    if dtype == np.float32:
        return _function("s" + name), ctypes.byref(ctypes.c_float(1))
    return _function("d" + name), ctypes.byref(ctypes.c_double(1))


def _integer(n):
    return ctypes.byref(ctypes.c_int(n))


def _columns(array):
    """Return the address and the distance of an array's columns. The array must stay alive."""
    # The stride of a single column may have any value.
    apart = max(array.strides[1] // array.itemsize, len(array), 1)
    return array.ctypes.data, _integer(apart)


def add_product(left, right, out):
    """Add ``left.T @ right``.

    Parameters
    ----------
    left : ndarray of shape (n_rows, n)
    right : ndarray of shape (n_rows, m)
    out : ndarray of shape (n, m)
        All three have the same dtype and contiguous columns.
    """
    multiply, one = _of_type("gemm", out.dtype)
    sizes = (_integer(size) for size in (*out.shape, len(left)))
    columns = _columns(left), _columns(right), _columns(out)
    multiply(b"T", b"N", *sizes, one, *columns[0], *columns[1], one, *columns[2])


def add_packed_square(rows, out):
    """Add ``rows.T @ rows``.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n)
        Rows in Fortran order, with the dtype of `out`.
    out : ndarray of shape (n * (n + 1) / 2,)
        Upper triangle in rectangular full packed format.
    """
    multiply, one = _of_type("sfrk", out.dtype)
    n_rows, n = rows.shape
    sizes = _integer(n), _integer(n_rows)
    data = rows.ctypes.data, _integer(n_rows)
    multiply(b"N", b"U", b"T", *sizes, one, *data, one, out.ctypes.data)
