"""From rows as the user gives them to blocks of lifted rows."""

from functools import partial

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures
from sklearn.utils import get_tags

from ..lifting import DelayLifter, MonomialLifter
from ..lifting._base import BlockLifter
from ..lifting._products import of_columns, united, variables_alone
from ..solvers import by_rows, is_dask, lifting_there, row_blocks


def fit_lifter(lifter, X, y):
    """Return a fitted clone of the lifter, or None where rows come lifted already.

    Parameters
    ----------
    lifter : transformer or None
        The `lifter` parameter of a classifier.
    X : ndarray or dask array of shape (n_samples, n_features)
        A dask array fits lifters that need nothing of it but its form.
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
        is_function = callable(lifter) and not isinstance(lifter, type)
        raise TypeError(
            f"lifter={lifter!r} is no transformer: "
            + (
                "wrap a function as sklearn.preprocessing.FunctionTransformer(function)."
                if is_function
                else "pass an instance with fit and transform, for example "
                "MonomialLifter(degree=2) or make_pipeline(PCA(40), MonomialLifter(2))."
            )
        )
    if is_dask(X):
        _check_learns_nothing(lifter)
        X, y = _row_like(X), y[:1]
    with _arrays_between_steps():
        return clone(lifter).fit(X, y)


def lifted_blocks(lifter, X, *, device=None):
    """Return the rows of X as blocks that are lifted when they are needed.

    The leading steps of a pipeline are applied once, up to where a row is narrowest (PCA
    coordinates, say): that much is held, all behind it is computed block by block.

    Parameters
    ----------
    lifter : fitted transformer or None
    X : ndarray, EnlargedRows or dask array of shape (n_samples, n_features)
        Of rows that are made, the narrowest form is held too; where that is the rows as they
        are, they are made anew in every pass.
    device : torch.device, default=None
        Where to lift and to sum the blocks; None: here.

    Returns
    -------
    blocks : RowBlocks
    """
    if lifter is None:
        return row_blocks(X, device=device)
    with _arrays_between_steps():
        row = _row_like(X) if is_dask(X) else X[:1]
        head, tail, n_observables = _split_at_narrowest(lifter, row)
    rows = X if head is None else by_rows(partial(_transform, head), X)
    if device is None:
        lift = _block_lift(tail, rows.dtype)
    else:
        lift = _tensor_lift(tail, rows.dtype, device)
    products = None
    if tail is not None and _are_floats(rows.dtype):
        products = _products_of(tail, rows.shape[1])
    return row_blocks(rows, lift, n_observables=n_observables, device=device, products=products)


def _products_of(lifter, n_features):
    """Return the observables as `PairProducts` of the features, None if they are no products."""
    steps = steps_of(lifter)
    columns = np.arange(n_features)
    while steps and isinstance(steps[0], SelectorMixin):
        columns = columns[steps.pop(0).get_support()]
    if not steps:
        products = variables_alone(len(columns))
    elif len(steps) == 1:
        products = _products_of_step(steps[0], len(columns))
    else:
        return None
    if products is None or len(columns) == n_features:
        return products
    return of_columns(products, columns, n_features)


def _products_of_step(step, n_features):
    """Return the `PairProducts` of a single step, None for one without."""
    if isinstance(step, FeatureUnion) and not step.transformer_weights:
        kept = [part for _, part in step.transformer_list if part != "drop"]
        parts = [_products_of(part, n_features) for part in kept]
        return None if None in parts else united(parts, n_features)
    return step._pair_products() if hasattr(step, "_pair_products") else None


def _only_block_lifter(tail, dtype):
    """Return the step that is all of a tail and lifts such rows as they are, None for others."""
    steps = steps_of(tail)
    is_only = len(steps) == 1 and isinstance(steps[0], BlockLifter)
    return steps[0] if is_only and _are_floats(dtype) else None


def _are_floats(dtype):
    """Whether lifters take such rows as they are."""
    return dtype in (np.float32, np.float64)


def steps_of(lifter):
    """Return the steps of a lifter that do something, those of pipelines in it one by one.

    What is frozen is taken out of its wrapper.
    """
    if isinstance(lifter, FrozenEstimator):
        return steps_of(lifter.estimator)
    if isinstance(lifter, Pipeline):
        return [part for _, step in lifter.steps for part in steps_of(step)]
    return [] if _does_nothing(lifter) else [lifter]


def _does_nothing(step):
    """Whether a step is none, or what unions make of "passthrough"."""
    is_identity = isinstance(step, FunctionTransformer) and step.func is None
    return is_identity or step is None or step == "passthrough"


def _block_lift(tail, dtype):
    """Return the function that lifts blocks of such rows, None where no step is left."""
    if tail is None:
        return None
    step = _only_block_lifter(tail, dtype)
    # Thousands of blocks need not be validated one by one.
    return partial(_transform, tail) if step is None else step._lift


def _tensor_lift(tail, dtype, device):
    """Return the function that lifts tensors, there if torch knows the steps, else here."""
    if tail is None:
        return None
    import torch

    from ..lifting._torch import as_layer

    try:
        layer = as_layer(tail)
    except TypeError:
        return lifting_there(_block_lift(tail, dtype))
    layer.to(device, torch.float32 if dtype == np.float32 else torch.float64)
    return layer.requires_grad_(False)


def _transform(steps, X):
    with _arrays_between_steps():
        return _as_rows(steps.transform(X), X, steps)


def _row_like(X):
    """Return a row of zeros in the form of a dask array's."""
    return np.zeros((1, X.shape[1]), X.dtype)


def _check_learns_nothing(lifter):
    """Raise TypeError for a lifter that would have to learn from the rows of a dask array."""
    steps = [step for _, step in lifter.steps] if isinstance(lifter, Pipeline) else [lifter]
    for step in steps:
        if not (
            step is None
            or step == "passthrough"
            or isinstance(
                step, MonomialLifter | DelayLifter | PolynomialFeatures | FrozenEstimator
            )
            or not get_tags(step).requires_fit
        ):
            raise TypeError(
                f"lifter={lifter!r}: {type(step).__name__} would have to learn from a dask "
                "array. Fit it first, on a part of the rows, and wrap it: "
                "make_pipeline(FrozenEstimator(pca), MonomialLifter(2)); or transform X with "
                "dask before fit."
            )


def _arrays_between_steps():
    """Keep data frames, which a user may have set globally, out of a lifter.

    Blocks are arrays, and steps fitted on data frames would warn of missing names.
    """
    return config_context(transform_output="default")


def _split_at_narrowest(lifter, row):
    """Return the steps before and behind the narrowest form of a row, and its final width."""
    steps = steps_of(lifter)
    widths = [row.shape[1]]
    for step in steps:
        row = _as_rows(step.transform(row), row, step)
        widths.append(row.shape[1])
    narrowest = int(np.argmin(widths))
    if narrowest > 0:  # what is held anyway may be what later steps make of it
        narrowest = max(i for i, width in enumerate(widths) if width == widths[narrowest])
    head = make_pipeline(*steps[:narrowest]) if narrowest > 0 else None
    tail = make_pipeline(*steps[narrowest:]) if narrowest < len(steps) else None
    return head, tail, widths[-1]


def _as_rows(lifted, X, lifter):
    """Return what a transformer made of rows as an array, also where it gave a DataFrame."""
    lifted = lifted.toarray() if issparse(lifted) else np.asarray(lifted)
    if lifted.ndim != 2 or len(lifted) != len(X):
        raise ValueError(
            f"lifter {lifter!r} made an array of shape {lifted.shape} of one of shape {X.shape}: "
            "it must make one row of observables of each row, and an array of two dimensions."
        )
    return lifted
