"""Rows that a transfer set makes: their PCA coordinates held, or made in every pass.

    python benchmarks/bench_made_rows.py

MNIST, 10,000 images and their four one-pixel shifts: seconds and traced megabytes of a fit that
holds the coordinates, as fits do, and of one that starts every pass from pixels.
"""

import tracemalloc
from itertools import product
from time import perf_counter
from unittest import mock

from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from transfer import SETS

from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    TransferSet,
)
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.solvers import RowBlocks
from sklearn_koopman.students import _lifted as _base


def lifted_from_pixels(lifter, X):
    """Return blocks of rows that are made, reduced and lifted when they are needed."""
    return RowBlocks(X, lifter.transform, n_observables=lifter[-1].n_output_features_)


def main():
    """Fit both students both ways."""
    X, y = fetch_mnist("train", return_X_y=True)
    X, y = X[:10_000], y[:10_000]
    students = {
        "EDMD": EDMDClassifier(ridge=1e-4),
        "distilled": KoopmanDistilledClassifier(soft_weight=0.0, ridge=1e-3, tol=1e-4),
    }
    shifts = TransferSet(SETS["shifts4"], input_shape=(28, 28), keep_labels=True)
    ways = {
        "held": _base.lifted_blocks,
        "made in every pass": lifted_from_pixels,
    }
    for (name, student), (way, blocks) in product(students.items(), ways.items()):
        lifter = make_pipeline(PCA(40, random_state=0), MonomialLifter(2))
        student.set_params(lifter=lifter, transfer_set=shifts)
        with mock.patch.object(_base, "lifted_blocks", blocks):
            start = perf_counter()
            student.fit(X, y)
            seconds = perf_counter() - start
            tracemalloc.start()
            student.fit(X, y)
            peak = tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
        print(f"{name:10s} {way:20s} {seconds:6.1f} s {peak:6.0f} MB", flush=True)


if __name__ == "__main__":
    main()
