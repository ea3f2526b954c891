"""Radii are exact: no nearer point has another class, and the changed rows have one."""

import warnings

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
)

from sklearn_koopman import (
    ActiveSubspace,
    ConvolutionalLifter,
    EDMDClassifier,
    MonomialLifter,
    ObservableSelector,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
    SquaredProjectionLifter,
)
from sklearn_koopman.audit import audit_report
from sklearn_koopman.inspection import radius_bounds, robust_radius, shapley_values
from sklearn_koopman.pipeline import make_pipeline

X, y = load_digits(n_class=4, return_X_y=True)
X = X[:300] / 16
y = y[:300]


def filters(nonlinearity="threshold", **settings):
    """Return a few filters for digits."""
    return ConvolutionalLifter(
        (8, 8),
        n_filters=6,
        filter_size=3,
        grid=2,
        nonlinearity=nonlinearity,
        random_state=0,
        **settings,
    )


def steps():
    """Return the steps that may come before a matrix, by name."""
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
        "squares of filters": [filters("intensity", root=False, normalization="none")],
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


def test_a_row_alone_has_the_radius_that_it_has_among_others(student):
    assert_allclose(robust_radius(student, X[7:8]), robust_radius(student, X)[7:8], rtol=1e-6)


def test_bounds_are_the_same_where_radii_are_exact(student):
    found = radius_bounds(student, X[:20])
    assert found.is_exact.all()
    assert np.array_equal(found.lower, found.upper)


def test_units_of_columns_are_those_of_a_student_of_scaled_columns():
    scale = np.random.default_rng(0).uniform(0.5, 2, size=64)
    student = make_pipeline(MonomialLifter(1), EDMDClassifier(ridge=1e-2)).fit(X, y)
    bent = make_pipeline(PCA(5, random_state=0), MonomialLifter(2), EDMDClassifier()).fit(X, y)
    for each in (student, bent):
        back = FunctionTransformer(lambda rows: rows * scale)
        scaled = make_pipeline(back, *[step for _, step in each.steps])
        assert np.array_equal(scaled.predict(X[:9] / scale), each.predict(X[:9]))
        radii, changed = robust_radius(each, X[:9], scale=scale, return_counterfactual=True)
        assert_allclose(np.linalg.norm((changed - X[:9]) / scale, axis=1), radii, rtol=1e-6)
        found = radius_bounds(each, X[:9], scale=scale, bounds=(0, 1))
        assert np.all((found.counterfactuals >= 0) & (found.counterfactuals <= 1))
        assert_allclose(found.lower, radii)
    logits, slopes = student.decision_function(X[:9]), student[-1].coef_[:, 1:] * scale
    own = logits.argmax(axis=1)
    with np.errstate(invalid="ignore"):
        margins = logits.max(axis=1)[:, None] - logits
        margins /= np.linalg.norm(slopes[own][:, None] - slopes, axis=2)
    assert_allclose(robust_radius(student, X[:9], scale=scale), np.nanmin(margins, axis=1))


FLOWERS, KINDS = load_iris(return_X_y=True, as_frame=True)


@pytest.mark.parametrize("scale", [None, [1.0, 2.0, 0.5, 3.0]], ids=["as they are", "scaled"])
def test_fixed_columns_stay_and_radii_of_the_others_are_exact(scale):
    """In each direction of the free columns, a quadratic equation gives the end of the class."""
    student = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier(ridge=1e-3))
    student.fit(FLOWERS, KINDS)
    rows = FLOWERS[45:105:6]
    fixed = ["sepal length (cm)", "petal width (cm)"]
    found = radius_bounds(student, rows, fixed=fixed, scale=scale)
    assert found.is_exact.all()
    given = rows.to_numpy()
    assert np.array_equal(found.counterfactuals[:, [0, 3]], given[:, [0, 3]])
    of_all = radius_bounds(student, rows, scale=scale)
    assert np.all(found.lower >= of_all.lower)
    for same in ([0, 3], [True, False, False, True]):
        assert_array_equal(
            radius_bounds(student, rows, fixed=same, scale=scale).lower, found.lower
        )
    unit = np.ones(4) if scale is None else np.array(scale)
    angles = np.linspace(0, 2 * np.pi, 3000, endpoint=False)
    steps = np.zeros((len(angles), 4))
    steps[:, 1:3] = np.column_stack([np.cos(angles), np.sin(angles)]) * unit[1:3]
    for row, radius in zip(given, found.lower, strict=True):
        at = [
            student[1:-1].transform(student[0].transform(named(row + t * steps)))
            for t in (-1, 0, 1)
        ]
        back, here, forth = (psi @ student[-1].coef_.T + student[-1].intercept_ for psi in at)
        own = here[0].argmax()
        lead = [(each[:, [own]] - each).T for each in (back, here, forth)]
        linear, square = (lead[2] - lead[0]) / 2, (lead[2] + lead[0]) / 2 - lead[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(linear**2 - 4 * square * lead[1])
            first = 2 * lead[1] / (-linear + root)
        nearest = np.nanmin(np.where(first > 0, first, np.nan))
        assert radius <= nearest * (1 + 1e-9)
        assert_allclose(radius, nearest, rtol=1e-3)


def named(rows):
    return pandas.DataFrame(rows, columns=FLOWERS.columns)


def test_series_are_taken_by_the_names_of_the_columns():
    student = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier(ridge=1e-3))
    rows = student.fit(FLOWERS, KINDS) and FLOWERS[40:110:10]
    low, high = FLOWERS.min() - 0.1, FLOWERS.max() + 0.2
    is_fixed = FLOWERS.mean() < 2
    of_arrays = {
        "scale": FLOWERS.std().to_numpy(),
        "fixed": is_fixed.to_numpy(),
        "bounds": (low.to_numpy(), high.to_numpy()),
    }
    series = {"scale": FLOWERS.std(), "fixed": is_fixed, "bounds": (low, high)}
    expected = radius_bounds(student, rows, **of_arrays)
    for turn in (slice(None), slice(None, None, -1)):
        turned = {
            "scale": series["scale"][turn],
            "fixed": is_fixed[turn],
            "bounds": (low[turn], high[::-1]),
        }
        found = radius_bounds(student, rows, **turned)
        assert_allclose(found.upper, expected.upper)
        found = audit_report(student, rows, KINDS[40:110:10], **turned)
        assert_allclose(found.certified.lower, expected.lower)
        assert found.fixed == [FLOWERS.columns[3]]
    for name, given in {"scale": series["scale"], "bounds": (low, 9)}.items():
        wrong = (given[0].rename({low.index[0]: "sepal"}), 9) if name == "bounds" else given[1:]
        with pytest.raises(ValueError, match=f"{name} is a Series whose index is not the col"):
            robust_radius(student, rows, **{name: wrong})


def test_standard_deviations_of_columns_that_do_not_vary_are_refused():
    student = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier(ridge=1e-3))
    student.fit(FLOWERS, KINDS)
    with pytest.raises(ValueError, match=r"in the 1 row.*scale=X_train.std\(\)"):
        robust_radius(student, FLOWERS[:1], scale="std")
    rows = FLOWERS[40:110:10].copy()
    rows[FLOWERS.columns[0]] = 5.1
    with pytest.raises(ValueError, match="scale='std': 'sepal length"):
        robust_radius(student, rows, scale="std")
    scale = rows.std(ddof=0).replace(0, 7)
    expected = robust_radius(student, rows, scale=scale, fixed=[0])
    assert_allclose(robust_radius(student, rows, scale="std", fixed=[0]), expected)
    report = audit_report(student, rows, KINDS[40:110:10])
    assert report.fixed == [FLOWERS.columns[0]]
    assert_allclose(report.certified.lower, expected)


def test_fixed_columns_of_students_with_lower_bounds():
    student = make_pipeline(StandardScaler(), MonomialLifter(3), EDMDClassifier(ridge=1e-3))
    student.fit(FLOWERS, KINDS)
    rows = FLOWERS[40:110:10]
    some, none = (radius_bounds(student, rows, fixed=fixed) for fixed in ([0, 1], None))
    assert np.all(some.lower >= none.lower * (1 - 1e-9))
    assert np.all(some.lower <= some.upper)
    changed = np.isfinite(some.counterfactuals).all(axis=1)
    assert changed.any()
    assert_array_equal(some.counterfactuals[changed, :2], rows.to_numpy()[changed, :2])
    assert np.all(
        student.predict(named(some.counterfactuals[changed])) != student.predict(rows[changed])
    )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fixed": ["color"]}, "'color' is not a column of X"),
        ({"fixed": [4]}, "4 is not a column of X"),
        ({"fixed": [0, 1, 2, 3]}, "at least one column must be free"),
        ({"scale": "metres"}, "scale='metres': must be 'std', an array or None"),
        ({"scale": [1.0, 2.0]}, "scale must have 4 positive numbers"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value),
)
def test_wrong_units_and_columns(how, message):
    student = EDMDClassifier().fit(FLOWERS, KINDS)
    with pytest.raises(ValueError, match=message):
        robust_radius(student, FLOWERS[:3], **how)


def test_a_column_transformer_of_affine_parts_is_an_affine_map():
    columns = list(FLOWERS)
    front = ColumnTransformer(
        [
            ("scaled", StandardScaler(), columns[2:]),
            ("reduced", make_pipeline(MinMaxScaler(), PCA(1)), slice(columns[0], columns[1])),
            ("same", "passthrough", [1]),
        ]
    )
    student = make_pipeline(front, MonomialLifter(2), EDMDClassifier(ridge=1e-3))
    student.fit(FLOWERS, KINDS)
    radii, changed = robust_radius(student, FLOWERS, return_counterfactual=True)
    first, second = largest_two(student, named(changed))
    assert_allclose(first, second, atol=1e-8)
    assert_allclose(np.linalg.norm(changed - FLOWERS.to_numpy(), axis=1), radii)
    front = ColumnTransformer(
        [("all", StandardScaler(), [True] * 4)], transformer_weights={"all": 3}
    )
    weighted = make_pipeline(front, MonomialLifter(2), EDMDClassifier(ridge=0)).fit(
        FLOWERS, KINDS
    )
    plain = make_pipeline(MonomialLifter(2), EDMDClassifier(ridge=0)).fit(FLOWERS, KINDS)
    assert_allclose(robust_radius(weighted, FLOWERS), robust_radius(plain, FLOWERS), rtol=1e-6)


def test_rows_and_students_in_each_others_places():
    student = EDMDClassifier(lifter=MonomialLifter(2)).fit(FLOWERS, KINDS)
    with pytest.raises(TypeError, match=r"^There is a DataFrame in place of a fitted student"):
        robust_radius(FLOWERS, student)
    with pytest.raises(TypeError, match="X is a model, EDMDClassifier"):
        robust_radius(student, student)
    with pytest.raises(TypeError, match="background is a model, EDMDClassifier"):
        shapley_values(student, FLOWERS, student)
    with pytest.raises(ValueError, match=r"single row as a table is X.iloc\[\[i\]\]"):
        robust_radius(student, FLOWERS.iloc[0])
    with pytest.raises(ValueError, match=r"single row as a table is X\[\[i\]\]"):
        shapley_values(student, FLOWERS.to_numpy()[0], FLOWERS)


def test_columns_that_are_dropped_change_nothing():
    front = make_column_transformer((StandardScaler(), [3, 1]), remainder="drop")
    student = make_pipeline(front, MonomialLifter(2), EDMDClassifier(ridge=1e-3))
    student.fit(FLOWERS.to_numpy(), KINDS)
    alone = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier(ridge=1e-3))
    alone.fit(FLOWERS.to_numpy()[:, [3, 1]], KINDS)
    radii, changed = robust_radius(student, FLOWERS.to_numpy(), return_counterfactual=True)
    assert_allclose(radii, robust_radius(alone, FLOWERS.to_numpy()[:, [3, 1]]), rtol=1e-6)
    assert_array_equal(changed[:, [0, 2]], FLOWERS.to_numpy()[:, [0, 2]])


def test_what_no_radius_is_known_of_is_said():
    words = FLOWERS.assign(color=np.where(KINDS == 0, "white", "blue"))
    numbers = FLOWERS.assign(color=(KINDS == 0).astype(float))
    for rows, message in (
        (words, "not numbers, 'color'"),
        (numbers, r"OneHotEncoder\(\) takes only the values"),
    ):
        front = make_column_transformer(
            (OneHotEncoder(), ["color"]), remainder=StandardScaler()
        )
        student = make_pipeline(front, EDMDClassifier(ridge=1e-3)).fit(rows, KINDS)
        with pytest.raises(TypeError, match=message):
            robust_radius(student, rows)
    by_name = FunctionTransformer(lambda frame: frame[list(FLOWERS)[:2]].to_numpy())
    student = make_pipeline(by_name, EDMDClassifier()).fit(FLOWERS, KINDS)
    with pytest.raises(
        TypeError, match=r"steps that take arrays of numbers.*FunctionTransformer"
    ):
        robust_radius(student, FLOWERS)
    student = make_pipeline(StandardScaler(), EDMDClassifier()).fit(FLOWERS, KINDS)
    with pytest.raises(ValueError, match="feature names should match"):
        robust_radius(student, FLOWERS[list(FLOWERS)[::-1]])


def test_radii_of_a_circle():
    """Seen from outside, the difference of the logits is convex: no eigenvalue is negative."""
    line = np.linspace(-2, 2, 21)
    rows = np.column_stack([part.ravel() for part in np.meshgrid(line, line)])
    outside = np.linalg.norm(rows, axis=1) > 1.25
    student = EDMDClassifier(lifter=MonomialLifter(2), ridge=1e-10).fit(rows, outside)
    (squares,) = np.diff(student.coef_[:, 3], axis=0)
    (constant,) = np.diff(student.intercept_ + student.coef_[:, 0])
    boundary = np.sqrt(-constant / squares)
    radii = robust_radius(student, rows)
    assert_allclose(radii, np.abs(np.linalg.norm(rows, axis=1) - boundary), rtol=1e-6)


def test_rows_without_a_slope_toward_the_boundary():
    """The hard case: the boundary is on both sides, and the row does not tell which is nearer."""
    across, along = np.meshgrid(np.linspace(-2, 2, 41), [-1.0, -0.5, 0.5, 1.0])
    rows = np.column_stack([across.ravel(), along.ravel()])
    student = EDMDClassifier(lifter=MonomialLifter(2), ridge=1e-10)
    student.fit(rows, np.abs(rows[:, 0]) > 1)
    radii, changed = robust_radius(student, [[0.0, 0.0]], return_counterfactual=True)
    line = np.linspace(0, 2, 20_001)[:, None] * [1.0, 0.0]
    crossing = line[student.predict(line) != student.predict([[0.0, 0.0]]), 0].min()
    assert_allclose(radii, crossing, atol=2e-4)
    assert student.predict(changed) != student.predict([[0.0, 0.0]])


# Where radii are not exact: bounds, and boxes

OTHERS = {
    "degree 3": [PCA(5, random_state=0), MonomialLifter(3)],
    "degree 4": [PCA(3, whiten=True, random_state=0), MonomialLifter(4)],
    "orthogonal": [PCA(4, random_state=0), OrthogonalPolynomialLifter(3)],
    "Gaussians": [PCA(5, random_state=0), RBFLifter(20, random_state=0)],
    "cosines": [
        PCA(5, random_state=0),
        OpticalLifter(30, nonlinearity="cosine", random_state=0),
    ],
    "of scikit-learn": [PCA(5, random_state=0), Nystroem(n_components=20, random_state=0)],
}


def inner_steps(student, rows, radii, n_draws=15):
    """Yield rows changed by nearly the radius in random directions of the PCA."""
    draw = np.random.default_rng(1)
    for _ in range(n_draws):
        step = draw.normal(size=(len(rows), student[0].n_components_)) @ student[0].components_
        step *= 0.999 * (radii / np.linalg.norm(step, axis=1))[:, None]
        yield rows + step


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_bounds_of_other_students_are_bounds(name):
    student = make_pipeline(*OTHERS[name], EDMDClassifier(ridge=1e-3)).fit(X, y)
    rows = X[:20]
    knows_bounds = name in ("degree 3", "degree 4", "Gaussians", "cosines")
    with warnings.catch_warnings():
        if not knows_bounds:
            warnings.filterwarnings("ignore", "No lower bound of the radii")
        found = radius_bounds(student, rows)
        assert np.array_equal(robust_radius(student, rows), found.lower)
    assert not found.is_exact.any()
    assert np.all(found.lower <= found.upper)
    is_there = np.isfinite(found.upper)
    assert is_there.mean() > 0.9
    changed = found.counterfactuals[is_there]
    assert np.all(student.predict(changed) != student.predict(rows[is_there]))
    assert_allclose(np.linalg.norm(changed - rows[is_there], axis=1), found.upper[is_there])
    for moved in inner_steps(student, rows, found.lower):
        assert np.array_equal(student.predict(moved), student.predict(rows))
    assert np.all(found.lower > 0) if knows_bounds else np.all(found.lower == 0)


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ([filters()], "ConvolutionalLifter"),
        ([filters("intensity")], "ConvolutionalLifter"),
        ([PCA(3), Nystroem(n_components=9, random_state=0)], "Nystroem"),
        ([PCA(3), OpticalLifter(9, nonlinearity="saturable_absorption")], "OpticalLifter"),
        ([PCA(3), RBFLifter(9, random_state=0), PCA(4)], "RBFLifter and PCA"),
    ],
)
def test_dictionaries_without_bounds_are_named(steps, names):
    student = make_pipeline(*steps, EDMDClassifier(ridge=1e-3)).fit(X, y)
    with pytest.warns(UserWarning, match=f"No lower bound .* known for {names}: 0 is"):
        radii = robust_radius(student, X[:3])
    assert not radii.any()


def test_bounds_of_degree_3_are_near_each_other():
    student = make_pipeline(*OTHERS["degree 3"], EDMDClassifier(ridge=1e-3)).fit(X, y)
    found = radius_bounds(student, X[:60])
    assert np.median(found.lower / found.upper) > 0.6


@pytest.mark.parametrize("n_classes", [2, 3])
def test_bounds_of_few_classes(n_classes):
    few, labels = X[y < n_classes], y[y < n_classes]
    student = make_pipeline(PCA(5, random_state=0), MonomialLifter(3), EDMDClassifier())
    found = radius_bounds(student.fit(few, labels), few[:50])
    assert (found.lower <= found.upper).all()
    is_found = np.isfinite(found.upper)
    changed = student.predict(found.counterfactuals[is_found])
    assert is_found.any()
    assert (changed != student.predict(few[:50][is_found])).all()


def test_degree_2_by_the_way_of_higher_degrees_is_below_the_exact_radius():
    """A dictionary with monomials of degree 3 that have no weight."""
    student = make_pipeline(PCA(5, random_state=0), MonomialLifter(3), EDMDClassifier()).fit(
        X, y
    )
    of_degree_3 = student[1].powers_.sum(axis=1) == 3
    student[-1].coef_[:, of_degree_3] = 0.0
    plain = make_pipeline(PCA(5, random_state=0), MonomialLifter(2), EDMDClassifier()).fit(X, y)
    plain[-1].coef_ = student[-1].coef_[:, ~of_degree_3]
    plain[-1].intercept_ = student[-1].intercept_
    exact, found = robust_radius(plain, X[:60]), radius_bounds(student, X[:60])
    assert np.all(found.lower <= exact * (1 + 1e-9))
    assert np.all(found.upper >= exact * (1 - 1e-9))
    assert np.median(found.upper / exact) < 1.02


def test_changed_rows_stay_within_bounds():
    student = make_pipeline(PCA(8, random_state=0), MonomialLifter(2), EDMDClassifier()).fit(
        X, y
    )
    rows = X[:60]
    free, found = radius_bounds(student, rows), radius_bounds(student, rows, bounds=(0, 1))
    assert np.array_equal(found.lower, free.lower)
    assert np.all(found.upper >= free.upper)
    assert np.median(found.upper / found.lower) < 1.3
    assert np.nanmin(found.counterfactuals) >= 0
    assert np.nanmax(found.counterfactuals) <= 1
    is_there = np.isfinite(found.upper)
    predicted = student.predict(found.counterfactuals[is_there])
    assert np.all(predicted != student.predict(rows[is_there]))
    wide = radius_bounds(student, rows, bounds=(-100, np.full(64, 100)))
    assert wide.is_exact.all()
    assert_allclose(wide.counterfactuals, free.counterfactuals)


def test_a_half_space_in_a_box_is_cut_where_it_must_be():
    """Two features, a line, and a corner of the box in the way."""
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    student = EDMDClassifier(ridge=1e-8).fit(np.tile(rows, (5, 1)), np.tile([0, 0, 0, 1], 5))
    normal = np.diff(student.coef_, axis=0)[0]
    offset = np.diff(student.intercept_)[0]
    assert_allclose(normal[0], normal[1], rtol=1e-6)
    found = radius_bounds(student, [[0.5, 0.9]], bounds=([0, 0], [1, 0.95]))
    expected = (-offset - 0.95 * normal[1]) / normal[0] - 0.5
    assert_allclose(found.upper, np.hypot(expected, 0.05), rtol=1e-5)


def test_rows_that_no_change_moves_to_another_class():
    student = EDMDClassifier().fit(np.repeat([[0.0], [1.0]], 5, axis=0), np.repeat([0, 1], 5))
    student.coef_[:] = 0.0
    radii, changed = robust_radius(student, [[0.3]], return_counterfactual=True)
    assert np.isinf(radii).all()
    assert np.isnan(changed).all()


@pytest.mark.parametrize("bounds", [(0.2, 1), 3, (0, 1, 2), ([0, 1], 1)])
def test_bounds_that_are_none_say_so(bounds):
    student = EDMDClassifier().fit(X, y)
    with pytest.raises(ValueError, match="bounds="):
        robust_radius(student, X, bounds=bounds)


def test_where_bounds_leave_no_change_the_radius_is_that_without_them():
    student = EDMDClassifier().fit([[0.0], [1.0]], [0, 1])  # the boundary is at 0.5
    found = radius_bounds(student, [[0.2]], bounds=(0, 0.4))
    assert_allclose(found.lower, 0.3)
    assert found.upper == np.inf
    assert np.isnan(found.counterfactuals).all()
    assert not found.is_exact


def test_rows_of_another_width_and_students_without_a_matrix_say_so():
    student = make_pipeline("passthrough", PCA(5), MonomialLifter(2), EDMDClassifier()).fit(
        X, y
    )
    with pytest.raises(ValueError, match="X has 3 features, and the student takes 64"):
        robust_radius(student, X[:, :3])
    with pytest.raises(TypeError, match="no Koopman matrix"):
        robust_radius(LogisticRegression().fit(X, y), X)


def test_what_is_said_to_be_quadratic_and_is_not_says_so():
    class Liar(MonomialLifter):
        def polynomial_degree(self):
            return 2

    student = make_pipeline(PCA(3, random_state=0), Liar(3), EDMDClassifier()).fit(X, y)
    with pytest.raises(ValueError, match="should have degree 2"):
        robust_radius(student, X)


def test_data_frames_and_single_precision():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    student = make_pipeline(PCA(5, random_state=0), MonomialLifter(2), EDMDClassifier())
    expected = robust_radius(student.fit(X, y), X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_allclose(robust_radius(student.fit(frame, y), frame), expected, rtol=1e-6)
    single = student.fit(X.astype(np.float32), y)
    assert_allclose(robust_radius(single, X.astype(np.float32)), expected, rtol=1e-2)
