"""Base of the estimators that learn from lifted rows: checks of rows, and lifting."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from .._finite import finite
from .._threads import threads_for
from .._validation import DTYPES
from ..lifting import as_function, in_turn, takes_floats_alone
from ..rows import (
    BlockFunction,
    LiftedRows,
    as_floats,
    as_given,
    consumer_of,
    float_rows,
    is_dask,
    lifted_blocks,
    stored,
    telling_what_rows_are,
    without_duplicates,
)
from ._student import SharingEstimator


class LiftedEstimator(SharingEstimator):
    """Base of the estimators that read rows through a `lifter`, and map the observables to outputs.

    A subclass has the parameter `lifter`. It defines `_output_function`, which
    predicts from lifted rows.
    """

    # Attributes of every subclass.
    lifter: Any

    # Whether its solver reads the rows only once, so they need not be kept.
    _reads_rows_once = False

    # Whether it takes sparse rows of observables.
    _takes_sparse = False

    # Advice if it does not take dask arrays.
    _without_dask: str | None = None

    # Name of its outputs in messages.
    _outputs = "The logits"

    def _map_outputs(self, function, X):
        """Return a function of the outputs for rows; for a dask array, the result is lazy."""
        check_is_fitted(self)
        with telling_what_rows_are(X):
            X = self._validate_rows(X, reset=False)
        blocks = lifted_blocks(getattr(self, "lifter_", None), X)
        outputs = self._output_function()
        with threads_for(blocks):
            return blocks.map(OfOutputs(function, outputs, self._outputs))

    def to_function(self, dtype):
        """Return the raw outputs as a plain function of rows.

        Parameters
        ----------
        dtype : numpy.dtype
            Dtype of the rows, float32 or float64.

        Returns
        -------
        function : callable
            Maps rows (n_samples, n_features) to outputs (n_samples, n_outputs).
        """
        check_is_fitted(self)
        lift = as_function(getattr(self, "lifter_", None), dtype)
        return in_turn([lift, self._output_function()])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse and self.lifter is None
        return tags

    def _device_for(self, X):
        """Return the device on which rows are lifted. None is the processor, the usual case."""

    def _rows_to_learn_from(self, X, raw_X, soft_labels, teacher_X, n_before):
        """Return X, or X with rows made from it, and whether those rows keep their labels."""
        return X, True

    def _blocks_to_learn_from(self, X, rows, lifter, device=None):
        """Return X, or rows made from it, as blocks that a fitted lifter lifts."""
        if rows is not X and isinstance(X, LiftedRows):
            lifter = make_pipeline(X.origin.lifter, lifter or "passthrough")
        blocks = lifted_blocks(lifter, rows, device=device)
        return blocks if self._reads_rows_once else stored(blocks)

    def _refuse_dask(self, X):
        """Raise TypeError for a dask array if the estimator does not take one."""
        if is_dask(X) and self._without_dask:
            raise TypeError(f"{type(self).__name__} takes no dask arrays: {self._without_dask}")

    def _validate_rows(self, X, *, reset):
        """Return X as rows to read. The chunks of a dask array are checked lazily.

        If rows are lifted later, the pipeline has checked them, and one row is lifted to find the
        number of observables and their names. If the first step belongs to another library, it
        checks its input itself. The dictionaries of this package, and students without a lifter,
        take floats.
        """
        if isinstance(X, LiftedRows):
            validate_data(self, X.named_row(), dtype=DTYPES, reset=reset)
            return X
        if is_dask(X):
            X = float_rows(X)
            validate_data(self, np.zeros((1, X.shape[1])), reset=reset)
            return X
        lifter = self.lifter if reset else getattr(self, "lifter_", None)
        if not takes_floats_alone(lifter):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return as_given(X)
        rows = as_floats(X)
        if rows is not X:
            validate_data(self, rows[:1], reset=reset)
            return rows
        if not (self._takes_sparse and lifter is None):
            return validate_data(self, X, dtype=DTYPES, reset=reset)
        X = validate_data(self, X, accept_sparse="csr", dtype=DTYPES, reset=reset)
        return without_duplicates(X) if issparse(X) else X


@dataclass(frozen=True)
class OfOutputs(BlockFunction):
    """A function of the outputs for a block of rows.

    Attributes
    ----------
    function, outputs : callable
    name : str
        Name of the outputs.
    """

    function: Callable
    outputs: Callable
    name: str

    @property
    def takes_sparse(self):
        """Whether the outputs are a function of sparse rows too."""
        return consumer_of(self.outputs).takes_sparse

    def __call__(self, psi):
        """Return the function of the outputs."""
        return self.function(finite(self.outputs(psi), self.name))


def dtype_of_coefficients(X, blocks):
    """Return the dtype of X if it has floats, or else the dtype of its observables."""
    # The blocks lift a row to find the dtype of observables.
    for rows in (X, blocks):
        if rows.dtype in DTYPES:
            return rows.dtype
    return np.dtype(np.float64)
