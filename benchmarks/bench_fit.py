"""Time to fit the MNIST student of degree 2, PCA 40, beside scikit-learn's own pieces.

    python benchmarks/bench_fit.py
    OPENBLAS_CORETYPE=Haswell python benchmarks/bench_fit.py --dtypes float32

Without soft targets (soft_weight=0) the student is multinomial logistic regression, so both sides
minimise the same objective in the same run, from pixels: ours (PCA, lifting inside), stopped by
its tolerance, and PCA + PolynomialFeatures + StandardScaler + LogisticRegression, of which a
callback of scipy's L-BFGS notes when it has come as low. They take turns, round by round.
"student seconds" and "LogisticRegression seconds" are parts of these times: ours from PCA
coordinates, lifting included, theirs from observables that are lifted and scaled already. The last
row is the distilled student, given the teacher's logits. Writes benchmarks/results/fit.csv. The
second command takes the kernels of OpenBLAS for processors without AVX-512, which have no fast
path for small matrices.
"""

import argparse
import os
import platform
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

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


class Step(NamedTuple):
    """Where scikit-learn is on its way."""

    iterations: int | None
    seconds: float
    of_logistic_regression: float
    objective: float


NEVER = Step(None, float("nan"), float("nan"), float("nan"))


def progress_of_theirs(X, y, goal, most_seconds):
    """Return the steps of scikit-learn from pixels to a goal."""
    progress = []
    minimize = scipy.optimize.minimize
    fit = LogisticRegression.fit
    start = perf_counter()
    started = start

    def note_start(*args, **kwargs):
        nonlocal started
        started = perf_counter()
        return fit(*args, **kwargs)

    def note(intermediate_result):
        now = perf_counter()
        objective = float(intermediate_result.fun)
        progress.append(Step(len(progress) + 1, now - start, now - started, objective))
        if objective <= goal or now - start > most_seconds:
            raise StopIteration

    scipy.optimize.minimize = lambda *args, **kwargs: minimize(
        *args, **{**kwargs, "callback": note}
    )
    LogisticRegression.fit = note_start
    try:
        theirs(len(X)).fit(X, y)
    finally:
        scipy.optimize.minimize = minimize
        LogisticRegression.fit = fit
    return progress


class Contestant(NamedTuple):
    """A student of ours."""

    student: str
    tol: float


class Run(NamedTuple):
    """One fit, the seconds that it took, from pixels and from coordinates, and those of theirs."""

    student: KoopmanDistilledClassifier
    seconds: float
    of_student: float
    theirs: Step | None = None


def timed(pipeline, X, y, **params):
    """Fit a student behind its PCA, as its pipeline does."""
    pca, student = (step for _, step in pipeline.steps)
    start = perf_counter()
    Z = pca.fit_transform(X)
    between = perf_counter()
    student.fit(Z, y, **params)
    end = perf_counter()
    return Run(student, end - start, end - between)


def race(X, y, logits, most_seconds):
    """Return the run of every contestant, of which scikit-learn takes part in one turn."""
    runs = {
        Contestant("soft_weight=0", tol): timed(
            ours(soft_weight=0.0, tol=tol, max_iter=3000), X, y
        )
        for tol in TOLERANCES
    }
    lowest = min(run.student.objective_ for run in runs.values())
    progress = progress_of_theirs(X, y, lowest, most_seconds)
    for contestant, run in runs.items():
        goal = run.student.objective_
        as_low = next((step for step in progress if step.objective <= goal), NEVER)
        runs[contestant] = run._replace(theirs=as_low)
    distilled = timed(ours(soft_weight=0.9, temperature=2.0), X, y, soft_labels=logits)
    return runs | {Contestant("distilled", distilled.student.tol): distilled}


def by_contestant(rounds):
    """Return the runs of every contestant."""
    return {contestant: [runs[contestant] for runs in rounds] for contestant in rounds[0]}


def medians(runs):
    """Return the columns of the table; ratios are medians of those of every round."""
    columns = {
        "objective": f"{runs[0].student.objective_:.8f}",
        "seconds": round(median(run.seconds for run in runs), 2),
        "student seconds": round(median(run.of_student for run in runs), 2),
        "steps": runs[0].student.n_iter_,
    }
    if runs[0].theirs is None:
        return columns
    theirs = [run.theirs for run in runs]
    of_regression = [step.of_logistic_regression for step in theirs]
    ratios = [run.seconds / run.theirs.seconds for run in runs]
    of_students = [run.of_student / run.theirs.of_logistic_regression for run in runs]
    return columns | {
        "scikit-learn seconds": round(median(step.seconds for step in theirs), 2),
        "LogisticRegression seconds": round(median(of_regression), 2),
        "scikit-learn steps": theirs[0].iterations,
        "ratio": round(median(ratios), 3),
        "student ratio": round(median(of_students), 3),
        "rounds": len(runs),
    }


def main():
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="rounds in which all take part")
    parser.add_argument("--most-seconds", type=float, default=600, help="for scikit-learn")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    options = parser.parse_args()

    X, y = fetch_mnist("train", return_X_y=True)
    logits = TorchTeacher(load_or_train("mnist", "mlp"))(X)
    rows = []
    for dtype in options.dtypes:
        data = X.astype(dtype)
        rounds = [race(data, y, logits, options.most_seconds) for _ in range(options.repeats)]
        for contestant, runs in by_contestant(rounds).items():
            rows.append({"dtype": dtype, **contestant._asdict(), **medians(runs)})
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
