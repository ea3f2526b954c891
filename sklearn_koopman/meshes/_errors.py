"""Errors of a chip with a mesh: of its phases, splitters and drivers, and its losses."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from ._interferometer import EVEN


@dataclass(frozen=True)
class MeshErrors:
    """Sizes of the errors of a chip. By default there are none.

    Attributes
    ----------
    phase_error : float
        Standard deviation of the error of each phase shifter, in radians, drawn once for a chip.
    splitter_error : float
        Standard deviation of the angle of each splitter, in radians: an error of 0.01 gives
        51 : 49.
    loss : float
        Power that is lost in an interferometer, in decibels.
    crosstalk : float
        What a phase shifter adds to its neighbours of the same kind in its column, as a share of
        its own phase.
    phase_bits : int or None
        Bits of a driver, which sets phases between 0 and 2 pi. None rounds nothing.
    """

    phase_error: float = 0.0
    splitter_error: float = 0.0
    loss: float = 0.0
    crosstalk: float = 0.0
    phase_bits: int | None = None

    def rounded(self, phases):
        """Return the phases that drivers can set."""
        if self.phase_bits is None:
            return phases
        step = 2 * np.pi / 2**self.phase_bits
        return np.rint(phases / step) * step


class FabricatedCircuit:
    """A circuit as it was made, with the errors of one chip.

    Parameters
    ----------
    circuit : Circuit
        The circuit that it should be.
    errors : MeshErrors
    random_state : RandomState
        Draws the chip.
    """

    def __init__(self, circuit, errors, random_state):
        self.circuit = circuit
        self.errors = errors
        draw = random_state.standard_normal
        self._offsets = errors.phase_error * draw(circuit.n_phases)
        self._splitters = EVEN + errors.splitter_error * draw((2, circuit.n_interferometers))
        self._mixing = errors.crosstalk * _neighbours(circuit)

    def fields(self, circuit, *, rounded=True):
        """Return the matrix of the chip when it has the settings of a circuit.

        Parameters
        ----------
        circuit : Circuit
            A circuit of the same meshes.
        rounded : bool, default=True
            Whether drivers round.

        Returns
        -------
        fields : ndarray of shape (n_outputs, n_inputs)
        backwards : callable
            See `Circuit.fields`.
        """
        told = self.errors.rounded(circuit.phases) if rounded else circuit.phases
        K, back = circuit.fields(
            told + self._mixing @ told + self._offsets,
            self._splitters,
            10 ** (-self.errors.loss / 20),
        )

        def backwards(gradient):
            by_phases, by_attenuations = back(gradient)
            return by_phases + self._mixing.T @ by_phases, by_attenuations

        return K, backwards

    def matrix(self, circuit):
        """Return the real matrix that is read: ndarray of shape (n_outputs, n_inputs)."""
        return circuit.gain * self.fields(circuit)[0].real


def _neighbours(circuit):
    """Return a sparse matrix: one where two phase shifters of a kind are next to each other."""
    pairs, start = [], 0
    for mesh in (circuit.input_mesh, circuit.output_mesh):
        for column in mesh.columns:
            for kind in range(2):
                at = start + kind * mesh.n_interferometers + column
                pairs.append([at[:-1], at[1:]])
        start += 2 * mesh.n_interferometers + len(mesh.outputs)
    one, other = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), dtype=int)
    entries = np.ones(2 * len(one)), (np.r_[one, other], np.r_[other, one])
    return csr_array(entries, shape=(start, start))
