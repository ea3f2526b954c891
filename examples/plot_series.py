"""
===========
Time series
===========

Sensors give series, and what matters in them may be anywhere. Filters see it there, and products of
coordinates do not. How much does a convolutional network teach students that have them?
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause
# sphinx_gallery_thumbnail_number = 2

# %%
# Cylinders, bells and funnels
# ----------------------------
# A noisy series is raised between two moments: evenly, more and more, or less and less [1]_. There
# are 60 series to learn from.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import make_union
from torch import nn

from sklearn_koopman import ConvolutionalLifter, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.pipeline import make_pipeline

LENGTH, KINDS = 128, np.array(["cylinder", "bell", "funnel"])


def make_series(n_samples, seed):
    """Return series, (n_samples, 128), and their kinds."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n_samples)
    time = np.arange(LENGTH)
    start = rng.integers(16, 33, (n_samples, 1))
    duration = rng.integers(32, 97, (n_samples, 1))
    elapsed = (time - start) / duration
    shape = np.choose(kind[:, None], [np.ones_like(elapsed), elapsed, 1 - elapsed])
    height = 6 + rng.normal(size=(n_samples, 1))
    raised = height * np.where((elapsed >= 0) & (elapsed <= 1), shape, 0)
    return (raised + rng.normal(size=raised.shape)).astype(np.float32), KINDS[kind]


X, y = make_series(60, seed=0)
X_test, y_test = make_series(2000, seed=1)

figure, axes = plt.subplots(1, 3, figsize=(10, 2.4), sharey=True, layout="constrained")
for ax, kind in zip(axes, KINDS, strict=True):
    ax.set_prop_cycle(color=["#1b4965", "#d1495b", "#e9a03b"])
    ax.plot(X[y == kind][:3].T, lw=0.8)
    ax.set(title=kind, xlabel="time")
    ax.spines[["top", "right"]].set_visible(False)

# %%
# A network as the teacher
# ------------------------
# It is small, with two convolutions. It takes flat rows, as the student does.

classes, codes = np.unique(y, return_inverse=True)
rows, codes = torch.from_numpy(X), torch.from_numpy(codes)
torch.manual_seed(0)
network = nn.Sequential(
    nn.Unflatten(1, (1, LENGTH)),
    nn.Conv1d(1, 16, 9, padding=4),
    nn.ReLU(),
    nn.MaxPool1d(4),
    nn.Conv1d(16, 32, 9, padding=4),
    nn.ReLU(),
    nn.AdaptiveMaxPool1d(4),
    nn.Flatten(),
    nn.Linear(128, 3),
)
adam = torch.optim.Adam(network.parameters(), lr=2e-3)
for _ in range(150):
    noisy = rows + 0.5 * torch.randn_like(rows)
    loss = nn.functional.cross_entropy(network(noisy), codes)
    adam.zero_grad()
    loss.backward()
    adam.step()
network.eval()
with torch.no_grad():
    guesses = classes[network(torch.from_numpy(X_test)).argmax(1)]
print(f"network: {np.mean(guesses == y_test):.1%}")

# %%
# Products, and filters of several lengths
# ----------------------------------------
# Products of PCA coordinates look at fixed moments. A
# :class:`~sklearn_koopman.ConvolutionalLifter` applies the same filters everywhere. A series has
# patterns of several lengths: ``dilation=4`` spreads the nine numbers of a filter over 33 moments,
# and a union of three lifters has three lengths. ``nonlinearity="proportion"`` counts the places at
# which the response of a filter is above a threshold.


def convolutions(**settings):
    """Return filters of three dilations."""
    return make_union(
        *(
            ConvolutionalLifter(
                (LENGTH,),
                filter_size=9,
                dilation=dilation,
                n_filters=16,
                grid=2,
                random_state=0,
                **settings,
            )
            for dilation in (1, 4, 8)
        )
    )


dictionaries = {
    "products of PCA": make_pipeline(PCA(12, random_state=0), MonomialLifter(2)),
    "filters, threshold": convolutions(),
    "filters, proportion": convolutions(nonlinearity="proportion"),
}
students, accuracies = {}, {}
for name, dictionary in dictionaries.items():
    for teacher in (None, network):
        soft_weight = 0.0 if teacher is None else 0.9
        student = make_pipeline(
            dictionary,
            KoopmanDistilledClassifier(teacher, soft_weight=soft_weight, ridge=1e-2),
        ).fit(X, y)
        accuracies[name, teacher] = student.score(X_test, y_test)
        students[name, teacher] = student
    size = student[-1].coef_.shape[1]
    without, distilled = (accuracies[name, teacher] for teacher in (None, network))
    print(f"{name}, {size}: {without:.1%} without a teacher, {distilled:.1%} distilled")

# %%
# What a filter looks at
# ----------------------
# For each dilation, show the filter that has the largest coefficients in the distilled student.

student = students["filters, threshold", network]
# Two signs and two cells are successive.
strengths = np.linalg.norm(student[-1].coef_, axis=0).reshape(3, 16, 4).sum(axis=-1)
lifters = [lifter for _, lifter in student[0].transformer_list]

figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
places = np.arange(len(dictionaries))
for offset, label, teacher, color in (
    (-0.2, "no teacher", None, "#e9a03b"),
    (0.2, "distilled", network, "#d1495b"),
):
    right = [100 * accuracies[name, teacher] for name in dictionaries]
    axes[0].plot(right, places + offset, "o", color=color, label=label)
axes[0].axvline(100 * np.mean(guesses == y_test), c="#1b4965", ls=":", label="network")
axes[0].set(xlim=(82, 100), xlabel="test accuracy (%)")
axes[0].set_yticks(places, dictionaries)
axes[0].set_ylim(2.5, -0.5)
axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
axes[1].set_prop_cycle(color=["#9b5de5", "#3c8d5a", "0.4"])
for lifter, of_filters in zip(lifters, strengths, strict=True):
    times = lifter.dilation * (np.arange(9) - 4)
    strongest = lifter.filters_[of_filters.argmax()].ravel()
    axes[1].plot(times, strongest, ".-", label=f"dilation {lifter.dilation}")
axes[1].axhline(0, c="0.7", lw=0.8, zorder=0)
axes[1].set(xlabel="time from the middle", ylabel="strongest filter")
axes[1].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
for ax in axes:
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Filters see the shapes wherever they are, and are right more often than products by eight points
# or more. The network adds four points to products, two to filters with a threshold, and nothing
# to proportions. (This is one draw of 60 series: a point may be chance.)
#
# For your own series, MiniRocket [2]_ of the package aeon is a dictionary like any other. It takes
# series in three dimensions, (series, channels, time), and so do a pipeline that begins with it,
# and its teacher. Where rows are flat, a step before it gives them their shape::
#
#     from aeon.transformations.collection.convolution_based import MiniRocket
#     from sklearn.preprocessing import FunctionTransformer
#
#     def as_series(X):
#         return X.reshape(len(X), 1, -1)
#
#     student = make_pipeline(
#         FunctionTransformer(as_series), MiniRocket(1000), KoopmanDistilledClassifier(network)
#     )
#
# .. rubric:: References
#
# .. [1] N. Saito, "Local feature extraction and its applications using a library of bases", PhD
#    thesis, Yale University (1994).
# .. [2] A. Dempster, D. F. Schmidt and G. I. Webb, "MiniRocket: a very fast (almost) deterministic
#    transform for time series classification", KDD (2021).
