"""Students on meshes of interferometers."""

import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.deployment import (
    Hardware,
    HardwareDisplay,
    MeshDisplay,
    SimulatedChip,
    hardware_curve,
    to_mesh,
)
from sklearn_koopman.meshes import LAYOUTS

from .helpers import STUDENTS, X, y

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def one():
    return clone(STUDENTS["pipeline"]).fit(X, y)


def test_a_perfect_mesh_is_the_student_but_for_what_classes_share(student):
    chip = SimulatedChip(student, Hardware(mesh="tree"), X)
    logits = student.decision_function(X)
    assert_allclose(
        chip.decision_function(X), logits - logits.mean(axis=1, keepdims=True), atol=1e-4
    )
    assert_array_equal(chip.predict(X), student.predict(X))


def test_mesh_in_the_units_of_observables(one):
    coef, intercept = to_mesh(one, X).coef_and_intercept()
    ideal = one[-1].coef_
    assert_allclose(coef, ideal - ideal.mean(axis=0), atol=1e-5 * np.abs(ideal).max())
    assert_allclose(intercept.sum(), 0, atol=1e-5)


def test_size_of_a_mesh():
    student = EDMDClassifier(lifter=MonomialLifter(1)).fit(X, y)
    C, D = student.coef_.shape
    for layout in LAYOUTS:
        mesh = to_mesh(student, X, layout=layout)
        rank = C - 1
        expected = rank * (D + 1) - rank * (rank + 1) // 2 + C * (C - 1) // 2
        assert mesh.n_interferometers == expected
        assert mesh.insertion_loss(0.1) == pytest.approx(0.1 * mesh.depth)


def test_two_classes_take_one_row():
    student = EDMDClassifier().fit(X, y == y[0])
    mesh = to_mesh(student, X)
    assert mesh.circuit.rank == 1
    chip = SimulatedChip(student, Hardware(mesh="tree"), X)
    assert_array_equal(chip.predict(X), student.predict(X))


def test_recalibration_gives_back_what_phase_errors_took():
    lifter = PCA(6, random_state=0)
    student = EDMDClassifier(lifter=lifter).fit(X, y)
    errors = {"mesh": "reck", "phase_error": 0.3, "splitter_error": 0.02, "crosstalk": 0.01}
    before, after = (
        hardware_curve(
            student,
            X,
            y,
            vary="recalibration_steps",
            values=[n_steps],
            X_calibration=X,
            hardware=Hardware(**errors),
            n_chips=3,
            random_state=0,
        ).mean()
        for n_steps in (0, 40)
    )
    assert after > before + 0.05
    assert after > student.score(X, y) - 0.01


def test_few_bits_of_phases(one):
    accuracies = hardware_curve(
        one,
        X,
        y,
        vary="phase_bits",
        values=[3, 10],
        X_calibration=X,
        hardware=Hardware(mesh="tree"),
        n_chips=1,
    )[:, 0]
    assert accuracies[0] < accuracies[1]
    assert accuracies[1] > one.score(X, y) - 0.02


def test_homodyne_readings_scatter_by_half_a_root_of_an_electron():
    student = EDMDClassifier().fit(X, y)
    rows = np.repeat(X[:1], 4000, axis=0)
    chip = SimulatedChip(student, Hardware(mesh="tree", photoelectrons=1e4), X, random_state=0)
    exact = SimulatedChip(student, Hardware(mesh="tree"), X).decision_function(X)
    assert_allclose(
        chip.decision_function(rows).std(axis=0), np.abs(exact).max() / 200, rtol=0.1
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mesh": "square"}, "mesh='square': must be one of"),
        ({"mesh": True}, "mesh=True: must be one of"),
        ({"phase_error": 0.1}, "phase_error=0.1 is about a mesh"),
        ({"recalibration_steps": 3}, "recalibration_steps=3 is about a mesh"),
        ({"mesh": "tree", "phase_error": -1.0}, r"phase_error=-1.0: must be a float"),
        ({"mesh": "tree", "phase_bits": 0}, "phase_bits=0: must be an int >= 1"),
        ({"mesh": "tree", "recalibration_steps": 1.5}, "recalibration_steps=1.5: must be"),
        ({"mesh": "tree", "weight_bits": 4}, "weight_bits=4 is not about a mesh"),
        ({"mesh": "tree", "drift_decades": 1.0}, "drift_decades=1.0 is not about a mesh"),
        (
            {"mesh": "tree", "photoelectrons": 10, "thermal_electrons": 1.0},
            "thermal_electrons=1.0 is not about a mesh",
        ),
    ],
)
def test_meshes_that_there_are_not(settings, message):
    with pytest.raises(ValueError, match=message):
        Hardware(**settings)


def test_light_that_does_not_arrive(one):
    with pytest.raises(ValueError, match="not finite"):
        SimulatedChip(one, Hardware(mesh="reck", interferometer_loss=1e5), X)


def test_what_is_not_a_mesh(one):
    with pytest.raises(ValueError, match="layout='square': must be one of"):
        to_mesh(one, X, layout="square")
    with pytest.raises(TypeError, match="no Koopman matrix"):
        to_mesh(PCA(2).fit(X), X)
    alike = EDMDClassifier().fit(X, y)
    alike.coef_, alike.intercept_ = np.ones_like(alike.coef_), np.ones_like(alike.intercept_)
    with pytest.raises(ValueError, match="same logits"):
        to_mesh(alike, X)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_picture_has_all_interferometers(one, layout):
    mesh = to_mesh(one, X, layout=layout)
    display = MeshDisplay.from_mesh(mesh)
    assert len(display.interferometers_.get_segments()) == mesh.n_interferometers
    folded = display.interferometers_.get_array()
    assert_allclose(
        np.cos(folded),
        np.cos(np.r_[mesh.circuit.input_mesh.theta, mesh.circuit.output_mesh.theta]),
    )
    matplotlib.pyplot.close(display.figure_)


def test_curve_of_phase_errors_is_drawn(one):
    display = HardwareDisplay.from_estimators(
        {"tree": one},
        X,
        y,
        vary="phase_error",
        values=[0.0, 0.3],
        X_calibration=X,
        hardware=Hardware(mesh="tree"),
        n_chips=2,
        random_state=0,
    )
    assert display.ax_.get_xlabel() == "error of a phase (rad)"
    assert display.accuracies["tree"][0].min() > display.accuracies["tree"][1].max()
    matplotlib.pyplot.close(display.figure_)
