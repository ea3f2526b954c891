"""A small network for images, grey or in colour, and how it is trained in a dozen epochs.

Its first convolution whitens patches of 2 x 2 pixels. It is computed from training images, not
learned. Three blocks of two 3 x 3 convolutions follow. In training, images are altered at random.
They are moved by up to two pixels, and flipped where the mirror image is of the same class; parts
of clothes are erased; digits are turned, stretched, moved and bent. The network computes with
numbers of 16 bits (bfloat16), in training and after it: CPUs that multiply these are several times
as fast.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sklearn_koopman._files import replaced_when_whole

N_TO_WHITEN = 5000  # images
# The random alterations of digits, in units of half the image's side: the largest turn and
# logarithm of a stretch, the largest move, and the standard deviation of the bends at 4 x 4 points.
TURN, MOVE, BEND = 0.25, 0.2, 0.06


class Mirrored(nn.Module):
    """A network that judges an image and its mirror image, but not while it is trained.

    Parameters
    ----------
    network : Module
        Takes flat images.
    shape : tuple of int
        Of an image: channels, height, width.
    is_mirrored : bool, default=True
        If False, it judges the image alone.
    """

    def __init__(self, network, shape, is_mirrored=True):
        super().__init__()
        self.network = network
        self.shape = shape
        self.is_mirrored = is_mirrored

    def forward(self, rows):
        """Return the mean of the logits of both; in training, the logits of the images alone."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(rows).float()
            if self.training or not self.is_mirrored:
                return logits
            mirrored = rows.unflatten(1, self.shape).flip(3).flatten(1)
            return (logits + self.network(mirrored).float()) / 2


class Scaled(nn.Module):
    """Multiply by a number that is not learned.

    Parameters
    ----------
    factor : float
    """

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, values):
        """Return the values times the factor."""
        return self.factor * values


def block(n_inputs, n_outputs):
    """Return two 3 x 3 convolutions, the first of them pooled by maxima."""

    def convolution(n_inputs):
        made = nn.Conv2d(n_inputs, n_outputs, 3, padding=1, bias=False)
        # At first the input passes through unchanged, beside random filters.
        nn.init.dirac_(made.weight[:n_inputs])
        return made

    return [
        convolution(n_inputs),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(n_outputs),
        nn.GELU(),
        convolution(n_outputs),
        nn.BatchNorm2d(n_outputs),
        nn.GELU(),
    ]


@dataclass(frozen=True)
class Kind:
    """The settings that differ between networks.

    Attributes
    ----------
    shape : tuple of int
        Of an image: channels, height, width.
    widths : tuple of int
        Channels of the three blocks.
    alter : callable
        Takes images and a generator, returns altered images.
    is_mirrored : bool
        Whether it judges mirror images too.
    label_smoothing : float
    """

    shape: tuple[int, int, int]
    widths: tuple[int, int, int]
    alter: Callable
    is_mirrored: bool
    label_smoothing: float


def make_network(kind):
    """Return the network of a kind, which takes flat images of numbers from 0 to 1."""
    # The principal components of patches, with both signs.
    n_whitened = 2 * 4 * kind.shape[0]
    first, second, third = kind.widths
    network = nn.Sequential(
        nn.Unflatten(1, kind.shape),
        nn.Conv2d(kind.shape[0], n_whitened, 2),
        nn.GELU(),
        *block(n_whitened, first),
        *block(first, second),
        *block(second, third),
        nn.MaxPool2d(3),
        nn.Flatten(),
        nn.Linear(third, 10, bias=False),
        Scaled(1 / 8),
    )
    return Mirrored(network, kind.shape, kind.is_mirrored)


def whiten(convolution, images, offset=5e-4):
    """Set a 2 x 2 convolution so that its outputs are uncorrelated and of one variance."""
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).flatten(3)
    patches = patches.flatten(0, 2).double()
    mean = patches.mean(axis=0)
    variances, directions = torch.linalg.eigh(torch.cov(patches.T))
    filters = directions.T / (variances[:, None] + offset).sqrt()
    filters = torch.cat([filters, -filters])
    convolution.weight.data = filters.view_as(convolution.weight).float()
    convolution.bias.data = -(filters @ mean).float()
    convolution.requires_grad_(requires_grad=False)


def moved(images, generator, most=2):
    """Return images, each moved by up to ``most`` pixels at random."""
    height, width = images.shape[2:]
    padded = nn.functional.pad(images, (most,) * 4, mode="reflect")
    moves = torch.randint(2 * most + 1, (2, len(images)), generator=generator)
    made = torch.empty_like(images)
    for down in range(2 * most + 1):
        for right in range(2 * most + 1):
            rows = (moves[0] == down) & (moves[1] == right)
            made[rows] = padded[rows, :, down : down + height, right : right + width]
    return made


def moved_and_flipped(images, generator):
    """Return images; each is moved, and flipped or not, at random."""
    made = moved(images, generator)
    flips = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(flips[:, None, None, None], made.flip(3), made)


def erased(images, generator, side=8):
    """Return images, each with a black square at a random place."""
    places = torch.randint(-side + 1, images.shape[2], (2, len(images), 1), generator=generator)
    pixels = torch.arange(images.shape[2])
    down, right = ((places <= pixels) & (pixels < places + side)).float()
    return images * (1 - down[:, None, :, None] * right[:, None, None, :])


def alter_clothes(images, generator):
    """Return images; each is moved, flipped or not, and a part of it is erased, at random."""
    return erased(moved_and_flipped(images, generator), generator)


def bent(images, generator, strength=1.0):
    """Return images; each is turned, stretched, sheared, moved and bent at random."""
    n_images = len(images)

    def draw(*shape):
        return strength * (2 * torch.rand(n_images, *shape, generator=generator) - 1)

    matrices = torch.eye(2) + TURN * draw(2, 2)
    affine = torch.cat([matrices, MOVE * draw(2, 1)], 2)
    places = nn.functional.affine_grid(affine, images.shape, align_corners=False)
    bends = strength * BEND * torch.randn(n_images, 2, 4, 4, generator=generator)
    smooth = nn.functional.interpolate(
        bends, images.shape[2:], mode="bicubic", align_corners=True
    )
    places = places + smooth.permute(0, 2, 3, 1)
    return nn.functional.grid_sample(images, places, align_corners=False)


def save(file, network):
    """Write the weights of a network; filters are in half precision."""
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    is_filter = {name: value.ndim > 1 for name, value in weights.items()}
    with replaced_when_whole(file) as content:
        np.savez_compressed(
            content,
            **{
                name: value.astype(np.float16) if is_filter[name] else value
                for name, value in weights.items()
            },
        )


def load(file, kind):
    """Return the network of a kind with the weights of a file."""
    network = make_network(kind)
    with np.load(file) as weights:
        network.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights})
    return network


def train(kind, X, y, *, n_epochs, seed=0, batch_size=512, learning_rate=0.4):
    """Return the network, trained by stochastic gradient descent with Nesterov's momentum.

    Parameters
    ----------
    kind : Kind
    X : ndarray of shape (n_samples, n_pixels)
    y : ndarray of shape (n_samples,)
    n_epochs : int
    seed, batch_size : int
    learning_rate : float
        The largest rate. The rate rises for a fifth of the steps and falls in the others.

    Returns
    -------
    network : Module
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    module = make_network(kind)
    images, y = torch.as_tensor(X).view(-1, *kind.shape), torch.as_tensor(y)
    whiten(module.network[1], images[:N_TO_WHITEN])
    module.to(memory_format=torch.channels_last)
    learned = [each for each in module.parameters() if each.requires_grad]
    optimizer = torch.optim.SGD(
        learned, learning_rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    n_steps = n_epochs * -(-len(X) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        learning_rate,
        total_steps=n_steps,
        pct_start=0.2,
        anneal_strategy="linear",
        cycle_momentum=False,
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=kind.label_smoothing)
    for epoch in range(n_epochs):
        module.train()
        total = 0.0
        for rows in torch.randperm(len(images), generator=generator).split(batch_size):
            batch = kind.alter(images[rows], generator).flatten(1)
            optimizer.zero_grad()
            loss = loss_of(module(batch), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1:2d}: training loss {total / len(images):.4f}", flush=True)
    return module.to(memory_format=torch.contiguous_format)


KINDS = {
    "colour": Kind((3, 32, 32), (64, 256, 256), moved_and_flipped, True, 0.1),
    "clothes": Kind((1, 28, 28), (64, 128, 256), alter_clothes, True, 0.0),
    "digits": Kind((1, 28, 28), (24, 64, 128), bent, False, 0.0),
}
