"""
===============================
Your own dictionary as a lifter
===============================

Two spirals are hard for polynomials. Whoever knows that they are spirals uses other
observables: waves of radius and angle. Any scikit-learn transformer can be a dictionary, so
this takes a function, or a class of a few lines.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data and teacher
# ----------------

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter


def make_spirals(n_samples, seed):
    """Return points of two spirals that turn nearly twice, and which of them they belong to."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_samples)
    radius = rng.uniform(0.1, 1, n_samples)
    angle = 4 * np.pi * radius + np.pi * y
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(scale=0.03, size=X.shape), y


X, y = make_spirals(1000, seed=0)
X_test, y_test = make_spirals(2000, seed=1)
teacher = FrozenEstimator(SVC(gamma=30).fit(X, y))

# %%
# A function will do
# ------------------
# It gets an array of rows, and gives one row of observables for each. It must treat every row by
# itself, as rows are lifted in blocks, and need no constant: the classifier has an intercept.


def polar_waves(X, n_waves=6):
    """Return products of waves of the radius with cosine and sine of the angle."""
    radius, angle = np.hypot(X[:, 0], X[:, 1])[:, None], np.arctan2(X[:, 1], X[:, 0])[:, None]
    phases = np.pi * radius * np.arange(n_waves + 1)
    waves = np.hstack([np.cos(phases), np.sin(phases)])
    return np.hstack([waves[:, 1:], waves * np.cos(angle), waves * np.sin(angle)])


by_function = KoopmanDistilledClassifier(teacher, lifter=FunctionTransformer(polar_waves))
print(f"function: {by_function.fit(X, y).score(X_test, y_test):.1%}")

# %%
# A class has parameters
# ----------------------
# These can then be searched. ``validate_data`` checks the rows and remembers how many features
# there are; asking for both dtypes keeps float32 as it is.


class PolarWaves(TransformerMixin, BaseEstimator):
    """Waves of radius and angle."""

    def __init__(self, n_waves=6):
        self.n_waves = n_waves

    def fit(self, X, y=None):
        """Look at the number of features; there is nothing to learn."""
        validate_data(self, X, dtype=[np.float64, np.float32])
        return self

    def transform(self, X):
        """Return the observables of each row."""
        check_is_fitted(self, "n_features_in_")
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return polar_waves(X, self.n_waves)


search = GridSearchCV(
    KoopmanDistilledClassifier(teacher, lifter=PolarWaves()),
    {"lifter__n_waves": [1, 2, 3, 4, 6, 8], "ridge": [1e-6, 1e-4, 1e-2]},
).fit(X, y)
print(search.best_params_)

# %%
# Against polynomials
# -------------------


def of_degree(degree):
    """Return a student on monomials."""
    return KoopmanDistilledClassifier(
        teacher, lifter=MonomialLifter(degree), ridge=1e-6, max_iter=3000
    ).fit(X, y)


models = {
    "teacher: support vectors": teacher,
    "monomials, degree 5": of_degree(5),
    "monomials, degree 9": of_degree(9),
    f"waves, n_waves={search.best_params_['lifter__n_waves']}": search.best_estimator_,
}
ticks = np.linspace(-1.1, 1.1, 250)
plane = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)

figure, axes = plt.subplots(1, 4, figsize=(13, 4.1), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    regions = model.predict(plane).reshape(250, 250)
    ax.pcolormesh(ticks, ticks, regions, cmap=ListedColormap(["#a9c6d9", "#eab4bb"]))
    ax.scatter(*X[:500].T, c=np.where(y[:500], "#b5303f", "#1b4965"), s=5, linewidths=0)
    student = model.best_estimator_ if hasattr(model, "best_estimator_") else model
    size = f", {student.coef_.shape[1]} observables" if hasattr(student, "coef_") else ""
    ax.set(title=f"{name}\n{model.score(X_test, y_test):.1%} right{size}", aspect="equal")
    ax.set_axis_off()

# %%
# Polynomials of degree 5 cannot turn that often. With degree 9 they nearly do, from 55
# observables that know nothing of spirals; waves do it with 23, and go on turning where no
# points are.
#
# Such a dictionary goes wherever one of this package goes, but for export: ONNX and torch know
# those of the package alone.
