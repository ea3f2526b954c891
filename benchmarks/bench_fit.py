"""Time to fit the MNIST student of degree 2, PCA 40, beside scikit-learn's own pieces.

    python benchmarks/bench_fit.py

Without soft targets (soft_weight=0) the student is multinomial logistic regression, so both sides
minimise the same objective in the same run, from pixels: ours (PCA, lifting inside), and PCA +
PolynomialFeatures + StandardScaler + LogisticRegression. Both run scipy's L-BFGS; a callback
notes when the objective comes within 1 %, 0.1 % and 0.01 % of the optimum, which a long run of
ours finds beforehand. The last rows are the distilled student to its default tolerance, given the
teacher's logits. Writes benchmarks/results/fit.csv.
"""

import argparse
import csv
import os
import platform
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import scipy.optimize
import sklearn
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from teachers import load_or_train

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.teachers import TorchTeacher

COMPONENTS, DEGREE, RIDGE = 40, 2, 1e-4
EXCESSES = (1e-2, 1e-3, 1e-4)
RESULTS = Path(__file__).parent / "results" / "fit.csv"


def ours(**settings):
    """Return the student from pixels."""
    lifter = MonomialLifter(DEGREE)
    return make_pipeline(
        PCA(COMPONENTS, random_state=0),
        KoopmanDistilledClassifier(ridge=RIDGE, lifter=lifter, **settings),
    )


def theirs(n_samples):
    """Return scikit-learn's pipeline with the same objective."""
    return make_pipeline(
        PCA(COMPONENTS, random_state=0),
        PolynomialFeatures(DEGREE, include_bias=False, order="F"),
        StandardScaler(copy=False),
        LogisticRegression(C=1 / (RIDGE * n_samples), max_iter=100_000, tol=1e-12),
    )


@contextmanager
def noting_progress(goal, most_seconds):
    """Yield a list of (seconds, objective) that every scipy minimisation adds to.

    Stops it at the goal or when the time is up.
    """
    progress = []
    minimize = scipy.optimize.minimize
    start = perf_counter()

    def note(intermediate_result):
        seconds = perf_counter() - start
        progress.append((seconds, float(intermediate_result.fun)))
        if intermediate_result.fun <= goal or seconds > most_seconds:
            raise StopIteration

    scipy.optimize.minimize = lambda *args, **kwargs: minimize(
        *args, **{**kwargs, "callback": note}
    )
    try:
        yield progress
    finally:
        scipy.optimize.minimize = minimize


def time_to_goals(pipeline, X, y, optimum, most_seconds):
    """Return {excess: (iterations, seconds)} of a fit from pixels, and its whole progress."""
    goals = {excess: optimum * (1 + excess) for excess in EXCESSES}
    with noting_progress(min(goals.values()), most_seconds) as progress:
        pipeline.fit(X, y)
    return {
        excess: next(
            ((i, seconds) for i, (seconds, f) in enumerate(progress, 1) if f <= goal), None
        )
        for excess, goal in goals.items()
    }


def main():
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--most-seconds", type=float, default=600, help="for scikit-learn")
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    options = parser.parse_args()

    X, y = fetch_mnist("train", return_X_y=True)
    logits = TorchTeacher(load_or_train("mnist", "mlp"))(X)
    exact = ours(soft_weight=0.0, tol=1e-6, max_iter=3000).fit(X, y)
    optimum = exact[-1].objective_
    print(f"optimum {optimum:.8f} after {exact[-1].n_iter_} iterations", flush=True)

    rows = []
    for repeat in range(options.repeats):
        for dtype in options.dtypes:
            data = X.astype(dtype)
            sides = {"ours": ours(soft_weight=0.0, tol=1e-9, max_iter=3000)}
            if repeat == 0:  # minutes long, so once
                sides["scikit-learn"] = theirs(len(X))
            for side, pipeline in sides.items():
                for excess, found in time_to_goals(
                    pipeline, data, y, optimum, options.most_seconds
                ).items():
                    iterations, seconds = found or (None, None)
                    rows.append((side, dtype, f"{excess:.2%}", iterations, seconds))
                    print(rows[-1], flush=True)
        student = ours(soft_weight=0.9, temperature=2.0)
        start = perf_counter()
        student.fit(X, y, koopmandistilledclassifier__soft_labels=logits)
        seconds = perf_counter() - start
        rows.append(("distilled", "float32", "default tol", student[-1].n_iter_, seconds))
        print(rows[-1], flush=True)

    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scikit-learn {sklearn.__version__}"
    )
    write_medians(rows, machine)


def write_medians(rows, machine):
    """Write the median seconds of every kind of row, and print the ratios."""
    groups = {}
    for *kind, seconds in rows:
        groups.setdefault(tuple(kind), []).append(seconds)
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["side", "dtype", "goal", "iterations", "seconds", "runs", "machine"])
        for kind, times in groups.items():
            seconds = None if None in times else round(median(times), 2)
            writer.writerow([*kind, seconds, len(times), machine])
            print(*kind, seconds)


if __name__ == "__main__":
    main()
