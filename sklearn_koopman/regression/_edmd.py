"""Least squares on targets: the Koopman matrix of the next state, say."""

from ._regressor import KoopmanRegressor


class EDMDRegressor(KoopmanRegressor):
    r"""Linear regressor on observables, fitted by ridge least squares (EDMD).

    With observables :math:`\psi`, standardised to :math:`\phi`, and targets :math:`y_i` less their
    mean, the matrix :math:`B` minimises

    .. math:: \frac{1}{2 \sum_i w_i} \sum_i w_i \|y_i - B^T \phi(x_i)\|^2
              + \frac{ridge}{2} \|B\|_F^2, \qquad \operatorname{rank} B \le rank .

    With the next states of a system as targets, ``fit(X[:-1], X[1:])``, it is the Koopman matrix
    of extended dynamic mode decomposition [1]_, of which the rows for the state are kept:
    `predict` makes a step, on observables of the state that it has reached.

    Parameters
    ----------
    ridge : float, default=1e-6
        L2 penalty on the coefficients of the standardised observables; ``alpha`` of
        :class:`~sklearn.linear_model.Ridge` divided by the sum of weights.
    lifter : transformer, default=None
        Makes observables of X, block by block, as for
        :class:`~sklearn_koopman.EDMDClassifier`. None takes X as it comes.
    rank : int, default=None
        Largest rank of the matrix (reduced-rank regression [2]_); no restriction if None or larger
        than the number of targets.
    solver : {"auto", "cholesky", "svd"}, default="auto"
        As for :class:`~sklearn_koopman.EDMDClassifier`.
    multiplicative_noise, additive_noise : float, default=0.0
        Noise of the hardware, as for :class:`~sklearn_koopman.EDMDClassifier`.
    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_observables)
        Coefficients of the observables, in the dtype of X; of a y of one dimension too.
    intercept_ : ndarray of shape (n_targets,)
    koopman_matrix_ : ndarray of shape (n_targets, n_observables)
        `coef_` with the intercept in the column of the constant observable.
    solver_ : {"cholesky", "svd", "cg"}
        What solved the problem.
    lifter_ : transformer
        The fitted lifter, if there is one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    KoopmanDistilledRegressor : Learns from a teacher too.
    EDMDClassifier : The same for classes.

    References
    ----------
    .. [1] M. O. Williams, I. G. Kevrekidis and C. W. Rowley, "A data-driven approximation of the
       Koopman operator: extending dynamic mode decomposition", Journal of Nonlinear Science 25,
       1307-1346 (2015), section 2.
    .. [2] A. J. Izenman, "Reduced-rank regression for the multivariate linear model", Journal of
       Multivariate Analysis 5, 248-264 (1975).

    Examples
    --------
    A rotation whose angle grows with the radius, from pairs of states:

    >>> import numpy as np
    >>> from sklearn_koopman import EDMDRegressor, MonomialLifter
    >>> def step(x):
    ...     angle = 0.3 + 0.1 * (x**2).sum(axis=1)
    ...     turned = [x[:, 0] * np.cos(angle) - x[:, 1] * np.sin(angle),
    ...               x[:, 0] * np.sin(angle) + x[:, 1] * np.cos(angle)]
    ...     return np.stack(turned, axis=1)
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(500, 2))
    >>> student = EDMDRegressor(lifter=MonomialLifter(degree=5), ridge=1e-10).fit(X, step(X))
    >>> student.koopman_matrix_.shape
    (2, 21)
    >>> bool(np.abs(student.predict(X) - step(X)).max() < 1e-3)
    True
    """

    _shared_parameters = ()  # it has no teacher

    def __init__(
        self,
        *,
        ridge=1e-6,
        lifter=None,
        rank=None,
        solver="auto",
        multiplicative_noise=0.0,
        additive_noise=0.0,
        verbose=0,
    ):
        self.ridge = ridge
        self.lifter = lifter
        self.rank = rank
        self.solver = solver
        self.multiplicative_noise = multiplicative_noise
        self.additive_noise = additive_noise
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Fit the regressor.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to lift with `lifter`, or rows of observables if that is None; sparse ones too.
            float32 and float64 are kept.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; the next states, say.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 is the same as a row that is there twice.

        Returns
        -------
        self : object
            Fitted regressor.
        """
        return self._fit(X, y, sample_weight)
