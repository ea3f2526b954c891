"""The teacher that is a scikit-learn or skorch estimator."""

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from .._warnings import warn_user
from ._base import Teacher
from ._decisions import margins_of, refuse_one_vs_one
from ._outputs import UnusableTeacherError
from ._skorch import is_skorch, skorch_input, skorch_targets
from ._weights import fit_weighted


class EstimatorTeacher(Teacher):
    """An estimator as a teacher: cloned and fitted on the training data, unless it is frozen.

    It is fitted in each fold of a search, so validation rows do not leak into the soft targets.
    `CalibratedClassifierCV` does the same. To use a fitted estimator as it is, wrap it in
    `sklearn.frozen.FrozenEstimator`. Otherwise it is fitted again, and a warning says so.

    Parameters
    ----------
    estimator : estimator
        A scikit-learn classifier with `predict_proba` or `decision_function` (the first is used
        if it has both), or a skorch net. A skorch net gets X as float32, and y as class codes.
    classes : array-like of shape (n_columns,), default=None
        The class of each column. None: the estimator's `classes_`.

    Notes
    -----
    All parts of the estimator that take `sample_weight` get it: the steps of a pipeline, and what a
    search or another meta-estimator fits. The scores by which a search chooses are not weighted.
    If the classifier cannot take weights (nearest neighbours, skorch nets), a warning says so.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_koopman.teachers import as_teacher
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = as_teacher(LogisticRegression(max_iter=200)).fit(X, y)
    >>> teacher(X).shape
    (150, 3)
    >>> teacher.output
    'proba'
    """

    # Labels of the last call, see classes_. They are not pickled, so that calls do not change the
    # hash.
    _n_columns = None

    def __init__(self, estimator, classes=None):
        self.estimator = estimator
        self._labels = None  # labels of a skorch net that was fitted here on class codes
        super().__init__(classes, "proba" if hasattr(estimator, "predict_proba") else "logits")

    @property
    def classes_(self):
        """The class of each output column, or None where it is not known."""
        return self.own_classes if self.classes is None else super().classes_

    @property
    def own_classes(self):
        """The `classes_` of the fitted estimator, or None where they are not known."""
        if self._labels is not None:
            return self._labels
        classes = getattr(self.estimator, "classes_", None)
        if classes is None or not is_skorch(self._inner):
            return classes
        # A skorch net has the labels that were in y, but its module may have more columns.
        return classes if self._n_columns in (None, len(classes)) else None

    def fit(self, X, y=None, sample_weight=None):
        """Fit a clone of the estimator, unless it is frozen.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,), default=None
            Classes of the samples.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. If they differ and the estimator takes no weights, a warning
            says so.

        Returns
        -------
        teacher : EstimatorTeacher
            A new, fitted teacher. A frozen teacher returns itself.
        """
        if self.is_fixed:
            return self
        warn_of_refit(self.estimator)
        estimator, labels = clone(self.estimator), None
        if is_skorch(estimator):
            labels, codes = np.unique(y, return_inverse=True)
            X, y = skorch_input(X), skorch_targets(estimator, codes)
        estimator = fit_weighted(estimator, X, y, sample_weight)
        if not _gives_scores(estimator):
            raise UnusableTeacherError(f"{without_scores(estimator)}, now that it is fitted.")
        fitted = EstimatorTeacher(FrozenEstimator(estimator), self.classes)
        fitted._labels = labels
        return fitted

    def _evaluate(self, X):
        check_is_fitted(self.estimator, msg=self._not_fitted())
        if is_skorch(self._inner):
            X = skorch_input(X)
        method = "predict_proba" if self.output == "proba" else "decision_function"
        if method == "decision_function":
            refuse_one_vs_one(self.estimator)
        outputs = getattr(self.estimator, method)(X)
        if self._labels is not None:
            outputs = _first_columns(outputs, len(self._labels))
        self._n_columns = np.shape(outputs)[-1]
        return outputs

    @property
    def is_fixed(self):
        """Whether `fit` leaves this teacher as it is, which is so for a frozen estimator."""
        return isinstance(self.estimator, FrozenEstimator)

    @property
    def margins_of(self):
        """Name of the estimator whose margins the outputs are, or None where they are not."""
        return margins_of(self.estimator)

    def _not_fitted(self):
        name = type(self._inner).__name__
        if self.is_fixed:
            return (
                f"The teacher {name} is not fitted yet, and FrozenEstimator keeps it as it is: fit "
                "it first, or pass it without FrozenEstimator, so that it is fitted on the "
                "training data."
            )
        return f"The teacher {name} is not fitted yet. Call fit on the teacher, which fits a clone."

    @property
    def _inner(self):
        return self.estimator.estimator if self.is_fixed else self.estimator

    def __sklearn_clone__(self):
        if self.is_fixed:
            return self
        warn_of_refit(self.estimator)
        return EstimatorTeacher(clone(self.estimator), self.classes)

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("_n_columns", None)
        return state

    def __repr__(self):
        name = type(self._inner).__name__
        return f"EstimatorTeacher({f'frozen {name}' if self.is_fixed else name})"


def may_give_scores(teacher):
    """Return whether a teacher is an estimator with scores, or may be one after a fit.

    Some estimators, like StackingClassifier, show it only after they are fitted.
    """
    if not (hasattr(teacher, "fit") and hasattr(teacher, "get_params")):
        return False
    if _gives_scores(teacher):
        return True
    return _gives_scores(type(teacher)) and is_classifier(teacher) and not _is_fitted(teacher)


def without_scores(estimator):
    """Return the message for an estimator that is not a teacher."""
    name = type(estimator).__name__
    return f"teacher {name} has neither predict_proba nor decision_function"


def _gives_scores(estimator):
    return hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")


def warn_of_refit(estimator):
    """Warn if an estimator that is already fitted will be cloned and fitted again.

    Parameters
    ----------
    estimator : estimator
        A teacher that is not frozen, as the user passed it, because clones are not fitted.
    """
    if _is_fitted(estimator):
        name = type(estimator).__name__
        warn_user(
            f"{name} is fitted already, and will be cloned and fitted again on the training data "
            "of the student: what it has learned is not used. To use it as it is, wrap it in "
            f"sklearn.frozen.FrozenEstimator; to fit it again without this warning, pass "
            f"sklearn.base.clone of it."
        )


def _is_fitted(estimator):
    if is_skorch(estimator):
        return getattr(estimator, "initialized_", False)
    try:
        if not get_tags(estimator).requires_fit:
            return False
        check_is_fitted(estimator)
    except (NotFittedError, AttributeError, TypeError):
        return False
    return True


def _first_columns(proba, n_classes):
    """Drop the columns of classes that were not trained: a conditional distribution remains."""
    if proba.shape[1] == n_classes:
        return proba
    proba = proba[:, :n_classes]
    return proba / proba.sum(axis=1, keepdims=True)
