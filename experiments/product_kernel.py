"""The whole product dictionary of 60 PCA coordinates by its kernel, with Nystrom landmarks.

    python benchmarks/bench_product_kernel.py
    python benchmarks/bench_product_kernel.py --landmarks 5000

Cosine and sine of every coordinate, 2^60 products of them; MNIST. EDMD on labels for each number of
landmarks, and for 2,000 of them the student distilled from the perceptron of
`benchmarks/teachers.py` (soft weight 0.5, temperature 2, as for the tensor trains). Frequency and
ridge were chosen with 1,000 landmarks, EDMD fitted to 20,000 training images, on 10,000 others; the
test images had no part in it. Rows of other numbers of landmarks stay in
benchmarks/results/product_kernel.csv.
"""

import argparse
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np
from kept_rows import save
from sklearn.decomposition import PCA
from teachers import FETCH, load_or_train, split

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier
from sklearn_koopman.inspection import cost, fidelity_score
from sklearn_koopman.lifting import ProductKernelLifter
from sklearn_koopman.teachers import TorchTeacher

RESULTS = Path(__file__).parent / "results" / "product_kernel.csv"
FREQUENCIES, RIDGES = [0.3, 0.5, 0.8, 1.2], [1e-6, 1e-4]


def lifter_of(n_landmarks, frequency):
    """Return the unfitted lifter."""
    return ProductKernelLifter(frequency=frequency, n_landmarks=n_landmarks, random_state=0)


def choose(Z, y):
    """Return the best accuracy on held-out images, and its frequency and ridge."""
    rows, held = split(y)
    rows = rows[:20_000]
    found = []
    for frequency, ridge in product(FREQUENCIES, RIDGES):
        student = EDMDClassifier(lifter=lifter_of(1000, frequency), ridge=ridge)
        accuracy = student.fit(Z[rows], y[rows]).score(Z[held], y[held])
        found.append((accuracy, frequency, ridge))
        print("   validation", *found[-1], flush=True)
    return max(found)


def main():
    """Fit, and write each row as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landmarks", nargs="+", type=int, default=[500, 1000, 2000])
    numbers = parser.parse_args().landmarks
    X, y = FETCH["mnist"]("train", return_X_y=True)
    X_test, y_test = FETCH["mnist"]("test", return_X_y=True)
    teacher = TorchTeacher(load_or_train("mnist", "mlp"))
    chosen_by_teacher = teacher(X_test).argmax(axis=1)
    pca = PCA(60, random_state=0).fit(X)
    Z, Z_test = (pca.transform(each).astype(np.float32) for each in (X, X_test))
    validation_accuracy, frequency, ridge = choose(Z, y)
    for n_landmarks in numbers:
        students = {"EDMD, labels": (EDMDClassifier(ridge=ridge), {})}
        if n_landmarks == 2000:
            distilled = KoopmanDistilledClassifier(soft_weight=0.5, temperature=2.0, ridge=1e-4)
            students["distilled"] = (distilled, {"soft_labels": teacher(X)})
        for name, (student, soft) in students.items():
            student.set_params(lifter=lifter_of(n_landmarks, frequency))
            start = perf_counter()
            student.fit(Z, y, **soft)
            seconds = perf_counter() - start
            predicted = student.predict(Z_test)
            row = {
                "landmarks": n_landmarks,
                "student": name,
                "frequency": frequency,
                "ridge": student.ridge,
                "validation_accuracy": validation_accuracy,
                "accuracy": float(np.mean(predicted == y_test)),
                "fidelity": fidelity_score(chosen_by_teacher, predicted),
                "parameters": cost(student, Z_test[:1], n_repeats=1).parameters,
                "seconds": round(seconds, 1),
            }
            print(*row.values(), sep="  ", flush=True)
            save(RESULTS, row, ("landmarks", "student"))


if __name__ == "__main__":
    main()
