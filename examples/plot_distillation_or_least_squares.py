"""
==========================================
When does distillation beat least squares?
==========================================

Least squares on one-hot labels (EDMD) finds a Koopman matrix in one step, without a teacher. When
does it pay to minimise the distillation loss instead? That depends on the size of the dictionary
and on the number of rows, and this script varies both.

``--dataset mnist`` does the same on MNIST, in minutes.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data and teacher
# ----------------
# The teacher has learned from all training images, and its students get 1,257 or 200 of them.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_koopman import EDMDClassifierCV, KoopmanDistilledClassifierCV, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist

parser = argparse.ArgumentParser(description="Compare distillation with least squares.")
parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, numbers, sizes, n_splits = X / 16, [1257, 200], [3, 4, 6, 8, 12, 20, 30], 3
else:
    images = fetch_mnist("train")
    X, y, numbers, n_splits = images.data, images.target, [42_000, 2_000], 1
    sizes = [6, 12, 20, 30, 40, 60]

# %%
# Students
# --------
# Cross-validation on its own rows chooses the ridge of every student, and the temperature of the
# distilled one. A third student minimises the same loss without a teacher, which is logistic
# regression: it tells the effect of the loss from that of the teacher.

RIDGES = np.logspace(-5, -1, 5)
SETTINGS = {"ridges": RIDGES, "cv": 3, "tol": 1e-4}


def students(teacher, n_components):
    """Return unfitted students of all kinds."""
    lifter = make_pipeline(PCA(n_components, random_state=0), MonomialLifter(2))
    return {
        "distilled": KoopmanDistilledClassifierCV(
            teacher,
            temperatures=[1.0, 4.0],
            soft_weights=[0.9],
            lifter=lifter,
            **SETTINGS,
        ),
        "same loss, no teacher": KoopmanDistilledClassifierCV(
            temperatures=[1.0], soft_weights=[0.0], lifter=lifter, **SETTINGS
        ),
        "least squares": EDMDClassifierCV(ridges=np.logspace(-5, 1, 13), lifter=lifter),
    }


scores = {number: {} for number in numbers}  # [number][name]: (n_splits, n_sizes)
for seed in range(n_splits):
    train, test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    net = MLPClassifier((128,), alpha=0.3, learning_rate_init=3e-3, random_state=0)
    teacher = FrozenEstimator(net.fit(train, y_train))
    print(f"split {seed}: teacher {teacher.score(test, y_test):.1%} right", flush=True)
    rows = np.random.default_rng(seed).permutation(len(train))
    for number in numbers:
        few, y_few = train[rows[:number]], y_train[rows[:number]]
        for size in sizes:
            for name, student in students(teacher, size).items():
                score = student.fit(few, y_few).score(test, y_test)
                scores[number].setdefault(name, []).append(100 * score)

# %%
# What it brings
# --------------
# Above: accuracy. Below: the lead over least squares, with the standard error of the splits. The
# dotted line is where there are as many observables as rows.

COLORS = {
    "distilled": "#d1495b",
    "same loss, no teacher": "#e9a03b",
    "least squares": "#8d99ae",
}
MARKERS = dict(zip(COLORS, "osD", strict=True))

n_observables = np.array([(size + 1) * (size + 2) // 2 for size in sizes])
figure, axes = plt.subplots(
    2, len(numbers), figsize=(10, 6), sharex="col", sharey="row", layout="constrained"
)
for (above, below), number in zip(axes.T, numbers, strict=True):
    x = n_observables / number
    tables = {name: np.reshape(scores[number][name], (n_splits, len(sizes))) for name in COLORS}
    for name, table in tables.items():
        look = {"color": COLORS[name], "marker": MARKERS[name], "markersize": 5}
        above.plot(x, table.mean(axis=0), label=name, **look)
        gain = table - tables["least squares"]
        mean, error = gain.mean(axis=0), gain.std(axis=0) / np.sqrt(n_splits)
        below.plot(x, mean, **look)
        below.fill_between(
            x, mean - error, mean + error, color=COLORS[name], alpha=0.2, linewidth=0
        )
    above.set(title=f"{number:,} rows")
    below.set(xscale="log", xlabel="observables / rows")
    for ax in (above, below):
        ax.axvline(1, color="0.6", linewidth=1, linestyle=":")
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
axes[0, 0].set_ylabel("test accuracy (%)")
axes[1, 0].set_ylabel("points above least squares")
axes[0, 0].legend(frameon=False, loc="lower right")

# %%
# Left, with many rows: where the dictionary is small, least squares loses up to four points, as
# it spends its few coefficients on the value 1 of the one-hot labels instead of on the border
# between classes. This is an effect of the loss; the teacher adds nothing. From some hundred
# observables on, least squares is as good or better: with a rich dictionary and a tuned ridge
# it is a serious rival.
#
# Right, with few rows: now the teacher, which has seen more than the student, is worth one to
# three points, and without it the same loss is no better than least squares. Where there are
# about as many observables as rows, all three are alike.
