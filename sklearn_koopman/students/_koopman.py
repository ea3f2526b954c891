"""What the classifiers with one matrix share: storing it, and predicting with it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._warnings import warn_user
from ..lifting import Operations, operations_of
from ..rows import BlockFunction
from ._lifted import LiftedStudent
from ._lifted_rows import LiftedEstimator

# Rounding errors of logits above this are told. One-hot targets differ by 1, and log-odds that are
# off by this much are probabilities that are off by up to 0.025.
LARGEST_ERROR = 0.1


class KoopmanMatrix(LiftedEstimator):
    """Base of the estimators whose outputs are one matrix times the observables."""

    _takes_sparse = True

    # What is fitted: for the observables as they are.
    coef_: Any
    intercept_: Any

    @property
    def koopman_matrix_(self):
        """Matrix K of shape (n_outputs, n_observables) with outputs ``K psi``.

        Outputs are the logits of a classifier, or the targets of a regressor. The intercept is in
        the column of the constant observable 1. Without that observable K is `coef_`, and
        `intercept_` must be added.
        """
        check_is_fitted(self)
        matrix = self.coef_.copy()
        if self._constant_observable is not None:
            matrix[:, self._constant_observable] += self.intercept_
        return matrix

    def operations(self):
        """Return what the fitted estimator stores and what it multiplies for one sample.

        Returns
        -------
        operations : Operations
            Operations of the `lifter_`, if there is one, and of the matrix.
        """
        check_is_fitted(self)
        lifted = operations_of(getattr(self, "lifter_", None))
        return lifted + Operations.of_matrix(self.coef_, self.intercept_)

    def add_to_graph(self, nodes, rows):
        """Add the outputs to an ONNX graph.

        Parameters
        ----------
        nodes : Nodes
        rows : variable

        Returns
        -------
        outputs : variable
        """
        check_is_fitted(self)
        lifted = nodes.add_transformer(getattr(self, "lifter_", None), rows)
        matrix, intercept = nodes.constant(self.coef_.T), nodes.constant(self.intercept_)
        return nodes.add("Gemm", lifted, matrix, intercept)

    def _output_function(self):
        """Return the function from lifted rows to outputs, which is all that a worker needs."""
        return Affine(self.coef_.T, self.intercept_)


class KoopmanClassifier(KoopmanMatrix, LiftedStudent):
    """Base of the classifiers whose logits are one matrix times the observables."""

    __metadata_request__partial_fit = {"soft_labels": True, "teacher_X": True}  # noqa: RUF012

    # Attributes of every subclass.
    moments_: Any

    def _prepare_more(self, X, y, classes, sample_weight, soft_labels, teacher_X, *, continues):
        """Make the task of one call of `partial_fit`."""
        if classes is None:
            classes = getattr(self, "classes_", None)
        if classes is None and y is not None:
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
            are_more_to_come=True,
        )


def koopman_attributes(coef, intercept, scale, dtype):
    """Return the fitted attributes of a matrix, for observables that are not standardised.

    Parameters
    ----------
    coef : ndarray of shape (n_observables, n_classes)
        Coefficients of the standardised observables.
    intercept : ndarray of shape (n_classes,)
    scale : Scale
    dtype : numpy.dtype
        Dtype of X, and so of the attributes.

    Returns
    -------
    fitted : dict of str -> object
    """
    coef, intercept = scale.unscale(coef, intercept)
    warn_if_rounded_away(coef, scale, dtype)
    ones = np.flatnonzero(scale.constant & (scale.mean == 1.0))
    return {
        "coef_": np.ascontiguousarray(coef.T, dtype=dtype),
        "intercept_": intercept.astype(dtype),
        "_constant_observable": int(ones[0]) if len(ones) else None,
    }


def warn_if_rounded_away(coef, scale, dtype):
    """Warn if rounding may change classes: logits are small differences of large terms then.

    Parameters
    ----------
    coef : ndarray of shape (n_observables, n_classes)
        Coefficients of the observables without standardisation.
    scale : Scale
        Means and deviations of the observables.
    dtype : numpy.dtype
        Dtype in which logits are computed.
    """
    size = np.hypot(scale.mean, np.where(scale.constant, 0.0, scale.deviation))
    # Terms are rounded one by one, and independently of each other.
    with np.errstate(over="ignore", invalid="ignore"):  # infinite numbers raise an error later
        error = np.finfo(dtype).eps * np.linalg.norm(coef * size[:, None], axis=0).max()
    if LARGEST_ERROR < error < np.inf:
        warn_user(
            f"Rounding in {np.dtype(dtype)} changes logits by about {error:.1g}, because they are "
            "small differences of large numbers: predictions may be wrong. Scale the features "
            "first (StandardScaler), use float64, or raise ridge."
        )


@dataclass(frozen=True)
class Affine(BlockFunction):
    """A matrix times observables, dense or sparse, plus an offset.

    Attributes
    ----------
    matrix : ndarray of shape (n_observables, n_outputs)
    offset : ndarray of shape (n_outputs,)
    """

    matrix: np.ndarray
    offset: np.ndarray

    takes_sparse = True

    def __call__(self, psi):
        """Return the outputs of a block of rows."""
        return psi @ self.matrix + self.offset
