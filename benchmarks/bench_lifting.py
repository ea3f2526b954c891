"""Time MonomialLifter against PolynomialFeatures.

    python benchmarks/bench_lifting.py
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 python benchmarks/bench_lifting.py

All contestants take turns within one run, so that whatever else the machine does hits them alike.
A new array is memory that the system hands out page by page when it is written for the first time,
which takes up to several times as long as filling it, for all contestants alike. With the second
command glibc keeps what was freed, and hands that out again ("kept" in the column "memory").
Writes benchmarks/results/lifting.csv.
"""

import os

import numpy as np
from sklearn.preprocessing import PolynomialFeatures

from benchmarks import runner
from sklearn_koopman.lifting import MonomialLifter

SHAPES = [(60_000, 40, 2), (60_000, 30, 3)]  # n, p, degree
CONTESTANTS = [(PolynomialFeatures, "C"), (PolynomialFeatures, "F")]
CONTESTANTS += [(MonomialLifter, "C"), (MonomialLifter, "F")]
COPY = "copy of the result", "F"
MEMORY = "kept" if os.environ.get("MALLOC_MMAP_MAX_") == "0" else "new"
KEY = ("n_samples", "n_features", "degree", "dtype", "lifter", "order", "memory")


def race(X, degree, repeats):
    """Return the median time of each contestant, in its order, and of a copy of the result."""
    sides = {}
    for contestant, order in CONTESTANTS:
        lifter = contestant(degree, order=order).fit(X)
        sides[contestant.__name__, order] = lambda lift=lifter.transform: runner.seconds(
            lift, X
        )
    result = lifter.transform(X)
    sides[COPY] = lambda: runner.seconds(result.copy, order="F")
    found = runner.in_turns(sides, repeats, warm_up=1)
    return {side: runner.median_of(times) for side, times in found.items()}


def parser():
    """Return the parser of the command line."""
    return runner.benchmark_parser(__doc__, repeats=5)


def main():
    """Run the benchmark and write its table."""
    options = runner.parse(parser())
    results = runner.Measurements("lifting.csv", KEY, anew=False)
    for n_samples, n_features, degree in SHAPES:
        n_samples = runner.full_or_quick(n_samples, 500)
        for dtype in ("float64", "float32"):
            rng = np.random.default_rng(0)
            X = rng.normal(size=(n_samples, n_features)).astype(dtype)
            times = race(X, degree, options.repeats)
            first = next(iter(times.values()))
            for (name, order), time in times.items():
                results.add(
                    {
                        "n_samples": n_samples,
                        "n_features": n_features,
                        "degree": degree,
                        "dtype": dtype,
                        "lifter": name,
                        "order": order,
                        "memory": MEMORY,
                        "milliseconds": round(1e3 * time, 2),
                        "relative": round(time / first, 3),
                    }
                )


if __name__ == "__main__":
    main()
