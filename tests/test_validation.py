"""Checks of parameters.

These tests use a private module. All estimators share these checks; their own tests only say which
limits they use.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_koopman._validation import (
    InvalidParameterError,
    check_boolean,
    check_choice,
    check_integer,
    check_real,
    check_reals,
)


class Model(SimpleNamespace):
    """Stands for an estimator."""


@pytest.mark.parametrize("value", [1, 7, np.int32(3), np.uint8(1)])
def test_integers_are_accepted(value):
    checked = check_integer(Model(rank=value), "rank", minimum=1)
    assert checked == value
    assert type(checked) is int


@pytest.mark.parametrize(
    "value", [0, -1, 1.0, np.float64(2), True, np.True_, "1", None, [1], np.array([1, 2])]
)
def test_other_than_large_enough_integers_are_refused(value):
    with pytest.raises(InvalidParameterError, match="'rank' parameter of Model must be an int"):
        check_integer(Model(rank=value), "rank", minimum=1)


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.25), np.int64(1)])
def test_reals_are_accepted(value):
    checked = check_real(Model(weight=value), "weight", low=0, high=1)
    assert checked == value
    assert type(checked) is float


@pytest.mark.parametrize(
    "value", [-0.1, 1.1, np.nan, np.inf, True, np.True_, "1", None, [1.0], 1j]
)
def test_other_than_reals_in_the_interval_are_refused(value):
    with pytest.raises(
        InvalidParameterError, match="'weight' parameter of Model must be a float"
    ):
        check_real(Model(weight=value), "weight", low=0, high=1)


@pytest.mark.parametrize(
    ("inclusive", "low_is_valid", "high_is_valid", "interval"),
    [
        ("both", True, True, "[0, 1]"),
        ("left", True, False, "[0, 1)"),
        ("right", False, True, "(0, 1]"),
        ("neither", False, False, "(0, 1)"),
    ],
)
def test_ends_of_the_interval(inclusive, low_is_valid, high_is_valid, interval):
    bounds = {"low": 0, "high": 1, "inclusive": inclusive}
    for value, is_valid in [(0, low_is_valid), (1, high_is_valid)]:
        model = Model(weight=value)
        if is_valid:
            assert check_real(model, "weight", **bounds) == value
        else:
            with pytest.raises(InvalidParameterError) as error:
                check_real(model, "weight", **bounds)
            assert f"range {interval}." in str(error.value)


def test_an_infinite_end_is_open():
    assert check_real(Model(ridge=1e300), "ridge", low=0) == 1e300
    with pytest.raises(InvalidParameterError, match=r"range \[0, inf\)\. Got inf"):
        check_real(Model(ridge=np.inf), "ridge", low=0)


@pytest.mark.parametrize("value", ["C", np.str_("F")])
def test_choices_are_accepted(value):
    assert check_choice(Model(order=value), "order", ("C", "F")) == value


@pytest.mark.parametrize("value", ["c", "A", "", None, 1, ["C"], np.array(["C", "F"])])
def test_other_than_the_choices_are_refused(value):
    with pytest.raises(InvalidParameterError, match=r"a str among \{'C', 'F'\}"):
        check_choice(Model(order=value), "order", ("C", "F"))


@pytest.mark.parametrize("value", [True, False, np.True_])
def test_booleans_are_accepted(value):
    assert check_boolean(Model(include_bias=value), "include_bias") == value


@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_other_than_booleans_are_refused(value):
    with pytest.raises(InvalidParameterError, match="must be a bool"):
        check_boolean(Model(include_bias=value), "include_bias")


@pytest.mark.parametrize(
    "check",
    [
        lambda model: check_integer(model, "value", minimum=1, optional=True),
        lambda model: check_real(model, "value", low=0, optional=True),
        lambda model: check_choice(model, "value", ("a", "b"), optional=True),
    ],
)
def test_none_where_it_is_optional(check):
    assert check(Model(value=None)) is None
    with pytest.raises(InvalidParameterError, match=r"or None\. Got -1 instead"):
        check(Model(value=-1))


def test_the_message_and_the_types_are_those_of_scikit_learn():
    with pytest.raises(ValueError) as error:
        check_integer(Model(degree=0), "degree", minimum=1)
    assert isinstance(error.value, TypeError)
    assert str(error.value) == (
        "The 'degree' parameter of Model must be an int in the range [1, inf). Got 0 instead."
    )


@pytest.mark.parametrize("values", [[1, 0.5, 1], (1, 0.5), np.array([1.0, 0.5])])
def test_lists_of_reals_are_accepted_and_lose_repetitions(values):
    checked = check_reals(Model(ridges=values), "ridges", low=0, inclusive="neither")
    assert checked == [1.0, 0.5]
    assert all(type(value) is float for value in checked)


@pytest.mark.parametrize("values", [[], 1.0, None, "12", [0.0], [1.0, True], [np.nan], [[1.0]]])
def test_other_lists_are_refused(values):
    message = r"'ridges' .* must be a non-empty list of floats in the range \(0, inf\)"
    with pytest.raises(InvalidParameterError, match=message):
        check_reals(Model(ridges=values), "ridges", low=0, inclusive="neither")
