"""Torch layers. torch is imported when the first one is made."""

from ..._extras import import_extra


def linear_layer(weight, bias=None):
    """Return a linear layer in float64 with copies of the arrays.

    Parameters
    ----------
    weight : ndarray of shape (n_outputs, n_inputs)
    bias : ndarray of shape (n_outputs,), default=None
    """
    return torch_layers().linear_layer(weight, bias)


def torch_layers():
    """Return the module with the layers of dictionaries."""
    import_extra("torch", "A layer of torch", "torch")
    from . import _layers

    return _layers
