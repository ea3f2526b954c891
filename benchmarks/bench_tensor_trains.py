"""Time of a tensor train against the number of variables and of samples.

    python benchmarks/bench_tensor_train.py

One epoch of mini-batches, one sweep, and one prediction of a train of rank 10 on made-up
variables; the best of three runs, but one sweep is run once. Writes
benchmarks/results/tensor_train_cost.csv. A train whose cost is linear in both has a constant number
of microseconds per sample and variable.
"""

import csv
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_koopman import TensorTrainClassifier

RESULTS = Path(__file__).parent / "results" / "tensor_train_cost.csv"
SIZES = [(300, p) for p in (10, 20, 50, 100, 196, 392, 784)]
SIZES += [(n, 50) for n in (1200, 4800, 15_000, 30_000, 60_000)]


def best_of(repeats, function, *arguments):
    """Return the least number of seconds that a call took."""
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        function(*arguments)
        seconds.append(perf_counter() - start)
    return min(seconds)


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    rows = []
    for n_samples, n_variables in SIZES:
        X = rng.normal(size=(n_samples, n_variables)).astype(np.float32)
        y = rng.integers(10, size=n_samples)
        row = {"samples": n_samples, "variables": n_variables}
        for solver in ("adam", "als"):
            student = TensorTrainClassifier(
                soft_weight=0.0, rank=10, solver=solver, max_iter=1, random_state=0
            )
            repeats = 3 if solver == "adam" else 1
            row[f"{solver}_seconds"] = best_of(repeats, student.fit, X, y)
        row["predict_seconds"] = best_of(3, student.predict, X)
        row["parameters"] = student.tensor_train_.n_parameters
        for name in ("adam", "als", "predict"):
            per_unit = row[f"{name}_seconds"] / n_samples / n_variables
            row[f"{name}_microseconds_per_sample_and_variable"] = round(1e6 * per_unit, 4)
            row[f"{name}_seconds"] = round(row[f"{name}_seconds"], 4)
        rows.append(row)
        print(row, flush=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
