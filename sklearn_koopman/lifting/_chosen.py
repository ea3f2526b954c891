"""Some of the observables of a fitted dictionary, and what computes no others where it can."""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion

from ._chain import steps_of, transformed


class ChosenColumns:
    """Some columns of what a transformer gives, or of the rows themselves.

    Parameters
    ----------
    lifter : fitted transformer or None
    indices : ndarray of int
    """

    def __init__(self, lifter, indices):
        self.lifter = lifter
        self.indices = indices

    def _lift(self, X):
        lifted = X if self.lifter is None else transformed(self.lifter, X)
        return lifted[:, self.indices]


class ChosenUnion:
    """Some columns of each dictionary of a union.

    Parameters
    ----------
    parts : list
        What lifts to the chosen columns of each dictionary that has any.
    """

    def __init__(self, parts):
        self.parts = parts

    def _lift(self, X):
        return np.hstack([part._lift(X) for part in self.parts])


def choose_observables(lifter, indices, n_features):
    """Return what lifts rows to some of the observables, and to no others where it can.

    Parameters
    ----------
    lifter : fitted transformer or None
    indices : ndarray of int
        In ascending order.
    n_features : int
        Of the rows.
    """
    if isinstance(lifter, FrozenEstimator):
        return choose_observables(lifter.estimator, indices, n_features)
    if isinstance(lifter, FeatureUnion) and not lifter.transformer_weights:
        return _chosen_of_union(lifter, indices, n_features)
    if hasattr(lifter, "_chosen"):
        return lifter._chosen(indices)
    return ChosenColumns(lifter, indices)


def _chosen_of_union(union, indices, n_features):
    parts, start = [], 0
    row = np.zeros((1, n_features))
    for _, step in union.transformer_list:
        if step == "drop":
            continue
        stop = start + transformed(step, row).shape[1]
        of_step = indices[(indices >= start) & (indices < stop)] - start
        if len(of_step):
            parts.append(
                choose_observables(step if steps_of(step) else None, of_step, n_features)
            )
        start = stop
    return ChosenUnion(parts)
