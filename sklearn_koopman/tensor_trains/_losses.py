"""Losses of logits that have one sample a column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax


@dataclass(frozen=True)
class DistillationLoss:
    """Distillation loss of some rows; see `DistillationProblem`.

    Attributes
    ----------
    labels : ndarray of int, shape (n_samples,)
        The class of each row, -1 for none.
    soft_logits : ndarray of shape (n_samples, n_classes), or None
    hard_weight, soft_weight : ndarray of shape (n_samples,)
        What a row weighs in the two losses, in units of the average row.
    temperature : float
    """

    labels: np.ndarray
    soft_logits: np.ndarray | None
    hard_weight: np.ndarray
    soft_weight: np.ndarray
    temperature: float

    def __call__(self, logits, rows):
        """Return the summed loss of some rows and its gradient by their logits."""
        dtype, labels = logits.dtype, self.labels[rows]
        hard = self.hard_weight[rows].astype(dtype)
        is_class = labels == np.arange(len(logits))[:, None]
        log_proba = log_softmax(logits, axis=0)
        value = -np.vdot(hard * is_class, log_proba)
        slope = hard * (np.exp(log_proba) - is_class)
        if self.soft_logits is not None:
            soft = self.soft_weight[rows].astype(dtype)
            T = self.temperature
            targets = softmax(self.soft_logits[rows].T.astype(dtype) / T, axis=0)
            log_targets = np.log(np.maximum(targets, np.finfo(dtype).tiny))
            log_proba = log_softmax(logits / T, axis=0)
            value += T**2 * np.vdot(soft * targets, log_targets - log_proba)
            slope += T * soft * (np.exp(log_proba) - targets)
        return float(value), slope


@dataclass(frozen=True)
class SquaredLoss:
    """Half the squared distance of logits and targets.

    Attributes
    ----------
    targets : array of shape (n_samples, n_classes)
        Anything whose rows are arrays.
    sample_weight : ndarray of shape (n_samples,)
        In units of the average row.
    """

    targets: Any
    sample_weight: np.ndarray

    def __call__(self, logits, rows):
        """Return the summed loss of some rows and its gradient by their logits."""
        residual = logits - self.targets[rows].T.astype(logits.dtype)
        slope = self.sample_weight[rows].astype(logits.dtype) * residual
        return float(np.vdot(slope, residual)) / 2, slope
