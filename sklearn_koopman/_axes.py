"""Axes of displays: given axes, or axes of a new figure."""

from math import prod

import numpy as np

from ._extras import import_extra


def axes_to_draw_on(axes, shape=(), **settings):
    """Return matplotlib axes. Raise ValueError if the given axes do not have the right shape.

    Parameters
    ----------
    axes : matplotlib Axes, array-like of them, or None
        None makes a new figure.
    shape : tuple of int, default=()
        Required shape: () is one, (n,) is n side by side, otherwise rows and columns. For a list,
        only the number of axes matters.
    **settings : dict
        Arguments of ``pyplot.subplots``.

    Returns
    -------
    axes : Axes or ndarray of Axes
        Axes in this shape.
    """
    if axes is None:
        plt = import_extra("matplotlib.pyplot", "Drawing", "plot")
        n_rows, n_columns = (1, 1, *shape)[-2:]
        settings = {"layout": "constrained"} | settings
        _, made = plt.subplots(n_rows, n_columns, squeeze=False, **settings)
        axes = made.ravel()
    axes = np.asarray(axes, dtype=object)
    is_list = axes.ndim == 1 and axes.size == prod(shape)
    if axes.shape != shape and not is_list:
        needed = f"an array of shape {shape}" if shape else "one"
        raise ValueError(f"axes: {needed} is needed, got an array of shape {axes.shape}.")
    return axes.reshape(shape)[()]
