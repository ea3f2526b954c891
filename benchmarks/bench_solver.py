"""How many passes over the rows the exact solver needs, beside scipy's L-BFGS.

    python benchmarks/bench_solver.py
    python benchmarks/bench_solver.py --rounding

Both minimise the cross-entropy (soft_weight=0) of standardised observables. The unit of the table
is one look at all rows: a look at a sample of a fifth of them counts for a fifth. Writes
benchmarks/results/solver.csv. The second command multiplies MNIST's float32 coordinates by some
numbers, which changes nothing but the rounding. It writes how often all rows are looked at until
the gradient is 1e-6. Writes benchmarks/results/rounding.csv.
"""

from itertools import accumulate

import numpy as np
from scipy.optimize import minimize as scipy_minimize
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from benchmarks import runner
from experiments.images import images
from sklearn_koopman import MonomialLifter
from sklearn_koopman.solvers import (
    DiagonalMoments,
    DistillationProblem,
    RowBlocks,
    minimise,
)

FACTORS = (1, 1 / 1.001, 1 / 3, 1 / 7, 1 / 11, 1 / 37, 1 / 100, 1 / 255)
RIDGE = 1e-4
EXCESSES = (1e-2, 1e-3, 1e-4, 1e-5)


class CountingProblem(DistillationProblem):
    """A problem that notes how many rows each evaluation sees."""

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
    X, y = images("mnist", "train")
    return PCA(40, random_state=0).fit_transform(X.astype(dtype)), y


def make_problem(psi, y):
    """Return the problem, which counts the rows."""
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
    """Return the same for scipy's L-BFGS on the standardised observables."""
    values = []

    def function(x):
        value, gradient = problem.evaluate(x.reshape(start.shape))
        values.append(value)
        return value, gradient.ravel()

    scipy_minimize(
        function,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 3000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 2e-7},
    )
    return list(zip(accumulate(problem.looks), values, strict=True))


def passes_to(goal, trace, n_rows):
    """Return how often all rows were looked at until an objective is reached, None if never."""
    passes = (round(rows / n_rows, 1) for rows, objective in trace if objective <= goal)
    return next(passes, None)


def bench_rounding():
    """Measure how rounding changes the number of looks at all rows; write the table."""
    results = runner.Measurements("rounding.csv", ["factor"])
    Z, y = mnist_coordinates(np.float32)
    for factor in FACTORS:
        psi = MonomialLifter(2).fit_transform(Z * np.float32(factor))
        start = np.zeros((psi.shape[1], 10)), np.zeros(10)
        solution = minimise(make_problem(psi, y), *start, max_iter=3000, tol=1e-6)
        results.add(
            {
                "factor": round(factor, 6),
                "looks at all rows": solution.n_passes,
                "steps": solution.n_iter,
                "objective": f"{solution.objective:.8f}",
            }
        )


def bench_passes():
    """Measure how often rows are looked at, by dictionary and solver; write the table."""
    results = runner.Measurements("solver.csv", ["dictionary", "solver"])
    for name, psi, y in dictionaries():
        start = np.zeros((psi.shape[1] + 1, 10))
        traces = {
            "ours": trace_ours(make_problem(psi, y), start),
            "scipy L-BFGS": trace_scipy(make_problem(psi, y), start),
        }
        optimum = min(value for trace in traces.values() for _, value in trace)
        for solver, trace in traces.items():
            needed = {
                str(excess): passes_to(optimum * (1 + excess), trace, len(psi))
                for excess in EXCESSES
            }
            columns = {"dictionary": name, "observables": psi.shape[1], "solver": solver}
            results.add(columns | needed)


def parser():
    """Return the parser of the command line."""
    made = runner.benchmark_parser(__doc__)
    made.add_argument("--rounding", action="store_true", help="what rounding changes, instead")
    return made


def main():
    """Run one of the benchmarks."""
    options = runner.parse(parser())
    if options.rounding:
        bench_rounding()
    else:
        bench_passes()


if __name__ == "__main__":
    main()
