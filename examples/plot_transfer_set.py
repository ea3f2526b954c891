"""
======================================
When do more rows for the teacher pay?
======================================

A teacher can label any number of images, so a student can learn from more than the training set. A
``TransferSet`` makes shifted copies for the teacher to label: good for a large student with few
images, and bad for a small student.

``--dataset mnist`` does the same on MNIST, in minutes.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause
# sphinx_gallery_thumbnail_number = 2

# %%
# Data and teacher
# ----------------
# The teacher was trained on shifted images too, so it knows them.

import argparse
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter, TransferSet
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.pipeline import make_pipeline

parser = argparse.ArgumentParser(description="More rows for the teacher to label.")
parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, numbers, n_components = X / 16, [100, 200, 400, 800, 1257], 20
else:
    images = fetch_mnist("train")
    X, y, n_components = images.data, images.target, 40
    numbers = [500, 2_000, 8_000, 42_000]
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
side = round(X.shape[1] ** 0.5)


steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]  # up, down, left, right
moves = [partial(shift, shift=(0, *step), order=0) for step in steps]  # of a block of images
transfer_set = TransferSet(moves, input_shape=(side, side))

more = transfer_set.enlarge(X)[:]
net = MLPClassifier((256,), alpha=0.3, learning_rate_init=3e-3, random_state=0)
net.fit(more, np.tile(y, 5))
print(f"teacher: {net.score(X_test, y_test):.1%} of the test images right")

figure, axes = plt.subplots(1, 5, figsize=(7, 1.8), layout="constrained")
for k, ax in enumerate(axes):
    ax.imshow(more[k * len(X)].reshape(side, side), cmap="gray_r")
    ax.set(title="an image" if k == 0 else f"copy {k}", xticks=[], yticks=[])

# %%
# Students
# --------
# They learn from some of the images: from labels alone, from labels and the teacher, or with four
# shifted copies of each image as well. Lines are means of three draws of these images.

kinds = {
    "labels": {"soft_weight": 0.0},
    "labels and teacher": {"soft_weight": 0.9},
    "... and shifted copies": {"soft_weight": 0.9, "transfer_set": transfer_set},
}


def accuracy(degree, rows, settings):
    """Return the test accuracy in percent of a student that is fitted to some images."""
    student = make_pipeline(
        PCA(n_components, random_state=0),
        MonomialLifter(degree),
        KoopmanDistilledClassifier(FrozenEstimator(net), ridge=1e-3, tol=1e-4, **settings),
    )
    return 100 * student.fit(X[rows], y[rows]).score(X_test, y_test)


def accuracies(degree, settings):
    """Return test accuracies of shape (draws, numbers of images)."""
    orders = [np.random.default_rng(seed).permutation(len(X)) for seed in range(3)]
    return [
        [accuracy(degree, order[:number], settings) for number in numbers] for order in orders
    ]


figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, degree in zip(axes, (1, 2), strict=True):
    for (name, settings), color, marker in zip(
        kinds.items(), ("#e9a03b", "#d1495b", "#9b5de5"), "Dso", strict=True
    ):
        values = accuracies(degree, settings)
        ax.plot(numbers, np.mean(values, axis=0), color=color, marker=marker, label=name)
        ax.fill_between(
            numbers,
            np.min(values, axis=0),
            np.max(values, axis=0),
            color=color,
            alpha=0.15,
            linewidth=0,
        )
    n_observables = MonomialLifter(degree).fit(X[:1, :n_components]).n_output_features_
    ax.axhline(
        100 * net.score(X_test, y_test), color="#1b4965", linestyle=":", label="the teacher"
    )
    ax.set(xscale="log", xlabel="images", title=f"degree {degree}: {n_observables} observables")
    ax.set_xticks(numbers, numbers)
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("test accuracy (%)")
axes[1].legend(frameon=False, loc="lower right")

# %%
# A student of degree 2 that has a hundred images gains about six points by shifted copies: it has
# more observables than images, and the copies tell it what the teacher knows about shifts. With all
# images little is left to gain. A student of degree 1 is *worse* with copies, with any number of
# images: it is too small to be right on shifted images too, and is less often right on the others.
