"""Trains the teachers of the tables once and keeps their weights in a cache folder.

    python experiments/teachers.py --dataset mnist --teacher mlp
    python experiments/teachers.py --dataset mnist --teacher resnet18 --held-out --keep-logits
    python experiments/teachers.py --dataset mnist --teacher digits --held-out --keep-weights
    python experiments/teachers.py --dataset cifar10 --teacher colour --held-out --keep-logits

The teachers see only the training images, shifted by a pixel or two at random. A teacher that has
seen the very same images thirty times knows their labels by heart, and its soft targets say little
else. The number of epochs is fixed beforehand, not chosen on the test set. Images of Fashion-MNIST
are also flipped left to right at random if the teacher is convolutional. The teacher "colour" is
the only one for the photographs of CIFAR-10, in colour; "digits" is for MNIST, and "clothes" for
Fashion-MNIST. `image_network` says how these three are trained.

With --keep-logits the teacher's outputs for the training and test images go to experiments/data.
`teacher` takes them from there, without the network, which takes long to train. With --keep-weights
the network itself goes there, so that it can judge other images too.
"""

from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import get_data_home
from torch import nn

from experiments import image_network, kept_logits, runner
from experiments.images import SHAPES, images, split
from experiments.vision import make_resnet18
from sklearn_koopman.teachers import TorchTeacher

KEPT = Path(__file__).parent / "data"
EPOCHS = {
    "mlp": 30,
    "cnn": 20,
    "deep": 30,
    "deep-short": 2,
    "lenet": 10,
    "resnet18": 5,
    "colour": 14,
    "clothes": 18,
    "digits": 8,
}
# Other numbers of epochs, by the images on which settings are chosen: a perceptron on Fashion-MNIST
# still learns after 30 epochs.
MORE_EPOCHS = {("fashion_mnist", "mlp"): 60}
# ResNet-18 is trained once, without the images on which settings are chosen. After 5 epochs it has
# 90.3 % on Fashion-MNIST.
HELD_OUT_EPOCHS = {("fashion_mnist", "resnet18"): 15}
BATCH_SIZES = {"resnet18": 256}  # 128 for all others
SHIFTS = {"mlp": 1, "cnn": 2, "deep": 0, "deep-short": 0, "lenet": 1, "resnet18": 2}
# Parameters and multiplications for one image, in the sense of `sklearn_koopman.inspection.cost`.
# They are added up by hand from the layers, because not all networks are at hand.
COSTS = {
    "mlp": (535_818, 535_040),
    "cnn": (857_738, 11_467_776),
    "resnet18": (11_172_810, 32_509_184),
    "digits": (280_968, 9_805_088),
    "colour": (1_972_792, 236_294_720),
}
FLIPPED = {("fashion_mnist", "cnn"), ("fashion_mnist", "resnet18")}


def make_mlp():
    """Return the 784-512-256-10 perceptron of the tables."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(512, 256),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(256, 10),
    )


def make_cnn():
    """Return a network of two 5 x 5 convolutions and two dense layers."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64 * 49, 256),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(256, 10),
    )


def make_deep():
    """Return the 784-256-128-64-32-10 perceptron whose layers are linearised."""
    widths = [784, 256, 128, 64, 32, 10]
    layers = [nn.Flatten()]
    for n_inputs, n_outputs in pairwise(widths):
        layers += [nn.Linear(n_inputs, n_outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def make_lenet():
    """Return a small convolutional network, after LeNet-5."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


MAKE = {
    "mlp": make_mlp,
    "cnn": make_cnn,
    "deep": make_deep,
    "deep-short": make_deep,
    "lenet": make_lenet,
    "resnet18": make_resnet18,
}
MAKE |= {
    name: partial(image_network.make_network, kind)
    for name, kind in image_network.KINDS.items()
}


def shifted(images, generator, most):
    """Return a batch of flat 28 x 28 images, moved by up to ``most`` pixels each way."""
    padded = nn.functional.pad(images.view(-1, 28, 28), (most,) * 4)
    down, right = torch.randint(2 * most + 1, (2,), generator=generator).tolist()
    return padded[:, down : down + 28, right : right + 28].reshape(len(images), -1)


def flipped(images, generator):
    """Return a batch of flat 28 x 28 images, half of them flipped left to right."""
    chosen = torch.rand(len(images), generator=generator) < 0.5
    mirrored = images.view(-1, 28, 28).flip(2).reshape(len(images), -1)
    return torch.where(chosen[:, None], mirrored, images)


def train(kind, X, y, *, n_epochs, flips=False, seed=0, learning_rate=2e-3):
    """Return a network of the given kind, trained with one-cycle AdamW."""
    batch_size = BATCH_SIZES.get(kind, 128)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    module = MAKE[kind]()
    steps = n_epochs * -(-len(X) // batch_size)
    optimizer = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(n_epochs):
        module.train()
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            batch = shifted(X[rows], generator, SHIFTS[kind])
            batch = flipped(batch, generator) if flips else batch
            optimizer.zero_grad()
            loss = loss_of(module(batch), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1:2d}: training loss {total / len(X):.4f}", flush=True)
    return module


def cache_folder(name):
    """Return a folder for networks that take long to train, beside scikit-learn's data."""
    folder = Path(get_data_home()) / "sklearn_koopman" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def load_or_train(file, make, train):
    """Return a network from a file of weights, or train it and write the file; in eval mode."""
    if runner.is_quick():
        return train().eval()
    if file.exists():
        network = make()
        network.load_state_dict(torch.load(file, weights_only=True))
    else:
        network = train()
        torch.save(network.state_dict(), file)
    return network.eval()


@cache
def network(dataset, kind, *, seed=0, held_out=False):
    """Return the teacher of a table, from its kept weights or the cache folder if possible.

    With `held_out`, the teacher has not seen the rows on which settings are chosen.
    """

    def trained():
        X, y = images(dataset, "train")
        if held_out:
            rows, _ = split(y)
            X, y = X[rows], y[rows]
        n_epochs = MORE_EPOCHS.get((dataset, kind), EPOCHS[kind])
        if held_out:
            n_epochs = HELD_OUT_EPOCHS.get((dataset, kind), n_epochs)
        n_epochs = runner.full_or_quick(n_epochs, 2)
        if kind in image_network.KINDS:
            settings = image_network.KINDS[kind]
            return image_network.train(settings, X, y, n_epochs=n_epochs, seed=seed)
        flips = (dataset, kind) in FLIPPED
        return train(kind, X, y, n_epochs=n_epochs, flips=flips, seed=seed)

    kept = weights_file(dataset, kind, held_out)
    if seed == 0 and kept.exists() and not runner.is_quick():
        return image_network.load(kept, image_network.KINDS[kind]).eval()
    name = f"{dataset}-{kind}-{seed}{'-held-out' if held_out else ''}.pt"
    return load_or_train(cache_folder("teachers") / name, MAKE[kind], trained)


def logits_file(dataset, kind, held_out=False):
    """Return the file in which the logits of a teacher are kept."""
    return KEPT / f"{dataset}-{kind}{'-held-out' if held_out else ''}.npz"


def weights_file(dataset, kind, held_out=False):
    """Return the file in which the weights of a teacher are kept, if the data have it."""
    return KEPT / f"{dataset}-{kind}{'-held-out' if held_out else ''}-weights.npz"


@cache
def teacher(dataset, kind, *, held_out=False):
    """Return a teacher of a table: its kept logits if there are some, else its network.

    The outputs of the network are kept in the cache folder too.
    """

    @cache
    def of_network():
        memory = None if runner.is_quick() else cache_folder("said")
        return TorchTeacher(network(dataset, kind, held_out=held_out), memory=memory)

    file = logits_file(dataset, kind, held_out)
    if runner.is_quick() or not file.exists():
        return of_network()
    return kept_logits.load(file, partial(images, dataset), lambda X: of_network()(X))


def parser():
    """Return the parser of the command line."""
    made = runner.quick_parser(__doc__)
    made.add_argument("--dataset", choices=SHAPES, default="mnist")
    made.add_argument("--teacher", choices=MAKE, default="mlp")
    made.add_argument(
        "--held-out", action="store_true", help="leave out rows on which settings are chosen"
    )
    made.add_argument(
        "--keep-logits", action="store_true", help="write the logits to experiments/data"
    )
    made.add_argument(
        "--keep-weights",
        action="store_true",
        help=f"write the weights there, for {', '.join(image_network.KINDS)}",
    )
    return made


def main():
    """Train one teacher and print its test accuracy."""
    options = runner.parse(parser())
    module = network(options.dataset, options.teacher, held_out=options.held_out)
    trained = TorchTeacher(module)
    X, y = images(options.dataset, "test")
    accuracy = np.mean(trained(X).argmax(axis=1) == y)
    print(f"{options.dataset} {options.teacher}: test accuracy {accuracy:.4f}")
    if options.keep_logits and not options.quick:
        file = logits_file(options.dataset, options.teacher, options.held_out)
        kept_logits.save(file, trained, partial(images, options.dataset))
        print(f"{file}: {file.stat().st_size / 2**20:.1f} MB")
    if options.keep_weights and not options.quick:
        file = weights_file(options.dataset, options.teacher, options.held_out)
        image_network.save(file, module)
        print(f"{file}: {file.stat().st_size / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
