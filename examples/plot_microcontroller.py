"""
==============================
A network on a microcontroller
==============================

A network of 40,000 weights does not fit into 16 kB of flash. A student does: with filters and one
matrix, half a kilobyte of tables is enough to be as accurate as the network.

The student computes filters, or products of PCA coordinates, and multiplies them by one matrix.
``to_c`` writes it as C, in floating point or in integers of few bits.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# A teacher and two students
# --------------------------
# On the device, pixels are bytes, so they are rounded to bytes here, too.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import ConvolutionalLifter, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.deployment import FlashDisplay, bench_on_mcu, to_c
from sklearn_koopman.microcontrollers import MissingToolError
from sklearn_koopman.pipeline import make_pipeline

X, y = load_digits(return_X_y=True)
X = (np.rint(X / 16 * 255) / 255).astype(np.float32)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

net = MLPClassifier((256, 96), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)
teacher = FrozenEstimator(net)
filters = ConvolutionalLifter((8, 8), n_filters=12, filter_size=3, grid=2, random_state=0)
students = {
    "filters": make_pipeline(filters, KoopmanDistilledClassifier(teacher)).fit(X, y),
    "products": make_pipeline(
        PCA(12, random_state=0), MonomialLifter(2), KoopmanDistilledClassifier(teacher)
    ).fit(X, y),
}
n_weights = sum(weights.size for weights in net.coefs_)
print(f"teacher: {net.score(X_test, y_test):.3f}, {n_weights} weights")
for name, student in students.items():
    print(f"{name}: {student.score(X_test, y_test):.3f}")

# %%
# In floating point
# -----------------
# Any compiler takes the two files, a header and a source. They hold all numbers of the pipeline.

exact = to_c(students["filters"], byte_range=(0.0, 1.0))
print(exact.header)
print(f"{exact.tables} bytes of tables, {exact.buffers} bytes of buffers")

# %%
# In integers of few bits
# -----------------------
# Training rows show how large numbers become, and which errors matter. What the C program will say
# is known beforehand: ``predict`` computes the same integers.

sizes: dict[str, list] = {name: [] for name in students}
accuracies: dict[str, list] = {name: [] for name in students}
for name, student in students.items():
    for bits in (2, 3, 4, 8):
        small = to_c(
            student,
            X=X,
            number="integer",
            bits=bits,
            filter_bits=max(bits, 4),
            reducer_bits=max(bits, 4),
            byte_range=(0.0, 1.0),
        )
        sizes[name].append(small.tables)
        accuracies[name].append(small.score(X_test, y_test))
        print(f"{name}, {bits} bits: {small.tables} bytes, {accuracies[name][-1]:.3f}")

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.set_prop_cycle(color=["#9b5de5", "#d1495b"])
FlashDisplay(sizes, accuracies).plot(ax)
network = f"the network, {n_weights * 4 / 1024:.0f} kB"
ax.axhline(100 * net.score(X_test, y_test), color="#1b4965", linestyle=":", label=network)
ax.set(xlabel="tables (kB)", ylabel="test accuracy (%)")
ax.set_title("Students of 2, 3, 4 and 8 bits")
ax.legend(frameon=False, loc="lower right")
ax.grid(alpha=0.3, which="both")
ax.spines[["top", "right"]].set_visible(False)

# %%
# On the core itself
# ------------------
# Where a compiler and an emulator are installed, the C program runs on an emulated Cortex-M0+. It
# gives the labels that ``predict`` gives here, and its use of flash and memory is measured.

small = to_c(
    students["filters"], X=X, number="integer", bits=4, filter_bits=4, byte_range=(0.0, 1.0)
)
try:
    report = bench_on_mcu(small, X_test[:100], y_test[:100])
    print(f"{report.core}: {report.flash} bytes of flash, {report.memory} of memory,")
    print(f"{report.instructions:.0f} instructions, labels equal: {report.agreement:.0%}")
except MissingToolError as error:
    print(error)
