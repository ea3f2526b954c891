"""Meshes compute their matrix: in our arithmetic, and in that of another library."""

import numpy as np
import pytest
from interferometer import (
    Beamsplitter,
    Interferometer,
    square_decomposition,
    triangle_decomposition,
)
from numpy.testing import assert_allclose
from scipy.stats import unitary_group

from sklearn_koopman.meshes import LAYOUTS, as_circuit, square_mesh, wide_mesh


def unitary(n):
    return unitary_group.rvs(n, random_state=n)


def as_other_library(mesh):
    """Return the unitary of the mesh by the library, with the mesh in the library's convention.

    With s = sin(theta / 2) = cos(t), its beam splitter is i exp(-i theta / 2) T(theta, phi + pi).
    The common phase of both waveguides goes on to the next one that either of them meets.
    """
    made, behind = Interferometer(), np.zeros(mesh.n_modes)
    for a, b, theta, phi in zip(mesh.first, mesh.second, mesh.theta, mesh.phi, strict=True):
        t = np.pi / 2 - theta / 2
        made.add_BS(Beamsplitter(a + 1, b + 1, t, phi + np.pi + behind[a] - behind[b]))
        behind[[a, b]] = behind[b] + theta / 2 - np.pi / 2
    behind[mesh.outputs] += mesh.output_phases
    for mode, phase in enumerate(behind):
        made.add_phase(mode + 1, phase)
    return made.calculate_transformation()[mesh.outputs]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("n_rows", "n_modes"), [(1, 2), (1, 9), (3, 7), (4, 30), (6, 6)])
def test_rows_that_another_library_finds_too(layout, n_rows, n_modes):
    rows = unitary(n_modes)[:n_rows]
    mesh = wide_mesh(rows, layout)
    assert mesh.n_interferometers == n_rows * n_modes - n_rows * (n_rows + 1) // 2
    assert_allclose(as_other_library(mesh), rows, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n", [2, 3, 6, 7])
def test_squares_as_large_as_those_of_another_library(layout, n):
    U = unitary(n)
    mesh = square_mesh(U, layout)
    assert_allclose(as_other_library(mesh), U, atol=1e-12)
    theirs = triangle_decomposition(U) if layout == "reck" else square_decomposition(U)
    assert mesh.n_interferometers == len(theirs.BS_list)
    # A triangle of n waveguides is 2 n - 3 columns deep, a rectangle n.
    assert mesh.depth == (2 * n - 3 if layout == "reck" else min(n, 2 * n - 3))


def test_one_waveguide_needs_no_interferometer():
    for mesh in (wide_mesh(np.array([[1.0]]), "tree"), square_mesh(np.array([[-1.0]]), "tree")):
        assert (mesh.n_interferometers, mesh.depth) == (0, 0)
    assert_allclose(as_circuit(np.array([[-2.0]])).matrix(), [[-2.0]])


def test_depth_of_layouts():
    rows = np.linalg.qr(np.random.default_rng(0).standard_normal((400, 4)))[0].T
    depth = {layout: wide_mesh(rows, layout).depth for layout in LAYOUTS}
    assert depth["reck"] == 400 - 1 + 3
    assert depth["clements"] < 0.55 * depth["reck"]
    assert depth["tree"] < 50


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (4, 4), (2, 1)])
@pytest.mark.parametrize("rank", [1, None])
def test_circuit_is_its_matrix(layout, shape, rank):
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal(shape)
    if rank:
        matrix = np.outer(matrix[:, 0], rng.standard_normal(shape[1]))
    circuit = as_circuit(matrix, layout=layout)
    assert circuit.rank == (rank or min(shape))
    assert_allclose(circuit.matrix(), matrix, atol=1e-12)
    assert circuit.attenuations.max() == 1


def test_entries_that_are_zero_already():
    circuit = as_circuit(np.eye(3, 7))
    assert_allclose(circuit.matrix(), np.eye(3, 7), atol=1e-12)
