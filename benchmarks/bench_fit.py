"""Time to fit the MNIST student of degree 2, PCA 40, beside scikit-learn's own pieces.

    python benchmarks/bench_fit.py
    OPENBLAS_CORETYPE=Haswell python benchmarks/bench_fit.py --dtypes float32

Without soft targets (soft_weight=0) the student is multinomial logistic regression, so both sides
minimise the same objective in the same run, from pixels: ours (PCA, lifting inside), stopped by
its tolerance, and PCA + PolynomialFeatures + StandardScaler + LogisticRegression, of which a
callback of scipy's L-BFGS notes when it has come as low. The last row is the distilled student,
given the teacher's logits. Writes benchmarks/results/fit.csv. The second command takes the kernels
of OpenBLAS for processors without AVX-512, which have no fast path for small matrices.
"""

import argparse
import os
import platform
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import scipy.optimize
import sklearn
from kept_rows import save
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from teachers import load_or_train
from threadpoolctl import threadpool_info

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.teachers import TorchTeacher

COMPONENTS, DEGREE, RIDGE = 40, 2, 1e-4
TOLERANCES = (1e-4, 1e-5, 1e-6)
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
        PolynomialFeatures(DEGREE, include_bias=False),
        StandardScaler(copy=False),
        LogisticRegression(C=1 / (RIDGE * n_samples), max_iter=100_000, tol=1e-12),
    )


def progress_of_theirs(X, y, goal, most_seconds):
    """Return (iterations, seconds, objective) of scikit-learn on its way from pixels to a goal."""
    progress = []
    minimize = scipy.optimize.minimize
    start = perf_counter()

    def note(intermediate_result):
        seconds = perf_counter() - start
        progress.append((len(progress) + 1, seconds, float(intermediate_result.fun)))
        if intermediate_result.fun <= goal or seconds > most_seconds:
            raise StopIteration

    scipy.optimize.minimize = lambda *args, **kwargs: minimize(
        *args, **{**kwargs, "callback": note}
    )
    try:
        theirs(len(X)).fit(X, y)
    finally:
        scipy.optimize.minimize = minimize
    return progress


def timed(pipeline, X, y, **params):
    """Return the fitted student and the seconds that it took."""
    start = perf_counter()
    pipeline.fit(X, y, **params)
    return pipeline[-1], perf_counter() - start


def main():
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--most-seconds", type=float, default=600, help="for scikit-learn")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    options = parser.parse_args()

    X, y = fetch_mnist("train", return_X_y=True)
    logits = TorchTeacher(load_or_train("mnist", "mlp"))(X)
    rows = []
    for dtype in options.dtypes:
        data = X.astype(dtype)
        runs = {
            tol: [
                timed(ours(soft_weight=0.0, tol=tol, max_iter=3000), data, y)
                for _ in range(options.repeats)
            ]
            for tol in TOLERANCES
        }
        lowest = min(student.objective_ for run in runs.values() for student, _ in run)
        progress = progress_of_theirs(data, y, lowest, options.most_seconds)
        for tol, run in runs.items():
            student, seconds = run[0][0], median(seconds for _, seconds in run)
            iterations, their_seconds, _ = next(
                (step for step in progress if step[2] <= student.objective_),
                (None, float("nan"), None),
            )
            rows.append(
                {
                    "student": "soft_weight=0",
                    "dtype": dtype,
                    "tol": tol,
                    "objective": f"{student.objective_:.8f}",
                    "seconds": round(seconds, 2),
                    "steps": student.n_iter_,
                    "scikit-learn seconds": round(their_seconds, 2),
                    "scikit-learn steps": iterations,
                    "ratio": round(seconds / their_seconds, 3),
                }
            )
            print(rows[-1], flush=True)
        run = [
            timed(
                ours(soft_weight=0.9, temperature=2.0),
                data,
                y,
                koopmandistilledclassifier__soft_labels=logits,
            )
            for _ in range(options.repeats)
        ]
        rows.append(
            {
                "student": "distilled",
                "dtype": dtype,
                "tol": run[0][0].tol,
                "objective": f"{run[0][0].objective_:.8f}",
                "seconds": round(median(seconds for _, seconds in run), 2),
                "steps": run[0][0].n_iter_,
            }
        )
        print(rows[-1], flush=True)

    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scikit-learn {sklearn.__version__}"
    )
    kernels = {pool["architecture"] for pool in threadpool_info() if "architecture" in pool}
    for row in rows:
        row = dict.fromkeys(rows[0], "") | row
        row |= {"kernels": " ".join(sorted(kernels)), "machine": machine}
        save(RESULTS, row, ("student", "dtype", "tol", "kernels"))


if __name__ == "__main__":
    main()
