"""Fitted transformers as layers of torch, which is imported when the first is made."""

from .._extras import import_extra
from ._protocols import SupportsTorch

#: The transformers with a form in torch, for messages.
WITH_LAYERS = (
    "PCA, IncrementalPCA, ActiveSubspace, StandardScaler, RobustScaler, MinMaxScaler, "
    "MaxAbsScaler, PolynomialFeatures, RBFSampler, Nystroem with a Gaussian kernel, the "
    "dictionaries of this package, pipelines, unions and ObservableSelectors of them, and "
    "whatever has a method to_layer"
)


class NoLayerError(TypeError):
    """A transformer has no form in torch."""


def as_layer(transformer):
    """Return a fitted transformer, or None, as a layer of torch in float64.

    Parameters
    ----------
    transformer : fitted transformer or None

    Returns
    -------
    layer : torch.nn.Module

    Raises
    ------
    NoLayerError
        If the transformer has no form in torch.
    """
    if isinstance(transformer, SupportsTorch):
        return transformer.to_layer()
    from ._foreign_layers import foreign_layer

    return foreign_layer(transformer)


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
