"""Rows, and the changes that would change their class."""

import numpy as np

from .._axes import axes_to_draw_on
from ._auditing import Audited


class CounterfactualDisplay:
    """Rows, and the same rows after a change just large enough for another class.

    Parameters
    ----------
    rows : list of AuditedRow
        Rows with counterfactuals.
    names : list of str
        Of the columns.
    image_shape : tuple of int, default=None
        Height and width, and channels if there are several. None: rows are not images.
    scale : ndarray of shape (n_features,), default=None
        Length of a change of 1 in each column. None: 1.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        For images, three axes per row: the row, the changed row and the difference. Otherwise one
        axes per row, with bars for the columns that change most.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.audit import CounterfactualDisplay
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> X, y = load_digits(return_X_y=True)
    >>> student = make_pipeline(PCA(20), MonomialLifter(2), EDMDClassifier(ridge=1e-2)).fit(X, y)
    >>> display = CounterfactualDisplay.from_estimator(
    ...     student, X[:2], y[:2], image_shape=(8, 8)
    ... )
    >>> display.axes_.shape
    (2, 3)
    """

    def __init__(self, rows, names, *, image_shape=None, scale=None):
        self.rows = [row for row in rows if row.counterfactual is not None]
        self.names = names
        self.image_shape = image_shape
        self.scale = scale

    @classmethod
    def from_estimator(
        cls, student, X, y, *, image_shape=None, bounds=None, scale=None, fixed=None, axes=None
    ):
        """Draw rows and the changes that change their class.

        Parameters
        ----------
        student : estimator
            As for `robust_radius`.
        X : array-like of shape (n_samples, n_features)
            A few rows.
        y : array-like of shape (n_samples,)
        image_shape, bounds, scale, fixed
            As for `audit_report`, without "auto".
        axes : array-like of matplotlib Axes, default=None

        Returns
        -------
        display : CounterfactualDisplay
        """
        audited = Audited(student, X, y, bounds=bounds, scale=scale, fixed=fixed)
        if audited.certified is None:
            raise TypeError(f"No radii are known for this student. {audited.without_radius}")
        rows = audited.rows(range(len(audited.y)))
        names = audited.column_names
        scale = audited.certified.scale
        return cls(rows, names, image_shape=image_shape, scale=scale).plot(axes)

    def plot(self, axes=None):
        """Draw the rows.

        Parameters
        ----------
        axes : array-like of matplotlib Axes, default=None
            Axes with the shape of `axes_`. None makes a new figure.

        Returns
        -------
        display : CounterfactualDisplay
        """
        n_rows = len(self.rows)
        shape = (n_rows, 3) if self.image_shape else (n_rows, 1)
        size = (5.5, 2 * n_rows) if self.image_shape else (6, 1.8 * n_rows)
        self.axes_ = axes_to_draw_on(axes, shape, figsize=size)
        self.figure_ = self.axes_.flat[0].figure
        for row, of_row in zip(self.rows, self.axes_, strict=True):
            if self.image_shape:
                self._draw_images(row, of_row)
            else:
                self._draw_changes(row, of_row[0])
        return self

    def _draw_images(self, row, axes):
        before, after = (
            values.reshape(self.image_shape) for values in (row.values, row.counterfactual)
        )
        difference = after - before
        limit = np.abs(difference).max() or 1.0
        axes[0].imshow(before, cmap="gray_r")
        axes[1].imshow(after, cmap="gray_r", vmin=before.min(), vmax=before.max())
        if difference.ndim == 3:
            difference = difference.mean(axis=2)
        axes[2].imshow(difference, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes[0].set_title(f"{row.predicted}", fontsize=10)
        axes[1].set_title(f"{row.counterfactual_class}", fontsize=10)
        axes[2].set_title(f"change, {row.distance:.3g}", fontsize=10)
        for ax in axes:
            ax.set(xticks=[], yticks=[])

    def _draw_changes(self, row, ax):
        changes = row.changes(self.names, self.scale)
        scale = dict(zip(self.names, np.ones(len(self.names)), strict=True))
        if self.scale is not None:
            scale = dict(zip(self.names, self.scale, strict=True))
        shown = [name for name, _, _ in changes]
        ax.barh(shown, [(after - before) / scale[name] for name, before, after in changes])
        ax.invert_yaxis()
        ax.axvline(0, color="grey", linewidth=0.8)
        title = f"{row.predicted} → {row.counterfactual_class}, distance {row.distance:.3g}"
        ax.set_title(title, fontsize=10)
