r"""Adjusting the phases of a chip, by measuring what it does.

The matrix of the chip, :math:`\hat K`, is measured. Light that is sent backwards gives the gradient
by all phases at once [1]_. L-BFGS then lowers

.. math:: \frac{1}{2} \mathrm{tr}\, (g \hat K - K) R (g \hat K - K)^T

where R is the matrix of second moments of the inputs, and g the gain of the detectors. This is the
mean squared error of the outputs. A change that is the same for all outputs does not count, because
it changes no class.

.. [1] T. W. Hughes et al., "Training of photonic neural networks through in situ backpropagation
   and gradient measurement", Optica 5, 864-871 (2018).
"""

import numpy as np
from scipy.optimize import minimize

from .._progress import progress, showing_progress


@showing_progress(None)
def recalibrated(chip, circuit, matrix, moments, *, n_steps=200):
    """Return the settings that bring a chip closest to a matrix.

    Parameters
    ----------
    chip : FabricatedCircuit
    circuit : Circuit
        The settings at the start.
    matrix : ndarray of shape (n_outputs, n_inputs)
        The matrix that the chip should have.
    moments : ndarray of shape (n_inputs, n_inputs)
        Means of products of inputs.
    n_steps : int, default=200
        Most steps of L-BFGS. 0 sets the gain only.

    Returns
    -------
    circuit : Circuit
    """
    target = _Target(matrix, moments)
    n_phases = circuit.n_phases

    def value_and_gradient(settings):
        told = circuit.with_settings(settings[:n_phases], settings[n_phases:], 1.0)
        fields, backwards = chip.fields(told, rounded=False)
        value, _, gradient = target.compared_with(fields.real)
        return value, np.concatenate(backwards(gradient))

    start = np.concatenate([circuit.phases, circuit.attenuations])
    if n_steps:
        bounds = [(None, None)] * n_phases + [(0.0, 1.0)] * circuit.rank
        with progress("recalibration", n_steps, "step") as steps:
            start = minimize(
                value_and_gradient,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=bounds,
                callback=lambda _: steps.done(),
                options={"maxiter": n_steps, "maxcor": 20},
            ).x
    found = circuit.with_settings(np.mod(start[:n_phases], 2 * np.pi), start[n_phases:], 1.0)
    _, gain, _ = target.compared_with(chip.fields(found)[0].real)
    return found.with_settings(found.phases, found.attenuations, gain)


class _Target:
    """The matrix that a chip should have.

    Parameters
    ----------
    matrix : ndarray of shape (n_outputs, n_inputs)
    moments : ndarray of shape (n_inputs, n_inputs)
    """

    def __init__(self, matrix, moments):
        self._matrix = _centred(matrix)
        self._moments = moments
        self._scale = float(np.vdot(self._matrix @ moments, self._matrix))

    def compared_with(self, measured):
        """Return the relative mean squared error, the best gain, and the gradient."""
        measured = _centred(measured)
        weighted = measured @ self._moments
        with np.errstate(invalid="ignore"):  # if no light arrives, the gain is not a number
            gain = np.vdot(weighted, self._matrix) / np.vdot(weighted, measured)
        error = gain * measured - self._matrix
        gradient = error @ self._moments
        value = np.vdot(gradient, error) / self._scale
        return value / 2, float(gain), _centred(gain * gradient) / self._scale


def _centred(matrix):
    return matrix - matrix.mean(axis=0)
