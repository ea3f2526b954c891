"""What displays draw on: axes that are given, or those of a new figure."""

from math import prod

import numpy as np

from ._extras import import_extra


def axes_to_draw_on(axes, shape=(), **settings):
    """Return matplotlib axes; raise ValueError if others are given than are needed.

    Parameters
    ----------
    axes : matplotlib Axes, array-like of them, or None
        None makes a figure.
    shape : tuple of int, default=()
        How many are needed: () is one, (n,) are n beside each other, else rows and columns. Of a
        list, the number alone counts.
    **settings : dict
        For ``pyplot.subplots``.

    Returns
    -------
    axes : Axes or ndarray of Axes
        Of this shape.
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
