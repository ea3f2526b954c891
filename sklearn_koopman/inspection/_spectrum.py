"""Eigenvalues, modes and singular values of the matrix that replaces a span."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._axes import axes_to_draw_on
from ..networks import LinearizedNetworkClassifier


@dataclass(frozen=True)
class SpanSpectrum:
    """Result of `span_spectrum`.

    Attributes
    ----------
    singular_values : ndarray of shape (min(n_observables, n_targets),)
        Standard deviations of the products of matrix and observables along the principal
        directions, in descending order. They show how much each rank adds.
    eigenvalues : ndarray of complex, shape (n_eigenvalues,), or None
        Eigenvalues in descending order of their absolute values. None if the matrix does not map
        observables to the same observables.
    modes : ndarray of complex, shape (n_outputs, n_eigenvalues), or None
        The eigenvector of each eigenvalue, as an output of the span.
    """

    singular_values: np.ndarray
    eigenvalues: np.ndarray | None
    modes: np.ndarray | None


def span_spectrum(classifier, span=0):
    r"""Return eigenvalues, modes and singular values of the matrix of a span.

    Suppose that a span has as many inputs as outputs, and that its matrix K maps observables to the
    same observables (``lift_output=True``, or no lifter). Then
    :math:`\psi(b) \approx K \psi(a) + k`, and :math:`K = V \Lambda V^{-1}` shows what happens if
    the span is applied repeatedly. With the matrix C that computes an output from its observables,
    the modes are the columns of :math:`C V`. Constant observables are left out; they have the
    eigenvalue 1.

    Parameters
    ----------
    classifier : LinearizedNetworkClassifier
        A fitted classifier. The spectrum is that of its least-squares matrices (truncated if `rank`
        is given), before pruning and training.
    span : int, default=0
        Index of the span.

    Returns
    -------
    spectrum : SpanSpectrum

    References
    ----------
    .. [1] M. O. Williams, I. G. Kevrekidis and C. W. Rowley, "A data-driven approximation of the
       Koopman operator: extending dynamic mode decomposition", Journal of Nonlinear Science 25,
       1307-1346 (2015), section 2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_koopman.inspection import span_spectrum
    >>> from sklearn_koopman.networks import LinearizedNetworkClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> net = MLPClassifier((16, 16), solver="lbfgs", max_iter=50, random_state=0)
    >>> student = LinearizedNetworkClassifier(net, ("linear1", "activation1"))
    >>> spectrum = span_spectrum(student.fit(X / 16, y))
    >>> spectrum.singular_values.shape, spectrum.modes.shape[0]
    ((16,), 16)
    """
    if not isinstance(classifier, LinearizedNetworkClassifier):
        raise TypeError(
            f"classifier={classifier!r} is not a LinearizedNetworkClassifier. For the spectrum of "
            "an EDMDRegressor, call koopman_spectrum(regressor)."
        )
    check_is_fitted(classifier)
    operator = classifier.operators_[span]
    eigenvalues = modes = None
    if operator.is_square:
        varying = ~operator.scale.constant
        matrix = operator.matrix[np.ix_(varying, varying)]
        eigenvalues, vectors = np.linalg.eig(matrix)
        order = np.argsort(-np.abs(eigenvalues), kind="stable")
        eigenvalues, vectors = eigenvalues[order].astype(complex), vectors[:, order]
        if operator.output_readout is None:
            modes = np.zeros((len(varying), vectors.shape[1]), dtype=complex)
            modes[varying] = vectors
        else:
            modes = operator.output_readout[0].T[:, varying] @ vectors.astype(complex)
    return SpanSpectrum(operator.singular_values, eigenvalues, modes)


class SpanSpectrumDisplay:
    """Singular values of the matrix of a span, and its eigenvalues in the complex plane.

    Parameters
    ----------
    spectrum : SpanSpectrum

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : list of matplotlib.axes.Axes
        One axes, or two if there are eigenvalues.
    singular_values_ : matplotlib.lines.Line2D
    eigenvalues_ : matplotlib.collections.PathCollection or None
    """

    def __init__(self, spectrum):
        self.spectrum = spectrum

    @classmethod
    def from_estimator(cls, classifier, span=0, *, axes=None):
        """Draw the spectrum of a fitted classifier.

        Parameters
        ----------
        classifier : LinearizedNetworkClassifier
        span : int, default=0
            Index of the span.
        axes : list of matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : SpanSpectrumDisplay
        """
        return cls(span_spectrum(classifier, span)).plot(axes=axes)

    def plot(self, *, axes=None):
        """Draw the spectrum.

        Parameters
        ----------
        axes : list of matplotlib.axes.Axes, default=None
            Axes to draw on: one for the singular values, and a second one if there are eigenvalues.
            None makes a new figure.

        Returns
        -------
        display : SpanSpectrumDisplay
        """
        eigenvalues = self.spectrum.eigenvalues
        n_axes = 1 if eigenvalues is None else 2
        self.axes_ = list(axes_to_draw_on(axes, (n_axes,), figsize=(4.5 * n_axes, 4)))
        self.figure_ = self.axes_[0].figure
        singular = self.spectrum.singular_values
        self.axes_[0].set(xlabel="rank", ylabel="singular value", yscale="log")
        positive = singular[singular > singular[0] * 1e-12]
        (self.singular_values_,) = self.axes_[0].plot(
            np.arange(1, len(positive) + 1), positive, "o-", markersize=3
        )
        self.eigenvalues_ = None
        if eigenvalues is not None:
            plane = self.axes_[1]
            circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
            plane.plot(circle.real, circle.imag, color="0.7", linewidth=1)
            self.eigenvalues_ = plane.scatter(eigenvalues.real, eigenvalues.imag, s=12)
            plane.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
        return self
