"""
==================================
Shipping a student as an ONNX file
==================================

A student is to run where there is no Python, or no scikit-learn. ``to_onnx`` writes the whole
pipeline into one graph that ONNX runtimes take. Does it say the same, and how small and fast is
it?
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
# One row says how many features there are and of which type. ``to_onnx`` takes whatever skl2onnx
# knows too, so the network is exported in the same way.

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
# A pickle of the student would carry its teacher along; ``detach_teacher`` takes it off.

kilobytes = {
    "network\nONNX": graphs["network"].ByteSize() / 1000,
    "student\npickle": len(pickle.dumps(detach_teacher(student))) / 1000,
    "student\nONNX": graphs["student"].ByteSize() / 1000,
}


def microseconds(predict, row, number=300):
    """Return the time of one prediction, the best of several rounds."""
    return 1e6 * min(repeat(lambda: predict(row), number=number, repeat=5)) / number


row = X_test[:1]
times = {
    "network\nONNX": microseconds(lambda row: sessions["network"].run(None, {"X": row}), row),
    "student\nsklearn": microseconds(student.predict_proba, row, number=30),
    "student\nONNX": microseconds(lambda row: sessions["student"].run(None, {"X": row}), row),
}

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
differences = np.abs(proba - student.predict_proba(X_test)).max(axis=1)
left.hist(np.log10(np.maximum(differences, 1e-9)), bins=25, color="#6c7a91")
left.axvline(np.log10(np.finfo(np.float32).eps), color="#d1495b", linestyle="--")
left.set(xlabel="log10 of the largest difference of an image", ylabel="test images")
left.set_title("Probabilities, scikit-learn and ONNX")
for ax, values, unit in ((middle, kilobytes, "kB"), (right, times, "µs")):
    bars = ax.bar(values.keys(), values.values(), color=["#1b4965", "#e9a03b", "#d1495b"])
    ax.bar_label(bars, [f"{value:.0f} {unit}" for value in values.values()])
    ax.set(yticks=[], ylim=(0, 1.15 * max(values.values())))
middle.set_title("Size")
right.set_title("Time of one image")
for ax in (left, middle, right):
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Twelve nodes do all of it: center and project, gather and multiply, one matrix. Probabilities
# differ by the rounding of float32 (dashed: its spacing at 1), labels do not at all. The graph
# is about a tenth of the network's size. In time there is little between the two graphs:
# networks this small are as quick, since a single call costs some microseconds whatever it
# computes. Only scikit-learn, with all its checks, is far slower for single images.
