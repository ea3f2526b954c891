"""One row of an audit, and what is known of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class AuditedRow:
    """One row, and what is known of it.

    Attributes
    ----------
    index : int
        Its place in X.
    label : object
        Its class.
    predicted : object
        What the student says.
    teacher : object, or None
        What the teacher says.
    margin : float
        The logit of its class above the largest of the others; negative where the student errs.
    values : ndarray of shape (n_features,)
        The row.
    radius : float or None
        The size of the smallest change to another class (or a lower bound of it), if it is known.
    distance : float or None
        The size of the smallest change that was found; `radius`, if that is exact.
    counterfactual : ndarray of shape (n_features,), or None
        The row changed so.
    counterfactual_class : object, or None
        What the student says then.
    contributions : list of (str, float), or None
        The columns that speak most for the predicted class, against the right one or, if that is
        predicted, the next one: Shapley values, the largest first.
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
        """Return what the counterfactual changes most.

        Parameters
        ----------
        names : list of str
            Of the columns.
        scale : ndarray of shape (n_features,), or None
            What a change of 1 is in each column.
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
