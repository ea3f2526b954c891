"""Calibration: how often a student is right at each level of confidence."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from .._axes import axes_to_draw_on
from ._intervals import Proportion


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of about the same confidence.

    Attributes
    ----------
    confidence : float
        The mean probability of the chosen class.
    accuracy : Proportion
        Fraction of these rows with the right class.
    """

    confidence: float
    accuracy: Proportion


@dataclass(frozen=True)
class Calibration:
    """Confidences, and how often the student is right at each of them.

    Attributes
    ----------
    bins : list of CalibrationBin
        Bins of equal width. Bins without rows are left out.
    expected_error : float
        The mean difference of confidence and accuracy, bins weighted by their rows (expected
        calibration error).
    """

    bins: list
    expected_error: float


def calibration(y, probabilities, classes, *, n_bins=10, delta=0.05):
    """Return how often the chosen class is right, as a function of its probability.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    probabilities : array-like of shape (n_samples, n_classes)
    classes : array-like of shape (n_classes,)
        The class of each column.
    n_bins : int, default=10
    delta : float, default=0.05

    Returns
    -------
    calibration : Calibration
    """
    y, probabilities = column_or_1d(y), check_array(probabilities)
    check_consistent_length(y, probabilities)
    confidence = probabilities.max(axis=1)
    right = np.asarray(classes)[probabilities.argmax(axis=1)] == y
    place = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    bins = [
        CalibrationBin(float(confidence[rows].mean()), Proportion.of(right[rows], delta))
        for rows in (place == each for each in np.unique(place))
    ]
    error = sum(abs(b.confidence - b.accuracy.value) * b.accuracy.n_samples for b in bins)
    return Calibration(bins, float(error / len(y)))


class ReliabilityDisplay:
    """How often a student is right against its confidence, for any number of classes.

    Parameters
    ----------
    calibration : Calibration

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    points_, diagonal_ : matplotlib artists

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The calibration of one class of two.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
    >>> from sklearn_koopman.audit import ReliabilityDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> student = KoopmanDistilledClassifier(soft_weight=0, lifter=MonomialLifter(2)).fit(X, y)
    >>> display = ReliabilityDisplay.from_estimator(student, X, y)
    >>> display.calibration.expected_error < 0.05
    True
    """

    def __init__(self, calibration):
        self.calibration = calibration

    @classmethod
    def from_estimator(cls, student, X, y, *, n_bins=10, delta=0.05, ax=None):
        """Draw the calibration of a student.

        Parameters
        ----------
        student : classifier
            A classifier with `predict_proba`.
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        n_bins : int, default=10
        delta : float, default=0.05
            Largest probability that the interval of a bin is wrong.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : ReliabilityDisplay
        """
        probabilities = student.predict_proba(X)
        found = calibration(y, probabilities, student.classes_, n_bins=n_bins, delta=delta)
        return cls(found).plot(ax)

    def plot(self, ax=None):
        """Draw the bins with their intervals.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : ReliabilityDisplay
        """
        self.ax_ = axes_to_draw_on(ax)
        self.figure_ = self.ax_.figure
        (self.diagonal_,) = self.ax_.plot([0, 1], [0, 1], color="grey", linestyle=":")
        bins = self.calibration.bins
        value = np.array([each.accuracy.value for each in bins])
        self.points_ = self.ax_.errorbar(
            [each.confidence for each in bins],
            value,
            yerr=[
                value - [each.accuracy.low for each in bins],
                [each.accuracy.high for each in bins] - value,
            ],
            fmt="o",
            capsize=3,
        )
        self.ax_.set(xlabel="probability of the chosen class", ylabel="accuracy")
        self.ax_.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
        return self
