"""Pictures of the filters of a convolution."""

import numpy as np

from .._axes import axes_to_draw_on
from ._filters import convolution_of


class FilterDisplay:
    """The filters of a convolution, side by side.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, channels, height, width)
        Each filter is scaled by its own largest magnitude, and zero is grey. Three channels are
        drawn as red, green and blue, other numbers of channels side by side. Filters that are one
        pixel high are drawn as curves, one for each channel.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage or None
        None for series.
    lines_ : list of matplotlib artists
        Empty for images.

    See Also
    --------
    FilterWeightsDisplay : The filters that matter for a class, and where.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_koopman import ConvolutionalLifter
    >>> from sklearn_koopman.inspection import FilterDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> lifter = ConvolutionalLifter((8, 8), n_filters=6, filter_size=3, random_state=0).fit(X)
    >>> FilterDisplay.from_estimator(lifter).filters.shape
    (6, 1, 3, 3)
    """

    def __init__(self, filters):
        self.filters = filters

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the filters of a fitted convolution.

        Parameters
        ----------
        estimator : estimator
            A fitted :class:`~sklearn_koopman.ConvolutionalLifter`, or a pipeline, student or
            search that has such a lifter among its steps.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : FilterDisplay
        """
        return cls(convolution_of(estimator)[1].filters_).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the filters.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : FilterDisplay
        """
        self.ax_ = axes_to_draw_on(ax)
        self.figure_ = self.ax_.figure
        self.image_, self.lines_ = None, []
        if self.filters.shape[2] == 1:
            self.lines_ = _draw_curves(self.ax_, self.filters[:, :, 0])
        else:
            pictures = [_picture(each) for each in self.filters]
            self.image_ = self.ax_.imshow(_sheet(pictures), cmap="gray", vmin=-1, vmax=1)
        self.ax_.set_axis_off()
        return self


def _picture(kernel):
    """Return a filter as an image: RGB, or its channels side by side, from -1 to 1."""
    scaled = kernel / (np.abs(kernel).max() or 1.0)
    if len(kernel) == 3:
        return np.moveaxis((1 + scaled) / 2, 0, -1)
    return np.concatenate(list(scaled), axis=1)


def _sheet(pictures):
    """Join pictures of the same size into one, in rows and columns, with white between them."""
    height, width, *channels = pictures[0].shape
    n_columns = int(np.ceil(np.sqrt(len(pictures) * height / width)))
    n_lines = -(-len(pictures) // n_columns)
    nothing = 1.0 if channels else np.nan
    shape = n_lines * (height + 1) - 1, n_columns * (width + 1) - 1, *channels
    sheet = np.full(shape, nothing)
    for i, picture in enumerate(pictures):
        line, column = divmod(i, n_columns)
        top, left = line * (height + 1), column * (width + 1)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _draw_curves(ax, filters):
    """Draw filters of series in rows and columns, a curve for each channel."""
    n_filters, _, length = filters.shape
    n_columns = int(np.ceil(np.sqrt(n_filters)))
    lines = []
    for i, kernel in enumerate(filters):
        line, column = divmod(i, n_columns)
        scaled = kernel / (np.abs(kernel).max() or 1.0)
        left, middle = column * (length + 1), -2.4 * line
        ax.plot([left, left + length - 1], [middle, middle], color="0.8", linewidth=0.8)
        for channel, values in enumerate(scaled):
            lines += ax.plot(
                left + np.arange(length), middle + values, color=f"C{channel}", linewidth=1
            )
    return lines
