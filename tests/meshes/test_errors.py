"""Chips with errors, and their recalibration."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm
from scipy.optimize import check_grad

from sklearn_koopman.meshes import (
    LAYOUTS,
    FabricatedCircuit,
    MeshErrors,
    as_circuit,
    recalibrated,
)

RNG = np.random.default_rng(0)
MATRIX = RNG.standard_normal((4, 12))
MATRIX -= MATRIX.mean(axis=0)
INPUTS = RNG.standard_normal((100, 12))
MOMENTS = INPUTS.T @ INPUTS / 100


def chip_of(circuit, seed=0, **errors):
    return FabricatedCircuit(circuit, MeshErrors(**errors), np.random.RandomState(seed))


def test_a_perfect_chip_is_its_circuit():
    circuit = as_circuit(MATRIX)
    assert_allclose(chip_of(circuit).matrix(circuit), MATRIX, atol=1e-12)


def test_one_interferometer_from_its_parts():
    """An oracle: splitters as exponentials of their coupling, and phases one by one."""
    circuit = as_circuit(np.array([[0.6, 0.8]]))
    mesh, swap = circuit.input_mesh, np.array([[0, 1], [1, 0]])
    chip = chip_of(circuit, phase_error=0.2, splitter_error=0.1, loss=3.0)
    fields, _ = chip.fields(circuit)
    draws = np.random.RandomState(0).standard_normal(circuit.n_phases + 2)
    theta, phi, end, last = circuit.phases + 0.2 * draws[:4]
    eta = np.pi / 4 + 0.1 * draws[4:]
    assert mesh.n_interferometers == 1
    T = expm(1j * eta[1] * swap) @ np.diag([np.exp(1j * theta), 1])
    T = T @ expm(1j * eta[0] * swap) @ np.diag([np.exp(1j * phi), 1])
    expected = 10 ** (-3.0 / 20) * np.exp(1j * (end + last)) * T[mesh.outputs]
    assert_allclose(fields, expected, atol=1e-12)


def test_crosstalk_reaches_the_next_of_a_column_alone():
    circuit = as_circuit(MATRIX, layout="reck")
    column = circuit.input_mesh.columns[6]
    assert len(column) == 3  # a column of the triangle, where three rows are nulled at once
    told = np.zeros(circuit.n_phases)
    told[column[0]] = 1.0
    heard = told.copy()
    heard[column[1]] = 0.25
    gain, attenuations = circuit.gain, circuit.attenuations
    with_crosstalk = chip_of(circuit, crosstalk=0.25).fields(
        circuit.with_settings(told, attenuations, gain)
    )[0]
    assert_allclose(with_crosstalk, circuit.fields(heard)[0], atol=1e-12)


def test_drivers_round():
    circuit = as_circuit(MATRIX)
    rounded = MeshErrors(phase_bits=3).rounded(circuit.phases)
    assert_allclose(rounded % (np.pi / 4) % (np.pi / 4 - 1e-12), 0, atol=1e-9)
    assert np.abs(rounded - circuit.phases).max() <= np.pi / 8 + 1e-12
    assert_allclose(
        chip_of(circuit, phase_bits=3).fields(circuit)[0], circuit.fields(rounded)[0]
    )


def test_chips_differ_by_their_seed_alone():
    circuit = as_circuit(MATRIX)
    one, same, other = (chip_of(circuit, s, phase_error=0.1).matrix(circuit) for s in (0, 0, 1))
    assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_of_light_that_goes_backwards(layout):
    circuit = as_circuit(MATRIX, layout=layout)
    chip = chip_of(circuit, phase_error=0.1, splitter_error=0.1, loss=0.5, crosstalk=0.05)
    weights = RNG.standard_normal(MATRIX.shape)
    n = circuit.n_phases

    def fields(settings):
        return chip.fields(circuit.with_settings(settings[:n], settings[n:], 1.0))

    def value(settings):
        return (weights * fields(settings)[0].real).sum()

    def gradient(settings):
        return np.concatenate(fields(settings)[1](weights))

    at = np.concatenate([circuit.phases, circuit.attenuations])
    assert check_grad(value, gradient, at) < 1e-5 * np.linalg.norm(gradient(at))


def error_of(matrix):
    """Return the relative mean squared error of outputs, without the part common to all."""
    wrong = matrix - matrix.mean(axis=0) - MATRIX
    return np.vdot(wrong @ MOMENTS, wrong) / np.vdot(MATRIX @ MOMENTS, MATRIX)


@pytest.mark.parametrize(
    "errors",
    [
        {"phase_error": 0.3},
        {"splitter_error": 0.1},
        {"loss": 1.0},
        {"crosstalk": 0.05},
        {"phase_error": 0.1, "splitter_error": 0.03, "loss": 0.2, "crosstalk": 0.01},
    ],
)
def test_recalibration_finds_the_matrix_again(errors):
    circuit = as_circuit(MATRIX)
    chip = chip_of(circuit, **errors)
    before, after = (
        error_of(chip.matrix(recalibrated(chip, circuit, MATRIX, MOMENTS, n_steps=n)))
        for n in (0, 60)
    )
    assert after < 1e-3
    assert after < before / 10


def test_recalibration_leaves_a_perfect_chip_alone():
    circuit = as_circuit(MATRIX)
    chip = chip_of(circuit)
    found = recalibrated(chip, circuit, MATRIX, MOMENTS)
    assert_allclose(chip.matrix(found), MATRIX, atol=1e-6)
    assert found.attenuations.max() <= 1
