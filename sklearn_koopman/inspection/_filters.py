"""What the matrix says of the filters of a convolution, and of the places of an image."""

import numpy as np
from sklearn.pipeline import make_pipeline

from .._validation import flat_rows
from ..lifting import ConvolutionalLifter, transformed
from ..rows import DiagonalMoments, accumulated, lifted_blocks
from ..selection import ObservableSelector
from ..students import flat_steps, split_student

# Red speaks for a class, blue against it.
COLORS = "RdBu_r"


def filter_weights(student, X=None):
    """Return the weights that each class gives each filter in each cell of the grid.

    They are the entries of the matrix in another shape. To compare them, give rows: an observable
    that hardly varies may have a large weight that does nothing.

    Parameters
    ----------
    student : estimator
        A fitted classifier with a Koopman matrix right after a
        :class:`~sklearn_koopman.ConvolutionalLifter`, or after an
        :class:`~sklearn_koopman.ObservableSelector` of one; or a pipeline or search that ends in
        it.
    X : array-like of shape (n_samples, n_features), default=None
        Rows: each weight is multiplied by the standard deviation of its observable on them. None:
        the entries as they are.

    Returns
    -------
    weights : ndarray of shape (n_classes, n_filters, n_signs, n_cells_down, n_cells_across)
        Of "threshold" and "proportion" there are two signs, of others one. What an
        `ObservableSelector` did not choose has the weight 0.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_koopman import ConvolutionalLifter, EDMDClassifier
    >>> from sklearn_koopman.inspection import filter_weights
    >>> X, y = load_digits(return_X_y=True)
    >>> lifter = ConvolutionalLifter((8, 8), n_filters=6, filter_size=3, grid=2, random_state=0)
    >>> student = EDMDClassifier(lifter=lifter).fit(X, y)
    >>> filter_weights(student, X).shape
    (10, 6, 2, 2, 2)
    """
    return StudentOfFilters(student).weights(X)


def logit_maps(student, X, *, X_reference=None):
    """Return which cells of the grid the logits of some rows come from.

    A logit is a sum over observables, each of which is of one cell, so it is a sum over cells:
    nothing is approximated.

    Parameters
    ----------
    student : estimator
        As for `filter_weights`.
    X : array-like of shape (n_samples, n_features)
        The rows.
    X_reference : array-like of shape (n_reference, n_features), default=None
        Rows whose mean observables are subtracted from those of X: maps then say what makes these
        rows different. None: nothing is subtracted.

    Returns
    -------
    maps : ndarray of shape (n_samples, n_classes, n_cells_down, n_cells_across)
        Their sums over the cells are the logits without the intercept; with `X_reference`, the
        logits less their means on these rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_koopman import ConvolutionalLifter, EDMDClassifier
    >>> from sklearn_koopman.inspection import logit_maps
    >>> X, y = load_digits(return_X_y=True)
    >>> lifter = ConvolutionalLifter((8, 8), n_filters=6, filter_size=3, grid=2, random_state=0)
    >>> student = EDMDClassifier(lifter=lifter).fit(X, y)
    >>> maps = logit_maps(student, X[:5])
    >>> maps.shape
    (5, 10, 2, 2)
    >>> logits = maps.sum(axis=(2, 3)) + student.intercept_
    >>> np.allclose(logits, student.decision_function(X[:5]))
    True
    """
    return StudentOfFilters(student).logit_maps(X, X_reference)


def convolution_of(estimator):
    """Return the fitted convolution that is in an estimator, and the steps before it.

    Parameters
    ----------
    estimator : estimator
        A fitted lifter or student, or a pipeline or search.

    Returns
    -------
    before : list of transformers
    lifter : ConvolutionalLifter

    Raises
    ------
    ValueError
        If there is none.
    """
    steps = flat_steps(estimator)
    if steps:
        steps += flat_steps(getattr(steps[-1], "lifter_", None))
    for i, step in enumerate(steps):
        if isinstance(step, ObservableSelector):
            step = getattr(step, "lifter_", None)
        if isinstance(step, ConvolutionalLifter):
            return steps[:i], step
    raise ValueError(
        f"There is no ConvolutionalLifter among the steps of {type(estimator).__name__}: "
        f"{', '.join(type(step).__name__ for step in steps)}."
    )


class StudentOfFilters:
    """A student that is a matrix right after a convolution."""

    def __init__(self, student):
        transformers, classifier = split_student(student)
        before, self.lifter = convolution_of(make_pipeline(*transformers, "passthrough"))
        between = transformers[len(before) + 1 :]
        if between:
            raise ValueError(
                f"Between the ConvolutionalLifter and the matrix is "
                f"{', '.join(type(step).__name__ for step in between)}, so that no weight belongs "
                "to one filter and cell."
            )
        self.before = before
        self.classes = classifier.classes_
        self.matrix = np.asarray(classifier.coef_, dtype=np.float64)
        self.intercept = classifier.intercept_
        selector = transformers[len(before)]
        if isinstance(selector, ObservableSelector):
            chosen = self.matrix
            self.matrix = np.zeros((len(chosen), self.lifter.n_output_features_))
            self.matrix[:, selector.get_support()] = chosen

    def index_of(self, label):
        """Return which of the classes a label is."""
        found = np.flatnonzero(self.classes == label)
        if len(found) != 1:
            raise ValueError(f"label={label!r} is not a class: they are {list(self.classes)}.")
        return int(found[0])

    def weights(self, X=None):
        """Return weights as `filter_weights` does."""
        weights = self.matrix
        if X is not None:
            weights = weights * self._mean_and_std(X)[1]
        return self._by_filter(weights)

    def logit_maps(self, X, X_reference=None):
        """Return maps as the function of this name does."""
        observables = self.observables(X).astype(np.float64)
        if X_reference is not None:
            observables -= self._mean_and_std(X_reference)[0]
        weights = self._by_filter(self.matrix)
        observables = self._by_filter(observables)
        return np.einsum("nfsyx,cfsyx->ncyx", observables, weights, optimize=True)

    def observables(self, X):
        """Return all observables of rows."""
        return transformed(self._lifter_of_rows, flat_rows(X))

    def _mean_and_std(self, X):
        """Return means and standard deviations of the observables, block by block."""
        blocks = lifted_blocks(self._lifter_of_rows, flat_rows(X))
        moments = DiagonalMoments(blocks.n_observables)
        moments = accumulated(moments, blocks, np.ones(len(X)))
        return moments.mean, np.sqrt(moments.sum_of_squares / moments.weight)

    @property
    def _lifter_of_rows(self):
        return make_pipeline(*self.before, self.lifter)

    def _by_filter(self, values):
        """Return values of observables by filter, sign and cell."""
        return values.reshape(len(values), len(self.lifter.filters_), -1, *self.lifter.grid_)
