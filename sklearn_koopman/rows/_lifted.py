"""Conversion of the user's rows to blocks of lifted rows."""

from functools import partial
from math import inf

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline

from ..lifting import (
    NoLayerError,
    UncountableError,
    are_floats,
    arrays_between_steps,
    as_layer,
    block_lift,
    learns_nothing,
    operations_of,
    products_of_chain,
    split_at_narrowest,
    transformed,
)
from ._device import lifting_there
from ._given import FloatRows, GivenRows, n_numbers
from ._lifted_rows import LiftedRows, row_like
from ._sources import by_rows, is_dask, row_blocks
from ._unlabelled import fit_on_labelled

# Number of multiplications per observable that take longer than reading it. Monomials have one,
# radial functions as many as a row has columns, filters some hundreds.
COSTLY_MULTIPLICATIONS = 16


def fit_lifter(lifter, X, y, is_labelled=None):
    """Return a fitted clone of the lifter, or None if rows are already lifted.

    Parameters
    ----------
    lifter : transformer or None
        The `lifter` parameter of a classifier.
    X : ndarray, dask array, GivenRows or LiftedRows of shape (n_samples, n_features)
        Rows. A dask array fits only lifters that need nothing but its form.
    y : ndarray of shape (n_samples,), or None
    is_labelled : ndarray of bool, shape (n_samples,), default=None
        Mask of the rows with a label. Steps that learn from labels ignore the other rows. None:
        all.

    Returns
    -------
    lifter : transformer or None
    """
    if lifter is None:
        return None
    if isinstance(lifter, type) or not (
        hasattr(lifter, "fit") and hasattr(lifter, "transform")
    ):
        is_function = callable(lifter) and not isinstance(lifter, type)
        raise TypeError(
            f"lifter={lifter!r} is not a transformer: "
            + (
                "wrap a function as sklearn.preprocessing.FunctionTransformer(function)."
                if is_function
                else "pass an instance with fit and transform, for example "
                "MonomialLifter(degree=2) or make_pipeline(PCA(40), MonomialLifter(2))."
            )
        )
    X, y = rows_to_fit(lifter, X, y)
    with arrays_between_steps():
        return fit_on_labelled(clone(lifter), X, y, is_labelled)


def lifted_blocks(lifter, X, *, device=None):
    """Return the rows of X as blocks that are lifted when they are needed.

    The leading steps of a pipeline are applied once, up to the narrowest form of a row (for example
    PCA coordinates). This form is kept, and the later steps are computed block by block.

    Parameters
    ----------
    lifter : fitted transformer or None
    X : ndarray, EnlargedRows, dask array, GivenRows or LiftedRows of shape (n_samples, n_features)
        Rows. For LiftedRows, the steps of a pipeline come before the lifter. For rows that are
        made, the narrowest form is kept too. If this is the rows themselves, they are made anew in
        every pass, unless they are costly to lift: see `stored`.
    device : torch.device, default=None
        Device that lifts and sums the blocks. None: the processor.

    Returns
    -------
    blocks : RowBlocks
    """
    if isinstance(X, LiftedRows):
        steps = X.steps if lifter is None else [*X.steps, lifter]
        return lifted_blocks(make_pipeline(*steps) if steps else None, X.X, device=device)
    if lifter is None:
        return row_blocks(X, device=device)
    with arrays_between_steps():
        row = row_like(X) if is_dask(X) else X[:1]
        # A device gets floats, so other rows are lifted before.
        are_rows = X.ndim == 2 and are_floats(X.dtype)
        width = n_numbers(row) if are_rows or device is None else inf
        head, tail, n_observables = split_at_narrowest(lifter, row, width)
    rows = X if head is None else by_rows(partial(transformed, head), X)
    if device is None:
        lift = block_lift(tail, rows.dtype)
    else:
        lift = _tensor_lift(tail, rows.dtype, device)
    products = None
    if tail is not None and rows.ndim == 2 and are_floats(rows.dtype):
        products = products_of_chain(tail, rows.shape[1])
    return row_blocks(
        rows,
        lift,
        n_observables=n_observables,
        device=device,
        products=products,
        is_costly=_is_costly(tail, n_observables),
    )


def _is_costly(tail, n_observables):
    """Return whether steps take longer to lift a row than it takes to read its observables.

    Steps know their multiplications. Steps of other packages that do not are taken to be costly.
    """
    try:
        multiplications = operations_of(tail).multiplications
    except UncountableError:
        return True
    return multiplications > COSTLY_MULTIPLICATIONS * n_observables


def _tensor_lift(tail, dtype, device):
    """Return the function that lifts tensors, on the device if the steps have torch forms."""
    if tail is None:
        return None
    import torch

    try:
        layer = as_layer(tail)
    except NoLayerError:
        return lifting_there(block_lift(tail, dtype))
    layer.to(device, torch.float32 if dtype == np.float32 else torch.float64)
    return layer.requires_grad_(False)


def rows_to_fit(lifter, X, y, name="lifter"):
    """Return the rows in memory that a lifter is fitted to, and their labels.

    Parameters
    ----------
    lifter : transformer
    X : ndarray, dask array or LiftedRows of shape (n_samples, n_features)
        Rows. For steps that learn nothing, one row in the form of a dask array, or the first of
        lifted rows, is enough.
    y : array-like of shape (n_samples,), or None
    name : str, default="lifter"
        Name for the error message.
    """
    if is_dask(X):
        _check_learns_nothing(lifter, name)
        X = row_like(X)
    elif isinstance(X, LiftedRows):
        X = X[:1] if learns_nothing(lifter) else X[:]
    elif isinstance(X, FloatRows) and learns_nothing(lifter):
        X = X[:1]
    else:
        return X.X if isinstance(X, GivenRows) else X, y
    return X, None if y is None else y[: len(X)]


def _check_learns_nothing(lifter, name):
    """Raise TypeError for a step that would have to learn from a dask array."""
    steps = [step for _, step in lifter.steps] if isinstance(lifter, Pipeline) else [lifter]
    for step in steps:
        if not learns_nothing(step):
            raise TypeError(
                f"{name}={lifter!r}: {type(step).__name__} would have to learn from a dask "
                "array. Fit it first, on a part of the rows, and wrap it: "
                "make_pipeline(FrozenEstimator(pca), MonomialLifter(2)); or transform X with "
                "dask before fit."
            )
