"""How good the dictionary of all products of 60 PCA coordinates is, by its kernel.

    python experiments/product_kernel.py
    python experiments/product_kernel.py --landmarks 5000

The dictionary has cosine and sine of every coordinate and their 2^60 products; Nystrom landmarks
make it finite. The data set is MNIST. EDMD on labels is fitted for each number of landmarks. For
2,000 landmarks there is also the student distilled from the perceptron of `experiments/teachers.py`
(soft weight 0.5, temperature 2, as for the tensor trains). Frequency and ridge were chosen with
1,000 landmarks: EDMD was fitted to 20,000 training images and judged on 10,000 others. The test
images played no part in it. Writes experiments/results/product_kernel.csv. Rows of other numbers of
landmarks stay in it.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product

from sklearn.metrics import accuracy_score

from experiments import runner
from experiments.images import coordinates, images, split
from experiments.teachers import teacher
from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier
from sklearn_koopman.inspection import cost, fidelity_score
from sklearn_koopman.lifting import ProductKernelLifter

FREQUENCIES, RIDGES = [0.3, 0.5, 0.8, 1.2], [1e-6, 1e-4]


@dataclass(frozen=True)
class Spec:
    """A student of some landmarks."""

    landmarks: int
    student: str


def lifter_of(n_landmarks, frequency):
    """Return the unfitted lifter."""
    n_landmarks = runner.full_or_quick(n_landmarks, 100)
    return ProductKernelLifter(frequency=frequency, n_landmarks=n_landmarks, random_state=0)


@cache
def mnist_coordinates():
    """Return 60 PCA coordinates of the training and of the test images."""
    return coordinates(60, images("mnist", "train")[0], images("mnist", "test")[0])


@cache
def chosen():
    """Return the best accuracy on held-out images, and its frequency and ridge."""
    Z, y = mnist_coordinates()[0], images("mnist", "train")[1]
    rows, held = split(y)
    rows = rows[:20_000]
    found = []
    for frequency, ridge in product(FREQUENCIES, RIDGES):
        student = EDMDClassifier(lifter=lifter_of(1000, frequency), ridge=ridge)
        accuracy = student.fit(Z[rows], y[rows]).score(Z[held], y[held])
        found.append((accuracy, frequency, ridge))
        print("   validation", *found[-1], flush=True)
    return max(found)


def measure(spec):
    """Return the row of a student."""
    (X, y), (X_test, y_test) = images("mnist", "train"), images("mnist", "test")
    perceptron = teacher("mnist", "mlp")
    Z, Z_test = mnist_coordinates()
    validation_accuracy, frequency, ridge = chosen()
    lifter, soft = lifter_of(spec.landmarks, frequency), {}
    if spec.student == "distilled":
        student = KoopmanDistilledClassifier(
            soft_weight=0.5, temperature=2.0, ridge=1e-4, lifter=lifter
        )
        soft = {"soft_labels": perceptron(X)}
    else:
        student = EDMDClassifier(ridge=ridge, lifter=lifter)
    _, seconds = runner.timed(student.fit, Z, y, **soft)
    predicted = student.predict(Z_test)
    return {
        "frequency": frequency,
        "ridge": student.ridge,
        "validation_accuracy": validation_accuracy,
        "accuracy": accuracy_score(y_test, predicted),
        "fidelity": fidelity_score(perceptron(X_test).argmax(axis=1), predicted),
        "parameters": cost(student, Z_test[:1], n_repeats=1).parameters,
        "seconds": round(seconds, 1),
    }


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--landmarks", nargs="+", type=runner.count, default=[500, 1000, 2000])
    return made


def main():
    """Measure the missing rows, or show the table."""
    options = runner.parse(parser())
    specs = [
        Spec(n_landmarks, student)
        for n_landmarks in options.landmarks
        for student in ("EDMD, labels", "distilled")
        if student != "distilled" or n_landmarks == 2000
    ]
    results = runner.Results("product_kernel.csv", ["landmarks", "student"])
    runner.carry_out(options, results, specs, measure)


if __name__ == "__main__":
    main()
