"""A degree-3 student of MNIST as tensor trains of several ranks.

    python benchmarks/bench_compression.py

The student is least squares on the labels of the 60,000 training images, PCA 30, degree 3, with the
ridge of benchmarks/results/table.csv. Each train is cut out of its coefficients and fitted to its
logits on the training images; it sees no labels. Writes benchmarks/results/compression.csv.
"""

import csv
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.decomposition import PCA

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.inspection import fidelity_score

RESULTS = Path(__file__).parent / "results" / "compression.csv"
RIDGE = 0.001


def main():
    """Write a row for the student and one for each rank."""
    X, y = fetch_mnist("train", return_X_y=True)
    X_test, y_test = fetch_mnist("test", return_X_y=True)
    pca = PCA(30, random_state=0).fit(X)
    Z, Z_test = (pca.transform(each).astype(np.float32) for each in (X, X_test))
    student = EDMDClassifier(lifter=MonomialLifter(3), ridge=RIDGE).fit(Z, y)
    original = student.predict(Z_test)
    n_observables = student.coef_.shape[1]
    rows = [
        {
            "model": "student",
            "rank": "",
            "cut_accuracy": "",
            "accuracy": round(float(np.mean(original == y_test)), 4),
            "fidelity": 1.0,
            "parameters": student.coef_.size,
            "multiplications": student.coef_.size + n_observables - 31,
            "compression": 1.0,
            "seconds": "",
        }
    ]
    print(rows[0], flush=True)
    for rank in (13, 10, 16, 20):
        cut = CompressedStudent(student, rank=rank, max_iter=0).fit(Z)
        start = perf_counter()
        train = CompressedStudent(student, rank=rank, max_iter=4).fit(Z)
        seconds = perf_counter() - start
        predicted = train.predict(Z_test)
        rows.append(
            {
                "model": "tensor train",
                "rank": rank,
                "cut_accuracy": round(cut.score(Z_test, y_test), 4),
                "accuracy": round(float(np.mean(predicted == y_test)), 4),
                "fidelity": round(fidelity_score(original, predicted), 4),
                "parameters": train.tensor_train_.n_parameters,
                "multiplications": train.tensor_train_.multiplications,
                "compression": round(train.compression_, 2),
                "seconds": round(seconds, 1),
            }
        )
        print(rows[-1], train.history_, flush=True)
        with RESULTS.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
