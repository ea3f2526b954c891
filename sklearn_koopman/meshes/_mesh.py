"""A mesh of interferometers between waveguides, and how light goes through it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """Interferometers between waveguides, in the order in which light meets them.

    With the matrix T of one interferometer (see `interferometer`), each takes the amplitudes on
    its waveguides (first, second) from x to T x. In the end ``x[outputs]`` is read, times
    ``exp(1j * output_phases)``.

    Attributes
    ----------
    n_modes : int
        How many waveguides there are.
    first, second : ndarray of shape (n_interferometers,)
        The waveguides that each interferometer joins.
    theta, phi : ndarray of shape (n_interferometers,)
        Phases in radians, see `interferometer`.
    outputs : ndarray of shape (n_outputs,)
        The waveguides that are read at the end. Light on all others is lost.
    output_phases : ndarray of shape (n_outputs,)
        Phases of the phase shifters at the end, in radians.
    """

    n_modes: int
    first: np.ndarray
    second: np.ndarray
    theta: np.ndarray
    phi: np.ndarray
    outputs: np.ndarray
    output_phases: np.ndarray

    @property
    def n_interferometers(self):
        """Number of interferometers."""
        return len(self.first)

    @property
    def depth(self):
        """Largest number of interferometers on a way through the mesh."""
        return len(self.columns)

    @cached_property
    def column_of(self):
        """Column of each interferometer: the first one in which both its inputs are ready."""
        columns = np.empty(self.n_interferometers, dtype=np.intp)
        reached = np.zeros(self.n_modes, dtype=np.intp)
        for i, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            columns[i] = reached[[first, second]].max()
            reached[[first, second]] = columns[i] + 1
        return columns

    @cached_property
    def columns(self):
        """Interferometers of each column, from the first waveguide on: list of ndarray of int."""
        order = np.lexsort([np.minimum(self.first, self.second), self.column_of])
        n_columns = 1 + self.column_of.max(initial=-1)
        ends = np.searchsorted(self.column_of[order], np.arange(1, n_columns))
        return np.split(order, ends) if n_columns else []

    def after(self, M, matrices):
        """Return a matrix times the matrix of the mesh.

        Parameters
        ----------
        M : ndarray of shape (n_rows, n_outputs)
        matrices : ndarray of shape (2, 2, n_interferometers)
            The matrices of the interferometers.

        Returns
        -------
        product : ndarray of shape (n_rows, n_modes)
            Without the output phases, which M has.
        seen : list of ndarray of shape (2, n_rows, n_in_column)
            For `gradients`: the two columns of the product that each column of interferometers
            multiplied, the last column first.
        """
        product, seen = np.zeros((len(M), self.n_modes), dtype=complex), []
        product[:, self.outputs] = M
        for column in reversed(self.columns):
            a, b, T = self.first[column], self.second[column], matrices[:, :, column]
            at_a, at_b = product[:, a], product[:, b]
            product[:, a] = at_a * T[0, 0] + at_b * T[1, 0]
            product[:, b] = at_a * T[0, 1] + at_b * T[1, 1]
            seen.append(np.array([at_a, at_b]))
        return product, seen

    def gradients(self, gradient, matrices, seen):
        """Return derivatives by the matrices of interferometers, given one by what `after` returns.

        Parameters
        ----------
        gradient : ndarray of shape (n_rows, n_modes)
            G, where a function of the product changes by the real part of sum(conj(G) d product).
        matrices : ndarray of shape (2, 2, n_interferometers)
        seen : list of ndarray
            What `after` returned.

        Returns
        -------
        by_M : ndarray of shape (n_rows, n_outputs)
        by_matrices : ndarray of shape (2, 2, n_interferometers)
        """
        gradient = np.array(gradient, dtype=complex)
        by_matrices = np.empty_like(matrices)
        for column, at in zip(self.columns, reversed(seen), strict=True):
            a, b, T = self.first[column], self.second[column], matrices[:, :, column].conj()
            of_a, of_b = gradient[:, a], gradient[:, b]
            by_matrices[:, 0, column] = (at.conj() * of_a).sum(axis=1)
            by_matrices[:, 1, column] = (at.conj() * of_b).sum(axis=1)
            gradient[:, a] = of_a * T[0, 0] + of_b * T[0, 1]
            gradient[:, b] = of_a * T[1, 0] + of_b * T[1, 1]
        return gradient[:, self.outputs], by_matrices
