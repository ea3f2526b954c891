"""Students on meshes of interferometers."""

import json

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
    save_mesh,
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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_a_file_of_phases_is_the_matrix(layout, n_classes, tmp_path):
    """Read back by numpy alone, as a laboratory would."""
    labels = np.char.add("digit ", (y % n_classes).astype(str))
    student = EDMDClassifier(lifter=PCA(12, random_state=0)).fit(X, labels)
    mesh = to_mesh(student, X, layout=layout)
    save_mesh(mesh, tmp_path / "mesh.json")
    settings = json.loads((tmp_path / "mesh.json").read_text())
    assert settings["classes"] == [f"digit {k}" for k in range(n_classes)]
    splitter = np.array([[1, 1j], [1j, 1]]) / np.sqrt(2)

    def matrix_of(mesh):
        light = np.eye(mesh["n_waveguides"], dtype=complex)
        for first, second, theta, phi in zip(
            *(mesh[name] for name in ("first", "second", "theta", "phi")), strict=True
        ):
            at_theta, at_phi = np.diag([np.exp(1j * theta), 1]), np.diag([np.exp(1j * phi), 1])
            both = [first, second]
            light[both] = splitter @ at_theta @ splitter @ at_phi @ light[both]
        return np.exp(1j * np.array(mesh["output_phases"]))[:, None] * light[mesh["outputs"]]

    attenuations = np.array(settings["attenuations"])
    before, after = matrix_of(settings["input_mesh"]), matrix_of(settings["output_mesh"])
    fields = after[:, : len(attenuations)] * attenuations @ before
    found = settings["gain"] * fields.real
    size = np.abs(mesh.matrix).max()
    assert_allclose(found, settings["matrix"], atol=1e-12 * size)
    assert_allclose(fields.imag, 0, atol=1e-12)
    # From rows to logits minus their mean, with only the file.
    psi = np.column_stack([student.lifter_.transform(X), np.ones(len(X))])
    readings = psi / settings["port_scales"] @ found.T
    logits = student.decision_function(X)
    if n_classes == 2:
        logits = np.column_stack([-logits, logits]) / 2
    expected = logits - logits.mean(axis=1, keepdims=True)
    assert_allclose(readings, expected, atol=1e-5 * np.abs(expected).max())


def test_what_is_not_a_file_of_phases(one, tmp_path):
    with pytest.raises(TypeError, match=r"must be the result of to_mesh\(student, X\)\."):
        save_mesh(one, tmp_path / "mesh.json")
    with pytest.raises(ValueError, match=r"mesh\.csv': its suffix must be \.json"):
        save_mesh(to_mesh(one, X), tmp_path / "mesh.csv")


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
