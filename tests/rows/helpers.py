"""Data and oracles that the tests of the solvers share, and private parts of `rows`.

The package never gives the kernel inputs that it refuses, and only the time would show which sums
make a Gram matrix. So the tests of these two use private parts, which this module imports for them.
"""

from fractions import Fraction

import numpy as np

from sklearn_koopman.rows import RowBlocks, _factors
from sklearn_koopman.rows._sums import _moments, _power_sums

kernel = _factors._kernel
add_product = _power_sums.add_product
power_sums_of = _moments._power_sums_of
Layout, PowerSums, layout_of = (
    _power_sums.Layout,
    _power_sums.PowerSums,
    _power_sums.layout_of,
)


def samples(n_samples, n_columns, seed=0):
    """Return correlated columns of different means and deviations."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_columns, n_columns)) + np.eye(n_columns)
    return rng.normal(size=(n_samples, n_columns)) @ mixing + rng.normal(size=n_columns)


def accumulate(moments_class, X, targets=None, sample_weight=None, block_rows=None):
    """Return the moments of all rows of X, computed block by block."""
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    aligned = (weight,) if targets is None else (targets, weight)
    n_targets = 0 if targets is None else targets.shape[1]
    return RowBlocks(X, block_rows=block_rows).map_reduce(
        moments_class.update, moments_class(X.shape[1], n_targets), *aligned
    )


def as_codes(one_hot):
    """Return the class of each row, -1 for rows of zeros."""
    return np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1)


def standardised(X, sample_weight=None):
    """Return columns of weighted mean zero and variance one; constants become zeros."""
    centred = X - np.average(X, axis=0, weights=sample_weight)
    deviation = np.sqrt(np.average(centred**2, axis=0, weights=sample_weight))
    return centred / np.where(deviation > 0, deviation, 1.0)


def with_constants(X):
    """Return X with columns before it that vary only by rounding, and a mask of these columns."""
    flickering = np.full(len(X), 0.3)
    flickering[::2] = np.nextafter(0.3, 1.0)
    constants = [np.full(len(X), 1e8), flickering]
    columns = np.column_stack([*constants, X])
    return columns, np.arange(columns.shape[1]) < len(constants)


def exact_mean_and_scatter(X, sample_weight):
    """Return the weighted mean and scatter in rational arithmetic, rounded once at the end."""
    rows = np.array([[Fraction(float(value)) for value in row] for row in X])
    weight = np.array([Fraction(float(value)) for value in sample_weight])
    mean = weight @ rows / weight.sum()
    scatter = ((rows - mean) * weight[:, None]).T @ (rows - mean)
    return mean.astype(np.float64), scatter.astype(np.float64)
