"""The confusion matrices of a student and its teacher, side by side."""

from typing import Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._axes import axes_to_draw_on


class ConfusionPairDisplay:
    """The confusion matrices of a teacher and its student.

    Parameters
    ----------
    labels : list
        The classes, in the order of rows and columns.
    student : ndarray of int, shape (n_classes, n_classes)
        Confusion matrix of the student. Rows are the right classes, columns the predictions.
    teacher : ndarray of int, shape (n_classes, n_classes), default=None

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        The teacher's axes come first, if there is a teacher.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn_koopman.audit import ConfusionPairDisplay
    >>> y, teacher, student = [0, 0, 1, 1], [0, 0, 1, 0], [0, 1, 1, 0]
    >>> display = ConfusionPairDisplay.from_predictions(y, student, teacher)
    >>> display.teacher
    array([[2, 0],
           [1, 1]])
    """

    figure_: Any

    def __init__(self, labels, student, teacher=None):
        self.labels = labels
        self.student = student
        self.teacher = teacher

    @classmethod
    def of(cls, y, y_student, y_teacher=None):
        """Count the confusions without drawing them.

        Parameters
        ----------
        y, y_student, y_teacher : array-like of shape (n_samples,)
            The right classes, and the predictions of student and teacher.

        Returns
        -------
        display : ConfusionPairDisplay
        """
        said = [column_or_1d(each) for each in (y, y_student, y_teacher) if each is not None]
        check_consistent_length(*said)
        labels = np.unique(np.concatenate(said))
        counts = [confusion_matrix(said[0], each, labels=labels) for each in said[1:]]
        return cls(labels.tolist(), *counts)

    @classmethod
    def from_predictions(cls, y, y_student, y_teacher=None, *, axes=None):
        """Draw the confusions.

        Parameters
        ----------
        y, y_student, y_teacher : array-like of shape (n_samples,)
        axes : sequence of matplotlib Axes, default=None
            One for the teacher and one for the student. None makes a new figure.

        Returns
        -------
        display : ConfusionPairDisplay
        """
        return cls.of(y, y_student, y_teacher).plot(axes)

    def plot(self, axes=None):
        """Draw the matrices side by side.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None

        Returns
        -------
        display : ConfusionPairDisplay
        """
        shown = {"teacher": self.teacher, "student": self.student}
        shown = {name: counts for name, counts in shown.items() if counts is not None}
        size = (4.5 * len(shown), 4)
        self.axes_ = list(axes_to_draw_on(axes, (len(shown),), figsize=size))
        self.figure_ = self.axes_[0].figure
        for ax, (name, counts) in zip(self.axes_, shown.items(), strict=True):
            ConfusionMatrixDisplay(counts, display_labels=self.labels).plot(
                ax=ax, colorbar=False, cmap="Blues"
            )
            ax.set_title(name)
        return self
