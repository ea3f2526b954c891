"""
=========================================
How many observables does a student need?
=========================================

Most monomials up to degree 3 do little. ``ObservableSelector`` keeps those that explain the targets
best, and nothing else is computed after ``fit``. Fifty of them are nearly as good as all 815.

``--dataset mnist`` does the same on 10,000 images of MNIST, in minutes.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data and teacher
# ----------------

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter, ObservableSelector
from sklearn_koopman.datasets import fetch_mnist

parser = argparse.ArgumentParser(description="Choose few observables.")
parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, n_components = X / 16, 15
else:
    images = fetch_mnist("train")
    X, y, n_components = images.data[:15_000], images.target[:15_000], 30
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

net = MLPClassifier((128,), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)
logits = net.predict_log_proba(X)
pca = PCA(n_components, random_state=0).fit(X)
Z, Z_test = pca.transform(X), pca.transform(X_test)

# %%
# A greedy choice
# ---------------
# The selector passes over the rows once, and then chooses one observable after the other: always
# the one that lowers the error of least squares most. The targets are the teacher's logits,
# centred. Choices are nested, so ``first(m)`` needs no other fit.

numbers = [10, 20, 30, 50, 75, 100, 150, 250, 400, 700]
selector = ObservableSelector(MonomialLifter(3), max_observables=max(numbers))
selector.fit(Z, logits - logits.mean(axis=1, keepdims=True))
print(f"{len(selector.support_)} candidates; the first ones that are chosen:")
print(", ".join(selector.first(8).get_feature_names_out()))


def accuracy(Z, Z_test, lifter=None):
    """Return the test accuracy of a student in percent."""
    student = KoopmanDistilledClassifier(lifter=lifter, ridge=1e-3, soft_weight=0.9, tol=1e-4)
    return 100 * student.fit(Z, y, soft_labels=logits).score(Z_test, y_test)


chosen = [accuracy(Z, Z_test, FrozenEstimator(selector.first(number))) for number in numbers]

# %%
# There are two other ways to have few: draw observables at random, or take fewer PCA coordinates
# and all of their products up to degree 2.

all_of_them = MonomialLifter(3, include_bias=False).fit(Z)
Psi, Psi_test = all_of_them.transform(Z), all_of_them.transform(Z_test)
n_candidates = Psi.shape[1]
drawn = []
for seed in range(3):
    order = np.random.default_rng(seed).permutation(n_candidates)
    drawn.append([accuracy(Psi[:, order[:m]], Psi_test[:, order[:m]]) for m in numbers])

sizes = [3, 4, 5, 7, 9, 12, n_components]
fewer = [accuracy(Z[:, :size], Z_test[:, :size], MonomialLifter(2)) for size in sizes]
n_products = [size * (size + 3) // 2 for size in sizes]

# %%
# Accuracy against number
# -----------------------

figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
ax.plot(numbers, chosen, "o-", color="#d1495b", label="chosen from degree 3")
ax.plot(n_products, fewer, "D-", color="#3c8d5a", label="fewer coordinates, degree 2")
ax.plot(numbers, np.mean(drawn, axis=0), "s-", color="0.5", label="drawn from degree 3")
ax.fill_between(
    numbers,
    np.min(drawn, axis=0),
    np.max(drawn, axis=0),
    color="0.5",
    alpha=0.25,
    linewidth=0,
)
ax.axhline(
    accuracy(Psi, Psi_test), color="#d1495b", linestyle="--", label=f"all {n_candidates}"
)
ax.axhline(100 * net.score(X_test, y_test), color="#1b4965", linestyle=":", label="the teacher")
ax.set(xscale="log", xlabel="observables", ylabel="test accuracy (%)", ylim=(60, 100))
ax.set_xticks([10, 20, 50, 100, 200, 500], [10, 20, 50, 100, 200, 500])
ax.minorticks_off()
ax.grid(alpha=0.3)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="lower right")

# %%
# Ten chosen observables, which are PCA coordinates as they are, do as well as some forty products
# of few coordinates. Fifty chosen ones are within a point of the whole dictionary. From a hundred
# on, the two ways differ little, while as many drawn ones are still seven points worse.
