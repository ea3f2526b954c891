"""EDMD from PCA coordinates, degree 3, p=30, beside scikit-learn's pieces and the limit of BLAS.

    python benchmarks/bench_edmd.py

The same least squares on MNIST's 60,000 training rows (5,456 observables): ours (lifting inside),
and PolynomialFeatures + Ridge(solver="cholesky") on one-hot labels. Every run is a process of its
own; peak memory is what it has beyond its imports and the coordinates. The limit is the
time that BLAS takes for the symmetric product of as many rows, block after block, without any
lifting. Writes benchmarks/results/edmd.csv.
"""

import argparse
import csv
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import sklearn
from scipy.linalg import blas
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist

COMPONENTS, DEGREE, RIDGE, BLOCK = 30, 3, 1e-3, 2048
N_OBSERVABLES = 5456
RESULTS = Path(__file__).parent / "results" / "edmd.csv"
RUNS = [
    (side, dtype)
    for dtype in ("float32", "float64")
    for side in ("ours", "scikit-learn", "BLAS")
]


def peak_megabytes():
    """Return the most memory of this process so far; ru_maxrss has its parent's most in it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def save_coordinates(path):
    """Save PCA coordinates of unit variance, and labels."""
    X, y = fetch_mnist("train", return_X_y=True)
    Z = PCA(COMPONENTS, whiten=True, random_state=0).fit_transform(X)
    np.savez(path, Z=Z, y=np.asarray(y, dtype=int))


def symmetric_products(n_samples, dtype):
    """Multiply as many rows as there are with themselves, a block at a time."""
    product = blas.ssyrk if dtype == np.float32 else blas.dsyrk
    rows = np.asfortranarray(
        np.random.default_rng(0).normal(size=(BLOCK, N_OBSERVABLES)), dtype
    )
    total = np.zeros((N_OBSERVABLES, N_OBSERVABLES), dtype, order="F")
    for _ in range(n_samples // BLOCK + 1):
        total = product(1.0, rows, beta=1.0, c=total, trans=1, overwrite_c=1)


def run_one(side, dtype, path):
    """Print seconds and peak memory of one side."""
    with np.load(path) as data:
        Z, y = data["Z"].astype(dtype), data["y"]
    before, start = peak_megabytes(), perf_counter()
    if side == "ours":
        EDMDClassifier(ridge=RIDGE, lifter=MonomialLifter(DEGREE)).fit(Z, y)
    elif side == "scikit-learn":
        make_pipeline(
            PolynomialFeatures(DEGREE, include_bias=False),
            Ridge(alpha=RIDGE * len(Z), solver="cholesky"),
        ).fit(Z, np.eye(10, dtype=Z.dtype)[y])
    else:
        symmetric_products(len(Z), Z.dtype)
    seconds = perf_counter() - start
    print(json.dumps([seconds, peak_megabytes() - before]))


def main():
    """Run all sides in turn and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, help="run one side in this process")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.one:
        run_one(*options.one)
        return
    runs = {run: [] for run in RUNS}
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "coordinates.npz")
        save_coordinates(path)
        for _ in range(options.repeats):
            for run, found in runs.items():
                command = [sys.executable, __file__, "--one", *run, path]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found.append(json.loads(done.stdout.splitlines()[-1]))
                print(*run, found[-1], flush=True)
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scikit-learn {sklearn.__version__}"
    )
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["side", "dtype", "seconds", "peak MB", "runs", "machine"])
        for run, found in runs.items():
            seconds, megabytes = (median(column) for column in zip(*found, strict=True))
            writer.writerow([*run, round(seconds, 2), round(megabytes), len(found), machine])
            print(*run, round(seconds, 2), round(megabytes))


if __name__ == "__main__":
    main()
