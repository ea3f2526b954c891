"""
=================================
Which degree does a problem need?
=================================

The Yin-Yang problem has three classes with curved borders in the plane. A perceptron solves it, and
its students see all monomials of the two coordinates up to a degree: five is enough.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data and teacher
# ----------------
# ``make_yin_yang`` gives (x, y, 1 - x, 1 - y), for networks without biases. The first two are
# enough.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import make_yin_yang

X, y = make_yin_yang(2000, random_state=0)
X_test, y_test = make_yin_yang(2000, random_state=1)
X, X_test = X[:, :2], X_test[:, :2]

net = MLPClassifier((64, 64), max_iter=2000, random_state=0).fit(X, y)

# %%
# Students
# --------
# Only the degree differs. ``soft_weight=1`` lets them learn from the network alone.

students = {
    f"degree {degree}: {MonomialLifter(degree).fit(X).n_output_features_} observables": (
        KoopmanDistilledClassifier(
            FrozenEstimator(net),
            soft_weight=1,
            ridge=1e-6,
            lifter=MonomialLifter(degree),
            max_iter=1000,
        ).fit(X, y)
    )
    for degree in range(1, 6)
}
models = {"the network": net, **students}

# %%
# Where they decide
# -----------------

TINTS = ListedColormap(["#a9c6d9", "#eab4bb", "#f5deb0"])
INKS = ListedColormap(["#1b4965", "#b5303f", "#c47f17"])

ticks = np.linspace(0, 1, 200)
grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)

figure, axes = plt.subplots(2, 3, figsize=(10, 7.8), layout="constrained")
for ax, (name, model) in zip(axes.flat, models.items(), strict=True):
    ax.pcolormesh(ticks, ticks, model.predict(grid).reshape(200, 200), cmap=TINTS)
    ax.scatter(*X_test[:500].T, c=y_test[:500], cmap=INKS, s=5, linewidths=0)
    ax.set(title=f"{name}\n{model.score(X_test, y_test):.1%} right", aspect="equal")
    ax.set_axis_off()

# %%
# Straight lines cannot draw the figure, nor can conic sections. Degree 3 finds the curved border,
# but puts both eyes into one band, and degree 4 still joins them by a neck. With degree 5, 21
# observables, each eye has its own border, and the student is within a point or two of the
# network.
