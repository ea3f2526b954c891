"""Least squares on the predictions of a teacher, and on targets."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from .._validation import check_real
from ..rows import EnlargedRows, LiftedRows, by_rows, fit_lifter
from ..students import TransferringStudent, said_by_teacher, some_rows, weighs_soft_targets
from ..teachers import UnusableTeacherError
from ._regressor import KoopmanRegressor, RegressionTask, as_columns
from ._teacher import as_regression_teacher


class KoopmanDistilledRegressor(TransferringStudent, KoopmanRegressor):
    r"""Linear regressor on observables that learns from what a teacher predicts.

    With observables :math:`\psi`, standardised to :math:`\phi`, predictions :math:`f_i = B^T
    \phi(x_i) + b`, predictions of the teacher :math:`t_i` and soft weight :math:`a`, it minimises

    .. math:: \frac{1 - a}{2} \, \overline{\|y_i - f_i\|^2} + \frac{a}{2} \, \overline{\|t_i -
              f_i\|^2} + \frac{ridge}{2} \|B\|_F^2, \qquad \operatorname{rank} B \le rank ,

    where bars are means over the rows (weighted by `sample_weight`). The first mean is over the
    rows that have a target. For rows that have a target and a prediction of the teacher, this is
    least squares on :math:`(1 - a) y_i + a t_i`. A teacher helps in two ways: its predictions have
    less noise than the targets, and it can be asked about rows without targets.

    Parameters
    ----------
    teacher : regressor, callable, torch.nn.Module or TorchTeacher, default=None
        A regressor of scikit-learn is cloned and fitted on the training data, unless it is wrapped
        in :class:`~sklearn.frozen.FrozenEstimator`; anything else is used as it is, and gives an
        array of shape (n_samples,) or (n_samples, n_targets). Not needed when `fit` is given
        `soft_labels`, or with ``soft_weight=0``.
    soft_weight : float, default=0.5
        Weight a of the teacher, between 0 (targets alone: :class:`EDMDRegressor`) and 1.
    ridge : float, default=1e-6
        L2 penalty on the coefficients of the standardised observables.
    lifter : transformer, default=None
        Makes observables of X, block by block, as for
        :class:`~sklearn_koopman.EDMDClassifier`. None takes X as it comes.
    transfer_set : TransferSet, default=None
        Makes more rows out of X, in every fit, and the teacher predicts their targets. None: the
        rows of X alone. See :class:`~sklearn_koopman.TransferSet`.
    rank : int, default=None
        Largest rank of the matrix. None, or a rank larger than the number of targets, is no
        restriction.
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
    solver_ : {"cholesky", "svd", "cg"}
        The solver that was used.
    lifter_ : transformer
        The fitted lifter, if there is one.
    teacher_ : Teacher
        The teacher, if there is one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    EDMDRegressor : The regressor without a teacher.
    KoopmanDistilledClassifier : The classifier that learns from a teacher.
    sklearn_koopman.pipeline.make_pipeline : Pipelines whose teacher sees the untransformed X.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sklearn_koopman import KoopmanDistilledRegressor, MonomialLifter
    >>> X, y = load_diabetes(return_X_y=True)
    >>> student = KoopmanDistilledRegressor(
    ...     RandomForestRegressor(n_estimators=20, random_state=0),
    ...     lifter=MonomialLifter(degree=2),
    ...     ridge=1e-2,
    ... ).fit(X, y)
    >>> student.predict(X[:2]).shape
    (2,)
    >>> round(student.score(X, y), 2)
    0.58
    """

    # Inputs of fit with one entry per row: metadata routing passes them on without a request.
    __metadata_request__fit = {"soft_labels": True, "teacher_X": True}  # noqa: RUF012

    def __init__(
        self,
        teacher=None,
        *,
        soft_weight=0.5,
        ridge=1e-6,
        lifter=None,
        transfer_set=None,
        rank=None,
        solver="auto",
        multiplicative_noise=0.0,
        additive_noise=0.0,
        verbose=0,
    ):
        self.teacher = teacher
        self.soft_weight = soft_weight
        self.ridge = ridge
        self.lifter = lifter
        self.transfer_set = transfer_set
        self.rank = rank
        self.solver = solver
        self.multiplicative_noise = multiplicative_noise
        self.additive_noise = additive_noise
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None, *, soft_labels=None, teacher_X=None):
        """Fit the regressor.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to lift with `lifter`, or rows of observables if `lifter` is None. They may be
            sparse. float32 and float64 are kept.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets. None: the student learns only from `soft_labels`, or from a teacher that is
            used as it is, as with a soft weight of 1.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 is the same as two copies of the row.
        soft_labels : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Predictions of the teacher. If they are given, the teacher is not called.
        teacher_X : array-like of shape (n_samples, ...), default=None
            Rows that the teacher sees. None: the rows of X.

        Returns
        -------
        self : object
            Fitted regressor.
        """
        return self._fit(X, y, sample_weight, soft_labels=soft_labels, teacher_X=teacher_X)

    def _check_parameters(self):
        super()._check_parameters()
        check_real(self, "soft_weight", low=0.0, high=1.0)
        if self.teacher is not None:
            as_regression_teacher(self.teacher)  # raises the error that says what a teacher is

    def _wants_soft_targets(self, soft_labels):
        return weighs_soft_targets(self, soft_labels)

    def _prepare(self, X, y, sample_weight, soft_labels=None, teacher_X=None):
        """Validate what `fit` received, ask the teacher, and put the solver's task together."""
        learns_softly = self._wants_soft_targets(soft_labels)
        if y is None and not learns_softly:
            raise ValueError(
                f"With a soft weight of 0, {type(self).__name__} learns from targets alone: it "
                "requires y to be passed, but the target y is None."
            )
        seen = X
        X, y, weights = self._validate(X, y, sample_weight)
        rows, keeps_targets = self._rows_to_learn_from(X, seen, soft_labels, teacher_X, 0)
        are_made = rows is not X
        if are_made:
            seen, teacher_X = rows, None
        soft, teacher = None, None
        if learns_softly and soft_labels is not None:
            soft = _given_predictions(soft_labels, X.shape[0])
        elif learns_softly:
            weight = None if sample_weight is None else weights
            soft, teacher = self._ask(seen if teacher_X is None else teacher_X, y, weight)
        lifter = fit_lifter(self.lifter, X, y)
        hard = None if y is None else as_columns(y)
        is_flat = soft is not None and soft.shape[1] == 1 if y is None else y.ndim == 1
        share = np.ones_like(weights)
        if are_made:
            weights = rows.repeated(weights)
            share = rows.repeated(share, None if keeps_targets else 0.0)
            hard = None if hard is None else np.tile(hard, (1 + rows.n_copies, 1))
        targets, weights = self._mixed(hard, soft, weights, share)
        return RegressionTask(
            self._blocks_to_learn_from(X, rows, lifter),
            targets,
            weights,
            X,
            {"lifter_": lifter, "teacher_": teacher, "_is_flat": is_flat},
        )

    def _ask(self, seen, y, sample_weight):
        """Return the teacher's predictions, and the teacher, which is fitted if necessary."""
        teacher = as_regression_teacher(self.teacher)
        are_made = isinstance(seen, EnlargedRows)
        if not teacher.is_fixed and y is None:
            raise ValueError(
                f"{self.teacher!r} would have to be fitted on targets: it requires y to be "
                "passed, but the target y is None. Pass y to fit; or fit the teacher first, "
                "and wrap it in sklearn.frozen.FrozenEstimator, so that it is used as it is."
            )
        if isinstance(seen, LiftedRows):
            seen = by_rows(np.asarray, seen)
        try:
            if not teacher.is_fixed:
                real = seen.real if are_made else seen
                real = by_rows(np.asarray, real) if isinstance(real, LiftedRows) else real
                teacher = teacher.fit(some_rows(real, np.ones(len(y), bool)), y, sample_weight)
            return as_columns(by_rows(teacher, seen)), teacher
        except (UnusableTeacherError, MemoryError, ImportError):
            raise
        except Exception as error:
            message = said_by_teacher(error, seen, are_meant=are_made)
            if message is None:
                raise
            raise ValueError(message) from error

    def _mixed(self, hard, soft, weights, has_target):
        """Return the targets and weights of least squares that minimise both means at once."""
        if hard is None or soft is None:
            return (soft, weights) if hard is None else (hard, weights * has_target)
        if hard.shape[1] != soft.shape[1]:
            raise ValueError(
                f"The teacher predicts {soft.shape[1]} numbers for a row, and y has "
                f"{hard.shape[1]}. They must have the same number of columns: each prediction is "
                "compared with the target in the same column."
            )
        hard_weight = (1 - self.soft_weight) * _share(weights * has_target)
        soft_weight = self.soft_weight * _share(weights)
        total = hard_weight + soft_weight
        part = np.divide(hard_weight, total, out=np.zeros_like(total), where=total > 0)[:, None]
        return part * hard + (1 - part) * soft, total


def _given_predictions(soft_labels, n_samples):
    """Return predictions that were given to `fit` as columns."""
    array = check_array(
        soft_labels, ensure_2d=False, dtype=np.float64, input_name="soft_labels"
    )
    check_consistent_length(np.empty(n_samples), array)
    return as_columns(array)


def _share(weights):
    total = weights.sum()
    return weights / total if total > 0 else weights
