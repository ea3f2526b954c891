"""Clauses: conjunctions of conditions on features, grown level by level."""

from dataclasses import dataclass, field

import numpy as np

from .._progress import progress


@dataclass(eq=False)  # clauses are compared by identity, as keys of a dictionary
class Clause:
    """All conditions on the way from the root to a node of some tree.

    Clauses that hold on the same training rows are treated as one, because these rows cannot
    distinguish them.

    Attributes
    ----------
    rows : ndarray of bool, shape (n_samples,)
        Mask of the rows on which it holds.
    counts : ndarray of shape (n_classes,)
        Number of these rows for each class that the teacher chooses.
    error : float
        Error of its linear probe.
    splits : list of Split
        Pairs of clauses of the next level into which it can be split.
    on_greedy_tree : bool
        Whether each cut on the path to it is the one that separates the teacher's choices best.
    """

    rows: np.ndarray
    counts: np.ndarray
    error: float
    splits: list = field(default_factory=list)
    on_greedy_tree: bool = False

    @property
    def is_pure(self):
        """Whether the teacher chooses the same class on all its rows."""
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
        """Return a mask of the rows on which each condition holds, (n_samples, n_literals)."""
        return X[:, self.feature] <= self.threshold


def _thresholds(values, most):
    """Return midpoints between neighbouring values: all, or the ones at evenly spaced quantiles."""
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
    X,
    one_hot,
    literals,
    probes,
    probed,
    *,
    max_depth,
    beam_width,
    min_samples_leaf,
    greedy,
):
    """Grow clauses level by level, and keep the ones with the smallest errors of probes.

    The quality of a cut is that of the worse of its two halves, because a tree needs both. Cuts of
    all clauses of a level are taken in this order until their halves fill the beam. With `greedy`,
    they alternate with the cut of each clause that separates the teacher's choices best.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    one_hot : ndarray of int, shape (n_samples, n_classes)
        The class that the teacher chooses.
    literals : Literals
    probes : LinearProbes
    probed : ndarray of int
        Indices of the rows of X in the probes, in their order.
    max_depth : int
        Largest number of conditions in a clause.
    beam_width : int or None
        Largest number of clauses in a level. None keeps all.
    min_samples_leaf : int
        Smallest number of rows of a clause.
    greedy : bool
        Whether to take such cuts too, with the cuts of the greedy tree first.

    Returns
    -------
    levels : list of lists of Clause
        First the clause without conditions, then clauses with one condition, with two, ...
    n_probes : int
        Number of clauses that were probed.
    """
    everywhere = np.ones(len(X), dtype=bool)
    level = [Clause(everywhere, one_hot.sum(axis=0), 0.0, on_greedy_tree=True)]
    levels, n_probes = [level], 0
    holds = literals.holds(X[probed])
    X = np.asfortranarray(X)
    # The level without conditions has one clause. Each later level has as many as are kept.
    most = None if beam_width is None else 1 + (max_depth - 1) * beam_width
    with progress("clauses", most, "clause") as steps:
        for _ in range(max_depth):
            parents = [clause for clause in level if not clause.is_pure]
            if not parents or not len(literals):
                break
            inside = [parent.rows[probed] for parent in parents]
            found, gains = [], []
            for rows in inside:
                found.append(probes.errors(rows, holds))
                if greedy:
                    gains.append(_gains(one_hot[probed[rows]], holds[rows]))
                steps.done()
            errors = np.stack(found, axis=1)
            n_probes += errors.size
            cuts = _by_error(errors.max(axis=0), literals, keeps_all=beam_width is None)
            greedy_cuts = np.empty(0, dtype=np.intp)
            if greedy:
                greedy_cuts = _by_gain(
                    np.stack(gains), [parent.on_greedy_tree for parent in parents]
                )
                cuts = _in_turn(greedy_cuts, cuts)
            beam = _Beam(one_hot, beam_width)
            for cut in cuts:
                parent, literal = parents[cut // len(literals)], cut % len(literals)
                feature, threshold = int(literals.feature[literal]), literals.threshold[literal]
                low = X[:, feature] <= threshold
                rows = parent.rows & low, parent.rows & ~low
                if min(map(np.count_nonzero, rows)) < min_samples_leaf:
                    continue
                halves = beam.halves(rows, errors.reshape(2, -1)[:, cut])
                if halves is None:
                    break
                parent.splits.append(Split(feature, float(threshold), *halves))
                if parent.on_greedy_tree and cut in greedy_cuts:
                    for half in halves:
                        half.on_greedy_tree = True
            level = list(beam.clauses.values())
            levels.append(level)
            steps.done(f"level {len(levels) - 1}: {len(level)} clauses", n=0)
    return levels, n_probes


# A cut is identified by its index in an array of shape (number of clauses, number of literals).


def _by_error(errors, literals, *, keeps_all):
    """Return the cuts in ascending order of errors, only the first for each clause and feature.

    Neighbouring thresholds have about the same error, and would fill the beam with one cut. If all
    clauses are kept, all cuts are returned.
    """
    cuts = np.argsort(errors, axis=None, kind="stable")
    if keeps_all:
        return cuts
    clause, literal = np.divmod(cuts, len(literals))
    feature = literals.feature[literal]
    _, first = np.unique(clause * (feature.max() + 1) + feature, return_index=True)
    return cuts[np.sort(first)]


def _by_gain(gains, goes_first):
    """Return the cut of each clause with the largest gain: first some clauses, then large gains."""
    best = gains.argmax(axis=1)
    clauses = np.arange(len(gains))
    order = np.lexsort([-gains[clauses, best], np.logical_not(goes_first)])
    return (clauses * gains.shape[1] + best)[order]


def _in_turn(first, second):
    """Return the items of both in turn, each once."""
    n_pairs = min(len(first), len(second))
    pairs = np.stack([first[:n_pairs], second[:n_pairs]], axis=1).ravel()
    items = np.concatenate([pairs, first[n_pairs:], second[n_pairs:]])
    _, places = np.unique(items, return_index=True)
    return items[np.sort(places)]


def _gains(one_hot, holds):
    """Return the decrease of Gini impurity by each cut of some rows, times their number.

    Parameters
    ----------
    one_hot : ndarray of shape (n_rows, n_classes)
    holds : ndarray of bool, shape (n_rows, n_literals)

    Returns
    -------
    gains : ndarray of shape (n_literals,)
    """
    left = one_hot.T.astype(np.float32) @ holds.astype(np.float32)
    whole = one_hot.sum(axis=0)[:, None]

    def certainty(counts):
        return (counts**2).sum(axis=0) / np.maximum(counts.sum(axis=0), 1)

    return certainty(left) + certainty(whole - left) - certainty(whole)


class _Beam:
    """The clauses of one level, by the rows on which they hold."""

    def __init__(self, one_hot, width):
        self.one_hot = one_hot
        self.width = width
        self.clauses = {}

    def halves(self, rows, errors):
        """Return the clauses that hold on given rows, new or known, or None if there is no room."""
        keys = [np.packbits(half).tobytes() for half in rows]
        n_new = sum(key not in self.clauses for key in keys)
        if self.width is not None and len(self.clauses) + n_new > self.width:
            return None
        for key, half, error in zip(keys, rows, errors, strict=True):
            if key not in self.clauses:
                counts = self.one_hot[half].sum(axis=0)
                self.clauses[key] = Clause(half, counts, float(error))
        return tuple(self.clauses[key] for key in keys)
