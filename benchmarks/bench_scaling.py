"""How time and memory grow: 10,000 to 10 million rows, 231 to 19,600 observables.

    python benchmarks/bench_scaling.py [--most-minutes 6]

Rows of float32 on disk (a memmap), ten classes, monomials made inside the fit. Every fit is a
process of its own. EDMD solves its least squares; the distilled student takes 20 steps from the
labels alone, so that all cells do the same. The memory is RssAnon of the process, libraries
included, rows on disk left out. Cells whose products alone would take longer than the limit are
left out. Writes benchmarks/results/scaling.csv, and continues it where it ended.
"""

import argparse
import csv
import os
import platform
import sys
import tempfile
import time
import warnings
from math import comb
from pathlib import Path

import numpy as np
from bench_out_of_core import watched, write_rows
from sklearn.exceptions import ConvergenceWarning

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter

ROWS = 10**4, 10**5, 10**6, 10**7
DICTIONARIES = (20, 2), (40, 2), (30, 3), (47, 3)  # columns, degree
N_CLASSES, N_STEPS = 10, 20
# What a core does, about; to leave out cells that take too long.
PRODUCTS_PER_SECOND = 5e10
RESULTS = Path(__file__).parent / "results" / "scaling.csv"
HEADER = "student", "rows", "observables", "seconds", "RssAnon MB", "machine"


def fit(name, folder, degree):
    """Fit one student and print the seconds that took."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    X = np.load(folder / "X.npy", mmap_mode="r")
    y = np.load(folder / "y.npy", mmap_mode="r")
    lifter = MonomialLifter(degree)
    student = {
        "EDMD": EDMDClassifier(lifter=lifter),
        "distilled": KoopmanDistilledClassifier(
            soft_weight=0.0, max_iter=N_STEPS, lifter=lifter
        ),
    }[name]
    start = time.perf_counter()
    student.fit(X, y)
    print(f"{time.perf_counter() - start:.2f}")


def products(name, n_rows, n_observables):
    """Return how many multiplications BLAS has to do, about."""
    if name == "EDMD":
        return n_rows * n_observables**2 / 2 + n_observables**3 / 6
    sampled = min(n_rows, max(4 * n_observables, 4096))
    return (
        20 * n_rows * n_observables * N_CLASSES
        + sampled * n_observables**2 / 2
        + n_observables**3
    )


def main():
    """Fit all cells that are not too long, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most-minutes", type=float, default=6.0)
    parser.add_argument("--fit", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        name, folder, degree = options.fit
        fit(name, Path(folder), int(degree))
        return
    threads = os.environ.get("OMP_NUM_THREADS", os.cpu_count())
    machine = f"{threads} thread(s), {platform.machine()}, numpy {np.__version__}"
    done = set()
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            done = {tuple(row[:3]) for row in csv.reader(file)}
    with RESULTS.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not done:
            writer.writerow(HEADER)
        for n_rows in ROWS:
            for n_columns, degree in DICTIONARIES:
                n_observables = comb(n_columns + degree, degree)
                with tempfile.TemporaryDirectory() as folder:
                    names = [
                        name
                        for name in ("EDMD", "distilled")
                        if (name, str(n_rows), str(n_observables)) not in done
                        and products(name, n_rows, n_observables)
                        < options.most_minutes * 60 * PRODUCTS_PER_SECOND
                    ]
                    if names:
                        write_rows(Path(folder), n_rows, n_columns)
                    for name in names:
                        command = [sys.executable, __file__]
                        command += ["--fit", name, folder, str(degree)]
                        seconds, peak = watched(command)
                        row = (name, n_rows, n_observables, seconds, round(peak), machine)
                        writer.writerow(row)
                        file.flush()
                        print(*row, flush=True)


if __name__ == "__main__":
    main()
