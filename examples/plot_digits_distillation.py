"""
===========================================
Distilling a network that recognises digits
===========================================

A hundred images of digits have labels, and a thousand have none. A convolutional network learns a
lot from the hundred, and a small student learns nearly all of that from the network. From the
labels alone the same student learns less.

The network sees deformed copies of the labelled images, and its convolutions know which pixels are
neighbours. The student has neither: it is PCA, the products of the coordinates, and one matrix. But
the network can say what it thinks of the other thousand images, and the student learns from that.

``--dataset mnist`` and ``--dataset fashion_mnist`` do the same with 30,000 images, a thousand of
them with labels, and take minutes. ``--output FOLDER`` saves the picture.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data
# ----
# Of the images, 30 % are kept for the test. As one split may be lucky, there are five: each has
# other test images, and other images with labels.

import argparse
import pickle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_koopman import EDMDClassifierCV, KoopmanDistilledClassifierCV, MonomialLifter
from sklearn_koopman.datasets import fetch_fashion_mnist, fetch_mnist
from sklearn_koopman.deployment import detach_teacher
from sklearn_koopman.inspection import cost
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.teachers import TorchTeacher

parser = argparse.ArgumentParser(description="Distil a network that recognises digits.")
parser.add_argument("--dataset", choices=["digits", "mnist", "fashion_mnist"], default="digits")
parser.add_argument("--splits", type=int, help="how often to repeat it")
parser.add_argument("--output", type=Path, help="folder for the picture")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, names = (X / 16).astype(np.float32), [str(digit) for digit in range(10)]
    n_labelled, n_epochs, strength, sizes, n_splits = 100, 200, 1.0, [5, 10, 20, 30], 5
else:
    fetch = {"mnist": fetch_mnist, "fashion_mnist": fetch_fashion_mnist}[options.dataset]
    images = fetch("train")
    X, y, names = images.data[:30_000], images.target[:30_000], list(images.target_names)
    n_labelled, n_epochs, sizes, n_splits = 1000, 50, [10, 20, 30, 40], 1
    strength = 1.0 if options.dataset == "mnist" else 0.2  # clothes stand upright
n_splits = options.splits or n_splits
side = round(X.shape[1] ** 0.5)

# %%
# Teacher
# -------
# While it is trained, its first module turns, scales and moves the images at random. skorch trains
# it; torch draws from a global generator, and ``fork_rng`` leaves that as it was.


class Deform(nn.Module):
    """Deforms images in training, and leaves them alone afterwards."""

    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def forward(self, images):
        """Return images of the same shape, (n, 1, side, side)."""
        if not self.training:
            return images
        turn, size, right, down = self.strength * (2 * torch.rand(4, len(images)) - 1)
        turn, size, right, down = 0.3 * turn, 1 + 0.15 * size, right / 4, down / 4
        along, across = size * turn.cos(), size * turn.sin()
        maps = torch.stack([along, -across, right, across, along, down], dim=1)
        grid = nn.functional.affine_grid(
            maps.reshape(-1, 2, 3), images.shape, align_corners=False
        )
        return nn.functional.grid_sample(images, grid, align_corners=False)


def train_teacher(X, y, seed):
    """Return a trained network that gives logits."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            Deform(strength),
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(8 * side**2, 10),
        )
        NeuralNetClassifier(
            net,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=3e-3,
            max_epochs=n_epochs,
            batch_size=50,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        ).fit(X.reshape(-1, 1, side, side), y.astype(np.int64))
    return TorchTeacher(net, input_shape=(1, side, side))


# %%
# Students
# --------
# Three students have the same observables; their matrices are fitted to different targets. In
# ``y``, -1 stands for "no label". Cross-validation on the training images chooses each ridge,
# and the temperature of the distilled one. ``make_pipeline`` of this package hands the pixels
# to the teacher, although the student comes after PCA.


def students(teacher, n_components):
    """Return unfitted pipelines."""
    settings = {"ridges": np.logspace(-4, 0, 5), "cv": 3, "tol": 1e-4}
    last_steps = {
        "distilled student": KoopmanDistilledClassifierCV(
            teacher, soft_weights=[0.9], unlabeled_value=-1, **settings
        ),
        "student without teacher": KoopmanDistilledClassifierCV(
            soft_weights=[0.0], unlabeled_value=-1, **settings
        ),
        "EDMD on labels": EDMDClassifierCV(
            ridges=np.logspace(-4, 1, 11), cv=3, scoring="accuracy", unlabeled_value=-1
        ),
    }
    return {
        name: make_pipeline(PCA(n_components, random_state=0), MonomialLifter(2), last_step)
        for name, last_step in last_steps.items()
    }


accuracies: dict[str, list] = {}  # [name]: n_splits * n_sizes of them, in percent
for split in range(n_splits):
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=split
    )
    rows = np.arange(len(X_train))
    labelled, others = train_test_split(
        rows, train_size=n_labelled, stratify=y_train, random_state=split
    )
    teacher = train_teacher(X_train[labelled], y_train[labelled], seed=split)
    right = 100 * np.mean(teacher(X_test).argmax(axis=1) == y_test)
    accuracies.setdefault("teacher", []).append(right)
    print(f"split {split}: teacher {right:.1f} %", flush=True)
    y_train[others] = -1
    costs = []
    for size in sizes:
        fitted = students(teacher, size)
        for name, student in fitted.items():
            right = 100 * student.fit(X_train, y_train).score(X_test, y_test)
            accuracies.setdefault(name, []).append(right)
        costs.append(cost(student, X_test[:1], n_repeats=1).multiplications)

# %%
# What the teacher is worth
# -------------------------

tables = {
    name: np.reshape(right, (n_splits, -1)) for name, right in accuracies.items()
}  # (n_splits, n_sizes)
leads = tables["distilled student"] - tables["student without teacher"]
for name, table in tables.items():
    print(f"{name:24}", *(f"{mean:6.1f}" for mean in table.mean(axis=0)))
print(f"{'lead over no teacher':24}", *(f"{mean:6.1f}" for mean in leads.mean(axis=0)))
print(f"{'its standard deviation':24}", *(f"{spread:6.1f}" for spread in leads.std(axis=0)))

# %%
# After ``fit`` the student does not need its teacher any more.

student = detach_teacher(fitted["distilled student"])
print(f"The student without its teacher has {len(pickle.dumps(student)):,} bytes.")

# %%
# Picture
# -------
# Left: accuracy against multiplications, for students of different sizes. Lines are means of the
# splits, bands reach from the worst split to the best. Right: test images on which the teacher
# hesitates, their true class above them, and how far the largest distilled student shares its
# doubts.

COLORS = {
    "teacher": "#1b4965",
    "distilled student": "#d1495b",
    "student without teacher": "#e9a03b",
    "EDMD on labels": "#8d99ae",
}
doubts = [["image 0", "bars 0"], ["image 1", "bars 1"], ["image 2", "bars 2"]]
figure, axes = plt.subplot_mosaic(
    [["costs", *line] for line in doubts],
    width_ratios=[6, 1, 5],
    figsize=(11, 4.6),
    layout="constrained",
)

ax = axes["costs"]
for name, color in COLORS.items():
    table, x = tables[name], costs
    look = {"marker": "o"}
    if name == "teacher":
        look = {"marker": "*", "markersize": 15, "linestyle": "none"}
        x = [cost(teacher, X_test[:1], n_repeats=1).multiplications]
    ax.plot(x, table.mean(axis=0), color=color, label=name, **look)
    ax.fill_between(x, table.min(axis=0), table.max(axis=0), color=color, alpha=0.15, lw=0)
ax.set(xscale="log", xlabel="multiplications per image", ylabel="test accuracy (%)")
ax.set_title(f"Accuracy with {n_labelled:,} labelled images")
ax.legend(loc="lower right", frameon=False)
ax.grid(alpha=0.3)

proba = softmax(teacher(X_test), axis=1)
_, first = np.unique(y_test[np.argsort(proba.max(axis=1))], return_index=True)
rows = np.argsort(proba.max(axis=1))[np.sort(first)[: len(doubts)]]  # no class twice
for (left, right), row in zip(doubts, rows, strict=True):
    axes[left].imshow(X_test[row].reshape(side, side), cmap="gray_r")
    axes[left].set_title(names[y_test[row]], fontsize=9, pad=3)
    axes[left].set_axis_off()
    bars = {"teacher": proba[row], "distilled student": student.predict_proba(X_test[[row]])[0]}
    for offset, (name, values) in zip((-0.2, 0.2), bars.items(), strict=True):
        axes[right].bar(np.arange(10) + offset, values, 0.4, color=COLORS[name])
    axes[right].set(ylim=(0, 1), yticks=[0, 0.5, 1], xticks=[])
lean = {"rotation": 60, "ha": "right"} if max(map(len, names)) > 2 else {}
axes["bars 2"].set_xticks(range(10), names, **lean)
axes["bars 0"].set_title("Images that the teacher finds hard")
for ax in axes.values():
    ax.spines[["top", "right"]].set_visible(False)

if options.output is not None:
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{options.dataset}_distillation.png"
    figure.savefig(path, dpi=150)
    print(f"picture: {path}")

# %%
# The students do with less than three percent of the network's multiplications. With the teacher
# they are 4.7 to 8.7 points better than without it: these are means of five splits for each size,
# with standard deviations of 0.6 to 2.1 points. Many observables need many rows. So the student
# without a teacher is worse with 496 observables than with 66, and the distilled one is not.
#
# This is what a teacher is for: it knows more than the labels say. Where all 1,257 training images
# have labels, it is worth nothing on these digits
# (:ref:`sphx_glr_auto_examples_plot_distillation_or_least_squares.py`). On MNIST and
# Fashion-MNIST, with a thousand labels, it is worth 2.9 to 4.7 and 2.6 to 3.3 points on one split.
