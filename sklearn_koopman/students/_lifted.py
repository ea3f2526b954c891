"""Base of the students that learn from lifted rows: lifting, fitting, prediction."""

from dataclasses import replace

import numpy as np
from sklearn.utils import check_X_y
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from .._finite import finite
from .._threads import threads_for
from .._validation import DTYPES, check_choice, check_random_state, check_verbose
from ..rows import (
    aligned_with,
    as_numpy,
    fit_lifter,
    say_if_not_compiled,
    telling_what_rows_are,
)
from ..teachers import OUTPUT_KINDS, as_teacher
from ._class_weight import weighted_by_class
from ._labels import check_weights, refuse_missing_labels
from ._lifted_rows import LiftedEstimator, dtype_of_coefficients
from ._student import Student
from ._task import Passed, Task


class LiftedStudent(LiftedEstimator, Student):
    """Base of the students whose logits are a function of lifted rows.

    A subclass has the parameters `teacher`, `lifter`, `teacher_output`, `teacher_classes`,
    `unlabeled_value` and `verbose`, and may have `class_weight`. It defines ``_solve(task)``, which
    returns the fitted attributes by name, and `_logit_function`, which predicts from them.
    """

    def fit(self, X, y=None, sample_weight=None, *, soft_labels=None, teacher_X=None):
        """Fit the student.

        Any of the arrays may be a dask array: the workers then lift and sum its chunks.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Rows to lift with `lifter`, or rows of observables if `lifter` is None. float32 and
            float64 are kept. A ``numpy.memmap`` is read block by block, and whole numbers are
            converted block by block. If the first step of the `lifter` is not from this package,
            rows may be what this step takes: texts, images, data frames.
        y : array-like of shape (n_samples,), default=None
            Labels: integers, strings, or whatever can be sorted. With None the student learns only
            from `soft_labels`, or from a teacher that is used as it is, as with a soft weight of 1.
            The classes are then the teacher's, `teacher_classes`, or the numbers of the columns.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 is the same as two copies of the row.
        soft_labels : array-like of shape (n_samples, n_columns), default=None
            Probabilities or logits to learn from. The teacher is then not called.
        teacher_X : array-like of shape (n_samples, ...), default=None
            What the teacher sees. None lets it see X.

        Returns
        -------
        self : object
            Fitted classifier.
        """
        return self._fit(X, y, sample_weight, soft_labels, teacher_X)

    def _fit(self, X, y, sample_weight, soft_labels, teacher_X, **more):
        """Fit the student. `_solve` gets the further arguments of a subclass."""
        with self._keeping_what_was_fitted():
            self._check_parameters()
            if self.verbose > 0:
                say_if_not_compiled()
            with telling_what_rows_are(X):
                task = self._prepare(X, y, sample_weight, soft_labels, teacher_X)
            with threads_for(task.blocks):
                fitted = self._solve(task, **more)
            self._store(fitted | task.fitted)
        return self

    def decision_function(self, X):
        """Return the logits of the classes.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Rows as `fit` received them. For a dask array the result is a lazy dask array.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For two classes, the logit of the second minus that of the first.
        """
        return self._map_outputs(lambda logits: finite(margin(logits), "The logits"), X)

    def predict(self, X):
        """Return the class with the largest logit.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Rows as `fit` received them. For a dask array the result is a lazy dask array.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        classes = self.classes_
        return self._map_outputs(lambda logits: classes[logits.argmax(axis=1)], X)

    def _output_function(self):
        return self._logit_function()

    def _check_parameters(self):
        check_choice(self, "teacher_output", OUTPUT_KINDS)
        check_verbose(self)
        check_random_state(getattr(self, "random_state", None))
        if self.teacher is not None:
            as_teacher(self.teacher)  # raises the error that says what a teacher is

    def _prepare(
        self,
        X,
        y,
        sample_weight,
        soft_labels,
        teacher_X,
        *,
        first=True,
        classes=None,
        are_more_to_come=False,
    ):
        """Validate what `fit` or `partial_fit` received, and make the solver's task."""
        device = self._device_for(X)
        raw_X = X
        self._check_something_to_learn_from(y, soft_labels)
        X, y = self._validate(X, y, reset=first)
        raw_X, soft_labels, teacher_X = (
            aligned_with(X, array) for array in (raw_X, soft_labels, teacher_X)
        )
        weights = check_weights(
            as_numpy(sample_weight), X.shape[0], are_more_to_come=are_more_to_come
        )
        n_before = 0 if first else getattr(self, "_stream_n_rows", 0)
        rows, keeps_labels = self._rows_to_learn_from(
            X, raw_X, soft_labels, teacher_X, n_before
        )
        if rows is not X:
            raw_X, teacher_X = rows, None
        labels, soft_logits, teacher, soft_logits_from = self._consult(
            raw_X,
            y,
            None if sample_weight is None else weights,
            soft_labels,
            teacher_X,
            n_samples=X.shape[0],
            fitted_teacher=None if first else getattr(self, "teacher_", None),
            classes=classes,
        )
        if first and soft_logits is None and not weights[labels.is_labelled].any():
            raise ValueError(
                "There is nothing to learn from: no row of positive weight has a label, and there "
                "are no soft targets. Label some rows, or pass a teacher or soft_labels."
            )
        if first:
            lifter = fit_lifter(self.lifter, X, y, labels.is_labelled)
        else:
            lifter = getattr(self, "lifter_", None)
        if rows is not X:
            weights = rows.repeated(weights)
            codes = rows.repeated(labels.codes, None if keeps_labels else -1)
            labels = replace(labels, codes=codes)
        blocks = self._blocks_to_learn_from(X, rows, lifter, device)
        task = Task(
            blocks,
            labels,
            weights,
            soft_logits,
            lifter,
            teacher,
            dtype_of_coefficients(X, blocks),
            soft_logits_from,
            n_rows_made_of=None if rows is X else n_before + X.shape[0],
            passed=Passed.by(X, lifter),
        )
        class_weight = getattr(self, "class_weight", None)
        return weighted_by_class(task, class_weight, are_more_to_come=are_more_to_come)

    def _validate(self, X, y, *, reset, dtype=DTYPES):
        """Return X and y as arrays. The chunks of a dask array are checked lazily."""
        y = as_numpy(y)
        self._refuse_dask(X)
        X = self._validate_rows(X, reset=reset)
        if y is None:
            return X, None
        check_consistent_length(X, y)
        if self.unlabeled_value is None:
            refuse_missing_labels(y)
            _, y = check_X_y(np.broadcast_to(0.0, (X.shape[0], 1)), y, estimator=self)
        else:
            y = column_or_1d(y, warn=True)
        return X, y


def margin(logits):
    """Return the logits; for two classes, the second minus the first."""
    return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits
