"""What both classifiers share: lifting, labels, teachers, prediction."""

from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .._memory import check_fits_in_memory
from .._validation import check_choice, check_real
from ..solvers import RowBlocks, aligned_with, as_numpy, float_rows, is_dask, threads_for
from ..teachers import as_teacher
from ..teachers._dispatch import share_or_clone
from ._lifted import fit_lifter, lifted_blocks
from ._targets import (
    Labels,
    check_weights,
    encode_labels,
    given_soft_targets,
    has_label,
    soft_targets,
)

DTYPES = [np.float64, np.float32]


@dataclass(frozen=True)
class Task:
    """All that a solver needs: lifted rows, labels, weights and soft targets.

    Attributes
    ----------
    blocks : RowBlocks
    labels : Labels
    sample_weight : ndarray of shape (n_samples,)
    soft_logits : ndarray of shape (n_samples, n_classes), or None
    lifter : fitted transformer or None
    teacher : Teacher or None
        The teacher that was asked, fitted.
    dtype : numpy.dtype
        That of X, and so of the coefficients.
    """

    blocks: RowBlocks
    labels: Labels
    sample_weight: np.ndarray
    soft_logits: np.ndarray | None
    lifter: object
    teacher: object
    dtype: np.dtype


class KoopmanClassifier(ClassifierMixin, BaseEstimator):
    """Base of the classifiers whose logits are one matrix times the observables.

    A subclass has the parameters `teacher`, `ridge`, `lifter`, `teacher_output`,
    `teacher_classes`, `unlabeled_value` and `verbose`, and defines `_solve`.
    """

    # Sample-aligned inputs of fit: with metadata routing they arrive without being asked for.
    __metadata_request__fit = {"soft_labels": True, "teacher_X": True}  # noqa: RUF012
    __metadata_request__partial_fit = {"soft_labels": True, "teacher_X": True}  # noqa: RUF012

    # What every subclass has.
    teacher: Any
    ridge: float
    lifter: Any
    teacher_output: str
    teacher_classes: Any
    unlabeled_value: Any
    verbose: int
    moments_: Any

    # Smallest probability of a teacher whose logarithm is taken.
    _probability_floor = float(np.finfo(np.float64).tiny)

    def fit(self, X, y, sample_weight=None, *, soft_labels=None, teacher_X=None):
        """Fit the Koopman matrix.

        Any of the arrays may be a dask array: the workers then lift and sum its chunks.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Rows to lift with `lifter`, or rows of observables if that is None. float32 and
            float64 are kept. A ``numpy.memmap`` is read block by block.
        y : array-like of shape (n_samples,)
            Labels: integers, strings, or whatever can be sorted.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 is the same as a row that is there twice.
        soft_labels : array-like of shape (n_samples, n_columns), default=None
            Probabilities or logits to learn from; the teacher is not called then.
        teacher_X : array-like of shape (n_samples, ...), default=None
            What the teacher sees; None lets it see X.

        Returns
        -------
        self : object
            Fitted classifier.
        """
        with self._keeping_what_was_fitted():
            self._check_parameters()
            task = self._prepare(X, y, sample_weight, soft_labels, teacher_X)
            with threads_for(task.blocks):
                self._solve(task)
            self._remember(task)
        return self

    def decision_function(self, X):
        """Return the logits of the classes.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Rows as `fit` received them. Of a dask array, so is the result, a lazy one.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For two classes, the logit of the second above that of the first.
        """
        return self._map_logits(_margin, X)

    def predict(self, X):
        """Return the class with the largest logit.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Rows as `fit` received them. Of a dask array, so is the result, a lazy one.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        classes = self.classes_
        return self._map_logits(lambda logits: classes[logits.argmax(axis=1)], X)

    def score(self, X, y, sample_weight=None):
        """Return the share of the labels that is predicted.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Rows as `fit` received them.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        accuracy : float
        """
        y, predicted, sample_weight = map(as_numpy, (y, self.predict(X), sample_weight))
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    @property
    def koopman_matrix_(self):
        """Matrix K of shape (n_classes, n_observables) with logits ``K psi``.

        The intercept is part of the column of the constant observable 1. A dictionary without
        one has ``K = coef_``, and `intercept_` must be added.
        """
        check_is_fitted(self)
        matrix = self.coef_.copy()
        if self._constant_observable is not None:
            matrix[:, self._constant_observable] += self.intercept_
        return matrix

    def _map_logits(self, function, X):
        """Return a function of the logits; for a dask array, a lazy one."""
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        blocks = lifted_blocks(getattr(self, "lifter_", None), X)
        coef, intercept = self.coef_.T, self.intercept_
        with threads_for(blocks):
            return blocks.map(lambda psi: function(psi @ coef + intercept))

    def _check_parameters(self):
        check_real(self, "ridge", low=0.0, inclusive="left")
        check_choice(self, "teacher_output", ("auto", "proba", "logits"))

    def _prepare(
        self, X, y, sample_weight, soft_labels, teacher_X, *, first=True, classes=None
    ):
        """Validate what `fit` or `partial_fit` received and put the solver's task together."""
        raw_X = X
        X, y = self._validate(X, y, reset=first)
        raw_X, soft_labels, teacher_X = (
            aligned_with(X, array) for array in (raw_X, soft_labels, teacher_X)
        )
        weights = check_weights(as_numpy(sample_weight), len(X))
        fitted_teacher = None if first else getattr(self, "teacher_", None)
        soft_logits = teacher = None
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
                check_consistent_length(X, teacher_X)
            soft_logits, teacher = soft_targets(
                teacher,
                raw_X,
                y,
                labels,
                None if sample_weight is None else weights,
                teacher_X=teacher_X,
                kind=self.teacher_output,
                floor=self._probability_floor,
            )
        elif first and not weights[labels.is_labelled].any():
            raise ValueError(
                "There is nothing to learn from: no row of positive weight has a label, and "
                "there are no soft targets. Label some rows, or give a teacher or soft_labels."
            )
        lifter = fit_lifter(self.lifter, X, y) if first else getattr(self, "lifter_", None)
        blocks = lifted_blocks(lifter, X)
        blocks.shows_progress = self.verbose > 0
        return Task(blocks, labels, weights, soft_logits, lifter, teacher, X.dtype)

    def _prepare_more(self, X, y, classes, sample_weight, soft_labels, teacher_X, *, continues):
        """Put the task of one call of `partial_fit` together."""
        if classes is None:
            classes = getattr(self, "classes_", None)
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if continues and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={classes!r} differs from that of the first call to partial_fit: "
                f"{self.classes_!r}."
            )
        return self._prepare(
            X,
            y,
            sample_weight,
            soft_labels,
            teacher_X,
            first=not continues,
            classes=classes,
        )

    def _remember(self, task):
        """Keep what is fitted beside the coefficients; forget that of an earlier fit."""
        self.classes_ = task.labels.classes
        for name, fitted in (("lifter_", task.lifter), ("teacher_", task.teacher)):
            if fitted is not None:
                setattr(self, name, fitted)
            else:
                self._forget(name)

    def _forget(self, *names):
        """Drop fitted attributes that the last fit does not have."""
        for name in names:
            if hasattr(self, name):
                delattr(self, name)

    def _validate(self, X, y, *, reset):
        """Return X and y as arrays; rows without a label may have any marker in y."""
        y = as_numpy(y)
        is_plain = y is None or self.unlabeled_value is None
        if is_plain and not is_dask(X):
            return validate_data(self, X, y, dtype=DTYPES, reset=reset)
        X = self._validate_rows(X, reset=reset)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        return X, y

    def _validate_rows(self, X, *, reset):
        """Return X as an array of floats; the chunks of a dask array are checked lazily."""
        if is_dask(X):
            X = float_rows(X)
            validate_data(self, np.zeros((1, X.shape[1])), reset=reset)
            return X
        return validate_data(self, X, dtype=DTYPES, reset=reset)

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

    def _store(self, coef, intercept, scale, dtype):
        """Keep the coefficients of the observables as they are, in the dtype of X.

        Parameters
        ----------
        coef : ndarray of shape (n_observables, n_classes)
            For the standardised observables.
        intercept : ndarray of shape (n_classes,)
        scale : Scale
        dtype : numpy.dtype
        """
        coef, intercept = scale.unscale(coef, intercept)
        self.coef_ = np.ascontiguousarray(coef.T, dtype=dtype)
        self.intercept_ = intercept.astype(dtype)
        ones = np.flatnonzero(scale.constant & (scale.mean == 1.0))
        self._constant_observable = int(ones[0]) if len(ones) else None

    @contextmanager
    def _keeping_what_was_fitted(self):
        """Leave a fitted model as it was when fitting it anew fails."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def __sklearn_clone__(self):
        """Clone the parameters, but share the teacher: a network must not be copied."""
        bare = copy(self)  # shallow; other threads may be using self
        bare.teacher = None
        student = super(KoopmanClassifier, bare).__sklearn_clone__()
        student.teacher = share_or_clone(self.teacher)
        return student

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


def _margin(logits):
    """Return the logits; of two classes, the second above the first."""
    return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


def check_gram_fits_in_memory(n_observables):
    """Raise MemoryError when the Gram matrix of the observables is larger than the memory."""
    check_fits_in_memory(
        8 * n_observables**2,
        f"The {n_observables} x {n_observables} Gram matrix of the observables",
        "Lower the degree of the lifter or the number of PCA components, or use "
        "KoopmanDistilledClassifier(solver='adam'), which needs no Gram matrix.",
    )


def check_finite_moments(scale):
    """Raise ValueError when lifted rows have overflown or are not numbers."""
    if not (np.isfinite(scale.mean).all() and np.isfinite(scale.deviation).all()):
        raise ValueError(
            "The lifted observables are not finite: their values or squares overflow. Scale the "
            "features first (PCA(whiten=True), StandardScaler), lower the degree, or use float64."
        )
