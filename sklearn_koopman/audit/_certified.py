"""Certified accuracy: the share of rows that stay right under every change up to some size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import column_or_1d

from .._axes import axes_to_draw_on
from ..inspection import checked_fixed, checked_rows, checked_scale, column_names, radius_bounds
from ..rows import taken
from ._intervals import Proportion

N_DISTANCES = 120


@dataclass(frozen=True)
class CertifiedAccuracy:
    """Radii of rows, and whether the rows are predicted correctly.

    Attributes
    ----------
    rows : ndarray of int, shape (n_rows,)
        Indices of the rows.
    right : ndarray of bool, shape (n_rows,)
    lower, upper : ndarray of shape (n_rows,)
        Bounds of the radii, in units of `scale`.
    is_exact : ndarray of bool, shape (n_rows,)
        Whether both bounds are equal to the radius.
    counterfactuals : ndarray of shape (n_rows, n_features)
        The rows after a change that is just large enough for another class. NaN if none was found.
    scale : ndarray of shape (n_features,), or None
        Length of a distance of 1 in each column. None: 1.
    """

    rows: np.ndarray
    right: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    is_exact: np.ndarray
    counterfactuals: np.ndarray
    scale: np.ndarray | None

    def at(self, distance, delta=0.05):
        """Return the fraction of rows that stay right under every change up to a distance.

        Parameters
        ----------
        distance : float
        delta : float, default=0.05
            Largest probability that the interval is wrong.

        Returns
        -------
        fraction : Proportion
        """
        certain = self.lower > distance if distance > 0 else np.ones(len(self.lower), bool)
        return Proportion.of(self.right & certain, delta)

    def curve(self, delta=0.05):
        """Return distances and certified accuracies with their intervals.

        Returns
        -------
        distances, values, low, high : ndarray of shape (n_distances,)
        """
        finite = self.lower[np.isfinite(self.lower)]
        end = np.quantile(finite, 0.995) if len(finite) else 1.0
        distances = np.linspace(0, end or 1.0, N_DISTANCES)
        found = [self.at(distance, delta) for distance in distances]
        values, low, high = (
            np.array([getattr(each, name) for each in found])
            for name in ("value", "low", "high")
        )
        return distances, values, low, high

    @property
    def median_radius(self):
        """Median of the radii (or of their lower bounds), where wrong rows count as 0."""
        return float(np.median(np.where(self.right, self.lower, 0.0)))


def certified_accuracy(student, X, y, *, bounds=None, scale=None, fixed=None, rows=None):
    """Return the radii of rows, and whether the rows are predicted correctly.

    Parameters
    ----------
    student : estimator
        As for `robust_radius`.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    bounds : tuple (low, high), default=None
        Bounds of the features, as for `robust_radius`.
    scale : "std" or array-like of shape (n_features,), default=None
        Length of a distance of 1 in each column. "std" uses the standard deviations of X, for
        columns in different units. None: 1.
    fixed : list of column names or numbers, default=None
        Columns that cannot change, as for `robust_radius`.
    rows : ndarray of int, default=None
        Indices of the rows to look at. None: all.

    Returns
    -------
    certified : CertifiedAccuracy
    """
    y = column_or_1d(y)
    rows = np.arange(len(y)) if rows is None else rows
    if scale is not None:  # "std" is that of all rows
        values, names = checked_rows(student, X), column_names(X)
        scale = checked_scale(scale, values, names, checked_fixed(fixed, values, names))
    right = student.predict(X)[rows] == y[rows]
    X = X if hasattr(X, "shape") else np.asarray(X)
    found = radius_bounds(student, taken(X, rows), bounds=bounds, scale=scale, fixed=fixed)
    return CertifiedAccuracy(
        rows, right, found.lower, found.upper, found.is_exact, found.counterfactuals, scale
    )


class CertifiedAccuracyDisplay:
    """The share of rows that stay right under every change up to a distance.

    Parameters
    ----------
    certified : CertifiedAccuracy
    delta : float, default=0.05
        Largest probability that the interval at a distance is wrong.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_, band_ : matplotlib artists

    See Also
    --------
    sklearn_koopman.inspection.robust_radius : The radius of each row.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.audit import CertifiedAccuracyDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    >>> display = CertifiedAccuracyDisplay.from_estimator(student, X, y)
    >>> print(display.certified.at(0.1))
    93.33% [88.08%, 96.76%]
    """

    band_: Any

    def __init__(self, certified, *, delta=0.05):
        self.certified = certified
        self.delta = delta

    @classmethod
    def from_estimator(
        cls,
        student,
        X,
        y,
        *,
        bounds=None,
        scale=None,
        fixed=None,
        delta=0.05,
        ax=None,
        name=None,
    ):
        """Draw the certified accuracy of a student.

        Parameters
        ----------
        student, X, y, bounds, scale, fixed
            As for `audit_report`, without "auto".
        delta : float, default=0.05
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            Name for the legend.

        Returns
        -------
        display : CertifiedAccuracyDisplay
        """
        found = certified_accuracy(student, X, y, bounds=bounds, scale=scale, fixed=fixed)
        return cls(found, delta=delta).plot(ax, name=name)

    def plot(self, ax=None, *, name=None):
        """Draw the curve and its confidence band.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        name : str, default=None

        Returns
        -------
        display : CertifiedAccuracyDisplay
        """
        self.ax_ = axes_to_draw_on(ax)
        self.figure_ = self.ax_.figure
        distances, values, low, high = self.certified.curve(self.delta)
        (self.line_,) = self.ax_.plot(distances, values, label=name)
        self.band_ = self.ax_.fill_between(
            distances, low, high, alpha=0.25, linewidth=0, color=self.line_.get_color()
        )
        self.ax_.set(
            xlabel="size of the change (L2)", ylabel="certified accuracy", ylim=(0, 1.02)
        )
        self.ax_.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
        if name is not None:
            self.ax_.legend()
        return self
