"""The slopes, degrees and curvatures of dictionaries agree with `transform`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler

from sklearn_koopman.lifting import (
    DelayLifter,
    MonomialLifter,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
    Slopes,
    SquaredProjectionLifter,
    degree_of,
    slopes_of,
)

X = np.random.default_rng(0).normal(size=(40, 3))
STEP = 1e-4

WITH_SLOPES = {
    "degree 1": MonomialLifter(1),
    "degree 3": MonomialLifter(3),
    "no powers": MonomialLifter(3, interaction_only=True, include_bias=False),
    "squares": SquaredProjectionLifter([[1.0, 2.0, 0.0], [0.5, 0.0, -1.0]]),
    "of scikit-learn": PolynomialFeatures(2),
    "pipeline": make_pipeline("passthrough", MonomialLifter(2)),
    "union": make_union(MonomialLifter(1), MonomialLifter((2, 2), include_bias=False)),
}


@pytest.mark.parametrize("name", WITH_SLOPES)
def test_slopes_are_those_of_finite_differences(name):
    lifter = WITH_SLOPES[name].fit(X)
    slopes = slopes_of(lifter, 3)
    psi = np.column_stack([lifter.transform(X), np.ones(len(X))])
    for feature, move in enumerate(STEP * np.eye(3)):
        expected = (lifter.transform(X + move) - lifter.transform(X - move)) / (2 * STEP)
        found = np.zeros_like(expected)
        terms = slopes.features == feature
        sources = psi[:, slopes.sources[terms]] * slopes.factors[terms]
        np.add.at(found.T, slopes.observables[terms], sources.T)
        assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "lifter", [MonomialLifter((2, 2)), MonomialLifter((2, 3)), RBFLifter(3), StandardScaler()]
)
def test_slopes_that_are_no_multiples_of_observables_are_none(lifter):
    assert slopes_of(lifter.fit(X), 3) is None


def test_slopes_of_no_step_are_those_of_the_features():
    slopes = slopes_of(None, 2)
    assert isinstance(slopes, Slopes)
    assert slopes.sources.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("lifter", "degree"),
    [
        (MonomialLifter(2), 2),
        (MonomialLifter((1, 3), interaction_only=True), 3),
        (OrthogonalPolynomialLifter(4), 4),
        (SquaredProjectionLifter(), 2),
        (OpticalLifter(4), 2),
        (OpticalLifter(4, nonlinearity="cosine"), None),
        (RBFLifter(3), None),
        (DelayLifter(2), 1),
        (PCA(2), 1),
        (MinMaxScaler(), 1),
        (MinMaxScaler(clip=True), None),
        (PolynomialFeatures((1, 3)), 3),
        (
            make_pipeline(
                StandardScaler(), "passthrough", MonomialLifter(2), MonomialLifter(2)
            ),
            4,
        ),
        (make_union(MonomialLifter(2), PCA(1)), 2),
        (make_union(MonomialLifter(2), RBFLifter(3)), None),
        ("passthrough", 1),
    ],
)
def test_degrees(lifter, degree):
    fitted = lifter if isinstance(lifter, str) else lifter.fit(X)
    assert degree_of(fitted) == degree
    if degree is None or isinstance(lifter, str):
        return
    # Along a line, a polynomial's difference of the next order is zero; that of its own is not.
    line = X[:1] + np.arange(degree + 2)[:, None] * X[1:2]
    values = fitted.transform(line)
    assert_allclose(np.diff(values, degree + 1, axis=0), 0.0, atol=1e-8 * np.abs(values).max())
    assert np.abs(np.diff(values, degree, axis=0)).max() > 1e-6


@pytest.mark.parametrize(
    "lifter",
    [
        RBFLifter(5, gamma=0.5, random_state=0),
        RBFLifter(5, gamma=3.0, random_state=0),
        OpticalLifter(5, nonlinearity="cosine", random_state=0),
    ],
)
def test_curvatures_are_bounds_within_a_distance(lifter):
    lifter.fit(X)
    draw = np.random.default_rng(1)
    distances = draw.uniform(0.1, 1.0, len(X))
    bounds = lifter.largest_curvatures(X, distances)
    assert bounds.shape == (len(X), 5)
    for _ in range(30):
        step = draw.normal(size=X.shape)
        step *= (distances * draw.uniform(0, 1, len(X)) / np.linalg.norm(step, axis=1))[:, None]
        move = draw.normal(size=3)
        move *= 1e-3 / np.linalg.norm(move)
        at = X + step
        both = lifter.transform(at + move) + lifter.transform(at - move)
        curvature = (both - 2 * lifter.transform(at)) / 1e-6
        assert np.all(np.abs(curvature) <= bounds * (1 + 1e-3) + 1e-5)
