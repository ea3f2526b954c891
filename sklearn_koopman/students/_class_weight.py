"""Weights of classes, as weights of the rows that have them."""

import numpy as np
from sklearn.utils import compute_class_weight

from ._targets import check_weights


def weighted_by_class(class_weight, labels, sample_weight, *, are_more_to_come=False):
    """Return the weights of rows, times those of their classes.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        Of the classes, 1 for those that a dict leaves out. "balanced" is W / (n_classes W_c), with
        W_c the sum of `sample_weight` over the rows of a class, and W that over all labelled rows.
    labels : Labels
    sample_weight : ndarray of shape (n_samples,)
        Rows without a label keep theirs.
    are_more_to_come : bool, default=False
        Whether other rows come later, so that nobody can count the classes yet.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,)
    """
    if class_weight is None:
        return sample_weight
    if not labels.were_given:
        raise ValueError(
            f"class_weight={class_weight!r} goes by labels, and there are none: give fit y, or "
            "sample_weight, or take class_weight=None."
        )
    if isinstance(class_weight, str) and class_weight == "balanced":
        if are_more_to_come:
            raise ValueError(
                "class_weight='balanced' counts the rows of all classes, and partial_fit sees a "
                "part of them. Give a dict of weights, such as "
                "sklearn.utils.compute_class_weight('balanced', classes=classes, y=y) returns."
            )
        weights = _balanced(labels, sample_weight)
    elif isinstance(class_weight, dict):
        weights = compute_class_weight(class_weight, classes=labels.classes, y=labels.classes)
    else:
        raise ValueError(
            f"class_weight={class_weight!r} must be a dict of classes and weights, 'balanced' or "
            "None."
        )
    of_rows = np.where(labels.is_labelled, weights[labels.codes], 1.0)
    weighted = of_rows * sample_weight
    if not np.isfinite(weights).all() or (weights < 0).any() or not weighted.any():
        raise ValueError(
            f"class_weight={class_weight!r}: weights must be finite, not negative, and not all "
            "zero."
        )
    return check_weights(weighted, len(weighted), are_more_to_come=are_more_to_come)


def _balanced(labels, sample_weight):
    known = labels.is_labelled
    totals = np.bincount(
        labels.codes[known], sample_weight[known], minlength=len(labels.classes)
    )
    there = totals > 0
    return np.divide(totals.sum(), there.sum() * totals, out=np.ones_like(totals), where=there)
