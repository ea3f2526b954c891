"""Chains of fitted steps: their parts, their products, and their split where rows are narrowest."""

from copy import copy
from functools import partial
from math import inf

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.utils import get_tags

from .._finite import all_finite
from ._base import BlockLifter
from ._columns import ColumnParts
from ._forms._protocols import SupportsOnnx, SupportsProducts, SupportsTorch
from ._products import of_columns, united, variables_alone

# Transformers of scikit-learn that lift every row separately, and whose fit_transform is the same
# as fit and then transform.
_OTHER_LIFTERS = (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    PolynomialFeatures,
    RBFSampler,
    SkewedChi2Sampler,
    SplineTransformer,
)
# Transformers that may come before a lifter within a step.
_ROW_BY_ROW = (
    IncrementalPCA,
    MaxAbsScaler,
    MinMaxScaler,
    PCA,
    RobustScaler,
    SelectorMixin,
    StandardScaler,
    TruncatedSVD,
)
_LEARN_NOTHING = (PolynomialFeatures, FrozenEstimator)
# Forms that only transformers that lift every row separately can have.
_FORMS = (SupportsOnnx, SupportsProducts, SupportsTorch)


def can_lift_later(step):
    """Return whether a step may be fitted now, and lift the rows when they are read.

    This holds for the lifters of this package and of scikit-learn, for transformers with a form as
    a layer, a graph or products, and for unions and pipelines of them. Any other transformer may
    use all rows when it transforms, so it gets all of them.

    Parameters
    ----------
    step : transformer
    """
    if isinstance(step, FrozenEstimator):
        return can_lift_later(step.estimator)
    if isinstance(step, FeatureUnion):
        return all(
            part in ("drop", "passthrough") or can_lift_later(part)
            for _, part in step.transformer_list
        )
    if isinstance(step, Pipeline):
        *before, last = [part for _, part in step.steps if not _does_nothing(part)] or [None]
        return can_lift_later(last) and all(
            isinstance(part, _ROW_BY_ROW) or can_lift_later(part) for part in before
        )
    return isinstance(step, (BlockLifter, *_OTHER_LIFTERS, *_FORMS))


def takes_floats_alone(lifter):
    """Return whether the first step takes only floats in two dimensions.

    This is so for a dictionary of this package, for a union of them, and for None.

    Parameters
    ----------
    lifter : transformer or None
    """
    first = next(iter(steps_of(lifter)), None)
    if isinstance(first, FeatureUnion):
        kept = [part for _, part in first.transformer_list if part != "drop"]
        return all(map(takes_floats_alone, kept))
    return first is None or isinstance(first, BlockLifter)


def learns_nothing(step):
    """Return whether a step can be fitted to the form of the rows, without the rows."""
    if isinstance(step, Pipeline):
        return all(learns_nothing(part) for _, part in step.steps)
    if isinstance(step, FeatureUnion):
        return all(part == "drop" or learns_nothing(part) for _, part in step.transformer_list)
    return (
        _does_nothing(step)
        or isinstance(step, _LEARN_NOTHING)
        or (isinstance(step, BlockLifter) and not step._learns_from_rows)
        or not get_tags(step).requires_fit
    )


def products_of_chain(lifter, n_features):
    """Return the observables as `PairProducts` of the features, or None if they are not such."""
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
    """Return the `PairProducts` of a single step, or None if it has none."""
    if isinstance(step, FeatureUnion) and not step.transformer_weights:
        kept = [part for _, part in step.transformer_list if part != "drop"]
        parts = [products_of_chain(part, n_features) for part in kept]
        return None if None in parts else united(parts, n_features)
    return step.pair_products() if isinstance(step, SupportsProducts) else None


def _only_block_lifter(tail, dtype):
    """Return the only step of a tail if it can lift such rows without validation, or None."""
    steps = steps_of(tail)
    is_only = len(steps) == 1 and isinstance(steps[0], BlockLifter)
    return steps[0] if is_only and are_floats(dtype) else None


def are_floats(dtype):
    """Whether lifters take rows of this dtype without conversion."""
    return dtype in (np.float32, np.float64)


def steps_of(lifter):
    """Return the steps of a lifter that do something, with pipelines unpacked.

    Frozen steps are taken out of their wrappers.
    """
    if isinstance(lifter, FrozenEstimator):
        return steps_of(lifter.estimator)
    if isinstance(lifter, Pipeline):
        return [part for _, step in lifter.steps for part in steps_of(step)]
    return [] if _does_nothing(lifter) else [lifter]


def taking_arrays(step):
    """Return a step that takes arrays without a warning, even if it was fitted to a data frame.

    The caller must check the names of the columns before the rows become an array.

    Parameters
    ----------
    step : fitted transformer
        Step whose first part that does something is a dictionary of this package.

    Returns
    -------
    step : fitted transformer
        The same step, or a shallow copy without names; for a ColumnTransformer, its parts.
    """
    if isinstance(step, FrozenEstimator):
        return FrozenEstimator(taking_arrays(step.estimator))
    if isinstance(step, Pipeline):
        return make_pipeline(*map(taking_arrays, steps_of(step)))
    if isinstance(step, ColumnTransformer):
        found = ColumnParts.of(step)
        found.parts = [(at, taking_arrays(part), weight) for at, part, weight in found.parts]
        return found
    if not hasattr(step, "feature_names_in_"):
        return step
    nameless = copy(step)
    del nameless.feature_names_in_
    return nameless


def _does_nothing(step):
    """Whether a step is None, or the transformer that unions put in place of "passthrough"."""
    is_identity = isinstance(step, FunctionTransformer) and step.func is None
    return is_identity or step is None or step == "passthrough"


def block_lift(tail, dtype):
    """Return the function that lifts blocks of such rows, or None if no step is left."""
    if tail is None:
        return None
    step = _only_block_lifter(tail, dtype)
    # Thousands of blocks need not be validated separately.
    return partial(transformed, tail) if step is None else step._lift


def transformed(steps, X):
    """Apply steps to rows, and return an array of finite numbers."""
    lifted = X
    with arrays_between_steps():
        # One by one: a pipeline would check whether each step is fitted, and steps of other
        # packages that learn nothing often fail this check. All steps are fitted here.
        for step in steps_of(steps):
            lifted = step.transform(lifted)
        lifted = _as_rows(lifted, X, steps)
    # Steps of other packages may pass on NaN; dictionaries have checked their input.
    last = next(reversed(steps_of(steps)), None)
    if not (isinstance(last, BlockLifter) or all_finite(lifted)):
        raise ValueError(
            f"lifter {steps!r} made NaN or infinity from rows of X. Put a step before it that "
            "fills in missing values, such as SimpleImputer, or scale X."
        )
    return lifted


def arrays_between_steps():
    """Context without data frames as outputs, even if a user has set them globally.

    Blocks are arrays, and steps fitted on data frames would warn of missing names.
    """
    return config_context(transform_output="default")


def split_at_narrowest(lifter, row, width=None):
    """Return the steps before and after the narrowest form of a row, and its final width.

    Parameters
    ----------
    lifter : fitted transformer
    row : array-like of shape (1, ...)
        A row in the form that enters the lifter.
    width : float, default=None
        Width of this row. None takes its number of columns. With infinity, there is no split before
        the first step.
    """
    steps = steps_of(lifter)
    first, widths = row, [row.shape[1] if width is None else width]
    for step in steps:
        row = step.transform(row)  # in the form that the next step gets
        shape = np.shape(row)
        if len(shape) == 0 or shape[0] != 1:
            raise _not_rows(lifter, row, first)
        widths.append(shape[1] if len(shape) == 2 else inf)
    if widths[-1] == inf:
        raise _not_rows(lifter, row, first)
    narrowest = int(np.argmin(widths))
    if narrowest > 0:  # the split may be as late as possible, if rows stay equally narrow
        narrowest = max(i for i, width in enumerate(widths) if width == widths[narrowest])
    head = make_pipeline(*steps[:narrowest]) if narrowest > 0 else None
    tail = make_pipeline(*steps[narrowest:]) if narrowest < len(steps) else None
    return head, tail, widths[-1]


def _as_rows(lifted, X, lifter):
    """Return the output of a transformer as an array, also if it is a DataFrame."""
    lifted = lifted.toarray() if issparse(lifted) else np.asarray(lifted)
    if lifted.ndim != 2 or len(lifted) != X.shape[0]:
        raise _not_rows(lifter, lifted, X)
    return lifted


def _not_rows(lifter, lifted, X):
    return ValueError(
        f"lifter {lifter!r} made an array of shape {np.shape(lifted)} from one of shape "
        f"{tuple(X.shape)}: it must make one row of observables from each row, in an array of two "
        "dimensions."
    )
