"""Temporary steps of a pipeline that pass rows to the student, which lifts them later."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import validate_data

from ._validation import DTYPES
from .lifting import BlockLifter, can_lift_later, steps_of
from .rows import (
    LiftedRows,
    Origin,
    as_floats,
    fit_on_labelled,
    fit_transform_on_labelled,
    float_rows,
    is_dask,
    rows_to_fit,
)
from .students import LiftedEstimator, Student, has_label

# Up to this many rows are lifted at once when a student predicts. They take little memory, and a
# single row should not wait for the setup of blocks.
FEW_ROWS = 256


def are_few(X):
    """Return whether the rows are so few that they can be lifted at once.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
    """
    shape: tuple = getattr(X, "shape", ())
    return len(shape) > 0 and not is_dask(X) and shape[0] <= FEW_ROWS


def streamed(steps, X):
    """Return the steps of a pipeline, with wrappers around steps that can lift later.

    Parameters
    ----------
    steps : list of (name, estimator)
    X : array-like of shape (n_samples, ...)
        Input of the first step.

    Returns
    -------
    steps : list of (name, estimator)
        Steps. The same list if the last step is not a student that reads lifted rows.
    """
    if not _ends_in_a_reader(steps):
        return steps
    *before, last = steps
    return [*_wrapped(before, all_of_them=is_dask(X)), last]


def knowing_labels(steps, y):
    """Return the steps of a pipeline, with wrappers around steps that learn from labels.

    Then the marker for "no label" in y is not a class for them.

    Parameters
    ----------
    steps : list of (name, estimator)
        Steps from `streamed`.
    y : array-like of shape (n_samples,), or None

    Returns
    -------
    steps : list of (name, estimator)
        Steps. The same list if all rows have a label.
    """
    marker = getattr(_student_at_the_end(steps), "unlabeled_value", None)
    if marker is None or y is None or np.ndim(y) != 1:
        return steps
    is_labelled = has_label(np.asarray(y), marker)
    if is_labelled.all():
        return steps
    *before, last = steps
    return [*((name, _knowing(step, is_labelled)) for name, step in before), last]


def _student_at_the_end(steps):
    """Return the student that is the last step, also in nested pipelines, or None."""
    try:
        _, last = steps[-1]
    except (
        TypeError,
        ValueError,
        LookupError,
    ):  # not a list of pairs: the pipeline will raise an error
        return None
    if isinstance(last, Pipeline):
        return _student_at_the_end(last.steps)
    return last if isinstance(last, Student) else None


def _knowing(step, is_labelled):
    """Return a step that learns only from rows with labels."""
    if step is None or step == "passthrough":
        return step
    if isinstance(step, _LiftingStep):
        return _LiftingStep(step.step, is_labelled)
    return _LabelledStep(step, is_labelled)


def with_origin(pipeline, X):
    """Tell the last step which rows enter the pipeline, if it makes or moves such rows.

    Parameters
    ----------
    pipeline : Pipeline
        Pipeline with steps from `streamed`. The last step is replaced.
    X : array-like of shape (n_samples, ...)
        Input of the pipeline.
    """
    if _ends_in_a_reader(pipeline.steps) and len(pipeline.steps) > 1:
        name, student = pipeline.steps[-1]
        if getattr(student, "transfer_set", None) is not None or _moves_rows(student):
            pipeline.steps[-1] = name, _TransferringStep(student, pipeline, X)


def _moves_rows(student):
    """Whether a student uses distances between the rows that enter."""
    return bool(getattr(student, "perturbation", 0.0))


def unwrapped(steps):
    """Return the steps of a pipeline without the wrappers of `streamed`."""
    wrappers = _LabelledStep | _LiftingStep | _TransferringStep
    return [(name, step.step if isinstance(step, wrappers) else step) for name, step in steps]


def _ends_in_a_reader(steps):
    """Return whether the last step reads lifted rows."""
    try:
        _, last = steps[-1]
    except (
        TypeError,
        ValueError,
        LookupError,
    ):  # not a list of pairs: the pipeline will raise an error
        return False
    return isinstance(last, LiftedEstimator)


def _wrapped(steps, *, all_of_them):
    """Wrap the last steps that can lift later, or all of them for a dask array."""
    wrapped = list(steps)
    for place in reversed(range(len(steps))):
        name, step = steps[place]
        if step is None or step == "passthrough":
            continue
        if not (all_of_them or can_lift_later(step)):
            break
        wrapped[place] = name, _LiftingStep(step)
    return wrapped


class _LiftingStep(BaseEstimator):
    """A step that is fitted now, and lifts rows when they are read.

    Parameters
    ----------
    step : transformer
    is_labelled : ndarray of bool, shape (n_samples,), default=None
        Mask of the rows with a label. None: all.
    """

    def __init__(self, step, is_labelled=None):
        self.step = step
        self.is_labelled = is_labelled

    def get_metadata_routing(self):
        return self.step.get_metadata_routing()

    def fit(self, X, y=None, **params):
        """Fit the step."""
        X, y = rows_to_fit(self.step, as_floats(X), y, "step")
        is_labelled = self.is_labelled
        if is_labelled is not None:
            is_labelled = is_labelled[: len(y)]  # as many as the step is fitted to
        fit_on_labelled(self.step, X, y, is_labelled, **params)
        return self

    def fit_transform(self, X, y=None, **params):
        """Fit the step, and return the unchanged rows together with the step."""
        return self.fit(X, y, **params).transform(X)

    def transform(self, X):
        """Return the unchanged rows together with the step."""
        if isinstance(X, LiftedRows):
            return X.lifted_by(self.step)
        if is_dask(X):
            return LiftedRows(float_rows(X), [self.step])
        first = next(iter(steps_of(self.step)), None)
        if isinstance(first, BlockLifter):
            rows = as_floats(X)
            if rows is X:
                rows = validate_data(first, X, dtype=DTYPES, reset=False)
            else:  # converted when they are read, so only the form is checked
                validate_data(first, rows[:1], reset=False)
            row = X[:1] if hasattr(first, "feature_names_in_") else None
            return LiftedRows(rows, [self.step], row=row)
        if isinstance(X, np.ndarray) and X.ndim == 2:
            return LiftedRows(X, [self.step])
        return self.step.transform(X)


class _LabelledStep(BaseEstimator):
    """A step that is fitted to rows of which some have no label.

    Parameters
    ----------
    step : transformer
    is_labelled : ndarray of bool, shape (n_samples,)
    """

    def __init__(self, step, is_labelled):
        self.step = step
        self.is_labelled = is_labelled

    def get_metadata_routing(self):
        return self.step.get_metadata_routing()

    def fit(self, X, y=None, **params):
        """Fit the step."""
        fit_on_labelled(self.step, X, y, self.is_labelled, **params)
        return self

    def fit_transform(self, X, y=None, **params):
        """Fit the step, and return its output for all rows."""
        return fit_transform_on_labelled(self.step, X, y, self.is_labelled, **params)

    def transform(self, X):
        """Return the output of the step for rows."""
        return self.step.transform(X)


class _TransferringStep:
    """A student that makes or moves rows that entered the pipeline.

    Parameters
    ----------
    step : TransferringStudent
    pipeline : Pipeline
        Pipeline whose last step it is.
    entered : array-like of shape (n_samples, ...)
    """

    def __init__(self, step, pipeline, entered):
        self.step = step
        self._pipeline = pipeline
        self._entered = entered

    def get_metadata_routing(self):
        return self.step.get_metadata_routing()

    def fit(self, X, y=None, **params):
        """Fit the student to rows with their origin."""
        if not isinstance(X, LiftedRows):
            X = LiftedRows(X, [])
        steps = [step for _, step in unwrapped(self._pipeline.steps[:-1])]
        X.origin = Origin(self._entered, make_pipeline(*steps))
        self.step.fit(X, y, **params)
        return self
