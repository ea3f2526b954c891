"""A fit that fails leaves the estimator as it was; one that does not leaves nothing of the last."""

from contextlib import contextmanager, nullcontext
from numbers import Integral

import numpy as np

from ._finite import check_finite_attributes, explaining_linear_algebra
from ._progress import showing_progress

# Set where X is validated, at the start of a fit.
_OF_X = {"n_features_in_", "feature_names_in_"}


@contextmanager
def keeping_what_was_fitted(estimator):
    """Leave an estimator as it was when fitting it anew, within the context, fails.

    The context shows as much of the progress as the `verbose` of the estimator asks for, if it has
    one.

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
    # Anything else is an error that `check_verbose` raises soon, or no parameter of this package.
    is_known = isinstance(verbose, Integral | np.bool_)
    return showing_progress(verbose) if is_known else nullcontext()


def store_fitted(estimator, fitted):
    """Set the fitted attributes of an estimator, in place of those of an earlier fit.

    Parameters
    ----------
    estimator : estimator instance
    fitted : dict of str -> object
        All that the fit has found, by the names of the attributes.

    Raises
    ------
    ValueError
        If there is a number that is not finite; nothing is set then.
    """
    check_finite_attributes(estimator, fitted)
    for name in set(vars(estimator)) - _OF_X:
        # What `partial_fit` keeps from call to call and nobody is to see starts with "_stream".
        if name.endswith("_") or name.startswith("_stream"):
            delattr(estimator, name)
    for name, value in fitted.items():
        setattr(estimator, name, value)
