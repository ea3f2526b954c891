"""What the displays share: figures and axes."""

from .._extras import import_extra


def figure_axes(ax, n_axes=1, **settings):
    """Return axes to draw on, as a list.

    Parameters
    ----------
    ax : matplotlib Axes, sequence of them, or None
        None makes a figure.
    n_axes : int, default=1
    **settings : dict
        For ``pyplot.subplots``.
    """
    plt = import_extra("matplotlib.pyplot", "Drawing", "plot")
    if ax is None:
        settings = {"layout": "constrained"} | settings
        _, axes = plt.subplots(1, n_axes, squeeze=False, **settings)
        return list(axes[0])
    axes = list(ax) if hasattr(ax, "__len__") else [ax]
    if len(axes) != n_axes:
        raise ValueError(f"ax: {n_axes} axes are needed, got {len(axes)}.")
    return axes
