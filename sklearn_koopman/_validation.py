"""Checks of constructor parameters, in the words of scikit-learn.

Each ``check_*`` function reads one parameter of an estimator, returns it when it is valid
and raises :class:`InvalidParameterError` otherwise.
"""

from math import inf, isfinite
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array, check_random_state as sklearn_check_random_state

# Dtypes of rows that are kept. All others become the first one.
DTYPES = [np.float64, np.float32]


def flat_rows(X):
    """Return rows as a checked array of floats. Images are flattened.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    """
    X = check_array(X, dtype=DTYPES, allow_nd=True, input_name="X")
    return X.reshape(len(X), -1)


class InvalidParameterError(ValueError, TypeError):
    """A parameter of an estimator has a wrong type or a wrong value."""


def invalid_parameter(estimator, name, expected):
    """Build the error that says what a parameter must be and what it is.

    Parameters
    ----------
    estimator : estimator instance
        The estimator that has the parameter.

    name : str
        Name of the parameter.

    expected : str
        What the parameter must be, for example ``"a bool"``.

    Returns
    -------
    error : InvalidParameterError
        The exception, for the caller to raise.
    """
    return InvalidParameterError(
        f"The {name!r} parameter of {type(estimator).__name__} must be {expected}. "
        f"Got {getattr(estimator, name)!r} instead."
    )


def is_integer(value):
    """Return whether a value is an integer of Python or numpy, but not a bool.

    Parameters
    ----------
    value : object
        Any value.

    Returns
    -------
    answer : bool
        True for integers; False for everything else, booleans and floats included.
    """
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_integer(estimator, name, *, minimum, optional=False):
    """Check that a parameter is an integer that is large enough.

    Parameters
    ----------
    estimator : estimator instance
        The estimator that has the parameter.

    name : str
        Name of the parameter.

    minimum : int
        Smallest valid value.

    optional : bool, default=False
        Whether None is valid too.

    Returns
    -------
    value : int or None
        The value of the parameter.
    """
    value = getattr(estimator, name)
    if is_integer(value) and value >= minimum:
        return int(value)
    if optional and value is None:
        return None
    expected = f"an int in the range [{minimum}, inf)"
    raise invalid_parameter(estimator, name, _or_none(expected, optional))


def check_real(estimator, name, *, low=-inf, high=inf, inclusive="both", optional=False):
    """Check that a parameter is a finite real number within an interval.

    Parameters
    ----------
    estimator : estimator instance
        The estimator that has the parameter.

    name : str
        Name of the parameter.

    low, high : float, default=-inf, inf
        Ends of the interval.

    inclusive : {"both", "left", "right", "neither"}, default="both"
        Which of the two ends are valid values themselves. An infinite end never is.

    optional : bool, default=False
        Whether None is valid too.

    Returns
    -------
    value : float or None
        The value of the parameter.
    """
    value = getattr(estimator, name)
    if _is_within(value, low, high, inclusive):
        return float(value)
    if optional and value is None:
        return None
    expected = f"a float in the range {_interval(low, high, inclusive)}"
    raise invalid_parameter(estimator, name, _or_none(expected, optional))


def check_reals(estimator, name, *, low=-inf, high=inf, inclusive="both"):
    """Check that a parameter is a list of finite real numbers within an interval.

    Parameters
    ----------
    estimator : estimator instance
        The estimator that has the parameter.

    name : str
        Name of the parameter.

    low, high, inclusive
        As for :func:`check_real`, for all numbers.

    Returns
    -------
    values : list of float
        The numbers without repetitions, in their order.
    """
    values = getattr(estimator, name)
    is_list = isinstance(values, list | tuple | np.ndarray) and len(values) > 0
    if is_list and all(_is_within(value, low, high, inclusive) for value in values):
        return list(dict.fromkeys(map(float, values)))
    interval = _interval(low, high, inclusive)
    raise invalid_parameter(
        estimator, name, f"a non-empty list of floats in the range {interval}"
    )


def check_random_state(random_state):
    """Return the generator of random numbers for a `random_state`.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        The `random_state` of the user.

    Returns
    -------
    generator : numpy.random.RandomState
    """
    try:
        return sklearn_check_random_state(random_state)
    except (ValueError, TypeError) as error:
        raise InvalidParameterError(
            f"random_state={random_state!r}: must be an int in the range [0, 2**32 - 1], a "
            "numpy.random.RandomState instance or None."
        ) from error


def check_choice(estimator, name, choices, *, optional=False):
    """Check that a parameter is one of a few strings.

    Parameters
    ----------
    estimator : estimator instance
        The estimator that has the parameter.

    name : str
        Name of the parameter.

    choices : sequence of str
        The valid values.

    optional : bool, default=False
        Whether None is valid too.

    Returns
    -------
    value : str or None
        The value of the parameter.
    """
    value = getattr(estimator, name)
    if isinstance(value, str) and value in choices:
        return str(value)
    if optional and value is None:
        return None
    expected = f"a str among {{{', '.join(map(repr, choices))}}}"
    raise invalid_parameter(estimator, name, _or_none(expected, optional))


def check_boolean(estimator, name):
    """Check that a parameter is a bool, of Python or of numpy.

    Parameters
    ----------
    estimator : estimator instance
        The estimator that has the parameter.

    name : str
        Name of the parameter.

    Returns
    -------
    value : bool
        The value of the parameter.
    """
    value = getattr(estimator, name)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise invalid_parameter(estimator, name, "a bool")


def check_verbose(estimator):
    """Check that `verbose` is an integer or a bool.

    Parameters
    ----------
    estimator : estimator instance
        The estimator that has the parameter.

    Returns
    -------
    value : int or bool
        The value of the parameter.
    """
    if isinstance(estimator.verbose, Integral | np.bool_):
        return estimator.verbose
    raise invalid_parameter(estimator, "verbose", "an int or a bool")


def _ends(low, high, inclusive):
    """Return whether the ends of an interval belong to it. An infinite end never does."""
    return (
        inclusive in ("both", "left") and isfinite(low),
        inclusive in ("both", "right") and isfinite(high),
    )


def _is_within(value, low, high, inclusive):
    """Return whether a value is a real number within an interval. NaN never is."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    with_low, with_high = _ends(low, high, inclusive)
    above = value >= low if with_low else value > low
    below = value <= high if with_high else value < high
    return bool(above and below)


def _interval(low, high, inclusive):
    """Return an interval in mathematical notation."""
    with_low, with_high = _ends(low, high, inclusive)
    return f"{'[' if with_low else '('}{low}, {high}{']' if with_high else ')'}"


def _or_none(expected, optional):
    return f"{expected} or None" if optional else expected


def check_is_table(X, name):
    """Raise an error if rows are a model or a single row.

    Parameters
    ----------
    X : object
    name : str
        Name of the argument.
    """
    if hasattr(X, "predict"):
        raise TypeError(
            f"{name} is a model, {type(X).__name__}: pass rows there, after the student."
        )
    if getattr(X, "ndim", 2) == 1:
        row = "X.iloc[[i]]" if hasattr(X, "iloc") else "X[[i]]"
        raise ValueError(
            f"{name} has one dimension, and rows have two. A single row as a table is {row}."
        )
