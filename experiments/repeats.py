"""What a seed changes: the MNIST student of degree 2, PCA 40, fitted with other random states.

    python benchmarks/repeats.py

The exact solver draws nothing, so its students are the same; mini-batches depend on the order
of the rows. Writes benchmarks/results/repeats.csv.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from teachers import load_or_train

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.teachers import TorchTeacher

RESULTS = Path(__file__).parent / "results" / "repeats.csv"
SOLVERS = {
    "lbfgs": {},
    "adam": {"max_iter": 10, "batch_size": 512},
}


def main():
    """Fit with every seed and write accuracies and how far the coefficients are apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    X, y = fetch_mnist("train", return_X_y=True)
    X_test, y_test = fetch_mnist("test", return_X_y=True)
    logits = TorchTeacher(load_or_train("mnist", "mlp"))(X)
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "solver",
                "seeds",
                "accuracy",
                "accuracy_std",
                "largest_coef_difference",
                "objective",
            ]
        )
        for solver, settings in SOLVERS.items():
            accuracies, coefs = [], []
            for seed in range(options.seeds):
                student = KoopmanDistilledClassifier(
                    soft_weight=1.0,
                    temperature=4.0,
                    lifter=make_pipeline(PCA(40, random_state=seed), MonomialLifter(2)),
                    solver=solver,
                    random_state=seed,
                    **settings,
                ).fit(X, y, soft_labels=logits)
                accuracies.append(student.score(X_test, y_test))
                coefs.append(student.coef_)
            row = [
                solver,
                options.seeds,
                round(float(np.mean(accuracies)), 5),
                round(float(np.std(accuracies)), 5),
                float(max(np.abs(coef - coefs[0]).max() for coef in coefs)),
                round(student.objective_, 5),
            ]
            writer.writerow(row)
            print(row, flush=True)


if __name__ == "__main__":
    main()
