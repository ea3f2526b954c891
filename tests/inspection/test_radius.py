"""Radii are exact: no nearer point of another class, and the changed rows are of another class."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    ActiveSubspace,
    EDMDClassifier,
    MonomialLifter,
    ObservableSelector,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    SquaredProjectionLifter,
)
from sklearn_koopman.inspection import radius_bounds, robust_radius
from sklearn_koopman.pipeline import make_pipeline

X, y = load_digits(n_class=4, return_X_y=True)
X = X[:300] / 16
y = y[:300]


def steps():
    """Return what may stand before a matrix, by name."""
    scaler = StandardScaler(with_std=False)
    return {
        "pca": [PCA(8, random_state=0), MonomialLifter(2)],
        "whitened": [PCA(8, whiten=True, random_state=0), MonomialLifter(2)],
        "passthrough": ["passthrough", StandardScaler(), MonomialLifter(2)],
        "linear": [scaler],
        "nothing": [],
        "squares": [PCA(6, random_state=0), SquaredProjectionLifter()],
        "orthogonal": [PCA(6, random_state=0), OrthogonalPolynomialLifter(2)],
        "optics": [PCA(6, random_state=0), OpticalLifter(40, random_state=0)],
        "selected": [
            PCA(6, random_state=0),
            ObservableSelector(MonomialLifter(2), max_observables=15),
        ],
        "subspace": [
            ActiveSubspace(lambda rows: rows[:, 10:14] * 10, 5, n_preliminary=12),
            MonomialLifter(2),
        ],
    }


@pytest.fixture(params=steps())
def student(request):
    """Return a fitted pipeline."""
    return make_pipeline(*steps()[request.param], EDMDClassifier(ridge=1e-2)).fit(X, y)


def largest_two(student, rows):
    """Return the two largest logits of rows."""
    return np.sort(student.decision_function(rows), axis=1)[:, -2:].T


def test_changed_rows_are_at_the_radius_on_the_boundary_and_across(student):
    radii, changed = robust_radius(student, X, return_counterfactual=True)
    assert_allclose(np.linalg.norm(changed - X, axis=1), radii, rtol=1e-9)
    second, first = largest_two(student, changed)
    margin = np.subtract(*largest_two(student, X)[::-1])
    assert np.all(first - second <= 1e-9 * margin + 1e-13)
    assert np.mean(student.predict(changed) != student.predict(X)) > 0.99


def test_no_point_within_the_radius_is_of_another_class(student):
    rows = X[:40]
    radii, changed = robust_radius(student, rows, return_counterfactual=True)
    toward = changed - rows
    draw = np.random.default_rng(0)
    for spread in (0.1, 0.3, 1.0):
        for _ in range(30):
            step = toward + spread * radii[:, None] * draw.normal(size=X.shape[1]) / 8
            step *= 0.999 * (radii / np.linalg.norm(step, axis=1))[:, None]
            assert np.array_equal(student.predict(rows + step), student.predict(rows))


def test_a_student_with_its_own_lifter_in_any_pipeline_has_the_same_radii():
    lifter = make_pipeline(PCA(8, random_state=0), MonomialLifter(2))
    alone = EDMDClassifier(lifter=lifter).fit(X, y)
    behind = sklearn_pipeline(
        PCA(8, random_state=0), sklearn_pipeline(MonomialLifter(2), EDMDClassifier())
    ).fit(X, y)
    assert_allclose(robust_radius(alone, X), robust_radius(behind, X), rtol=1e-6)


def test_radii_of_a_linear_student_are_those_of_half_spaces():
    student = EDMDClassifier().fit(X, y)
    logits = student.decision_function(X)
    own = logits.argmax(axis=1)
    margins = logits.max(axis=1)[:, None] - logits
    normals = np.linalg.norm(student.coef_[own][:, None] - student.coef_, axis=2)
    with np.errstate(invalid="ignore"):
        expected = np.nanmin(margins / normals, axis=1)
    assert_allclose(robust_radius(student, X), expected, rtol=1e-8)


def test_bounds_are_the_same_where_radii_are_exact(student):
    found = radius_bounds(student, X[:20])
    assert found.is_exact.all()
    assert np.array_equal(found.lower, found.upper)


def test_rows_without_a_slope_toward_the_boundary():
    """The hard case: the boundary is to either side, and the row says nothing of which."""
    across, along = np.meshgrid(np.linspace(-2, 2, 41), [-1.0, -0.5, 0.5, 1.0])
    rows = np.column_stack([across.ravel(), along.ravel()])
    student = EDMDClassifier(lifter=MonomialLifter(2), ridge=1e-10)
    student.fit(rows, np.abs(rows[:, 0]) > 1)
    radii, changed = robust_radius(student, [[0.0, 0.0]], return_counterfactual=True)
    line = np.linspace(0, 2, 20_001)[:, None] * [1.0, 0.0]
    crossing = line[student.predict(line) != student.predict([[0.0, 0.0]]), 0].min()
    assert_allclose(radii, crossing, atol=2e-4)
    assert student.predict(changed) != student.predict([[0.0, 0.0]])
