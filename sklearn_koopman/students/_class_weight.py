"""Weights of classes, as weights of the rows that have them."""

from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.utils import compute_class_weight

from .._warnings import warn_user
from ..rows import by_rows
from ..teachers import shortened
from ._labels import check_weights

# Weight in soft targets of a class of weight 0, relative to a class of weight 1.
SMALLEST = 1e-12


def weighted_by_class(task, class_weight, *, are_more_to_come=False):
    """Return a task with the weights of rows times those of their classes.

    Soft targets are those of a teacher that has learned with these weights: of the probability
    p_c of a class, w_c p_c / sum_k w_k p_k, so logits are raised by log w_c.

    Parameters
    ----------
    task : Task
    class_weight : dict, "balanced" or None
        Of the classes, 1 for those that a dict leaves out. "balanced" is W / (n_classes W_c), with
        W_c the sum of weights of the rows of a class, and W that of all labelled rows. Rows
        without a label keep their weight.
    are_more_to_come : bool, default=False
        Whether other rows come later, so that nobody can count the classes yet.

    Returns
    -------
    task : Task
    """
    if class_weight is None:
        return task
    labels = task.labels
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
        weights = _balanced(labels, task.sample_weight)
    elif isinstance(class_weight, dict):
        known = labels.classes.tolist()
        unknown = [label for label in class_weight if label not in known]
        if unknown and not all(label in class_weight for label in known):
            raise ValueError(
                f"class_weight has weights of {shortened(unknown)}, and the classes are "
                f"{shortened(known)}."
            )
        weights = compute_class_weight(class_weight, classes=labels.classes, y=labels.classes)
    else:
        raise ValueError(
            f"class_weight={class_weight!r} must be a dict of classes and weights, 'balanced' or "
            "None."
        )
    of_rows = np.where(labels.is_labelled, weights[labels.codes], 1.0) * task.sample_weight
    if not np.isfinite(weights).all() or (weights < 0).any() or not of_rows.any():
        raise ValueError(
            f"class_weight={class_weight!r}: weights must be finite, not negative, and not all "
            "zero."
        )
    _warn_of_margins(task, class_weight)
    raised = partial(_raised, by=np.log(np.maximum(weights, SMALLEST * weights.max())))
    soft_logits, soft_logits_from = task.soft_logits, task.soft_logits_from
    return replace(
        task,
        sample_weight=check_weights(of_rows, len(of_rows), are_more_to_come=are_more_to_come),
        given_weight=task.sample_weight,
        soft_logits=None if soft_logits is None else by_rows(raised, soft_logits),
        soft_logits_from=soft_logits_from
        and partial(_raised_targets, soft_logits_from, raised),
        raised=raised,
    )


def _warn_of_margins(task, class_weight):
    """Warn where the weights would be added to margins, as if these were log odds."""
    name = None if task.soft_logits is None or task.teacher is None else task.teacher.margins_of
    if name is not None:
        warn_user(
            f"class_weight={class_weight!r} adds the logarithms of the weights to the teacher's "
            f"log odds, and the scores of {name} are margins, which are not log odds: the student "
            f"may be wrong. Wrap the teacher: CalibratedClassifierCV({name}(...), ensemble=False)."
        )


def _balanced(labels, sample_weight):
    known = labels.is_labelled
    totals = np.bincount(
        labels.codes[known], sample_weight[known], minlength=len(labels.classes)
    )
    there = totals > 0
    return np.divide(totals.sum(), there.sum() * totals, out=np.ones_like(totals), where=there)


def _raised(logits, by):
    return logits + by.astype(logits.dtype)


def _raised_targets(soft_logits_from, raised, *arguments):
    targets = soft_logits_from(*arguments)
    return replace(targets, logits=by_rows(raised, targets.logits))
