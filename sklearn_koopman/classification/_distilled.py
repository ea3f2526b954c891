"""The Koopman matrix that learns from a teacher's soft targets."""

from contextlib import contextmanager
from copy import deepcopy

import numpy as np
from sklearn.utils.metaestimators import available_if

from .._validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_random_state,
    check_real,
    invalid_parameter,
)
from ..linear import (
    check_finite_moments,
    check_gram_fits_in_memory,
    check_moments_fit_in_memory,
    noise_penalty,
    train_minibatches,
    with_even_ridge,
)
from ..rows import DiagonalMoments, exact_device, is_dask
from ..students import (
    TransferringStudent,
    koopman_attributes,
    weighs_soft_targets,
)
from ._distilling import (
    DistillingClassifier,
    check_perturbation,
    distillation_problem,
    standardised,
)

# Of cross-entropy by the logits, and of T^2 KL at temperature T.
LARGEST_CURVATURE = 0.5


def _trains_by_minibatches(student):
    if student.solver == "adam":
        return True
    raise AttributeError(f"partial_fit needs solver='adam', got solver={student.solver!r}.")


class KoopmanDistilledClassifier(TransferringStudent, DistillingClassifier):
    r"""Linear classifier on observables that learns from a teacher's soft targets.

    With observables :math:`\psi`, standardised to :math:`\phi`, logits
    :math:`s_i = W^T \phi(x_i) + b`, teacher logits :math:`t_i` and soft weight :math:`a`, it
    minimises

    .. math:: (1 - a) \, \overline{CE}(y_i, s_i)
              + a \, T^2 \, \overline{KL}\big(softmax(t_i / T) \,\|\, softmax(s_i / T)\big)
              + \frac{ridge}{2} \|W\|_F^2 ,

    where bars are means over the rows (weighted by `sample_weight`); the cross-entropy counts the
    labelled rows alone. The loss is convex: for ``ridge > 0`` there is one best student, and every
    seed leads to it.

    Parameters
    ----------
    teacher : callable, torch.nn.Module, classifier or TorchTeacher, default=None
        A scikit-learn or skorch classifier is cloned and fitted on the training data, unless it
        is wrapped in :class:`~sklearn.frozen.FrozenEstimator`; anything else is used as it is.
        See :func:`~sklearn_koopman.teachers.as_teacher`. Not needed when `fit` is given
        `soft_labels`, or with ``soft_weight=0``.
    soft_weight : float in [0, 1], default=0.5
        Weight of the teacher's soft targets; the labels weigh ``1 - soft_weight``.
    temperature : float > 0, default=2.0
        Divides the logits of teacher and student in the soft loss. At a high temperature the
        student imitates the differences between the logits rather than the choice of a class.
    ridge : float, default=1e-3
        L2 penalty on the coefficients of the standardised observables; for ``soft_weight=0`` it
        is ``1 / C`` of :class:`~sklearn.linear_model.LogisticRegression` divided by the sum of
        weights (``2 / C`` for two classes, where that has one vector for both). The intercept
        is not penalised.
    lifter : transformer, default=None
        Makes observables of X, block by block, as the steps before this one do in
        :class:`sklearn_koopman.pipeline.Pipeline`. It is for those who need a single estimator
        and not a pipeline. It is given an array, without feature names. None takes X as it comes.
    transfer_set : TransferSet, default=None
        Makes more rows out of those of X, in every fit, for the teacher to label. None: the rows
        of X alone. See :class:`~sklearn_koopman.TransferSet`.
    solver : {"lbfgs", "adam"}, default="lbfgs"
        "lbfgs" is exact and deterministic: L-BFGS, preconditioned with the inverse of a Gram
        matrix, on all rows and, in between, on a sample of the rows that still have curvature.
        "adam" takes mini-batches through skorch, on any torch device; it needs no D x D matrix,
        and it has `partial_fit`.
    max_iter : int, default=300
        Largest number of steps of "lbfgs", on all rows and on samples together, or the number
        of epochs of "adam".
    tol : float, default=1e-6
        "lbfgs" stops when no component of the gradient is larger.
    multiplicative_noise : float, default=0.0
        Standard deviation of the noise that the hardware adds to every coefficient, or to every
        observable, relative to its value. See the notes.
    additive_noise : float, default=0.0
        Standard deviation of the noise that the hardware adds to every observable, in the units
        of that observable.
    perturbation : float, default=0.0
        How far (L2 distance) a row may move and is still to keep its class. The other logits are
        raised by as much as they can gain on the row's own logit over that distance. The distance
        is in the units of what enters the :class:`sklearn_koopman.pipeline.Pipeline`, or else of
        what `fit` is given. It needs linear steps and then a dictionary that knows its slopes, see
        the notes.
    teacher_output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the teacher or `soft_labels` give. "auto": probabilities if all values are in [0, 1]
        and rows sum to 1 within 1e-3, logits if they are far from that, and an error in between.
        "sigmoid": each column is the probability of one class by itself, as multi-label and
        one-vs-rest heads give; a value s counts as the logit log(s / (1 - s)). A probability p
        counts as the logit log p.
    teacher_classes : array-like of shape (n_columns,), default=None
        The class of each column of the teacher. None: its `classes_`, or else the sorted labels.
        Give it to rename the columns of a teacher that has classes of its own: y has numbers where
        the teacher has names, say. The teacher's own names in another order are an error.
        Classes that y lacks are left out, and the probabilities of the others are renormalised.
    class_weight : dict or "balanced", default=None
        Weights of the classes: each row counts as much as its class. Classes that a dict leaves
        out count 1. "balanced" gives all classes the same total weight, as in
        :class:`~sklearn.linear_model.LogisticRegression`. The teacher is taken to know nothing
        of the weights, so their logarithms are added to its logits.
    unlabeled_value : object, default=None
        The value in y that means "no label"; such rows have no cross-entropy term. None: every
        row is labelled.
    warm_start : bool, default=False
        Whether to start from the coefficients of the last fit, if it had the same classes and
        observables.
    batch_size : int, default=256
        Number of rows in a mini-batch of "adam".
    learning_rate : float, default=1e-2
        Step size of "adam", for standardised observables; `fit` anneals it to zero along a
        cosine.
    device : str or torch.device, default=None
        Torch device, "cuda" for example, on which `fit` lifts the rows and sums over them. The
        result is the same up to rounding. None: numpy for "lbfgs", torch's "cpu" for "adam".
    callbacks : list of skorch callbacks, default=None
        For "adam": checkpoints, progress bars, scores.
    random_state : int, RandomState instance or None, default=None
        Seeds the order of the rows in the mini-batches of "adam"; "lbfgs" draws no random
        numbers.
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
    n_iter_ : int
        Number of steps or epochs that were made.
    objective_ : float
        The loss at the solution.
    gradient_norm_ : float
        Largest component of the gradient at the solution, with respect to the coefficients of the
        standardised observables and the intercepts.
    history_ : list of dict
        skorch's record of the epochs, for "adam".
    net_ : skorch net
        The net that `partial_fit` trains further.
    moments_ : DiagonalMoments
        Means and variances of the observables that `partial_fit` has seen.
    lifter_ : transformer
        The fitted lifter, if there is one.
    teacher_ : Teacher
        The teacher, if there is one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    EDMDClassifier : The same matrix by least squares.
    sklearn_koopman.pipeline.make_pipeline : Pipelines whose teacher sees the untransformed X.

    Notes
    -----
    With noise, which is taken to be independent and of zero mean, the student minimises an upper
    bound of the mean loss over rows and noise. No second derivative of the loss by the logits
    exceeds 1/2 [3]_, so the bound is the loss plus one more ridge for every observable,
    :math:`(m^2 \overline{\psi_j^2} + a^2) / (2 d_j^2)`, with :math:`d_j` its standard deviation, m
    `multiplicative_noise` and a `additive_noise`. The bound is loose where the student is sure, so
    a smaller m than that of the hardware may do better. Choose it like any other penalty, on
    held-out rows with simulated noise.

    With a `perturbation` :math:`\epsilon` the loss takes :math:`\log \sum_j \exp` of
    :math:`s_j + \sqrt{\epsilon^2 \|\nabla (s_j - s_y)\|^2 + \tau^2} - \tau` instead of the logits.
    Here :math:`\nabla` is the gradient by the row, y is its label (or the teacher's choice, where
    there is no label), and :math:`\tau = 0.01` makes the norm smooth. To first order this is the
    largest cross-entropy within a distance :math:`\epsilon` of the row. Gradients are linear in W
    and norms are convex, so the loss stays convex. The gradients of the observables must be
    multiples of observables, as for monomials of all degrees up to q and for
    `SquaredProjectionLifter`; see :class:`~sklearn_koopman.lifting.SupportsSlopes`.
    :func:`~sklearn_koopman.inspection.robust_radius` measures the gain.

    With "lbfgs", a `ridge`, and at least twice as many observables D as rows n, the lifted rows are
    kept in float64, and the matrix is found in n coordinates, those of the rows: memory is O(n D),
    not O(D^2).

    Two fits with the same number of threads agree to the last digit. There is one exception: with
    several BLAS threads, fits that run at the same time in threads of one process may differ in
    rounding. ``threadpoolctl.threadpool_limits(1)`` around them all prevents that.

    References
    ----------
    .. [1] Kimura and Ohkubo (2026), arXiv:2604.06732.
    .. [2] G. Hinton, O. Vinyals and J. Dean, "Distilling the knowledge in a neural network",
       arXiv:1503.02531 (2015), section 2.
    .. [3] D. Böhning, "Multinomial logistic regression algorithm", Annals of the Institute of
       Statistical Mathematics 44, 197-200 (1992).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
    >>> X, y = load_iris(return_X_y=True)
    >>> student = KoopmanDistilledClassifier(
    ...     RandomForestClassifier(random_state=0), lifter=MonomialLifter(degree=2)
    ... ).fit(X, y)
    >>> student.coef_.shape
    (3, 15)
    >>> round(student.score(X, y), 2)
    0.98
    """

    def __init__(
        self,
        teacher=None,
        *,
        soft_weight=0.5,
        temperature=2.0,
        ridge=1e-3,
        lifter=None,
        transfer_set=None,
        solver="lbfgs",
        max_iter=300,
        tol=1e-6,
        multiplicative_noise=0.0,
        additive_noise=0.0,
        perturbation=0.0,
        teacher_output="auto",
        teacher_classes=None,
        class_weight=None,
        unlabeled_value=None,
        warm_start=False,
        batch_size=256,
        learning_rate=1e-2,
        device=None,
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.soft_weight = soft_weight
        self.temperature = temperature
        self.ridge = ridge
        self.lifter = lifter
        self.transfer_set = transfer_set
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.multiplicative_noise = multiplicative_noise
        self.additive_noise = additive_noise
        self.perturbation = perturbation
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes
        self.class_weight = class_weight
        self.unlabeled_value = unlabeled_value
        self.warm_start = warm_start
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    @available_if(_trains_by_minibatches)
    def partial_fit(
        self, X, y=None, classes=None, sample_weight=None, *, soft_labels=None, teacher_X=None
    ):
        """Train one epoch on more rows; needs ``solver="adam"``.

        It continues from the coefficients of `fit` or of earlier calls, at a constant learning
        rate. A lifter, and a teacher that is an estimator, are fitted in the first call and kept.

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
        continues = hasattr(self, "coef_")
        with self._keeping_what_was_fitted():
            self._check_parameters()
            task = self._prepare_more(
                X, y, classes, sample_weight, soft_labels, teacher_X, continues=continues
            )
            moments, net, random_state = self._stream(task)
            with _keeping_what_adam_knows(net):
                moments = self._accumulate(task, moments)
                fitted, net = self._train(
                    self._problem(task, moments.scale),
                    (self.coef_, self.intercept_) if continues else None,
                    task.dtype,
                    max_epochs=1,
                    anneal=False,
                    random_state=random_state,
                    net=net,
                )
            stream = {"moments_": moments, "net_": net, "_stream_random_state": random_state}
            self._store(fitted | task.fitted | stream)
        return self

    def _check_parameters(self):
        super()._check_parameters()
        check_real(self, "ridge", low=0.0, inclusive="left")
        check_real(self, "soft_weight", low=0.0, high=1.0)
        check_real(self, "temperature", low=0.0, inclusive="neither")
        check_choice(self, "solver", ("lbfgs", "adam"))
        check_integer(self, "max_iter", minimum=1)
        check_real(self, "tol", low=0.0, inclusive="left")
        check_real(self, "multiplicative_noise", low=0.0, inclusive="left")
        check_real(self, "additive_noise", low=0.0, inclusive="left")
        check_perturbation(self)
        check_boolean(self, "warm_start")
        check_integer(self, "batch_size", minimum=1)
        check_real(self, "learning_rate", low=0.0, inclusive="neither")
        if not (self.callbacks is None or isinstance(self.callbacks, list | tuple)):
            raise invalid_parameter(self, "callbacks", "a list of skorch callbacks or None")

    def _device_for(self, X):
        if self.solver == "adam" and is_dask(X):
            raise TypeError(
                "solver='adam' takes no dask arrays: it draws its batches from all rows. Use "
                "solver='lbfgs', or pass chunks of X in memory to partial_fit."
            )
        device = exact_device(self.device) if self.solver == "lbfgs" else None
        if device is not None and is_dask(X):
            raise TypeError(
                f"device={str(self.device)!r} takes no dask arrays: their rows stay with dask's "
                "workers. Use device=None."
            )
        return device

    def _wants_soft_targets(self, soft_labels):
        return weighs_soft_targets(self, soft_labels)

    def _solve(self, task):
        start = self._warm_coefficients(task)
        if self.solver == "lbfgs":
            if self.ridge > 0 or task.blocks.is_sparse:
                check_moments_fit_in_memory(task.blocks)
            else:
                check_gram_fits_in_memory(task.blocks.n_observables)
        moments = self._accumulate(task, DiagonalMoments(task.blocks.n_observables))
        problem = self._problem(task, moments.scale)
        if self.solver == "lbfgs":
            return self._minimise(problem, start, task.dtype)
        fitted, _ = self._train(
            problem,
            start,
            task.dtype,
            max_epochs=self.max_iter,
            random_state=self.random_state,
        )
        return fitted

    def _train(self, problem, start, dtype, **settings):
        """Minimise a problem by mini-batches. Return the fitted attributes and the net."""
        net = settings.get("net")
        n_epochs_before = len(net.history) if net else 0
        coef, intercept, net = train_minibatches(
            problem,
            *standardised(start, problem),
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            device=self.device,
            callbacks=self.callbacks,
            verbose=self.verbose,
            **settings,
        )
        history = list(net.history)
        value, coef_gradient, intercept_gradient = problem(coef, intercept)
        largest = max(np.abs(coef_gradient).max(), np.abs(intercept_gradient).max())
        fitted = {
            **koopman_attributes(coef, intercept, problem.scale, dtype),
            "n_iter_": len(history) - n_epochs_before,
            "objective_": float(value),
            "gradient_norm_": float(largest),
            "history_": history,
        }
        return fitted, net

    def _stream(self, task):
        """Return moments, net and random state of earlier calls of `partial_fit`.

        All but the net are copies, so that a failed call does not leave half an epoch.
        """
        if not hasattr(self, "moments_"):
            moments = DiagonalMoments(task.blocks.n_observables)
            return moments, None, deepcopy(check_random_state(self.random_state))
        return deepcopy(self.moments_), self.net_, deepcopy(self._stream_random_state)

    def _problem(self, task, scale):
        check_finite_moments(scale)
        ridge = self.ridge
        if self.multiplicative_noise or self.additive_noise:
            noise = noise_penalty(scale, self.multiplicative_noise, self.additive_noise)
            scale, ridge = with_even_ridge(scale, ridge + LARGEST_CURVATURE * noise)
        return distillation_problem(
            task,
            scale,
            soft_weight=task.labels.soft_weight(self.soft_weight),
            temperature=self.temperature,
            ridge=ridge,
            perturbation=self.perturbation,
        )

    def _warm_coefficients(self, task):
        """Return the coefficients of the last fit if their shapes fit this one, or else None."""
        if not (self.warm_start and hasattr(self, "coef_")):
            return None
        shape = (len(task.labels.classes), task.blocks.n_observables)
        same_classes = np.array_equal(self.classes_, task.labels.classes)
        return (
            (self.coef_, self.intercept_)
            if same_classes and self.coef_.shape == shape
            else None
        )


@contextmanager
def _keeping_what_adam_knows(net):
    """Restore the history and the past gradients of a net if further training fails.

    Its weights need no copy: every call sets them to the classifier's coefficients.
    """
    if net is None:
        yield
        return
    history, optimizer = deepcopy(net.history), deepcopy(net.optimizer_.state_dict())
    try:
        yield
    except BaseException:
        net.history = history
        net.optimizer_.load_state_dict(optimizer)
        raise
