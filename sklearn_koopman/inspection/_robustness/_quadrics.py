"""Distances of points to where a quadratic function of another class becomes as large."""

from itertools import combinations

import numpy as np

from ._nearest import lower_bounds, nearest_zeros

# Number of points that are processed at once.
N_ROWS = 2048


class Boundaries:
    """The boundaries between the classes of quadratic logits.

    Parameters
    ----------
    forms : QuadraticForms
    n_free : int, default=None
        Number of coordinates that can change, which are the first ones. None: all.
    """

    def __init__(self, forms, n_free=None):
        self.forms = forms
        self.n_free = n_free
        n_classes = len(forms.constants)
        self.decompositions = {}
        self.smallest = np.full((n_classes, n_classes), np.inf)
        for pair in combinations(range(n_classes), 2):
            first, second = pair
            values, vectors = np.linalg.eigh(
                (forms.forms[first] - forms.forms[second])[:n_free, :n_free]
            )
            self.decompositions[pair] = values, vectors
            self.smallest[first, second] = values[0]
            self.smallest[second, first] = -values[-1]

    def nearest(self, U):
        """Return the shortest changes of points that make two classes equal.

        Parameters
        ----------
        U : ndarray of shape (n_samples, n_coordinates)

        Returns
        -------
        changes : ndarray of shape (n_samples, n_free)
            Changes. They are infinite if there is no such point.
        """
        changes = np.empty_like(U[:, : self.n_free])
        for start in range(0, len(U), N_ROWS):
            rows = slice(start, start + N_ROWS)
            changes[rows] = self._nearest(U[rows])
        return changes

    def _nearest(self, U):
        logits, slopes = self.forms.logits(U), self.forms.slopes(U, self.n_free)
        each = np.arange(len(U))
        own = logits.argmax(axis=1)
        values = logits[each, own][:, None] - logits
        # (n_classes, n_samples, n_free): slopes of the own logit minus each other logit.
        slopes = slopes[own, each] - slopes
        bounds = lower_bounds(values, np.linalg.norm(slopes, axis=2).T, self.smallest[own])
        bounds[each, own] = np.inf
        nearest, changes = np.full(len(U), np.inf), np.full_like(slopes[0], np.inf)
        # Try the rival with the lowest bound, until all bounds are above that distance.
        while True:
            rival = bounds.argmin(axis=1)
            is_open = bounds[each, rival] < nearest
            if not is_open.any():
                return changes
            rows = np.flatnonzero(is_open)
            chosen = own[rows], rival[rows]
            found = self._between(*chosen, values[rows, rival[rows]], slopes[rival[rows], rows])
            distance = np.linalg.norm(found, axis=1)
            is_nearer = distance < nearest[rows]
            nearest[rows[is_nearer]] = distance[is_nearer]
            changes[rows[is_nearer]] = found[is_nearer]
            bounds[rows, rival[rows]] = np.inf

    def _between(self, own, rival, values, slopes):
        """Return the shortest steps to where the own class is no longer the larger one."""
        rotated, eigenvalues = np.empty_like(slopes), np.empty_like(slopes)
        n_classes = len(self.smallest)
        pairs = own * n_classes + rival
        of_pair = [(pair, np.flatnonzero(pairs == pair)) for pair in np.unique(pairs)]
        for pair, rows in of_pair:
            eigenvalues[rows], vectors = self._axes(*divmod(pair, n_classes))
            rotated[rows] = slopes[rows] @ vectors
        steps = nearest_zeros(values, rotated, eigenvalues)
        is_there = np.isfinite(steps).all(axis=1)
        steps[~is_there] = 0.0
        for pair, rows in of_pair:
            _, vectors = self._axes(*divmod(pair, n_classes))
            steps[rows] = steps[rows] @ vectors.T
        steps[~is_there] = np.inf
        return steps

    def _axes(self, own, rival):
        """Return eigenvalues and eigenvectors of the difference of two classes' forms."""
        if own < rival:
            return self.decompositions[own, rival]
        eigenvalues, vectors = self.decompositions[rival, own]
        return -eigenvalues[::-1], vectors[:, ::-1]
