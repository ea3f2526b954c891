"""Logits and their slopes at rows, for any student. A search for other classes needs them."""

from functools import cached_property

import numpy as np

from ...lifting import NoLayerError, as_layer, slopes_of
from ...linear import LogitSlopes

# Step of finite differences, relative to the size of a coordinate.
RELATIVE_STEP = 1e-5
# With more coordinates, finite differences would take too long. Without slopes there is no search.
MOST_DIFFERENCES = 256


class InputModel:
    """A student's logits, and their slopes by the best method available.

    Parameters
    ----------
    coordinates : StudentCoordinates
    forms : QuadraticForms, default=None
        The logits, if the student has degree 1 or 2.
    """

    def __init__(self, coordinates, forms=None):
        self.coordinates = coordinates
        self.forms = forms

    def logits(self, X):
        """Return the logits of rows, (n_samples, n_classes)."""
        source = self.coordinates if self.forms is None else self.forms
        return source.logits(self.coordinates.of_rows(X))

    def slopes(self, X, own, rival):
        """Return slopes of the own logits minus those of rivals, (n_samples, n_features)."""
        each = np.arange(len(X))
        slopes = self.coordinate_slopes(self.coordinates.of_rows(X))
        return (slopes[own, each] - slopes[rival, each]) @ self.coordinates.free_basis.T

    def linear_distances(self, X, logits, own):
        """Return distances to other classes if logits were linear; infinite for the own class.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_classes)
        """
        each = np.arange(len(X))
        slopes = self.coordinate_slopes(self.coordinates.of_rows(X))
        lengths = np.linalg.norm(slopes[own, each] - slopes, axis=2).T
        with np.errstate(divide="ignore", invalid="ignore"):
            distances = (logits[each, own][:, None] - logits) / lengths
        distances[each, own] = np.inf
        return distances

    def coordinate_slopes(self, U):
        """Return the slopes of the logits by the coordinates that can change.

        Returns
        -------
        slopes : ndarray of shape (n_classes, n_samples, n_free)
        """
        if self.forms is not None:
            return self.forms.slopes(U, self.coordinates.n_free)
        if self.polynomial is not None:
            return self._of_polynomial(U)
        if self._layer is not None:
            return self._by_torch(U)
        return self._by_differences(U)

    @cached_property
    def polynomial(self):
        """The slopes as multiples of observables, or None if they are not."""
        coordinates = self.coordinates
        slopes = slopes_of(coordinates.tail, coordinates.factor.shape[1])
        n_observables = coordinates.classifier.coef_.shape[1]
        return (
            None
            if slopes is None
            else LogitSlopes(slopes, coordinates.free_factor, n_observables)
        )

    @cached_property
    def _layer(self):
        try:
            return as_layer(self.coordinates.tail)
        except (NoLayerError, ImportError):
            return None

    def _of_polynomial(self, U):
        psi = self.coordinates.observables(U)[:, self.polynomial.sources]
        psi = np.column_stack([psi, np.ones(len(U))])
        weights = self.polynomial.weights(self.coordinates.coef.T)
        return np.stack([psi @ weights[:, c] for c in range(weights.shape[1])])

    def _by_torch(self, U):
        import torch

        inner = torch.as_tensor(self.coordinates.inner(U)).requires_grad_()
        logits = self._layer(inner) @ torch.as_tensor(self.coordinates.coef.T)
        slopes = [
            torch.autograd.grad(logits[:, c].sum(), inner, retain_graph=True)[0].numpy()
            for c in range(logits.shape[1])
        ]
        slopes = np.stack(slopes) @ self.coordinates.free_factor.T
        return np.nan_to_num(slopes, posinf=0.0, neginf=0.0)  # if there is none

    def _by_differences(self, U):
        n_free = self.coordinates.n_free
        if n_free > MOST_DIFFERENCES:
            return np.zeros((len(self.coordinates.coef), len(U), n_free))
        step = RELATIVE_STEP * max(np.abs(U).max(initial=0.0), 1.0)
        slopes = [
            (self.coordinates.logits(U + move) - self.coordinates.logits(U - move)) / (2 * step)
            for move in step * np.eye(n_free, U.shape[1])
        ]
        return np.stack(slopes, axis=2).transpose(1, 0, 2)
