r"""The distillation loss of a linear student: value, gradient and curvature.

With standardised observables :math:`\phi_i`, logits :math:`s_i = W^T \phi_i + b`, labels
:math:`y_i`, the teacher's softened probabilities :math:`p_i = softmax(t_i / T)` and row
weights :math:`w_i` (h: rows with a label),

.. math::
    L(W, b) = (1 - a) \frac{\sum_h w_i\, CE(y_i, s_i)}{\sum_h w_i}
            + a T^2 \frac{\sum w_i\, KL(p_i \| softmax(s_i / T))}{\sum w_i}
            + \frac{ridge}{2} \|W\|_F^2 .

Both losses are a log-sum-exp of linear functions minus a linear function, so L is convex; with
``ridge > 0`` its minimiser W is unique, and so are the probabilities.
"""

from copy import copy
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import softmax, xlogy

from ..rows import Factors, added, as_numpy, by_rows, in_tiles, take, tile_rows

# Means this many deviations from zero cost a product too many digits.
FAR_FROM_ZERO = 100.0


class DistillationProblem:
    """Value and gradient of the distillation loss, each call one pass over the rows.

    Parameters
    ----------
    blocks : RowBlocks
        The lifted rows.
    scale : Scale
        Means and deviations that standardise the observables.
    labels : ndarray of int, shape (n_samples,)
        The class of each row, -1 for none.
    soft_logits : ndarray of shape (n_samples, n_classes), or None
        The teacher's logits; None stands for no teacher and needs ``soft_weight=0``.
    sample_weight : ndarray of shape (n_samples,)
    n_classes : int
    soft_weight, temperature, ridge : float

    Attributes
    ----------
    weight : float
        Sum of the sample weights; of rows chosen, the share that is theirs by number.
    is_centred : bool
        Whether means are subtracted from the rows, because some are far from zero.
    dtype : numpy.dtype
        That of the products with the lifted rows: float32 for float32 rows that need not be
        centred. Sums over blocks are taken in float64.
    hard_weight, soft_weight : ndarray of shape (n_samples,)
        What a row weighs in the two losses.
    softened : ndarray of shape (n_samples, n_classes), or None
        The teacher's probabilities at the temperature.
    """

    def __init__(
        self,
        blocks,
        scale,
        labels,
        soft_logits,
        sample_weight,
        *,
        n_classes,
        soft_weight,
        temperature,
        ridge,
    ):
        self.blocks = blocks
        self.scale = scale
        self.labels = labels
        self.n_classes = n_classes
        self.temperature = temperature
        self.ridge = ridge
        self.weight = sample_weight.sum()
        self.is_centred = _is_far_from_zero(scale)
        keeps_float32 = not self.is_centred and blocks.dtype == np.float32
        self.dtype = np.dtype(np.float32 if keeps_float32 else np.float64)
        self.hard_weight = (1 - soft_weight) * _normalised(sample_weight * (labels >= 0))
        self.soft_weight = soft_weight * _normalised(sample_weight)
        self.softened = None
        self.negative_entropy = 0.0
        if soft_weight > 0:
            row_entropy = as_numpy(
                by_rows(partial(_negative_entropy, temperature), soft_logits)
            )
            self.negative_entropy = temperature**2 * (self.soft_weight @ row_entropy)
            self.softened = by_rows(
                partial(_soften, temperature, self.dtype), soft_logits, keep=True
            )

    def __call__(self, coef, intercept):
        """Return the loss and its gradient at coefficients of the standardised observables.

        Parameters
        ----------
        coef : ndarray of shape (n_observables, n_classes)
        intercept : ndarray of shape (n_classes,)

        Returns
        -------
        value : float
        coef_gradient : ndarray of shape (n_observables, n_classes)
        intercept_gradient : ndarray of shape (n_classes,)
        """
        value, gradient = self.evaluate(np.vstack([coef, intercept]))
        return value, gradient[:-1], gradient[-1]

    def evaluate(self, x, curvature=None):
        """Return value and gradient at coefficients above intercepts in one array.

        Parameters
        ----------
        x : ndarray of shape (n_observables + 1, n_classes)
        curvature : ndarray of shape (n_samples,), default=None
            Filled with the trace of each row's second derivative by its logits.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_observables + 1, n_classes)
        """
        coef, scale = x[:-1], self.scale
        weights, intercept = scale.unscale(coef, x[-1])
        offset = scale.mean if self.is_centred else np.zeros(len(coef))
        intercept = (intercept + offset @ weights).astype(self.dtype)[:, None]
        weights = np.ascontiguousarray(weights.T, dtype=self.dtype)
        loss = BlockLoss(
            weights, intercept, offset if self.is_centred else None, self.temperature
        )
        value, psi_gradient, sums = self.blocks.sum(
            loss,
            self.labels,
            self.hard_weight,
            self.soft_weight,
            _NOTHING if self.softened is None else self.softened,
            out=curvature,
        )
        gradient = np.empty_like(x)
        gradient[-1] = sums
        coef_gradient = psi_gradient - np.outer(scale.mean - offset, gradient[-1])
        coef_gradient /= scale.deviation[:, None]
        coef_gradient[scale.constant] = 0.0
        gradient[:-1] = coef_gradient + self.ridge * coef
        value += self.negative_entropy + 0.5 * self.ridge * np.vdot(coef, coef)
        return float(value), gradient

    def leverage(self):
        """Return the mean square of each row's standardised observables.

        Returns
        -------
        leverage : ndarray of shape (n_samples,)
        """
        varied = ~self.scale.constant
        rate = varied / (self.scale.deviation * np.sqrt(max(varied.sum(), 1)))
        return as_numpy(self.blocks.map(SquaredNorms(self.scale.mean, rate)))

    def target_mass(self, rows):
        """Return what multiplies the logits of some rows in the loss.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)

        Returns
        -------
        mass : ndarray of shape (n_rows, n_classes)
        """
        mass = np.zeros((len(rows), self.n_classes))
        mass[np.arange(len(rows)), self.labels[rows]] = self.hard_weight[rows]
        if self.softened is not None:
            mass += (self.temperature * self.soft_weight[rows])[:, None] * self.softened[rows]
        return mass

    def restricted(self, rows, factor, buffer=None):
        """Return the problem of some rows, each weighing more by a factor, lifted and kept.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
        factor : ndarray of shape (n_rows,)
        buffer : ndarray, default=None
            Where to keep the lifted rows, see `RowBlocks.held`.

        Returns
        -------
        problem : DistillationProblem
        """
        few = copy(self)
        if self.makes_products:
            few.blocks = self.blocks.taken(rows)
        else:
            few.blocks = self.blocks.held(rows, self._tile_rows, buffer)
        few.weight = self.weight * len(rows) / len(self.labels)
        few.labels = self.labels[rows]
        few.hard_weight = self.hard_weight[rows] * factor
        few.soft_weight = self.soft_weight[rows] * factor
        few.softened = None if self.softened is None else take(self.softened, rows)
        return few

    def keeping_few_rows(self):
        """Return the problem with all its rows kept, if that takes little memory.

        They are lifted, unless their products are made where they are summed.
        """
        kept = copy(self)
        if self.makes_products:
            kept.blocks = self.blocks.taken_if_few()
        else:
            kept.blocks = self.blocks.kept_if_few(self._tile_rows)
        return kept

    @property
    def makes_products(self):
        """Whether observables are multiplied where they are summed, and never stored."""
        return self.blocks.makes_products and not self.is_centred

    @property
    def _tile_rows(self):
        return tile_rows(self.blocks.n_observables, self.n_classes)

    def with_ridge(self, ridge):
        """Return the problem with another penalty and all else shared."""
        other = copy(self)
        other.ridge = ridge
        return other

    def in_double_precision(self):
        """Return the same problem with all products in float64."""
        exact = copy(self)
        exact.dtype = np.dtype(np.float64)
        return exact


@dataclass(frozen=True)
class BlockLoss:
    """Loss and gradients of one block of rows: all that a worker must be sent.

    Attributes
    ----------
    weights : ndarray of shape (n_classes, n_observables)
        Their dtype is that of the products.
    intercept : ndarray of shape (n_classes, 1)
    offset : ndarray of shape (n_observables,), or None
        What is subtracted from the rows first.
    temperature : float
    """

    weights: np.ndarray
    intercept: np.ndarray
    offset: np.ndarray | None
    temperature: float

    @property
    def takes_factors(self):
        """Whether it takes `Factors` for observables."""
        return self.offset is None

    def __call__(self, psi, labels, hard_weight, soft_weight, softened, curvature=None):
        """Return loss, gradient by the weights and by the intercepts; fill the curvature."""
        if isinstance(psi, Factors):
            return psi.loss(self, labels, hard_weight, soft_weight, softened, curvature)
        if self.offset is not None:
            psi = psi - self.offset
        psi = psi.astype(self.weights.dtype, copy=False)
        n_rows = tile_rows(*self.weights.T.shape)
        aligned = psi, labels, hard_weight, soft_weight, softened, curvature
        return added([self._evaluate_tiles(*tiles) for tiles in in_tiles(n_rows, *aligned)])

    def _evaluate_tiles(self, psi, labels, hard_weight, soft_weight, softened, curvature):
        """Return loss, gradient by the weights and by the intercepts of some tiles of rows."""
        dtype = self.weights.dtype
        hard_weight = hard_weight.astype(dtype, copy=False)
        soft_weight = soft_weight.astype(dtype, copy=False)
        # One row a class: sums over classes then run along contiguous memory.
        logits = self.weights @ psi.transpose(0, 2, 1)
        logits += self.intercept
        # Less the largest of the row: nothing overflows, and no loss is a difference of large
        # numbers.
        logits -= logits.max(axis=1, keepdims=True)
        # What multiplies the logits in the loss.
        mass = hard_weight[:, None] * (labels[:, None] == np.arange(len(self.weights))[:, None])
        if softened is not None:
            mass += (self.temperature * soft_weight)[:, None] * softened.transpose(0, 2, 1)
        value = -np.vdot(mass, logits)
        residual = np.negative(mass, out=mass)
        if curvature is not None:
            curvature[...] = 0.0
        for weight, temperature in self.log_sum_exp_terms(hard_weight, soft_weight):
            probability = np.exp(logits if temperature == 1.0 else logits / temperature)
            total = probability.sum(axis=1)
            probability /= total[:, None]
            value += temperature**2 * np.vdot(weight, np.log(total))
            if curvature is not None:
                curvature += weight * (1 - np.square(probability).sum(axis=1))
            probability *= (temperature * weight)[:, None]
            residual += probability
        return value, _gradient(psi, residual), residual.sum(axis=(0, 2))

    def log_sum_exp_terms(self, hard_weight, soft_weight):
        """Return the (row weights, temperature) of each log-sum-exp in the loss."""
        if self.temperature == 1.0:
            return [(hard_weight + soft_weight, 1.0)]
        terms = [(hard_weight, 1.0), (soft_weight, self.temperature)]
        return [term for term in terms if term[0].any()]


@dataclass(frozen=True)
class SquaredNorms:
    """The squared norm of each row of a block, less a mean and times a rate.

    Attributes
    ----------
    mean, rate : ndarray of shape (n_observables,)
    """

    mean: np.ndarray
    rate: np.ndarray

    takes_factors = True

    def __call__(self, psi):
        """Return the squared norms."""
        rate = np.minimum(self.rate, np.finfo(psi.dtype).max)
        if isinstance(psi, Factors):
            return psi.squared_norms(self.mean, rate)
        scaled = psi - self.mean.astype(psi.dtype)
        # Before they are squared: what is squared must not overflow.
        scaled *= rate.astype(psi.dtype)
        return np.einsum("ij,ij->i", scaled, scaled)


def _soften(temperature, dtype, soft_logits):
    """Return the teacher's probabilities at a temperature."""
    return softmax(soft_logits / temperature, axis=1).astype(dtype)


def _negative_entropy(temperature, soft_logits):
    """Return the negative entropy of each row of the teacher's softened probabilities."""
    softened = _soften(temperature, np.float64, soft_logits)
    return xlogy(softened, softened).sum(axis=1)


def _gradient(psi, residual):
    """Return the sum over all rows of observables times residuals, (n_observables, n_classes)."""
    if psi.strides[2] == psi.itemsize:  # rows are contiguous
        return (residual @ psi).sum(axis=0).T
    # BLAS is twice as fast without having to turn both sides over.
    return (psi.transpose(0, 2, 1) @ np.ascontiguousarray(residual.transpose(0, 2, 1))).sum(
        axis=0
    )


def _is_far_from_zero(scale):
    """Return whether products with some observable would be differences of large numbers."""
    is_far = np.abs(scale.mean) > FAR_FROM_ZERO * scale.deviation
    return bool((is_far & ~scale.constant).any())


def _normalised(weight):
    total = weight.sum()
    return weight / total if total > 0 else weight


class _Nothing:
    """Aligned with any rows, and None for all of them."""

    def __getitem__(self, rows):
        return None

    def part(self, rows):
        return self


_NOTHING = _Nothing()
