"""
==================================
Shipping a student as an ONNX file
==================================

A student may have to run where there is no Python, or no scikit-learn. ``to_onnx`` writes the whole
pipeline into one graph that ONNX runtimes take. It says the same, and it is small and fast.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# A student
# ---------

import pickle
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.deployment import detach_teacher, to_onnx
from sklearn_koopman.pipeline import make_pipeline

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

net = MLPClassifier((256, 128), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)
student = make_pipeline(
    PCA(20, random_state=0),
    MonomialLifter(2),
    KoopmanDistilledClassifier(FrozenEstimator(net), soft_weight=0.9, ridge=1e-3),
).fit(X, y)

# %%
# Export
# ------
# One row says how many features there are, and of which type. ``to_onnx`` also takes whatever
# skl2onnx knows, so the network is exported in the same way.

graphs = {"network": to_onnx(net, X[:1]), "student": to_onnx(student, X[:1])}
onnx.checker.check_model(graphs["student"])
print(" ".join(node.op_type for node in graphs["student"].graph.node))

# %%
# Parity
# ------


def session(graph):
    """Return a session of onnxruntime, with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


sessions = {name: session(graph) for name, graph in graphs.items()}
labels, proba = sessions["student"].run(None, {"X": X_test})
print(f"same labels: {np.mean(labels == student.predict(X_test)):.1%}")
print(f"test accuracy: {np.mean(labels == y_test):.1%}")

# %%
# Size and time
# -------------
# A pickle of the student would carry its teacher along, and ``detach_teacher`` removes that. One
# call of scikit-learn takes a hundred times as long as one of onnxruntime, or longer, so the axis
# is logarithmic.

kilobytes = {
    "network, ONNX": graphs["network"].ByteSize() / 1000,
    "student, pickle": len(pickle.dumps(detach_teacher(student))) / 1000,
    "student, ONNX": graphs["student"].ByteSize() / 1000,
}


def microseconds(predict, row, number=300):
    """Return the time of one prediction, the best of several rounds."""
    return 1e6 * min(repeat(lambda: predict(row), number=number, repeat=5)) / number


row = X_test[:1]
times = {
    "network, ONNX": microseconds(lambda row: sessions["network"].run(None, {"X": row}), row),
    "student, scikit-learn": microseconds(student.predict_proba, row, number=30),
    "student, ONNX": microseconds(lambda row: sessions["student"].run(None, {"X": row}), row),
}

differences = np.abs(proba - student.predict_proba(X_test)).max()
print(f"largest difference of probabilities: {differences:.1e}")

TEACHER, STUDENT = "#1b4965", "#d1495b"
figure, axes = plt.subplots(1, 2, figsize=(10, 2.6), layout="constrained")
for ax, values, unit in zip(axes, (kilobytes, times), ("kB", "µs"), strict=True):
    for place, (name, value) in enumerate(values.items()):
        color = TEACHER if name.startswith("network") else STUDENT
        ax.plot(value, place, "o", color=color, markersize=9)
        ax.annotate(
            f"{value:,.0f} {unit}",
            (value, place),
            (9, 0),
            textcoords="offset points",
            va="center",
        )
    ax.set_yticks(range(3), values)
    ax.set(xscale="log", xlabel=unit, ylim=(2.5, -0.5))
    ax.set_xlim(min(values.values()) / 2, 8 * max(values.values()))
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_title("Size")
axes[1].set_title("Time of one image")

# %%
# Twelve nodes do everything: they centre and project, gather and multiply, and apply one matrix.
# Probabilities differ by the rounding of float32, and labels do not differ. The graph of the
# student has about a tenth of the network's size. The two graphs take about the same time: a
# single call costs some microseconds, whatever it computes. Only scikit-learn, with all its
# checks, is far slower for single images.
