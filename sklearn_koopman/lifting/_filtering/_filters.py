"""Sources of filters: patches of the rows, an array, a network."""

import sys

import numpy as np
from sklearn.utils.random import sample_without_replacement

LEARNT = ("kmeans", "random", "pca")
# Number of patches in a mini-batch of k-means.
PATCH_BATCH = 4096
# Share of the largest variance that may be rounding errors.
NO_VARIANCE = 1e-12


def drawn_patches(X, places, n_patches, draw):
    """Return patches at random places of random rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    places : Places
    n_patches : int
    draw : RandomState

    Returns
    -------
    patches : ndarray of shape (n_patches, patch_size), float64
        Different patches, or all patches in order if there are no more than `n_patches`.
    """
    n_all = len(X) * places.n_places
    if n_all > n_patches:
        chosen = sample_without_replacement(n_all, n_patches, random_state=draw)
    else:
        chosen = np.arange(n_all)
    row, place = np.divmod(chosen, places.n_places)
    columns = places.sources()[places.columns(place)]
    patches = X[row[:, None], columns].astype(np.float64)
    patches[columns < 0] = 0
    return patches


def learnt_filters(patches, kind, n_filters, whitening, draw):
    """Return filters for normalised patches, and the offsets of their responses.

    Parameters
    ----------
    patches : ndarray of shape (n_patches, patch_size)
    kind : {"kmeans", "random", "pca"}
    n_filters : int
    whitening : float or None
    draw : RandomState

    Returns
    -------
    filters : ndarray of shape (n_filters, patch_size)
        Filters for patches without whitening: whitening is part of the filters.
    offsets : ndarray of shape (n_filters,)
    """
    mean = patches.mean(axis=0)
    if kind == "pca":
        _, axes = _spectrum(patches, mean)
        filters = axes[:, :n_filters].T
    else:
        whiten = np.eye(len(mean)) if whitening is None else _zca(patches, mean, whitening)
        white = (patches - mean) @ whiten
        filters = _found(white, kind, n_filters, draw) @ whiten
    return filters, -filters @ mean


def _found(patches, kind, n_filters, draw):
    if kind == "random":
        return patches[draw.choice(len(patches), n_filters, replace=False)]
    from sklearn.cluster import MiniBatchKMeans  # a slow import that most users do not need

    return (
        MiniBatchKMeans(n_filters, n_init=1, batch_size=PATCH_BATCH, random_state=draw)
        .fit(patches)
        .cluster_centers_
    )


def _spectrum(patches, mean):
    """Return variances and directions of patches, in descending order."""
    centred = patches - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(patches))
    return variances[::-1], axes[:, ::-1]


def _zca(patches, mean, whitening):
    """Return the symmetric matrix that gives patches unit variance in all strong directions."""
    variances, axes = _spectrum(patches, mean)
    variances = variances + whitening * variances.mean()
    # Without a floor there may be directions without variance.
    has_some = variances > NO_VARIANCE * variances[0]
    axes, variances = axes[:, has_some], variances[has_some]
    return axes / np.sqrt(variances) @ axes.T


def given_filters(given, n_axes):
    """Return filters from the user, and the offsets of their responses.

    Parameters
    ----------
    given : array-like or torch.nn.Module
        Filters, or a module whose first convolution is used.
    n_axes : int
        1 for series, 2 for images.

    Returns
    -------
    filters : ndarray of shape (n_filters, channels, height, width), float64
    offsets : ndarray of shape (n_filters,), float64

    Raises
    ------
    ValueError
        If `given` has no such filters.
    """
    offsets = None
    if is_module(given):
        given, offsets = _first_convolution(given, n_axes)
    filters = np.array(given, dtype=np.float64)
    if filters.ndim != 2 + n_axes or not filters.size or not np.isfinite(filters).all():
        sizes = ("height", "width")[2 - n_axes :]
        raise ValueError(
            f"filters of shape {filters.shape}: must be an array of finite numbers, "
            f"(n_filters, channels, {', '.join(sizes)})."
        )
    if n_axes == 1:
        filters = filters[:, :, None]
    return filters, np.zeros(len(filters)) if offsets is None else offsets


def is_module(given):
    """Whether filters are a torch module. This test does not import torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(given, torch.nn.Module)


def _first_convolution(module, n_axes):
    """Return weights and offsets of the first convolution in a torch module."""
    from torch import nn

    kind = (nn.Conv1d, nn.Conv2d)[n_axes - 1]
    for layer in module.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d)):
            if isinstance(layer, kind) and layer.groups == 1 and set(layer.dilation) == {1}:
                arrays = (layer.weight, layer.bias)
                return [
                    None if array is None else array.detach().cpu().double().numpy()
                    for array in arrays
                ]
            break
    else:
        layer = None
    raise ValueError(
        f"filters={type(module).__name__}: the first convolution must be a {kind.__name__} without "
        f"groups and dilation, but it is {layer}."
    )
