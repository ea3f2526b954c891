"""The weight of filters and places in a matrix: numbers against sums by hand, and pictures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    ConvolutionalLifter,
    EDMDClassifier,
    MonomialLifter,
    ObservableSelector,
)
from sklearn_koopman.inspection import (
    AccuracyCostDisplay,
    FilterDisplay,
    FilterWeightsDisplay,
    LogitMapDisplay,
    filter_weights,
    logit_maps,
)
from sklearn_koopman.pipeline import make_pipeline

X, Y = load_digits(return_X_y=True)
NAMES = np.array(list("abcdefghij"))[Y]


def filters(shape=(8, 8), **settings):
    settings = {"n_filters": 5, "filter_size": 3, "grid": (2, 3), "random_state": 0} | settings
    return ConvolutionalLifter(shape, **settings)


STUDENTS = {
    "inside": EDMDClassifier(lifter=filters()),
    "step": make_pipeline(filters(nonlinearity="intensity"), EDMDClassifier()),
    "dilated": EDMDClassifier(lifter=filters(nonlinearity="proportion", dilation=2)),
    "scaled": make_pipeline(StandardScaler(with_std=False), filters(), EDMDClassifier()),
    "frozen": make_pipeline(FrozenEstimator(filters().fit(X)), EDMDClassifier(lifter=None)),
    "search": GridSearchCV(
        make_pipeline(filters(nonlinearity="magnitude"), EDMDClassifier()),
        {"edmdclassifier__ridge": [1e-3]},
        cv=2,
    ),
    "chosen": make_pipeline(
        ObservableSelector(filters(), max_observables=17), EDMDClassifier()
    ),
    "chosen inside": EDMDClassifier(lifter=ObservableSelector(filters(), max_observables=9)),
}


@pytest.fixture(scope="module", params=STUDENTS)
def student(request):
    """A fitted student with filters."""
    return clone(STUDENTS[request.param]).fit(X, NAMES)


@pytest.fixture(scope="module")
def one():
    return clone(STUDENTS["inside"]).fit(X, NAMES)


@pytest.fixture
def pyplot():
    """Return matplotlib without a screen; close all figures afterwards."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_maps_sum_to_logits(student):
    maps = logit_maps(student, X[:20])
    assert maps.shape == (20, 10, 2, 3)
    logits = student.decision_function(X)
    sums = maps.sum(axis=(2, 3))
    # Apart from the intercepts, which belong to no cell.
    assert_allclose(sums - sums[0], logits[:20] - logits[0], atol=1e-6)
    compared = logit_maps(student, X[:20], X_reference=X)
    expected = logits[:20] - logits.mean(axis=0)
    assert_allclose(compared.sum(axis=(2, 3)), expected, atol=1e-6)


def test_what_lies_outside_of_a_cell_does_not_matter_to_it():
    lifter = filters(normalization="none", filters=np.ones((1, 1, 1, 1)), grid=2)
    student = EDMDClassifier(lifter=lifter).fit(X, Y)
    changed = X[:5].copy().reshape(5, 8, 8)
    changed[:, 4:, :4] += 1.0
    difference = logit_maps(student, changed.reshape(5, 64)) - logit_maps(student, X[:5])
    assert np.abs(difference[:, :, 1, 0]).min() > 0
    difference[:, :, 1, 0] = 0
    assert_array_equal(difference, 0)


def test_weights_are_entries_of_the_matrix(one):
    weights, names = filter_weights(one), list(one.lifter_.get_feature_names_out())
    assert weights.shape == (10, 5, 2, 2, 3)
    for name, place in {
        "f0+_0_0": (0, 0, 0, 0),
        "f3-_1_2": (3, 1, 1, 2),
        "f4+_0_1": (4, 0, 0, 1),
    }.items():
        assert_array_equal(weights[(slice(None), *place)], one.coef_[:, names.index(name)])
    scaled = filter_weights(one, X)
    spread = one.lifter_.transform(X).std(axis=0).reshape(1, 5, 2, 2, 3)
    assert_allclose(scaled, weights * spread)


@pytest.mark.parametrize(
    ("nonlinearity", "n_signs"),
    [("threshold", 2), ("proportion", 2), ("intensity", 1), ("magnitude", 1)],
)
def test_weights_have_the_signs_of_the_observables(nonlinearity, n_signs):
    student = EDMDClassifier(lifter=filters(nonlinearity=nonlinearity)).fit(X, NAMES)
    assert filter_weights(student).shape == (10, 5, n_signs, 2, 3)


def test_frontier_of_filters(pyplot):
    model = make_pipeline(filters(normalization="none", grid=1), EDMDClassifier())
    grid = {"convolutionallifter__n_filters": [1, 4], "convolutionallifter__stride": [1, 2]}
    search = GridSearchCV(model, grid, cv=2).fit(X[:300], Y[:300])
    display = AccuracyCostDisplay.from_search(search, X[:300], Y[:300])
    # Filters at 36 places or at 9, two means of each, and the matrix.
    expected = [n * (9 * places + 2) + 10 * 2 * n for n in (1, 4) for places in (36, 9)]
    assert_array_equal(display.costs, expected)


def test_what_was_not_chosen_has_no_weight():
    student = clone(STUDENTS["chosen"]).fit(X, Y)
    weights = filter_weights(student).reshape(10, -1)
    assert_array_equal(weights[:, student[0].get_support()], student[1].coef_)
    assert_array_equal(weights[:, ~student[0].get_support()], 0)


@pytest.mark.parametrize("function", [filter_weights, lambda s: logit_maps(s, X)])
def test_there_must_be_filters_right_before_the_matrix(function):
    behind = make_pipeline(filters(), PCA(5), MonomialLifter(2), EDMDClassifier()).fit(X, Y)
    with pytest.raises(
        ValueError, match=r"and the matrix there is PCA, MonomialLifter, so the"
    ):
        function(behind)
    FilterDisplay.from_estimator(behind)  # it has filters, too
    without = make_pipeline(PCA(5), EDMDClassifier()).fit(X, Y)
    with pytest.raises(ValueError, match="There is no ConvolutionalLifter among the steps of"):
        function(without)
    with pytest.raises(ValueError, match=r"ConvolutionalLifter among .* PCA, EDMDClassifier"):
        FilterDisplay.from_estimator(without)


class TestFilterDisplay:
    def test_images(self, student, pyplot):
        display = FilterDisplay.from_estimator(student)
        assert display.filters.shape == (5, 1, 3, 3)
        sheet = display.image_.get_array()
        assert sheet.shape == (7, 11)  # five of three pixels, in two lines of three
        for place, kernel in zip(
            [(0, 0), (0, 4), (0, 8), (4, 0), (4, 4)], display.filters[:, 0], strict=True
        ):
            found = sheet[place[0] : place[0] + 3, place[1] : place[1] + 3]
            assert_allclose(found, kernel / np.abs(kernel).max(), atol=1e-12)
        assert np.ma.getmaskarray(np.ma.masked_invalid(sheet))[3].all()

    def test_colors(self, pyplot):
        kernel = np.zeros((2, 3, 2, 2))
        kernel[0, 0] = 4.0
        kernel[1, 2, 0, 0] = -1.0
        sheet = FilterDisplay(kernel).plot().image_.get_array()
        assert_allclose(sheet[0, 0], [1.0, 0.5, 0.5])  # red
        assert_allclose(sheet[0, 3], [0.5, 0.5, 0.0])  # negative blue
        assert_allclose(sheet[1, 3], 0.5)
        assert_allclose(sheet[:, 2], 1.0)
        lifter = filters((3, 4, 5), n_filters=7).fit(np.random.default_rng(0).random((30, 60)))
        assert FilterDisplay.from_estimator(lifter).image_.get_array().shape[-1] == 3

    def test_two_channels_are_beside_each_other(self, pyplot):
        sheet = FilterDisplay(np.array([[[[1.0], [2.0]], [[-4.0], [0.0]]]])).plot()
        assert_allclose(sheet.image_.get_array(), [[0.25, -1.0], [0.5, 0.0]])

    def test_series(self, pyplot):
        rows = np.random.default_rng(0).normal(size=(30, 40))
        lifter = filters((2, 20), kind="series", grid=2, filter_size=4).fit(rows)
        _, ax = pyplot.subplots()
        display = FilterDisplay.from_estimator(lifter, ax=ax)
        assert display.ax_ is ax
        assert display.image_ is None
        assert len(display.lines_) == 10  # five filters of two channels
        shown = display.lines_[3].get_ydata()
        kernel = lifter.filters_[1, :, 0]
        assert_allclose(shown, kernel[1] / np.abs(kernel).max())

    def test_a_filter_of_zeros(self, pyplot):
        sheet = FilterDisplay(np.zeros((1, 1, 2, 2))).plot().image_.get_array()
        assert_array_equal(sheet, 0)


class TestFilterWeightsDisplay:
    def test_the_filters_that_matter_most_come_first(self, student, pyplot):
        display = FilterWeightsDisplay.from_estimator(student, "c", X, n_shown=3)
        weights = filter_weights(student, X)[2]
        assert_array_equal(display.weights, weights)
        sizes = np.square(weights).mean(axis=(1, 2, 3))
        assert_array_equal(sizes[display.order], np.sort(sizes)[::-1])
        n_signs = weights.shape[1]
        assert display.axes_.shape == (1 + n_signs, 3)
        for j, column in zip(display.order, display.axes_.T, strict=False):
            assert column[0].get_title() == f"f{j}"
            for sign in range(n_signs):
                (image,) = column[1 + sign].get_images()
                assert_array_equal(image.get_array(), weights[j, sign])
                low, high = image.get_clim()
                assert high == -low == np.abs(weights[display.order[:3]]).max()

    def test_given_axes(self, one, pyplot):
        _, axes = pyplot.subplots(3, 5)
        display = FilterWeightsDisplay.from_estimator(one, "a", n_shown=99, axes=axes)
        assert display.axes_[2, 4] is axes[2, 4]
        with pytest.raises(
            ValueError, match=r"axes: an array of shape \(3, 5\) is needed, got"
        ):
            display.plot(axes=axes[:2])
        with pytest.raises(ValueError, match=r"label='k' is not a class: the classes are \["):
            FilterWeightsDisplay.from_estimator(one, "k")


class TestLogitMapDisplay:
    def test_classes_in_the_order_of_their_logits(self, student, pyplot):
        logits = student.decision_function(X[7:8])[0]
        display = LogitMapDisplay.from_estimator(student, X[7], X_reference=X)
        best = np.argsort(-logits)[:3]
        assert display.titles == [student.classes_[i] for i in best]
        maps = logit_maps(student, X[7:8], X_reference=X)[0]
        assert_allclose(display.maps, (maps - maps.mean(axis=0))[best])
        for ax, expected in zip(display.axes_[1:], display.maps, strict=True):
            assert_array_equal(ax.collections[0].get_array(), expected)

    def test_given_labels_and_axes(self, one, pyplot):
        _, axes = pyplot.subplots(1, 3)
        display = LogitMapDisplay.from_estimator(one, X[0], labels=["j", "b"], axes=axes)
        assert display.titles == ["j", "b"]
        assert list(display.axes_) == list(axes)
        with pytest.raises(ValueError, match="label='z' is not a class"):
            LogitMapDisplay.from_estimator(one, X[0], labels=["z"])
        with pytest.raises(ValueError, match=r"shape \(3,\) is needed, got .* \(2,\)"):
            display.plot(axes=axes[:2])

    def test_two_classes(self, pyplot):
        student = EDMDClassifier(lifter=filters()).fit(X, Y > 4)
        display = LogitMapDisplay.from_estimator(student, X[0], X_reference=X)
        assert sorted(display.titles) == ["False", "True"]
        assert_allclose(display.maps[0], -display.maps[1], atol=1e-9)

    def test_colors_and_series(self, pyplot):
        rng = np.random.default_rng(0)
        labels = np.arange(40) % 2
        for shape, kind in (((3, 6, 5), "image"), ((2, 45), "series"), ((90,), "auto")):
            rows = rng.random((40, 90))
            student = EDMDClassifier(
                lifter=filters(shape, kind=kind, grid=2, filter_size=3)
            ).fit(rows, labels)
            display = LogitMapDisplay.from_estimator(student, rows[0])
            assert len(display.axes_) == 3
            assert display.row.shape == student.lifter_.input_shape_
            n_lines = 0 if kind == "image" else student.lifter_.input_shape_[0]
            assert len(display.axes_[1].lines) == n_lines

    def test_rows_that_say_nothing(self, one, pyplot):
        LogitMapDisplay.from_estimator(one, np.zeros(64)).figure_.canvas.draw()


@pytest.mark.parametrize("stride", [1, 2])
def test_cells_are_where_their_pixels_are(stride):
    lifter = filters(
        (9, 7), filters=np.ones((1, 1, 1, 1)), stride=stride, grid=(3, 2), root=False
    ).fit(np.eye(63))
    down, across = lifter.cell_outlines()
    assert (len(down), len(across)) == (4, 3)
    positive = lifter.transform(np.eye(63)).reshape(9, 7, 2, 3, 2)[:, :, 0]
    for y, x, i, j in np.argwhere(positive):
        assert down[i] <= y + 0.5 <= down[i + 1]
        assert across[j] <= x + 0.5 <= across[j + 1]
    # The place of a filter is its middle.
    wide = filters((9, 7), filter_size=(5, 3), grid=1).fit(X[:50, :63])
    assert_array_equal(wide.cell_outlines(), [[2, 7], [1, 6]])


def test_patches_are_what_filters_see():
    for settings in ({}, {"normalization": "brightness"}, {"stride": 2}):
        lifter = filters(**settings, nonlinearity="intensity", root=False, grid=1).fit(X)
        patches = lifter.patches(X[:6])
        flat = lifter.filters_.reshape(5, -1)
        responses = patches @ flat.T + lifter.offsets_
        assert_allclose(np.square(responses).mean(axis=1), lifter.transform(X[:6]))
    bare = filters(filters=np.ones((1, 1, 3, 3))).fit(X)
    assert_array_equal(bare.patches(X[:1])[0, 7], X[0].reshape(8, 8)[1:4, 1:4].ravel())


def test_memory_for_patches(has_memory):
    lifter = filters().fit(X)
    has_memory(1000)
    with pytest.raises(MemoryError, match=r"36 patches of 1797 sample.*Take fewer rows"):
        lifter.patches(X)


def test_without_matplotlib(one, without):
    without("matplotlib.pyplot")
    for draw in (
        lambda: FilterDisplay.from_estimator(one),
        lambda: FilterWeightsDisplay.from_estimator(one, "a"),
        lambda: LogitMapDisplay.from_estimator(one, X[0]),
    ):
        with pytest.raises(ImportError, match=r"sklearn-koopman\[plot\]"):
            draw()
