"""Base of all students: a shared teacher, labels, and soft targets."""

from copy import copy
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_consistent_length, column_or_1d, validate_data

from .._fitting import keeping_what_was_fitted, store_fitted
from .._validation import DTYPES
from ..rows import as_numpy, is_dask
from ..teachers import share_or_clone, teacher_of
from ._labels import Labels, encode_labels, has_label, refuse_missing_labels
from ._targets import given_soft_targets, soft_targets


class SharingEstimator(BaseEstimator):
    """Base of the estimators that share networks with their clones."""

    # Parameters that clones share, because they may be networks or belong to one.
    _shared_parameters: ClassVar[tuple[str, ...]] = ("teacher",)

    _keeping_what_was_fitted = keeping_what_was_fitted
    _store = store_fitted

    def __sklearn_clone__(self):
        """Clone the parameters, but share the networks, which must not be copied."""
        bare = copy(self)  # shallow; other threads may be using self
        for name in self._shared_parameters:
            setattr(bare, name, None)
        cloned = super(SharingEstimator, bare).__sklearn_clone__()
        for name in self._shared_parameters:
            setattr(cloned, name, share_or_clone(getattr(self, name)))
        return cloned


class Student(ClassifierMixin, SharingEstimator):
    """Base of the classifiers that learn from a teacher.

    A subclass has the parameters `teacher`, `teacher_output`, `teacher_classes` and
    `unlabeled_value`, and a `fit` that takes `soft_labels` and `teacher_X`.
    """

    # Inputs of fit with one entry per row: metadata routing passes them on without a request.
    __metadata_request__fit = {"soft_labels": True, "teacher_X": True}  # noqa: RUF012

    # Attributes of every subclass.
    teacher: Any
    teacher_output: str
    teacher_classes: Any
    unlabeled_value: Any

    def score(self, X, y=None, sample_weight=None):
        """Return the share of the labels that are predicted correctly.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as `fit` received them.
        y : array-like of shape (n_samples,)
            True labels. None raises an error that says what to do without labels.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        accuracy : float
        """
        if y is None:
            raise ValueError(
                "score compares predictions with labels, and y is None. Without labels, compare "
                "with the teacher: inspection.fidelity_score(teacher(X), "
                "student.predict_proba(X)); in a search, set scoring= to a function of the model "
                "and X that returns this score."
            )
        y, predicted, sample_weight = map(as_numpy, (y, self.predict(X), sample_weight))
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    @property
    def _probability_floor(self):
        """Smallest probability of a teacher; smaller ones are raised to it before the logarithm."""
        return float(np.finfo(np.float64).tiny)

    def _validate(self, X, y, *, reset, dtype=DTYPES):
        """Return X and y as arrays. Rows without a label may have any marker in y."""
        if y is not None and self.unlabeled_value is None:
            refuse_missing_labels(y)
            return validate_data(self, X, y, dtype=dtype, reset=reset)
        X = validate_data(self, X, dtype=dtype, reset=reset)
        if y is not None:
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        return X, y

    def _check_something_to_learn_from(self, y, soft_labels):
        """Raise ValueError if there are neither labels nor a teacher or `soft_labels`."""
        if y is not None:
            return
        if self.teacher is None and soft_labels is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None. Without labels it learns from a teacher= or soft_labels= alone."
            )
        if not self._wants_soft_targets(soft_labels):
            raise ValueError(
                f"With a soft weight of 0 {type(self).__name__} learns from labels alone: it "
                "requires y to be passed, but the target y is None. Pass y to fit, or set a "
                "positive soft weight."
            )

    def _consult(
        self,
        X,
        y,
        sample_weight,
        soft_labels,
        teacher_X,
        *,
        n_samples,
        fitted_teacher=None,
        classes=None,
    ):
        """Return the labels, the soft targets as logits, and the teacher that gave them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            What `fit` received.
        y : ndarray of shape (n_samples,), or None
            None: the student learns from the teacher alone.
        sample_weight : ndarray of shape (n_samples,) or None
        soft_labels, teacher_X
            As for `fit`.
        n_samples : int
            Number of rows that `fit` received.
        fitted_teacher : Teacher, default=None
            The teacher of an earlier call to `partial_fit`.
        classes : array-like, default=None
            All classes, if y may lack some.

        Returns
        -------
        labels : Labels
        soft_logits : ndarray of shape (n_samples, n_classes), or None
            None if this fit learns from labels alone.
        teacher : Teacher or None
        soft_logits_from : callable or None
            Returns the `SoftTargets` of all rows from a teacher that is fitted only on some of them
            (a mask). None if the soft targets do not depend on the fit.
        """
        soft_logits = teacher = soft_logits_from = None
        wants_soft_targets = self._wants_soft_targets(soft_labels)
        if wants_soft_targets and self.teacher is not None:
            teacher = fitted_teacher or teacher_of(self)
            if is_dask(X) and soft_labels is None and not teacher.is_fixed:
                raise TypeError(
                    f"teacher={self.teacher!r} would have to be fitted on a dask array. Fit it "
                    "first, on a part of the rows, and wrap it in sklearn.frozen.FrozenEstimator; "
                    "or pass its outputs to fit as soft_labels=."
                )
        labels = self._encode(y, n_samples, teacher, classes)
        if wants_soft_targets and soft_labels is not None:
            targets = given_soft_targets(
                soft_labels,
                labels,
                n_samples,
                teacher_classes=self._column_classes(teacher),
                kind=self.teacher_output,
                floor=self._probability_floor,
            )
            labels, soft_logits = targets.labels, targets.logits
            teacher = fitted_teacher
        elif wants_soft_targets and teacher is not None:
            if teacher_X is not None:
                check_consistent_length(X, teacher_X)
            ask = partial(
                soft_targets,
                teacher,
                X,
                labels,
                sample_weight,
                n_samples=n_samples,
                teacher_X=teacher_X,
                kind=self.teacher_output,
                floor=self._probability_floor,
            )
            targets = ask()
            labels, soft_logits = targets.labels, targets.logits
            if not teacher.is_fixed:
                soft_logits_from = ask
            teacher = targets.teacher
        return labels, soft_logits, teacher, soft_logits_from

    def _wants_soft_targets(self, soft_labels):
        """Return whether this fit learns from soft targets."""
        return self.teacher is not None or soft_labels is not None

    def _encode(self, y, n_samples, teacher, classes):
        """Return the labels; if y has none, with the classes of the teacher.

        None if y is None and the teacher does not know its classes.
        """
        is_labelled = y is not None and has_label(y, self.unlabeled_value).any()
        if classes is None and not is_labelled:
            classes = self._column_classes(teacher)
        if y is None:
            return None if classes is None else Labels.without_any(n_samples, classes)
        return encode_labels(y, self.unlabeled_value, classes)

    def _column_classes(self, teacher):
        """Return the class of each column of soft targets, or None if it is not known."""
        return self.teacher_classes if teacher is None else teacher.classes_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
