"""Cutting coefficients into a tensor train, beside tensorly and torchtt.

    python benchmarks/bench_tensor_rivals.py

The tensor is that of the degree-3 coefficients of a least-squares student of 10,000 MNIST images,
30 or 40 PCA coordinates, ten classes: (p + 1)^3 times 10 numbers in float64. Each library cuts it
to the same ranks in a process and an environment of its own (`benchmarks/rivals/`), one after the
other. `error` is that of the train, relative to the tensor; all of them use truncated singular
value decompositions and must agree. Writes benchmarks/results/tensor_rivals.csv.
"""

import csv
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from rivals import PINS, interpreter, version_of
from sklearn.decomposition import PCA

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.tensor_trains._compression import _symmetric_tensor

RESULTS = Path(__file__).parent / "results" / "tensor_rivals.csv"
LIBRARIES = ["sklearn_koopman", "tensorly", "torchtt"]
CASES = [(30, 14), (40, 19)]  # variables and rank
COLUMNS = ["variables", "rank", "library", "version", "seconds", "ratio", "parameters", "error"]


def tensor_of(p):
    """Return the coefficients of a student, in units of unit variance."""
    X, y = fetch_mnist("train", return_X_y=True)
    Z = PCA(p, random_state=0).fit_transform(X)[:10_000].astype(np.float32)
    student = EDMDClassifier(lifter=MonomialLifter(3), ridge=1e-3).fit(Z, y[:10_000])
    return _symmetric_tensor(student, student.lifter_, Z.std(axis=0, dtype=np.float64))


def main():
    """Write the table."""
    with RESULTS.open("w", newline="") as file, tempfile.TemporaryDirectory() as folder:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for p, rank in CASES:
            tensor = Path(folder) / f"{p}.npy"
            np.save(tensor, tensor_of(p))
            for library in LIBRARIES:
                command = [
                    interpreter(library),
                    PINS / "tensors.py",
                    library,
                    str(rank),
                    tensor,
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found = json.loads(done.stdout.splitlines()[-1])
                if library == LIBRARIES[0]:
                    ours = found["seconds"]
                found["ratio"] = found["seconds"] / ours
                row = {"variables": p, "rank": rank, "library": library}
                row |= {"version": version_of(library)}
                row |= {name: float(f"{value:.3g}") for name, value in found.items()}
                row["parameters"] = found["parameters"]
                print(*row.values(), sep="  ", flush=True)
                writer.writerow(row)


if __name__ == "__main__":
    main()
