"""What a degree-3 student of MNIST loses when tensor trains of several ranks compress it.

    python experiments/compression.py

The student is least squares on the labels of the 60,000 training images, PCA 30, degree 3, with the
ridge of experiments/results/table.csv. Each train is cut out of its coefficients and then fitted in
one of these ways:

- to the student's logits in the mean square, by four sweeps over the training images, without
  labels;
- to the student's probabilities by 20 epochs of mini-batches, on the same images, without labels;
- the same on these images and on each of them shifted by a pixel in four directions;
- the same with half of the weight on the labels, which shifts do not change.

The temperature, the number of epochs and that weight were chosen at a compression of 5: a student
learned from 50,000 of these images, and the other 10,000 judged the trains. Writes
experiments/results/compression.csv.
"""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from sklearn.metrics import accuracy_score

from experiments import runner
from experiments.images import coordinates, images
from experiments.transfer_sets import CROSS, shifted
from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.inspection import fidelity_score

RIDGE = 0.001
DISTILLATION = {
    "loss": "distillation",
    "temperature": 1 / 8,
    "max_iter": 20,
    "ridge": 0.0,
    "random_state": 0,
}
# How a train is fitted: its settings, and whether it also sees shifted images.
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


@dataclass(frozen=True)
class Spec:
    """A train of one rank that one method fits; or the student."""

    model: str
    rank: str


class Bench:
    """The student, and the coordinates of images and of shifted images."""

    def __init__(self):
        X, self.y = images("mnist", "train")
        X_test, self.y_test = images("mnist", "test")
        flat = [X, *(shift(X) for shift in shifts())]
        *parts, self.Z_test = coordinates(runner.full_or_quick(30, 6), *flat, X_test)
        self.Z = parts[0]
        self.shifted = np.concatenate(parts), np.tile(self.y, len(parts))
        self.student = EDMDClassifier(lifter=MonomialLifter(3), ridge=RIDGE)
        self.student.fit(self.Z, self.y)
        self.predicted = self.student.predict(self.Z_test)

    def measure_student(self):
        """Return the row of the student."""
        coef = self.student.coef_
        return {
            "cut_accuracy": "",
            "accuracy": round(accuracy_score(self.y_test, self.predicted), 4),
            "fidelity": 1.0,
            "parameters": coef.size,
            "multiplications": coef.size + coef.shape[1] - 1 - self.Z.shape[1],
            "compression": 1.0,
            "seconds": "",
        }

    def measure_train(self, spec):
        """Return the row of a train."""
        settings, with_shifts = METHODS[spec.model]
        rank = int(spec.rank)
        cut = CompressedStudent(self.student, rank=rank, max_iter=0).fit(self.Z)
        train = CompressedStudent(self.student, rank=rank, **settings)
        train.set_params(max_iter=runner.full_or_quick(train.max_iter, 1))
        rows = self.shifted if with_shifts else (self.Z, self.y)
        _, seconds = runner.timed(train.fit, *rows)
        predicted = train.predict(self.Z_test)
        return {
            "cut_accuracy": round(cut.score(self.Z_test, self.y_test), 4),
            "accuracy": round(accuracy_score(self.y_test, predicted), 4),
            "fidelity": round(fidelity_score(self.predicted, predicted), 4),
            "parameters": train.tensor_train_.n_parameters,
            "multiplications": train.tensor_train_.multiplications,
            "compression": round(train.compression_, 2),
            "seconds": round(seconds, 1),
        }


bench = cache(Bench)


def shifts():
    """Return functions that move flat images by a pixel."""

    def moved(X, step):
        return shifted(X.reshape(-1, 28, 28), *step).reshape(len(X), -1)

    # This is the order of the committed rows. Mini-batches depend on it.
    return [partial(moved, step=step) for step in (*CROSS[2:], *CROSS[:2])]


def measure(spec):
    """Return the row of the student or of a train."""
    return bench().measure_train(spec) if spec.rank else bench().measure_student()


def parser():
    """Return the parser of the command line."""
    return runner.experiment_parser(__doc__)


def main():
    """Measure the missing rows, or show the table."""
    specs = [Spec("student", "")]
    specs += [Spec(method, str(rank)) for method in METHODS for rank in RANKS[method]]
    results = runner.Results("compression.csv", ["model", "rank"])
    runner.carry_out(runner.parse(parser()), results, specs, measure)


if __name__ == "__main__":
    main()
