r"""The loss of logits: value, gradient and curvature, for arrays of numpy and of torch.

With logits s of a row, its label y, the teacher's softened probabilities
:math:`p = softmax(t / T)`, and what the row weighs in the two losses, h and w, the distillation
loss is

.. math::
    h\, CE(y, s) + w\, T^2 KL(p \| softmax(s / T))
    = h\, lse(s) + w\, T^2 lse(s / T) - m^T s + w\, T^2 p^T \log p ,
    \qquad m = h\, e_y + w\, T p ,

where :math:`lse(s) = \log \sum_j e^{s_j}`. Its gradient by s is the *residual*. Its second
derivative is :math:`h\, (diag(q) - q q^T)` with :math:`q = softmax(s)`, and the same for w at the
temperature; the *curvature* is the trace of that. The last term depends on no logit.

This is the only place where the formula stands. The exact solver, rows on a device, mini-batches,
tensor trains and networks all come here. What sums it in one go with the products of monomials, the
kernel in C (see `Factors`), is its twin.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class LossTerms(NamedTuple):
    """What a loss says of logits of shape (..., n_classes, n_rows).

    Attributes
    ----------
    losses : array of shape (..., n_rows)
    residual : array of shape (..., n_classes, n_rows)
        Gradient of the sum of the losses by the logits.
    curvature : array of shape (..., n_rows), or None
        Trace of the second derivative of each row's loss by its logits.
    """

    losses: Any
    residual: Any
    curvature: Any


class LogitLoss(ABC):
    """A loss of logits, convex in them: all that a new loss has to say."""

    @property
    def kernel_temperature(self) -> float | None:
        """The temperature, of a loss that the kernel sums as well; None for all others."""
        return None

    def log_sum_exps(self, hard_weight, soft_weight) -> list | None:
        r"""Return the terms that curve, if they are no others than log-sum-exps.

        They are :math:`w \, T^2 lse(s / T)` of a row's logits s, and all else is linear in these:
        then the minimiser knows all second derivatives.

        Parameters
        ----------
        hard_weight, soft_weight : array of shape (..., n_rows)

        Returns
        -------
        terms : list of (array of shape (..., n_rows), float), or None
            w and T of each term. None where others curve too.
        """
        return None

    @abstractmethod
    def __call__(
        self, logits, labels, hard_weight, soft_weight, softened, *, with_curvature=False
    ):
        """Return losses, residual and curvature.

        All arrays are of numpy, or all of torch; none is changed.

        Parameters
        ----------
        logits : array of shape (..., n_classes, n_rows)
            One row for each class: sums over classes then run along contiguous numbers.
        labels : array of shape (..., n_rows)
            The class of each row, -1 for none.
        hard_weight, soft_weight : array of shape (..., n_rows)
            What a row weighs in the losses by its label and by its teacher, in the dtype of the
            logits. Zero for rows without a label.
        softened : array of shape (..., n_rows, n_classes), or None
            What `soften` made of the teacher's logits; None where there is no teacher.
        with_curvature : bool, default=False
            Whether the curvature is asked for.

        Returns
        -------
        terms : LossTerms
            The losses without what no logit changes; see `constant`.
        """

    @abstractmethod
    def soften(self, soft_logits):
        """Return what logits are compared with, from the teacher's, (n_rows, n_classes)."""

    def constant(self, softened):
        """Return what no logit changes in the loss by the teacher of rows of weight one.

        Parameters
        ----------
        softened : array of shape (n_rows, n_classes)

        Returns
        -------
        constant : array of shape (n_rows,)
        """
        return softened.sum(axis=-1) * 0.0


@dataclass(frozen=True)
class DistillationLoss(LogitLoss):
    """Cross-entropy with the label, and the temperature's square times KL from the teacher.

    Attributes
    ----------
    temperature : float
    """

    temperature: float

    def __post_init__(self):
        if not 0 < np.square(np.float64(self.temperature)) < np.inf:
            raise ValueError(
                f"temperature={self.temperature!r}: its square, which the loss is multiplied by, "
                "overflows or vanishes; temperatures are of the order of 1 to 10."
            )

    @property
    def kernel_temperature(self):
        """The temperature: the kernel sums this loss as well."""
        return self.temperature

    def __call__(
        self, logits, labels, hard_weight, soft_weight, softened, *, with_curvature=False
    ):
        """Return losses, residual and curvature."""
        library = _library_of(logits)
        # Less the largest of the row: nothing overflows, and no loss is a difference of large
        # numbers.
        logits = logits - library.amax(logits, axis=-2, keepdims=True)
        residual = self._linear_part(logits, labels, hard_weight, soft_weight, softened)
        losses = (residual * logits).sum(axis=-2)
        curvature = library.zeros_like(losses) if with_curvature else None
        for weight, temperature in self.log_sum_exps(hard_weight, soft_weight):
            # In place: most of the time for few observables goes into arrays of this size.
            probability = library.exp(logits if temperature == 1.0 else logits / temperature)
            total = probability.sum(axis=-2)
            probability /= total[..., None, :]
            losses += temperature**2 * weight * library.log(total)
            if with_curvature:
                curvature += weight * (1 - (probability**2).sum(axis=-2))
            probability *= (temperature * weight)[..., None, :]
            residual += probability
        return LossTerms(losses, residual, curvature)

    def raised(
        self, logits, by, labels, hard_weight, soft_weight, softened, *, with_curvature=False
    ):
        """Return the terms of a loss whose log-sum-exps take raised logits.

        Parameters
        ----------
        logits : array of shape (..., n_classes, n_rows)
        by : array of shape (..., n_classes, n_rows)
            What the logits are raised by; the terms that are linear in them are not.
        labels, hard_weight, soft_weight, softened, with_curvature
            As for a call.

        Returns
        -------
        terms : LossTerms
        probability : array of shape (..., n_classes, n_rows)
            Gradient of the sum of the losses by what raises the logits.
        """
        rows = labels, hard_weight, soft_weight, softened
        losses, residual, curvature = self(logits + by, *rows, with_curvature=with_curvature)
        linear = self._linear_part(logits, *rows)
        losses = losses - (linear * by).sum(axis=-2)
        return LossTerms(losses, residual, curvature), residual - linear

    def _linear_part(self, logits, labels, hard_weight, soft_weight, softened):
        """Return -m of the formula, by which the loss multiplies the logits."""
        classes = np.arange(logits.shape[-2])[:, None]
        if not isinstance(logits, np.ndarray):
            classes = logits.new_tensor(classes)
        factor = -hard_weight[..., None, :] * (labels[..., None, :] == classes)
        if softened is not None:
            factor -= (self.temperature * soft_weight)[..., None, :] * softened.swapaxes(-1, -2)
        return factor

    def log_sum_exps(self, hard_weight, soft_weight):
        """Return the row weights and the temperature of each log-sum-exp in the loss."""
        if self.temperature == 1.0:
            return [(hard_weight + soft_weight, 1.0)]
        terms = [(hard_weight, 1.0), (soft_weight, self.temperature)]
        return [term for term in terms if term[0].any()]

    def soften(self, soft_logits):
        """Return the teacher's probabilities at the temperature."""
        library = _library_of(soft_logits)
        scaled = soft_logits / self.temperature
        softened = library.exp(scaled - library.amax(scaled, axis=-1, keepdims=True))
        return softened / softened.sum(axis=-1, keepdims=True)

    def constant(self, softened):
        """Return the negative entropy of softened probabilities, times the temperature's square."""
        library = _library_of(softened)
        logarithm = library.log(softened.clip(min=library.finfo(softened.dtype).tiny))
        return self.temperature**2 * (softened * logarithm).sum(axis=-1)


def _library_of(array):
    """Return the library of an array; numpy and torch agree on all names that are used here."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch
