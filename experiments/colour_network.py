"""A small network for colour images, and how it is trained in a dozen epochs.

Its first convolution whitens patches of 2 x 2 pixels and is computed from training images, not
learned; three blocks of two 3 x 3 convolutions follow. Images are flipped and moved by up to two
pixels at random. It computes with numbers of 16 bits (bfloat16), in training and after it: CPUs
that multiply these are several times as fast.
"""

import torch
from torch import nn

SHAPE = (3, 32, 32)
WIDTHS = (64, 256, 256)
N_TO_WHITEN = 5000  # images
N_WHITENED = 24  # both signs of the 12 principal components of 3 x 2 x 2 numbers


class Mirrored(nn.Module):
    """A network that is asked about an image and its mirror image, but not while it is trained.

    Parameters
    ----------
    network : Module
        Takes flat images.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, rows):
        """Return the mean of the logits of both; in training the logits of the images."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(rows).float()
            if self.training:
                return logits
            mirrored = rows.unflatten(1, SHAPE).flip(3).flatten(1)
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
        # What comes in goes through at first, beside random filters.
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


def make_colour_network():
    """Return the network, which takes flat images of 3 x 32 x 32 numbers from 0 to 1."""
    network = nn.Sequential(
        nn.Unflatten(1, SHAPE),
        nn.Conv2d(3, N_WHITENED, 2),
        nn.GELU(),
        *block(N_WHITENED, WIDTHS[0]),
        *block(WIDTHS[0], WIDTHS[1]),
        *block(WIDTHS[1], WIDTHS[2]),
        nn.MaxPool2d(3),
        nn.Flatten(),
        nn.Linear(WIDTHS[2], 10, bias=False),
        Scaled(1 / 8),
    )
    return Mirrored(network)


def whiten(convolution, images, offset=5e-4):
    """Set a 2 x 2 convolution so that its outputs on images are uncorrelated, of one variance."""
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).flatten(3)
    patches = patches.reshape(-1, 12).double()
    mean = patches.mean(axis=0)
    variances, directions = torch.linalg.eigh(torch.cov(patches.T))
    filters = directions.T / (variances[:, None] + offset).sqrt()
    filters = torch.cat([filters, -filters])
    convolution.weight.data = filters.view(-1, 3, 2, 2).float()
    convolution.bias.data = -(filters @ mean).float()
    convolution.requires_grad_(requires_grad=False)


def altered(images, generator, most=2):
    """Return images, each flipped or not, and moved by up to ``most`` pixels, at random."""
    height, width = images.shape[2:]
    padded = nn.functional.pad(images, (most,) * 4, mode="reflect")
    moves = torch.randint(2 * most + 1, (2, len(images)), generator=generator)
    made = torch.empty_like(images)
    for down in range(2 * most + 1):
        for right in range(2 * most + 1):
            rows = (moves[0] == down) & (moves[1] == right)
            made[rows] = padded[rows, :, down : down + height, right : right + width]
    flips = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(flips[:, None, None, None], made.flip(3), made)


def train(X, y, *, n_epochs, seed=0, batch_size=512, learning_rate=0.4):
    """Return the network, trained by stochastic gradient descent with Nesterov's momentum.

    Parameters
    ----------
    X : ndarray of shape (n_samples, 3072)
    y : ndarray of shape (n_samples,)
    n_epochs : int
    seed, batch_size : int
    learning_rate : float
        The largest one; it rises for a fifth of the steps and falls in the others.

    Returns
    -------
    network : Module
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    module = make_colour_network()
    images, y = torch.as_tensor(X).view(-1, *SHAPE), torch.as_tensor(y)
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
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    for epoch in range(n_epochs):
        module.train()
        total = 0.0
        for rows in torch.randperm(len(images), generator=generator).split(batch_size):
            batch = altered(images[rows], generator).flatten(1)
            optimizer.zero_grad()
            loss = loss_of(module(batch), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1:2d}: training loss {total / len(images):.4f}", flush=True)
    return module.to(memory_format=torch.contiguous_format)
