"""What students with filters lose outside Python and on hardware: exports, few bits, noise.

    python experiments/filters.py
    python experiments/filters.py --dataset fashion_mnist

Students of convolutional observables are fitted to the labels of the 60,000 training images. On the
10,000 test images the table has their accuracy, the share of labels that equal those of the student
itself, and the largest difference of probabilities. The column "door" says how the student runs: as
an ONNX graph or a torch module; with few bits for matrix and filters; or with an optical
convolution that is not perfect (the mean of 3 chips, calibrated on 1,000 training images). Writes
filters-DATASET.csv.
"""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from sklearn.decomposition import PCA

from experiments import runner
from experiments.images import DATASETS, images
from sklearn_koopman import (
    ConvolutionalLifter,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
)
from sklearn_koopman.deployment import (
    hardware_curve,
    quantise_student,
    to_module,
    to_onnx,
)
from sklearn_koopman.inspection import cost
from sklearn_koopman.pipeline import make_pipeline

N_FILTERS = 16
# A lens and a mask see patches like this: they divide by nothing and take no root.
OPTICAL = {"nonlinearity": "intensity", "root": False, "normalization": "none"}
BITS = {
    "matrix of 4 bits": {"bits": 4},
    "matrix and filters of 4 bits": {"bits": 4, "filter_bits": 4},
    "matrix and filters of 4 bits, nearest levels": {
        "bits": 4,
        "filter_bits": 4,
        "feedback": False,
    },
    "filters of 2 bits": {"bits": None, "filter_bits": 2},
    "filters of 3 bits": {"bits": None, "filter_bits": 3},
}
CHIPS = [
    ("input_bits", 2),
    ("input_noise", 0.1),
    ("filter_noise", 0.05),
    ("filter_noise", 0.2),
    ("pixel_electrons", 1e3),
    ("pixel_electrons", 1e5),
    ("activation_bits", 6),
]


@dataclass(frozen=True)
class Spec:
    """A student and the way it runs (its door)."""

    student: str
    door: str


def filters(**settings):
    """Return an unfitted lifter."""
    settings = {"n_filters": N_FILTERS, "random_state": 0} | settings
    return ConvolutionalLifter((28, 28), **settings)


def steps_of(student):
    """Return the steps that lift the images for a student."""
    return {
        "threshold": lambda: [filters()],
        "intensity": lambda: [filters(n_filters=2 * N_FILTERS, nonlinearity="intensity")],
        "bare intensity": lambda: [filters(n_filters=2 * N_FILTERS, **OPTICAL)],
        "products": lambda: [filters(), PCA(40, random_state=0), MonomialLifter(2)],
        "chosen": lambda: [ObservableSelector(filters(), max_observables=200)],
    }[student]()


STUDENTS = ["threshold", "intensity", "bare intensity", "products", "chosen"]


@cache
def fitted(dataset, student):
    """Return a student of all training images."""
    X, y = images(dataset, "train")
    rows = slice(runner.full_or_quick(None, 2000))
    matrix = KoopmanDistilledClassifier(soft_weight=0, ridge=1e-4, tol=1e-4)
    return make_pipeline(*steps_of(student), matrix).fit(X[rows], y[rows])


def specs():
    """Return all students with their doors."""
    doors = ["itself", "ONNX", "torch"]
    bits = list(BITS)
    found = [Spec(student, door) for student in STUDENTS for door in doors]
    found += [Spec(student, door) for student in ("threshold", "intensity") for door in bits]
    chips = [f"{name}={value:g}" for name, value in CHIPS]
    found += [Spec("bare intensity", door) for door in [*bits, *chips]]
    return found


def measure(dataset, spec):
    """Return the row of a student at a door."""
    X, y = images(dataset, "test")
    student = fitted(dataset, spec.student)
    counted = cost(student, X[:1], n_repeats=1)
    row = {
        "observables": student[-1].coef_.shape[1],
        "multiplications": counted.multiplications,
    }
    if "=" in spec.door:
        name, value = spec.door.split("=")
        curve = hardware_curve(
            student,
            X,
            y,
            vary=name,
            values=[int(value) if name.endswith("bits") else float(value)],
            X_calibration=images(dataset, "train")[0][:1000],
            n_chips=runner.full_or_quick(3, 1),
            random_state=0,
        )
        return row | {"accuracy": round(float(curve.mean()), 5)}
    labels, probabilities = answers(dataset, student, spec.door, X)
    largest = np.abs(probabilities - student.predict_proba(X)).max()
    return row | {
        "accuracy": round(float(np.mean(labels == y)), 5),
        "labels_equal": round(float(np.mean(labels == student.predict(X))), 5),
        "largest_probability_difference": f"{largest:.1e}",
    }


def answers(dataset, student, door, X):
    """Return labels and probabilities at a door."""
    if door == "ONNX":
        import onnxruntime

        graph = to_onnx(student, X[:1]).SerializeToString()
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        parts = [session.run(None, {"X": X[i : i + 500]}) for i in range(0, len(X), 500)]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]
    if door == "torch":
        import torch

        module = to_module(student)
        with torch.no_grad():
            logits = torch.cat([module(part) for part in torch.from_numpy(X).split(500)])
            probabilities = logits.softmax(dim=1).numpy()
        return student.classes_[probabilities.argmax(axis=1)], probabilities
    if door in BITS:
        X_train = images(dataset, "train")[0]
        rows = X_train[: runner.full_or_quick(20_000, 500)]
        student = quantise_student(student, rows, **BITS[door])
    return student.predict(X), student.predict_proba(X)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--dataset", choices=DATASETS, default="mnist")
    return made


def main():
    """Measure the missing rows, or show the table."""
    options = runner.parse(parser())
    results = runner.Results(f"filters-{options.dataset}.csv", ["student", "door"])
    runner.carry_out(options, results, specs(), partial(measure, options.dataset))


if __name__ == "__main__":
    main()
