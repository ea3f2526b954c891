"""
=======================================
What do temperature and soft weight do?
=======================================

``soft_weight`` says how much a student learns from its teacher instead of from the labels, and
``temperature`` how much it learns about the classes that the teacher thinks unlikely. Where labels
are right they matter little; where labels are wrong they matter much.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause
# sphinx_gallery_thumbnail_number = 2

# %%
# A teacher that hesitates
# ------------------------
# Its probabilities at temperature T are :math:`\\mathrm{softmax}(t / T)`, with logits t.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.3, stratify=y, random_state=0)
net = MLPClassifier((128,), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)

logits = net.predict_log_proba(X_test)
doubtful = np.argsort(net.predict_proba(X_test).max(axis=1))[3]

figure, axes = plt.subplots(
    1, 5, figsize=(12, 2.6), width_ratios=[0.8, 1, 1, 1, 1], layout="constrained"
)
axes[0].imshow(X_test[doubtful].reshape(8, 8), cmap="gray_r")
axes[0].set_axis_off()
axes[0].set_title(f"a {y_test[doubtful]}")
for ax, temperature in zip(axes[1:], [0.5, 1, 2, 8], strict=True):
    ax.bar(range(10), softmax(logits[doubtful] / temperature), color="#1b4965")
    ax.set(title=f"T = {temperature:g}", xticks=range(10), ylim=(0, 1), xlabel="class")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_yticks([0, 0.5, 1], [] if ax is not axes[1] else None)
axes[1].set_ylabel("probability")

# %%
# At T = 0.5 little is left but the two best guesses. At T = 2 one sees that the third guess is a 7.
# At T = 8 all probabilities are nearly equal, and the student imitates the logits.

# %%
# Students
# --------
# There is one for every pair of settings, on 16 PCA coordinates and their products. Labels are
# first as they are; then a fifth of them is drawn at random, while the teacher stays the same.
# Accuracies are means over three splits into training and test images, with other random labels in
# each.

SOFT_WEIGHTS = [0.0, 0.25, 0.5, 0.75, 0.9, 1.0]
TEMPERATURES = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


def accuracies(share_spoilt, seed):
    """Return test accuracies in percent, of shape (temperatures, soft weights)."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X / 16, y, test_size=0.3, stratify=y, random_state=seed
    )
    net = MLPClassifier((128,), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(len(y)) < share_spoilt, rng.integers(0, 10, len(y)), y)
    lifter = make_pipeline(PCA(16, random_state=0), MonomialLifter(2))
    student = KoopmanDistilledClassifier(
        FrozenEstimator(net), lifter=lifter, ridge=1e-3, tol=1e-3
    )
    return [
        [
            100
            * student.set_params(temperature=temperature, soft_weight=soft_weight)
            .fit(X, labels)
            .score(X_test, y_test)
            for soft_weight in SOFT_WEIGHTS
        ]
        for temperature in TEMPERATURES
    ]


tables = {
    "all labels are right": np.mean([accuracies(0.0, seed) for seed in range(3)], axis=0),
    "a fifth of the labels is drawn at random": np.mean(
        [accuracies(0.2, seed) for seed in range(3)], axis=0
    ),
}

# %%
# What they are worth
# -------------------

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for ax, (name, table) in zip(axes, tables.items(), strict=True):
    heat = ax.imshow(table, cmap="cividis", aspect="auto", origin="lower", vmin=80, vmax=100)
    for (i, j), value in np.ndenumerate(table):
        ink = "white" if value < 90 else "black"
        ax.text(j, i, f"{value:.1f}", ha="center", va="center", color=ink)
    ax.set_xticks(range(len(SOFT_WEIGHTS)), SOFT_WEIGHTS)
    ax.set_yticks(range(len(TEMPERATURES)), [f"{t:g}" for t in TEMPERATURES])
    ax.set(xlabel="soft weight", ylabel="temperature", title=name)
    ax.label_outer()
figure.colorbar(heat, ax=axes, label="test accuracy (%)", extend="min")

# %%
# Left: the teacher knows nothing that the labels do not say. No pair of settings is much better
# than no teacher at all (soft weight 0), and only soft targets of high temperature are up to a
# point worse. Right: the labels are spoilt, and the more the student learns from the teacher, the
# better. Here the temperature matters too: the soft term has a factor T², so it is weak at a low
# temperature, and wrong labels get through.
