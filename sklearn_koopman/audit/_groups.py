"""Accuracy, fidelity and radius of groups of rows, for those who audit fairness."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._axes import axes_to_draw_on
from ._intervals import Proportion


@dataclass(frozen=True)
class AuditedGroup:
    """The rows of one group.

    Attributes
    ----------
    attribute : str
        What the groups are of; "" where there is only one attribute without a name.
    name : object
    accuracy : Proportion
    fidelity : Proportion or None
    median_radius : float or None
        Of its rows, wrong ones counted as 0.
    """

    attribute: str
    name: object
    accuracy: Proportion
    fidelity: Proportion | None = None
    median_radius: float | None = None


def attributes_of(groups, n_samples):
    """Return the attributes that rows are grouped by, as a dict of arrays.

    Parameters
    ----------
    groups : array-like of shape (n_samples,), dict or DataFrame of such, or None
    n_samples : int
    """
    if groups is None:
        return {}
    if not hasattr(groups, "items") or getattr(groups, "ndim", 2) == 1:
        groups = {getattr(groups, "name", None) or "": groups}
    attributes = {str(name): column_or_1d(np.asarray(of)) for name, of in groups.items()}
    for name, values in attributes.items():
        if len(values) != n_samples:
            raise ValueError(
                f"groups{f'[{name!r}]' if name else ''} has {len(values)} rows, and X has "
                f"{n_samples}."
            )
    return attributes


def audited_groups(groups, right, faithful=None, certified=None, *, delta=0.05):
    """Return what is known of each group.

    Parameters
    ----------
    groups : dict of str -> ndarray of shape (n_samples,)
    right : ndarray of bool, shape (n_samples,)
    faithful : ndarray of bool, shape (n_samples,), default=None
        Where the student says what the teacher says.
    certified : CertifiedAccuracy, default=None
    delta : float, default=0.05

    Returns
    -------
    found : list of AuditedGroup
    """
    found = []
    for attribute, values in groups.items():
        for name in np.unique(values):
            rows = values == name
            radius = None
            if certified is not None and rows[certified.rows].any():
                radii = np.where(certified.right, certified.lower, 0.0)
                radius = float(np.median(radii[rows[certified.rows]]))
            found.append(
                AuditedGroup(
                    attribute,
                    name,
                    Proportion.of(right[rows], delta),
                    None if faithful is None else Proportion.of(faithful[rows], delta),
                    radius,
                )
            )
    return found


class GroupAccuracyDisplay:
    """The accuracy of each group, with its confidence interval.

    Parameters
    ----------
    groups : list of AuditedGroup

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    points_ : matplotlib artist

    Examples
    --------
    >>> from sklearn_koopman.audit import GroupAccuracyDisplay
    >>> y, predicted, groups = [0, 0, 1, 1], [0, 1, 1, 1], ["a", "a", "b", "b"]
    >>> display = GroupAccuracyDisplay.from_predictions(y, predicted, groups)
    >>> [(str(group.name), group.accuracy.value) for group in display.groups]
    [('a', 0.5), ('b', 1.0)]
    """

    def __init__(self, groups):
        self.groups = groups

    @classmethod
    def from_predictions(cls, y, y_student, groups, *, delta=0.05, ax=None):
        """Draw the accuracy of each group.

        Parameters
        ----------
        y, y_student : array-like of shape (n_samples,)
            The right classes, and what the student says.
        groups : array-like of shape (n_samples,), dict or DataFrame of such
        delta : float, default=0.05
            Probability with which the interval of each group may be wrong.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : GroupAccuracyDisplay
        """
        y, y_student = column_or_1d(y), column_or_1d(y_student)
        check_consistent_length(y, y_student)
        attributes = attributes_of(groups, len(y))
        return cls(audited_groups(attributes, y == y_student, delta=delta)).plot(ax)

    def plot(self, ax=None):
        """Draw a line for each group.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : GroupAccuracyDisplay
        """
        self.ax_ = axes_to_draw_on(ax)
        self.figure_ = self.ax_.figure
        value = np.array([group.accuracy.value for group in self.groups])
        names = [
            f"{group.attribute} {group.name} ({group.accuracy.n_samples})".strip()
            for group in self.groups
        ]
        self.points_ = self.ax_.errorbar(
            value,
            np.arange(len(names)),
            xerr=[
                value - [group.accuracy.low for group in self.groups],
                [group.accuracy.high for group in self.groups] - value,
            ],
            fmt="o",
            capsize=3,
        )
        self.ax_.set(xlabel="accuracy", yticks=np.arange(len(names)), yticklabels=names)
        self.ax_.invert_yaxis()
        return self
