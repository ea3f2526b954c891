"""Students as plain functions of numpy, for single rows."""

import numpy as np
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._finite import all_finite, finite
from ..lifting import (
    ColumnParts,
    Flatten,
    NoFunctionError,
    SupportsFunction,
    as_function,
    in_turn,
    steps_of,
)
from ..students import flat_steps, margin
from ..teachers import shortened
from ._parts import check_has_no_network, n_features_of


def compile(estimator):
    """Return a fitted student as a few plain functions of numpy, for single rows.

    In a pipeline, each step checks its input, which takes some hundred microseconds, and a
    dictionary starts its threads. For a single row this takes much longer than the multiplications.
    A compiled student checks a row once. Its answers are the same, to rounding.

    Parameters
    ----------
    estimator : estimator
        A fitted student of this package, or a pipeline or search that ends in one. The
        transformers before it may be PCA, IncrementalPCA, TruncatedSVD, ActiveSubspace,
        StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, Normalizer, SimpleImputer,
        selectors of columns, PolynomialFeatures, RBFSampler, Nystroem with a Gaussian kernel, the
        dictionaries of this package, unions and ObservableSelectors of them, and any transformer
        that has a method `to_function`: see :class:`~sklearn_koopman.lifting.SupportsFunction`.

    Returns
    -------
    compiled : CompiledStudent

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If a step has no form as a plain function, or the estimator does not end in a student that
        has one.

    See Also
    --------
    to_onnx : For onnxruntime, without Python.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman import deployment
    >>> X, y = load_iris(return_X_y=True)
    >>> student = make_pipeline(PCA(2), MonomialLifter(2), EDMDClassifier()).fit(X, y)
    >>> compiled = deployment.compile(student)
    >>> compiled.predict(X[:1])
    array([0])
    >>> int(compiled.predict(X[0]))
    0
    """
    check_has_no_network(estimator, "compile")
    steps = flat_steps(estimator)
    student = steps[-1] if steps else estimator
    if not (isinstance(student, SupportsFunction) and hasattr(student, "predict")):
        raise NoFunctionError(
            f"compile: estimator={estimator!r} ends in {type(student).__name__}, which has no form "
            "as a plain function. Pass a fitted classifier or regressor with a Koopman matrix, a "
            "TensorTrainClassifier or a CompressedStudent, or a pipeline or search that ends in "
            "one."
        )
    check_is_fitted(student)
    return CompiledStudent(steps)


def _has_classes(compiled):
    return _or_attribute_error(compiled.classes_ is not None, "decision_function", "classes")


def _has_probabilities(compiled):
    return _or_attribute_error(compiled._has_probabilities, "predict_proba", "probabilities")


def _or_attribute_error(has_it, name, what):
    if has_it:
        return True
    raise AttributeError(f"{name}: the student that was compiled has no {what}.")


def _fills_gaps(step):
    """Say whether a first step, or some of its columns, begins with an imputer."""
    if isinstance(step, ColumnTransformer):
        return any(_fills_gaps(part) for _, part, _ in ColumnParts.of(step).parts)
    return any(isinstance(each, SimpleImputer) for each in steps_of(step)[:1])


class CompiledStudent:
    """Result of `compile`: gives the answers of a student for one or several rows.

    It cannot be pickled. Ship the student, and compile it where it is loaded.

    Parameters
    ----------
    steps : list of fitted estimators
        The transformers, and the student after them.

    Attributes
    ----------
    n_features_in_ : int
    dtype : numpy.dtype
        The dtype of the student, float32 or float64. Rows are converted to it.
    classes_ : ndarray of shape (n_classes,), or None
        The classes; None for a regressor.
    """

    def __init__(self, steps):
        student = steps[-1]
        self.dtype = np.dtype(student.intercept_.dtype)
        self.n_features_in_ = n_features_of(steps[0])
        self._takes_missing = _fills_gaps(steps[0])
        self._names = list(getattr(steps[0], "feature_names_in_", []))
        self._image_shape = steps[0].input_shape_ if isinstance(steps[0], Flatten) else None
        self.classes_ = getattr(student, "classes_", None)
        self._has_probabilities = hasattr(student, "predict_proba")
        self._is_flat = self.classes_ is None and student._is_flat
        self._outputs_of = in_turn([as_function(step, self.dtype) for step in steps])

    def __reduce__(self):
        raise TypeError(
            "A compiled student cannot be pickled, nor sent to another process: it is made of "
            "functions. Ship the student, by pickle or deployment.save_student, and call "
            "deployment.compile where it is loaded."
        )

    def __copy__(self):
        return self  # nothing changes it

    def __deepcopy__(self, memo):
        return self

    def predict(self, X):
        """Return the classes with the largest logits, or the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or (n_features,)
            Numbers. The names of the columns of a data frame must be those of `fit`. If the student
            begins with :class:`~sklearn_koopman.Flatten`, images, or a single image.

        Returns
        -------
        y : ndarray of shape (n_samples,), or (n_samples, n_targets)
            The same as the student predicts. For a single row (n_features,): its class or targets.
        """
        outputs, is_row = self._outputs(X)
        if self.classes_ is not None:
            y = self.classes_[outputs.argmax(axis=1)]
        else:
            y = outputs[:, 0] if self._is_flat else outputs
        return y[0] if is_row else y

    @available_if(_has_classes)
    def decision_function(self, X):
        """Return the logits of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or (n_features,)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For a single row (n_features,): without the first axis.
        """
        outputs, is_row = self._outputs(X)
        logits = finite(margin(outputs), "The logits")
        return logits[0] if is_row else logits

    @available_if(_has_probabilities)
    def predict_proba(self, X):
        """Return the probabilities of the classes, the softmax of the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or (n_features,)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            For a single row (n_features,): of shape (n_classes,).
        """
        outputs, is_row = self._outputs(X)
        probabilities = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities[0] if is_row else probabilities

    def _outputs(self, X):
        """Return the outputs for rows, and whether X is a single row."""
        rows = self._floats(X)
        if self._image_shape is not None:
            if rows.shape == self._image_shape:
                rows = rows.ravel()
            elif rows.shape[1:] == self._image_shape:
                rows = rows.reshape(len(rows), -1)
        is_row = rows.ndim == 1
        if is_row:
            rows = rows[None]
        if rows.ndim != 2:
            raise ValueError(
                f"X has the shape {rows.shape}: expected rows (n_samples, n_features), or a single "
                "one (n_features,)."
            )
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {rows.shape[1]} features, but the compiled student is expecting "
                f"{self.n_features_in_} features as input."
            )
        if not len(rows):
            raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
        if not (self._takes_missing or all_finite(rows)):
            raise ValueError(
                f"X contains NaN or infinity, or values too large for {self.dtype}."
            )
        what = "The logits" if self.classes_ is not None else "The predictions"
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # it is an error if it reaches the outputs
            outputs = self._outputs_of(rows)
        return finite(outputs, what), is_row

    def _floats(self, X):
        if isinstance(X, np.ndarray) and X.dtype == self.dtype:
            return X
        if issparse(X):
            raise TypeError("X is sparse: the compiled student takes X.toarray().")
        try:
            is_complex = np.iscomplexobj(X)
        except ValueError as error:  # of numpy, for lists of lists of unequal lengths
            raise ValueError(
                "X has rows of unequal lengths: all need the same features."
            ) from error
        if is_complex:
            raise ValueError("Complex data not supported.")
        names = list(getattr(X, "columns", []))
        if names and self._names and names != self._names:
            raise ValueError(
                "The feature names should match those that were passed during fit, in the same "
                f"order: {shortened(self._names)}, got {shortened(names)}."
            )
        with np.errstate(
            over="ignore"
        ):  # numbers that are too large become infinite, which is an error
            return np.asarray(X, dtype=self.dtype)
