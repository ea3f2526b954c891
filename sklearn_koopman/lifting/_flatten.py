"""Flattening of images: the first step of a student whose teacher sees images."""

from math import prod

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers


class Flatten(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Flatten rows that have a shape, as images have.

    The dictionaries of this package and most of scikit-learn's transformers take flat rows. With
    this step before them, a pipeline takes images, and a teacher sees them with their shape.

    Rows that are flat already are left as they are, so a fitted student takes both.

    Attributes
    ----------
    input_shape_ : tuple of int
        Shape of a row.
    n_features_in_ : int
        Number of values in a row.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_koopman import EDMDClassifier, Flatten, MonomialLifter
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> digits = load_digits()
    >>> digits.images.shape
    (1797, 8, 8)
    >>> student = make_pipeline(Flatten(), PCA(20), MonomialLifter(2), EDMDClassifier())
    >>> student.fit(digits.images, digits.target).score(digits.images, digits.target) > 0.98
    True
    """

    def fit(self, X, y=None):
        """Learn the shape of a row.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows, for example images.
        y : Ignored
            Not used, present here for API consistency by convention.

        Returns
        -------
        self : object
            Fitted transformer.
        """
        X = validate_data(self, X, dtype="numeric", allow_nd=True)
        self.input_shape_ = tuple(X.shape[1:])
        self.n_features_in_ = prod(self.input_shape_)  # not only the first axis of an image
        return self

    def transform(self, X):
        """Flatten rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), or (n_samples, n_features)
            Rows of the shape that `fit` saw, or flat rows.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = X if hasattr(X, "shape") else np.asarray(X)
        if len(X.shape) <= 2:
            return validate_data(self, X, dtype="numeric", reset=False)
        X = check_array(X, dtype="numeric", allow_nd=True)
        if X.shape[1:] != self.input_shape_:
            raise ValueError(
                f"X has rows of shape {X.shape[1:]}, but Flatten was fitted to rows of shape "
                f"{self.input_shape_}. It takes those, or flat rows of {self.n_features_in_} "
                "features."
            )
        return X.reshape(len(X), -1)

    def to_layer(self):
        """Return the step as a torch layer, which takes images and flat rows."""
        check_is_fitted(self)
        return torch_layers().nn.Flatten()

    def to_function(self, dtype):
        """Return the step as a plain function of rows."""
        check_is_fitted(self)
        return _flat

    def add_to_graph(self, nodes, rows):
        """Add the step to an ONNX graph."""
        check_is_fitted(self)
        return nodes.add("Flatten", rows, axis=1)

    def add_to_program(self, program, rows):
        """Add nothing to a program, because rows are already flat in C."""
        check_is_fitted(self)
        return rows

    def operations(self):
        """Return no operations, because nothing is stored or multiplied."""
        check_is_fitted(self)
        return Operations()

    def polynomial_degree(self):
        """Return 1, because the values do not change."""
        check_is_fitted(self)
        return 1

    def __sklearn_is_fitted__(self):
        return hasattr(self, "input_shape_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _flat(rows):
    return rows.reshape(len(rows), -1)
