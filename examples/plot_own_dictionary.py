"""
===============================
Your own dictionary as a lifter
===============================

Two spirals are hard for polynomials. If you know that they are spirals, use other observables:
waves of radius and angle, 23 of them, do better than 55 monomials.

Any scikit-learn transformer can be a dictionary. So you write a function, or a class of a few
lines, and a few more lines to ship it.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data and teacher
# ----------------

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import torch
from matplotlib.colors import ListedColormap
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.deployment import to_module, to_onnx
from sklearn_koopman.inspection import cost
from sklearn_koopman.lifting import Operations


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
# It takes an array of rows, and returns one row of observables for each. It must treat each row
# alone, as rows are lifted in blocks. It needs no constant, as the classifier has an intercept.


def polar_waves(X, n_waves=6):
    """Return products of waves of the radius with cosine and sine of the angle."""
    radius = np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)
    direction = X / radius  # cosine and sine of the angle
    phases = radius * np.pi * np.arange(n_waves + 1, dtype=X.dtype)
    waves = np.hstack([np.cos(phases), np.sin(phases)])
    return np.hstack([waves[:, 1:], waves * direction[:, :1], waves * direction[:, 1:]])


by_function = KoopmanDistilledClassifier(teacher, lifter=FunctionTransformer(polar_waves))
print(f"function: {by_function.fit(X, y).score(X_test, y_test):.1%}")

# %%
# A class has parameters
# ----------------------
# A search can choose these. ``validate_data`` checks the rows and remembers how many features there
# are; asking for both dtypes keeps float32 as it is.


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

figure, axes = plt.subplots(1, 4, figsize=(11, 3.3), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    regions = model.predict(plane).reshape(250, 250)
    ax.pcolormesh(ticks, ticks, regions, cmap=ListedColormap(["#a9c6d9", "#eab4bb"]))
    ax.scatter(*X[:500].T, c=np.where(y[:500], "#b5303f", "#1b4965"), s=5, linewidths=0)
    student = model.best_estimator_ if hasattr(model, "best_estimator_") else model
    size = f", {student.coef_.shape[1]} observables" if hasattr(student, "coef_") else ""
    ax.set_title(f"{name}\n{model.score(X_test, y_test):.1%} right{size}", fontsize=10)
    ax.set_aspect("equal")
    ax.set_axis_off()

# %%
# Polynomials of degree 5 cannot turn that often. With degree 9 they nearly do, from 55 observables
# that know nothing of spirals. Waves do it with 23, and go on turning where there are no points.

# %%
# Shipped
# -------
# Every model of this package takes such a dictionary. To ship it, give it the methods that the
# dictionaries of the package have:
# ``to_layer`` for torch (:func:`~sklearn_koopman.deployment.to_module`, ``device=``),
# ``add_to_graph`` for ONNX (:func:`~sklearn_koopman.deployment.to_onnx`), ``operations`` for
# :func:`~sklearn_koopman.inspection.cost` and reports. Each is optional.


class WaveLayer(torch.nn.Module):
    """Waves of radius and angle, in torch."""

    def __init__(self, n_waves):
        super().__init__()
        self.register_buffer("numbers", torch.pi * torch.arange(n_waves + 1.0).double())

    def forward(self, rows):
        """Return the observables of each row."""
        radius = rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
        phases = radius * self.numbers
        waves = torch.cat([phases.cos(), phases.sin()], dim=1)
        x, y = (rows / radius).split(1, dim=1)
        return torch.cat([waves[:, 1:], waves * x, waves * y], dim=1)


class ShippedWaves(PolarWaves):
    """Waves of radius and angle, for any place that a student goes to."""

    def to_layer(self):
        """Return the waves as a layer of torch in float64."""
        return WaveLayer(self.n_waves)

    def add_to_graph(self, nodes, rows):
        """Add the waves to an ONNX graph."""
        squares = nodes.add("ReduceSum", nodes.add("Mul", rows, rows), np.array([1]))
        radius = nodes.add("Max", nodes.add("Sqrt", squares), nodes.constant([1e-12]))
        numbers = nodes.constant(np.pi * np.arange(self.n_waves + 1))
        phases = nodes.add("Mul", radius, numbers)
        waves = nodes.add("Concat", nodes.add("Cos", phases), nodes.add("Sin", phases), axis=1)
        direction = nodes.add("Div", rows, radius)
        products = [
            nodes.add("Mul", waves, nodes.add("Gather", direction, np.array([i]), axis=1))
            for i in (0, 1)
        ]
        not_first = np.arange(1, 2 * self.n_waves + 2)
        return nodes.add(
            "Concat", nodes.add("Gather", waves, not_first, axis=1), *products, axis=1
        )

    def operations(self):
        """Return the multiplications for one sample: by numbers, and of two variables."""
        n = self.n_waves + 1
        return Operations(linear=n, nonlinear=2 + 4 * n)


student = KoopmanDistilledClassifier(
    teacher, lifter=ShippedWaves(**search.best_estimator_.lifter_.get_params())
).fit(X, y)
logits = student.decision_function(X_test)

module = to_module(student)
with torch.no_grad():
    found = module(torch.from_numpy(X_test)).numpy()
print(f"torch: differs by {np.abs(found[:, 1] - found[:, 0] - logits).max():.0e}")

graph = to_onnx(student, X_test[:1], raw_scores=True)
session = onnxruntime.InferenceSession(graph.SerializeToString())
_, found = session.run(None, {"X": X_test})
print(f"ONNX: differs by {np.abs(found[:, 1] - found[:, 0] - logits).max():.0e}")
print(cost(student, X_test[:1]))
