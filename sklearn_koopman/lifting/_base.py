"""Base of the dictionaries: validated input, blocks of rows, names."""

from abc import abstractmethod
from decimal import Decimal

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import gen_even_slices
from sklearn.utils.validation import check_is_fitted, validate_data

from .._finite import check_finite_attributes, finite
from .._fitting import keeping_what_was_fitted
from .._memory import check_fits_in_memory
from .._threads import ThreadPool
from .._validation import DTYPES

# Number of samples that are lifted at once. Products read lower products, so a block should stay in
# the cache. But every block takes one numpy call per feature and degree. Among powers of two, this
# number is within a few percent of the fastest for 231 to 5456 observables.
BLOCK_ROWS = {"F": 2**14, "C": 2**10}


class BlockLifter(TransformerMixin, BaseEstimator):
    """Base of transformers that lift every row separately, and can do so without validation.

    A subclass defines `fit`, `_lift`, `_observable_names` and `__sklearn_is_fitted__`.
    """

    n_output_features_: int

    # Advice if the lifted samples do not fit in memory.
    _fewer_observables: str
    # Whether `fit` uses the rows, or only their form.
    _learns_from_rows = True

    def transform(self, X):
        """Lift samples to their observables.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The data to lift, row by row.

        Returns
        -------
        Psi : ndarray of shape (n_samples, `n_output_features_`)
            The observables, in the dtype of `X` if that is float32 or float64, or else in float64.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        self._check_memory(len(X), X.dtype.itemsize)
        return finite(self._lift(X), "The lifted observables")

    def to_function(self, dtype):
        """Return the lifter as a plain function of rows that are floats and finite."""
        check_is_fitted(self)
        return self._lift

    def get_feature_names_out(self, input_features=None):
        """Get the names of the observables.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input features.

            - If `input_features` is None, then `feature_names_in_` is used. If that is not
              defined, then the names are `["x0", "x1", ..., "x(n_features_in_ - 1)"]`.
            - If `input_features` is an array-like, then it must match `feature_names_in_`
              if that is defined.

        Returns
        -------
        feature_names_out : ndarray of str objects
        """
        check_is_fitted(self)
        # scikit-learn's public way to check input_features.
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        return np.asarray(self._observable_names(names), dtype=object)

    @abstractmethod
    def _lift(self, X):
        """Lift a validated array."""

    @abstractmethod
    def _observable_names(self, names):
        """Return the names of the observables of input features with these names."""

    def _check_memory(self, n_samples, itemsize):
        """Raise MemoryError if this many lifted samples do not fit in memory."""
        check_fits_in_memory(
            n_samples * self.n_output_features_ * itemsize,
            f"Lifting {n_samples} sample(s) to {self.n_output_features_} observables",
            f"{self._fewer_observables}, or, if there are many samples, put this directly before a "
            "student in sklearn_koopman.pipeline.make_pipeline: it lifts block by block.",
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Dictionary(BlockLifter):
    """Base of this package's dictionaries.

    A subclass also defines `_check_parameters` and `_fit`, and its other forms, see `_protocols`.
    """

    def fit(self, X, y=None):
        """Learn everything that the observables depend on.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The data.

        y : Ignored
            Not used, present here for API consistency by convention.

        Returns
        -------
        self : object
            Fitted transformer.
        """
        with keeping_what_was_fitted(self):
            self._check_parameters()
            self._fit(validate_data(self, X, dtype=DTYPES))
            check_finite_attributes(self, vars(self))
        return self

    @abstractmethod
    def _check_parameters(self):
        """Raise InvalidParameterError for an invalid parameter."""

    @abstractmethod
    def _fit(self, X):
        """Fit to a validated array."""


def lifted_by_columns(lift, X, n_observables, order):
    """Lift rows as columns, in blocks, with all threads, and return the observables.

    Parameters
    ----------
    lift : callable
        Function of samples as columns (n_features, n_samples) and of `out` (n_observables,
        n_samples), to which it writes their observables.
    X : ndarray of shape (n_samples, n_features)
    n_observables : int
    order : {"F", "C"}
        Memory layout of the result.

    Returns
    -------
    Psi : ndarray of shape (n_samples, n_observables)
    """
    Psi = np.empty((len(X), n_observables), X.dtype, order=order)

    def lift_share(share):
        for rows in share:
            lift(X[rows].T, out=Psi[rows].T)

    pool = ThreadPool()
    n_blocks = -(-len(X) // BLOCK_ROWS[order])
    if n_blocks > 1:
        n_blocks += -n_blocks % pool.size  # as many for each thread
    pool.map_shares(lift_share, list(gen_even_slices(len(X), n_blocks)))
    return Psi


def check_products_fit_in_memory(lifter, n_samples, n_numbers, itemsize):
    """Raise MemoryError if the products up to a degree do not fit in memory.

    Parameters
    ----------
    lifter : BlockLifter
        Lifter with a `degree`.
    n_samples : int
        Number of samples to lift.
    n_numbers : int
        Number of values that are in memory at once.
    itemsize : int
        Bytes of each value.
    """
    check_fits_in_memory(
        n_numbers * itemsize,
        f"Lifting {n_samples} sample(s) of {lifter.n_features_in_} feature(s) with "
        f"degree={lifter.degree}, hence {Decimal(lifter.n_output_features_):.6g} observables,",
        "Lower the degree, reduce the features first (PCA with fewer components), or, if there "
        "are many samples, put the lifter directly before a student in "
        "sklearn_koopman.pipeline.make_pipeline: it lifts block by block.",
    )
