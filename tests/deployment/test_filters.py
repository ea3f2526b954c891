"""Students' filters with few bits, the errors of a chip, noisy inputs and noisy detectors."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV

from sklearn_koopman import (
    ConvolutionalLifter,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
)
from sklearn_koopman.deployment import (
    Hardware,
    SimulatedChip,
    detach_teacher,
    hardware_curve,
    load_student,
    quantise_student,
    save_student,
    unit_levels,
)
from sklearn_koopman.lifting import OpticalLifter
from sklearn_koopman.pipeline import make_pipeline

from .helpers import FILTERS, INTENSITIES, X, y


@pytest.fixture(scope="module")
def student():
    """A student whose observables are roots of intensities."""
    return make_pipeline(clone(INTENSITIES), EDMDClassifier()).fit(X, y)


@pytest.fixture(scope="module")
def bare():
    """A student of intensities without roots, and of patches without normalisation."""
    lifter = clone(INTENSITIES).set_params(root=False, normalization="none")
    return make_pipeline(lifter, EDMDClassifier()).fit(X, y)


def responses_of(lifter, rows=X):
    """Return the responses of patches on hardware, (n_rows, n_places, n_filters)."""
    flat = lifter.filters_.reshape(len(lifter.filters_), -1).astype(np.float64)
    return lifter.patches(rows) @ flat.T + lifter.offsets_


class TestBits:
    def test_numbers_are_levels_of_their_filter(self, student):
        rounded = quantise_student(student, X, bits=None, filter_bits=3)[0]
        for each in rounded.filters_:
            units = np.unique(np.abs(each)).astype(np.float64)
            ratios = units[units > 0] / units.max()
            steps = unit_levels(3)
            # the largest number need not be the full scale
            assert any(
                np.isclose(ratios[:, None] * top, steps, rtol=1e-5).any(axis=1).all()
                for top in steps[steps > 0]
            )

    def test_responses_change_least_where_patches_are(self, student):
        lifter = student[0]
        plain, fed_back = (
            quantise_student(student, X, bits=None, filter_bits=3, feedback=feedback)[0]
            for feedback in (False, True)
        )
        exact = responses_of(lifter)
        changes = [np.square(responses_of(each) - exact).sum() for each in (fed_back, plain)]
        assert 0 < changes[0] < changes[1]

    def test_offsets_keep_the_mean_where_all_rows_count_alike(self, student):
        # Without probabilities they agree.
        rounded = quantise_student(student, X, bits=None, filter_bits=2)[0]
        assert not np.array_equal(rounded.filters_, student[0].filters_)
        means = [responses_of(each).mean(axis=(0, 1)) for each in (rounded, student[0])]
        assert_allclose(*means, atol=1e-5)

    @pytest.mark.parametrize("classifier", [EDMDClassifier(), KoopmanDistilledClassifier()])
    def test_the_mean_of_the_logits_stays(self, classifier):
        settings = {} if isinstance(classifier, EDMDClassifier) else {"soft_weight": 0}
        student = make_pipeline(
            FILTERS, PCA(20, random_state=0), clone(classifier).set_params(**settings)
        ).fit(X, y)
        weight = np.ones(len(X))
        if hasattr(student, "predict_proba"):
            curvature = 1 - np.square(student.predict_proba(X)).sum(axis=1)
            weight = curvature + curvature.mean()
        rounded = quantise_student(student, X, bits=4, filter_bits=3, reducer_bits=5)
        assert_allclose(
            np.average(rounded.decision_function(X), axis=0, weights=weight),
            np.average(student.decision_function(X), axis=0, weights=weight),
            atol=1e-3,
        )

    def test_many_bits_change_nothing_and_few_change_more(self, student):
        exact = student.decision_function(X)
        changes = [
            np.abs(
                quantise_student(student, X, bits=None, filter_bits=bits).decision_function(X)
                - exact
            ).mean()
            for bits in (2, 4, 8, 16)
        ]
        assert changes[0] > changes[1] > changes[2] > changes[3]
        assert changes[3] < 1e-3
        assert student.score(X, y) - 0.01 < quantise_student(
            student, X, bits=6, filter_bits=6
        ).score(X, y)

    def test_none_at_all_is_the_student_itself(self, student):
        same = quantise_student(student, X, bits=None)
        assert_array_equal(same.decision_function(X), student.decision_function(X))

    @pytest.mark.parametrize(
        "lifter", [MonomialLifter(1), ObservableSelector(FILTERS, max_observables=5)]
    )
    def test_there_must_be_filters(self, lifter):
        other = EDMDClassifier(lifter=lifter).fit(X, y)
        with pytest.raises(ValueError, match="filter_bits=4 needs a ConvolutionalLifter as"):
            quantise_student(other, X, filter_bits=4)
        with pytest.raises(ValueError, match=r"filter_noise=0\.1 needs a ConvolutionalLifter"):
            SimulatedChip(other, Hardware(filter_noise=0.1), X)
        with pytest.raises(ValueError, match=r"pixel_electrons=10 needs the intensities"):
            SimulatedChip(other, Hardware(pixel_electrons=10), X)


def chip(student, random_state=0, **settings):
    return SimulatedChip(student, Hardware(**settings), X, random_state=random_state)


class TestChips:
    def test_perfect_ones_change_nothing(self, student, bare):
        for each in (student, bare):
            exact = each.decision_function(X)
            found = chip(each, pixel_electrons=1e14, input_bits=16, filter_bits=16)
            assert_allclose(found.decision_function(X), exact, atol=2e-2)
            assert found.score(X, y) == pytest.approx(each.score(X, y), abs=2e-3)

    def test_rounded_filters_are_those_of_quantise_student(self, student):
        rounded = quantise_student(student, X, bits=3, filter_bits=3)
        found = chip(student, weight_bits=3, filter_bits=3)
        assert_array_equal(found.coef_, rounded[-1].coef_)
        expected = rounded.decision_function(X)
        assert_allclose(found.decision_function(X), expected, atol=1e-4)

    def test_errors_of_filters_have_their_size(self):
        # One filter of one number, intensities: the observable is its square times the input's.
        lifter = ConvolutionalLifter(
            filters=[[[2.0]]], nonlinearity="intensity", root=False, grid=1
        )
        rows = np.array([[1.0], [3.0], [2.0], [0.0]])
        student = make_pipeline(lifter, EDMDClassifier()).fit(rows, [0, 1, 1, 0])
        slope, intercept = student[-1].coef_[0, 0], student[-1].intercept_[0]
        found = [
            SimulatedChip(
                student, Hardware(filter_noise=0.1), rows, random_state=seed
            ).decision_function([[1.0]])[0, 0]
            for seed in range(300)
        ]
        filters = np.sqrt((np.array(found) - intercept) / slope)
        assert_allclose(filters.mean(), 2.0, atol=0.05)
        assert_allclose(filters.std(), 0.1 * 2.0, rtol=0.15)
        assert_array_equal(student[0].filters_, [[[[2.0]]]])

    def test_shot_noise_of_pixels_has_its_size(self, bare):
        row = np.repeat(X[:1], 2000, axis=0)
        brightest = bare[0].transform(X).max()
        intensity = bare[0].transform(X[:1])[0].astype(np.float64)
        logits = chip(bare, pixel_electrons=1000).decision_function(row)
        variance = np.square(bare[-1].coef_.astype(np.float64)) @ intensity * brightest / 1000
        assert_allclose(logits.std(axis=0), np.sqrt(variance), rtol=0.1)
        exact = bare.decision_function(X[:1])[0]
        assert_allclose(logits.mean(axis=0), exact, atol=0.15 * np.sqrt(variance).max())

    def test_roots_are_taken_of_what_is_detected(self):
        lifter = ConvolutionalLifter(filters=[[[1.0]]], nonlinearity="intensity", grid=1)
        rows = np.array([[1.0], [4.0], [10.0], [0.0]])
        student = make_pipeline(lifter, EDMDClassifier()).fit(rows, [0, 1, 1, 0])
        coef, intercept = student[-1].coef_[0, 0], student[-1].intercept_[0]
        found = SimulatedChip(student, Hardware(pixel_electrons=1e6), rows, random_state=0)
        seen = (found.decision_function(np.full((4000, 1), 4.0))[:, 0] - intercept) / coef
        # 100 units of light are a million electrons: 16 are 160,000, and a root halves the error.
        assert_allclose(np.square(seen).std(), 16 / np.sqrt(160_000), rtol=0.1)
        dark = (found.decision_function(np.zeros((5, 1)))[:, 0] - intercept) / coef
        assert_allclose(dark, 0, atol=1e-12)

    def test_light_between_two_dictionaries(self):
        # Pixels are read after a random medium, and products are taken of the read values.
        medium = OpticalLifter(10, random_state=0)
        student = make_pipeline(medium, PCA(5), MonomialLifter(2), EDMDClassifier()).fit(X, y)
        exact = student.decision_function(X)
        assert_allclose(
            chip(student, pixel_electrons=1e14).decision_function(X), exact, atol=1e-3
        )
        noise = [
            np.std(chip(student, pixel_electrons=n).decision_function(X) - exact)
            for n in (1e3, 1e5)
        ]
        assert noise[0] > 3 * noise[1] > 0

    def test_inputs_of_few_bits_and_with_noise(self, student):
        whole = make_pipeline(PCA(20), EDMDClassifier()).fit(X, y)  # any student has inputs
        found = chip(whole, input_bits=2).decision_function(X)
        levels = np.rint(X * 3) / 3
        assert_allclose(found, whole.decision_function(levels.astype(np.float32)), atol=1e-4)
        row = np.repeat(X[:1], 2000, axis=0)
        noisy = chip(whole, input_noise=0.1).decision_function(row)
        slopes = whole[-1].coef_ @ whole[0].components_
        assert_allclose(noisy.std(axis=0), 0.1 * np.linalg.norm(slopes, axis=1), rtol=0.1)
        # Values beyond the range of the modulator are sent as its end.
        beyond = chip(whole, input_bits=8).decision_function(X + 9)
        assert_allclose(beyond, whole.decision_function(np.ones_like(X)), atol=1e-4)

    @pytest.mark.parametrize(
        ("vary", "values"),
        [
            ("filter_bits", [2, 3, 8]),
            ("filter_noise", [1.0, 0.2, 0.0]),
            ("input_bits", [2, 3, 8]),
            ("input_noise", [1.0, 0.3, 0.0]),
            ("pixel_electrons", [3.0, 100.0, 1e6]),
        ],
    )
    def test_curves(self, student, vary, values):
        settings = {"X_calibration": X[:300], "n_chips": 2, "random_state": 0}
        found = hardware_curve(student, X[:600], y[:600], vary=vary, values=values, **settings)
        means = found.mean(axis=1)
        assert means[0] < means[1] + 0.005
        assert means[0] < means[2]
        assert_allclose(means[2], student.score(X[:600], y[:600]), atol=0.01)
        if vary == "filter_noise":
            assert found[0, 0] != found[0, 1]  # each chip has its own filters

    def test_a_chip_is_drawn_by_its_seed(self, student):
        noisy = {"filter_noise": 0.1, "input_noise": 0.1, "pixel_electrons": 100}
        first, again, other = (
            chip(student, seed, **noisy).decision_function(X) for seed in (0, 0, 1)
        )
        assert_array_equal(first, again)
        assert (first != other).all()

    def test_students_that_expect_noise_of_their_matrix(self, student):
        aware = clone(student).set_params(edmdclassifier__multiplicative_noise=0.5).fit(X, y)
        settings = {"X_calibration": X[:300], "n_chips": 5, "random_state": 0}
        scores = [
            hardware_curve(
                each, X, y, vary="multiplicative_noise", values=[1.0], **settings
            ).mean()
            for each in (student, aware)
        ]
        assert scores[1] > scores[0] + 0.02

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"filter_noise": -0.1}, "filter_noise=-0.1: must be a float in"),
            ({"input_noise": np.inf}, "input_noise=inf"),
            ({"input_bits": 1}, "bits=1"),
            ({"filter_bits": 3.5}, "bits=3.5"),
            (
                {"pixel_electrons": 0},
                r"pixel_electrons=0: must be a float in the range \(0, inf",
            ),
        ],
    )
    def test_impossible_ones(self, settings, message):
        with pytest.raises(ValueError, match=message):
            Hardware(**settings)


class TestNetworksWhoseFiltersWereTaken:
    @pytest.fixture
    def network(self):
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(1, 5, 3), torch.nn.Linear(36, 99))

    def test_are_not_part_of_a_detached_student(self, network):
        student = make_pipeline(
            ConvolutionalLifter((8, 8), filters=network, grid=2), EDMDClassifier()
        ).fit(X, y)
        detached = detach_teacher(student)
        assert detached[0].filters is None
        assert student[0].filters is network
        assert b"torch" not in pickle.dumps(detached)
        assert_array_equal(detached.predict(X), student.predict(X))
        assert list(detached[0].get_feature_names_out()) == list(
            student[0].get_feature_names_out()
        )

    def test_nor_of_a_file(self, network, tmp_path):
        pytest.importorskip("skops")
        lifter = ConvolutionalLifter((8, 8), filters=network, grid=2)
        student = make_pipeline(
            ObservableSelector(lifter, max_observables=9), EDMDClassifier()
        ).fit(X, y)
        save_student(student, tmp_path / "student.skops")
        loaded = load_student(tmp_path / "student.skops")
        assert_array_equal(loaded.decision_function(X), student.decision_function(X))

    def test_nor_of_a_search_over_them(self, network):
        array = np.ones((2, 1, 2, 2))
        search = GridSearchCV(
            make_pipeline(ConvolutionalLifter((8, 8), n_filters=9, grid=2), EDMDClassifier()),
            {"convolutionallifter__filters": [network, "pca", array]},
            cv=2,
        ).fit(X[:400], y[:400])
        detached = detach_teacher(search)
        assert b"torch" not in pickle.dumps(detached)
        assert_array_equal(detached.predict(X), search.predict(X))
        tried = detached.param_grid["convolutionallifter__filters"]
        assert tried[:2] == [None, "pca"]
        assert tried[2] is array
