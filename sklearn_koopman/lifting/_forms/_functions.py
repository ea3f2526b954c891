"""Building blocks of functions of rows: closures around arrays of the right dtype."""

import numpy as np


def in_turn(functions):
    """Return the function that applies several, one after the other."""
    if len(functions) == 1:
        return functions[0]

    def function(rows):
        for each in functions:
            rows = each(rows)
        return rows

    return function


def side_by_side(functions):
    """Return the function that joins the results of several functions of the same rows."""
    return lambda rows: np.concatenate([each(rows) for each in functions], axis=1)


def affine(matrix, offset, dtype):
    """Return the function that multiplies rows by a matrix and adds an offset."""
    matrix = np.ascontiguousarray(matrix, dtype=dtype)
    offset = np.asarray(offset, dtype=dtype)

    def function(rows):
        mapped = rows @ matrix
        mapped += offset
        return mapped

    return function


def scaled(factor, center=None):
    """Return the function that subtracts a centre and multiplies by a factor; each may be None."""

    def function(rows):
        if center is not None:
            rows = rows - center
        return rows if factor is None else rows * factor

    return function


def gaussians(centers, gamma, dtype):
    """Return the function that computes Gaussians of the distances to some centres.

    It computes in float64, because squares in float32 would lose small distances.
    """
    middle = centers.mean(axis=0, dtype=np.float64)
    centers = centers - middle
    squares = np.square(centers).sum(axis=1)
    transposed = np.ascontiguousarray(-2.0 * centers.T)

    def function(rows):
        rows = rows - middle
        distances = rows @ transposed
        distances += squares
        distances += np.einsum("ij,ij->i", rows, rows)[:, None]
        np.maximum(distances, 0.0, out=distances)  # rounding must not make it negative
        distances *= -gamma
        return np.exp(distances, out=distances).astype(dtype, copy=False)

    return function


def product_function(products, n_features):
    """Return the function that multiplies rows of a table, see `PairProducts`."""
    first = 1 + n_features
    n_rows = first + len(products.lower)
    groups = list(_groups(products.lower, first))
    left, right = np.ascontiguousarray(products.observables.T, dtype=np.intp)

    def function(rows):
        table = np.empty((len(rows), n_rows), rows.dtype)
        table[:, 0] = 1.0
        table[:, 1:first] = rows
        for start, stop, one, other in groups:
            np.multiply(
                table.take(one, axis=1), table.take(other, axis=1), out=table[:, start:stop]
            )
        observables = table.take(left, axis=1)
        observables *= table.take(right, axis=1)
        return observables

    return function


def _groups(lower, first):
    """Yield groups of lower products that can be made at once: their rows and their factors."""
    start = 0
    while start < len(lower):
        known = first + start
        too_early = np.flatnonzero((lower[start:] >= known).any(axis=1))
        stop = start + too_early[0] if len(too_early) else len(lower)
        one, other = np.ascontiguousarray(lower[start:stop].T, dtype=np.intp)
        yield known, first + stop, one, other
        start = stop


def products_by_degree(degrees, places):
    """Return the function that computes products of columns, see `ChosenProducts.by_degree`."""

    def function(columns):
        found, products = [np.ones_like(columns[:, :1])], columns
        for degree in degrees:
            products = columns.take(degree.variables, axis=1) * products.take(
                degree.factors, axis=1
            )
            found.append(products)
        found.append(columns)
        return np.concatenate(found, axis=1).take(places, axis=1)

    return function
