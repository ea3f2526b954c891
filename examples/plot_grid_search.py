"""
===========================================
How many PCA coordinates, and which degree?
===========================================

A dictionary has two sizes: how many coordinates it sees, and up to which degree it multiplies
them. Both are parameters of a pipeline, so scikit-learn's own grid search can choose them, although
the student comes after PCA and its teacher wants pixels.

``--dataset mnist`` does the same on 10,000 images of MNIST, in minutes.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data and teacher
# ----------------
# The teacher is a perceptron that is trained once. ``FrozenEstimator`` keeps it as it is; without
# that, the search would train another perceptron for each fold.

import argparse

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.inspection import AccuracyCostDisplay
from sklearn_koopman.pipeline import make_pipeline

parser = argparse.ArgumentParser(description="Search for the size of a dictionary.")
parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, sizes = X / 16, [4, 8, 12, 16, 20]
else:
    images = fetch_mnist("train")
    X, y, sizes = images.data[:15_000], images.target[:15_000], [10, 20, 30, 40]
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

net = MLPClassifier((128,), alpha=0.3, learning_rate_init=3e-3, random_state=0)
net.fit(X, y)
print(f"teacher: {net.score(X_test, y_test):.1%} of the test images right")

# %%
# Search
# ------
# ``sklearn_koopman.pipeline.make_pipeline`` hands the pixels of each fold to the teacher, and
# PCA coordinates to the dictionary. The teacher has seen all training images, also those that a
# fold holds out. So the scores of the folds rank students; the one to believe is that of the test.

student = make_pipeline(
    PCA(random_state=0),
    MonomialLifter(),
    KoopmanDistilledClassifier(FrozenEstimator(net), ridge=1e-3, tol=1e-4),
)
grid = {"pca__n_components": sizes, "monomiallifter__degree": [1, 2, 3]}
# ``verbose=2`` prints a line for each fit: worth it where they take long.
search = GridSearchCV(student, grid, cv=3, verbose=2 * (options.dataset == "mnist"))
search.fit(X, y)
print(f"best: {search.best_params_}")
print(f"its score on the test images: {search.score(X_test, y_test):.1%}")

# %%
# What it found
# -------------
# Left: the score of every pair, with the number of observables below it. Right: the same scores
# against what a student costs.

table = 100 * search.cv_results_["mean_test_score"].reshape(3, len(sizes))

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
heat = left.imshow(table, cmap="cividis", aspect="auto")
for i, degree in enumerate(grid["monomiallifter__degree"]):
    for j, size in enumerate(sizes):
        n = MonomialLifter(degree).fit(X[:1, :size]).n_output_features_
        ink = "white" if table[i, j] < (table.min() + table.max()) / 2 else "black"
        left.text(j, i, f"{table[i, j]:.1f}\n{n:,}", ha="center", va="center", color=ink)
left.set_xticks(range(len(sizes)), sizes)
left.set_yticks(range(3), grid["monomiallifter__degree"])
left.set(xlabel="PCA coordinates", ylabel="degree")
left.set_title("Accuracy in cross-validation (%), number of observables")
figure.colorbar(heat, ax=left, label="accuracy (%)")

right.set_prop_cycle(color=["#d1495b"])
AccuracyCostDisplay.from_search(search, X, y, ax=right)
right.yaxis.set_major_formatter(lambda score, _: f"{100 * score:g}")
right.set(ylabel="accuracy (%)", title="Accuracy against cost")
right.legend(frameon=False, loc="lower right")
right.grid(alpha=0.3)
right.spines[["top", "right"]].set_visible(False)

# %%
# With 12 coordinates and more, degree 2 is two points and more above degree 1. Degree 3 is better
# only where there are few coordinates; from 12 on it costs three to six times as much and brings
# nothing, as there are not enough images for so many observables. Along the frontier, coordinates
# and degree grow by turns.
