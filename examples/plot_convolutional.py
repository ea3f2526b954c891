"""
=======================================
What does a student of filters look at?
=======================================

A student of filters is still one matrix, so each of its answers is a sum over filters and over
places. Here is one digit, and where its three best classes get their scores from.

Products of principal components know nothing of neighbouring pixels. ``ConvolutionalLifter`` lays
small filters on every patch of an image, takes a function of their responses, and averages it
over the cells of a coarse grid.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause
# sphinx_gallery_thumbnail_number = 3

# %%
# Filters that nobody trained
# ---------------------------
# The filters are centres of clusters of whitened patches; no labels are needed. Each filter has two
# observables in each cell: how far its responses are above a threshold, and how far they are below
# minus that threshold.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import (
    ConvolutionalLifter,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
)
from sklearn_koopman.deployment import Hardware, SimulatedChip, quantise_student
from sklearn_koopman.inspection import (
    FilterDisplay,
    FilterWeightsDisplay,
    LogitMapDisplay,
    cost,
)
from sklearn_koopman.pipeline import make_pipeline

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.3, stratify=y, random_state=0)
net = FrozenEstimator(MLPClassifier(64, max_iter=1000, random_state=0).fit(X, y))


def filters(**settings):
    """Return a dictionary of 16 filters of 3 x 3 on a grid of 3 x 3 cells."""
    settings = {"n_filters": 16, "filter_size": 3, "grid": 3, "random_state": 0} | settings
    return ConvolutionalLifter((8, 8), **settings)


def student_of(*steps):
    """Return a student of the network, fitted."""
    return make_pipeline(*steps, KoopmanDistilledClassifier(net, ridge=1e-3)).fit(X, y)


student = student_of(filters())
FilterDisplay.from_estimator(student)

# %%
# Beside other students
# ---------------------
# Multiplications are counted for one prediction, from the pixels to the ten scores; most of them
# belong to the convolution. Squares are what a detector measures after a lens and a mask. Products
# of pooled responses are a second dictionary after the first one.

students = {
    "products of 20 principal components": student_of(
        PCA(20, random_state=0), MonomialLifter(2)
    ),
    "filters, both sides of a threshold": student,
    "filters, squares": student_of(filters(nonlinearity="intensity", n_filters=32)),
    "filters, products of 20 components of them": student_of(
        filters(), PCA(20, random_state=0), MonomialLifter(2)
    ),
    "the best 60 observables of filters": student_of(
        ObservableSelector(filters(), max_observables=60)
    ),
}
print(f"{'the network':42}       {net.score(X_test, y_test):.1%}")
for name, each in students.items():
    print(
        f"{name:42} {each[-1].coef_.shape[1]:5d} {each.score(X_test, y_test):.1%} "
        f"fidelity {(each.predict(X_test) == net.predict(X_test)).mean():.1%} "
        f"{cost(each, X_test[:1], n_repeats=1).multiplications:6d} multiplications"
    )

# %%
# What a three looks for
# ----------------------
# This is the row of the matrix that belongs to the three, in another shape. The filters with the
# largest weights are at the top. Below each of them are the places where its positive and its
# negative responses speak for a three (red) or against it (blue). Each weight is multiplied by the
# standard deviation of its observable, so that weights can be compared.

FilterWeightsDisplay.from_estimator(student, 3, X)

# %%
# Where one answer comes from
# ---------------------------
# A logit is a sum over observables, and each observable belongs to a cell, so a logit is a sum over
# cells. The digit is the one of the test set whose two best classes are nearest to each other. The
# maps of its three best classes leave out what all classes share, and what an average image has.

logits = student.decision_function(X_test)
logits.sort(axis=1)
doubtful = (logits[:, -1] - logits[:, -2]).argmin()
LogitMapDisplay.from_estimator(student, X_test[doubtful], X_reference=X)

# %%
# In optics
# ---------
# In optics, a lens computes the convolution, a mask holds the filters, a detector squares, and a
# cell is a coarse pixel. Without normalised patches and roots nothing else is needed. A simulated
# device may have masks of few bits, and few electrons in each pixel.

optical = student_of(
    filters(nonlinearity="intensity", n_filters=32, normalization="none", root=False)
)
print(f"as it is: {optical.score(X_test, y_test):.1%}")
rounded = quantise_student(optical, X, bits=4, filter_bits=4)
print(f"matrix and filters of 4 bits: {rounded.score(X_test, y_test):.1%}")
for electrons in (100, 1000, 10_000):
    device = Hardware(weight_bits=4, filter_bits=4, pixel_electrons=electrons)
    chip = SimulatedChip(optical, device, X, random_state=0)
    score = chip.score(X_test, y_test)
    print(f"and {electrons} electrons in the brightest pixel: {score:.1%}")

plt.show()
