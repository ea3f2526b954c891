"""Tensor trains on MNIST and Fashion-MNIST, from PCA coordinates and from pixels.

    python benchmarks/tensor_trains.py --dataset mnist
    python benchmarks/tensor_trains.py --dataset fashion_mnist
    python benchmarks/tensor_trains.py --show

Every row of benchmarks/results/tensor_trains.csv is one train, fitted to the 60,000 training images
by mini-batches, once without a teacher and once with the perceptron of benchmarks/teachers.py.
Dropout, learning rate and epochs were chosen beforehand, without a teacher: candidates are fitted
to 50,000 of these images, and the most accurate on the other 10,000 wins. Soft weight and
temperature are those that benchmarks/table.py chose for one matrix on the degree-2 monomials of as
many PCA coordinates. The test images had no part in either.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from kept_rows import load, save
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from teachers import FETCH, load_or_train, split

from sklearn_koopman import TensorTrainClassifier
from sklearn_koopman.inspection import fidelity_score
from sklearn_koopman.teachers import TorchTeacher

RESULTS = Path(__file__).parent / "results" / "tensor_trains.csv"


@dataclass
class Row:
    """One line of the table."""

    dataset: str
    variables: str
    teacher: str
    rank: int
    dropout: float
    learning_rate: float
    soft_weight: float
    temperature: float
    epochs: int
    validation_accuracy: float
    accuracy: float
    fidelity: float
    training_accuracy: float
    parameters: int
    multiplications: int
    fit_seconds: float


KEY = ("dataset", "variables", "teacher")


def middle_out(Z):
    """Return columns so that the first of them are in the middle."""
    order = np.arange(Z.shape[1])
    return Z[:, np.r_[order[::2][::-1], order[1::2]]]


def halved(X):
    """Return 28 x 28 images as 14 x 14, the means of four pixels."""
    return X.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)


def pca_60():
    """Return what makes 60 PCA coordinates, the leading ones in the middle."""
    return make_pipeline(PCA(60, random_state=0), FunctionTransformer(middle_out))


# What makes the variables, and the rank of the train.
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


def make_student(name, **settings):
    """Return the unfitted train."""
    lifter, rank = VARIABLES[name]
    return TensorTrainClassifier(
        solver="adam", lifter=lifter, rank=rank, ridge=0.0, random_state=0, **settings
    )


def choose(name, X, y):
    """Return the best settings and their accuracy on the 10,000 images held out."""
    rows, held = split(y)
    scores = []
    for settings in CANDIDATES[name]:
        student = make_student(name, soft_weight=0.0, **settings).fit(X[rows], y[rows])
        scores.append(student.score(X[held], y[held]))
        print("   validation", name, scores[-1], settings, flush=True)
    best = int(np.argmax(scores))
    return scores[best], CANDIDATES[name][best]


def run(dataset, names):
    """Compute the rows of a data set, and write each as soon as it is there."""
    X, y = FETCH[dataset]("train", return_X_y=True)
    X_test, y_test = FETCH[dataset]("test", return_X_y=True)
    teacher = TorchTeacher(load_or_train(dataset, "mlp"))
    logits, chosen = teacher(X), teacher(X_test).argmax(axis=1)
    for name in names:
        validation_accuracy, settings = choose(name, X, y)
        for soft_weight, temperature in ((0.0, 1.0), SOFT[dataset]):
            student = make_student(
                name, soft_weight=soft_weight, temperature=temperature, **settings
            )
            start = perf_counter()
            student.fit(X, y, soft_labels=logits if soft_weight else None)
            seconds = perf_counter() - start
            predicted = student.predict(X_test)
            train = student.tensor_train_
            row = Row(
                dataset,
                name,
                "mlp" if soft_weight else "none",
                student.rank,
                student.dropout,
                student.learning_rate,
                soft_weight,
                temperature,
                student.max_iter,
                validation_accuracy,
                float(np.mean(predicted == y_test)),
                fidelity_score(chosen, predicted),
                student.score(X, y),
                train.n_parameters,
                train.multiplications,
                round(seconds, 1),
            )
            save(RESULTS, asdict(row), KEY)
            print(row, flush=True)


def show():
    """Print the table as Markdown: test accuracies in percent."""
    print("| data | variables | rank | parameters | no teacher | with a teacher | seconds |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    lines: dict = {}
    for row in load(RESULTS):
        key = row["dataset"], row["variables"], row["rank"], row["parameters"]
        lines.setdefault(key, {})[row["teacher"]] = row
    for key, rows in lines.items():
        pair = [rows[t] for t in ("none", "mlp") if t in rows]
        accuracies = [f"{100 * float(row['accuracy']):.2f}" for row in pair]
        accuracies += [""] * (2 - len(pair))
        seconds = " / ".join(row["fit_seconds"] for row in pair)
        print(f"| {' | '.join([*key, *accuracies, seconds])} |")


def main():
    """Run or show the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", choices=FETCH, default="mnist")
    parser.add_argument("--variables", nargs="+", choices=VARIABLES, default=list(VARIABLES))
    parser.add_argument("--show", action="store_true", help="print the table there is")
    options = parser.parse_args()
    if not options.show:
        run(options.dataset, options.variables)
    show()


if __name__ == "__main__":
    main()
