r"""
=========================================
What does a student look for in an image?
=========================================

With monomials up to degree 2, the logit of each class is a quadratic form of the image. Its
eigenvectors are patterns in the image, and its eigenvalues say whether a pattern speaks for the
class or against it.

The form of class c is

.. math:: s_c(z) = b_c + w_c^T z + z^T A_c z

with PCA coordinates z and a symmetric matrix. PCA turns the eigenvectors of that into images.

``--dataset mnist`` shows the forms of MNIST.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# A student of degree 2
# ---------------------

import argparse

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.pipeline import make_pipeline

parser = argparse.ArgumentParser(description="Show the quadratic forms of a student.")
parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, n_components = X / 16, 20
else:
    images = fetch_mnist("train")
    X, y, n_components = images.data[:20_000], images.target[:20_000], 40
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

net = MLPClassifier((128,), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)
student = make_pipeline(
    PCA(n_components, whiten=True, random_state=0),
    MonomialLifter(2),
    KoopmanDistilledClassifier(FrozenEstimator(net), soft_weight=0.9, ridge=1e-3),
).fit(X, y)
print(f"network {net.score(X_test, y_test):.1%}, student {student.score(X_test, y_test):.1%}")

# %%
# From the Koopman matrix to quadratic forms
# ------------------------------------------
# ``powers_`` says which coordinates each monomial multiplies. Only differences of logits matter, so
# what all classes have in common is subtracted first.

pca, lifter, classifier = student
K = classifier.koopman_matrix_ - classifier.koopman_matrix_.mean(axis=0)

b = np.zeros(len(K))
w = np.zeros((len(K), n_components))
A = np.zeros((len(K), n_components, n_components))
for powers, column in zip(lifter.powers_, K.T, strict=True):
    factors = np.repeat(np.arange(n_components), powers)
    if len(factors) == 0:
        b += column
    elif len(factors) == 1:
        w[:, factors[0]] += column
    else:
        i, j = factors
        A[:, i, j] += column / 2
        A[:, j, i] += column / 2

z = pca.transform(X_test)
logits = b + z @ w.T + np.einsum("ni,cij,nj->nc", z, A, z)
proba = student.predict_proba(X_test)
np.testing.assert_allclose(softmax(logits, axis=1), proba, atol=1e-3)  # float32 for MNIST

# %%
# Patterns
# --------
# As PCA whitens, all coordinates have unit variance. So an eigenvalue is what the logit gains
# where an image differs from the mean image by one standard deviation along the pattern, in either
# direction: the sign of an eigenvector says nothing.

eigenvalues, eigenvectors = np.linalg.eigh(A)  # in ascending order
side = round(X.shape[1] ** 0.5)


def as_images(directions):
    """Return directions in PCA coordinates as patterns of pixels."""
    return (pca.inverse_transform(directions) - pca.mean_).reshape(-1, side, side)


rows = {
    "mean image": np.stack([X[y == c].mean(axis=0) for c in range(10)]).reshape(-1, side, side),
    "linear part": as_images(w),
    "most in favour": as_images(eigenvectors[:, :, -1]),
    "most against": as_images(eigenvectors[:, :, 0]),
}
marks = {
    "most in favour": [f"+{value:.2f}" for value in eigenvalues[:, -1]],
    "most against": [f"\N{MINUS SIGN}{-value:.2f}" for value in eigenvalues[:, 0]],
}

figure, axes = plt.subplots(4, 10, figsize=(11, 5), layout="constrained")
for line, (name, patterns) in zip(axes, rows.items(), strict=True):
    for c, (ax, pattern) in enumerate(zip(line, patterns, strict=True)):
        if name == "mean image":
            ax.imshow(pattern, cmap="gray_r")
            ax.set_title(str(c))
        else:
            limit = np.abs(pattern).max()
            ax.imshow(pattern, cmap="RdBu_r", vmin=-limit, vmax=limit)
        if name in marks:
            ax.set_xlabel(marks[name][c], fontsize=9)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    line[0].set_ylabel(name)

# %%
# The linear part shows where a class differs from the mean image: the hole of a 0, the foot of a 2.
# For most classes the pattern most in favour is nearly the same (red and blue may be exchanged). So
# its square bends the linear part upwards: the more there is of a pattern, the more each bit of it
# counts. The pattern most against a class has no counterpart in the linear part: a linear student
# cannot object to both too much and too little of something.
#
# How many patterns does a class need?
# ------------------------------------
# Only the eigenvectors with the largest absolute eigenvalues are kept, the same number for each
# class.

numbers = np.arange(n_components + 1)
accuracies = []
for number in numbers:
    logits = b + z @ w.T
    for c in range(10):
        kept = np.argsort(-np.abs(eigenvalues[c]))[:number]
        logits[:, c] += np.square(z @ eigenvectors[c][:, kept]) @ eigenvalues[c][kept]
    accuracies.append(100 * np.mean(logits.argmax(axis=1) == y_test))

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
for c, values in enumerate(eigenvalues):
    colors = np.where(values > 0, "#d1495b", "#1b4965")
    left.scatter(np.full(len(values), c), values, c=colors, s=16, alpha=0.8, linewidths=0)
left.axhline(0, color="0.6", linewidth=1)
left.set(xticks=range(10), xlabel="class", ylabel="eigenvalue (logit)")
left.set_title("Eigenvalues")
right.plot(numbers, accuracies, "o-", color="#d1495b", markersize=4, label="kept ones")
right.axhline(
    100 * student.score(X_test, y_test), color="0.4", linestyle="--", label="all of them"
)
right.legend(frameon=False, loc="lower right")
right.set(xlabel="eigenvectors kept for each class", ylabel="test accuracy (%)")
right.set_xticks(numbers[::4])
right.set_title("Accuracy")
right.grid(alpha=0.3)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Most classes have one eigenvalue that stands out. One pattern for each class is two thirds of the
# way from the linear student (at 0) to the whole one, and five are nearly all of it. The student
# computes 210 products, and a class needs only a few sums of them.
