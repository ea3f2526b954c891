import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman.lifting import MonomialLifter, OpticalLifter
from tests.extra_checks import EXTRA_TRANSFORMER_CHECKS

NONLINEARITIES = ["intensity", "cosine", "saturable_absorption"]
X = np.random.default_rng(0).standard_normal((200, 6))


def lifter(nonlinearity, n_components=40, **settings):
    return OpticalLifter(n_components, nonlinearity=nonlinearity, random_state=0, **settings)


LIFTERS = [lifter(nonlinearity, 5) for nonlinearity in NONLINEARITIES]


@parametrize_with_checks(LIFTERS)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("check", EXTRA_TRANSFORMER_CHECKS)
@pytest.mark.parametrize("estimator", LIFTERS, ids=lambda each: each.nonlinearity)
def test_more_sklearn_checks(estimator, check):
    check("OpticalLifter", estimator)


def test_formulas():
    for nonlinearity in NONLINEARITIES:
        fitted = lifter(nonlinearity, scale=0.7, optical_depth=1.5).fit(X)
        amplitude = X @ fitted.mixing_ + fitted.offset_
        intensity = np.abs(amplitude) ** 2
        expected = {
            "intensity": intensity,
            "cosine": np.sqrt(2) * np.cos(amplitude),
            "saturable_absorption": intensity * np.exp(-1.5 / (1 + intensity)),
        }[nonlinearity]
        assert_allclose(fitted.transform(X), expected)


def test_cosines_approximate_the_gaussian_kernel():
    found = lifter("cosine", 40_000, scale=1.3).fit_transform(X[:30])
    kernel = rbf_kernel(X[:30], gamma=1.3**2 / (2 * 6))
    assert_allclose(found @ found.T / 40_000, kernel, atol=0.05)


def test_intensities_span_the_monomials_of_degree_two():
    monomials = MonomialLifter(2).fit_transform(X)
    intensities = lifter("intensity", 28).fit_transform(X)
    assert_allclose(
        LinearRegression().fit(intensities, monomials).score(intensities, monomials), 1
    )


def test_an_absorber_lets_strong_light_pass():
    fitted = lifter("saturable_absorption", 3, optical_depth=2.0).fit(X)
    transparent = clone(fitted).set_params(optical_depth=0.0).fit(X)
    for factor, transmission in ((0.0, None), (1e3, 1.0)):
        light = transparent.transform(factor * X[:1])
        passed = fitted.transform(factor * X[:1])
        expected = np.exp(-2 / (1 + light)) if transmission is None else transmission
        assert_allclose(passed / light, expected, rtol=1e-3)


@given(st.sampled_from(NONLINEARITIES), st.floats(0.1, 3.0))
def test_a_larger_scale_is_larger_features(nonlinearity, scale):
    scaled = lifter(nonlinearity, scale=scale).fit(X)
    one = lifter(nonlinearity).fit(X)
    assert_allclose(scaled.mixing_, scale * one.mixing_, rtol=1e-12)


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_float32_stays_and_is_near(nonlinearity):
    narrow = lifter(nonlinearity).fit_transform(X.astype(np.float32))
    assert narrow.dtype == np.float32
    assert_allclose(narrow, lifter(nonlinearity).fit_transform(X), rtol=1e-3, atol=1e-4)


def test_the_element_is_drawn_by_random_state():
    first, second = (lifter("intensity").fit_transform(X) for _ in range(2))
    assert_array_equal(first, second)
    other = lifter("intensity").set_params(random_state=1).fit_transform(X)
    assert (first != other).all()
    names = lifter("intensity", 2).fit(X).get_feature_names_out()
    assert_array_equal(names, ["opticallifter0", "opticallifter1"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, r"'n_components' parameter of OpticalLifter must be an int in"),
        ({"nonlinearity": "relu"}, r"'nonlinearity' parameter of OpticalLifter must be a str"),
        (
            {"scale": 0.0},
            r"'scale' parameter of OpticalLifter must be a float in the range \(0",
        ),
        (
            {"optical_depth": -1.0},
            r"'optical_depth' parameter of OpticalLifter must be a float",
        ),
    ],
)
def test_bad_parameters(settings, message):
    with pytest.raises(ValueError, match=message):
        OpticalLifter(**settings).fit(X)


def test_what_cannot_fit_is_refused():
    with pytest.raises(MemoryError, match=r"6 features and n_components=100000000000000"):
        OpticalLifter(10**14).fit(X)
    with pytest.raises(NotFittedError):
        OpticalLifter().transform(X)
