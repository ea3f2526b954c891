"""Spectra of Koopman operators, against systems whose spectra are known."""

import warnings

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    EDMDRegressor,
    MonomialLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
)
from sklearn_koopman.inspection import koopman_spectrum

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2))


def turning(X):
    """A linear system that turns by 0.3, shrinks, and moves to a fixed point."""
    c, s = 0.9 * np.cos(0.3), 0.9 * np.sin(0.3)
    return X @ np.array([[c, s], [-s, c]]) + [0.5, -0.2]


def slow_manifold(X):
    """x' = 0.9 x, y' = 0.5 y + 0.4 x^2: linear in x, y and x^2."""
    return np.c_[0.9 * X[:, 0], 0.5 * X[:, 1] + 0.4 * X[:, 0] ** 2]


def with_square(X):
    """The observables in which the slow manifold is linear."""
    return np.c_[X, X[:, 0] ** 2]


def fitted(step, lifter, rows=X):
    return EDMDRegressor(ridge=0, lifter=lifter, with_operator=True).fit(rows, step(rows))


@pytest.mark.parametrize("include_bias", [False, True])
def test_eigenvalues_of_a_linear_system_and_products_of_them(include_bias):
    spectrum = koopman_spectrum(fitted(turning, MonomialLifter(2, include_bias=include_bias)))
    own = 0.9 * np.exp(0.3j * np.array([1, -1]))
    products = [own[0] ** 2, own[0] * own[1], own[1] ** 2]
    found = spectrum.eigenvalues
    for expected in (1.0, *own, *products):
        assert np.abs(found - expected).min() < 1e-9
    assert (np.diff(np.abs(found)) < 1e-9).all()


@pytest.mark.parametrize("step", [turning, slow_manifold])
def test_a_step_multiplies_eigenfunctions_and_modes_give_observables(step):
    lifter = MonomialLifter(2, include_bias=False)
    if step is slow_manifold:  # it leads from degree 2 to x^2 y and x^4
        lifter = FunctionTransformer(with_square)
    student = fitted(step, lifter)
    spectrum = koopman_spectrum(student)
    now, then = spectrum.eigenfunctions(X), spectrum.eigenfunctions(step(X))
    assert_allclose(then, now * spectrum.eigenvalues, atol=1e-9)
    assert_allclose(now @ spectrum.modes.T, student.lifter_.transform(X), atol=1e-9)


def test_eigenvalues_of_a_nonlinear_system():
    spectrum = koopman_spectrum(fitted(slow_manifold, FunctionTransformer(with_square)))
    assert_allclose(spectrum.eigenvalues, [1.0, 0.9, 0.81, 0.5], atol=1e-9)


def test_rates_in_continuous_time():
    rates = koopman_spectrum(EDMDRegressor(ridge=0).fit(X, turning(X))).time_constants(0.1)
    assert_allclose(np.sort(rates[1:].imag), [-3.0, 3.0])
    assert_allclose(rates[1:].real, np.log(0.9) / 0.1)


def test_the_eigenvalue_0_has_a_rate_without_a_warning():
    rates = koopman_spectrum(EDMDRegressor(ridge=0).fit(X, 0 * X)).time_constants(0.1)
    assert_array_equal(rates, [0, -np.inf, -np.inf])
    assert_array_equal(rates.imag, 0)


@pytest.mark.parametrize(
    "lifter",
    [
        RBFLifter(20),  # without a seed, each fit chooses other centers
        OrthogonalPolynomialLifter(3, family="legendre"),
        make_pipeline(StandardScaler(), MonomialLifter(3, include_bias=False)),
    ],
    ids=["gaussians", "legendre", "scaled monomials"],
)
def test_the_lifter_of_the_states_lifts_the_next_ones(lifter):
    path = np.array([[1.0, -0.5]])
    for _ in range(120):
        path = np.concatenate([path, slow_manifold(path[-1:]) + 0.05 * RNG.normal(size=2)])
    edmd = EDMDRegressor(ridge=0, lifter=lifter, with_operator=True).fit(path[:-1], path[1:])
    frozen = FrozenEstimator(edmd.lifter_)
    expected = EDMDRegressor(ridge=0, lifter=frozen).fit(path[:-1], frozen.transform(path[1:]))
    assert_allclose(edmd.operator_, expected.coef_, rtol=1e-9, atol=1e-9)
    found, known = koopman_spectrum(edmd), koopman_spectrum(expected)  # no warning
    assert_allclose(found.eigenvalues, known.eigenvalues, rtol=1e-6, atol=1e-9)
    states = EDMDRegressor(ridge=0, lifter=frozen).fit(path[:-1], path[1:])
    assert_allclose(edmd.predict(path), states.predict(path), rtol=1e-9, atol=1e-9)


def test_a_lifter_of_named_columns():
    frame = pandas.DataFrame(X, columns=["a", "b"])
    after = pandas.DataFrame(turning(X), columns=["a", "b"])
    scaled = make_column_transformer((StandardScaler(), ["b", "a"]))
    lifter = make_pipeline(scaled, MonomialLifter(2, include_bias=False))
    edmd = EDMDRegressor(ridge=0, lifter=lifter, with_operator=True).fit(frame, after)
    spectrum = koopman_spectrum(edmd)
    now, then = spectrum.eigenfunctions(frame), spectrum.eigenfunctions(after)
    assert_allclose(then, now * spectrum.eigenvalues, atol=1e-9)


def test_a_lifter_that_may_be_another_one_is_told():
    lifter = RBFLifter(20)
    idiom = EDMDRegressor(ridge=0, lifter=lifter).fit(X[:-1], lifter.fit_transform(X)[1:])
    union = make_union(MonomialLifter(1, include_bias=False), FunctionTransformer(np.sin))
    fits_nothing = EDMDRegressor(lifter=union).fit(X[:-1], union.fit_transform(X)[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        koopman_spectrum(fits_nothing)
    with pytest.warns(UserWarning, match=r"RBFLifter.*with_operator=True.*FrozenEstimator"):
        koopman_spectrum(idiom)


def test_modes_of_the_state():
    spectrum = koopman_spectrum(fitted(turning, MonomialLifter(2, include_bias=False)))
    assert spectrum.observables == ["x0", "x1", "x0^2", "x0 x1", "x1^2"]
    modes = np.linalg.lstsq(spectrum.eigenfunctions(X), X)[0].T
    assert_allclose(modes, spectrum.modes[:2], atol=1e-8)
    assert repr(spectrum) == "<KoopmanSpectrum of 5 observables>"


def test_steps_of_a_pipeline():
    reduced = FrozenEstimator(PCA(2, random_state=0).fit(X))
    student = make_pipeline(reduced, EDMDRegressor(ridge=0)).fit(
        X, reduced.transform(turning(X))
    )
    spectrum = koopman_spectrum(student)
    now, then = spectrum.eigenfunctions(X), spectrum.eigenfunctions(turning(X))
    assert_allclose(then, now * spectrum.eigenvalues, atol=1e-9)
    outside = make_pipeline(StandardScaler(), EDMDRegressor(with_operator=True))
    with pytest.raises(ValueError, match=r"StandardScaler\(\) is before the regressor"):
        koopman_spectrum(outside.fit(X, turning(X)))
    with pytest.warns(UserWarning, match=r"has fitted PCA\("):
        koopman_spectrum(make_pipeline(PCA(2), EDMDRegressor()).fit(X, turning(X)))


def test_what_leads_elsewhere_is_refused():
    with pytest.raises(ValueError, match="maps 5 observables to 2 targets"):
        koopman_spectrum(
            EDMDRegressor(lifter=MonomialLifter(2, include_bias=False)).fit(X, turning(X))
        )
    with pytest.raises(TypeError, match="Koopman matrix"):
        koopman_spectrum(PCA().fit(X))
    y = (X[:, 0] > 0).astype(int)
    assert koopman_spectrum(EDMDClassifier().fit(X, y)).modes.shape == (2, 3)
