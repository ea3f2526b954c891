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
import platform
from pathlib import Path
from statistics import median

import numpy as np
import scipy
import sklearn
from kept_rows import save
from sklearn.preprocessing import PolynomialFeatures
from timing import seconds

from sklearn_koopman.lifting import MonomialLifter

SHAPES = [(60_000, 40, 2), (60_000, 30, 3)]  # n, p, degree
N_REPEATS = 5
RESULTS = Path(__file__).parent / "results" / "lifting.csv"
CONTESTANTS = [(PolynomialFeatures, "C"), (PolynomialFeatures, "F")]
CONTESTANTS += [(MonomialLifter, "C"), (MonomialLifter, "F")]
COPY = "copy of the result", "F"
MEMORY = "kept" if os.environ.get("MALLOC_MMAP_MAX_") == "0" else "new"
KEY = ("n_samples", "n_features", "degree", "dtype", "lifter", "order", "memory")


def race(n_samples, n_features, degree, dtype):
    """Return the median time of each contestant, in its order, and of a copy of the result."""
    X = np.random.default_rng(0).normal(size=(n_samples, n_features)).astype(dtype)
    lifters = [contestant(degree, order=order).fit(X) for contestant, order in CONTESTANTS]
    runs = [lambda lifter=lifter: lifter.transform(X) for lifter in lifters]
    result = lifters[-1].transform(X)
    runs.append(lambda: result.copy(order="F"))
    times = [[seconds(run) for run in runs] for _ in range(N_REPEATS + 1)]
    return [median(column) for column in zip(*times[1:], strict=True)]  # the first warms up


def measure():
    """Yield one row of the table per shape, dtype and contestant."""
    for n_samples, n_features, degree in SHAPES:
        for dtype in ("float64", "float32"):
            times = race(n_samples, n_features, degree, dtype)
            sides = [(contestant.__name__, order) for contestant, order in CONTESTANTS]
            for (name, order), time in zip([*sides, COPY], times, strict=True):
                yield {
                    "n_samples": n_samples,
                    "n_features": n_features,
                    "degree": degree,
                    "dtype": dtype,
                    "lifter": name,
                    "order": order,
                    "memory": MEMORY,
                    "milliseconds": round(1e3 * time, 2),
                    "relative": round(time / times[0], 3),
                }


def machine():
    return (
        f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}"
    )


def main():
    for i, row in enumerate(measure()):
        if i == 0:
            print("".join(f"{name:>20}" for name in row))
        print("".join(f"{value:>20}" for value in row.values()), flush=True)
        save(RESULTS, row | {"machine": machine()}, KEY)


if __name__ == "__main__":
    main()
