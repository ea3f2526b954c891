"""A student on some rows: its errors, margins and distances to the boundary."""

from math import comb
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._validation import check_random_state
from ..inspection import PolynomialStudent, shapley_values
from ..rows import taken
from ..teachers import align_columns, as_teacher, column_classes, teacher_logits
from ._audited_row import AuditedRow
from ._certified import certified_accuracy

# Number of rows that contributions are measured against.
N_BACKGROUND = 500
# Number of rows whose radii are bounded, if radii are not exact: bounds take longer.
N_BOUNDED = 200
# Above degree 2, coordinates of many columns are expanded, to at most this many products.
MOST_PRODUCTS = 50_000


class Audited:
    """A student and rows with labels.

    Parameters
    ----------
    student : classifier
        Fitted.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    teacher : object, default=None
        See `audit_report`.
    bounds, scale, fixed
        As for `certified_accuracy`.
    chosen : sequence of int, default=()
        Rows whose radii are always computed.
    max_rows : int, default=10_000
        Largest number of rows whose radii are computed. If only bounds are known, at most
        `N_BOUNDED`.
    random_state : int, RandomState instance or None, default=0
        Seeds the choice of these rows.

    Attributes
    ----------
    y, predicted, teacher_labels : ndarray of shape (n_samples,)
        `teacher_labels` is None without a teacher.
    right : ndarray of bool, shape (n_samples,)
    margins : ndarray of shape (n_samples,)
        The logit of each row's class minus the largest other logit.
    certified : CertifiedAccuracy or None
    without_radius : str or None
        Why there are no radii.
    column_names : list of str
    """

    def __init__(
        self,
        student,
        X,
        y,
        *,
        teacher=None,
        bounds=None,
        scale=None,
        fixed=None,
        chosen=(),
        max_rows=10_000,
        random_state=0,
    ):
        self.student = student
        self.X: Any = X if hasattr(X, "shape") else np.asarray(X)
        if not hasattr(student, "classes_"):
            raise TypeError(
                f"student={student!r} has no classes_: an audit needs a fitted classifier."
            )
        self.y = column_or_1d(y, warn=True)
        check_consistent_length(self.X, self.y)
        _check_labels(self.y, student.classes_)
        self.predicted = student.predict(self.X)
        self.right = self.predicted == self.y
        self.scores = _scores(student, self.X, self.predicted)
        self.margins = _margins(self.scores, student.classes_, self.y)
        classes = np.unique(np.concatenate([student.classes_, np.unique(self.y)]))
        self.teacher_labels = (
            None if teacher is None else labels_of_teacher(teacher, self.X, classes)
        )
        if len(self.X.shape) > 2:  # images, which only the teacher needs in this shape
            self.X = self.X.reshape(len(self.X), -1)
        self.column_names = _column_names(self.X)
        self._draw = check_random_state(random_state)
        self._polynomials = _polynomials_of(student)
        self.certified, self.without_radius = None, None
        self._of_chosen = None
        self._find_radii(chosen, max_rows, bounds=bounds, scale=scale, fixed=fixed)

    def _find_radii(self, chosen, max_rows, **how):
        """Find the radii of some rows, or the reason why they are not known."""
        found = self._polynomials
        is_exact = found is not None and not found.head and found.polynomials.degree <= 2
        rows = self.some(max_rows if is_exact else min(max_rows, N_BOUNDED))
        try:
            certified = certified_accuracy(self.student, self.X, self.y, rows=rows, **how)
            others = np.setdiff1d(chosen, rows).astype(int)
            if len(others):
                self._of_chosen = certified_accuracy(
                    self.student, self.X, self.y, rows=others, **how
                )
            if certified.lower.any():
                self.certified = certified
            else:
                self.without_radius = "The certified bounds of this student are zero."
        except TypeError as error:  # from `radius_bounds`, for students that it does not know
            self.without_radius = str(error)

    def rows(self, indices):
        """Return what is known about some rows, as `AuditedRow`.

        Parameters
        ----------
        indices : sequence of int
        """
        indices = [int(i) for i in indices]
        explanation = self._explained(indices)
        return [self._row(i, explanation, place) for place, i in enumerate(indices)]

    def hardest(self, n_rows):
        """Return the rows on which the student is wrong, in descending order of its confidence."""
        wrong = np.flatnonzero(~self.right)
        return self.rows(wrong[np.argsort(self.margins[wrong], kind="stable")[:n_rows]])

    def least_robust(self, n_rows):
        """Return the correctly predicted rows that are nearest to another class."""
        if self.certified is None:
            return []
        right = np.flatnonzero(self.certified.right)
        order = np.argsort(self.certified.lower[right], kind="stable")[:n_rows]
        return self.rows(self.certified.rows[right[order]])

    def typical(self, n_rows):
        """Return correctly predicted rows with about the median distance to another class."""
        if self.certified is None or n_rows < 1:
            return []
        right = np.flatnonzero(self.certified.right)
        order = np.argsort(self.certified.lower[right], kind="stable")
        start = max((len(order) - n_rows) // 2, 0)
        return self.rows(self.certified.rows[right[order[start : start + n_rows]]])

    def _row(self, i, explanation, place):
        values = np.asarray(taken(self.X, [i]))[0]
        teacher = None if self.teacher_labels is None else self.teacher_labels[i]
        radius = distance = counterfactual = changed_class = None
        for certified in (self.certified, self._of_chosen):
            if certified is None:
                continue
            for found in np.flatnonzero(certified.rows == i)[:1]:
                radius = float(certified.lower[found])
                distance = float(certified.upper[found])
                counterfactual = certified.counterfactuals[found]
                if np.isfinite(counterfactual).all():
                    changed_class = self._predicted_of(counterfactual)
                else:
                    counterfactual = None
        contributions, of_all = self._contributions(i, explanation, place)
        return AuditedRow(
            i,
            self.y[i],
            self.predicted[i],
            teacher,
            float(self.margins[i]),
            values,
            radius,
            distance,
            counterfactual,
            changed_class,
            contributions,
            of_all,
        )

    def _predicted_of(self, values):
        row = values[None]
        if hasattr(self.X, "columns"):
            row = type(self.X)(row, columns=self.X.columns)
        return self.student.predict(row)[0]

    def _explained(self, indices):
        """Return the Shapley values of rows, or None if they are not known."""
        if self._polynomials is None or not indices:
            return None
        background = taken(self.X, self.some(N_BACKGROUND))
        try:
            return shapley_values(self.student, taken(self.X, indices), background)
        except (MemoryError, TypeError, ValueError):
            return None

    def _contributions(self, i, explanation, place, n_shown=5):
        """Return the columns that speak most for the predicted class, and the values of all."""
        if explanation is None:
            return None, None
        classes = list(self.student.classes_)
        predicted = classes.index(self.predicted[i])
        values = explanation.values[place]
        if values.ndim == 1:
            values = values if predicted == 1 else -values
        else:
            others = self.scores[i].copy()
            others[predicted] = -np.inf
            rival = int(others.argmax())
            if not self.right[i] and self.y[i] in classes:
                rival = classes.index(self.y[i])
            values = values[:, predicted] - values[:, rival]
        order = np.argsort(-np.abs(values), kind="stable")[:n_shown]
        named = [(explanation.feature_names[k], float(values[k])) for k in order]
        is_of_columns = len(values) == self.X.shape[1] and not self._polynomials.head
        return named, values if is_of_columns else None

    def some(self, n_rows):
        """Return the rows to look at: all, or this number of them."""
        n_samples = len(self.y)
        if n_samples <= n_rows:
            return np.arange(n_samples)
        return np.sort(self._draw.permutation(n_samples)[:n_rows])


def columns_of_few_values(X):
    """Return the numbers of the columns that have one or two values, if not all columns do.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)

    Returns
    -------
    columns : list of int
        Numbers of the columns. If all columns have one or two values, those that have one. Empty if
        all have one, or if some are not numeric.
    """
    try:
        values = np.asarray(X, dtype=float)
    except (TypeError, ValueError):
        return []
    if values.ndim != 2 or not len(values):
        return []
    low, high = values.min(axis=0), values.max(axis=0)
    has_few = ((values == low) | (values == high)).all(axis=0)
    if has_few.all():
        has_few = low == high
    return [] if has_few.all() else np.flatnonzero(has_few).tolist()


def _check_labels(y, classes):
    """Raise an error for labels that cannot be the classes of a student."""
    try:
        labels = np.unique(y)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in y})
        raise TypeError(
            f"y has labels of several types, {', '.join(kinds)}: convert them to one type."
        ) from None
    known = set(classes.tolist())
    if not known & set(labels.tolist()):
        raise ValueError(
            f"y has none of the student's classes, {_some(classes)}: its labels are "
            f"{_some(labels)}."
        )


def _some(labels):
    shown = ", ".join(repr(label) for label in labels[:5].tolist())
    return shown + (", ..." if len(labels) > 5 else "")


def labels_of_teacher(teacher, X, classes):
    """Return the classes that a teacher chooses.

    Parameters
    ----------
    teacher : object
        See `audit_report`.
    X : array-like of shape (n_samples, n_features)
    classes : ndarray of shape (n_classes,)
        The classes, sorted.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
    """
    if hasattr(teacher, "predict"):
        labels = np.asarray(teacher.predict(X))
    elif _is_array(teacher) and np.ndim(teacher) == 1:
        labels = np.asarray(teacher)
    else:
        if _is_array(teacher):
            outputs, names, of_columns, kind = np.asarray(teacher), None, None, "auto"
        else:
            teacher = as_teacher(teacher).expecting(classes)
            outputs, names = teacher(X), teacher.column_names
            of_columns, kind = teacher.classes_, teacher.output
        of_columns = column_classes(names, of_columns, classes)
        columns = np.unique(classes if of_columns is None else of_columns)
        logits = align_columns(teacher_logits(outputs, kind), of_columns, columns)
        labels = columns[logits.argmax(axis=1)]
    if labels.shape != (X.shape[0],):
        raise ValueError(
            f"teacher gives classes of shape {labels.shape} for the {X.shape[0]} rows of X, but "
            "must give one for each row."
        )
    return labels


def _is_array(teacher):
    return isinstance(teacher, list | tuple | np.ndarray) or hasattr(teacher, "iloc")


def _scores(student, X, predicted):
    """Return a score for each class, (n_samples, n_classes). The largest is the prediction."""
    if hasattr(student, "decision_function"):
        scores = student.decision_function(X)
        return np.column_stack([-scores / 2, scores / 2]) if scores.ndim == 1 else scores
    if hasattr(student, "predict_proba"):
        return np.log(np.maximum(student.predict_proba(X), np.finfo(float).tiny))
    return (predicted[:, None] == student.classes_).astype(float)


def _margins(scores, classes, y):
    """Return the score of each row's class minus the largest other score."""
    of_label = classes == y[:, None]
    largest_of_others = np.where(of_label, -np.inf, scores).max(axis=1)
    # A class that the student does not know gets the lowest score.
    own = np.where(of_label, scores, -np.inf).max(axis=1)
    return np.where(np.isfinite(own), own, scores.min(axis=1)) - largest_of_others


def _column_names(X):
    if hasattr(X, "columns"):
        return [str(name) for name in X.columns]
    return [f"x{i}" for i in range(X.shape[1])]


def _polynomials_of(student):
    """Return a student as polynomials, or None if it is not polynomial or has too many terms."""
    try:
        found = PolynomialStudent(student)
    except TypeError:
        return None
    if found.polynomials.degree <= 2 or found.has_scaled_columns:
        return found
    n_columns, degree = found.front.matrix.shape[1], found.polynomials.degree
    return found if comb(n_columns + degree, degree) <= MOST_PRODUCTS else None
