import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_koopman import EDMDClassifier
from sklearn_koopman.deployment import (
    Hardware,
    HardwareDisplay,
    SimulatedChip,
    hardware_curve,
    quantise_student,
)

from .helpers import STUDENTS, X, y

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def one():
    return clone(STUDENTS["pipeline"]).fit(X, y)


def chip(student, random_state=0, **settings):
    return SimulatedChip(student, Hardware(**settings), X, random_state=random_state)


def test_perfect_hardware_changes_nothing(student):
    found = chip(student)
    assert_allclose(found.decision_function(X), student.decision_function(X), atol=1e-4)
    assert found.score(X, y) == student.score(X, y)


def test_rounded_weights_are_those_of_quantise_student(one):
    rounded = quantise_student(one, X, bits=3)
    assert_array_equal(chip(one, weight_bits=3).coef_, rounded[-1].coef_)


def test_size_of_the_weights_errors():
    student = EDMDClassifier().fit(X, y)
    ideal = student.coef_.astype(np.float64)
    chips = [chip(student, seed, multiplicative_noise=0.1).coef_ for seed in range(200)]
    varying = ideal != 0
    assert_allclose(np.std(chips, axis=0)[varying] / np.abs(ideal)[varying], 0.1, rtol=0.3)
    assert_allclose(np.mean(chips, axis=0), ideal, atol=0.05 * np.abs(ideal).max())
    chips = [chip(student, seed, additive_noise=0.1).coef_ for seed in range(200)]
    assert_allclose(np.std(chips, axis=0), 0.1 * np.abs(ideal).max(), rtol=0.3)


def test_drift_grows_as_a_power_of_time():
    student = EDMDClassifier().fit(X, y)
    ideal = student.coef_[student.coef_ != 0].astype(np.float64)

    def loss(decades):
        drifted = chip(student, drift_decades=decades, drift_spread=0.02).coef_
        return np.log10(drifted[student.coef_ != 0] / ideal)

    assert_allclose(loss(4), 2 * loss(2), atol=1e-12)
    assert_allclose(loss(4).std(), 0.08, rtol=0.1)


def test_shot_and_thermal_noise_have_their_sizes(one):
    n_readings = 400
    row = np.repeat(X[:1], n_readings, axis=0)
    psi = one[:-1].transform(X).astype(np.float64)
    light = np.abs(psi) @ np.abs(one[-1].coef_.astype(np.float64)).T
    electrons = 1000 * light[0] / light.max()  # for each class of that row
    shot = chip(one, photoelectrons=1000).decision_function(row)
    expected = np.sqrt(electrons) * light.max() / 1000
    assert_allclose(shot.std(axis=0), expected, rtol=0.2)
    assert_allclose(shot.mean(axis=0), one.decision_function(X[:1])[0], atol=expected.max() / 4)
    both = chip(one, photoelectrons=1000, thermal_electrons=50).decision_function(row)
    expected = np.sqrt(electrons + 50**2) * light.max() / 1000
    assert_allclose(both.std(axis=0), expected, rtol=0.2)


def test_noise_of_observables_has_its_size(one):
    row = np.repeat(X[:1], 500, axis=0)
    logits = chip(one, observable_noise=0.3).decision_function(row)
    expected = 0.3 * np.linalg.norm(one[-1].coef_, axis=1)
    assert_allclose(logits.std(axis=0), expected, rtol=0.2)


def test_observables_of_few_bits(one):
    errors = []
    for bits in (4, 8, 12):
        logits = chip(one, activation_bits=bits).decision_function(X)
        errors.append(np.abs(logits - one.decision_function(X)).max())
    assert errors[0] > 4 * errors[1] > 16 * errors[2] > 0


def test_a_chip_is_drawn_by_its_seed(one):
    noisy = {"multiplicative_noise": 0.1, "photoelectrons": 100}
    assert_array_equal(
        chip(one, **noisy).decision_function(X), chip(one, **noisy).decision_function(X)
    )
    assert (chip(one, 0, **noisy).coef_ != chip(one, 1, **noisy).coef_).any()
    reading = chip(one, **noisy)
    assert (reading.decision_function(X) != reading.decision_function(X)).any()


def test_curves_fall_with_noise_and_rise_with_bits(one):
    settings = {"X_calibration": X, "n_chips": 3, "random_state": 0}
    noise = hardware_curve(
        one, X, y, vary="multiplicative_noise", values=[0.0, 0.5, 2.0], **settings
    )
    assert noise.shape == (3, 3)
    assert_allclose(noise[0], one.score(X, y))
    assert noise[0].mean() > noise[1].mean() > noise[2].mean()
    bits = hardware_curve(one, X, y, vary="weight_bits", values=[2, 4, 8], **settings).mean(1)
    assert bits[0] < bits[1] <= bits[2] + 0.01
    single = SimulatedChip(
        one,
        Hardware(multiplicative_noise=0.5),
        X,
        random_state=int(np.random.RandomState(0).randint(2**31 - 1, size=3)[0]),
    )
    assert noise[1, 0] == single.score(X, y)


@pytest.mark.parametrize(
    "noise",
    [
        {},
        {"multiplicative_noise": 0.2},
        {"additive_noise": 0.1, "observable_noise": 0.1},
        {"input_noise": 0.1},
        {"drift_decades": 2.0},
    ],
)
def test_noise_needs_no_rows_to_set_ranges_by(one, noise):
    hardware = Hardware(**noise)
    with_rows = SimulatedChip(one, hardware, X, random_state=0)
    without_rows = SimulatedChip(one, hardware, random_state=0)
    if {"input_noise", "observable_noise"} & set(noise):  # calibration draws noise, too
        assert abs(with_rows.score(X, y) - without_rows.score(X, y)) < 0.1
    else:
        assert_allclose(with_rows.decision_function(X), without_rows.decision_function(X))
    vary = next(iter(noise), "additive_noise")
    curve = hardware_curve(one, X, y, vary=vary, values=[0.0], random_state=0)
    assert_allclose(curve, one.score(X, y), atol=0.1)


@pytest.mark.parametrize(
    "ranged",
    [
        {"weight_bits": 4},
        {"activation_bits": 4},
        {"photoelectrons": 100},
        {"input_bits": 4},
        {"mesh": "tree"},
    ],
)
def test_ranges_need_rows(one, ranged):
    (name,) = ranged
    with pytest.raises(ValueError, match=f"X_calibration=None, but {name} needs ranges:"):
        SimulatedChip(one, Hardware(**ranged))


def test_display(one):
    settings = {"X_calibration": X, "random_state": 0}
    display = HardwareDisplay.from_estimators(
        {"a": one, "b": one}, X, y, vary="weight_bits", values=[2, 4], **settings
    )
    assert display.accuracies["a"].shape == (2, 1)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["a", "b"]
    assert_allclose(display.lines_[0].get_ydata(), display.accuracies["a"][:, 0])
    again = HardwareDisplay.from_estimators(
        {"a": one},
        X,
        y,
        vary="photoelectrons",
        values=[10, 1e4],
        n_chips=2,
        ax=display.ax_,
        **settings,
    )
    assert again.ax_ is display.ax_
    assert again.accuracies["a"].shape == (2, 2)
    assert again.ax_.get_xscale() == "log"
    matplotlib.pyplot.close(display.figure_)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"multiplicative_noise": -0.1}, r"multiplicative_noise=-0.1: must be a float in"),
        ({"drift_spread": np.nan}, "drift_spread=nan"),
        ({"weight_bits": 1}, r"^weight_bits=1: must be an int in the range \[2, 16\]"),
        ({"activation_bits": 40}, "^activation_bits=40"),
        ({"photoelectrons": 0}, r"photoelectrons=0: must be a float in the range \(0, inf\)"),
        (
            {"thermal_electrons": 5.0},
            "thermal_electrons=5.0 is compared with the electrons of the",
        ),
    ],
)
def test_impossible_hardware(settings, message):
    with pytest.raises(ValueError, match=message):
        Hardware(**settings)


def test_errors(one, without):
    with pytest.raises(ValueError, match="vary='bits': must be one of weight_bits, "):
        hardware_curve(one, X, y, vary="bits", values=[2], X_calibration=X)
    with pytest.raises(ValueError, match="n_chips=0"):
        hardware_curve(one, X, y, vary="scale", values=["row"], X_calibration=X, n_chips=0)
    without("matplotlib.pyplot")
    with pytest.raises(ImportError, match=r"sklearn-koopman\[plot\]"):
        HardwareDisplay([1], {"a": np.ones((1, 1))}, vary="weight_bits").plot()
