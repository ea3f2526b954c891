"""Accuracy, fidelity and radius of groups of rows, for audits of fairness."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._axes import axes_to_draw_on
from .._warnings import warn_user
from ._intervals import Proportion

# With more groups, intervals are wide and the table is long: a column of numbers was probably
# passed by mistake.
MANY_GROUPS = 20


@dataclass(frozen=True)
class AuditedGroup:
    """The rows of one group.

    Attributes
    ----------
    attribute : str
        Name of the attribute that makes the groups. "" if there is only one attribute without a
        name.
    name : object
    accuracy : Proportion
    fidelity : Proportion or None
    median_radius : float or None
        Median radius of its rows, where wrong rows count as 0.
    said : dict of object -> Proportion
        How often the student says each of its classes, whether that is right or not.
    """

    attribute: str
    name: object
    accuracy: Proportion
    fidelity: Proportion | None = None
    median_radius: float | None = None
    said: dict = field(default_factory=dict)


def attributes_of(groups, n_samples, labelled=None):
    """Return the attributes by which rows are grouped, as a dict of arrays.

    Parameters
    ----------
    groups : array-like of shape (n_samples,), dict or DataFrame of such, or None
    n_samples : int
    labelled : object, default=None
        The rows, or their classes. If they are of pandas, groups of pandas have the same index.
    """
    if groups is None:
        return {}
    if isinstance(groups, str) or (np.ndim(groups) == 0 and not hasattr(groups, "items")):
        raise ValueError(
            f"groups={groups!r}: pass the group of each row, for example X[{groups!r}], or a dict "
            "of such arrays."
        )
    if not hasattr(groups, "items") or getattr(groups, "ndim", 2) == 1:
        groups = {getattr(groups, "name", None) or "": groups}
    return {
        str(name): _checked(of, str(name), n_samples, labelled) for name, of in groups.items()
    }


def _checked(values, name, n_samples, labelled):
    """Return the group of each row as an array of values that can be compared."""
    what = f"groups[{name!r}]" if name else "groups"
    given = values
    # A list with one string would become an array of strings.
    values = np.asarray(values, dtype=None if hasattr(values, "dtype") else object)
    if values.ndim != 1:
        raise ValueError(f"{what} has the shape {values.shape}: pass the group of each row.")
    if len(values) != n_samples:
        raise ValueError(f"{what} has {len(values)} rows, and X has {n_samples}.")
    if hasattr(given, "reindex") and hasattr(labelled, "reindex"):
        _refuse_other_index(given, what, name, labelled)
    n_missing = sum(map(_is_missing, values.tolist()))
    if n_missing:
        raise ValueError(
            f"{what} has no value for {n_missing} rows: give them a group too, for example 'not "
            "known'."
        )
    try:
        n_groups = len(np.unique(values))
    except TypeError:
        kinds = sorted({type(value).__name__ for value in values})
        raise TypeError(
            f"{what} has values of several types, {', '.join(kinds)}: convert them to one type."
        ) from None
    if n_groups > MANY_GROUPS:
        warn_user(
            f"{what} has {n_groups} values, so there are few rows in each group. Cut numbers into "
            "ranges first: pandas.cut(values, [0, 30, 60, 99]).astype(str)."
        )
    return values


def _refuse_other_index(values, what, name, labelled):
    """Raise ValueError for a Series whose rows are not named as those of X are."""
    if values.index.equals(labelled.index):
        return
    same = len(values.index.difference(labelled.index)) == 0
    kind = "the labels of the rows in another order" if same else "other labels than the rows"
    raise ValueError(
        f"{what} is a Series whose index has {kind}: give frame.loc[X.index, {name!r}]. Where the "
        "order of the rows is right, give values alone: series.to_numpy()."
    )


def _is_missing(value):
    if isinstance(value, str):
        return False
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def audited_groups(groups, y, y_student, faithful=None, certified=None, *, delta=0.05):
    """Return what is known about each group.

    Parameters
    ----------
    groups : dict of str -> ndarray of shape (n_samples,)
    y, y_student : ndarray of shape (n_samples,)
        The right classes, and what the student says.
    faithful : ndarray of bool, shape (n_samples,), default=None
        Whether the student predicts the class that the teacher predicts.
    certified : CertifiedAccuracy, default=None
    delta : float, default=0.05

    Returns
    -------
    found : list of AuditedGroup
    """
    found = []
    classes = np.unique(y_student)
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
                    Proportion.of((y == y_student)[rows], delta),
                    None if faithful is None else Proportion.of(faithful[rows], delta),
                    radius,
                    {each: Proportion.of(y_student[rows] == each, delta) for each in classes},
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
            The right classes, and the predictions of the student.
        groups : array-like of shape (n_samples,), dict or DataFrame of such
        delta : float, default=0.05
            Largest probability that the interval of a group is wrong.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : GroupAccuracyDisplay
        """
        labelled = y
        y, y_student = column_or_1d(y), column_or_1d(y_student)
        check_consistent_length(y, y_student)
        attributes = attributes_of(groups, len(y), labelled)
        return cls(audited_groups(attributes, y, y_student, delta=delta)).plot(ax)

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
