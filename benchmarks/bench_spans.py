"""How long the matrix of one span takes, beside PyDMD and pykoopman on the same snapshots.

    python benchmarks/bench_spans.py

The span is 64 -> 32 of the MNIST network "deep" of `benchmarks/teachers.py`, with all 60,000
training images. PyDMD and pykoopman fit square operators without an intercept, so both sides of
the span are reduced to 30 PCA coordinates of their own, in float64: linear, at full rank and at
rank 10, and with the 496 monomials up to degree 2 on both sides. Each library runs in a process
and an environment of its own (`benchmarks/rivals/`), one after the other, with as many threads as
BLAS takes. `error` is that of the prediction of the first 2,000 snapshots, relative to them. The
last rows are the whole of `LinearizedNetworkClassifier.fit`, where the network makes the snapshots.
Writes benchmarks/results/spans.csv.
"""

import csv
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from rivals import run, version_of
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from teachers import FETCH, load_or_train

from sklearn_koopman import MonomialLifter
from sklearn_koopman.networks import LinearizedNetworkClassifier

RESULTS = Path(__file__).parent / "results" / "spans.csv"
LIBRARIES = ["sklearn_koopman", "pydmd", "pykoopman"]
TASKS = [("linear", 0), ("linear", 10), ("quadratic", 0)]
MOST_SECONDS = 300
COLUMNS = ["task", "rank", "library", "version", "seconds", "ratio", "error", "remark"]


def snapshots(module, X):
    """Return what enters and what leaves the span, each in 30 coordinates."""
    with torch.no_grad():
        a = module[:7](torch.as_tensor(X))
        b = module[7:9](a.clone())
    return [PCA(30, svd_solver="full").fit_transform(part.double().numpy()) for part in (a, b)]


def race(a, b):
    """Yield a row for each task and library."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "snapshots.npz"
        np.savez(file, a=a, b=b)
        for task, rank in TASKS:
            for library in LIBRARIES:
                found = run(library, "spans.py", task, rank, file, most_seconds=MOST_SECONDS)
                if library == LIBRARIES[0]:
                    ours = found["seconds"]
                if "seconds" in found:
                    found["ratio"] = round(found["seconds"] / ours, 2)
                yield {"task": task, "rank": rank or "full", "library": library, **found}


def whole_fits(module, X, y):
    """Yield a row for each dictionary: the median of three fits."""
    quadratic = make_pipeline(PCA(30, random_state=0), MonomialLifter(2))
    for task, lifter in [("linear, whole fit", None), ("quadratic, whole fit", quadratic)]:
        student = LinearizedNetworkClassifier(module, ("7", "8"), lifter=lifter)
        seconds = []
        for _ in range(3):
            start = perf_counter()
            student.fit(X, y)
            seconds.append(perf_counter() - start)
        row = {"task": task, "rank": "full", "library": LIBRARIES[0]}
        yield row | {"seconds": round(median(seconds), 3)}


def main():
    """Write the table."""
    X, y = FETCH["mnist"]("train", return_X_y=True)
    module = load_or_train("mnist", "deep")
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for rows in (race(*snapshots(module, X)), whole_fits(module, X, y)):
            for row in rows:
                row |= {"version": version_of(row["library"])}
                print(*row.values(), sep="  ", flush=True)
                writer.writerow(row)


if __name__ == "__main__":
    main()
