"""Sample weights for any classifier that is a teacher."""

from copy import deepcopy

import numpy as np
from sklearn import config_context
from sklearn.metrics import get_scorer
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRouter, get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from .._warnings import warn_user
from ._skorch import is_skorch


def fit_weighted(estimator, X, y, sample_weight):
    """Fit an estimator to weighted rows, or warn that it takes no weights.

    scikit-learn's metadata routing hands the weights on inside of pipelines, searches and other
    meta-estimators: every part that can take them gets them, unless it was told not to. The scores
    by which a search chooses are not weighted.

    Parameters
    ----------
    estimator : estimator
        Estimator that is fitted in place. Parts without a request of their own request weights
        afterwards.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,), or None

    Returns
    -------
    estimator : estimator
        The same estimator, fitted.
    """
    if sample_weight is None:
        return estimator.fit(X, y)
    if len(_parts(estimator)) > 1:
        with config_context(enable_metadata_routing=True):
            try:
                reached = _lets_weights_through(estimator)
            except NotImplementedError:  # a meta-estimator that does not route
                reached = False
            if reached:
                return estimator.fit(X, y, sample_weight=sample_weight)
    if takes_weights(estimator):
        with config_context(
            enable_metadata_routing=False
        ):  # some estimators cannot take weights with routing
            return estimator.fit(X, y, sample_weight=sample_weight)
    if len(np.unique(sample_weight)) > 1:
        warn_user(
            f"The teacher {type(estimator).__name__} takes no sample_weight, so it is fitted as if "
            "all rows had the same weight, and the student learns from its outputs. Fit the "
            "teacher yourself and wrap it in sklearn.frozen.FrozenEstimator, or use a teacher "
            "whose fit has a parameter sample_weight."
        )
    return estimator.fit(X, y)


def takes_weights(estimator):
    """Return whether the `fit` of an estimator takes sample weights, which skorch's does not."""
    return has_fit_parameter(estimator, "sample_weight") and not is_skorch(estimator)


def _lets_weights_through(estimator):
    """Let all parts of an estimator request weights. Return whether the classifier gets them."""
    for part in _parts(estimator):
        if takes_weights(part):
            _request(part, "fit", True)
        _request(part, "score", False)
        if hasattr(part, "scoring") and isinstance(
            get_routing_for_object(part), MetadataRouter
        ):
            # None would be the score of the inner estimator, which may need weights and not get
            # them.
            part.scoring = _unweighted("accuracy" if part.scoring is None else part.scoring)
    return _consumes(estimator)


def _unweighted(scoring):
    """Return the scoring of a search as scorers that request no weights."""
    if isinstance(scoring, dict):
        return {name: _unweighted(scorer) for name, scorer in scoring.items()}
    if isinstance(scoring, list | tuple | set):
        return {name: _unweighted(name) for name in scoring}
    if isinstance(scoring, str):
        scoring = get_scorer(scoring)
    if hasattr(scoring, "set_score_request"):
        scoring = deepcopy(scoring)
        _request(scoring, "score", False)
    return scoring


def _parts(estimator):
    """Return an estimator, the estimators among its parameters, among theirs, and so on."""
    inside = estimator.get_params(deep=True).values()
    return [estimator, *(part for part in inside if hasattr(part, "get_params"))]


def _request(part, method, wish):
    """Let a part request weights for a method, or not, if it has no request of its own."""
    setter = getattr(part, f"set_{method}_request", None)
    own = getattr(
        get_routing_for_object(part), method, None
    )  # a router has no request of its own
    if setter and own and own.requests.get("sample_weight") is None:
        setter(sample_weight=wish)


def _consumes(estimator):
    """Return whether weights reach the classifier, which is the last step in a pipeline."""
    if isinstance(estimator, Pipeline):
        return _consumes(estimator.steps[-1][1])
    if takes_weights(estimator):
        requests = get_routing_for_object(estimator).consumes("fit", ["sample_weight"])
        return "sample_weight" in requests
    inner = getattr(estimator, "estimator", None)
    if inner is not None and not _consumes(inner):
        return False
    return bool(get_routing_for_object(estimator).consumes("fit", ["sample_weight"]))
