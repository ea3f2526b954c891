"""The kernel against the dictionary that it replaces."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import EDMDClassifier
from sklearn_koopman.lifting import ProductKernelLifter

from ..extra_checks import EXTRA_TRANSFORMER_CHECKS

LIFTERS = [ProductKernelLifter(), ProductKernelLifter("legendre", degree=2, n_landmarks=5)]
MAPS = [("monomial", 2), ("legendre", 3), ("trigonometric", 2)]


@parametrize_with_checks(LIFTERS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", EXTRA_TRANSFORMER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("lifter", LIFTERS, ids=repr)
def test_extra_check(lifter, check):
    check(type(lifter).__name__, lifter)


def rows(n=30, p=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p)) * [1, 2, 0.5, 1][:p] + 3


def dictionary(local, X):
    """Return all products of local features, one column each."""
    features = local(X)
    return np.stack(
        [
            np.prod([features[k, j] for k, j in enumerate(choice)], axis=0)
            for choice in product(range(features.shape[1]), repeat=len(features))
        ],
        axis=1,
    )


def local_features(X, kind, degree):
    return ProductKernelLifter(kind, degree=degree, frequency=0.7).fit(X).local_features_


@pytest.mark.parametrize(("kind", "degree"), MAPS)
def test_local_features(kind, degree):
    X = rows()
    local = local_features(X, kind, degree)
    t = ((X - local.shift) / local.scale)[:, 1]
    expected = {
        "monomial": [t**0, t, t**2],
        "legendre": [t**0, t, (3 * t**2 - 1) / 2, (5 * t**3 - 3 * t) / 2],
        "trigonometric": [np.cos(0.7 * t), np.sin(0.7 * t), np.cos(1.4 * t), np.sin(1.4 * t)],
    }[kind]
    assert_allclose(local(X)[1], expected, atol=1e-12)
    assert local.n_features == len(expected)


def test_legendre_of_values_beyond_the_training_range():
    X = rows()
    local = local_features(X, "legendre", 2)
    assert_allclose(local.scaled(X).max(axis=1), 1.0)
    assert_array_equal(local(X + 100), 1.0)


@pytest.mark.parametrize(("kind", "degree"), MAPS)
def test_inner_products_are_those_of_the_dictionary(kind, degree):
    X, Z = rows(20, 3), rows(7, 3, seed=1)
    lifter = ProductKernelLifter(kind, degree=degree).fit(X)
    psi = lifter.transform(X)
    of_X, of_Z = (dictionary(lifter.local_features_, each) for each in (X, Z))
    assert_allclose(psi @ psi.T, of_X @ of_X.T, rtol=1e-6, atol=1e-8)
    exact = of_X @ of_Z.T
    assert_allclose(psi @ lifter.transform(Z).T, exact, atol=1e-6 * np.abs(exact).max())


def test_kernel_edmd_is_edmd_on_the_dictionary():
    X = rows(60, 3)
    y = (np.prod(X - 3, axis=1) > 0).astype(int)
    X_new = rows(20, 3, seed=1)
    lifter = ProductKernelLifter("monomial", degree=1).fit(X)
    # Apart from a rotation, the observables are the dictionary. Without standardisation the ridge
    # would be the same; a tiny ridge does not matter.
    by_kernel = EDMDClassifier(lifter=lifter, ridge=1e-12).fit(X, y)
    local = lifter.local_features_
    explicit = EDMDClassifier(ridge=1e-12).fit(dictionary(local, X), y)
    assert_allclose(
        by_kernel.decision_function(X_new),
        explicit.decision_function(dictionary(local, X_new)),
        atol=1e-5,
    )


def test_landmarks():
    X = rows(50)
    lifter = ProductKernelLifter(n_landmarks=10, random_state=0).fit(X)
    assert_array_equal(lifter.landmarks_, X[lifter.landmark_indices_])
    # Nystrom is exact between landmarks.
    psi = lifter.transform(lifter.landmarks_)
    exact = dictionary(lifter.local_features_, lifter.landmarks_)
    assert_allclose(psi @ psi.T, exact @ exact.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("feature_map", "sine", "a str among"),
        ("degree", 0, r"\[1, inf\)"),
        ("frequency", 0.0, r"\(0\.0, inf\)"),
        ("n_landmarks", 0, r"an int in the range \[1, inf\) or None"),
    ],
)
def test_bad_parameters(name, value, expected):
    lifter = ProductKernelLifter(**{name: value})
    message = f"The '{name}' parameter of ProductKernelLifter must be .*{expected}.* Got "
    with pytest.raises(ValueError, match=message):
        lifter.fit(rows())


def test_too_many_landmarks_for_the_memory(has_memory):
    has_memory(1000)
    with pytest.raises(MemoryError, match=r"kernel matrix of 30 landmarks .*Take fewer"):
        ProductKernelLifter().fit(rows())


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_kernel_that_overflows():
    X = np.random.default_rng(0).normal(size=(5, 3000))
    with pytest.raises(ValueError, match=r"kernel of the landmarks overflows: .*trigonometric"):
        ProductKernelLifter("monomial", degree=4).fit(X)
    assert ProductKernelLifter("trigonometric").fit(X).transform(X).shape == (5, 5)
