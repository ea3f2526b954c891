"""Pictures of the places that a logit comes from."""

import numpy as np

from .._axes import axes_to_draw_on
from ._filters import COLORS, StudentOfFilters


class LogitMapDisplay:
    """A row, and the cells that speak for (red) or against (blue) some classes.

    Parameters
    ----------
    row : ndarray of shape (channels, height, width)
    maps : ndarray of shape (n_shown, n_cells_down, n_cells_across)
        One map for each class that is shown.
    outlines : tuple of ndarray
        Positions in pixels where cells begin and end, down and across.
    titles : sequence of str

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes, (1 + n_shown,)
        The row comes first.

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
            One row in the form that the student takes.
        labels : sequence, default=None
            Classes to show. None: the classes with the largest logits, in descending order.
        n_shown : int, default=3
            Number of classes to show, if no labels are given.
        X_reference : array-like of shape (n_reference, n_features), default=None
            As for `logit_maps`. Pass rows, because a mean response says nothing about a single row.
        axes : sequence of matplotlib Axes, default=None
            One for the row, then one for each class. None makes a new figure.

        Returns
        -------
        display : LogitMapDisplay

        Notes
        -----
        What all classes have in common does not change a prediction. So it is not drawn: the mean
        of the maps of all classes is subtracted from each map.
        """
        parts = StudentOfFilters(student)
        row = np.asarray(row).reshape(1, -1)
        maps = parts.logit_maps(row, X_reference)[0]
        maps = maps - maps.mean(axis=0)
        if labels is None:
            logits = parts.matrix @ parts.observables(row)[0] + parts.intercept
            shown = np.argsort(-logits, kind="stable")[:n_shown]
        else:
            shown = np.array([parts.index_of(label) for label in labels])
        seen = row.astype(float)
        for step in parts.before:
            seen = step.transform(seen)
        return cls(
            seen.reshape(parts.lifter.input_shape_),
            maps[shown],
            parts.lifter.cell_outlines(),
            titles=[f"{parts.classes[i]}" for i in shown],
        ).plot(axes=axes)

    def plot(self, *, axes=None):
        """Draw the row and its maps.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            One for the row, then one for each class. None makes a new figure.

        Returns
        -------
        display : LogitMapDisplay
        """
        n_axes = 1 + len(self.maps)
        self.axes_ = axes_to_draw_on(axes, (n_axes,), figsize=(2.2 * n_axes, 2.4))
        self.figure_ = self.axes_[0].figure
        self._draw_row(self.axes_[0])
        limit = np.abs(self.maps).max() or 1.0
        down, across = self.outlines
        if self.row.shape[1] == 1:  # a series: cells are as high as the curve
            down = np.array([self.row.min(), self.row.max()])
        for ax, cells, title in zip(self.axes_[1:], self.maps, self.titles, strict=True):
            ax.pcolormesh(across, down, cells, cmap=COLORS, vmin=-limit, vmax=limit)
            self._draw_row(ax, over=True)
            ax.set_title(title, fontsize=10)
        return self

    def _draw_row(self, ax, over=False):
        """Draw the row; over cells, draw only a curve or outline so that they stay visible."""
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
