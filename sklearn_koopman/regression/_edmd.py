"""Least squares on targets, for example the Koopman matrix of the next state."""

from dataclasses import replace

import numpy as np
from sklearn.utils.validation import validate_data

from .._memory import check_fits_in_memory
from .._validation import check_boolean
from .._warnings import warn_user
from ..lifting import takes_floats_alone
from ..rows import LiftedRows, as_given, lifted_blocks
from ._regressor import KoopmanRegressor


class EDMDRegressor(KoopmanRegressor):
    r"""Linear regressor on observables, fitted by ridge least squares (EDMD).

    With observables :math:`\psi`, standardised to :math:`\phi`, and targets :math:`y_i` less their
    mean, the matrix :math:`B` minimises

    .. math:: \frac{1}{2 \sum_i w_i} \sum_i w_i \|y_i - B^T \phi(x_i)\|^2
              + \frac{ridge}{2} \|B\|_F^2, \qquad \operatorname{rank} B \le rank .

    If the targets are the next states of a system, ``fit(X[:-1], X[1:])``, `predict` returns the
    states after one step. With ``with_operator=True`` the whole matrix of extended dynamic mode
    decomposition [1]_ is fitted too: `operator_` maps the observables of a state to the observables
    of the next state. So it has eigenvalues and modes, see
    :func:`~sklearn_koopman.inspection.koopman_spectrum`.

    Parameters
    ----------
    ridge : float, default=1e-6
        L2 penalty on the coefficients of the standardised observables; ``alpha`` of
        :class:`~sklearn.linear_model.Ridge` divided by the sum of weights. With 0 and fewer rows
        than observables, `fit` warns: the problem is ill-posed.
    lifter : transformer, default=None
        Makes observables of X, block by block, as for
        :class:`~sklearn_koopman.EDMDClassifier`. None takes X as it comes.
    with_operator : bool, default=False
        Whether to fit the square matrix `operator_` too. Then y must be the next states, and the
        fitted lifter makes observables of X and of y. Steps before the lifter, such as a scaler,
        belong in `lifter` too: a pipeline does not transform y.
    rank : int, default=None
        Largest rank of the matrix (reduced-rank regression [2]_). None, or a rank larger than the
        number of targets, is no restriction. With `with_operator`, `operator_` is stacked on
        `coef_`, and this is the largest rank of the stack.
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
        Coefficients of the observables, in the dtype of X. They have two dimensions even if y has
        one.
    intercept_ : ndarray of shape (n_targets,)
    koopman_matrix_ : ndarray of shape (n_targets, n_observables)
        `coef_` with the intercept in the column of the constant observable.
    operator_ : ndarray of shape (n_observables, n_observables)
        Maps the observables of a state to the observables of the next state. Only if
        `with_operator`.
    operator_intercept_ : ndarray of shape (n_observables,)
        Is added to the result of `operator_`. Only if `with_operator`.
    solver_ : {"cholesky", "svd", "cg"}
        The solver that was used.
    lifter_ : transformer
        The fitted lifter, if there is one.
    moments_ : GramMoments or TriangularMoments
        Sums over the rows that `partial_fit` has seen so far.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    KoopmanDistilledRegressor : Learns from a teacher too.
    EDMDClassifier : The classifier that is fitted by least squares.
    sklearn_koopman.inspection.koopman_spectrum : Eigenvalues and modes of `operator_`.

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

    The square matrix on Gaussians:

    >>> from sklearn_koopman import RBFLifter
    >>> edmd = EDMDRegressor(lifter=RBFLifter(30), with_operator=True).fit(X, step(X))
    >>> edmd.predict(X).shape, edmd.operator_.shape
    ((500, 2), (30, 30))
    """

    _shared_parameters = ()  # it has no teacher

    def __init__(
        self,
        *,
        ridge=1e-6,
        lifter=None,
        with_operator=False,
        rank=None,
        solver="auto",
        multiplicative_noise=0.0,
        additive_noise=0.0,
        verbose=0,
    ):
        self.ridge = ridge
        self.lifter = lifter
        self.with_operator = with_operator
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
            Rows to lift with `lifter`, or rows of observables if `lifter` is None. They may be
            sparse. float32 and float64 are kept.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, for example the next states. To use several trajectories, join their pairs of a
            state and the next state.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 is the same as two copies of the row.

        Returns
        -------
        self : object
            Fitted regressor.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X, y, sample_weight=None):
        """Take in more rows and solve for all rows seen so far.

        After any number of calls the model is the same as that of `fit` on all rows together. A
        lifter is fitted on the rows of the first call and kept. `fit` keeps no moments, so
        `partial_fit` starts anew after it (with a warning).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as for `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, as many per row as in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        self : object
            Fitted regressor.
        """
        continues = self._continues_stream()
        with self._keeping_what_was_fitted():
            self._check_parameters()
            task = self._task(X, y, sample_weight, continues=continues, are_more_to_come=True)
            if continues and task.n_targets != self.moments_.n_targets:
                raise ValueError(
                    f"This call to partial_fit has {task.n_targets} targets (including those of "
                    f"with_operator={self.with_operator}), earlier calls had "
                    f"{self.moments_.n_targets}: their moments cannot be added."
                )
            fitted = self._taken_apart(self._solve_stream(task, continues=continues), task)
            self._store(fitted | task.fitted)
        return self

    def _check_parameters(self):
        super()._check_parameters()
        check_boolean(self, "with_operator")

    def _solve(self, task):
        blocks = task.blocks
        has_penalty = self.ridge or self.multiplicative_noise or self.additive_noise
        if blocks.n_samples < blocks.n_observables and not has_penalty:
            warn_user(
                f"ridge=0 with {blocks.n_samples} rows of {blocks.n_observables} observables is "
                "ill-posed: many matrices fit these rows, and the smallest is taken. Its "
                "eigenvalues need not be those of the system. Raise ridge, or use more rows or "
                "fewer observables."
            )
        return self._taken_apart(super()._solve(task), task)

    def _taken_apart(self, fitted, task):
        """Return fitted attributes with the rows of the operator in an attribute of their own."""
        if not self.with_operator:
            return fitted
        n, coef, intercept = task.blocks.n_observables, fitted["coef_"], fitted["intercept_"]
        parts = {"coef_": coef[n:], "intercept_": intercept[n:]}
        return fitted | parts | {"operator_": coef[:n], "operator_intercept_": intercept[:n]}

    def _task(self, X, y, sample_weight, **how):
        if getattr(X, "ndim", 2) == getattr(y, "ndim", 2) == 3:
            raise ValueError(
                f"X has the shape {tuple(X.shape)}, and rows are states. Join the states of all "
                f"trajectories: X.reshape(-1, {X.shape[-1]}), and y in the same way, so that each "
                "row of y is the state after the same row of X."
            )
        task = super()._task(X, y, sample_weight, **how)
        if not self.with_operator:
            return task
        observables = self._observables_of_next(X, y, task)
        return replace(task, targets=np.hstack([observables, task.targets]))

    def _observables_of_next(self, X, y, task):
        """Return the observables of the next states, from the same lifter as those of X."""
        if isinstance(X, LiftedRows):
            raise ValueError(
                "with_operator=True: the steps of the pipeline made observables of X, but not of "
                "y. Put them into the regressor: EDMDRegressor(lifter=make_pipeline(*steps), "
                "with_operator=True)."
            )
        n_features, n_columns = task.X.shape[1], task.targets.shape[1]
        if n_columns != n_features:
            raise ValueError(
                "with_operator=True needs the next states as y, with the same columns as X: X has "
                f"{n_features} columns, but y has {n_columns}. Pass states, fit(X[:-1], X[1:]), "
                "which `lifter` lifts. Steps before the regressor belong in `lifter`."
            )
        n_samples, n_observables = task.blocks.n_samples, task.blocks.n_observables
        check_fits_in_memory(
            8 * n_samples * n_observables,
            f"with_operator=True: {n_observables} observables of {n_samples} next states",
            "Pass the rows in parts to partial_fit.",
        )
        lifter = task.known["lifter_"]
        rows = task.targets if task.known["_is_flat"] else y
        if takes_floats_alone(lifter):
            rows = self._validate_rows(rows, reset=False)
        else:  # a data frame, for example, which the first step takes
            validate_data(self, rows, reset=False, skip_check_array=True)
            rows = as_given(rows)
        return lifted_blocks(lifter, rows).all_lifted()
