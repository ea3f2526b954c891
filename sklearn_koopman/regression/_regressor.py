"""What the regressors share: targets, fitting, prediction."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from .._threads import threads_for
from .._validation import DTYPES, check_verbose
from ..rows import RowBlocks, as_numpy, fit_lifter, telling_what_rows_are
from ..students import LeastSquares, check_weights, dtype_of_coefficients


@dataclass(frozen=True)
class RegressionTask:
    """All that the solver needs: lifted rows and their targets.

    Attributes
    ----------
    blocks : RowBlocks
    targets : ndarray of shape (n_samples, n_targets)
    sample_weight : ndarray of shape (n_samples,)
    X : ndarray, or rows in another form, of shape (n_samples, n_features)
        What `fit` received.
    known : dict of str -> object
        Attributes that are fitted before the solver starts, by name.
    """

    blocks: RowBlocks
    targets: np.ndarray
    sample_weight: np.ndarray
    X: Any
    known: dict

    @property
    def dtype(self):
        """The dtype of X, and so of the coefficients."""
        return dtype_of_coefficients(self.X, self.blocks)

    @property
    def fitted(self):
        """Attributes that are fitted before the solver starts, without those that are None."""
        return {name: value for name, value in self.known.items() if value is not None}

    @property
    def n_targets(self):
        """How many numbers a row is mapped to."""
        return self.targets.shape[1]


class KoopmanRegressor(MultiOutputMixin, RegressorMixin, LeastSquares):
    """Base of the regressors.

    A subclass has the parameters of `LeastSquares`. It may learn from more than X and y.
    """

    _without_dask = "hand it chunks in memory, or the sums of them as rows."
    _outputs = "The predictions"

    # Whether y had one dimension: then predictions have one too.
    _is_flat: bool

    def predict(self, X):
        """Return the targets that the student predicts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as `fit` received them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            As y of `fit`.
        """
        return self._map_outputs(lambda y: y[:, 0] if self._is_flat else y, X)

    def _check_parameters(self):
        self._check_least_squares()
        check_verbose(self)

    def _fit(self, X, y, sample_weight, **more):
        """Fit the regressor. Subclasses learn from the further arguments `more`."""
        with self._keeping_what_was_fitted():
            self._check_parameters()
            with telling_what_rows_are(X):
                task = self._prepare(X, y, sample_weight, **more)
            with threads_for(task.blocks):
                fitted = self._solve(task)
            self._store(fitted | task.fitted)
        return self

    def _prepare(self, X, y, sample_weight):
        """Validate what `fit` received and put the solver's task together."""
        return self._task(X, y, sample_weight)

    def _task(self, X, y, sample_weight, *, continues=False, are_more_to_come=False):
        """Return the task of `fit`, or of a call of `partial_fit`."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        X, y, weights = self._validate(
            X, y, sample_weight, reset=not continues, are_more_to_come=are_more_to_come
        )
        lifter = getattr(self, "lifter_", None) if continues else fit_lifter(self.lifter, X, y)
        return RegressionTask(
            self._blocks_to_learn_from(X, X, lifter),
            as_columns(y),
            weights,
            X,
            {"lifter_": lifter, "_is_flat": y.ndim == 1},
        )

    def _validate(self, X, y, sample_weight, *, reset=True, are_more_to_come=False):
        """Return X, y and weights as arrays. y may be None if the subclass allows it."""
        self._refuse_dask(X)
        X = self._validate_rows(X, reset=reset)
        if y is not None:
            y = check_array(
                as_numpy(y), dtype=DTYPES, ensure_2d=False, input_name="y", estimator=self
            )
            if y.ndim > 2 or not y.size:
                raise ValueError(
                    f"y has the shape {y.shape}: it must have one number, or one row of numbers, "
                    "for each row of X."
                )
            check_consistent_length(X, y)
        weights = as_numpy(sample_weight)
        return X, y, check_weights(weights, X.shape[0], are_more_to_come=are_more_to_come)

    def _targets(self, task):
        return task.targets, task.sample_weight


def as_columns(y):
    """Return targets as columns, float64, (n_samples, n_targets)."""
    return np.asarray(y, dtype=np.float64).reshape(len(y), -1)
