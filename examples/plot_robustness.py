"""
==========================================
How little must change for another answer?
==========================================

The logits of a student of degree 2 are quadratic forms, so the nearest image of another class can
be computed. Here are six digits, the nearest images that two students take for something else, and
the change between them.

``robust_radius`` returns how far that image is, and the image itself. With ``perturbation`` a
student is trained to keep its answer when images change.

``--dataset mnist`` does the same with MNIST.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause
# sphinx_gallery_thumbnail_number = 2

# %%
# Two students
# ------------
# They learn from the same network. One is told that images may change by 0.8, in the Euclidean
# distance of pixels between 0 and 1.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.inspection import robust_radius
from sklearn_koopman.pipeline import make_pipeline

parser = argparse.ArgumentParser(description="Show the nearest images of other classes.")
parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, side = X / 16, 8
else:
    images = fetch_mnist("train")
    X, y, side = images.data[:10_000], images.target[:10_000], 28
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
net = MLPClassifier((64,), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)
teacher = FrozenEstimator(net)


def student(perturbation):
    """Return a fitted student."""
    last = KoopmanDistilledClassifier(
        teacher, perturbation=perturbation, ridge=1e-4, tol=1e-4, max_iter=500
    )
    return make_pipeline(PCA(20, random_state=0), MonomialLifter(2), last).fit(X, y)


students = {"plain": student(0.0), "perturbation=0.8": student(0.8)}

# %%
# How far each test image is from another class
# ---------------------------------------------
# An image is certified at a radius if it is classified correctly, and so is everything nearer than
# that.

radii = np.linspace(0, 1.5, 61)
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.set_prop_cycle(color=["#d1495b", "#3c8d5a"])
for name, fitted in students.items():
    is_right = fitted.predict(X_test) == y_test
    reached = np.where(is_right, robust_radius(fitted, X_test), 0.0)
    ax.plot(radii, [100 * np.mean(reached > radius) for radius in radii], label=name)
    print(f"{name}: {is_right.mean():.1%} right, {np.mean(reached > 0.5):.1%} certified at 0.5")
ax.set_xlabel("change of the image (L2)")
ax.set_ylabel("certified accuracy (%)")
ax.set_ylim(0, 100)
ax.grid(alpha=0.3)
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %%
# The nearest images of another class
# -----------------------------------
# Each image, the nearest one across the boundary, and the change between them. For the student that
# expects changes, the changes must be larger.

shown = [np.flatnonzero(y_test == label)[0] for label in range(6)]
fig, axes = plt.subplots(5, len(shown), figsize=(7, 6), layout="constrained")
axes[0, 0].set_ylabel("image", fontsize=8)
for column, row in enumerate(shown):
    axes[0, column].imshow(X_test[row].reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
for place, (name, fitted) in enumerate(students.items()):
    found, changed = robust_radius(fitted, X_test[shown], return_counterfactual=True)
    before, after = fitted.predict(X_test[shown]), fitted.predict(changed)
    for column, row in enumerate(shown):
        above, below = axes[1 + 2 * place : 3 + 2 * place, column]
        change = (changed[column] - X_test[row]).reshape(side, side)
        above.imshow(changed[column].reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
        above.set_title(f"{before[column]} to {after[column]}: {found[column]:.2f}", fontsize=8)
        most = np.abs(change).max()
        below.imshow(change, cmap="RdBu_r", vmin=-most, vmax=most)
    axes[1 + 2 * place, 0].set_ylabel(name, fontsize=8)
    axes[2 + 2 * place, 0].set_ylabel("change", fontsize=8)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

plt.show()
