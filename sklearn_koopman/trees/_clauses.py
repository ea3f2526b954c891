"""Clauses: conjunctions of conditions on features, grown level by level."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(eq=False)  # a clause is itself: one key of a dictionary
class Clause:
    """All conditions on the way from the root to a node of some tree.

    Clauses that hold on the same training rows are one: nothing that is learnt from the rows
    could tell them apart.

    Attributes
    ----------
    rows : ndarray of bool, shape (n_samples,)
        Where it holds.
    counts : ndarray of shape (n_classes,)
        How often the teacher chooses each class there.
    error : float
        Error of its linear probe.
    splits : list of Split
        Pairs of clauses of the next level that it can be cut into, best probed first.
    """

    rows: np.ndarray
    counts: np.ndarray
    error: float
    splits: list = field(default_factory=list)

    @property
    def is_pure(self):
        """Whether the teacher says the same on all its rows."""
        return np.count_nonzero(self.counts) < 2


@dataclass(frozen=True)
class Split:
    """A clause cut in two: ``X[:, feature] <= threshold``, and the rest.

    Attributes
    ----------
    feature : int
    threshold : float
    left, right : Clause
    """

    feature: int
    threshold: float
    left: Clause
    right: Clause


@dataclass(frozen=True)
class Literals:
    """The conditions ``X[:, feature] <= threshold`` that clauses are made of.

    Attributes
    ----------
    feature : ndarray of int, shape (n_literals,)
    threshold : ndarray of shape (n_literals,)
    """

    feature: np.ndarray
    threshold: np.ndarray

    @classmethod
    def from_quantiles(cls, X, max_thresholds):
        """Return at most `max_thresholds` conditions per feature, at quantiles of its values.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        max_thresholds : int

        Returns
        -------
        literals : Literals
        """
        thresholds = [_thresholds(values, max_thresholds) for values in X.T]
        feature = np.repeat(np.arange(X.shape[1]), [len(each) for each in thresholds])
        return cls(feature, np.concatenate(thresholds))

    def __len__(self):
        return len(self.feature)

    def holds(self, X):
        """Return where each condition holds, shape (n_samples, n_literals)."""
        return X[:, self.feature] <= self.threshold


def _thresholds(values, most):
    """Return midpoints between neighbouring values: all, or those at evenly spaced quantiles."""
    values = np.sort(values)
    gaps = np.flatnonzero(values[:-1] < values[1:])  # below a gap there are gap + 1 rows
    if len(gaps) > most:
        wanted = np.arange(1, most + 1) * len(values) / (most + 1)
        place = np.searchsorted(gaps, wanted - 1).clip(1, len(gaps) - 1)
        below, above = gaps[place - 1] + 1, gaps[place] + 1
        gaps = gaps[np.unique(place - (wanted - below < above - wanted))]
    low, high = values[gaps].astype(np.float64), values[gaps + 1].astype(np.float64)
    return low / 2 + high / 2


def grow_clauses(
    X, one_hot, literals, probes, probed, *, max_depth, beam_width, min_samples_leaf
):
    """Grow clauses level by level, keeping those that the probes see best.

    A cut of a clause is as good as the worse of its two halves: a tree needs both. Cuts are
    taken in that order, over all clauses of a level, until their halves fill the beam.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    one_hot : ndarray of shape (n_samples, n_classes)
        The class that the teacher chooses.
    literals : Literals
    probes : LinearProbes
    probed : ndarray of int
        The rows of X that the probes know, in their order.
    max_depth : int
        Most conditions of a clause.
    beam_width : int or None
        Most clauses of a level; None keeps all.
    min_samples_leaf : int
        Fewest rows of a clause.

    Returns
    -------
    levels : list of lists of Clause
        First the clause without conditions, then those of one, two, ...
    n_probes : int
        Number of clauses that were probed.
    """
    everywhere = np.ones(len(X), dtype=bool)
    level = [Clause(everywhere, one_hot.sum(axis=0), 0.0)]
    levels, n_probes = [level], 0
    holds = literals.holds(X[probed])
    X = np.asfortranarray(X)
    for _ in range(max_depth):
        parents = [clause for clause in level if not clause.is_pure]
        if not parents or not len(literals):
            break
        errors = np.stack([probes.errors(parent.rows[probed], holds) for parent in parents])
        n_probes += errors.size
        beam = _Beam(one_hot, beam_width)
        order = np.argsort(errors.max(axis=1), axis=None, kind="stable")
        for parent, literal in zip(*np.divmod(order, len(literals)), strict=True):
            feature, threshold = literals.feature[literal], literals.threshold[literal]
            rows, low = parents[parent].rows, X[:, feature] <= threshold
            halves = rows & low, rows & ~low
            if min(map(np.count_nonzero, halves)) < min_samples_leaf:
                continue
            if not beam.add(
                parents[parent], feature, threshold, halves, errors[parent, :, literal]
            ):
                break
        level = list(beam.clauses.values())
        levels.append(level)
    return levels, n_probes


class _Beam:
    """The clauses of one level, by the rows they hold on."""

    def __init__(self, one_hot, width):
        self.one_hot = one_hot
        self.width = width
        self.clauses = {}
        self._cuts = set()

    def add(self, parent, feature, threshold, halves, errors):
        """Add a cut of a clause, unless it is there already; say False if it finds no room."""
        keys = [np.packbits(rows).tobytes() for rows in halves]
        if frozenset(keys) in self._cuts:
            return True
        fresh = sum(key not in self.clauses for key in keys)
        if self.width is not None and len(self.clauses) + fresh > self.width:
            return False
        self._cuts.add(frozenset(keys))
        for key, rows, error in zip(keys, halves, errors, strict=True):
            if key not in self.clauses:
                counts = self.one_hot[rows].sum(axis=0)
                self.clauses[key] = Clause(rows, counts, float(error))
        left, right = (self.clauses[key] for key in keys)
        parent.splits.append(Split(int(feature), float(threshold), left, right))
        return True
