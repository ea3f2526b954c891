r"""The loss of logits: value, gradient and curvature, for numpy arrays and torch tensors.

With logits s of a row, its label y, the teacher's softened probabilities
:math:`p = softmax(t / T)`, and the weights h and w of the row in the two losses, the distillation
loss is

.. math::
    h\, CE(y, s) + w\, T^2 KL(p \| softmax(s / T))
    = h\, lse(s) + w\, T^2 lse(s / T) - m^T s + w\, T^2 p^T \log p ,
    \qquad m = h\, e_y + w\, T p ,

where :math:`lse(s) = \log \sum_j e^{s_j}`. Its gradient by s is the *residual*. Its second
derivative is :math:`h\, (diag(q) - q q^T)` with :math:`q = softmax(s)`, plus the same for w at the
temperature. The *curvature* is its trace. The last term does not depend on the logits.

The formula is only here. The exact solver, rows on a device, mini-batches, tensor trains and
networks all use it. The only other version is the C kernel (see `Factors`), which sums it together
with products of monomials.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class LossTerms(NamedTuple):
    """The terms of a loss for logits of shape (..., n_classes, n_rows).

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
    """A convex loss of logits: everything that a new loss must define."""

    @property
    def kernel_temperature(self) -> float | None:
        """The temperature of a loss that the kernel can sum, or None for all others."""
        return None

    def log_sum_exps(self, hard_weight, soft_weight) -> list | None:
        r"""Return the terms with curvature, if all of them are log-sum-exps.

        They are :math:`w \, T^2 lse(s / T)` for a row's logits s, and everything else is linear in
        s. So the minimiser knows all second derivatives.

        Parameters
        ----------
        hard_weight, soft_weight : array of shape (..., n_rows)

        Returns
        -------
        terms : list of (array of shape (..., n_rows), float), or None
            w and T of each term. None if other terms have curvature too.
        """
        return None

    @abstractmethod
    def __call__(
        self, logits, labels, hard_weight, soft_weight, softened, *, with_curvature=False
    ):
        """Return losses, residual and curvature.

        All arrays are numpy arrays, or all are torch tensors. None is changed.

        Parameters
        ----------
        logits : array of shape (..., n_classes, n_rows)
            Logits, with one row for each class.
        labels : array of shape (..., n_rows)
            The class of each row, or -1 for none.
        hard_weight, soft_weight : array of shape (..., n_rows)
            Weights of the rows in the losses of labels and of the teacher, in the dtype of the
            logits. `hard_weight` is zero for rows without a label.
        softened : array of shape (..., n_rows, n_classes), or None
            The teacher's logits after `soften`. None if there is no teacher.
        with_curvature : bool, default=False
            Whether to compute the curvature.

        Returns
        -------
        terms : LossTerms
            The losses without the part that does not depend on the logits, see `constant`.
        """

    @abstractmethod
    def soften(self, soft_logits):
        """Return targets for logits from the teacher's logits, (n_rows, n_classes)."""

    def constant(self, softened):
        """Return the part of the teacher's loss that does not depend on logits, for weight one.

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
                "overflows or underflows; temperatures are usually between 1 and 10."
            )

    @property
    def kernel_temperature(self):
        """The temperature, because the kernel can sum this loss."""
        return self.temperature

    def __call__(
        self, logits, labels, hard_weight, soft_weight, softened, *, with_curvature=False
    ):
        """Return losses, residual and curvature."""
        library = _library_of(logits)
        # Subtract the largest logit of the row, so that nothing overflows, and no loss is a
        # difference of large numbers.
        logits = logits - library.amax(logits, axis=-2, keepdims=True)
        residual = self._linear_part(logits, labels, hard_weight, soft_weight, softened)
        losses = (residual * logits).sum(axis=-2)
        curvature = library.zeros_like(losses) if with_curvature else None
        for weight, temperature in self.log_sum_exps(hard_weight, soft_weight):
            # In place, because with few observables most of the time goes into arrays of this size.
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
        """Return the terms of a loss with raised logits in its log-sum-exps.

        Parameters
        ----------
        logits : array of shape (..., n_classes, n_rows)
        by : array of shape (..., n_classes, n_rows)
            Numbers to add to the logits in log-sum-exps. Terms that are linear in the logits do not
            change.
        labels, hard_weight, soft_weight, softened, with_curvature
            As for a call.

        Returns
        -------
        terms : LossTerms
        probability : array of shape (..., n_classes, n_rows)
            Gradient of the sum of the losses by these numbers.
        """
        rows = labels, hard_weight, soft_weight, softened
        losses, residual, curvature = self(logits + by, *rows, with_curvature=with_curvature)
        linear = self._linear_part(logits, *rows)
        losses = losses - (linear * by).sum(axis=-2)
        return LossTerms(losses, residual, curvature), residual - linear

    def _linear_part(self, logits, labels, hard_weight, soft_weight, softened):
        """Return -m of the formula, which the loss multiplies with the logits."""
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
    """Return the library of an array. numpy and torch have the same names for functions here."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch
