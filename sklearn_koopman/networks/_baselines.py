"""Other ways to replace a span: drop it, or compress its own weights."""

from copy import deepcopy

import numpy as np

from ..teachers import import_torch


def drop_span(module, span):
    """Return a network without a span: the input of the span becomes its output.

    Parameters
    ----------
    module : torch.nn.Module
        The network, which is not changed.
    span : tuple of str
        Names of the first and of the last submodule of the span, which must not change the shape of
        an activation.

    Returns
    -------
    network : torch.fx.GraphModule
        A network that shares the remaining layers with the module.

    Examples
    --------
    >>> import torch
    >>> from sklearn_koopman.networks import drop_span
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> shorter = drop_span(net, ("0", "1"))
    >>> x = torch.ones(1, 4)
    >>> bool((shorter(x) == net[2](x)).all())
    True
    """
    from ._graph import TracedNetwork

    torch = import_torch()
    return TracedNetwork(module, [span]).with_layers([torch.nn.Identity()])


def low_rank_span(module, span, n_parameters):
    """Return a copy of a network whose weights in a span are products of two factors.

    Each weight matrix (for a convolution: output channels by everything else) is replaced by its
    best approximation of low rank. The rank is the same for all matrices, and is the largest one
    within the budget. A matrix stays as it is if the factors would be larger.

    Parameters
    ----------
    module : torch.nn.Module
        The network, which is not changed.
    span : tuple of str
        Names of the first and of the last submodule of the span.
    n_parameters : int
        Largest number of entries in the factors of all weight matrices of the span together. Biases
        are not counted.

    Returns
    -------
    network : torch.nn.Module
        The network. Its weights are stored as the products.
    rank : int
        The rank. 0 if even rank 1 exceeds the budget; the weights are zero then.
    """
    network = deepcopy(module)
    weights = _weights(network, span)
    sizes = [(weight.shape[0], weight[0].numel()) for weight in weights]

    def cost(rank):
        return sum(min(rank * (m + n), m * n) for m, n in sizes)

    ranks = range(1 + max(min(size) for size in sizes))
    rank = max(rank for rank in ranks if cost(rank) <= n_parameters)
    torch = import_torch()
    with torch.no_grad():
        for weight, (m, n) in zip(weights, sizes, strict=True):
            if rank * (m + n) < m * n:
                left, singular, right = torch.linalg.svd(weight.flatten(1), full_matrices=False)
                product = (left[:, :rank] * singular[:rank]) @ right[:rank]
                weight.copy_(product.view_as(weight))
    return network, rank


def pruned_span(module, span, n_parameters):
    """Return a copy of a network with all but the largest weights of a span set to zero.

    Parameters
    ----------
    module : torch.nn.Module
        The network, which is not changed.
    span : tuple of str
        Names of the first and of the last submodule of the span.
    n_parameters : int
        Number of entries of the weight matrices to keep: the ones of largest magnitude in the whole
        span. Biases are kept, and not counted.

    Returns
    -------
    network : torch.nn.Module
    """
    network = deepcopy(module)
    weights = _weights(network, span)
    torch = import_torch()
    sizes = np.sort(np.concatenate([w.detach().abs().flatten().numpy() for w in weights]))
    threshold = sizes[-n_parameters] if n_parameters < len(sizes) else 0.0
    with torch.no_grad():
        for weight in weights:
            weight[weight.abs() < float(threshold)] = 0.0
    return network


def span_size(module, span):
    """Return the number of entries of all weight matrices of a span.

    Parameters
    ----------
    module : torch.nn.Module
    span : tuple of str

    Returns
    -------
    n_parameters : int
    """
    return sum(weight.numel() for weight in _weights(module, span))


def _weights(module, span):
    """Return the weight matrices of the linear and convolutional layers of a span."""
    layers = weighted_layers(module, span)
    if not layers:
        raise ValueError(
            f"span={span!r} has no linear or convolutional layer whose weights could be compressed."
        )
    return [layer.weight for layer in layers]


def weighted_layers(module, span):
    """Return the linear and convolutional layers of a span, in the order of their names.

    Parameters
    ----------
    module : torch.nn.Module
    span : tuple of str

    Returns
    -------
    layers : list of torch.nn.Module
    """
    from ._graph import TracedNetwork

    torch = import_torch()
    (traced,) = TracedNetwork(module, [span]).spans
    names = [node.target for node in traced.inside if node.op == "call_module"]
    return [
        layer
        for name in sorted(names)
        for layer in module.get_submodule(name).modules()
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d))
    ]
