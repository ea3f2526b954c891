"""Filters of a small convolutional dictionary, trained as the first layer of a network.

The network is the dictionary and a matrix after it. It starts with the filters that the dictionary
finds without labels. Both are trained by one-cycle AdamW on labels and on the teacher's outputs.
Images are altered at random: clothes are shifted by up to a pixel and flipped; digits are turned,
stretched, moved and bent, half as much as for their teacher. The teacher's output for an image
counts for all of its altered versions. Filters and their offsets are kept in experiments/data.
`convolutional.py` has them trained if there are none, takes them like other filters, and finds the
matrix anew.

The network saw only the 50,000 images on which no settings are chosen. Of the places where filters
are laid, it saw every other one down and across: a quarter of the work.
"""

from itertools import chain
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from torch import nn
from torch.nn.utils import parametrize

from experiments import runner
from experiments.image_network import bent
from experiments.images import images, split
from experiments.teachers import flipped, shifted
from sklearn_koopman._files import replaced_when_whole

FOLDER = Path(__file__).parent / "data"
EPOCHS = {"mnist": 15, "fashion_mnist": 10}
BATCH_SIZE, LEARNING_RATE = 256, 4e-3
FEWER_PLACES = 2  # the stride in training
SOFT_WEIGHT, TEMPERATURE = 0.5, 2.0
# This is added under roots, because their slope at zero is infinite.
SMALL = 1e-5


class WithoutMean(nn.Module):
    """Filters that ignore the mean of a patch, like those of lifters that divide by contrast."""

    def forward(self, filters):
        """Return the filters minus their means."""
        return filters - filters.mean((1, 2, 3), keepdim=True)


class Network(nn.Module):
    """Pooled responses, standardised, and one matrix.

    Parameters
    ----------
    lifter : ConvolutionalLifter
        Fitted.
    n_classes : int
    """

    def __init__(self, lifter, n_classes):
        super().__init__()
        self.pooled = lifter.to_layer().float()
        parametrize.register_parametrization(self.pooled, "filters", WithoutMean())
        self.has_root, self.pooled.root = self.pooled.root, False
        self.standardise = nn.BatchNorm1d(lifter.n_output_features_, affine=False)
        self.matrix = nn.Linear(lifter.n_output_features_, n_classes)
        nn.init.zeros_(self.matrix.weight)

    def forward(self, rows):
        """Return the logits of flat images."""
        means = self.pooled(rows)
        return self.matrix(self.standardise((means + SMALL).sqrt() if self.has_root else means))


def loss_of(logits, labels, soft_logits):
    """Return the loss that students minimise, see `KoopmanDistilledClassifier`."""
    soft = (soft_logits / TEMPERATURE).softmax(1)
    divergence = nn.functional.kl_div(
        (logits / TEMPERATURE).log_softmax(1), soft, reduction="batchmean"
    )
    hard = nn.functional.cross_entropy(logits, labels)
    return (1 - SOFT_WEIGHT) * hard + SOFT_WEIGHT * TEMPERATURE**2 * divergence


def alter_digits(rows, generator):
    """Return flat images, each bent at random."""
    return bent(rows.view(-1, 1, 28, 28), generator, strength=0.5).flatten(1)


def alter_clothes(rows, generator):
    """Return flat images, shifted together; each is flipped or not, at random."""
    return flipped(shifted(rows, generator, most=1), generator)


ALTER = {"mnist": alter_digits, "fashion_mnist": alter_clothes}


def train(lifter, X, y, soft_logits, *, n_epochs, alter, seed):
    """Return trained filters and offsets.

    Parameters
    ----------
    lifter : ConvolutionalLifter
        Fitted. Training starts from its filters.
    X : ndarray of shape (n_samples, 784)
    y : ndarray of int of shape (n_samples,)
    soft_logits : ndarray of shape (n_samples, n_classes)
        The teacher's outputs for the images.
    n_epochs : int
    alter : callable
        Takes a batch of flat images and a generator, returns them altered.
    seed : int

    Returns
    -------
    filters : ndarray of shape (n_filters, channels, height, width)
    offsets : ndarray of shape (n_filters,)
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    X, y, soft_logits = map(torch.as_tensor, (X, y.astype(np.int64), soft_logits))
    network = Network(lifter, soft_logits.shape[1])
    steps = n_epochs * -(-len(X) // BATCH_SIZE)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.2
    )
    batches = chain.from_iterable(
        torch.randperm(len(X), generator=generator).split(BATCH_SIZE) for _ in range(n_epochs)
    )
    for step, rows in enumerate(batches, 1):
        batch = alter(X[rows], generator)
        optimizer.zero_grad()
        loss = loss_of(network(batch), y[rows], soft_logits[rows])
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.4f}", flush=True)
    layer = network.pooled
    return layer.filters.detach().numpy(), layer.offsets.detach().numpy().ravel()


def as_module(filters, offsets):
    """Return a convolution with these filters and offsets. Lifters take it as `filters`."""
    module = nn.Conv2d(filters.shape[1], len(filters), filters.shape[2:])
    with torch.no_grad():
        module.weight.copy_(torch.as_tensor(filters))
        module.bias.copy_(torch.as_tensor(offsets))
    return module


def file_of(dataset, dictionary, seed):
    """Return the file in which the filters of a dictionary are kept."""
    name = dictionary.replace(",", "").replace(" ", "-")
    return FOLDER / f"{dataset}-{name}-filters-{seed}.npz"


def trained(dataset, dictionary, lifter, seed, teacher):
    """Return a lifter with kept filters. If there are none, train them and keep them.

    Parameters
    ----------
    dataset, dictionary : str
    lifter : ConvolutionalLifter
        Unfitted. Training starts from the filters that it finds.
    seed : int
    teacher : callable
        Takes images, returns logits.
    """
    file = file_of(dataset, dictionary, seed)
    if runner.is_quick() or not file.exists():
        X, y = images(dataset, "train")
        seen, _ = split(y)
        start = clone(lifter).set_params(stride=FEWER_PLACES).fit(X[seen])
        filters, offsets = train(
            start,
            X[seen],
            y[seen],
            teacher(X[seen]),
            n_epochs=runner.full_or_quick(EPOCHS[dataset], 1),
            alter=ALTER[dataset],
            seed=seed,
        )
        if not runner.is_quick():
            with replaced_when_whole(file) as content:
                np.savez_compressed(content, filters=filters, offsets=offsets)
    else:
        with np.load(file) as kept:
            filters, offsets = kept["filters"], kept["offsets"]
    module = as_module(filters, offsets)
    return clone(lifter).set_params(filters=module, normalization="contrast")
