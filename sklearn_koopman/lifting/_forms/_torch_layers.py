"""Layers of torch, which is imported when the first is made."""

from ..._extras import import_extra


def linear_layer(weight, bias=None):
    """Return a linear layer in float64, of copies of the arrays.

    Parameters
    ----------
    weight : ndarray of shape (n_outputs, n_inputs)
    bias : ndarray of shape (n_outputs,), default=None
    """
    return torch_layers().linear_layer(weight, bias)


def torch_layers():
    """Return the module with the layers that dictionaries are made of."""
    import_extra("torch", "A layer of torch", "torch")
    from . import _layers

    return _layers
