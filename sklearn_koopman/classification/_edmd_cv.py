"""Least squares with a ridge that cross-validation chooses."""

from dataclasses import replace
from functools import partial

import numpy as np

from .._progress import progress
from .._validation import check_reals
from ..linear import (
    RidgePath,
    check_finite_moments,
    check_gram_fits_in_memory,
    check_moments_fit_in_memory,
    has_few_rows,
    solve_gram,
)
from ..rows import GramMoments, TriangularMoments, accumulated
from ..students import (
    PROBABILITY_FLOOR,
    KoopmanClassifier,
    koopman_attributes,
    regression_targets,
)
from ._folds import (
    WITHOUT_DASK,
    CrossValidated,
    SplitMoments,
    best_candidate,
    cv_results,
    judged,
    make_splits,
    said_of_fold,
    split_tasks,
)
from ._scoring import (
    accuracy,
    held_out_scores,
    neg_mean_squared_error,
    scored_weight,
    scoring_of,
)

SCORINGS = {"accuracy": accuracy, "neg_mean_squared_error": neg_mean_squared_error}


class EDMDClassifierCV(CrossValidated, KoopmanClassifier):
    r"""EDMD classifier that chooses its ridge by cross-validation, in the manner of RidgeCV.

    With ``cv=None`` every row is left out once, in closed form. With standardised observables
    :math:`\phi_i`, their Gram matrix :math:`C = \sum_i w_i \phi_i \phi_i^T / W`, residuals
    :math:`r_i` of the model of all rows, and

    .. math:: h_i = \frac{w_i}{W}
              \left(1 + \phi_i^T (C + ridge \, I)^{-1} \phi_i\right),

    the model without row i predicts :math:`y_i - r_i / (1 - h_i)` for it. Its coefficients and
    intercept are those of the other rows. The lifter, the standardisation, the teacher's outputs
    and the sum of weights W, which divides the squares, are fitted once, on all rows.

    With folds, the standardisation and W are those of the training rows of each fold, and a teacher
    that has to be fitted is fitted to them. The lifter is fitted once, on all rows. Where it learns
    from y, put :class:`~sklearn_koopman.EDMDClassifier` into a `GridSearchCV` instead.

    Parameters
    ----------
    teacher : callable, torch.nn.Module, classifier or TorchTeacher, default=None
        A scikit-learn or skorch classifier is cloned and fitted on the training data of every
        fold, unless it is wrapped in :class:`~sklearn.frozen.FrozenEstimator`; anything else is
        used as it is. None fits one-hot labels.
    ridges : array-like of shape (n_ridges,), default=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
        Positive penalties to choose from, as `ridge` of
        :class:`~sklearn_koopman.EDMDClassifier`.
    lifter : transformer, default=None
        Makes observables of X, block by block. None takes X as lifted already.
    cv : int, cross-validation generator or iterable, default=None
        None leaves out one row at a time. An int is the number of stratified folds; a splitter
        or a list of (training, test) indices may be given too.
    scoring : {"accuracy", "neg_mean_squared_error"}, str or callable, default=None
        The score on held-out rows that decides; the squared error is that of the logits of all
        classes. With folds, the name of any other scorer of scikit-learn is taken too
        ("balanced_accuracy", say), or a function ``scoring(model, rows, y)``. It may call
        ``model.predict(rows)`` and ``decision_function``, and compare with y. `rows` only stands
        for the held-out rows, as a whole: it does not have their features. The function gets
        `sample_weight` too if the weights of these rows differ. None is
        "neg_mean_squared_error" with ``cv=None`` and "accuracy" with folds, as in
        :class:`~sklearn.linear_model.RidgeClassifierCV`. Ties go to the larger ridge. Without
        labels, the teacher's choices take their place.
    teacher_output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the teacher or `soft_labels` give.
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
    ridge_ : float
        The chosen ridge.
    best_score_ : float
        Its mean score on held-out rows.
    cv_results_ : dict
        "param_ridge" and "mean_test_score", from the largest ridge down, and the other keys of
        `GridSearchCV`. With ``cv=None`` there is one split, that of all rows left out in turn.
    coef_ : ndarray of shape (n_classes, n_observables)
        Coefficients of the observables, in the dtype of X, fitted to all rows.
    intercept_ : ndarray of shape (n_classes,)
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    koopman_matrix_ : ndarray of shape (n_classes, n_observables)
        `coef_` with the intercept in the column of the constant observable.
    lifter_ : transformer
        The fitted lifter, if there is one.
    teacher_ : Teacher
        The teacher, if there is one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    EDMDClassifier : The same with a given ridge.
    sklearn.linear_model.RidgeClassifierCV : Ridge regression on labels, lifted beforehand.

    Notes
    -----
    The first pass over the rows sums one Gram matrix for each fold; sums of these are the Gram
    matrices of the training rows. The second pass scores held-out rows for all ridges together.
    Memory is O(D^2) for every fold, or O(D^2) with ``cv=None``. Where there are at least twice as
    many observables as rows, the lifted rows are kept instead, in float64, and all equations have
    as many unknowns as there are rows. Models and scores are the same.

    References
    ----------
    .. [1] R. D. Cook and S. Weisberg, "Residuals and Influence in Regression" (1982),
       section 2.2.
    .. [2] R. M. Rifkin and R. A. Lippert, "Notes on regularized least squares",
       MIT-CSAIL-TR-2007-025 (2007).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifierCV, MonomialLifter
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifierCV(lifter=MonomialLifter(degree=2)).fit(X, y)
    >>> student.ridge_
    0.0001
    >>> float(student.score(X, y))
    0.98
    """

    _probability_floor = PROBABILITY_FLOOR
    _without_dask = WITHOUT_DASK

    def __init__(
        self,
        teacher=None,
        *,
        ridges=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
        lifter=None,
        cv=None,
        scoring=None,
        teacher_output="auto",
        teacher_classes=None,
        class_weight=None,
        unlabeled_value=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.ridges = ridges
        self.lifter = lifter
        self.cv = cv
        self.scoring = scoring
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes
        self.class_weight = class_weight
        self.unlabeled_value = unlabeled_value
        self.verbose = verbose

    def _check_parameters(self):
        super()._check_parameters()
        check_reals(self, "ridges", low=0.0, inclusive="neither")
        scoring_of(self, SCORINGS, "accuracy")

    def _solve(self, task, groups=None):
        task = judged(task)
        if task.blocks.is_sparse:
            check_gram_fits_in_memory(
                task.blocks.n_observables,
                "For sparse rows use KoopmanDistilledClassifierCV, or GridSearchCV with an "
                "EDMDClassifier: they need none.",
            )
        check_moments_fit_in_memory(task.blocks)
        ridges = sorted(check_reals(self, "ridges", low=0.0, inclusive="neither"), reverse=True)
        default = "neg_mean_squared_error" if self.cv is None else "accuracy"
        scoring = scoring_of(self, SCORINGS, default)
        search = self._leave_one_out if self.cv is None else self._leave_folds_out
        scores, coef_of, moments = search(task, ridges, scoring, groups)
        results = cv_results([{"ridge": ridge} for ridge in ridges], scores)
        best = best_candidate(results["mean_test_score"])
        n_classes = len(task.labels.classes)
        coef, intercept = coef_of(ridges[best])[:, :n_classes], moments.target_mean[:n_classes]
        return {
            **koopman_attributes(coef, intercept, moments.scale, task.dtype),
            "ridge_": ridges[best],
            "best_score_": float(results["mean_test_score"][best]),
            "cv_results_": results,
        }

    def _leave_one_out(self, task, ridges, scoring, groups):
        """Return scores (1, n_ridges), the function from ridge to coefficients, and moments."""
        if groups is not None:
            raise ValueError(
                "cv=None leaves one row out at a time and ignores its group: pass a splitter that "
                "uses groups, such as cv=GroupKFold(5), or no groups."
            )
        if task.soft_logits_from is not None:
            raise ValueError(
                f"cv=None keeps the outputs of the teacher, and teacher={self.teacher!r} is fitted "
                "on the rows that would be left out. Set cv=5, which fits it anew for every fold, "
                "or wrap a teacher that has seen other data in FrozenEstimator."
            )
        if scoring not in SCORINGS.values():
            raise ValueError(
                f"cv=None scores one row at a time, which scoring={self.scoring!r} cannot. Set for "
                f"example cv=5, or one of {sorted(SCORINGS)}."
            )
        targets, weight = regression_targets(task)
        moments = _accumulate(_blank_moments(task, targets)(), task, targets, weight)
        path = RidgePath(moments)
        scores = path.leave_one_out(
            ridges,
            scoring,
            task.blocks,
            np.where(weight > 0, scored_weight(task, scoring), 0.0),
            task.labels.codes,
            targets,
        )
        if np.isneginf(scores).all():
            raise ValueError(
                f"No ridge of ridges={self.ridges!r} can be scored by leaving out one row: each "
                "fits some row so closely that only rounding errors are left. Set larger ridges, "
                "or cv=5."
            )
        return scores[None], path.coef, moments

    def _leave_folds_out(self, task, ridges, scoring, groups):
        """Return scores (n_splits, n_ridges), the function to coefficients, and moments."""
        splits = make_splits(self.cv, task, groups)
        tasks = split_tasks(task, splits)
        # Targets for the model of all rows and targets of each fold's own teacher are side by side,
        # so that one pass is enough.
        own_targets = task.soft_logits_from is not None
        targets, weight = regression_targets(task)
        task = replace(task, sample_weight=weight)  # rows without a target are not scored
        per_split = [regression_targets(part)[0] if own_targets else targets for part in tasks]
        stacked = np.hstack([targets, *per_split]) if own_targets else targets
        n_classes = len(task.labels.classes)
        blank = _blank_moments(task, stacked)
        split_moments = SplitMoments(
            splits,
            len(weight),
            lambda rows: _accumulate(blank(), task.at(rows), stacked[rows], weight[rows]),
        )
        scores = []
        with progress("cross-validation", len(splits), "fold") as steps:
            for split, (_, test) in enumerate(splits):
                moments = split_moments.of_training(split)
                first = (split + 1) * n_classes if own_targets else 0
                columns = slice(first, first + n_classes)
                mean, coef_of = moments.target_mean[columns], _solver(moments)
                models = [
                    moments.scale.unscale(coef_of(ridge)[:, columns], mean) for ridge in ridges
                ]
                coef = np.array([coef.T for coef, _ in models])
                intercept = np.array([intercept for _, intercept in models])
                scores.append(
                    held_out_scores(
                        task,
                        test,
                        coef,
                        intercept,
                        scoring,
                        per_split[split],
                        has_probabilities=False,
                    )
                )
                steps.done(said_of_fold(split, scores))
        moments = split_moments.of_all()
        return np.array(scores), _solver(moments), moments


def _blank_moments(task, targets):
    """Return a function that makes empty moments in the smallest form for a task's rows."""
    blocks, n_targets = task.blocks, targets[:1].shape[1]
    if has_few_rows(blocks):
        return partial(TriangularMoments, blocks.n_observables, n_targets)
    # Exact, because float32 may not be accurate enough for small ridges.
    return partial(GramMoments, blocks.n_observables, n_targets, exact=True)


def _accumulate(moments, task, targets, weight):
    moments = accumulated(moments, task.blocks, targets, weight)
    if moments.weight == 0.0:
        raise ValueError(
            "No row to learn from in the training rows of a split of cv: none has a positive "
            "weight and a label or a soft target."
        )
    check_finite_moments(moments.scale)
    return moments


def _solver(moments):
    """Return the function from a ridge to coefficients of standardised observables."""
    if isinstance(moments, TriangularMoments):
        return RidgePath(moments).coef

    def coef_of(ridge):
        coef = solve_gram(moments, ridge)
        # Not positive definite up to rounding: drop directions without variance.
        return RidgePath(moments).coef(ridge) if coef is None else coef

    return coef_of
