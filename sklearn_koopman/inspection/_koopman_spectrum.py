"""Eigenvalues, eigenfunctions and modes of a Koopman operator on a dictionary."""

from dataclasses import dataclass

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline

from .._warnings import warn_user
from ..lifting import learns_nothing, taking_arrays
from ..rows import lifted_blocks
from ..students import KoopmanMatrix, flat_steps, observable_names, split_student

_THE_WAY = "EDMDRegressor(lifter=lifter, with_operator=True).fit(X[:-1], X[1:])"


@dataclass(frozen=True, repr=False)
class KoopmanSpectrum:
    r"""Result of `koopman_spectrum`.

    Attributes
    ----------
    eigenvalues : ndarray of complex, shape (n_eigenvalues,)
        Eigenvalues in descending order of their absolute values. There is one for each observable,
        and one more, 1, for the constant.
    modes : ndarray of complex, shape (n_observables, n_eigenvalues)
        :math:`v_j`: the contribution of each eigenfunction to the observables. If the state itself
        is among the observables, its rows are the modes of the state. The modes of any function g
        of the state are ``np.linalg.lstsq(spectrum.eigenfunctions(X), g(X))[0].T``.
    eigenfunction_coef : ndarray of complex, shape (n_eigenvalues, n_observables)
        Left eigenvectors: the coefficients of the observables in each eigenfunction.
    eigenfunction_intercept : ndarray of complex, shape (n_eigenvalues,)
    lifter : transformer or None
        Makes observables of rows.
    observables : list of str
        Names of the observables, in the order of the rows of `modes`.
    """

    eigenvalues: np.ndarray
    modes: np.ndarray
    eigenfunction_coef: np.ndarray
    eigenfunction_intercept: np.ndarray
    lifter: object
    observables: list[str]

    def __repr__(self):
        return f"<KoopmanSpectrum of {len(self.observables)} observables>"

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
            Time from one row to the next.

        Returns
        -------
        rates : ndarray of complex, shape (n_eigenvalues,)
            ``log(eigenvalues) / step``: real parts are growth rates, imaginary parts angular
            frequencies. The rate of the eigenvalue 0 is minus infinity, with the imaginary part 0.
        """
        values = self.eigenvalues
        rates = np.empty_like(values)
        # Real and imaginary parts are divided separately: a complex infinity divided by the step
        # would have no valid imaginary part.
        with np.errstate(divide="ignore"):
            rates.real = np.log(np.abs(values)) / step
        rates.imag = np.where(values == 0, 0.0, np.angle(values)) / step
        return rates


def koopman_spectrum(student):
    r"""Return the eigenvalues, eigenfunctions and modes of a Koopman operator.

    If the targets are the observables :math:`\psi` of the next state,

    .. math:: \psi(x_{t + 1}) \approx K \psi(x_t) + k ,

    the matrix K is square. With :math:`K_1 = \begin{pmatrix} K & k \\ 0 & 1 \end{pmatrix}` and its
    left eigenvectors :math:`w_j`, the functions :math:`\varphi_j(x) = w_j^T (\psi(x), 1)` are
    multiplied by the eigenvalue :math:`\lambda_j` in one step, and with its right eigenvectors
    :math:`v_j` the observables are :math:`\psi = \sum_j \varphi_j v_j` ([1]_, section 2). Vectors
    are scaled so that :math:`w_i^T v_j = \delta_{ij}`.

    Parameters
    ----------
    student : EDMDRegressor, Pipeline or search
        ``EDMDRegressor(lifter=lifter, with_operator=True).fit(X[:-1], X[1:])``. Without a lifter
        the observables are the state itself (dynamic mode decomposition). A regressor that was
        fitted to observables as targets works too. Then you must make sure that the targets were
        made by the same lifter, a :class:`~sklearn.frozen.FrozenEstimator`.

    Returns
    -------
    spectrum : KoopmanSpectrum

    Raises
    ------
    ValueError
        If the numbers of targets and observables differ. Or if there are steps before a regressor
        with an operator: they lifted X, but not the next states.

    Warns
    -----
    UserWarning
        If observables were given as targets, and `fit` fitted a step that makes observables of X.
        That step may differ from the one that made the targets.

    See Also
    --------
    span_spectrum : The spectrum of a span of a network.

    Notes
    -----
    A constant observable in the dictionary adds an eigenvalue 1, or 0. If eigenvectors are almost
    parallel (a defective matrix), modes are large numbers that almost cancel.

    References
    ----------
    .. [1] M. O. Williams, I. G. Kevrekidis and C. W. Rowley, "A data-driven approximation of the
       Koopman operator: extending dynamic mode decomposition", Journal of Nonlinear Science 25,
       1307-1346 (2015).

    Examples
    --------
    A linear system has the eigenvalues 0.9 and 0.5. Products of two coordinates have the products
    of these eigenvalues.

    >>> import numpy as np
    >>> from sklearn_koopman import EDMDRegressor, MonomialLifter
    >>> from sklearn_koopman.inspection import koopman_spectrum
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> X_next = X @ np.array([[0.9, 0.0], [0.3, 0.5]])
    >>> lifter = MonomialLifter(2, include_bias=False)
    >>> edmd = EDMDRegressor(ridge=0, lifter=lifter, with_operator=True).fit(X, X_next)
    >>> spectrum = koopman_spectrum(edmd)
    >>> print(spectrum.eigenvalues.real.round(4))
    [1.   0.9  0.81 0.5  0.45 0.25]
    >>> spectrum.observables
    ['x0', 'x1', 'x0^2', 'x0 x1', 'x1^2']
    """
    transformers, regressor = split_student(student, KoopmanMatrix)
    matrix, intercept = _operator(student, regressor)
    n_observables = len(matrix)
    with_constant = np.zeros((n_observables + 1, n_observables + 1))
    with_constant[:-1, :-1], with_constant[:-1, -1] = matrix, intercept
    with_constant[-1, -1] = 1.0
    eigenvalues, right = np.linalg.eig(with_constant)
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    eigenvalues, right = eigenvalues[order].astype(complex), right[:, order].astype(complex)
    left = np.linalg.pinv(right)
    lifter = make_pipeline(*map(taking_arrays, transformers)) if transformers else None
    names = observable_names(student)
    return KoopmanSpectrum(eigenvalues, right[:-1], left[:, :-1], left[:, -1], lifter, names)


def _operator(student, regressor):
    """Return the square matrix of a student and its intercept, or raise ValueError."""
    if hasattr(regressor, "operator_"):
        before = flat_steps(student)[:-1]
        if before:
            raise ValueError(
                f"student: {before[0]!r} is before the regressor, so it lifted X but not the next "
                "states, y. Put it into the lifter: EDMDRegressor(lifter=make_pipeline(*steps), "
                "with_operator=True)."
            )
        return regressor.operator_.astype(np.float64), regressor.operator_intercept_
    n_targets, n_observables = regressor.coef_.shape
    if n_targets != n_observables:
        raise ValueError(
            f"student={student!r} maps {n_observables} observables to {n_targets} targets, but a "
            "Koopman operator maps observables to the same observables. Fit it to states and the "
            f"next states, {_THE_WAY}."
        )
    for step in _steps_as_given(student):
        if not learns_nothing(step):
            warn_user(
                f"The student has fitted {step!r} itself: its spectrum is right only if this step "
                f"made the targets too. {_THE_WAY} makes both with the same lifter. A "
                "FrozenEstimator(lifter) is not fitted again."
            )
    return np.asarray(regressor.coef_, dtype=np.float64), regressor.intercept_


def _steps_as_given(student):
    """Return the transformers of a student; frozen ones stay wrapped."""
    steps = []
    while not isinstance(student, KoopmanMatrix):
        if isinstance(student, Pipeline):
            steps += [step for _, step in student.steps[:-1]]
            student = student.steps[-1][1]
        elif isinstance(student, FrozenEstimator):
            student = student.estimator
        else:
            student = student.best_estimator_
    return [*steps, getattr(student, "lifter_", None)]
