"""What else could be done with a span: drop it, or compress its own weights."""

from copy import deepcopy

import numpy as np

from ..teachers import import_torch


def drop_span(module, span):
    """Return a network without a span: what enters it leaves it, unchanged.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it is not changed.
    span : tuple of str
        Names of the first and of the last submodule of the span, which must leave the shape of an
        activation as it is.

    Returns
    -------
    network : torch.fx.GraphModule
        It shares the layers that are left.

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

    Each weight matrix (of a convolution: output channels by all else) is replaced by its best
    approximation of a rank that is the same for all of them, the largest that keeps within the
    budget; where the factors would be larger than the matrix, it stays.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it is not changed.
    span : tuple of str
        Names of the first and of the last submodule of the span.
    n_parameters : int
        Most numbers in the factors of all weight matrices of the span together; biases are not
        counted.

    Returns
    -------
    network : torch.nn.Module
        Its weights are stored as the products.
    rank : int
        0 where not even rank 1 is within the budget; the weights are zero then.
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
    """Return a copy of a network in whose span all but the largest weights are zero.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it is not changed.
    span : tuple of str
        Names of the first and of the last submodule of the span.
    n_parameters : int
        Number of entries of the weight matrices of the span that are kept, those of largest
        magnitude among all of them; biases are kept and not counted.

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
    """Return how many numbers the weight matrices of a span have.

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
