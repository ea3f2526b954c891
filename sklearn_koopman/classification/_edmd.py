"""Least squares: the Koopman matrix of extended dynamic mode decomposition."""

from ..students import (
    PROBABILITY_FLOOR,
    KoopmanClassifier,
    LeastSquares,
    TransferringStudent,
    regression_targets,
)


class EDMDClassifier(TransferringStudent, LeastSquares, KoopmanClassifier):
    r"""Linear classifier on observables, fitted by ridge least squares (EDMD).

    With observables :math:`\psi`, standardised to :math:`\phi`, and centred targets :math:`y_i`,
    the matrix :math:`B` minimises

    .. math:: \frac{1}{2 \sum_i w_i} \sum_i w_i \|y_i - B^T \phi(x_i)\|^2
              + \frac{ridge}{2} \|B\|_F^2, \qquad \operatorname{rank} B \le rank .

    The targets are one-hot labels. With a teacher or `soft_labels` they are the teacher's logits,
    centred in every row: the "naive" Koopman matrix of [1]_.

    Parameters
    ----------
    teacher : callable, torch.nn.Module, classifier or TorchTeacher, default=None
        A scikit-learn or skorch classifier is cloned and fitted on the training data, unless it
        is wrapped in :class:`~sklearn.frozen.FrozenEstimator`; anything else is used as it is.
        See :func:`~sklearn_koopman.teachers.as_teacher`. None fits one-hot labels.
    ridge : float, default=1e-2
        L2 penalty on the coefficients of the standardised observables; ``alpha`` of
        :class:`~sklearn.linear_model.Ridge` divided by the sum of weights.
    lifter : transformer, default=None
        Makes observables of X, block by block, as the steps before this one do in
        :class:`sklearn_koopman.pipeline.Pipeline`. It is for those who need a single estimator
        and not a pipeline. It is given an array, without feature names. None takes X as it comes.
    transfer_set : TransferSet, default=None
        Makes more rows out of those of X, in every fit, for the teacher to label. None: the rows
        of X alone. See :class:`~sklearn_koopman.TransferSet`.
    rank : int, default=None
        Largest rank of the Koopman matrix (reduced-rank regression [3]_). None, and a number that
        is not smaller than that of the classes, do not restrict it.
    solver : {"auto", "cholesky", "svd"}, default="auto"
        "cholesky" solves the normal equations. "svd" goes through a QR factorisation of the rows,
        which is slower and keeps twice the digits. "auto" tries the first, and takes the second
        where the Gram matrix is not numerically positive definite. float32 rows are multiplied in
        float32, unless the Gram matrix is so badly conditioned that rounding would decide; then,
        and in `partial_fit`, in float64.
    multiplicative_noise : float, default=0.0
        Standard deviation of the noise that the hardware adds to every coefficient, or to every
        observable, relative to its value. See the notes.
    additive_noise : float, default=0.0
        Standard deviation of the noise that the hardware adds to every observable, in the units
        of that observable.
    teacher_output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the teacher or `soft_labels` give. "auto": probabilities if all values are in [0, 1]
        and rows sum to 1 within 1e-3, logits if they are far from that, and an error in between.
        "sigmoid": each column is the probability of one class by itself, as multi-label and
        one-vs-rest heads give; a value s counts as the logit log(s / (1 - s)).
    teacher_classes : array-like of shape (n_columns,), default=None
        The class of each column of the teacher. None: its `classes_`, or else the sorted labels.
        Give it to rename the columns of a teacher that has classes of its own: y has numbers where
        the teacher has names, say. The teacher's own names in another order are an error.
    class_weight : dict or "balanced", default=None
        Weights of the classes: each row counts as much as its class. Classes that a dict leaves
        out count 1. "balanced" gives all classes the same total weight, as in
        :class:`~sklearn.linear_model.LogisticRegression`. The teacher is taken to know nothing
        of the weights, so their logarithms are added to its logits.
    unlabeled_value : object, default=None
        The value in y that means "no label". None: every row is labelled.
    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_observables)
        Coefficients of the observables, in the dtype of X.
    intercept_ : ndarray of shape (n_classes,)
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    koopman_matrix_ : ndarray of shape (n_classes, n_observables)
        `coef_` with the intercept in the column of the constant observable.
    solver_ : {"cholesky", "svd"}
        The solver that was used.
    lifter_ : transformer
        The fitted lifter, if there is one.
    teacher_ : Teacher
        The teacher, if there is one.
    moments_ : GramMoments or TriangularMoments
        What `partial_fit` has seen so far.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    KoopmanDistilledClassifier : The same matrix, fitted to a distillation loss.
    sklearn.linear_model.RidgeClassifier : Ridge regression on labels, lifted beforehand.

    Notes
    -----
    With noise, which is taken to be independent and of zero mean, the student minimises the mean
    squared error over rows and noise. That is exactly one more ridge for every observable,
    :math:`(m^2 \overline{\psi_j^2} + a^2) / d_j^2`, with :math:`d_j` its standard deviation, m
    `multiplicative_noise` and a `additive_noise` [4]_. The intercept is taken to be free of noise.
    Noise of a fixed size on the coefficients adds the same to the loss of every student, so there
    is no parameter for it.

    `fit` makes one pass over the rows and takes O(D^2) memory for D observables. float32 rows are
    centred and multiplied in float32, some thousand at a time, and these products are summed in
    float64. With n rows and D >= 2 n, `fit` keeps the lifted rows instead, in float64, and solves
    n equations for the same matrix: O(n D) memory. A teacher's probabilities below 1e-7 count as
    1e-7, as least squares would otherwise fit the logarithms of zeros.

    Two fits with the same number of threads agree to the last digit. There is one exception: with
    several BLAS threads, fits that run at the same time in threads of one process may differ in
    rounding. ``threadpoolctl.threadpool_limits(1)`` around them all prevents that.

    References
    ----------
    .. [1] Kimura and Ohkubo (2026), arXiv:2604.06732, the baseline of the experiments.
    .. [2] M. O. Williams, I. G. Kevrekidis and C. W. Rowley, "A data-driven approximation of the
       Koopman operator: extending dynamic mode decomposition", Journal of Nonlinear Science 25,
       1307-1346 (2015), section 2.
    .. [3] A. J. Izenman, "Reduced-rank regression for the multivariate linear model", Journal of
       Multivariate Analysis 5, 248-264 (1975).
    .. [4] C. M. Bishop, "Training with noise is equivalent to Tikhonov regularization", Neural
       Computation 7, 108-116 (1995).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(degree=2)).fit(X, y)
    >>> student.koopman_matrix_.shape
    (3, 15)
    >>> round(student.score(X, y), 2)
    0.97
    """

    _probability_floor = PROBABILITY_FLOOR

    _stream_learns_from: str  # targets of earlier calls to partial_fit

    def __init__(
        self,
        teacher=None,
        *,
        ridge=1e-2,
        lifter=None,
        transfer_set=None,
        rank=None,
        solver="auto",
        multiplicative_noise=0.0,
        additive_noise=0.0,
        teacher_output="auto",
        teacher_classes=None,
        class_weight=None,
        unlabeled_value=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.ridge = ridge
        self.lifter = lifter
        self.transfer_set = transfer_set
        self.rank = rank
        self.solver = solver
        self.multiplicative_noise = multiplicative_noise
        self.additive_noise = additive_noise
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes
        self.class_weight = class_weight
        self.unlabeled_value = unlabeled_value
        self.verbose = verbose

    def partial_fit(
        self, X, y=None, classes=None, sample_weight=None, *, soft_labels=None, teacher_X=None
    ):
        """Take in more rows and solve for all rows seen so far.

        After any number of calls the model is the one that `fit` finds on all rows together. A
        lifter, and a teacher that is an estimator, are fitted on the rows of the first call and
        kept. After `fit`, which keeps no moments, it starts anew (with a warning).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as for `fit`.
        y : array-like of shape (n_samples,), default=None
            Labels. None as for `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes that may appear. Needed in the first call with labels, unless it comes after
            `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.
        soft_labels, teacher_X
            As for `fit`.

        Returns
        -------
        self : object
            Fitted classifier.
        """
        continues = self._continues_stream()
        with self._keeping_what_was_fitted():
            self._check_parameters()
            task = self._prepare_more(
                X, y, classes, sample_weight, soft_labels, teacher_X, continues=continues
            )
            learns_from = "labels" if task.soft_logits is None else "soft targets"
            if continues and learns_from != self._stream_learns_from:
                raise ValueError(
                    f"This call to partial_fit would learn from {learns_from}, earlier ones "
                    f"learned from {self._stream_learns_from}: their moments do not add up. Give "
                    "a teacher or soft_labels to all calls or to none."
                )
            fitted = self._solve_stream(task, continues=continues)
            self._store(fitted | task.fitted | {"_stream_learns_from": learns_from})
        return self

    def _check_parameters(self):
        super()._check_parameters()
        self._check_least_squares()

    def _targets(self, task):
        return regression_targets(task)
