"""The weights that the matrix gives to the filters of a convolution and to places of an image."""

import numpy as np
from sklearn.pipeline import make_pipeline

from .._validation import flat_rows
from ..lifting import ConvolutionalLifter, transformed
from ..rows import DiagonalMoments, accumulated, lifted_blocks
from ..selection import ObservableSelector
from ..students import flat_steps, split_student

# Red is for a class, blue is against it.
COLORS = "RdBu_r"


def filter_weights(student, X=None):
    """Return the weight that each class gives to each filter in each cell of the grid.

    They are the entries of the matrix in another shape. To compare weights, pass rows: an
    observable that hardly varies may have a large weight without an effect.

    Parameters
    ----------
    student : estimator
        A fitted classifier with a Koopman matrix right after a
        :class:`~sklearn_koopman.ConvolutionalLifter`, or after an
        :class:`~sklearn_koopman.ObservableSelector` of such a lifter; or a pipeline or search that
        ends in such a classifier.
    X : array-like of shape (n_samples, n_features), default=None
        Rows for the scales: each weight is multiplied by the standard deviation of its observable
        on these rows. None: the weights are the entries of the matrix.

    Returns
    -------
    weights : ndarray of shape (n_classes, n_filters, n_signs, n_cells_down, n_cells_across)
        "threshold" and "proportion" have two signs, other functions have one. Observables that an
        `ObservableSelector` did not choose have the weight 0.

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
    """Return how much each cell of the grid contributes to the logits of some rows.

    A logit is a sum over observables, and each observable belongs to one cell. So a logit is a sum
    over cells, and nothing is approximated.

    Parameters
    ----------
    student : estimator
        As for `filter_weights`.
    X : array-like of shape (n_samples, n_features)
        Rows whose logits are split.
    X_reference : array-like of shape (n_reference, n_features), default=None
        Rows whose mean observables are subtracted from the observables of X. Then the maps show
        what is different in the rows of X. None: nothing is subtracted.

    Returns
    -------
    maps : ndarray of shape (n_samples, n_classes, n_cells_down, n_cells_across)
        The sums over the cells are the logits without the intercept. With `X_reference` they are
        the logits minus the mean logits of the reference rows.

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
    """Return the fitted convolution in an estimator, and the steps before it.

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
        If there is no convolution.
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
                "Between the ConvolutionalLifter and the matrix there is "
                f"{', '.join(type(step).__name__ for step in between)}, so the weights do not "
                "belong to single filters and cells."
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
        """Return the number of the class that has a label."""
        found = np.flatnonzero(self.classes == label)
        if len(found) != 1:
            raise ValueError(
                f"label={label!r} is not a class: the classes are {list(self.classes)}."
            )
        return int(found[0])

    def weights(self, X=None):
        """Return the weights, as `filter_weights` does."""
        weights = self.matrix
        if X is not None:
            weights = weights * self._mean_and_std(X)[1]
        return self._by_filter(weights)

    def logit_maps(self, X, X_reference=None):
        """Return the maps, as the function `logit_maps` does."""
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
