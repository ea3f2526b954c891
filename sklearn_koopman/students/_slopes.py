"""The slopes of a student's logits by the input of its pipeline, for `perturbation`."""

import numpy as np

from ..lifting import AffineMap, slopes_of, split_linear
from ..linear import LogitSlopes


def logit_slopes(task):
    """Return the slopes of logits by rows that linear steps and a dictionary lift.

    Parameters
    ----------
    task : Task

    Returns
    -------
    slopes : LogitSlopes

    Raises
    ------
    ValueError
        If the slopes are not known, or are not multiples of observables.
    """
    passed = task.passed
    if task.blocks.is_sparse or passed.n_features is None:
        raise ValueError(
            "perturbation needs dense rows of numbers: rows are moved in all directions. Reduce "
            "them first (TruncatedSVD), or set perturbation=0."
        )
    head, tail = split_linear(passed.steps)
    matrix = AffineMap.of(head, passed.n_features).matrix
    n_features = len(matrix)
    slopes = slopes_of(tail, n_features)
    if slopes is None:
        raise ValueError(
            "perturbation needs the slopes of the observables, as multiples of observables. "
            f"{tail!r} does not know them, or lacks observables that slopes are multiples of: use "
            "a MonomialLifter with all degrees from 1 on, or a SquaredProjectionLifter, only "
            "after linear steps (PCA, scalers); or set perturbation=0."
        )
    return LogitSlopes(slopes, np.linalg.qr(matrix.T, mode="r"), task.blocks.n_observables)
