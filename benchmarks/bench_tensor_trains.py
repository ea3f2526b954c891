"""How the time of a tensor train grows with the variables and the samples.

    python benchmarks/bench_tensor_trains.py

Timed are one epoch of mini-batches, one sweep, and one prediction of a train of rank 10 on made-up
variables. The best of three runs counts; a sweep runs only once. If the cost of a train is linear
in both, its microseconds per sample and variable stay the same. Writes
benchmarks/results/tensor_train_cost.csv.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks import runner
from sklearn_koopman import TensorTrainClassifier

SIZES = [(300, p) for p in (10, 20, 50, 100, 196, 392, 784)]
SIZES += [(n, 50) for n in (1200, 4800, 15_000, 30_000, 60_000)]


def measure(X, y):
    """Return the least seconds of an epoch, a sweep and a prediction; number of parameters."""
    least = {}
    for solver, repeats in (("als", 1), ("adam", 3)):
        student = TensorTrainClassifier(
            soft_weight=0.0, rank=10, solver=solver, max_iter=1, random_state=0
        )
        turns = {solver: lambda fit=student.fit: runner.seconds(fit, X, y)}
        least |= {name: min(times) for name, times in runner.in_turns(turns, repeats).items()}
    turns = {"predict": lambda: runner.seconds(student.predict, X)}
    least["predict"] = min(runner.in_turns(turns, 3)["predict"])
    return least, student.tensor_train_.n_parameters


def parser():
    """Return the parser of the command line."""
    return runner.benchmark_parser(__doc__)


def main():
    """Run the benchmark and write its table."""
    runner.parse(parser())
    warnings.simplefilter("ignore", ConvergenceWarning)
    results = runner.Measurements("tensor_train_cost.csv", ["samples", "variables"])
    rng = np.random.default_rng(0)
    for n_samples, n_variables in runner.full_or_quick(SIZES, SIZES[:2]):
        X = rng.normal(size=(n_samples, n_variables)).astype(np.float32)
        y = rng.integers(10, size=n_samples)
        least, n_parameters = measure(X, y)
        row = {"samples": n_samples, "variables": n_variables, "parameters": n_parameters}
        for name in ("adam", "als", "predict"):
            per_unit = 1e6 * least[name] / n_samples / n_variables
            row[f"{name}_seconds"] = round(least[name], 4)
            row[f"{name}_microseconds_per_sample_and_variable"] = round(per_unit, 4)
        results.add(row)


if __name__ == "__main__":
    main()
