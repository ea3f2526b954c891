"""Losses of logits that have one column per sample."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..linear import DistillationLoss, LogitLoss


@dataclass(frozen=True)
class LossOfRows:
    """A loss, with the labels, targets and weights of all rows.

    Attributes
    ----------
    loss : LogitLoss
    labels : ndarray of int, shape (n_samples,)
        The class of each row, or -1 for none.
    softened : ndarray of shape (n_samples, n_classes), or None
        Softened targets that logits are compared with.
    hard_weight, soft_weight : ndarray of shape (n_samples,)
        Weights of a row in the two losses, in units of the average row.
    """

    loss: LogitLoss
    labels: np.ndarray
    softened: np.ndarray | None
    hard_weight: np.ndarray
    soft_weight: np.ndarray

    def __call__(self, logits, rows):
        """Return the summed loss of some rows and its gradient by their logits."""
        hard, soft = (
            weight[rows].astype(logits.dtype) for weight in (self.hard_weight, self.soft_weight)
        )
        constant, softened = 0.0, None
        if self.softened is not None:
            softened = self.softened[rows].astype(logits.dtype)
            constant = soft @ self.loss.constant(softened)
        terms = self.loss(logits, self.labels[rows], hard, soft, softened)
        return float(terms.losses.sum(dtype=np.float64) + constant), terms.residual


def distillation_loss(labels, soft_logits, hard_weight, soft_weight, temperature):
    """Return the distillation loss of rows; see `LossOfRows`.

    Parameters
    ----------
    labels, hard_weight, soft_weight
        As for `LossOfRows`. The ``hard_weight`` of rows without a label is not used.
    soft_logits : ndarray of shape (n_samples, n_classes), or None
        Logits of the teacher.
    temperature : float
    """
    loss = DistillationLoss(float(temperature))
    softened = None if soft_logits is None else loss.soften(soft_logits)
    return LossOfRows(loss, labels, softened, hard_weight * (labels >= 0), soft_weight)


@dataclass(frozen=True)
class SquaredLoss:
    """Half the squared distance of logits and targets.

    Attributes
    ----------
    targets : array of shape (n_samples, n_classes)
        Targets, in any form whose rows are arrays.
    sample_weight : ndarray of shape (n_samples,)
        Weights in units of the average row.
    """

    targets: Any
    sample_weight: np.ndarray

    def __call__(self, logits, rows):
        """Return the summed loss of some rows and its gradient by their logits."""
        residual = logits - self.targets[rows].T.astype(logits.dtype)
        slope = self.sample_weight[rows].astype(logits.dtype) * residual
        return float(np.vdot(slope, residual)) / 2, slope
