r"""The objective of a linear student: the distillation loss of its logits and a ridge penalty.

With standardised observables :math:`\phi_i`, logits :math:`s_i = W^T \phi_i + b`, labels
:math:`y_i`, the teacher's softened probabilities :math:`p_i = softmax(t_i / T)` and row
weights :math:`w_i` (h: rows with a label),

.. math::
    L(W, b) = (1 - a) \frac{\sum_h w_i\, CE(y_i, s_i)}{\sum_h w_i}
            + a T^2 \frac{\sum w_i\, KL(p_i \| softmax(s_i / T))}{\sum w_i}
            + \frac{ridge}{2} \|W\|_F^2 .

Both losses are convex in the logits (`_loss` has them), and these are linear in W and b, so L is
convex; with ``ridge > 0`` its minimiser W is unique, and so are the probabilities.
"""

from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from ..rows import (
    BlockFunction,
    DeviceFunction,
    Factors,
    added,
    as_numpy,
    by_rows,
    in_tiles,
    take,
    tile_rows,
)
from ._loss import DistillationLoss, LogitLoss
from ._perturbation import PerturbedBlockLoss, SlopeCurvature

# Number of sparse rows whose logits and derived arrays fit in cache.
LOSS_ROWS = 1024
# Means of this many deviations cost products too many digits.
FAR_FROM_ZERO = 100.0


class DistillationProblem:
    """Value and gradient of the distillation loss. Each call is one pass over the rows.

    Parameters
    ----------
    blocks : RowBlocks
        The lifted rows.
    scale : Scale
        Means and deviations that standardise the observables.
    labels : ndarray of int, shape (n_samples,)
        The class of each row, or -1 for none.
    soft_logits : ndarray of shape (n_samples, n_classes), or None
        The teacher's logits. None means no teacher, and needs ``soft_weight=0``.
    sample_weight : ndarray of shape (n_samples,)
    n_classes : int
    soft_weight, ridge : float
    temperature : float, default=1.0
        Temperature of the distillation loss.
    loss : LogitLoss, default=None
        Another loss. None takes the distillation loss.
    perturbation : float, default=0.0
        Distance by which rows are moved, see `_perturbation`. Only for the distillation loss.
    slopes : LogitSlopes, default=None
        Slopes of the logits, which are needed if rows are moved.

    Attributes
    ----------
    weight : float
        Sum of the sample weights. For chosen rows, their share by number.
    is_centred : bool
        Whether means are subtracted from the rows, because some are far from zero.
    dtype : numpy.dtype
        Dtype of the products with the lifted rows: float32 for float32 rows that need not be
        centred. Sums over blocks are in float64.
    hard_weight, soft_weight : ndarray of shape (n_samples,)
        Weights of the rows in the two losses.
    softened : ndarray of shape (n_samples, n_classes), or None
        The teacher's probabilities at the temperature.
    constant : float
        Part of the loss that does not depend on the coefficients.
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
        temperature=1.0,
        ridge,
        loss=None,
        perturbation=0.0,
        slopes=None,
    ):
        self.blocks = blocks
        self.scale = scale
        self.labels = labels
        self.n_classes = n_classes
        self.loss = DistillationLoss(float(temperature)) if loss is None else loss
        self.ridge = ridge
        self.perturbation = float(perturbation)
        self.slopes: Any = slopes if perturbation else None
        self.weight = sample_weight.sum()
        is_far = _is_far_from_zero(scale)
        self.is_centred = is_far and not blocks.is_sparse  # centring would fill the zeros
        keeps_float32 = not is_far and blocks.dtype == np.float32
        self.dtype = np.dtype(np.float32 if keeps_float32 else np.float64)
        self.hard_weight = (1 - soft_weight) * _normalised(sample_weight * (labels >= 0))
        self.soft_weight = soft_weight * _normalised(sample_weight)
        self.softened = None
        self.constant = 0.0
        if soft_weight > 0:
            of_rows = as_numpy(by_rows(partial(_constants, self.loss), soft_logits))
            self.constant = self.soft_weight @ of_rows
            soften = partial(_softened, self.loss, self.dtype)
            self.softened = by_rows(soften, soft_logits, keep=True)

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
        """Return value and gradient at coefficients and intercepts, stacked in one array.

        Parameters
        ----------
        x : ndarray of shape (n_observables + 1, n_classes)
        curvature : ndarray of shape (n_samples,), default=None
            Array to fill with the trace of each row's second derivative by its logits.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_observables + 1, n_classes)
        """
        value, psi_gradient, sums, *by_slopes = self.blocks.sum(
            self._block_loss(x),
            self.labels,
            self.hard_weight,
            self.soft_weight,
            self.softened,
            out=curvature,
        )
        if by_slopes:
            psi_gradient += self.slopes.gradient(*by_slopes)
        coef = x[:-1]
        value += self.constant + 0.5 * self.ridge * np.vdot(coef, coef)
        return float(value), self.gradient_from(psi_gradient, sums, x)

    def of_observables(self, x):
        """Return coefficients that act on the observables without standardisation.

        Parameters
        ----------
        x : ndarray of shape (n_observables + 1, n_classes)
            Coefficients of the standardised observables, stacked on intercepts.

        Returns
        -------
        weights : ndarray of shape (n_observables, n_classes)
            Weights in the dtype of the products, which the intercept has too.
        intercept : ndarray of shape (n_classes,)
        offset : ndarray of shape (n_observables,), or None
            Numbers to subtract from the observables first.
        """
        weights, intercept = self.scale.unscale(x[:-1], x[-1])
        offset = self.scale.mean if self.is_centred else None
        if offset is not None:
            intercept = intercept + offset @ weights
        return (
            weights.astype(self.dtype, copy=False),
            intercept.astype(self.dtype, copy=False),
            offset,
        )

    def gradient_from(self, psi_gradient, sums, x):
        """Return the gradient by stacked coefficients, from the gradient by `of_observables`.

        Parameters
        ----------
        psi_gradient : ndarray of shape (n_observables, n_classes)
        sums : ndarray of shape (n_classes,)
            Gradient by the intercept.
        x : ndarray of shape (n_observables + 1, n_classes)

        Returns
        -------
        gradient : ndarray of shape (n_observables + 1, n_classes)
        """
        gradient = np.empty_like(x)
        gradient[-1] = sums
        scale = self.scale
        offset = scale.mean if self.is_centred else np.zeros(len(psi_gradient))
        coef_gradient = psi_gradient - np.outer(scale.mean - offset, sums)
        coef_gradient /= scale.deviation[:, None]
        coef_gradient[scale.constant] = 0.0
        gradient[:-1] = coef_gradient + self.ridge * x[:-1]
        return gradient

    def _block_loss(self, x):
        """Return the loss of blocks at stacked coefficients and intercepts."""
        weights, intercept, offset = self.of_observables(x)
        # Sparse rows multiply, one by one, the numbers of all classes for an observable.
        weights = weights.T if self.blocks.is_sparse else np.ascontiguousarray(weights.T)
        model = weights, intercept[:, None], offset, self.loss
        if self.slopes is None:
            return BlockLoss(*model)
        exact, _ = self.scale.unscale(x[:-1], x[-1])
        slope_weights = self.slopes.weights(exact).astype(self.dtype)
        return PerturbedBlockLoss(*model, self.perturbation, self.slopes.sources, slope_weights)

    def slope_gram(self, x):
        """Return the part of the loss's second derivative from slopes, or None if there is none.

        It is the part of one class, by the coefficients of observables without standardisation, as
        if all classes and directions were equal.

        Parameters
        ----------
        x : ndarray of shape (n_observables + 1, n_classes)

        Returns
        -------
        gram : ndarray of shape (n_observables, n_observables), or None
        """
        if self.slopes is None:
            return None
        block_loss = self._block_loss(x)
        aligned = self.labels, self.hard_weight, self.soft_weight, self.softened
        (of_sources,) = self.blocks.sum(SlopeCurvature(block_loss), *aligned)
        return self.slopes.gram(of_sources) / max(self.n_classes - 1, 1)

    def leverage(self):
        """Return the mean square of each row's standardised observables.

        Returns
        -------
        leverage : ndarray of shape (n_samples,)
        """
        varied = ~self.scale.constant
        rate = varied / (self.scale.deviation * np.sqrt(max(varied.sum(), 1)))
        return as_numpy(self.blocks.map(SquaredNorms(self.scale.mean, rate)))

    def restricted(self, rows, factor, buffer=None):
        """Return the problem for some rows, with weights times a factor, lifted and kept.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
        factor : ndarray of shape (n_rows,)
        buffer : ndarray, default=None
            Memory for the lifted rows, see `RowBlocks.held`.

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

        They are lifted, unless sums compute their products.
        """
        kept = copy(self)
        if self.makes_products:
            kept.blocks = self.blocks.taken_if_few()
        else:
            kept.blocks = self.blocks.kept_if_few(self._tile_rows)
        return kept

    @property
    def makes_products(self):
        """Whether sums compute the observables without storing them."""
        is_in_kernel = self.loss.kernel_temperature is not None and self.slopes is None
        return self.blocks.makes_products and is_in_kernel and not self.is_centred

    @property
    def _tile_rows(self):
        return tile_rows(self.blocks.n_observables, self.n_classes)

    def with_ridge(self, ridge):
        """Return the problem with another penalty, which shares everything else."""
        other = copy(self)
        other.ridge = ridge
        return other

    def in_double_precision(self):
        """Return the same problem with all products in float64."""
        exact = copy(self)
        exact.dtype = np.dtype(np.float64)
        return exact


@dataclass(frozen=True)
class BlockLoss(DeviceFunction):
    """Loss and gradients of one block of rows, which is all that a worker needs.

    Attributes
    ----------
    weights : ndarray of shape (n_classes, n_observables)
        Weights in the dtype of the products.
    intercept : ndarray of shape (n_classes, 1)
    offset : ndarray of shape (n_observables,), or None
        Numbers to subtract from the rows first.
    loss : LogitLoss
    """

    weights: np.ndarray
    intercept: np.ndarray
    offset: np.ndarray | None
    loss: LogitLoss

    takes_tiles = takes_sparse = True

    @property
    def takes_factors(self):
        """Whether the kernel has the loss, and the rows need not be centred."""
        return self.loss.kernel_temperature is not None and self.offset is None

    def __call__(self, psi, labels, hard_weight, soft_weight, softened, curvature=None):
        """Return the loss, and its gradients by weights and intercepts. Fill the curvature."""
        aligned = labels, hard_weight, soft_weight, softened, curvature
        if isinstance(psi, Factors):
            model = self.weights, self.intercept[:, 0], self.loss.kernel_temperature
            return psi.distillation_loss(*model, *aligned)
        if issparse(psi):
            return self._evaluate_sparse(psi, aligned)
        if self.offset is not None:
            psi = psi - self.offset
        psi = psi.astype(self.weights.dtype, copy=False)
        n_rows = tile_rows(*self.weights.T.shape)
        return added([self._evaluate(*tiles) for tiles in in_tiles(n_rows, psi, *aligned)])

    def _evaluate(self, psi, labels, hard_weight, soft_weight, softened, curvature):
        """Return the loss of some tiles of rows, and its gradients by weights and intercepts."""
        logits = self.weights @ psi.transpose(0, 2, 1)
        logits += self.intercept
        value, residual = self._residual(
            logits, labels, hard_weight, soft_weight, softened, curvature
        )
        return value, _gradient(psi, residual), residual.sum(axis=(0, 2))

    def _evaluate_sparse(self, psi, aligned):
        """Return the loss of sparse rows, and its gradients by weights and intercepts."""
        residual = np.empty((psi.shape[0], len(self.weights)), self.weights.dtype)
        value = 0.0
        for rows in gen_batches(len(residual), LOSS_ROWS):
            logits = (psi[rows] @ self.weights.T).T + self.intercept
            parts = (None if array is None else array[rows] for array in aligned)
            value_of_rows, residual_of_rows = self._residual(logits, *parts)
            value += value_of_rows
            residual[rows] = residual_of_rows.T
        return value, psi.T @ residual, residual.sum(axis=0, dtype=np.float64)

    def _residual(self, logits, labels, hard_weight, soft_weight, softened, curvature):
        """Return the loss of logits and its gradient by the logits. Fill the curvature."""
        dtype = self.weights.dtype
        terms = self.loss(
            logits,
            labels,
            hard_weight.astype(dtype, copy=False),
            soft_weight.astype(dtype, copy=False),
            softened,
            with_curvature=curvature is not None,
        )
        if curvature is not None:
            curvature[...] = terms.curvature
        return terms.losses.sum(dtype=np.float64), terms.residual

    def on_device(self, place):
        """Return the same loss for blocks that are tensors."""
        return TensorLoss(
            weights=place(self.weights).T,
            intercept=place(self.intercept)[:, 0],
            offset=None if self.offset is None else place(self.offset),
            loss=self.loss,
        )


@dataclass(frozen=True)
class TensorLoss:
    """Loss and gradients of one block of rows that is a tensor, see `BlockLoss`.

    Attributes
    ----------
    weights : tensor of shape (n_observables, n_classes)
    intercept : tensor of shape (n_classes,)
    offset : tensor of shape (n_observables,), or None
    loss : LogitLoss
    """

    weights: Any
    intercept: Any
    offset: Any
    loss: LogitLoss

    def __call__(self, psi, labels, hard_weight, soft_weight, softened, curvature=None):
        """Return the loss, and its gradients by weights and intercepts. Fill the curvature."""
        if self.offset is not None:
            psi = psi - self.offset
        psi = psi.to(self.weights.dtype)
        terms = self.loss(
            (psi @ self.weights + self.intercept).T,
            labels,
            hard_weight.to(psi),
            soft_weight.to(psi),
            softened,
            with_curvature=curvature is not None,
        )
        if curvature is not None:
            curvature[...] = terms.curvature
        value = terms.losses.double().sum()
        return value, (terms.residual @ psi).T, terms.residual.sum(axis=1)


@dataclass(frozen=True)
class SquaredNorms(BlockFunction):
    """The squared norm of each row of a block, minus a mean and times a rate.

    Attributes
    ----------
    mean, rate : ndarray of shape (n_observables,)
    """

    mean: np.ndarray
    rate: np.ndarray

    takes_factors = takes_sparse = True

    def __call__(self, psi):
        """Return the squared norms."""
        rate = np.minimum(self.rate, np.finfo(psi.dtype).max)
        if issparse(psi):
            of_zeros = (self.mean * rate) ** 2
            less = (psi.multiply(psi) @ rate**2) - 2 * (psi @ (self.mean * rate**2))
            return np.maximum(less + of_zeros.sum(), 0.0)
        if isinstance(psi, Factors):
            return psi.squared_norms(self.mean, rate)
        scaled = psi - self.mean.astype(psi.dtype)
        # Scale before squaring, so that squares do not overflow.
        scaled *= rate.astype(psi.dtype)
        return np.einsum("ij,ij->i", scaled, scaled)


def _softened(loss, dtype, soft_logits):
    return loss.soften(soft_logits).astype(dtype, copy=False)


def _constants(loss, soft_logits):
    return loss.constant(loss.soften(soft_logits.astype(np.float64, copy=False)))


def _gradient(psi, residual):
    """Return the sum over rows of observables times residuals, (n_observables, n_classes)."""
    if psi.strides[2] == psi.itemsize:  # rows are contiguous
        return (residual @ psi).sum(axis=0).T
    # BLAS is twice as fast if it need not transpose both sides.
    return (psi.transpose(0, 2, 1) @ np.ascontiguousarray(residual.transpose(0, 2, 1))).sum(
        axis=0
    )


def _is_far_from_zero(scale):
    """Return whether products with some observables would be differences of large numbers."""
    is_far = np.abs(scale.mean) > FAR_FROM_ZERO * scale.deviation
    return bool((is_far & ~scale.constant).any())


def _normalised(weight):
    total = weight.sum()
    return weight / total if total > 0 else weight
