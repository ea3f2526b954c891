"""Shapley values against all coalitions, for every kind of polynomial student."""

from math import factorial

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sklearn_koopman import (
    ActiveSubspace,
    DelayLifter,
    EDMDClassifier,
    MonomialLifter,
    ObservableSelector,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
    SquaredProjectionLifter,
)
from sklearn_koopman.inspection import shapley_values
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.regression import EDMDRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6)) + 0.5
Y = (X[:, 0] * X[:, 1] * X[:, 2] + X[:, 3] ** 2 > 0.5).astype(int) + (X[:, 4] > 1)
ROWS, BACKGROUND = X[:3], X[20:40]
GROUPS = [0, 0, 1, 1, 2, 3]
PROJECTIONS = RNG.normal(size=(5, 6))


def coalitions(predict, rows, background, groups):
    """Return Shapley values and halved interactions by their definition, over all subsets."""
    groups = np.asarray(groups)
    p, n = groups.max() + 1, len(rows)
    mine = (np.arange(2**p)[:, None] >> groups & 1 == 1)[:, None, None]
    mixed = np.where(mine, rows[:, None], background[None])
    outputs = predict(mixed.reshape(-1, len(groups)))
    worth = outputs.reshape(2**p, n, len(background), -1).mean(axis=2)
    values = np.zeros((n, p, worth.shape[2]))
    pairs = np.zeros((n, p, p, worth.shape[2]))
    for coalition in range(2**p):
        size = coalition.bit_count()
        absent = [i for i in range(p) if not coalition >> i & 1]
        for i in absent:
            weight = factorial(size) * factorial(p - size - 1) / factorial(p)
            gain = worth[coalition | 1 << i] - worth[coalition]
            values[:, i] += weight * gain
            for j in absent:
                if i != j:
                    weight = factorial(size) * factorial(p - size - 2) / factorial(p - 1)
                    more = worth[coalition | 1 << i | 1 << j] - worth[coalition | 1 << j]
                    pairs[:, i, j] += weight * (more - gain) / 2
    diagonal = np.arange(p)
    pairs[:, diagonal, diagonal] = values - pairs.sum(axis=2)
    return values, pairs


def student_of(*steps):
    return make_pipeline(*steps, EDMDClassifier(ridge=1e-3))


UNION = FeatureUnion(
    [
        ("forms", make_pipeline(PCA(3), MonomialLifter(2, include_bias=False))),
        ("squares", SquaredProjectionLifter(PROJECTIONS)),
        ("rows", "passthrough"),
        ("none", "drop"),
    ],
    transformer_weights={"squares": 0.5},
)
STUDENTS = {
    "linear": student_of(StandardScaler()),
    "degree 2": student_of(MonomialLifter(2)),
    "degree 4": student_of("passthrough", StandardScaler(), MonomialLifter(4)),
    "products alone": student_of(
        RobustScaler(), MonomialLifter((2, 3), interaction_only=True, include_bias=False)
    ),
    "features": student_of(MinMaxScaler(), PolynomialFeatures(3)),
    "components": student_of(StandardScaler(), PCA(5, whiten=True), MonomialLifter(2)),
    "components, degree 3": student_of(PCA(4), MonomialLifter(3)),
    "svd": student_of(MaxAbsScaler(), TruncatedSVD(3), MonomialLifter(2)),
    "subspace": student_of(
        ActiveSubspace(lambda rows: rows[:, :3] ** 2, n_components=3), MonomialLifter(2)
    ),
    "columns": student_of(SelectKBest(k=4), MonomialLifter(3)),
    "delays": student_of(DelayLifter(2), MonomialLifter(2)),
    "hermite": EDMDClassifier(lifter=OrthogonalPolynomialLifter(3)),
    "chebyshev": student_of(PCA(3), OrthogonalPolynomialLifter(3, family="chebyshev")),
    "legendre": student_of(OrthogonalPolynomialLifter(2, family="legendre")),
    "intensities": student_of(OpticalLifter(20, random_state=0)),
    "squares": EDMDClassifier(lifter=SquaredProjectionLifter(PROJECTIONS)),
    "chosen": EDMDClassifier(lifter=ObservableSelector(MonomialLifter(3), max_observables=15)),
    "chosen columns": student_of(ObservableSelector(max_observables=3)),
    "chosen of components": student_of(
        ObservableSelector(make_pipeline(PCA(3), MonomialLifter(2)), max_observables=4)
    ),
    "union": EDMDClassifier(lifter=UNION),
    "mixed after": student_of(MonomialLifter(2, include_bias=False), StandardScaler(), PCA(9)),
    "frozen": student_of(FrozenEstimator(make_pipeline(PCA(3), MonomialLifter(2)).fit(X))),
    "search": GridSearchCV(
        student_of(MonomialLifter(2)), {"edmdclassifier__ridge": [1e-3]}, cv=2
    ),
}


def check(student, rows, background, players, **parameters):
    """Compare with all coalitions, and check the sums of the values."""
    predict = getattr(student, "decision_function", student.predict)
    found = shapley_values(student, rows, background, return_interactions=True, **parameters)
    values, pairs = coalitions(predict, rows, background, players)
    assert_allclose(found.values.reshape(values.shape), values, rtol=0, atol=1e-12)
    assert_allclose(found.interactions.reshape(pairs.shape), pairs, rtol=0, atol=1e-12)
    outputs = found.values.sum(axis=1) + found.base_values
    assert outputs.shape == predict(rows).shape
    assert_allclose(outputs, predict(rows), rtol=0, atol=1e-12)
    again = shapley_values(student, rows, background, **parameters)
    assert_allclose(again.values, found.values, rtol=0, atol=1e-14)
    assert again.interactions is None
    return found


@pytest.mark.parametrize("name", STUDENTS)
def test_all_coalitions_give_the_same(name):
    student = clone(STUDENTS[name]).fit(X, Y)
    found = check(student, ROWS, BACKGROUND, np.arange(6))
    assert found.feature_names == [f"x{i}" for i in range(6)]
    assert found.output_names == [0, 1, 2]
    assert_allclose(found.data, ROWS)


def test_eight_columns_degree_three():
    rows = RNG.normal(size=(100, 8))
    student = student_of(MonomialLifter(3)).fit(rows, np.arange(100) % 4)
    check(student, rows[:3], rows[:20], np.arange(8))


@pytest.mark.parametrize(
    "name", ["degree 4", "components", "components, degree 3", "union", "hermite"]
)
def test_groups_are_players(name):
    student = clone(STUDENTS[name]).fit(X, Y)
    found = check(student, ROWS, BACKGROUND, GROUPS, groups=GROUPS)
    assert found.data is None
    lists = {"a": ["x0", "x1"], "b": [2, 3]}
    named = check(student, ROWS, BACKGROUND, GROUPS, groups=lists)
    assert named.feature_names == ["a", "b", "x4", "x5"]


def test_two_classes_have_the_values_of_the_decision_function():
    student = student_of(MonomialLifter(3)).fit(X, np.where(Y > 0, "yes", "no"))
    found = check(student, ROWS, BACKGROUND, np.arange(6))
    assert found.values.shape == (3, 6)
    assert found.interactions.shape == (3, 6, 6)
    assert found.output_names == ["yes"]
    assert isinstance(found.base_values, float)


@pytest.mark.parametrize("y", [X[:, 0] * X[:, 1], X[:, :2] ** 2], ids=["one", "two"])
def test_regressors(y):
    student = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDRegressor()).fit(X, y)
    found = check(student, ROWS, BACKGROUND, np.arange(6))
    assert found.output_names == list(range(np.ndim(y)))


def test_coordinates_may_play():
    student = student_of(StandardScaler(), PCA(4), MonomialLifter(3)).fit(X, Y)
    scale, last = student[:2], student[2:]
    inner = shapley_values(last, scale.transform(ROWS), scale.transform(BACKGROUND))
    outer = shapley_values(student, ROWS, BACKGROUND, of="coordinates")
    assert_allclose(outer.values, inner.values, rtol=0, atol=1e-12)
    assert outer.feature_names == ["z0", "z1", "z2", "z3"]
    assert_allclose(outer.data, scale.transform(ROWS))


def test_what_is_no_affine_function_makes_the_columns():
    flowers, labels = load_iris(return_X_y=True, as_frame=True)
    flowers["colour"] = np.where(np.arange(150) % 3, "blue", "violet")
    encode = make_column_transformer(
        (OneHotEncoder(), ["colour"]),
        remainder=StandardScaler(),
        verbose_feature_names_out=False,
    )
    student = make_pipeline(encode, MonomialLifter(2), EDMDClassifier()).fit(flowers, labels)
    found = shapley_values(student, flowers[:4], flowers)
    assert found.feature_names == ["colour_blue", "colour_violet", *flowers.columns[:4]]
    outputs = found.values.sum(axis=1) + found.base_values
    assert_allclose(outputs, student.decision_function(flowers[:4]), atol=1e-10)
    grouped = {"colour": ["colour_blue", "colour_violet"]}
    names = shapley_values(student, flowers[:4], flowers, groups=grouped).feature_names
    assert names == ["colour", *flowers.columns[:4]]


def test_many_pixels_behind_components():
    """For a student of degree 2, a group of pixels has the sum of the values of its pixels."""
    images, digits = load_digits(return_X_y=True)
    student = student_of(PCA(20, random_state=0), MonomialLifter(2)).fit(images, digits)
    pixels = shapley_values(student, images[:5], images).values
    halves = shapley_values(student, images[:5], images, groups=np.arange(64) // 32).values
    assert_allclose(pixels.reshape(5, 2, 32, 10).sum(axis=2), halves, atol=1e-10)
    some = images[100:130]
    check(student, images[:2], some, np.arange(64) // 16, groups=np.arange(64) // 16)


def test_single_precision_rows_and_students():
    student = student_of(StandardScaler(), MonomialLifter(2)).fit(X.astype(np.float32), Y)
    found = shapley_values(student, ROWS.astype(np.float32), BACKGROUND.astype(np.float32))
    outputs = found.values.sum(axis=1) + found.base_values
    assert_allclose(outputs, student.decision_function(ROWS), atol=1e-5)


def test_refusals():
    student = student_of(MonomialLifter(2)).fit(X, Y)
    with pytest.raises(ValueError, match="of='pixels': must be 'columns' or 'coordinates'"):
        shapley_values(student, ROWS, BACKGROUND, of="pixels")
    with pytest.raises(ValueError, match="X has 5 features, but MonomialLifter"):
        shapley_values(student, ROWS[:, :5], BACKGROUND)
    with pytest.raises(ValueError, match=r"not among the 6 columns\. They are 'x0', .*'x5'\.$"):
        shapley_values(student, ROWS, BACKGROUND, groups={"a": ["x9"]})
    frame = pandas.DataFrame(X, columns=[*"abcd", "is_a", "is_b"])
    named = student_of(MonomialLifter(2)).fit(frame, Y)
    with pytest.raises(
        ValueError, match=r"Those with 'is' in their name are 'is_a', 'is_b'\.$"
    ):
        shapley_values(named, frame[:2], frame, groups={"is": ["is"]})
    with pytest.raises(ValueError, match=r"groups has 'x1' twice"):
        shapley_values(student, ROWS, BACKGROUND, groups={"a": ["x1"], "b": [1]})
    with pytest.raises(
        ValueError, match=r"shape \(3,\): pass the group of each of the 6 columns"
    ):
        shapley_values(student, ROWS, BACKGROUND, groups=[0, 1, 2])
    with pytest.raises(TypeError, match=r"RBFLifter.* are not polynomials"):
        shapley_values(student_of(RBFLifter(5, random_state=0)).fit(X, Y), ROWS, BACKGROUND)
    with pytest.raises(NotFittedError):
        shapley_values(student_of(MonomialLifter(2)), ROWS, BACKGROUND)
    wide = RNG.normal(size=(30, 700))
    student = student_of(PCA(3), MonomialLifter(9)).fit(wide, np.arange(30) % 2)
    with pytest.raises(MemoryError, match="of='coordinates'"):
        shapley_values(student, wide[:2], wide)
