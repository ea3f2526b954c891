"""A matrix as two meshes with attenuators between them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ._decomposition import square_mesh, wide_mesh
from ._interferometer import EVEN, interferometer
from ._mesh import Mesh


@dataclass(frozen=True)
class Circuit:
    r"""A mesh, attenuators, a second mesh, and homodyne detectors.

    The circuit follows the singular values :math:`\sigma_k` of a matrix,
    :math:`K = U \Sigma V^T`. The first mesh has the rows of :math:`V^T`, the attenuators have
    :math:`\sigma_k / \sigma_1`, and the second mesh has U. Inputs are amplitudes of light, with
    their signs. Each output meets a local oscillator on a splitter. The difference of the two
    detectors after it is the real part of the amplitude.

    Attributes
    ----------
    input_mesh : Mesh
        From all inputs to as many waveguides as the rank of the matrix.
    attenuations : ndarray of shape (rank,)
        The share of each amplitude that is left, between 0 and 1.
    output_mesh : Mesh
        From these waveguides, and dark ones if there are fewer of them than outputs, to the
        outputs.
    gain : float
        The factor of the readings.
    """

    input_mesh: Mesh
    attenuations: np.ndarray
    output_mesh: Mesh
    gain: float

    @property
    def rank(self):
        """Number of attenuators."""
        return len(self.attenuations)

    @property
    def n_interferometers(self):
        """Number of interferometers of both meshes."""
        return self.input_mesh.n_interferometers + self.output_mesh.n_interferometers

    @property
    def depth(self):
        """Largest number of interferometers on a way from an input to an output."""
        return self.input_mesh.depth + self.output_mesh.depth

    @property
    def n_phases(self):
        """Number of phase shifters."""
        return len(self.phases)

    @cached_property
    def phases(self):
        """All phases as one array: theta, phi, ends of the first mesh, then of the second."""
        meshes = self.input_mesh, self.output_mesh
        return np.concatenate(
            [part for m in meshes for part in (m.theta, m.phi, m.output_phases)]
        )

    def with_settings(self, phases, attenuations, gain):
        """Return a circuit of other phases, attenuations and gain."""
        parts = self.parts_of(phases)
        meshes = [
            replace(mesh, theta=theta, phi=phi, output_phases=ends)
            for mesh, (theta, phi, ends) in zip(
                (self.input_mesh, self.output_mesh), parts, strict=True
            )
        ]
        return Circuit(meshes[0], attenuations, meshes[1], gain)

    def parts_of(self, phases):
        """Return the parts of `phases`: (theta, phi, ends) of both meshes."""
        sizes = [
            size
            for mesh in (self.input_mesh, self.output_mesh)
            for size in (mesh.n_interferometers, mesh.n_interferometers, len(mesh.outputs))
        ]
        parts = np.split(phases, np.cumsum(sizes)[:-1])
        return parts[:3], parts[3:]

    def fields(self, phases, splitters=(EVEN, EVEN), transmission=1.0):
        """Return the complex matrix between inputs and outputs, and a function for gradients.

        Parameters
        ----------
        phases : ndarray of shape (n_phases,)
            All phases, as the attribute `phases` has them.
        splitters : pair of float or ndarray of shape (n_interferometers,), default=(pi / 4, pi / 4)
            Angles of the two splitters of each interferometer.
        transmission : float, default=1.0
            The share of an amplitude that an interferometer lets through.

        Returns
        -------
        fields : ndarray of shape (n_outputs, n_inputs)
            Without `gain`.
        backwards : callable
            Takes the gradient by the real part of the fields, an array of their shape. Returns the
            gradients by phases and by attenuations.
        """
        (theta_in, phi_in, ends_in), (theta_out, phi_out, ends_out) = self.parts_of(phases)
        n_in, rank = self.input_mesh.n_interferometers, self.rank
        at_in, at_out = (
            [np.broadcast_to(each, self.n_interferometers)[part] for each in splitters]
            for part in (slice(n_in), slice(n_in, None))
        )
        T_in, *slopes_in = transmission * np.array(interferometer(theta_in, phi_in, *at_in))
        T_out, *slopes_out = transmission * np.array(
            interferometer(theta_out, phi_out, *at_out)
        )
        end_out, end_in = np.exp(1j * ends_out), np.exp(1j * ends_in)
        between, seen_out = self.output_mesh.after(np.diag(end_out), T_out)
        z = self.attenuations * end_in
        K, seen_in = self.input_mesh.after(between[:, :rank] * z, T_in)

        def backwards(gradient):
            by_between, by_T_in = self.input_mesh.gradients(gradient, T_in, seen_in)
            by_z = (between[:, :rank].conj() * by_between).sum(axis=0)
            full = np.zeros_like(between)
            full[:, :rank] = by_between * z.conj()
            by_ends, by_T_out = self.output_mesh.gradients(full, T_out, seen_out)
            by_phases = np.concatenate(
                [
                    *_along(by_T_in, slopes_in),
                    (by_z.conj() * 1j * z).real,
                    *_along(by_T_out, slopes_out),
                    (np.diag(by_ends).conj() * 1j * end_out).real,
                ]
            )
            return by_phases, (by_z.conj() * end_in).real

        return K, backwards

    def matrix(self):
        """Return the matrix of a perfect circuit: ndarray of shape (n_outputs, n_inputs)."""
        return self.gain * self.fields(self.phases)[0].real


def as_circuit(matrix, *, layout="tree", most_attenuators=None):
    """Return the circuit of a real matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n_outputs, n_inputs)
        It must not be zero.
    layout : {"tree", "clements", "reck"}, default="tree"
        See `wide_mesh` and `square_mesh`.
    most_attenuators : int, default=None
        The rank of the matrix, which rounding may make larger. None: all singular values count that
        are larger than rounding.

    Returns
    -------
    circuit : Circuit
    """
    U, values, Vt = np.linalg.svd(matrix, full_matrices=False)
    smallest = values[0] * max(matrix.shape) * np.finfo(values.dtype).eps
    rank = int((values[:most_attenuators] > smallest).sum())
    # Other columns of U belong to dark waveguides: any orthonormal ones will do.
    square = np.linalg.svd(U[:, :rank], full_matrices=True)[0]
    square[:, :rank] = U[:, :rank]
    return Circuit(
        wide_mesh(Vt[:rank], layout),
        values[:rank] / values[0],
        square_mesh(square, layout),
        float(values[0]),
    )


def _along(by_matrices, slopes):
    return [(by_matrices.conj() * slope).sum(axis=(0, 1)).real for slope in slopes]
