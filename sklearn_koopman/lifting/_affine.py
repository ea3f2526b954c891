"""The linear steps at the head of a chain: where they end, and their matrix."""

import numpy as np
from sklearn.pipeline import make_pipeline

from ._chain import steps_of, taking_arrays, transformed
from ._forms._degrees import degree_of


def split_linear(steps):
    """Return the linear steps at the head of a chain as one transformer, and all after them.

    Parameters
    ----------
    steps : sequence of fitted transformers

    Returns
    -------
    head, tail : fitted transformer or None
        None where there is no such step. They take arrays without a warning.
    """
    steps = [taking_arrays(part) for step in steps for part in steps_of(step)]
    n_linear = 0
    while n_linear < len(steps) and degree_of(steps[n_linear]) == 1:
        n_linear += 1
    parts = steps[:n_linear], steps[n_linear:]
    head, tail = (make_pipeline(*part) if part else None for part in parts)
    return head, tail


def affine_map(head, center, step):
    """Return what a linear transformer makes of a row, and the matrix of its changes.

    Parameters
    ----------
    head : fitted transformer or None
    center : ndarray of shape (n_features,)
        The row.
    step : ndarray of shape (n_features,)
        Changes of the features that are not lost in rounding.

    Returns
    -------
    features : ndarray of shape (n_outputs,)
    matrix : ndarray of shape (n_features, n_outputs)
        What each output changes by with each feature.
    """
    if head is None:
        return center, np.eye(len(center))
    features = transformed(head, center[None])[0].astype(np.float64)
    moved = transformed(head, center + np.diag(step)).astype(np.float64)
    return features, (moved - features) / step[:, None]
