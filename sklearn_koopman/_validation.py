"""Checks of constructor parameters, worded as scikit-learn words them.

Each ``check_*`` function reads one parameter of an estimator, returns it when it is valid
and raises :class:`InvalidParameterError` otherwise.
"""

from math import inf, isfinite
from numbers import Integral, Real

import numpy as np


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
    """Tell whether a value is an integer, of Python or of numpy, but not a bool.

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
    with_low = inclusive in ("both", "left") and isfinite(low)
    with_high = inclusive in ("both", "right") and isfinite(high)
    if not isinstance(value, bool) and isinstance(value, Real):  # nan fails both below
        above = value >= low if with_low else value > low
        below = value <= high if with_high else value < high
        if above and below:
            return float(value)
    if optional and value is None:
        return None
    interval = f"{'[' if with_low else '('}{low}, {high}{']' if with_high else ')'}"
    expected = f"a float in the range {interval}"
    raise invalid_parameter(estimator, name, _or_none(expected, optional))


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


def _or_none(expected, optional):
    return f"{expected} or None" if optional else expected
