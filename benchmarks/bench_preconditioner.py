"""Iterations of L-BFGS with and without the Gram preconditioner, to a given excess.

    python benchmarks/bench_preconditioner.py

Both minimise the cross-entropy (soft_weight=0) of standardised observables. Writes
benchmarks/results/preconditioner.csv.
"""

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklearn_koopman import MonomialLifter
from sklearn_koopman.solvers import (
    DistillationProblem,
    GramMoments,
    Preconditioner,
    RowBlocks,
    minimise,
)

RESULTS = Path(__file__).parent / "results" / "preconditioner.csv"
RIDGE = 1e-4
EXCESSES = (1e-2, 1e-3, 1e-4)


class Identity:
    """Coordinates that are the coefficients themselves."""

    def to_coef(self, coordinates):
        """Return the coordinates."""
        return coordinates

    to_coordinates = to_coordinate_gradient = to_coef


def dictionaries():
    """Yield name, observables and labels."""
    X, y = load_digits(return_X_y=True)
    lift = MonomialLifter(3, include_bias=False).fit_transform
    yield (
        "20 PCA coordinates, degree 2",
        MonomialLifter(2).fit_transform(PCA(20).fit_transform(X)),
        y,
    )
    yield "8 PCA coordinates, degree 3", lift(PCA(8).fit_transform(X)), y
    yield "the same, not centred", lift(PCA(8).fit_transform(X) / 10 + 2), y
    yield "64 pixels", X, y
    coarse = X.reshape(-1, 8, 8)[:, ::2, ::2].reshape(len(X), -1)
    yield "16 pixels, degree 3", lift(coarse), y


def trace(problem, preconditioner):
    """Return the objective after every iteration."""
    values = []
    start = np.zeros((problem.blocks.n_observables, 10)), np.zeros(10)
    minimise(
        problem,
        preconditioner,
        *start,
        max_iter=2000,
        tol=1e-9,
        report=lambda iteration, objective: values.append(objective),
    )
    return values


def main():
    """Run all dictionaries and write the table."""
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["dictionary", "observables", "preconditioner", *map(str, EXCESSES)])
        for name, psi, y in dictionaries():
            blocks, weight = RowBlocks(psi), np.ones(len(psi))
            moments = blocks.map_reduce(
                GramMoments.update, GramMoments(blocks.n_observables), weight
            )
            problem = DistillationProblem(
                blocks,
                moments.scale,
                np.eye(10)[y],
                None,
                weight,
                soft_weight=0.0,
                temperature=1.0,
                ridge=RIDGE,
            )
            traces = {
                "Gram": trace(problem, Preconditioner(moments, RIDGE)),
                "none": trace(problem, Identity()),
            }
            optimum = min(min(values) for values in traces.values())
            for kind, values in traces.items():
                needed = [
                    next(
                        (i for i, f in enumerate(values, 1) if f <= optimum * (1 + excess)),
                        None,
                    )
                    for excess in EXCESSES
                ]
                writer.writerow([name, blocks.n_observables, kind, *needed])
                print(name, blocks.n_observables, kind, *needed, flush=True)


if __name__ == "__main__":
    main()
