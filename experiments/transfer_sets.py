"""The transfer sets of the tables, by name: images made from images, grey or in colour."""

from functools import partial
from itertools import product

import numpy as np
from scipy.ndimage import affine_transform

from sklearn_koopman import TransferSet

DEFORMATION = 0.15  # the largest one: in radians, logarithms of lengths, slopes


def shifted(images, down, right):
    """Return images moved by some pixels, with zeros at the border."""
    height, width = images.shape[-2:]
    padded = np.pad(images, (*((0, 0),) * (images.ndim - 2), (2, 2), (2, 2)))
    return padded[..., 2 - down : 2 - down + height, 2 - right : 2 - right + width]


def flipped(images):
    """Return images flipped left to right."""
    return images[..., ::-1]


def flipped_and_shifted(images, down, right):
    """Return images flipped left to right, then moved."""
    return shifted(flipped(images), down, right)


def deformed(images, rng):
    """Return 28 x 28 images turned, stretched, sheared and moved a little, each at random."""
    n_images = len(images)
    angles = rng.uniform(-DEFORMATION, DEFORMATION, n_images)
    stretches = np.exp(rng.uniform(-DEFORMATION, DEFORMATION, (n_images, 2)))
    shears = rng.uniform(-DEFORMATION, DEFORMATION, n_images)
    steps = rng.uniform(-1.2, 1.2, (n_images, 2))
    center = np.array([13.5, 13.5])
    made = np.empty_like(images)
    for image, out, angle, stretch, shear, step in zip(
        images, made, angles, stretches, shears, steps, strict=True
    ):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.array([[1.0, shear], [0.0, 1.0]]) / stretch
        affine_transform(image, matrix, center - matrix @ center + step, output=out, order=1)
    return made


CROSS = [(0, 1), (0, -1), (1, 0), (-1, 0)]
SQUARE = [step for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]


def moved(steps, augment=shifted):
    """Return an augmenter for every step."""
    return [partial(augment, down=down, right=right) for down, right in steps]


SETS = {
    "none": [],
    "shifts1": moved(CROSS[:1]),
    "shifts2": moved(CROSS[:2]),
    "shifts4": moved(CROSS),
    "shifts8": moved(SQUARE),
    "deformed4": [deformed] * 4,
    "shifts8, deformed4": [*moved(SQUARE), *[deformed] * 4],
    "shifts8, deformed8": [*moved(SQUARE), *[deformed] * 8],
    "flips": [flipped],
    "flips, shifts4": [flipped, *moved(CROSS)],
    "flips x shifts4": [flipped, *moved(CROSS), *moved(CROSS, flipped_and_shifted)],
}
# These rows have the labels of their originals too, besides the teacher's outputs.
WITH_LABELS = ", labels"
SETS |= {name + WITH_LABELS: made for name, made in SETS.items() if made}
TRANSFER_SET = {"mnist": "shifts8", "fashion_mnist": "flips, shifts4"}


def as_transfer_set(made, keep_labels=False, shape=(28, 28)):
    """Return the transfer set of a name, None for "none"."""
    if not SETS[made]:
        return None
    keep_labels = keep_labels or made.endswith(WITH_LABELS)
    return TransferSet(SETS[made], input_shape=shape, keep_labels=keep_labels)
