"""How often the rows are looked at on the way to the optimum: ours beside scipy's L-BFGS.

    python benchmarks/bench_solver.py
    python benchmarks/bench_solver.py --rounding

Both minimise the cross-entropy (soft_weight=0) of standardised observables. What is counted are
rows, in units of all rows: a look at a sample of a fifth counts for a fifth. Writes
benchmarks/results/solver.csv. The second command multiplies MNIST's float32 coordinates by some
numbers, which changes nothing but the rounding, and writes how often all rows are looked at on the
way to a gradient of 1e-6 to benchmarks/results/rounding.csv.
"""

import argparse
import csv
from itertools import accumulate
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklearn_koopman import MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.solvers import (
    DiagonalMoments,
    DistillationProblem,
    RowBlocks,
    minimise,
)

RESULTS = Path(__file__).parent / "results"
FACTORS = (1, 1 / 1.001, 1 / 3, 1 / 7, 1 / 11, 1 / 37, 1 / 100, 1 / 255)
RIDGE = 1e-4
EXCESSES = (1e-2, 1e-3, 1e-4, 1e-5)


class CountingProblem(DistillationProblem):
    """Notes how many rows every look sees."""

    def evaluate(self, x, curvature=None):
        """Return value and gradient."""
        self.looks.append(self.blocks.n_samples)
        return super().evaluate(x, curvature)


def dictionaries():
    """Yield name, observables and labels."""
    X, y = load_digits(return_X_y=True)
    lift = MonomialLifter(3, include_bias=False).fit_transform
    yield (
        "digits, 20 PCA coordinates, degree 2",
        MonomialLifter(2).fit_transform(PCA(20).fit_transform(X)),
        y,
    )
    yield "digits, 8 PCA coordinates, degree 3", lift(PCA(8).fit_transform(X)), y
    yield "the same, not centred", lift(PCA(8).fit_transform(X) / 10 + 2), y
    yield "digits, 64 pixels", X, y
    coarse = X.reshape(-1, 8, 8)[:, ::2, ::2].reshape(len(X), -1)
    yield "digits, 16 pixels, degree 3", lift(coarse), y
    Z, y = mnist_coordinates(np.float64)
    yield "MNIST, 40 PCA coordinates, degree 2", MonomialLifter(2).fit_transform(Z), y


def mnist_coordinates(dtype):
    """Return 40 PCA coordinates of MNIST, and the labels."""
    X, y = fetch_mnist("train", return_X_y=True)
    return PCA(40, random_state=0).fit_transform(X.astype(dtype)), y


def make_problem(psi, y):
    """Return the problem, which counts."""
    blocks, weight = RowBlocks(psi), np.ones(len(psi))
    moments = blocks.map_reduce(
        DiagonalMoments.update, DiagonalMoments(blocks.n_observables), weight
    )
    problem = CountingProblem(
        blocks,
        moments.scale,
        np.asarray(y, dtype=int),
        None,
        weight,
        n_classes=10,
        soft_weight=0.0,
        temperature=1.0,
        ridge=RIDGE,
    )
    problem.looks = []
    return problem


def trace_ours(problem, start):
    """Return (rows looked at, objective) after every look at all rows."""
    trace = []
    minimise(
        problem,
        start[:-1],
        start[-1],
        max_iter=3000,
        tol=2e-7,
        report=lambda _, objective: trace.append((sum(problem.looks), objective)),
    )
    return trace


def trace_scipy(problem, start):
    """Return the same of scipy's L-BFGS on the standardised observables."""
    values = []

    def function(x):
        value, gradient = problem.evaluate(x.reshape(start.shape))
        values.append(value)
        return value, gradient.ravel()

    minimize(
        function,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 3000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 2e-7},
    )
    return list(zip(accumulate(problem.looks), values, strict=True))


def write_rounding():
    """Write how much rounding matters for the number of looks at all rows."""
    Z, y = mnist_coordinates(np.float32)
    with (RESULTS / "rounding.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["factor", "looks at all rows", "steps", "objective"])
        for factor in FACTORS:
            psi = MonomialLifter(2).fit_transform(Z * np.float32(factor))
            solution = minimise(
                make_problem(psi, y), np.zeros((861, 10)), np.zeros(10), max_iter=3000, tol=1e-6
            )
            objective = f"{solution.objective:.8f}"
            row = round(factor, 6), solution.n_passes, solution.n_iter, objective
            writer.writerow(row)
            print(*row, flush=True)


def main():
    """Run all dictionaries and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounding", action="store_true")
    if parser.parse_args().rounding:
        write_rounding()
        return
    with (RESULTS / "solver.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["dictionary", "observables", "solver", *map(str, EXCESSES)])
        for name, psi, y in dictionaries():
            start = np.zeros((psi.shape[1] + 1, 10))
            traces = {
                "ours": trace_ours(make_problem(psi, y), start),
                "scipy L-BFGS": trace_scipy(make_problem(psi, y), start),
            }
            optimum = min(value for trace in traces.values() for _, value in trace)
            for solver, trace in traces.items():
                needed = [
                    next(
                        (
                            round(rows / len(psi), 1)
                            for rows, value in trace
                            if value <= optimum * (1 + excess)
                        ),
                        None,
                    )
                    for excess in EXCESSES
                ]
                writer.writerow([name, psi.shape[1], solver, *needed])
                print(name, psi.shape[1], solver, *needed, flush=True)


if __name__ == "__main__":
    main()
