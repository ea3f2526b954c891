r"""The loss of students with moved inputs, to first order in the size of the move.

Within a distance :math:`\epsilon` of a row, the logit of class j minus that of the row's own class
y changes by at most :math:`\epsilon \|\nabla (s_j - s_y)\|`, to first order. This is exact for
logits that are linear in the row. So every log-sum-exp of a loss takes, instead of the logits s,

.. math:: \tilde s_j = s_j + \sqrt{\epsilon^2 \|\nabla (s_j - s_y)\|^2 + \tau^2} - \tau .

Logits and their slopes are linear in the coefficients, norms are convex, and log-sum-exp is convex
and increasing. So the loss stays convex. (:math:`\tau`, a hundredth of a logit, makes it smooth
where slopes are zero, as at the start of the minimiser.) The other terms of the loss, which are
linear in the logits, do not change. The own class is the label, or for rows without a label the
teacher's choice.

With probabilities q, the gradient of the log-sum-exp, and :math:`l_j` for the root,

.. math:: \frac{\partial L}{\partial \nabla s_j}
          = \epsilon^2 \frac{q_j}{l_j} \nabla (s_j - s_y) \quad (j \neq y), \qquad
          \frac{\partial L}{\partial \nabla s_y}
          = - \sum_{j \neq y} \frac{\partial L}{\partial \nabla s_j} .
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, diags_array, kron

from ..rows import BlockFunction
from ._loss import DistillationLoss, LossTerms

# Amount of logits by which the norm is smoothed where slopes are zero.
SMOOTHING = 0.01
# Smallest change of logits in a preconditioner, because smaller changes will grow.
LEAST_LENGTH = 1.0


class LogitSlopes:
    """The slopes of logits as linear functions of observables.

    Parameters
    ----------
    slopes : Slopes
        Slopes of the observables by the input of their dictionary.
    factor : ndarray of shape (n_directions, n_features)
        Change of the dictionary's input, which is linear in the rows, along each of some
        orthonormal directions.
    n_observables : int

    Attributes
    ----------
    sources : ndarray of int, shape (n_sources,)
        The observables that slopes are multiples of. The constant 1 comes after them.
    """

    def __init__(self, slopes, factor, n_observables):
        self.sources, places = np.unique(slopes.sources, return_inverse=True)
        if len(self.sources) and self.sources[0] == -1:
            self.sources, places = self.sources[1:], places - 1
        n_terms = len(self.sources) + 1
        places[slopes.sources == -1] = n_terms - 1
        columns = places * slopes.n_features + slopes.features
        shape = n_observables, n_terms * slopes.n_features
        self._matrix = csr_array((slopes.factors, (slopes.observables, columns)), shape=shape)
        self._transposed = csr_array(self._matrix.T)
        self._factor = factor
        self._shape = n_terms, slopes.n_features

    def weights(self, coef, observables=None):
        """Return the map from sources to slopes of the logits.

        Parameters
        ----------
        coef : ndarray of shape (n_observables, n_classes)
        observables : ndarray of int, default=None
            The observables in the logits. None: all.

        Returns
        -------
        weights : ndarray of shape (n_sources + 1, n_classes, n_directions)
        """
        matrix = self._transposed
        if observables is not None:
            matrix = matrix[:, observables]
        weights = (matrix @ coef).reshape(*self._shape, -1)
        return np.ascontiguousarray(weights.transpose(0, 2, 1) @ self._factor.T)

    def gradient(self, by_weights):
        """Return the gradient by coefficients, (n_observables, n_classes), from that by weights.

        Parameters
        ----------
        by_weights : ndarray of shape (n_sources + 1, n_classes, n_directions)
        """
        by_features = (by_weights @ self._factor).transpose(0, 2, 1)
        return self._matrix @ by_features.reshape(-1, by_features.shape[2])

    def gram(self, of_sources):
        """Return the Gram matrix of the slopes of the observables, (n_observables,) * 2.

        Directions count as if they were directions of features.

        Parameters
        ----------
        of_sources : ndarray of shape (n_sources + 1, n_sources + 1)
            Gram matrix of the sources.
        """
        of_features = diags_array(np.square(self._factor).sum(axis=0))
        return (self._matrix @ kron(of_sources, of_features) @ self._transposed).toarray()


@dataclass(frozen=True)
class PerturbedBlockLoss(BlockFunction):
    """Loss and gradients of one block of moved rows, which is all that a worker needs.

    Attributes
    ----------
    weights : ndarray of shape (n_classes, n_observables)
        Weights in the dtype of the products.
    intercept : ndarray of shape (n_classes, 1)
    offset : ndarray of shape (n_observables,), or None
        Numbers to subtract from the rows before they are multiplied.
    loss : DistillationLoss
    perturbation : float
    sources : ndarray of int, shape (n_sources,)
    slope_weights : ndarray of shape (n_sources + 1, n_classes, n_directions)
        Weights from `LogitSlopes`.
    """

    weights: np.ndarray
    intercept: np.ndarray
    offset: np.ndarray | None
    loss: DistillationLoss
    perturbation: float
    sources: np.ndarray
    slope_weights: np.ndarray

    def __call__(self, psi, labels, hard_weight, soft_weight, softened, curvature=None):
        """Return loss, gradients by weights, intercepts and slope weights. Fill the curvature."""
        rows = labels, hard_weight, soft_weight, softened
        moved = self._moved(psi, *rows, with_curvature=curvature is not None)
        if curvature is not None:
            curvature[...] = moved.terms.curvature
        each, slopes = np.arange(len(psi)), moved.slopes
        slopes *= (self.perturbation**2 * moved.probability / moved.lengths)[:, :, None]
        slopes[each, moved.own] -= slopes.sum(axis=1)
        by_slopes = moved.sources.T @ slopes.reshape(len(psi), -1)
        residual = moved.terms.residual
        return (
            moved.terms.losses.sum(dtype=np.float64),
            moved.psi.T @ residual.T,
            residual.sum(axis=1),
            by_slopes.reshape(self.slope_weights.shape),
        )

    def _moved(self, psi, labels, hard_weight, soft_weight, softened, *, with_curvature):
        dtype = self.weights.dtype
        sources = np.ones((len(psi), len(self.sources) + 1), dtype)
        sources[:, :-1] = psi[:, self.sources]
        if self.offset is not None:
            psi = psi - self.offset
        psi = psi.astype(dtype, copy=False)
        own = labels
        if softened is not None:
            own = np.where(labels < 0, softened.argmax(axis=1), labels)
        n_terms, *shape = self.slope_weights.shape
        slopes = (sources @ self.slope_weights.reshape(n_terms, -1)).reshape(-1, *shape)
        slopes -= slopes[np.arange(len(psi)), own][:, None]
        squares = np.einsum("icj,icj->ic", slopes, slopes)
        lengths = np.sqrt(self.perturbation**2 * squares + SMOOTHING**2)
        terms, probability = self.loss.raised(
            self.weights @ psi.T + self.intercept,
            (lengths - SMOOTHING).T,
            labels,
            hard_weight.astype(dtype, copy=False),
            soft_weight.astype(dtype, copy=False),
            softened,
            with_curvature=with_curvature,
        )
        return _Moved(psi, sources, own, slopes, lengths, terms, probability.T)


class _Moved(NamedTuple):
    """A block of moved rows: own classes, slopes minus theirs, roots, terms, q."""

    psi: Any
    sources: Any
    own: Any
    slopes: Any
    lengths: Any
    terms: LossTerms
    probability: Any


@dataclass(frozen=True)
class SlopeCurvature(BlockFunction):
    """The curvature of a block's loss in the slopes, as if directions and classes were equal.

    Attributes
    ----------
    loss : PerturbedBlockLoss
    """

    loss: PerturbedBlockLoss

    def __call__(self, psi, *rows):
        """Return the Gram matrix of the sources, with rows weighted by their curvature."""
        moved = self.loss._moved(psi, *rows, with_curvature=True)
        # Twice, because a change of a logit also changes that of the own class.
        rates = 2 * (moved.probability / np.maximum(moved.lengths, LEAST_LENGTH)).sum(axis=1)
        rates += moved.terms.curvature / moved.slopes.shape[2]
        rates *= self.loss.perturbation**2
        return ((moved.sources.T * rates) @ moved.sources,)
