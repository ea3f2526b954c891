"""Distillation with ridge, temperature and soft weight that cross-validation chooses."""

from itertools import product
from math import prod

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._progress import progress
from .._validation import check_integer, check_real, check_reals
from .._warnings import warn_user
from ..linear import check_finite_moments, check_gram_fits_in_memory
from ..rows import DiagonalMoments
from ._distilling import DistillingClassifier, check_perturbation, distillation_problem
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
from ._paths import SharedPaths
from ._scoring import accuracy, fidelity, held_out_scores, neg_log_loss, scoring_of

SCORINGS = {"accuracy": accuracy, "neg_log_loss": neg_log_loss, "fidelity": fidelity}


class KoopmanDistilledClassifierCV(CrossValidated, DistillingClassifier):
    r"""Distilled classifier that chooses its settings by cross-validation.

    For every triple of ridge, temperature :math:`T` and soft weight :math:`a` the loss of
    :class:`~sklearn_koopman.KoopmanDistilledClassifier`,

    .. math:: (1 - a) \, \overline{CE}(y_i, s_i)
              + a \, T^2 \, \overline{KL}\big(softmax(t_i / T) \,\|\, softmax(s_i / T)\big)
              + \frac{ridge}{2} \|W\|_F^2 ,

    is minimised on the training rows of every fold, to `cv_tol`. The triple with the best mean
    score on the held-out rows is then fitted to all rows, to `tol`. Each minimisation starts from
    the solution for the next larger ridge.

    Parameters
    ----------
    teacher : callable, torch.nn.Module, classifier or TorchTeacher, default=None
        A scikit-learn or skorch classifier is cloned and fitted on the training data of every
        fold, unless it is wrapped in :class:`~sklearn.frozen.FrozenEstimator`; anything else is
        used as it is, and asked once. Not needed when `fit` is given `soft_labels`, or with
        ``soft_weights=[0]``.
    ridges : array-like of shape (n_ridges,), default=(1e-5, 1e-4, 1e-3, 1e-2)
        L2 penalties to choose from.
    temperatures : array-like of shape (n_temperatures,), default=(1.0, 2.0, 4.0)
        Positive temperatures to choose from.
    soft_weights : array-like of shape (n_soft_weights,), default=(0.5, 0.9)
        Weights of the soft loss to choose from, in [0, 1]. With 0 the temperature does not matter,
        and only one of them is tried.
    lifter : transformer, default=None
        Makes observables of X, block by block. None takes X as lifted already. It is fitted once,
        on all rows. Where it learns from y, use `GridSearchCV`, which fits it in every fold.
    cv : int, cross-validation generator or iterable, default=5
        The number of stratified folds, a splitter, or a list of (training, test) indices.
    scoring : {"accuracy", "neg_log_loss", "fidelity"}, str or callable, default="accuracy"
        The score on held-out rows that decides. "fidelity" is the share of rows on which student
        and teacher agree, and needs no labels. The name of any other scorer of scikit-learn is
        taken too ("balanced_accuracy", say), or a function ``scoring(model, rows, y)``. It may call
        ``model.predict(rows)``, ``predict_proba`` and ``decision_function``, and compare with y.
        `rows` only stands for the held-out rows, as a whole: it does not have their features. The
        function gets `sample_weight` too if the weights of these rows differ.
        Ties go to the larger ridge, then to what comes first in `soft_weights` and `temperatures`.
        Without labels, the teacher's choices take their place, and the soft weight is 1.
    max_iter : int, default=300
        Largest number of iterations of each minimisation.
    tol : float, default=1e-6
        The last fit stops when no component of the gradient is larger.
    cv_tol : float, default=2e-3
        The tolerance of the fits in the folds, which are judged by their predictions alone. A
        large one favours settings that converge sooner.
    perturbation : float, default=0.0
        How far (L2 distance) a row may move and is still to keep its class, as in
        :class:`~sklearn_koopman.KoopmanDistilledClassifier`. It is one number, not a grid.
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
    ridge_, temperature_, soft_weight_ : float
        The chosen settings.
    best_score_ : float
        Their mean score on held-out rows.
    scores_ : ndarray of shape (n_splits, n_ridges, n_soft_weights, n_temperatures)
        Scores on held-out rows, from the largest ridge down.
    cv_results_ : dict
        The same with the keys of `GridSearchCV`.
    coef_ : ndarray of shape (n_classes, n_observables)
        Coefficients of the observables, in the dtype of X, fitted to all rows.
    intercept_ : ndarray of shape (n_classes,)
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    koopman_matrix_ : ndarray of shape (n_classes, n_observables)
        `coef_` with the intercept in the column of the constant observable.
    n_iter_ : int
        Iterations of the last fit.
    objective_ : float
        The loss at the solution.
    gradient_norm_ : float
        Largest component of the gradient at the solution.
    lifter_ : transformer
        The fitted lifter, if there is one.
    teacher_ : Teacher
        The teacher, if there is one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    KoopmanDistilledClassifier : The same with given settings.
    sklearn.linear_model.LogisticRegressionCV : Without a teacher, lifted beforehand.

    References
    ----------
    .. [1] Kimura and Ohkubo (2026), arXiv:2604.06732.
    .. [2] J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear
       models via coordinate descent", Journal of Statistical Software 33 (2010), section 2.5.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_koopman import KoopmanDistilledClassifierCV, MonomialLifter
    >>> X, y = load_iris(return_X_y=True)
    >>> student = KoopmanDistilledClassifierCV(
    ...     RandomForestClassifier(n_estimators=20, random_state=0),
    ...     ridges=[1e-4, 1e-2],
    ...     lifter=MonomialLifter(degree=2),
    ... ).fit(X, y)
    >>> student.scores_.shape
    (5, 2, 2, 3)
    >>> student.predict_proba(X).shape
    (150, 3)
    """

    _without_dask = WITHOUT_DASK

    def __init__(
        self,
        teacher=None,
        *,
        ridges=(1e-5, 1e-4, 1e-3, 1e-2),
        temperatures=(1.0, 2.0, 4.0),
        soft_weights=(0.5, 0.9),
        lifter=None,
        cv=5,
        scoring="accuracy",
        max_iter=300,
        tol=1e-6,
        cv_tol=2e-3,
        perturbation=0.0,
        teacher_output="auto",
        teacher_classes=None,
        class_weight=None,
        unlabeled_value=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.ridges = ridges
        self.temperatures = temperatures
        self.soft_weights = soft_weights
        self.lifter = lifter
        self.cv = cv
        self.scoring = scoring
        self.max_iter = max_iter
        self.tol = tol
        self.cv_tol = cv_tol
        self.perturbation = perturbation
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes
        self.class_weight = class_weight
        self.unlabeled_value = unlabeled_value
        self.verbose = verbose

    def _check_parameters(self):
        super()._check_parameters()
        self._grid()
        scoring_of(self, SCORINGS)
        check_integer(self, "max_iter", minimum=1)
        check_real(self, "tol", low=0.0, inclusive="left")
        check_real(self, "cv_tol", low=0.0, inclusive="left")
        check_perturbation(self)

    def _grid(self):
        """Return ridges from the largest down, soft weights and temperatures."""
        ridges = check_reals(self, "ridges", low=0.0, inclusive="left")
        temperatures = check_reals(self, "temperatures", low=0.0, inclusive="neither")
        soft_weights = check_reals(self, "soft_weights", low=0.0, high=1.0)
        return sorted(ridges, reverse=True), soft_weights, temperatures

    def _wants_soft_targets(self, soft_labels):
        is_given = self.teacher is not None or soft_labels is not None
        needs = [f"soft_weights={self.soft_weights!r}"] if any(self.soft_weights) else []
        if isinstance(self.scoring, str) and self.scoring == "fidelity":
            needs.append("scoring='fidelity'")
        if needs and not is_given:
            raise ValueError(
                f"{' and '.join(needs)} needs soft targets, and there are none: give the "
                "classifier a teacher=, pass soft_labels= to fit, or learn from labels alone with "
                "soft_weights=[0] and another scoring."
            )
        return bool(needs)

    def _solve(self, task, groups=None):
        if not task.blocks.is_sparse:
            check_gram_fits_in_memory(task.blocks.n_observables)
        task = judged(task)
        ridges, soft_weights, temperatures = self._grid()
        soft_weights = list(dict.fromkeys(map(task.labels.soft_weight, soft_weights)))
        grid = ridges, soft_weights, temperatures
        candidates = [
            dict(zip(("ridge", "soft_weight", "temperature"), values, strict=True))
            for values in product(*grid)
        ]
        scores, starts, scale = self._scored(task, grid, groups)
        results = cv_results(candidates, scores)
        best = best_candidate(results["mean_test_score"])
        problem = distillation_problem(
            task, scale, perturbation=self.perturbation, **candidates[best]
        )
        return {
            **self._minimise(problem, [start[best] for start in starts], task.dtype),
            **{f"{name}_": value for name, value in candidates[best].items()},
            "best_score_": float(results["mean_test_score"][best]),
            "scores_": scores.reshape(-1, *map(len, grid)),
            "cv_results_": results,
        }

    def _scored(self, task, grid, groups):
        """Return the scores of all candidates on held-out rows, and the start of the last fit.

        Returns
        -------
        scores : ndarray of shape (n_splits, n_candidates)
        starts : tuple of ndarray
            Coefficients and intercepts of every candidate, near those for all rows.
        scale : Scale
            Scale of all rows.
        """
        scoring = scoring_of(self, SCORINGS)
        splits = make_splits(self.cv, task, groups)
        moments = SplitMoments(
            splits,
            task.blocks.n_samples,
            lambda rows: self._accumulate(
                task.at(rows), DiagonalMoments(task.blocks.n_observables)
            ),
        )
        scale_of_all = moments.of_all().scale
        check_finite_moments(scale_of_all)
        scores, n_stopped = [], 0
        starts: tuple = (0.0, 0.0)
        parts = split_tasks(task, splits)
        n_fits = len(splits) * prod(map(len, grid))
        with progress("cross-validation", n_fits, "fit") as steps:
            for split, part in enumerate(parts):
                train, test = splits[split]
                scale = moments.of_training(split).scale
                coef, intercept, n_more = self._path(part.at(train), scale, grid, steps)
                n_stopped += n_more
                scores.append(held_out_scores(part, test, coef, intercept, scoring))
                # The models of the folds are near the model of all rows, and their mean is nearer.
                starts = starts[0] + coef / len(splits), starts[1] + intercept / len(splits)
                steps.done(said_of_fold(split, scores), n=0)
        if n_stopped:
            warn_user(
                f"lbfgs stopped above cv_tol={self.cv_tol} in {n_stopped} fits to training rows "
                "of folds: raise max_iter or cv_tol, or leave the smallest of ridges out.",
                ConvergenceWarning,
            )
        return np.array(scores), starts, scale_of_all

    def _path(self, task, scale, grid, steps):
        """Return coefficients and intercepts of all candidates, for training rows of a split.

        Returns
        -------
        coef : ndarray of shape (n_candidates, n_classes, n_observables)
        intercept : ndarray of shape (n_candidates, n_classes)
        n_stopped : int
            Number of candidates that have not converged.
        """
        ridges, soft_weights, temperatures = grid
        n_classes, n_observables = len(task.labels.classes), task.blocks.n_observables
        shape = len(ridges), len(soft_weights), len(temperatures)
        coefs = np.empty((*shape, n_classes, n_observables))
        intercepts = np.empty((*shape, n_classes))
        # Do not start from another split, whose solution has learned from rows that are held out
        # here.
        start = np.zeros((n_observables, n_classes)), np.zeros(n_classes)
        shared = SharedPaths(
            task,
            scale,
            max_iter=self.max_iter,
            tol=self.cv_tol,
            perturbation=self.perturbation,
        )
        n_stopped = 0
        for j, k in product(*map(range, shape[1:])):
            if soft_weights[j] == 0 and k > 0:
                coefs[:, j, k], intercepts[:, j, k] = coefs[:, j, 0], intercepts[:, j, 0]
                steps.done(n=len(ridges))
                continue
            path = shared.path(soft_weights[j], temperatures[k], ridges, *start)
            for i, solution in enumerate(path):
                if i == 0:
                    start = solution.coef, solution.intercept
                n_stopped += not solution.converged
                coef, intercepts[i, j, k] = scale.unscale(solution.coef, solution.intercept)
                coefs[i, j, k] = coef.T
                steps.done()
        coefs = coefs.reshape(-1, n_classes, n_observables)
        return coefs, intercepts.reshape(-1, n_classes), n_stopped
