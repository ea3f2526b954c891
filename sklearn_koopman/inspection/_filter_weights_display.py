"""Pictures of the weights that a class gives to the filters of a convolution."""

import numpy as np

from .._axes import axes_to_draw_on
from ._filter_display import FilterDisplay
from ._filters import COLORS, StudentOfFilters


class FilterWeightsDisplay:
    """The filters to which a class gives the most weight, and the places on the grid.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, channels, height, width)
    weights : ndarray of shape (n_filters, n_signs, n_cells_down, n_cells_across)
        Weights of one class.
    title : str, default=""

    Attributes
    ----------
    order : ndarray of int of shape (n_filters,)
        Indices of the filters. The filter with the largest mean square of its weights comes first.
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes, (1 + n_signs, n_shown)
        The first row has the filters. The rows below show where the responses speak for the class
        (red) or against it (blue): first positive responses, then negative ones.

    See Also
    --------
    filter_weights : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_koopman import ConvolutionalLifter, EDMDClassifier
    >>> from sklearn_koopman.inspection import FilterWeightsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> lifter = ConvolutionalLifter((8, 8), n_filters=6, filter_size=3, grid=2, random_state=0)
    >>> student = EDMDClassifier(lifter=lifter).fit(X, y)
    >>> display = FilterWeightsDisplay.from_estimator(student, 3, X, n_shown=4)
    >>> display.axes_.shape
    (3, 4)
    """

    def __init__(self, filters, weights, *, title=""):
        self.filters = filters
        self.weights = weights
        self.title = title
        sizes = np.square(weights).mean(axis=(1, 2, 3))
        self.order = np.argsort(-sizes, kind="stable")

    @classmethod
    def from_estimator(cls, student, label, X=None, *, n_shown=8, axes=None):
        """Draw the filters that matter for a class.

        Parameters
        ----------
        student : estimator
            As for `filter_weights`.
        label : object
            The class, one of `classes_`.
        X : array-like of shape (n_samples, n_features), default=None
            Rows, as for `filter_weights`. Without rows, the weights of different observables cannot
            be compared.
        n_shown : int, default=8
            Largest number of filters to draw.
        axes : array of matplotlib Axes, default=None
            Array with the shape of `axes_`. None makes a new figure.

        Returns
        -------
        display : FilterWeightsDisplay
        """
        parts = StudentOfFilters(student)
        weights = parts.weights(X)[parts.index_of(label)]
        display = cls(parts.lifter.filters_, weights, title=f"{label}")
        return display.plot(n_shown=n_shown, axes=axes)

    def plot(self, *, n_shown=8, axes=None):
        """Draw the filters and their weights.

        Parameters
        ----------
        n_shown : int, default=8
            Largest number of filters to draw.
        axes : array of matplotlib Axes, default=None
            Array with the shape of `axes_`. None makes a new figure.

        Returns
        -------
        display : FilterWeightsDisplay
        """
        shown = self.order[:n_shown]
        shape = 1 + self.weights.shape[1], len(shown)
        size = 1.1 * shape[1] + 0.3, 1.1 * shape[0] + 0.4
        self.axes_ = axes_to_draw_on(axes, shape, figsize=size)
        self.figure_ = self.axes_.flat[0].figure
        if axes is None:
            self.figure_.suptitle(self.title)
        limit = np.abs(self.weights[shown]).max() or 1.0
        for j, (above, *below) in zip(shown, self.axes_.T, strict=True):
            FilterDisplay(self.filters[j : j + 1]).plot(ax=above)
            above.set_title(f"f{j}", fontsize=9)
            for ax, weights in zip(below, self.weights[j], strict=True):
                ax.imshow(weights, cmap=COLORS, vmin=-limit, vmax=limit)
                ax.set(xticks=[], yticks=[])
        signs = ("positive", "negative") if len(self.axes_) > 2 else ("weights",)
        for ax, sign in zip(self.axes_[1:, 0], signs, strict=True):
            ax.set_ylabel(sign, fontsize=9)
        return self
