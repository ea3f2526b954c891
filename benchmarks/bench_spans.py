"""How long the matrix of one span takes, beside PyDMD and pykoopman on the same snapshots.

    python benchmarks/bench_spans.py

The span is 64 -> 32 of the MNIST network "deep" of `benchmarks/teachers.py`, with all 60,000
training images. PyDMD and pykoopman fit square operators, so what leaves the span is padded with
zeros to 64 numbers (linear), and both sides are reduced to 30 PCA coordinates of their own
(quadratic: 496 monomials on both sides). Each library runs in a process and an environment of its
own (`benchmarks/rivals/`), with as many threads as BLAS takes. `error` is that of the prediction
of the first 2,000 snapshots. The last row is the whole of `LinearizedNetworkClassifier.fit`, with
the network that makes the snapshots.
"""

import csv
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from rivals import PINS, interpreter, version_of
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from teachers import FETCH, load_or_train

from sklearn_koopman import MonomialLifter
from sklearn_koopman.networks import LinearizedNetworkClassifier

RESULTS = Path(__file__).parent / "results" / "spans.csv"
RIVALS = {
    "linear": ["sklearn_koopman", "pydmd", "pykoopman"],
    "quadratic": ["sklearn_koopman", "pykoopman"],
}
MOST_SECONDS = 300


def snapshots(module, X):
    """Return what enters and what leaves the span, in float64."""
    with torch.no_grad():
        a = module[:7](torch.as_tensor(X))
        b = module[7:9](a)
    return a.double().numpy(), b.double().numpy()


def run(library, task, file):
    command = [interpreter(library), PINS / "spans.py", library, task, file]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return {"seconds": f"> {MOST_SECONDS}"}
    if done.returncode:
        return {"seconds": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def main():
    X, y = FETCH["mnist"]("train", return_X_y=True)
    module = load_or_train("mnist", "deep")
    a, b = snapshots(module, X)
    pairs = {
        "linear": (a, np.pad(b, ((0, 0), (0, 32)))),
        "quadratic": tuple(PCA(30, random_state=0).fit_transform(part) for part in (a, b)),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for task, libraries in RIVALS.items():
            file = Path(folder) / f"{task}.npz"
            np.savez(file, a=pairs[task][0], b=pairs[task][1])
            for library in libraries:
                row = {"task": task, "library": library, "version": version_of(library)}
                rows.append(row | run(library, task, file))
                print(*rows[-1].values(), sep="  ", flush=True)
    for task, lifter in [
        ("linear, whole fit", None),
        ("quadratic, whole fit", make_pipeline(PCA(30, random_state=0), MonomialLifter(2))),
    ]:
        student = LinearizedNetworkClassifier(module, ("7", "8"), lifter=lifter)
        seconds = []
        for _ in range(3):
            start = perf_counter()
            student.fit(X, y)
            seconds.append(perf_counter() - start)
        library = "sklearn_koopman"
        row = {"task": task, "library": library, "version": version_of(library)}
        rows.append(row | {"seconds": round(median(seconds), 3)})
        print(*rows[-1].values(), sep="  ", flush=True)
    with RESULTS.open("w", newline="") as file:
        columns = ["task", "library", "version", "seconds", "error"]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
