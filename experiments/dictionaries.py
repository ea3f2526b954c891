"""Dictionaries of about 1,000 observables of 40 PCA coordinates, on all of MNIST.

    python benchmarks/bench_dictionaries.py

The student is distilled from a perceptron (soft weight 0.9, T = 2). Ridge, and the width of
dictionaries that have one, are chosen without the test images: 10,000 training images are held out,
a perceptron is trained on the other 50,000, candidates are fitted on these, and the most accurate
on the 10,000 wins. Then teacher, dictionary and student are those of all 60,000.

`condition` is the condition number of the correlations of the observables on all 60,000 images,
`lift_seconds` the median of three runs that lift them. Writes benchmarks/results/dictionaries.csv.
"""

import csv
import warnings
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from scipy.linalg import eigh
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler
from teachers import load_or_train, split
from timing import seconds

from sklearn_koopman import (
    KoopmanDistilledClassifier,
    MonomialLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
)
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.solvers import GramMoments, RowBlocks, correlation
from sklearn_koopman.teachers import TorchTeacher

RESULTS = Path(__file__).parent / "results" / "dictionaries.csv"
RIDGES = [1e-5, 1e-4, 1e-3]
WIDTHS = [0.5, 1.0, 2.0, 4.0]  # times the gamma of the median heuristic


def gaussians(n, gamma, centers="kmeans"):
    return RBFLifter(n, centers=centers, gamma=gamma, random_state=0)


# name: (makes the dictionary for a gamma, whether it has one)
DICTIONARIES = {
    "MonomialLifter(2)": (lambda gamma: MonomialLifter(2), False),
    **{
        f"OrthogonalPolynomialLifter(2, family={family!r})": (
            lambda gamma, family=family: OrthogonalPolynomialLifter(2, family=family),
            False,
        )
        for family in ("hermite", "legendre", "chebyshev")
    },
    "RBFLifter(1000)": (lambda gamma: gaussians(1000, gamma), True),
    "RBFLifter(1000, centers='random')": (lambda gamma: gaussians(1000, gamma, "random"), True),
    "Nystroem(n_components=1000)": (
        lambda gamma: Nystroem(gamma=gamma, n_components=1000, random_state=0),
        True,
    ),
    "RBFSampler(n_components=1000)": (
        lambda gamma: RBFSampler(gamma=gamma, n_components=1000, random_state=0),
        True,
    ),
}


@dataclass
class Row:
    """One dictionary."""

    dictionary: str
    observables: int
    gamma: float
    ridge: float
    validation_accuracy: float
    accuracy: float
    condition: float
    iterations: int
    lift_seconds: float
    fit_seconds: float


def fitted(lifter, Z, y, logits, ridge, tol):
    """Return a student of a fitted dictionary."""
    student = KoopmanDistilledClassifier(
        soft_weight=0.9, temperature=2.0, ridge=ridge, lifter=FrozenEstimator(lifter), tol=tol
    )
    return student.fit(Z, y, soft_labels=logits)


def condition_number(lifter, Z):
    """Return that of the observables that vary; infinite if rounding decides."""
    n_observables = lifter.transform(Z[:1]).shape[1]
    blocks = RowBlocks(Z.astype(np.float64), lifter.transform, n_observables=n_observables)
    moments = blocks.with_rows_at_least(GramMoments.block_rows).map_reduce(
        GramMoments.update, GramMoments(n_observables), np.ones(len(Z))
    )
    varies = ~moments.scale.constant
    values = eigh(correlation(moments)[np.ix_(varies, varies)], lower=False, eigvals_only=True)
    return values[-1] / values[0] if values[0] > len(values) * 2.2e-16 * values[-1] else np.inf


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter_ is in the table
    X, y = fetch_mnist("train", return_X_y=True)
    X_test, y_test = fetch_mnist("test", return_X_y=True)
    logits = TorchTeacher(load_or_train("mnist", "mlp"))(X)
    rows, held = split(y)
    unseen = TorchTeacher(load_or_train("mnist", "mlp", held_out=True))(X[rows])
    pca = PCA(40, random_state=0).fit(X)
    pca_train = PCA(40, random_state=0).fit(X[rows])
    Z, Z_test = pca.transform(X), pca.transform(X_test)
    Z_train, Z_held = pca_train.transform(X[rows]), pca_train.transform(X[held])
    typical = RBFLifter(2, centers="random", random_state=0).fit(Z).gamma_

    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for name, (make, has_width) in DICTIONARIES.items():
            found = []
            for gamma in [width * typical for width in WIDTHS] if has_width else [np.nan]:
                lifter = make(gamma).fit(Z_train)
                for ridge in RIDGES:
                    student = fitted(lifter, Z_train, y[rows], unseen, ridge, 1e-4)
                    found.append((student.score(Z_held, y[held]), gamma, ridge))
                    print("  ", name, found[-1], student.n_iter_, flush=True)
            score, gamma, ridge = max(found)
            lifter = make(gamma).fit(Z)
            start = perf_counter()
            student = fitted(lifter, Z, y, logits, ridge, 1e-5)
            fit_seconds = perf_counter() - start
            row = Row(
                name,
                student.coef_.shape[1],
                gamma,
                ridge,
                score,
                student.score(Z_test, y_test),
                float(condition_number(lifter, Z)),
                student.n_iter_,
                median(seconds(lifter.transform, Z) for _ in range(3)),
                fit_seconds,
            )
            writer.writerow(asdict(row))
            file.flush()
            print(row, flush=True)


if __name__ == "__main__":
    main()
