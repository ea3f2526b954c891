"""One row of an audit, and what is known about it."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class AuditedRow:
    """One row, and what is known about it.

    Attributes
    ----------
    index : int
        Index of the row in X.
    label : object
        Class of the row.
    predicted : object
        Class that the student predicts.
    teacher : object, or None
        Class that the teacher predicts.
    margin : float
        The logit of the row's class minus the largest other logit. It is negative if the student is
        wrong.
    values : ndarray of shape (n_features,)
        The row.
    radius : float or None
        Size of the smallest change that leads to another class, or a lower bound of it, if it is
        known.
    distance : float or None
        Size of the smallest change that was found. It equals `radius` if that is exact.
    counterfactual : ndarray of shape (n_features,), or None
        The row after this change.
    counterfactual_class : object, or None
        Class that the student predicts after this change.
    contributions : list of (str, float), or None
        The columns that speak most for the predicted class and against the right one (or against
        the next one, if the prediction is right), with their Shapley values. The largest come
        first.
    contribution_map : ndarray of shape (n_features,), or None
        The Shapley values of all columns.
    """

    index: int
    label: Any
    predicted: Any
    teacher: Any
    margin: float
    values: np.ndarray
    radius: float | None = None
    distance: float | None = None
    counterfactual: np.ndarray | None = None
    counterfactual_class: Any = None
    contributions: list | None = None
    contribution_map: np.ndarray | None = None

    def changes(self, names, scale, n_shown=5):
        """Return the columns that the counterfactual changes most.

        Parameters
        ----------
        names : list of str
            Of the columns.
        scale : ndarray of shape (n_features,), or None
            Length of a change of 1 in each column.
        n_shown : int, default=5

        Returns
        -------
        changes : list of (str, float, float)
            Name, value and changed value of the columns that change most.
        """
        if self.counterfactual is None or not np.isfinite(self.counterfactual).all():
            return []
        difference = np.abs(self.counterfactual - self.values)
        difference = difference if scale is None else difference / scale
        order = np.argsort(-difference, kind="stable")[:n_shown]
        return [(names[i], float(self.values[i]), float(self.counterfactual[i])) for i in order]
