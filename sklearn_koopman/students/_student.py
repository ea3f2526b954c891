"""What every student has: a teacher that is shared, labels, and soft targets."""

from copy import copy
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_consistent_length, column_or_1d, validate_data

from .._fitting import keeping_what_was_fitted, store_fitted
from .._validation import DTYPES
from ..rows import is_dask
from ..teachers import as_teacher, share_or_clone
from ._targets import check_labels, encode_labels, given_soft_targets, has_label, soft_targets


class SharingEstimator(BaseEstimator):
    """Base of the estimators that share networks with their clones."""

    # Parameters that clones share, as they may be networks or belong to one.
    _shared_parameters: ClassVar[tuple[str, ...]] = ("teacher",)

    _keeping_what_was_fitted = keeping_what_was_fitted
    _store = store_fitted

    def __sklearn_clone__(self):
        """Clone the parameters, but share the networks: they must not be copied."""
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

    # Sample-aligned inputs of fit: with metadata routing they arrive without being asked for.
    __metadata_request__fit = {"soft_labels": True, "teacher_X": True}  # noqa: RUF012

    # What every subclass has.
    teacher: Any
    teacher_output: str
    teacher_classes: Any
    unlabeled_value: Any

    @property
    def _probability_floor(self):
        """The smallest probability of a teacher whose logarithm is taken."""
        return float(np.finfo(np.float64).tiny)

    def _validate(self, X, y, *, reset, dtype=DTYPES):
        """Return X and y as arrays; rows without a label may have any marker in y."""
        if y is None or self.unlabeled_value is None:
            labels = np.asarray(y)
            if labels.dtype == object and labels.ndim == 1:
                check_labels(labels.tolist(), "y")  # scikit-learn fails at those of pandas
            return validate_data(self, X, y, dtype=dtype, reset=reset)
        X = validate_data(self, X, dtype=dtype, reset=reset)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        return X, y

    def _consult(
        self, X, y, sample_weight, soft_labels, teacher_X, *, fitted_teacher=None, classes=None
    ):
        """Return the labels, the soft targets as logits, and the teacher that gave them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            What `fit` received.
        y : ndarray of shape (n_samples,)
        sample_weight : ndarray of shape (n_samples,) or None
        soft_labels, teacher_X
            As for `fit`.
        fitted_teacher : Teacher, default=None
            The teacher of an earlier call to `partial_fit`.
        classes : array-like, default=None
            All classes, where y may lack some.

        Returns
        -------
        labels : Labels
        soft_logits : ndarray of shape (n_samples, n_classes), or None
            None where this fit learns from labels alone.
        teacher : Teacher or None
        soft_logits_from : callable or None
            Returns the soft logits of all rows by a teacher that is fitted on some of them (a
            mask) only; None where they do not depend on that.
        """
        soft_logits = teacher = soft_logits_from = None
        wants_soft_targets = self._wants_soft_targets(soft_labels)
        if wants_soft_targets and self.teacher is not None:
            teacher = fitted_teacher or as_teacher(self.teacher, classes=self.teacher_classes)
            if is_dask(X) and soft_labels is None and not teacher.is_fixed:
                raise TypeError(
                    f"teacher={self.teacher!r} would have to be fitted on a dask array. Fit it "
                    "first, on a part of the rows, and wrap it in "
                    "sklearn.frozen.FrozenEstimator; or give fit its outputs as soft_labels=."
                )
        labels = self._encode(y, teacher, classes)
        if wants_soft_targets and soft_labels is not None:
            soft_logits = given_soft_targets(
                soft_labels,
                labels,
                teacher_classes=self._column_classes(teacher),
                kind=self.teacher_output,
                floor=self._probability_floor,
            )
            teacher = fitted_teacher
        elif wants_soft_targets and teacher is not None:
            if teacher_X is not None:
                check_consistent_length(y, teacher_X)
            ask = partial(
                soft_targets,
                teacher,
                X,
                y,
                labels,
                sample_weight,
                teacher_X=teacher_X,
                kind=self.teacher_output,
                floor=self._probability_floor,
            )
            soft_logits, fitted = ask()
            if not teacher.is_fixed:
                soft_logits_from = ask
            teacher = fitted
        return labels, soft_logits, teacher, soft_logits_from

    def _wants_soft_targets(self, soft_labels):
        """Say whether this fit learns from soft targets."""
        return self.teacher is not None or soft_labels is not None

    def _encode(self, y, teacher, classes):
        """Return the labels; without any in y the classes are the teacher's."""
        if classes is None and not has_label(y, self.unlabeled_value).any():
            classes = self._column_classes(teacher)
        return encode_labels(y, self.unlabeled_value, classes)

    def _column_classes(self, teacher):
        """Return the class of each column of soft targets, None where it is not known."""
        return self.teacher_classes if teacher is None else teacher.classes_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
