"""Eigenvalues, eigenfunctions and modes of a Koopman operator on a dictionary."""

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import make_pipeline

from ..rows import lifted_blocks
from ..students import KoopmanMatrix, split_student


@dataclass(frozen=True)
class KoopmanSpectrum:
    r"""What `koopman_spectrum` found.

    Attributes
    ----------
    eigenvalues : ndarray of complex, shape (n_eigenvalues,)
        In descending order of their absolute values. One for each observable, and 1 for what is
        constant.
    modes : ndarray of complex, shape (n_observables, n_eigenvalues)
        :math:`v_j`: what each eigenfunction contributes to the observables. The rows of the state
        are its modes.
    eigenfunction_coef : ndarray of complex, shape (n_eigenvalues, n_observables)
        Left eigenvectors: the coefficients of the observables in each eigenfunction.
    eigenfunction_intercept : ndarray of complex, shape (n_eigenvalues,)
    lifter : transformer or None
        What makes observables of rows.
    """

    eigenvalues: np.ndarray
    modes: np.ndarray
    eigenfunction_coef: np.ndarray
    eigenfunction_intercept: np.ndarray
    lifter: object

    def eigenfunctions(self, X):
        r"""Return the values of the eigenfunctions: one step multiplies each by its eigenvalue.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        values : ndarray of complex, shape (n_samples, n_eigenvalues)
        """
        psi = lifted_blocks(self.lifter, np.asarray(X)).all_lifted()
        return psi @ self.eigenfunction_coef.T + self.eigenfunction_intercept

    def time_constants(self, step=1.0):
        """Return growth rates and angular frequencies in continuous time.

        Parameters
        ----------
        step : float, default=1.0
            Time from a row to the next.

        Returns
        -------
        rates : ndarray of complex, shape (n_eigenvalues,)
            ``log(eigenvalues) / step``: real parts are growth rates, imaginary parts angular
            frequencies. That of the eigenvalue 0 has the real part minus infinity.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.eigenvalues) / step


def koopman_spectrum(student):
    r"""Return the eigenvalues, eigenfunctions and modes of a Koopman operator.

    With observables :math:`\psi` of a state and those of the next one as targets,

    .. math:: \psi(x_{t + 1}) \approx K \psi(x_t) + k ,

    K is square. With :math:`K_1 = \begin{pmatrix} K & k \\ 0 & 1 \end{pmatrix}` and its left
    eigenvectors :math:`w_j`, the functions :math:`\varphi_j(x) = w_j^T (\psi(x), 1)` are
    multiplied by the eigenvalue :math:`\lambda_j` in one step, and with its right eigenvectors
    :math:`v_j` the observables are :math:`\psi = \sum_j \varphi_j v_j` ([1]_, section 2). Vectors
    are scaled so that :math:`w_i^T v_j = \delta_{ij}`.

    Parameters
    ----------
    student : EDMDRegressor, Pipeline or search
        Fitted to the observables of the next states,
        ``EDMDRegressor(lifter=lifter).fit(X[:-1], lifter.fit_transform(X)[1:])``. Without a lifter
        the observables are the state itself (dynamic mode decomposition).

    Returns
    -------
    spectrum : KoopmanSpectrum

    Raises
    ------
    ValueError
        If there are not as many targets as observables.

    See Also
    --------
    span_spectrum : The same of a span of a network.

    Notes
    -----
    A constant observable in the dictionary is one more eigenvalue 1, or 0. Where eigenvectors are
    almost parallel (a defective matrix), modes are large numbers that almost cancel.

    References
    ----------
    .. [1] M. O. Williams, I. G. Kevrekidis and C. W. Rowley, "A data-driven approximation of the
       Koopman operator: extending dynamic mode decomposition", Journal of Nonlinear Science 25,
       1307-1346 (2015).

    Examples
    --------
    Of a linear system with the eigenvalues 0.9 and 0.5, products of two coordinates have the
    products of these.

    >>> import numpy as np
    >>> from sklearn_koopman import EDMDRegressor, MonomialLifter
    >>> from sklearn_koopman.inspection import koopman_spectrum
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> X_next = X @ np.array([[0.9, 0.0], [0.3, 0.5]])
    >>> lifter = MonomialLifter(2, include_bias=False).fit(X)
    >>> student = EDMDRegressor(ridge=0, lifter=lifter).fit(X, lifter.transform(X_next))
    >>> print(koopman_spectrum(student).eigenvalues.real.round(4))
    [1.   0.9  0.81 0.5  0.45 0.25]
    """
    transformers, regressor = split_student(student, KoopmanMatrix)
    matrix = np.asarray(regressor.coef_, dtype=np.float64)
    n_targets, n_observables = matrix.shape
    if n_targets != n_observables:
        raise ValueError(
            f"student={student!r} leads from {n_observables} observables to {n_targets} targets: "
            "a Koopman operator leads to the same observables. Fit it to those of the next states, "
            "EDMDRegressor(lifter=lifter).fit(X[:-1], lifter.fit_transform(X)[1:])."
        )
    with_constant = np.zeros((n_observables + 1, n_observables + 1))
    with_constant[:-1, :-1], with_constant[:-1, -1] = matrix, regressor.intercept_
    with_constant[-1, -1] = 1.0
    eigenvalues, right = np.linalg.eig(with_constant)
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    eigenvalues, right = eigenvalues[order].astype(complex), right[:, order].astype(complex)
    left = np.linalg.pinv(right)
    lifter = make_pipeline(*transformers) if transformers else None
    return KoopmanSpectrum(eigenvalues, right[:-1], left[:, :-1], left[:, -1], lifter)
