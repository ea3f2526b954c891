"""Speed of the kernel that multiplies monomials where the loss sums them, beside BLAS, one thread.

    OMP_NUM_THREADS=1 python benchmarks/bench_kernel.py

Loss and gradient of ten classes, of a block of rows of PCA coordinates: by the kernel, which makes
every observable twice and stores none; in numpy, which lifts the block first; in numpy from a block
that is lifted already. Gigaflops are 4 times rows x observables x classes over the time, the
arithmetic of both products with nothing else counted (the kernel has one class fewer to multiply:
losses see differences of logits). "BLAS" is its product of two square matrices of 2,000 rows. All
take turns; the least times count. Writes benchmarks/results/kernel.csv.
"""

import csv
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from timing import seconds

from sklearn_koopman import MonomialLifter
from sklearn_koopman.linear import BlockLoss, DistillationLoss
from sklearn_koopman.rows import Factors

RESULTS = Path(__file__).parent / "results" / "kernel.csv"
N_ROWS, N_CLASSES, N_ROUNDS, BLAS_ROWS = 2112, 10, 30, 2000


def contestants(n_variables, degree, dtype):
    """Yield (name, function, its floating-point operations)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, n_variables)).astype(dtype)
    lifter = MonomialLifter(degree, order="F").fit(X)
    factors, lifted = Factors(X, lifter.pair_products()), lifter.transform(X)
    n_observables = lifted.shape[1]
    loss = BlockLoss(
        rng.normal(scale=0.1, size=(N_CLASSES, n_observables)).astype(dtype),
        np.zeros((N_CLASSES, 1), dtype),
        None,
        DistillationLoss(1.0),
    )
    weight = np.full(N_ROWS, 1 / N_ROWS)
    aligned = rng.integers(0, N_CLASSES, N_ROWS), weight, np.zeros(N_ROWS), None
    n_operations = 4 * N_ROWS * n_observables * N_CLASSES
    square = rng.normal(size=(BLAS_ROWS, BLAS_ROWS)).astype(dtype)
    yield "kernel", lambda: loss(factors, *aligned), n_operations
    yield "numpy, lifting", lambda: loss(lifter.transform(X), *aligned), n_operations
    yield "numpy, lifted before", lambda: loss(lifted, *aligned), n_operations
    yield "BLAS", lambda: square @ square, 2 * BLAS_ROWS**3


def main():
    """Run the benchmark and write its table."""
    with RESULTS.open("w", newline="") as file, threadpool_limits(1):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["coordinates", "degree", "dtype", "side", "gigaflops"])
        for n_variables, degree in ((40, 2), (30, 3)):
            for dtype in ("float32", "float64"):
                sides = list(contestants(n_variables, degree, dtype))
                times = [[seconds(run) for _, run, _ in sides] for _ in range(N_ROUNDS)]
                for (name, _, n_operations), least in zip(
                    sides, np.min(times, axis=0), strict=True
                ):
                    speed = round(n_operations / least / 1e9, 1)
                    writer.writerow([n_variables, degree, dtype, name, speed])
                    print(n_variables, degree, dtype, name, speed, flush=True)


if __name__ == "__main__":
    main()
