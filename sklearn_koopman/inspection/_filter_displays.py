"""Pictures of filters, of what a class makes of them, and of where a logit comes from."""

import numpy as np

from .._extras import import_extra
from ._filters import StudentOfFilters, convolution_of, filter_weights, logit_maps

# Red speaks for a class, blue against it.
COLORS = "RdBu_r"


class FilterDisplay:
    """The filters of a convolution, side by side.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, channels, height, width)
        Each is drawn in units of its own largest number, zero is grey. Three channels are red,
        green and blue, others are beside each other. What is one pixel high is drawn as curves,
        one for each channel.

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
    FilterWeightsDisplay : The filters that matter to a class, and where.

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
            search that has one among its steps.
        ax : matplotlib Axes, default=None
            None makes a figure.

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
            None makes a figure.

        Returns
        -------
        display : FilterDisplay
        """
        plt = import_extra("matplotlib.pyplot", "FilterDisplay", "plot")
        self.ax_ = plt.subplots(layout="constrained")[1] if ax is None else ax
        self.figure_ = self.ax_.figure
        self.image_, self.lines_ = None, []
        if self.filters.shape[2] == 1:
            self.lines_ = _draw_curves(self.ax_, self.filters[:, :, 0])
        else:
            pictures = [_picture(each) for each in self.filters]
            self.image_ = self.ax_.imshow(_sheet(pictures), cmap="gray", vmin=-1, vmax=1)
        self.ax_.set_axis_off()
        return self


class FilterWeightsDisplay:
    """The filters that a class gives most weight, and where on the grid it does.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, channels, height, width)
    weights : ndarray of shape (n_filters, n_signs, n_cells_down, n_cells_across)
        Of one class.
    title : str, default=""

    Attributes
    ----------
    order : ndarray of int of shape (n_filters,)
        The filters, that of the largest weights (in the mean of squares) first.
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes, (1 + n_signs, n_shown)
        Above the filters, below where their responses speak for the class (red) or against it
        (blue): positive responses first, then negative ones.

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
        """Draw the filters that matter to a class.

        Parameters
        ----------
        student : estimator
            As for `filter_weights`.
        label : object
            The class, one of `classes_`.
        X : array-like of shape (n_samples, n_features), default=None
            Rows, as for `filter_weights`. Without them weights of different observables cannot
            be compared.
        n_shown : int, default=8
            How many filters are drawn, if there are so many.
        axes : array of matplotlib Axes, default=None
            Of the shape of `axes_`. None makes a figure.

        Returns
        -------
        display : FilterWeightsDisplay
        """
        parts = StudentOfFilters(student)
        of_class = _index_of(label, parts.classes)
        weights = filter_weights(student, X)[of_class]
        display = cls(parts.lifter.filters_, weights, title=f"{label}")
        return display.plot(n_shown=n_shown, axes=axes)

    def plot(self, *, n_shown=8, axes=None):
        """Draw the filters and their weights.

        Parameters
        ----------
        n_shown : int, default=8
            How many filters are drawn, if there are so many.
        axes : array of matplotlib Axes, default=None
            Of the shape of `axes_`. None makes a figure.

        Returns
        -------
        display : FilterWeightsDisplay
        """
        plt = import_extra("matplotlib.pyplot", "FilterWeightsDisplay", "plot")
        shown = self.order[:n_shown]
        shape = 1 + self.weights.shape[1], len(shown)
        if axes is None:
            size = 1.1 * shape[1] + 0.3, 1.1 * shape[0] + 0.4
            figure, axes = plt.subplots(
                *shape, figsize=size, layout="constrained", squeeze=False
            )
            figure.suptitle(self.title)
        self.axes_ = _checked_axes(axes, shape)
        self.figure_ = self.axes_.flat[0].figure
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


class LogitMapDisplay:
    """A row, and for each of some classes the cells that speak for it (red) or against it (blue).

    Parameters
    ----------
    row : ndarray of shape (channels, height, width)
    maps : ndarray of shape (n_shown, n_cells_down, n_cells_across)
        Of each class that is shown.
    outlines : tuple of ndarray
        Where cells begin and end, down and across, in pixels.
    titles : sequence of str

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes, (1 + n_shown,)
        The row first.

    See Also
    --------
    logit_maps : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_koopman import ConvolutionalLifter, EDMDClassifier
    >>> from sklearn_koopman.inspection import LogitMapDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> lifter = ConvolutionalLifter((8, 8), n_filters=6, filter_size=3, grid=2, random_state=0)
    >>> student = EDMDClassifier(lifter=lifter).fit(X, y)
    >>> display = LogitMapDisplay.from_estimator(student, X[0], X_reference=X)
    >>> len(display.axes_)
    4
    """

    def __init__(self, row, maps, outlines, *, titles):
        self.row = row
        self.maps = maps
        self.outlines = outlines
        self.titles = titles

    @classmethod
    def from_estimator(
        cls, student, row, *, labels=None, n_shown=3, X_reference=None, axes=None
    ):
        """Draw where the logits of a row come from.

        Parameters
        ----------
        student : estimator
            As for `logit_maps`.
        row : array-like of shape (n_features,)
            One row, as the student takes it.
        labels : sequence, default=None
            The classes that are shown. None: those of the largest logits, the largest first.
        n_shown : int, default=3
            How many classes, if no labels are given.
        X_reference : array-like of shape (n_reference, n_features), default=None
            As for `logit_maps`; give rows, as a mean response says nothing of a row.
        axes : sequence of matplotlib Axes, default=None
            One for the row, then one for each class. None makes a figure.

        Returns
        -------
        display : LogitMapDisplay

        Notes
        -----
        What all classes have in common does not matter to a prediction, so that it is not drawn:
        from each map the mean of the maps of all classes is taken.
        """
        parts = StudentOfFilters(student)
        row = np.asarray(row).reshape(1, -1)
        maps = logit_maps(student, row, X_reference=X_reference)[0]
        maps = maps - maps.mean(axis=0)
        classes = parts.classes
        if labels is None:
            logits = parts.matrix @ parts.observables(row)[0] + parts.intercept
            shown = np.argsort(-logits, kind="stable")[:n_shown]
        else:
            shown = np.array([_index_of(label, classes) for label in labels])
        seen = row.astype(float)
        for step in parts.before:
            seen = step.transform(seen)
        return cls(
            seen.reshape(parts.lifter.input_shape_),
            maps[shown],
            parts.lifter.cell_outlines(),
            titles=[f"{classes[i]}" for i in shown],
        ).plot(axes=axes)

    def plot(self, *, axes=None):
        """Draw the row and its maps.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            One for the row, then one for each class. None makes a figure.

        Returns
        -------
        display : LogitMapDisplay
        """
        plt = import_extra("matplotlib.pyplot", "LogitMapDisplay", "plot")
        n_axes = 1 + len(self.maps)
        if axes is None:
            size = (2.2 * n_axes, 2.4)
            _, axes = plt.subplots(1, n_axes, figsize=size, layout="constrained")
        self.axes_ = _checked_axes(axes, (n_axes,))
        self.figure_ = self.axes_[0].figure
        self._draw_row(self.axes_[0])
        limit = np.abs(self.maps).max() or 1.0
        down, across = self.outlines
        if self.row.shape[1] == 1:  # a series: cells are as high as its curve
            down = np.array([self.row.min(), self.row.max()])
        for ax, cells, title in zip(self.axes_[1:], self.maps, self.titles, strict=True):
            ax.pcolormesh(across, down, cells, cmap=COLORS, vmin=-limit, vmax=limit)
            self._draw_row(ax, over=True)
            ax.set_title(title, fontsize=10)
        return self

    def _draw_row(self, ax, over=False):
        """Draw the row, or over cells no more of it than lets them be seen."""
        channels, height, width = self.row.shape
        if height == 1:
            positions = np.arange(width) + 0.5
            ax.plot(positions, self.row[:, 0].T, color="black" if over else None, linewidth=1)
            ax.set_xlim(0, width)
            return
        picture = self.row.mean(axis=0)
        extent = (0, width, height, 0)
        if over:
            ax.contour(
                np.arange(width) + 0.5,
                np.arange(height) + 0.5,
                picture,
                levels=[(picture.min() + picture.max()) / 2],
                colors="black",
                linewidths=1,
            )
            ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
        elif channels == 3:
            ax.imshow(np.clip(np.moveaxis(self.row, 0, -1), 0, 1), extent=extent)
        else:
            ax.imshow(picture, cmap="gray_r", extent=extent)
        ax.set(xticks=[], yticks=[])


def _index_of(label, classes):
    found = np.flatnonzero(classes == label)
    if len(found) != 1:
        raise ValueError(f"label={label!r} is not a class: they are {list(classes)}.")
    return int(found[0])


def _checked_axes(axes, shape):
    axes = np.asarray(axes)
    if axes.shape != shape:
        raise ValueError(f"axes: an array of shape {shape} is needed, got {axes.shape}.")
    return axes


def _picture(kernel):
    """Return a filter as an image: RGB, or its channels beside each other, from -1 to 1."""
    scaled = kernel / (np.abs(kernel).max() or 1.0)
    if len(kernel) == 3:
        return np.moveaxis((1 + scaled) / 2, 0, -1)
    return np.concatenate(list(scaled), axis=1)


def _sheet(pictures):
    """Return pictures of the same size as one, in rows and columns, with white between them."""
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
