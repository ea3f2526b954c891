"""Steps of a pipeline for the time of a call: they hand the student rows that are lifted later."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import validate_data

from ._validation import DTYPES
from .lifting import BlockLifter, can_lift_later, steps_of
from .rows import LiftedRows, Origin, float_rows, is_dask, rows_to_fit
from .students import LiftedStudent, TransferringStudent

# Rows that are lifted at once when a student predicts: they take little memory, and one row should
# not wait for what blocks of rows need.
FEW_ROWS = 256


def are_few(X):
    """Return whether the rows are so few that they may as well be lifted at once.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
    """
    return getattr(X, "ndim", 0) > 0 and not is_dask(X) and len(X) <= FEW_ROWS


def streamed(steps, X):
    """Return the steps of a pipeline, those that can lift later wrapped so that they do.

    Parameters
    ----------
    steps : list of (name, estimator)
    X : array-like of shape (n_samples, ...)
        What enters the first of them.

    Returns
    -------
    steps : list of (name, estimator)
        The same list where the last step is not a student that reads lifted rows.
    """
    if not _ends_in_a_reader(steps):
        return steps
    *before, last = steps
    return [*_wrapped(before, all_of_them=is_dask(X)), last]


def with_origin(pipeline, X):
    """Let the last step of a pipeline know what enters it, if it makes more rows of that.

    Parameters
    ----------
    pipeline : Pipeline
        Its steps are those that `streamed` returned; the last one is replaced.
    X : array-like of shape (n_samples, ...)
        What enters it.
    """
    if _ends_in_a_reader(pipeline.steps) and len(pipeline.steps) > 1:
        name, student = pipeline.steps[-1]
        if isinstance(student, TransferringStudent) and student.transfer_set is not None:
            pipeline.steps[-1] = name, _TransferringStep(student, pipeline, X)


def unwrapped(steps):
    """Return the steps of a pipeline without what `streamed` wrapped them in."""
    wrappers = _LiftingStep | _TransferringStep
    return [(name, step.step if isinstance(step, wrappers) else step) for name, step in steps]


def _ends_in_a_reader(steps):
    """Return whether the last step reads lifted rows."""
    try:
        _, last = steps[-1]
    except (TypeError, ValueError, LookupError):  # no list of pairs: the pipeline will say so
        return False
    return isinstance(last, LiftedStudent)


def _wrapped(steps, *, all_of_them):
    """Wrap the steps at the end that can lift later; of a dask array, all of them."""
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
    """A step that is fitted now, and lifts the rows when they are read.

    Parameters
    ----------
    step : transformer
    """

    def __init__(self, step):
        self.step = step

    def get_metadata_routing(self):
        return self.step.get_metadata_routing()

    def fit(self, X, y=None, **params):
        """Fit the step."""
        X, y = rows_to_fit(self.step, X, y, "step")
        self.step.fit(X, y, **params)
        return self

    def fit_transform(self, X, y=None, **params):
        """Fit the step, and return the rows as they are and the step beside them."""
        return self.fit(X, y, **params).transform(X)

    def transform(self, X):
        """Return the rows as they are, and the step beside them."""
        if isinstance(X, LiftedRows):
            return LiftedRows(X.X, [*X.steps, self.step])
        if is_dask(X):
            return LiftedRows(float_rows(X), [self.step])
        first = next(iter(steps_of(self.step)), None)
        if isinstance(first, BlockLifter):
            return LiftedRows(validate_data(first, X, dtype=DTYPES, reset=False), [self.step])
        if isinstance(X, np.ndarray) and X.ndim == 2:
            return LiftedRows(X, [self.step])
        return self.step.transform(X)


class _TransferringStep:
    """A student with a transfer set, which makes rows of what entered the pipeline.

    Parameters
    ----------
    step : LiftedStudent
    pipeline : Pipeline
        The one that it is the last step of.
    entered : array-like of shape (n_samples, ...)
    """

    def __init__(self, step, pipeline, entered):
        self.step = step
        self._pipeline = pipeline
        self._entered = entered

    def get_metadata_routing(self):
        return self.step.get_metadata_routing()

    def fit(self, X, y=None, **params):
        """Fit the student to rows that know where they come from."""
        if not isinstance(X, LiftedRows):
            X = LiftedRows(X, [])
        steps = [step for _, step in unwrapped(self._pipeline.steps[:-1])]
        X.origin = Origin(self._entered, make_pipeline(*steps))
        self.step.fit(X, y, **params)
        return self
