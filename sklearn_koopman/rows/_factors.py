"""Rows whose observables are products, which sums compute without storing them."""

from functools import cache
from typing import NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from ..lifting import PairProducts

try:
    from . import _kernel  # type: ignore[attr-defined]
except ImportError:  # installed without a compiler
    _kernel = None

# Largest number of rows in a block: some of the kernel's groups, which have at most 528 float32
# rows.
FACTOR_ROWS = 2640
# Number of rows that are centred at once, such that they stay in a core's cache.
CENTRED_ROWS = 528


def can_multiply():
    """Return whether there is a kernel that multiplies factors."""
    return _kernel is not None


def vector_bytes():
    """Return the number of bytes in the kernel's vectors, or None if there is no kernel."""
    return _kernel.vector_bytes() if can_multiply() else None


@cache
def say_if_not_compiled():
    """Print, once in a session, that the kernel has not been compiled."""
    if not can_multiply():
        print(
            "sklearn_koopman runs without its compiled kernel: results are the same, products of "
            "features take longer. See sklearn_koopman.show_versions()."
        )


class Factors(NamedTuple):
    """A block of rows that have not been lifted.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_variables)
    products : PairProducts
    """

    X: np.ndarray
    products: PairProducts

    @property
    def dtype(self):
        """The dtype of the rows, and of their observables."""
        return self.X.dtype

    def distillation_loss(
        self,
        weights,
        intercept,
        temperature,
        labels,
        hard_weight,
        soft_weight,
        softened,
        curvature=None,
    ):
        """Return the distillation loss of linear logits of the observables, and its gradients.

        Parameters
        ----------
        weights : ndarray of shape (n_classes, n_observables)
            Their dtype is that of the products.
        intercept : ndarray of shape (n_classes,)
        temperature : float
        labels : ndarray of int, shape (n_rows,)
        hard_weight, soft_weight : ndarray of shape (n_rows,)
        softened : ndarray of shape (n_rows, n_classes), or None
        curvature : ndarray of shape (n_rows,), default=None
            Array to fill with the trace of each row's second derivative by the logits.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_observables, n_classes)
        sums : ndarray of shape (n_classes,)
            The gradient by the intercepts.
        """
        dtype = weights.dtype
        gradient, sums = np.zeros(weights.T.shape), np.zeros(len(weights))
        filled = None if curvature is None else np.empty(len(curvature), dtype)
        value = _kernel.add_loss(
            *self._arrays,
            _ready(weights, dtype),
            _ready(intercept, dtype),
            _ready(labels, np.int64),
            _ready(hard_weight, np.float64),
            _ready(soft_weight, np.float64),
            None if softened is None else _ready(softened, dtype),
            temperature,
            gradient,
            sums,
            filled,
        )
        if curvature is not None:
            curvature[...] = filled
        return value, gradient, sums

    def moments(self, sample_weight):
        """Return the weight of all rows, and the mean and the scatter of each observable."""
        mean, scatter = np.zeros((2, len(self.products.observables)))
        weight = _kernel.add_moments(
            *self._arrays, _ready(sample_weight, np.float64), mean, scatter
        )
        return weight, mean, scatter

    def centred(self, sample_weight, out, pool):
        """Write the observables minus their means, times the roots of the weights.

        Parameters
        ----------
        sample_weight : ndarray of shape (n_rows,)
        out : ndarray of shape (n_rows, n_observables)
            Array in Fortran order, with the dtype of the rows.
        pool : ThreadPool
            Threads that share the rows.

        Returns
        -------
        mean : ndarray of shape (n_observables,)
        """
        parts = list(gen_batches(len(self.X), CENTRED_ROWS))

        def moments(parts):
            return [self._part(rows).moments(sample_weight[rows]) for rows in parts]

        known = [part for share in pool.map_shares(moments, parts) for part in share]
        mean = np.average([part[1] for part in known], axis=0, weights=[w for w, _, _ in known])
        # Subtract a number of the same type from the rows, so that constants, and values far from
        # zero, are not rounded.
        origin = mean.astype(self.dtype)
        rest = (mean - origin).astype(self.dtype)
        root = np.sqrt(sample_weight).astype(self.dtype)
        self._write_less(origin, rest, root, out, pool)
        return mean

    def _part(self, rows) -> "Factors":
        return Factors(self.X[rows], self.products)

    def astype(self, dtype) -> "Factors":
        """Return the same rows in another dtype, in which they are then multiplied."""
        return Factors(self.X.astype(dtype, copy=False), self.products)

    def with_observables(self, observables) -> "Factors":
        """Return the same rows with other observables, from the pairs of a `PairProducts`."""
        return Factors(self.X, self.products._replace(observables=observables))

    def weighted(self, factor, out, pool):
        """Write the observables times a factor for each row.

        Parameters
        ----------
        factor : ndarray of shape (n_rows,)
            Factors in the dtype of the rows.
        out : ndarray of shape (n_rows, n_observables)
            Array in Fortran order, with the same dtype.
        pool : ThreadPool
            Threads that share the rows.
        """
        zeros = np.zeros(len(self.products.observables), self.dtype)
        self._write_less(zeros, zeros, factor, out, pool)

    def _write_less(self, origin, rest, factor, out, pool):
        """Write the observables minus two numbers for each, times a factor for each row."""

        def write(parts):
            for rows in parts:
                of_rows = self._part(rows)._arrays
                _kernel.set_centred(*of_rows, origin, rest, factor[rows], out[rows])

        pool.map_shares(write, list(gen_batches(len(self.X), CENTRED_ROWS)))

    def squared_norms(self, mean, rate):
        """Return the squared norm of each row's observables, minus a mean and times a rate."""
        norms = np.empty(len(self.X), self.dtype)
        _kernel.set_norms(
            *self._arrays, mean.astype(norms.dtype), rate.astype(norms.dtype), norms
        )
        return norms

    @property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lower, observables, _ = self.products
        X = np.require(self.X, requirements="A")
        return X, _ready(lower, np.int32), _ready(observables, np.int32)


def _ready(array, dtype):
    """Return an array in the form that the kernel needs. Arrays from processes may be unaligned."""
    return np.require(array, dtype, ["C", "A"])
