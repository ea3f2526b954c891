"""The protocol of a teacher, and the teacher that is any callable."""

import numpy as np

from ._decisions import margins_of, refuse_one_vs_one
from ._outputs import (
    TINY,
    UnusableTeacherError,
    are_reordered,
    check_outputs,
    column_names,
    shortened,
)
from ._skorch import is_skorch, skorch_input

_METHOD_OUTPUTS = {
    "predict_proba": "proba",
    "decision_function": "logits",
    "predict_log_proba": "logits",
}


class Teacher:
    """A map from n samples to (n, n_columns) logits or probabilities.

    A subclass defines `_evaluate(X)`. A call checks its result: it must be finite, and have two
    dimensions and one row per sample. `sklearn.base.clone` shares a teacher instead of copying it.

    Parameters
    ----------
    classes : array-like of shape (n_columns,), default=None
        The class of each output column. None: not known.
    output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the outputs are. With "auto" the student decides by their values.
    """

    # Names of the columns of the last output, if that was a DataFrame. They are the same each time.
    # They are not pickled, so that calls do not change the hash.
    column_names = None

    def __init__(self, classes=None, output="auto"):
        self.classes = classes
        self.output = output

    @property
    def is_fixed(self):
        """Whether `fit` leaves the teacher as it is."""
        return True

    @property
    def classes_(self):
        """The class of each output column, or None if it is not known."""
        return None if self.classes is None else np.asarray(self.classes)

    def fit(self, X, y=None, sample_weight=None):
        """Return a fitted teacher. A teacher that is used as it is returns itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,), default=None
            Classes of the samples.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        teacher : Teacher
            The fitted teacher.
        """
        return self

    def expecting(self, classes):
        """Return a teacher that knows the classes of the student that asks.

        Parameters
        ----------
        classes : array-like of shape (n_classes,)
            The student's sorted classes.

        Returns
        -------
        teacher : Teacher
            The teacher itself, unless it has several outputs to choose from.
        """
        return self

    @property
    def own_classes(self):
        """What an estimator or a callable calls its columns, whatever `classes` says, or None."""
        return None

    @property
    def knows_its_order(self):
        """Whether the model itself says which class each column has."""
        own = self.own_classes
        return own is not None and np.array_equal(self.classes_, own)

    @property
    def margins_of(self):
        """Name of the estimator whose margins the outputs are, or None where they are not."""
        return None

    def check_numbers_as_classes(self):
        """Warn if columns are numbered, although they have names that could not be read."""

    def __call__(self, X):
        """Return the outputs for X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the form that the teacher takes.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_columns), float32 or float64
            Logits or probabilities, one row per sample.
        """
        if not (hasattr(X, "shape") or hasattr(X, "__len__")):
            X = np.asarray(X)
        if hasattr(X, "shape") and len(X.shape) == 0:
            raise ValueError(f"teacher {self!r}: expected rows, got the scalar X={X!r}.")
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        outputs = self._evaluate(X)
        self._check_order()
        names = column_names(outputs)
        if names is not None:
            self.column_names = names
        return check_outputs(outputs, f"teacher {self!r}", n_rows)

    def _check_order(self):
        """Raise UnusableTeacherError if `classes` are those of the model in another order."""
        own = None if self.classes is None else self.own_classes
        if own is not None and are_reordered(own, self.classes):
            raise UnusableTeacherError(
                f"teacher_classes={shortened(list(self.classes))}, and the columns of {self!r} "
                f"are its own classes_, {shortened(list(own))}, in this order: leave "
                "teacher_classes out. (If y calls other classes so, pass a function of X that "
                "returns the outputs, and teacher_classes.)"
            )

    def _evaluate(self, X):
        raise NotImplementedError(f"{type(self).__name__} must define _evaluate(X).")

    def __sklearn_clone__(self):
        return self

    def __getstate__(self):
        return {key: value for key, value in vars(self).items() if key != "column_names"}


class CallableTeacher(Teacher):
    """A teacher that is any callable, used as it is.

    The bound `predict_proba`, `decision_function` or `predict_log_proba` of a fitted estimator
    has the classes of the estimator and a known kind of output. Any other callable may have an
    attribute `classes_`.

    Parameters
    ----------
    function : callable
        Function of X that returns an array, tensor or DataFrame of shape (n_samples, n_columns).
    classes : array-like of shape (n_columns,), default=None
        The class of each column. None takes `classes_` of the callable or of its estimator. If
        there is none, the classes are not known.

    Examples
    --------
    >>> from sklearn_koopman.teachers import as_teacher
    >>> teacher = as_teacher(lambda X: [[x, 1 - x] for x in X], classes=["low", "high"])
    >>> teacher([0.25, 1.0])
    array([[0.25, 0.75],
           [1.  , 0.  ]])
    """

    def __init__(self, function, classes=None):
        self.function = function
        super().__init__(classes, _METHOD_OUTPUTS.get(self._method(), "auto"))

    @property
    def classes_(self):
        """The class of each output column, or None where it is not known."""
        return self.own_classes if self.classes is None else super().classes_

    @property
    def own_classes(self):
        """The `classes_` of the callable or of its estimator, or None."""
        owner = self.function if self._method() is None else self.function.__self__
        return getattr(owner, "classes_", None)

    @property
    def margins_of(self):
        """Name of the estimator whose margins the outputs are, or None where they are not."""
        is_scores = self._method() == "decision_function"
        return margins_of(self.function.__self__) if is_scores else None

    def _method(self):
        """Name of the estimator's method that the function is, or None if it is not one."""
        name = getattr(self.function, "__name__", None)
        bound = hasattr(getattr(self.function, "__self__", None), "fit")
        return name if bound and name in _METHOD_OUTPUTS else None

    def _evaluate(self, X):
        owner = getattr(self.function, "__self__", None)
        if is_skorch(owner):
            X = skorch_input(X)
        if self._method() == "decision_function":
            refuse_one_vs_one(owner)
        outputs = self.function(X)
        if self._method() == "predict_log_proba":
            # Only here -inf has a meaning: a probability of exactly 0.
            return np.maximum(outputs, np.log(TINY))
        return outputs

    def __repr__(self):
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return f"{type(self).__name__}({name})"
