"""Labels and weights of rows."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

from ..rows import MadeRows

# Bounds of the largest weight, such that single precision can hold squares of weights.
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-12, 1e12

# Types of pandas for missing values.
_MISSING = ("NAType", "NaTType")


@dataclass(frozen=True)
class Labels:
    """Labels in the form that a student needs.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    codes : ndarray of int, shape (n_samples,)
        Number of the class of each row, or -1 for none.
    were_given : bool, default=True
        Whether `fit` received labels. False if the student learns from the teacher alone.
    """

    classes: np.ndarray
    codes: np.ndarray
    were_given: bool = True

    @classmethod
    def without_any(cls, n_samples, classes):
        """Return the labels of a fit without labels, with the classes of its teacher."""
        labels = encode_labels(np.empty(0, int), classes=classes)
        return cls(labels.classes, np.full(n_samples, -1), were_given=False)

    @property
    def is_labelled(self):
        """Mask of the rows that have a label, shape (n_samples,)."""
        return self.codes >= 0

    def soft_weight(self, chosen):
        """Return the weight of soft targets: the chosen one, or 1 without labels."""
        return chosen if self.were_given else 1.0


class OneHotRows(MadeRows):
    """One-hot labels whose rows are made when they are read.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
        The class of each row; -1 makes a row of zeros.
    n_classes : int
    """

    def __init__(self, codes, n_classes):
        self.codes = codes
        self.n_classes = n_classes

    def __getitem__(self, rows):
        """Return rows of shape (n_rows, n_classes)."""
        return (self.codes[rows, None] == np.arange(self.n_classes)).astype(np.float64)

    def part(self, rows):
        """Return some of the rows without making them yet."""
        return OneHotRows(self.codes[rows], self.n_classes)


def has_label(y, unlabeled_value):
    """Return which rows have a label. If the marker is None, all have one.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    unlabeled_value : object
        Value in y that means "no label". NaN works too, and also matches None and the missing
        values of pandas.

    Returns
    -------
    is_labelled : ndarray of bool, shape (n_samples,)
    """
    if unlabeled_value is None:
        return np.ones(len(y), dtype=bool)
    if np.ndim(unlabeled_value):
        raise ValueError(
            f"unlabeled_value={unlabeled_value!r}: must be one value, which means 'no label' in y."
        )
    if _is_missing(unlabeled_value):
        return np.array([not _is_missing(value) for value in y.tolist()], dtype=bool)
    return np.asarray(y != unlabeled_value, dtype=bool)


def _is_missing(value):
    """Return whether a label is None, NaN, or pandas' NA, which is not equal to itself."""
    return value is None or type(value).__name__ in _MISSING or value != value


def encode_labels(y, unlabeled_value=None, classes=None):
    """Return the labels of a fit.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    unlabeled_value : object, default=None
        Value that marks rows without a label.
    classes : array-like, default=None
        All classes. None takes the classes in y.

    Returns
    -------
    labels : Labels
    """
    is_labelled = has_label(y, unlabeled_value)
    known = y[is_labelled]
    if y.dtype == object:
        known = np.asarray(check_labels(known.tolist(), "y"))
    if len(known):
        check_array(known, ensure_2d=False, dtype=None, input_name="y")
        check_classification_targets(known)
    elif classes is None:
        raise ValueError(
            f"unlabeled_value={unlabeled_value!r} marks every row of y, so the classes are not "
            "known; pass teacher_classes=, or label at least one row of each class."
        )
    classes = np.unique(known if classes is None else classes)
    if len(classes) < 2:
        found = f"only one class: {classes[0]!r}" if len(classes) else "no class"
        raise ValueError(
            "This solver needs samples of at least 2 classes in the data, but the data contains "
            f"{found}"
        )
    strangers = np.setdiff1d(known, classes)
    if len(strangers):
        raise ValueError(
            f"y has labels {strangers.tolist()} that are not in classes={classes}."
        )
    codes = np.full(len(y), -1)
    codes[is_labelled] = np.searchsorted(classes, known)
    return Labels(classes, codes)


def check_labels(labels, name):
    """Return labels. Raise ValueError if they have several types, or if one is missing.

    Parameters
    ----------
    labels : list
    name : str
        Name of the argument with the labels.

    Returns
    -------
    labels : list
        The same.
    """
    missing = [label for label in labels if label is None or type(label).__name__ in _MISSING]
    if missing:
        raise ValueError(
            f"{name} has missing values ({missing[0]!r}) among its labels: leave these rows out, "
            "or set unlabeled_value=, if the estimator has it, to the value that means 'no label'."
        )
    texts = [label for label in labels if isinstance(label, str | bytes)]
    if texts and len(texts) < len(labels):
        other = next(label for label in labels if not isinstance(label, str | bytes))
        raise ValueError(
            f"{name} has labels of different types, for example {other!r} and {texts[0]!r}: '1' is "
            "not 1. Make all of them strings, or numbers."
        )
    return labels


def refuse_missing_labels(y):
    """Raise ValueError if a label is missing. scikit-learn's own check fails on pandas' NA."""
    labels = np.asarray(y)
    if labels.dtype == object and labels.ndim == 1:
        check_labels(labels.tolist(), "y")


def check_weights(sample_weight, n_samples, *, are_more_to_come=False):
    """Return non-negative float64 weights, not all of them zero.

    Only the ratios of weights matter. If single precision could not hold them, all are scaled by
    the same power of two.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
    n_samples : int
    are_more_to_come : bool, default=False
        Whether they are compared with weights of later rows. Then such weights raise an error
        instead of being scaled.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,)
    """
    if sample_weight is None:
        return np.ones(n_samples)
    weight = np.asarray(sample_weight)
    if weight.ndim == 0:
        weight = np.full(n_samples, weight)
    weight = check_array(weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight.shape == {weight.shape}, expected {(n_samples,)}: one weight per row."
        )
    if weight.min() < 0:
        raise ValueError(f"Negative values in sample_weight: the smallest is {weight.min()}.")
    if not weight.any():
        raise ValueError("Sample weights must not all be zero: sample_weight sums to 0.")
    largest = weight.max()
    if SMALLEST_WEIGHT <= largest <= LARGEST_WEIGHT:
        return weight
    if are_more_to_come:
        raise ValueError(
            f"sample_weight: the largest is {largest}. Rows of later calls are compared with "
            f"these, so it must be in the range [{SMALLEST_WEIGHT:.0e}, {LARGEST_WEIGHT:.0e}]. "
            "Scale the weights of all calls."
        )
    return np.ldexp(weight, -np.frexp(largest)[1])
