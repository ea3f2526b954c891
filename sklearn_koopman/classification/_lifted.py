"""From rows as the user gives them to blocks of lifted rows."""

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..lifting import MonomialLifter
from ..solvers import RowBlocks


def fit_lifter(lifter, X, y):
    """Return a fitted clone of the lifter, or None where rows come lifted already.

    Parameters
    ----------
    lifter : transformer or None
        The `lifter` parameter of a classifier.
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)

    Returns
    -------
    lifter : transformer or None
    """
    if lifter is None:
        return None
    if isinstance(lifter, type) or not (
        hasattr(lifter, "fit") and hasattr(lifter, "transform")
    ):
        raise TypeError(
            f"lifter={lifter!r} is no transformer: pass an instance with fit and transform, for "
            "example MonomialLifter(degree=2) or make_pipeline(PCA(40), MonomialLifter(2))."
        )
    with _arrays_between_steps():
        return clone(lifter).fit(X, y)


def lifted_blocks(lifter, X):
    """Return the rows of X as blocks that are lifted when they are needed.

    The leading steps of a pipeline are applied once, up to where a row is narrowest (PCA
    coordinates, say): that much is held, all behind it is computed block by block.

    Parameters
    ----------
    lifter : fitted transformer or None
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    blocks : RowBlocks
    """
    if lifter is None:
        return RowBlocks(X)
    with _arrays_between_steps():
        head, tail, n_observables = _split_at_narrowest(lifter, X[:1])
        rows = X if head is None else _as_array(head.transform(X))

    return RowBlocks(rows, _block_lift(tail), n_observables=n_observables)


def _block_lift(tail):
    """Return the function that lifts blocks of rows, None where no step is left."""
    if tail is None:
        return None
    steps = [step for _, step in tail.steps if step is not None and step != "passthrough"]
    if len(steps) == 1 and isinstance(steps[0], MonomialLifter):
        return steps[0]._lift  # thousands of blocks need not be validated one by one

    def lift(block):
        with _arrays_between_steps():
            return _as_array(tail.transform(block))

    return lift


def _arrays_between_steps():
    """Keep data frames, which a user may have set globally, out of a lifter.

    Blocks are arrays, and steps fitted on data frames would warn of missing names.
    """
    return config_context(transform_output="default")


def _split_at_narrowest(lifter, row):
    """Return the steps before and behind the narrowest form of a row, and its final width."""
    steps = lifter if isinstance(lifter, Pipeline) else Pipeline([("lifter", lifter)])
    widths = [row.shape[1]]
    for _, step in steps.steps:
        if step is not None and step != "passthrough":
            row = _as_array(step.transform(row))
        widths.append(row.shape[1])
    narrowest = int(np.argmin(widths))
    head = steps[:narrowest] if narrowest > 0 else None
    tail = steps[narrowest:] if narrowest < len(steps) else None
    return head, tail, widths[-1]


def _as_array(lifted):
    """Return what a transformer gave as an array, also where it gave a DataFrame."""
    return lifted.toarray() if issparse(lifted) else np.asarray(lifted)
