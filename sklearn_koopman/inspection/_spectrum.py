"""Eigenvalues, modes and singular values of the matrix that stands in for a span."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._axes import axes_to_draw_on
from ..networks import LinearizedNetworkClassifier


@dataclass(frozen=True)
class SpanSpectrum:
    """What `span_spectrum` found.

    Attributes
    ----------
    singular_values : ndarray of shape (min(n_observables, n_targets),)
        Standard deviations, in descending order, of what the matrix makes of the observables along
        its principal directions: how much each rank adds.
    eigenvalues : ndarray of complex, shape (n_eigenvalues,), or None
        In descending order of their absolute values; None where the matrix does not lead from
        observables to the same observables.
    modes : ndarray of complex, shape (n_outputs, n_eigenvalues), or None
        What each eigenvalue's eigenvector is in the output of the span.
    """

    singular_values: np.ndarray
    eigenvalues: np.ndarray | None
    modes: np.ndarray | None


def span_spectrum(classifier, span=0):
    r"""Return eigenvalues, modes and singular values of the matrix of a span.

    Where a span has as many inputs as outputs, and its matrix K leads from observables to the same
    observables (``lift_output=True``, or no lifter), :math:`\psi(b) \approx K \psi(a) + k`, so that
    :math:`K = V \Lambda V^{-1}` says what the span does to its input again and again: with the
    matrix C that reads an output out of its observables, the modes are the columns of
    :math:`C V`. Constant observables are left out: theirs is the eigenvalue 1.

    Parameters
    ----------
    classifier : LinearizedNetworkClassifier
        A fitted classifier. Its least-squares matrices are looked at (truncated if `rank` is
        given), not what pruning and training make of them.
    span : int, default=0
        Which of its spans.

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
            f"classifier={classifier!r} is no LinearizedNetworkClassifier. The spectrum of an "
            "EDMDRegressor is koopman_spectrum(regressor)."
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
        One, or two if there are eigenvalues.
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
            Which of its spans.
        axes : list of matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

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
            Where to draw: one for the singular values, and a second if there are eigenvalues.
            None makes a figure.

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
