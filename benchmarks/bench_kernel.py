"""How fast the kernel is that multiplies monomials while the loss sums them, beside BLAS.

    OMP_NUM_THREADS=1 python benchmarks/bench_kernel.py

Measured are loss and gradient of ten classes, for a block of rows of PCA coordinates, on one
thread: by the kernel, which makes every observable twice and stores none; in numpy, which lifts the
block first; and in numpy from a block that is lifted already. Gigaflops are 4 times rows x
observables x classes, divided by the time. This is the arithmetic of both products, and nothing
else is counted. (The kernel has one class fewer to multiply: losses see differences of logits.)
"BLAS" multiplies two square matrices of 2,000 rows. All take turns, and the least time of each
counts. Writes benchmarks/results/kernel.csv.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import runner
from sklearn_koopman import MonomialLifter
from sklearn_koopman.linear import BlockLoss, DistillationLoss
from sklearn_koopman.rows import Factors

N_ROWS, N_CLASSES, BLAS_ROWS = 2112, 10, 2000


def contestants(n_variables, degree, dtype):
    """Yield (name, function, number of its floating-point operations)."""
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


def parser():
    """Return the parser of the command line."""
    return runner.benchmark_parser(__doc__, repeats=30)


def main():
    """Run the benchmark and write its table."""
    options = runner.parse(parser())
    results = runner.Measurements("kernel.csv", ["coordinates", "degree", "dtype", "side"])
    with threadpool_limits(1):
        for n_variables, degree in ((40, 2), (30, 3)):
            for dtype in ("float32", "float64"):
                sides = list(contestants(n_variables, degree, dtype))
                turns = {name: lambda run=run: runner.seconds(run) for name, run, _ in sides}
                times = runner.in_turns(turns, options.repeats)
                for name, _, n_operations in sides:
                    results.add(
                        {
                            "coordinates": n_variables,
                            "degree": degree,
                            "dtype": dtype,
                            "side": name,
                            "gigaflops": round(n_operations / min(times[name]) / 1e9, 1),
                        }
                    )


if __name__ == "__main__":
    main()
