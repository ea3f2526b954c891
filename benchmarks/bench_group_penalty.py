"""Greedy choice beside a group penalty, at the same number of observables, on digits.

    python benchmarks/bench_group_penalty.py

Of the 285 monomials of degree 3 in 10 PCA coordinates of scikit-learn's digits, each way chooses m;
least squares is then fitted anew on these (ridge 1e-4). The group penalty is scikit-learn's
MultiTaskLasso on the standardised observables and one-hot labels, at the largest penalty of a path
that keeps m or more; the m with the largest coefficients stay. Means over five folds; everything is
chosen on the training rows. Writes benchmarks/results/group_penalty.csv.
"""

import csv
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import EDMDClassifier, MonomialLifter, ObservableSelector

RESULTS = Path(__file__).parent / "results" / "group_penalty.csv"
SIZES = [10, 20, 40, 80]


def by_penalty(psi, y, sizes):
    """Return the m observables with the largest coefficients for each m."""
    phi = StandardScaler().fit_transform(psi)
    targets = np.eye(10)[y]
    targets -= targets.mean(axis=0)
    largest = np.linalg.norm(phi.T @ targets, axis=1).max() / len(phi)
    lasso = MultiTaskLasso(warm_start=True, fit_intercept=False, tol=1e-3)
    chosen = {}
    for penalty in largest * np.geomspace(0.7, 0.005, 20):
        norms = np.linalg.norm(lasso.set_params(alpha=penalty).fit(phi, targets).coef_, axis=0)
        for size in sizes:
            if size not in chosen and np.count_nonzero(norms) >= size:
                chosen[size] = np.argsort(-norms)[:size]
        if len(chosen) == len(sizes):
            break
    return chosen


def greedily(psi, y, sizes):
    """Return the first m observables of a greedy choice for each m."""
    order = ObservableSelector(max_observables=max(sizes)).fit(psi, y).order_
    return {size: order[:size] for size in sizes}


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = load_digits(return_X_y=True)
    ways = {"greedy": greedily, "group penalty": by_penalty}
    scores = {(way, size): [] for way in ways for size in SIZES}
    seconds = dict.fromkeys(ways, 0.0)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        pca = PCA(10, random_state=0).fit(X[train])
        lifter = MonomialLifter(3, include_bias=False)
        psi, psi_test = (lifter.fit_transform(pca.transform(X[rows])) for rows in (train, test))
        for way, choose in ways.items():
            start = perf_counter()
            chosen = choose(psi, y[train], SIZES)
            seconds[way] += (perf_counter() - start) / 5
            for size in SIZES:
                student = EDMDClassifier(ridge=1e-4).fit(psi[:, chosen[size]], y[train])
                scores[way, size].append(student.score(psi_test[:, chosen[size]], y[test]))
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["way", "seconds", *SIZES])
        for way in ways:
            means = [f"{np.mean(scores[way, size]):.4f}" for size in SIZES]
            writer.writerow([way, f"{seconds[way]:.3f}", *means])
            print(way, f"{seconds[way]:.3f} s", *means)


if __name__ == "__main__":
    main()
