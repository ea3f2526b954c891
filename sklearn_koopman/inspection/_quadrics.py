"""How far points are from where a quadratic function of another class becomes as large."""

from itertools import combinations

import numpy as np

from ._nearest import lower_bounds, nearest_zeros

# Points that are looked at at once.
N_ROWS = 1024


class Boundaries:
    """The boundaries between the classes of quadratic logits.

    Parameters
    ----------
    forms : QuadraticForms
    """

    def __init__(self, forms):
        self.forms = forms
        n_classes = len(forms.constants)
        self.decompositions = {}
        self.smallest = np.full((n_classes, n_classes), np.inf)
        for pair in combinations(range(n_classes), 2):
            first, second = pair
            values, vectors = np.linalg.eigh(forms.forms[first] - forms.forms[second])
            self.decompositions[pair] = values, vectors
            self.smallest[first, second] = values[0]
            self.smallest[second, first] = -values[-1]

    def nearest(self, U):
        """Return the shortest changes of points to where two classes are equal.

        Parameters
        ----------
        U : ndarray of shape (n_samples, n_coordinates)

        Returns
        -------
        changes : ndarray of shape (n_samples, n_coordinates)
            Infinite where there is no such point.
        """
        changes = np.empty_like(U)
        for start in range(0, len(U), N_ROWS):
            rows = slice(start, start + N_ROWS)
            changes[rows] = self._nearest(U[rows])
        return changes

    def _nearest(self, U):
        logits, slopes = self.forms.logits(U), self.forms.slopes(U)
        each = np.arange(len(U))
        own = logits.argmax(axis=1)
        values = logits[each, own][:, None] - logits
        # (n_classes, n_samples, n_coordinates): of the own logit above each other.
        slopes = slopes[own, each] - slopes
        bounds = lower_bounds(values, np.linalg.norm(slopes, axis=2).T, self.smallest[own])
        bounds[each, own] = np.inf
        nearest, changes = np.full(len(U), np.inf), np.full_like(U, np.inf)
        # The rival whose bound is lowest, until all bounds are above what was found.
        while True:
            rival = bounds.argmin(axis=1)
            is_open = bounds[each, rival] < nearest
            if not is_open.any():
                return changes
            for pair in np.unique(own[is_open] * len(self.smallest) + rival[is_open]):
                first, second = divmod(pair, len(self.smallest))
                rows = np.flatnonzero(is_open & (own == first) & (rival == second))
                found = self._between(first, second, values[rows, second], slopes[second, rows])
                distance = np.linalg.norm(found, axis=1)
                is_nearer = distance < nearest[rows]
                nearest[rows[is_nearer]] = distance[is_nearer]
                changes[rows[is_nearer]] = found[is_nearer]
            bounds[each[is_open], rival[is_open]] = np.inf

    def _between(self, first, second, values, slopes):
        """Return the shortest steps from where the first class is larger to where it is not."""
        if first < second:
            eigenvalues, vectors = self.decompositions[first, second]
        else:
            eigenvalues, vectors = self.decompositions[second, first]
            eigenvalues, vectors = -eigenvalues[::-1], vectors[:, ::-1]
        found = nearest_zeros(values, slopes @ vectors, eigenvalues)
        is_there = np.isfinite(found).all(axis=1)
        steps = np.full_like(found, np.inf)
        steps[is_there] = found[is_there] @ vectors.T
        return steps
