"""A student's matrix as meshes of Mach-Zehnder interferometers."""

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import make_pipeline

from .._finite import finite
from .._validation import check_random_state, flat_rows
from ..meshes import LAYOUTS, Circuit, FabricatedCircuit, as_circuit, recalibrated
from ..students import split_student
from ._parts import observables_of


@dataclass(frozen=True)
class StudentMesh:
    r"""The optical circuit of a student's matrix: `to_mesh` makes it.

    An interferometer with the phases :math:`\theta` and :math:`\phi` multiplies the complex
    amplitudes on its two waveguides, `first` and `second`, by

    .. math::

        T = S \operatorname{diag}(e^{i \theta}, 1) \, S \operatorname{diag}(e^{i \phi}, 1), \quad
        S = \frac{1}{\sqrt 2} \begin{pmatrix} 1 & i \\ i & 1 \end{pmatrix}

    Light passes the phase :math:`\phi` first and the second splitter last. Both phase shifters are
    on the waveguide `first`. Interferometers follow each other in the order of the arrays. Then the
    waveguides of `outputs` are read, in their order, times :math:`e^{i \cdot output\_phases}`. With
    :math:`A_1` and :math:`A_2`, the matrices of the two meshes, the attenuators a and the gain g,
    the circuit gives

    .. math:: y = g \operatorname{Re}(A_2 \operatorname{diag}(a) A_1 x),

    where :math:`A_2` has its first columns only, one for each attenuator: its other waveguides are
    dark. A modulator gives input j the amplitude :math:`x_j = \psi_j / p_j`, and the last input the
    amplitude one, for the intercept. The readings y are the logits minus their mean over classes.
    Classes and probabilities do not depend on this mean. `save_mesh` writes all of this to a file.

    Attributes
    ----------
    circuit : Circuit
        `input_mesh`, `attenuations`, `output_mesh` with all phases in radians, and `gain`.
    port_scales : ndarray of shape (n_observables + 1,)
        p: the root mean square of each observable on the calibration rows; 1 for the constant, and
        for observables that are always zero.
    matrix : ndarray of shape (n_classes, n_observables + 1)
        The ideal matrix of the circuit, from amplitudes to logits minus their mean.
    moments : ndarray of shape (n_observables + 1, n_observables + 1)
        Means of products of amplitudes on the calibration rows.
    classes_ : ndarray of shape (n_classes,)
        The class of each reading.
    """

    circuit: Circuit
    port_scales: np.ndarray
    matrix: np.ndarray
    moments: np.ndarray
    classes_: np.ndarray

    @property
    def n_interferometers(self):
        r"""Number of interferometers.

        With C classes, D observables and rank r, at most C - 1: :math:`r (D + 1) - r (r + 1) / 2
        + C (C - 1) / 2`.
        """
        return self.circuit.n_interferometers

    @property
    def depth(self):
        """Largest number of interferometers on a way from an input to an output."""
        return self.circuit.depth

    def insertion_loss(self, interferometer_loss):
        """Return the loss of the longest way through all interferometers, in decibels.

        Parameters
        ----------
        interferometer_loss : float
            Decibels of one interferometer.

        Returns
        -------
        loss : float
            In decibels. Attenuators are not counted, nor is light that leaves because no class
            needs it.
        """
        return self.depth * interferometer_loss

    def coef_and_intercept(self, matrix=None):
        """Return the matrix and the intercept of a circuit, in the units of observables.

        Parameters
        ----------
        matrix : ndarray of shape (n_classes, n_observables + 1), default=None
            Matrix from amplitudes to logits. None: the matrix of the perfect circuit.

        Returns
        -------
        coef : ndarray of shape (n_classes, n_observables)
        intercept : ndarray of shape (n_classes,)
        """
        matrix = self.circuit.matrix() if matrix is None else matrix
        scaled = matrix / self.port_scales
        return scaled[:, :-1], scaled[:, -1]

    def fabricated(self, errors, *, recalibration_steps=0, random_state=None):
        """Return the matrix and the intercept of a chip with errors.

        Parameters
        ----------
        errors : MeshErrors
        recalibration_steps : int, default=0
            Steps of L-BFGS that adjust phases and attenuators.
        random_state : int, RandomState instance or None, default=None
            Seeds the errors of the chip.

        Returns
        -------
        coef : ndarray of shape (n_classes, n_observables)
        intercept : ndarray of shape (n_classes,)
        """
        chip = FabricatedCircuit(self.circuit, errors, check_random_state(random_state))
        settings = recalibrated(
            chip, self.circuit, self.matrix, self.moments, n_steps=recalibration_steps
        )
        return self.coef_and_intercept(chip.matrix(settings))


def to_mesh(estimator, X_calibration, *, layout="tree"):
    r"""Return the phases of an optical circuit that multiplies observables by a student's matrix.

    The circuit follows the singular values of the Koopman matrix, :math:`K = U \Sigma V^T`. It has
    a mesh of Mach-Zehnder interferometers for the rows of :math:`V^T`, an attenuator for each
    singular value, and a mesh for U. Before that, the mean over classes is subtracted. This does
    not change classes and probabilities, and saves a row. Lifting comes before the circuit and is
    not part of it. `StudentMesh` has the formulas.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier with a Koopman matrix, or a pipeline or search that ends in one.
    X_calibration : array-like of shape (n_samples, n_features)
        Rows, without labels, such as the training rows. They tell how large observables are.
    layout : {"tree", "clements", "reck"}, default="tree"
        All have the same number of interferometers, less than :math:`C D` for C classes and D
        observables. They differ in how many interferometers follow one after the other, and so in
        the effect of losses and errors. "reck" is a triangle [1]_, about D deep. "clements" is a
        rectangle [2]_ for U; for the observables it begins at both ends and meets in the middle,
        half as deep. "tree" halves the waveguides again and again, and joins the parts in pairs.
        Its depth grows as :math:`C \log_2 (D / C)`. Waveguides must cross, which is not counted.

    Returns
    -------
    mesh : StudentMesh

    Raises
    ------
    TypeError
        If there is no Koopman matrix.
    ValueError
        If all classes have the same logits: no light would be needed.

    See Also
    --------
    save_mesh : All settings as a JSON file.
    MeshDisplay : A picture of the interferometers.

    References
    ----------
    .. [1] M. Reck et al., "Experimental realization of any discrete unitary operator", Physical
       Review Letters 73, 58-61 (1994).
    .. [2] W. R. Clements et al., "Optimal design for universal multiport interferometers",
       Optica 3, 1460-1465 (2016).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import to_mesh
    >>> X, y = load_digits(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(1)).fit(X, y)
    >>> mesh = to_mesh(student, X)
    >>> mesh.n_interferometers, mesh.depth
    (594, 52)
    >>> to_mesh(student, X, layout="reck").depth
    90
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r}: must be one of {LAYOUTS}.")
    transformers, classifier = split_student(estimator)
    rows = flat_rows(X_calibration)
    psi = observables_of(make_pipeline(*transformers) if transformers else None, rows)
    return mesh_of(classifier, psi, layout)


def mesh_of(classifier, psi, layout):
    """Return the circuit of the matrix and the intercept of a classifier.

    Parameters
    ----------
    classifier : KoopmanClassifier
    psi : ndarray of shape (n_samples, n_observables)
        Observables of calibration rows.
    layout : str

    Returns
    -------
    mesh : StudentMesh
    """
    amplitudes = np.column_stack([psi, np.ones(len(psi))])
    scales = np.sqrt(np.mean(np.square(amplitudes), axis=0))
    scales[scales == 0] = 1.0
    amplitudes /= scales
    coef = np.asarray(classifier.coef_, np.float64)
    logits = np.column_stack([coef, classifier.intercept_]) * scales
    matrix = finite(logits - logits.mean(axis=0), "The matrix of the circuit")
    if np.abs(matrix).max() <= len(matrix) * np.finfo(matrix.dtype).eps * np.abs(logits).max():
        raise ValueError(
            "All classes have the same logits, so a circuit would have nothing to do. Fit a "
            "student that distinguishes classes."
        )
    circuit = as_circuit(matrix, layout=layout, most_attenuators=len(matrix) - 1)
    moments = amplitudes.T @ amplitudes / len(psi)
    return StudentMesh(circuit, scales, matrix, moments, classifier.classes_)
