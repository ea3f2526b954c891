"""A degree-3 student of MNIST as tensor trains of several ranks.

    python benchmarks/bench_compression.py

The student is least squares on the labels of the 60,000 training images, PCA 30, degree 3, with the
ridge of benchmarks/results/table.csv. Each train is cut out of its coefficients and then fitted

- to its logits in the mean square, by four sweeps over the training images, without labels;
- to its probabilities by 20 epochs of mini-batches, on the same images, without labels;
- the same on these images and on each of them shifted by a pixel in four directions;
- the same with half of the weight on the labels, which shifts do not change.

The temperature, the number of epochs and that weight were chosen with a student of 50,000 of these
images on the other 10,000, at 5 times smaller. Writes benchmarks/results/compression.csv.
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
DISTILLATION = {
    "loss": "distillation",
    "temperature": 1 / 8,
    "max_iter": 20,
    "ridge": 0.0,
    "random_state": 0,
}
# How a train is fitted: settings, and whether to shifted images too.
METHODS = {
    "squared error": ({"max_iter": 4}, False),
    "distillation": (DISTILLATION, False),
    "distillation, shifts": (DISTILLATION, True),
    "distillation, shifts, labels": (DISTILLATION | {"soft_weight": 0.5}, True),
}
RANKS = {
    "squared error": [14],
    "distillation": [14],
    "distillation, shifts": [14],
    "distillation, shifts, labels": [20, 14, 10, 7],
}


def shifted(X):
    """Yield images, and then each of them one pixel to the four sides."""
    images = np.pad(X.reshape(-1, 28, 28), ((0, 0), (1, 1), (1, 1)))
    for down, right in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2)):
        yield images[:, down : down + 28, right : right + 28].reshape(len(X), -1)


def main():
    """Write a row for the student and one for each train."""
    X, y = fetch_mnist("train", return_X_y=True)
    X_test, y_test = fetch_mnist("test", return_X_y=True)
    pca = PCA(30, random_state=0).fit(X)
    parts = [pca.transform(each).astype(np.float32) for each in shifted(X)]
    Z, Z_test = parts[0], pca.transform(X_test).astype(np.float32)
    Z_shifted, y_shifted = np.concatenate(parts), np.tile(y, len(parts))
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
    for method, (settings, with_shifts) in METHODS.items():
        rows_of_fit = (Z_shifted, y_shifted) if with_shifts else (Z, y)
        for rank in RANKS[method]:
            cut = CompressedStudent(student, rank=rank, max_iter=0).fit(Z)
            start = perf_counter()
            train = CompressedStudent(student, rank=rank, **settings).fit(*rows_of_fit)
            seconds = perf_counter() - start
            predicted = train.predict(Z_test)
            rows.append(
                {
                    "model": method,
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
            print(rows[-1], flush=True)
            with RESULTS.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
