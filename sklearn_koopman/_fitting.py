"""A failed fit does not change the estimator, and a successful one replaces the last fit."""

from contextlib import contextmanager, nullcontext
from numbers import Integral

import numpy as np

from ._finite import check_finite_attributes, explaining_linear_algebra
from ._progress import showing_progress

# These are set when X is validated, at the start of a fit.
_OF_X = {"n_features_in_", "feature_names_in_"}


@contextmanager
def keeping_what_was_fitted(estimator):
    """Restore an estimator if a new fit fails within the context.

    The context also shows as much progress as the estimator's `verbose` asks for, if it has one.

    Parameters
    ----------
    estimator : estimator instance
    """
    before = estimator.__dict__.copy()
    try:
        with (
            explaining_linear_algebra(f"Fitting {type(estimator).__name__}"),
            _showing_what_is_asked_for(estimator),
        ):
            yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise


def _showing_what_is_asked_for(estimator):
    verbose = getattr(estimator, "verbose", None)
    # For anything else, `check_verbose` soon raises an error, or it is not a parameter of this
    # package.
    is_known = isinstance(verbose, Integral | np.bool_)
    return showing_progress(verbose) if is_known else nullcontext()


def store_fitted(estimator, fitted):
    """Set the fitted attributes of an estimator, and remove those of an earlier fit.

    Parameters
    ----------
    estimator : estimator instance
    fitted : dict of str -> object
        All results of the fit, by the names of the attributes.

    Raises
    ------
    ValueError
        If a number is not finite. Then nothing is set.
    """
    check_finite_attributes(estimator, fitted)
    for name in set(vars(estimator)) - _OF_X:
        # Private attributes that `partial_fit` keeps between calls start with "_stream".
        if name.endswith("_") or name.startswith("_stream"):
            delattr(estimator, name)
    for name, value in fitted.items():
        setattr(estimator, name, value)
