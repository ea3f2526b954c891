"""
=================================
The teacher need not be a network
=================================

Any model that gives probabilities can be a teacher. Here a hundred boosted trees teach one
polynomial. A second student never sees a training point: it learns from the teacher alone.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Teacher
# -------
# ``FrozenEstimator`` says that it is fitted. Without it, the students would train their own.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.inspection import fidelity_score

X, y = make_moons(1000, noise=0.3, random_state=0)
X_test, y_test = make_moons(20_000, noise=0.3, random_state=1)

boosting = HistGradientBoostingClassifier(random_state=0).fit(X, y)
teacher = FrozenEstimator(boosting)

# %%
# Students
# --------
# The first student learns from the training points and from what the teacher says of them. The
# second one learns from made-up points, evenly spread over the plane, which the teacher labels. The
# third one has no teacher.

settings = {"lifter": MonomialLifter(5), "temperature": 1.0, "max_iter": 1000}

student = KoopmanDistilledClassifier(teacher, soft_weight=0.9, **settings).fit(X, y)

made_up = np.random.default_rng(0).uniform(X.min(axis=0), X.max(axis=0), size=(5000, 2))
heir = KoopmanDistilledClassifier(teacher, soft_weight=1.0, **settings)
heir.fit(made_up, boosting.predict(made_up))

alone = KoopmanDistilledClassifier(soft_weight=0.0, **settings).fit(X, y)

# %%
# What they think of the plane
# ----------------------------

models = {
    "gradient boosting": boosting,
    "student": student,
    "student of made-up points": heir,
    "no teacher": alone,
}
said = boosting.predict(X_test)
x_ticks, y_ticks = (np.linspace(X[:, k].min(), X[:, k].max(), 200) for k in (0, 1))
plane = np.stack(np.meshgrid(x_ticks, y_ticks), axis=-1).reshape(-1, 2)

figure, axes = plt.subplots(1, 4, figsize=(11, 3.5), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    proba = model.predict_proba(plane)[:, 1].reshape(200, 200)
    heat = ax.pcolormesh(x_ticks, y_ticks, proba, cmap="RdBu_r", vmin=0, vmax=1, alpha=0.8)
    ax.contour(x_ticks, y_ticks, proba, levels=[0.5], colors="black", linewidths=1)
    if model is not heir:
        inks = np.where(y[:300], "#d1495b", "#1b4965")
        ax.scatter(*X[:300].T, c=inks, s=12, edgecolors="white", linewidths=0.5)
    loss = log_loss(y_test, model.predict_proba(X_test))
    ax.set_title(
        f"{name}\n{model.score(X_test, y_test):.1%} right, log loss {loss:.2f}\n"
        f"{fidelity_score(said, model.predict(X_test)):.0%} like the teacher",
        fontsize=9,
    )
    ax.set_axis_off()
figure.colorbar(heat, ax=axes, label="probability of the red class")

# %%
# The student is a little better than its teacher, and much better calibrated: 21 monomials cannot
# follow the corners that a hundred trees cut around single points. The teacher has no part in that:
# the same student does as well without one. But the student of made-up points shows what a teacher
# is good for: it puts a model into another form, without the data that the model was made from.
