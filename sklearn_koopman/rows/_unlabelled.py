"""Fits of transformers that learn from labels, if some rows have none."""

from inspect import Parameter, signature

import numpy as np
from sklearn.feature_selection import SelectorMixin, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags

from ..lifting import BlockLifter
from ._given import taken

_PLACEHOLDERS = (None, "passthrough", "drop")


def fit_on_labelled(transformer, X, y, is_labelled, **params):
    """Fit a transformer, in place, to rows of which some have no label.

    Transformers that need labels learn from the rows that have one. Others learn from all rows,
    without y. So the marker for "no label" is not a class for any of them. Pipelines and unions are
    unpacked. Transformers with their own `unlabeled_value` see y unchanged.

    Parameters
    ----------
    transformer : transformer
    X : array-like of shape (n_samples, ...)
    y : array-like of shape (n_samples,), or None
    is_labelled : ndarray of bool, shape (n_samples,), or None
        None: all rows have a label.
    **params : dict of str -> object
        Parameters of `fit`. Parameters with an entry for each row are selected like the rows.

    Returns
    -------
    transformer : transformer
        The same transformer, fitted.

    Raises
    ------
    ValueError
        If a transformer learns from labels, but no row has one.
    """
    if y is None or is_labelled is None or is_labelled.all():
        return transformer.fit(X, y, **params)
    if isinstance(transformer, Pipeline) and not params:
        *before, (_, last) = transformer.steps
        for _, step in before:
            X = fit_transform_on_labelled(step, X, y, is_labelled)
        if last not in _PLACEHOLDERS:
            fit_on_labelled(last, X, y, is_labelled)
        return transformer
    if isinstance(transformer, FeatureUnion) and not params:
        for _, part in transformer.transformer_list:
            if part not in _PLACEHOLDERS:
                fit_on_labelled(part, X, y, is_labelled)
        return transformer
    if getattr(transformer, "unlabeled_value", None) is not None:
        return transformer.fit(X, y, **params)
    if not learns_from_labels(transformer):
        return transformer.fit(X, None, **params)
    if not is_labelled.any():
        raise ValueError(f"{transformer!r} learns from labels, but no row has one.")
    y = np.asarray(y)
    known = np.asarray(y[is_labelled].tolist()) if y.dtype == object else y[is_labelled]
    params = {
        name: taken(value, is_labelled) if np.shape(value)[:1] == y.shape else value
        for name, value in params.items()
    }
    return transformer.fit(taken(X, is_labelled), known, **params)


def fit_transform_on_labelled(transformer, X, y, is_labelled, **params):
    """Fit a transformer as `fit_on_labelled` does, and return its output for all rows."""
    if transformer in _PLACEHOLDERS:
        return X
    return fit_on_labelled(transformer, X, y, is_labelled, **params).transform(X)


def learns_from_labels(transformer):
    """Return whether a transformer, or a part of it, needs labels to be fitted.

    This is so for transformers with that tag, for those without a default for y, and for selectors
    of features, which do not have the tag.
    """
    if isinstance(transformer, FrozenEstimator):
        return False
    if _says_so(transformer):
        return True
    if isinstance(transformer, BlockLifter):
        return False
    if isinstance(transformer, SelectorMixin):
        return not isinstance(transformer, VarianceThreshold)
    return any(map(learns_from_labels, _inside(transformer)))


def _says_so(transformer):
    try:
        y = signature(transformer.fit).parameters.get("y")
        if y is not None and y.default is Parameter.empty:
            return True
        return get_tags(transformer).target_tags.required
    except (
        AttributeError,
        TypeError,
        ValueError,
    ):  # it does not inherit from scikit-learn's classes
        return False


def _inside(transformer):
    """Return the estimators among the parameters of a transformer, also in lists."""
    if not hasattr(transformer, "get_params"):
        return []
    parts: list = []
    for value in transformer.get_params(deep=False).values():
        for entry in value if isinstance(value, list) else [value]:
            parts += entry if isinstance(entry, tuple) else [entry]
    return [part for part in parts if hasattr(part, "fit") and not isinstance(part, type)]
