"""How good tensor trains are on MNIST and Fashion-MNIST, from PCA coordinates and from pixels.

    python experiments/tensor_trains.py --dataset mnist
    python experiments/tensor_trains.py --dataset fashion_mnist
    python experiments/tensor_trains.py --steps

Every row of experiments/results/tensor_trains.csv is one train, fitted to the 60,000 training
images by mini-batches: once without a teacher, and once with the perceptron of
experiments/teachers.py. Dropout, learning rate and epochs were chosen beforehand, without a
teacher: candidates are fitted to 50,000 of these images, and the most accurate one on the other
10,000 wins. Soft weight and temperature are those that experiments/table.py chose for one matrix on
the degree-2 monomials of as many PCA coordinates. The test images played no part in either choice.

With --steps: what does the bound of a step do for trains of many variables? The data are
Fashion-MNIST, 28 x 28 pixels, with rank 16, 12 epochs, no teacher, and the first 2,000 training
images that are not held out. Every row of experiments/results/tensor_steps.csv is one bound and one
learning rate. It has the largest loss of an epoch, the last loss, and the accuracy on the first
5,000 of the 10,000 held-out images. A bound of "inf" is Adam as it was published.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from itertools import product
from unittest import mock

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from experiments import runner
from experiments.images import DATASETS, images, split
from experiments.teachers import teacher
from sklearn_koopman import TensorTrainClassifier
from sklearn_koopman.inspection import fidelity_score

# The bound of a step is not a parameter of any estimator. Users have its default.
from sklearn_koopman.tensor_trains import _descent


def middle_out(Z):
    """Return columns in an order that puts the first ones in the middle."""
    order = np.arange(Z.shape[1])
    return Z[:, np.r_[order[::2][::-1], order[1::2]]]


def halved(X):
    """Return 28 x 28 images as 14 x 14 means of four pixels."""
    return X.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)


def pca_60():
    """Return a transformer to 60 PCA coordinates, with the leading ones in the middle."""
    return make_pipeline(PCA(60, random_state=0), FunctionTransformer(middle_out))


# The transformer that makes the variables, and the rank of the train.
VARIABLES = {
    "PCA 60": (pca_60(), 30),
    "14 x 14": (FunctionTransformer(halved), 20),
    "28 x 28": (None, 16),
}
SLOWER = {"learning_rate": 1.5e-3, "max_iter": 20}
CANDIDATES: dict[str, list[dict]] = {
    "PCA 60": [{"dropout": dropout, "max_iter": 20} for dropout in (0.1, 0.2)],
    "14 x 14": [
        {"dropout": 0.05, "max_iter": 15},
        {"dropout": 0.15, "max_iter": 15},
        {"dropout": 0.08, **SLOWER},
    ],
    # A lower rate changes little here: nearly all steps are at their bound.
    "28 x 28": [{"dropout": 0.05, "max_iter": 10}],
}
SOFT = {"mnist": (0.5, 2.0), "fashion_mnist": (0.5, 1.0)}
BOUNDS = (np.inf, 10.0, 3.0, 1.0, 0.3)
RATES = (3e-3, 1.0)


@dataclass(frozen=True)
class Train:
    """One train, with a teacher or without."""

    dataset: str
    variables: str
    teacher: str


@dataclass(frozen=True)
class Steps:
    """One bound of a step and one learning rate."""

    learning_rate: float
    bound: float


def make_student(name, **settings):
    """Return the unfitted train."""
    lifter, rank = VARIABLES[name]
    settings["max_iter"] = runner.full_or_quick(settings["max_iter"], 1)
    return TensorTrainClassifier(
        solver="adam",
        lifter=lifter,
        rank=runner.full_or_quick(rank, 3),
        ridge=0.0,
        random_state=0,
        **settings,
    )


@cache
def choose(dataset, name):
    """Return the accuracy of the best settings on the 10,000 held-out images, and these."""
    X, y = images(dataset, "train")
    rows, held = split(y)
    scores = []
    for settings in CANDIDATES[name]:
        student = make_student(name, soft_weight=0.0, **settings).fit(X[rows], y[rows])
        scores.append(student.score(X[held], y[held]))
        print("   validation", name, scores[-1], settings, flush=True)
    best = int(np.argmax(scores))
    return scores[best], CANDIDATES[name][best]


def measure(spec):
    """Return the row of a train."""
    X, y = images(spec.dataset, "train")
    X_test, y_test = images(spec.dataset, "test")
    perceptron = teacher(spec.dataset, "mlp")
    soft_weight, temperature = SOFT[spec.dataset] if spec.teacher == "mlp" else (0.0, 1.0)
    validation_accuracy, settings = choose(spec.dataset, spec.variables)
    student = make_student(
        spec.variables, soft_weight=soft_weight, temperature=temperature, **settings
    )
    soft_labels = perceptron(X) if soft_weight else None
    _, seconds = runner.timed(student.fit, X, y, soft_labels=soft_labels)
    predicted = student.predict(X_test)
    return {
        "rank": student.rank,
        "dropout": student.dropout,
        "learning_rate": student.learning_rate,
        "soft_weight": soft_weight,
        "temperature": temperature,
        "epochs": student.max_iter,
        "validation_accuracy": validation_accuracy,
        "accuracy": accuracy_score(y_test, predicted),
        "fidelity": fidelity_score(perceptron(X_test).argmax(axis=1), predicted),
        "training_accuracy": student.score(X, y),
        "parameters": student.tensor_train_.n_parameters,
        "multiplications": student.tensor_train_.multiplications,
        "fit_seconds": round(seconds, 1),
    }


def measure_steps(spec):
    """Return the losses and the accuracy of a fit with one bound and one learning rate."""
    X, y = images("fashion_mnist", "train")
    rows, held = split(y)
    rows, held = rows[: runner.full_or_quick(2000, 200)], held[:5000]
    student = make_student(
        "28 x 28",
        soft_weight=0.0,
        dropout=0.05,
        learning_rate=spec.learning_rate,
        max_iter=12,
    )
    with (
        mock.patch.object(_descent, "LONGEST_STEP", spec.bound),
        warnings.catch_warnings(record=True) as caught,
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            student.fit(X[rows], y[rows])
        except ValueError:
            return dict.fromkeys(("largest_loss", "last_loss"), "inf") | {
                "accuracy": "",
                "said": "error",
            }
    losses = [record["objective"] for record in student.history_]
    return {
        "largest_loss": round(max(losses), 3),
        "last_loss": round(losses[-1], 3),
        "accuracy": student.score(X[held], y[held]),
        "said": "warning" if caught else "",
    }


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--dataset", choices=DATASETS, default="mnist")
    made.add_argument("--variables", nargs="+", choices=VARIABLES, default=list(VARIABLES))
    made.add_argument(
        "--steps", action="store_true", help="measure the bound of a step instead"
    )
    return made


def main():
    """Measure or show one of the tables."""
    options = runner.parse(parser())
    if options.steps:
        results = runner.Results("tensor_steps.csv", ["learning_rate", "bound"])
        specs = [Steps(*pair) for pair in product(RATES, BOUNDS)]
        runner.carry_out(options, results, specs, measure_steps)
    else:
        results = runner.Results("tensor_trains.csv", ["dataset", "variables", "teacher"])
        specs = [
            Train(options.dataset, *pair)
            for pair in product(options.variables, ("none", "mlp"))
        ]
        runner.carry_out(options, results, specs, measure)


if __name__ == "__main__":
    main()
