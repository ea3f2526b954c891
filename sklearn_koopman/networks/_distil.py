"""Training the matrices of a linearised network on the outputs of the whole network."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch

from .._progress import progress
from ..linear import DistillationLoss
from ._layers import ForeignLift
from ._network import running


@dataclass(frozen=True)
class DistillationOptions:
    """Settings of the training: parameters of `LinearizedNetworkClassifier`, by the same names."""

    epochs: int
    soft_weight: float
    temperature: float
    learning_rate: float
    batch_size: int
    trained: str
    density: float | None


def trainable(traced, linearized, layers, options):
    """Return the parts of a linearised network that are trained.

    Parameters
    ----------
    traced : TracedNetwork
    linearized : torch.fx.GraphModule
    layers : list of KoopmanLayer
        Layers of that network.
    options : DistillationOptions
        Settings. With ``trained="tail"``, copies of all layers after the first span are trained
        too. With a density, zeros of the matrices stay zero.

    Returns
    -------
    linearized : torch.fx.GraphModule
        The same network, or a copy.
    layers : list of KoopmanLayer
        Layers of that network.
    parameters : list of torch.nn.Parameter
    masks : list of torch.Tensor or None
        As `distil` takes them.
    """
    for layer in layers[1:]:
        if isinstance(layer.lift, ForeignLift):
            raise TypeError(
                f"epochs={options.epochs}: gradients cannot pass lifter={layer.lift.lifter!r}; "
                "train one span at a time, or use lifters that have a form in torch."
            )
    if options.trained == "tail":
        linearized = deepcopy(linearized)
        layers = [getattr(linearized, f"koopman_{number}") for number in range(len(layers))]
    matrices = [linear for layer in layers for linear in layer.readout[1:]]
    parameters = [parameter for matrix in matrices for parameter in matrix.parameters()]
    is_pruned = options.density is not None
    masks = [
        (parameter != 0).to(parameter) if is_pruned and parameter.ndim > 1 else None
        for parameter in parameters
    ]
    if options.trained == "tail":
        tail = traced.tail_parameters(linearized)
        parameters += tail
        masks += [None] * len(tail)
    return linearized, layers, parameters, masks


def distil_network(
    network, linearized, columns, parameters, masks, X, labels, weight, options, rng
):
    """Train some parameters of a linearised network on the outputs of the whole network.

    Parameters
    ----------
    network : TorchTeacher
        The whole network.
    linearized : torch.fx.GraphModule
    columns : OutputColumns
        Columns of the outputs of both networks.
    parameters, masks, options, rng
        As for `distil`.
    X : ndarray of shape (n_samples, ...)
    labels : Labels
    weight : ndarray of shape (n_samples,)

    Returns
    -------
    losses : list of float
        Mean loss of each epoch.
    """
    soft = columns.logits_of_array(network(X))
    with running(network, linearized) as to_input:

        def batch_of(rows):
            inputs = to_input(X[rows])
            like = {"device": inputs.device, "dtype": inputs.dtype}
            return (
                inputs,
                torch.as_tensor(soft[rows], **like),
                torch.as_tensor(labels.codes[rows], device=inputs.device),
            )

        def logits_of(inputs):
            return columns.logits(network.tensor_of(linearized(inputs)))

        weight = torch.as_tensor(weight)
        return distil(logits_of, parameters, masks, batch_of, weight, options, rng)


def distil(student, parameters, masks, batch_of, weight, options, rng):
    """Train some parameters of a network by Adam, with cosine annealing.

    Gradients are written only to these parameters.

    Parameters
    ----------
    student : callable
        Function from inputs to logits.
    parameters : list of torch.nn.Parameter
    masks : list of torch.Tensor or None
        One mask for each parameter, with zeros where the parameter must not change. None trains all
        its entries.
    batch_of : callable
        Function that returns inputs, the teacher's logits and the class codes of some rows.
    weight : torch.Tensor of shape (n_samples,)
    options : DistillationOptions
    rng : numpy.random.RandomState
        Generator that draws the order of the rows.

    Returns
    -------
    losses : list of float
        Mean loss of each epoch.
    """
    optimizer = torch.optim.Adam(parameters, lr=options.learning_rate)
    n_samples = len(weight)
    n_batches = -(-n_samples // options.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=options.epochs * n_batches
    )
    loss = DistillationLoss(float(options.temperature))
    losses = []
    with progress("training", options.epochs * n_batches, "batch") as steps:
        for epoch in range(1, options.epochs + 1):
            total = 0.0
            for rows in np.array_split(rng.permutation(n_samples), n_batches):
                rows.sort()
                inputs, teacher_logits, codes = batch_of(rows)
                logits = student(inputs)
                share = weight[torch.from_numpy(rows)].to(logits)
                batch_weight = float(share.sum())
                share /= max(batch_weight, 1e-12)
                hard, soft = (1 - options.soft_weight) * share, options.soft_weight * share
                softened = loss.soften(teacher_logits)
                terms = loss(logits.detach().T, codes, hard, soft, softened)
                value = (terms.losses + soft * loss.constant(softened)).sum()
                gradients = torch.autograd.grad(
                    logits, parameters, terms.residual.T, allow_unused=True
                )
                for parameter, gradient, mask in zip(parameters, gradients, masks, strict=True):
                    unmasked = mask is None or gradient is None
                    parameter.grad = gradient if unmasked else gradient * mask
                try:
                    optimizer.step()
                except RuntimeError as error:  # torch refuses steps beyond single precision
                    if "overflow" not in str(error):
                        raise
                    raise _diverged(options) from error
                schedule.step()
                total += value.item() * batch_weight
                steps.done()
            losses.append(total / float(weight.sum()))
            if not np.isfinite(losses[-1]):
                raise _diverged(options)
            steps.done(f"epoch {epoch:4d}: objective {losses[-1]:.6f}", n=0)
    return losses


def _diverged(options):
    """Return the error for a learning rate that is too large."""
    return ValueError(
        f"learning_rate={options.learning_rate}: training diverged; choose a smaller one."
    )
