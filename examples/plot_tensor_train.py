"""
==========================================
How large a rank does a tensor train need?
==========================================

A tensor train works with *all* products of its variables: a million observables with 20 variables.
Its rank keeps it small, and here a rank of 12 is as good as the teacher.

``--dataset mnist`` does the same on 10,000 images of MNIST, in minutes.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data and teacher
# ----------------

import argparse

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter, TensorTrainClassifier
from sklearn_koopman.datasets import fetch_mnist

parser = argparse.ArgumentParser(description="Vary the rank of a tensor train.")
parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, n_components = X / 16, 20
else:
    images = fetch_mnist("train")
    X, y, n_components = images.data[:15_000], images.target[:15_000], 40
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

net = MLPClassifier((128,), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)
teacher = FrozenEstimator(net)

# %%
# Trains of growing rank
# ----------------------
# ``solver="als"`` sweeps over the cores. With all others fixed, a core is a convex problem.
# The default ridge is 0.3. A smaller one lets cores move far, which trains of low rank need.

pca = PCA(n_components, random_state=0)
ranks = [1, 2, 3, 4, 6, 8, 12]
trains = [
    TensorTrainClassifier(
        teacher, rank=rank, lifter=pca, ridge=0.003, max_iter=4, random_state=0
    ).fit(X, y)
    for rank in ranks
]

# %%
# For comparison, one matrix on monomials of the same variables:

matrices = {
    degree: KoopmanDistilledClassifier(
        teacher, ridge=1e-3, lifter=make_pipeline(pca, MonomialLifter(degree))
    ).fit(X, y)
    for degree in (1, 2, 3)
}

# %%
# Accuracy and size
# -----------------

TEACHER, STUDENT, TRAIN = "#1b4965", "#d1495b", "#9b5de5"

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
on_test = [100 * train.score(X_test, y_test) for train in trains]
on_train = [100 * train.score(X, y) for train in trains]
left.plot(ranks, on_train, "s--", color="0.5", markersize=5, label="training images")
left.plot(ranks, on_test, "o-", color=TRAIN, markersize=5, label="test images")
left.axhline(100 * net.score(X_test, y_test), color=TEACHER, linestyle=":", label="the teacher")
left.set(xlabel="rank", ylabel="accuracy (%)", title="Accuracy of the tensor train")
left.set_xticks(ranks)

sizes = [train.tensor_train_.n_parameters for train in trains]
right.plot(sizes, on_test, "o-", color=TRAIN, markersize=5, label="tensor train")
for degree, matrix in matrices.items():
    size, score = matrix.coef_.size, 100 * matrix.score(X_test, y_test)
    right.plot(size, score, "D", color=STUDENT, label="one matrix" if degree == 1 else None)
    right.annotate(
        f"degree {degree}", (size, score), (0, 8), textcoords="offset points", ha="center"
    )
right.set(xscale="log", xlabel="parameters", title="Test accuracy against size")
for ax in (left, right):
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="lower right")

# %%
# The train starts at a linear model. It holds all of that model from a rank of 10 on, the number
# of classes. With so few images, one matrix on the 231 monomials of degree 2 is at least as
# accurate with a third of the parameters of rank 12, and one fit reaches its optimum.
#
# The train is for dictionaries that no matrix can hold: many variables, and all their products.
