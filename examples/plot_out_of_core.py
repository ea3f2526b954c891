"""
=====================================
How to fit more rows than memory has?
=====================================

Lifting makes rows large: here, 20 numbers become 231. In this package's pipeline the student lifts
rows block by block when it reads them, so memory hardly grows with the number of rows.

The rows may be on disk, or in a dask array, whose workers lift their own chunks. The model is the
same.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Rows on disk
# ------------
# A ``numpy.memmap`` is a file that looks like an array.

import tempfile
import tracemalloc
from pathlib import Path

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client
from sklearn.pipeline import make_pipeline as sklearn_pipeline

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.pipeline import make_pipeline

N_ROWS, N_FEATURES = 200_000, 20

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "X.npy"
X = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(N_ROWS, N_FEATURES))
rng = np.random.default_rng(0)
for start in range(0, N_ROWS, 10_000):
    X[start : start + 10_000] = rng.standard_normal((10_000, N_FEATURES), dtype=np.float32)
y = (X[:, 0] * X[:, 1] + X[:, 2] > X[:, 3]).astype(int)
X.flush()
X = np.load(path, mmap_mode="r")
print(f"{path.stat().st_size / 1e6:.0f} MB on disk")

# %%
# What it costs
# -------------
# The same two steps, in this package's pipeline and in scikit-learn's. ``tracemalloc`` measures
# what numpy allocates.

students = {
    "sklearn_koopman": make_pipeline(MonomialLifter(2), EDMDClassifier()),
    "scikit-learn": sklearn_pipeline(MonomialLifter(2), EDMDClassifier()),
}


def megabytes(student, n_rows):
    """Return the peak of memory while a student is fitted to some of the rows."""
    tracemalloc.start()
    student.fit(X[:n_rows], y[:n_rows])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


numbers = [10_000, 25_000, 50_000, 100_000, 200_000]
memory = {
    name: [megabytes(student, number) for number in numbers]
    for name, student in students.items()
}

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, values), color, marker in zip(memory.items(), ("#d1495b", "0.4"), "os", strict=True):
    ax.plot(numbers, values, color=color, marker=marker)
    ax.text(
        numbers[-1], values[-1], f"  {name}\n  {values[-1]:.0f} MB", color=color, va="bottom"
    )
highest = max(map(max, memory.values()))
ax.set(xlabel="rows", ylabel="peak of memory (MB)", xlim=(0, 270_000), ylim=(0, 1.15 * highest))
ax.set_xticks(numbers[2:], [f"{number:,}" for number in numbers[2:]])
ax.set_title("Memory of a fit, 231 observables")
ax.grid(alpha=0.3)
ax.spines[["top", "right"]].set_visible(False)

ours, theirs = students["sklearn_koopman"], students["scikit-learn"]
difference = np.abs(ours[-1].coef_ - theirs[-1].coef_).max()
print(f"largest difference of coefficients: {difference:.1e}")

# %%
# In scikit-learn's pipeline the dictionary makes all lifted rows first, 924 bytes each. In this
# package's pipeline only one block of them exists at a time.

# %%
# Rows of a cluster
# -----------------
# With dask arrays, the workers lift and sum their chunks, and only sums are sent. Here the workers
# are threads of this process, ``processes=False``. Worker processes would import this script, and
# start workers of their own, unless its last lines came after ``if __name__ == "__main__":``,
# which would not suit a page like this. On a cluster, write ``Client("address of the
# scheduler")``.


def read(block_info):
    """Return the rows of a chunk: each worker opens the file itself."""
    first, last = block_info[None]["array-location"][0]
    return np.load(path, mmap_mode="r")[first:last]


sizes = (N_ROWS // 4,) * 4, (N_FEATURES,)
chunks = da.map_blocks(read, chunks=sizes, dtype=X.dtype, meta=np.empty((0, 0), X.dtype))

with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None):
    there = make_pipeline(MonomialLifter(2), EDMDClassifier()).fit(chunks, y)
    print(f"accuracy by dask: {there.score(chunks, y):.4f}")
print(f"accuracy here:    {ours.score(X, y):.4f}")
difference = np.abs(ours[-1].coef_ - there[-1].coef_).max()
print(f"largest difference of coefficients: {difference:.1e}")

folder.cleanup()
