"""How correlated monomials and orthogonal polynomials of the same space are, on MNIST.

    python benchmarks/bench_conditioning.py

Condition numbers of the correlation matrix of the observables (the Gram matrix that the solvers
factorise, without a ridge) on 10,000 images, of 10 PCA coordinates and of 16 pixels (means of
7 x 7 squares, between 0 and 1). Writes benchmarks/results/conditioning.csv.
"""

import csv
from pathlib import Path

import numpy as np
from scipy.linalg import eigvalsh
from sklearn.decomposition import PCA

from sklearn_koopman import MonomialLifter, OrthogonalPolynomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.solvers import GramMoments, RowBlocks, correlation

RESULTS = Path(__file__).parent / "results" / "conditioning.csv"
FAMILIES = ("hermite", "legendre", "chebyshev")


def condition_number(lifter, Z):
    """Return the condition number of the correlations of the observables."""
    lifter.fit(Z)
    n_observables = lifter.n_output_features_
    blocks = RowBlocks(Z, lifter.transform, n_observables=n_observables)
    moments = blocks.with_rows_at_least(GramMoments.block_rows).map_reduce(
        GramMoments.update, GramMoments(n_observables), np.ones(len(Z))
    )
    values = eigvalsh(correlation(moments), lower=False)
    return values[-1] / values[0]


def main():
    X = fetch_mnist("train", return_X_y=True)[0][:10_000].astype(np.float64)
    inputs = {
        "10 PCA coordinates": PCA(10, random_state=0).fit_transform(X),
        "16 pixels": X.reshape(-1, 4, 7, 4, 7).mean(axis=(2, 4)).reshape(-1, 16) / X.max(),
    }
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["inputs", "degree", "observables", "monomials", *FAMILIES])
        for name, Z in inputs.items():
            for degree in (2, 3, 4) if Z.shape[1] == 10 else (2, 3):
                lifters = [
                    MonomialLifter(degree, include_bias=False),
                    *(
                        OrthogonalPolynomialLifter(degree, family=family, include_bias=False)
                        for family in FAMILIES
                    ),
                ]
                numbers = [f"{condition_number(lifter, Z):.2g}" for lifter in lifters]
                row = [name, degree, lifters[0].n_output_features_, *numbers]
                writer.writerow(row)
                print(*row, flush=True)


if __name__ == "__main__":
    main()
