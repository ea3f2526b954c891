"""Training the matrices of a linearised network on what the whole network says."""

from dataclasses import dataclass

import numpy as np
import torch

from .._progress import progress
from ..linear import DistillationLoss


@dataclass(frozen=True)
class DistillationOptions:
    """How to train; the parameters of `LinearizedNetworkClassifier` of the same names."""

    epochs: int
    soft_weight: float
    temperature: float
    learning_rate: float
    batch_size: int


def distil(student, parameters, masks, batch_of, weight, options, rng):
    """Train some parameters of a network by Adam, with cosine annealing.

    Gradients are written nowhere but to these parameters.

    Parameters
    ----------
    student : callable
        From inputs to logits.
    parameters : list of torch.nn.Parameter
    masks : list of torch.Tensor or None
        For each parameter, zeros where it shall stay as it is; None trains all of it.
    batch_of : callable
        Returns inputs, the teacher's logits and class codes of some rows.
    weight : torch.Tensor of shape (n_samples,)
    options : DistillationOptions
    rng : numpy.random.RandomState
        Draws the order of the rows.

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
                optimizer.step()
                schedule.step()
                total += value.item() * batch_weight
                steps.done()
            losses.append(total / float(weight.sum()))
            if not np.isfinite(losses[-1]):
                raise ValueError(
                    f"learning_rate={options.learning_rate}: training diverged; choose a smaller "
                    "one."
                )
            steps.done(f"epoch {epoch:4d}: objective {losses[-1]:.6f}", n=0)
    return losses
