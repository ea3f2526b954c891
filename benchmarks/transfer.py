"""What more rows for the teacher to label are worth: students with and without a transfer set.

    python benchmarks/transfer.py                        # all that is missing of the table
    python benchmarks/transfer.py --datasets mnist --teachers cnn --dictionaries 60:2 --sets shifts4
    python benchmarks/transfer.py --study rows           # accuracy against D / n
    python benchmarks/transfer.py --show                 # the table as Markdown, and the plots

Every row of benchmarks/results/transfer.csv is one student; rows that are there are not computed
again. The teacher has been trained on 50,000 training images (`teachers.py --held-out`); the
settings of a student are those which, fitted to 12,000 of these, are the most accurate on the other
10,000 training images; the student is then fitted to all 60,000, and tested once.
"""

import argparse
import csv
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from teachers import FETCH, MAKE, load_or_train, split

from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    TransferSet,
)
from sklearn_koopman.inspection import fidelity_score
from sklearn_koopman.teachers import TorchTeacher

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "transfer.csv"
IMAGES = HERE.parent / "docs" / "images"
ROWS_TO_CHOOSE_ON = 12_000
RIDGES = {"mnist": (1e-5, 1e-4, 1e-3), "fashion_mnist": (1e-3, 3e-3)}
EDMD_RIDGES = (1e-5, 1e-4, 1e-3, 1e-2)
# On MNIST, what table.py chose for the convolutional teacher.
SOFT = {"mnist": [(1.0, 4.0)], "fashion_mnist": [(0.5, 1.0), (0.9, 2.0)]}
METHODS = ("distilled", "no teacher", "EDMD, logits", "EDMD, labels")
KEY = ("dataset", "teacher", "components", "degree", "transfer_set", "method", "rows")


def shifted(images, down, right):
    """Return images moved by some pixels, zeros where there was nothing."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    return padded[:, 2 - down : 30 - down, 2 - right : 30 - right]


def flipped(images):
    """Return images flipped left to right."""
    return images[:, :, ::-1]


CROSS = [(0, 1), (0, -1), (1, 0), (-1, 0)]
SQUARE = [step for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]
SETS = {
    "none": [],
    "shifts4": [partial(shifted, down=down, right=right) for down, right in CROSS],
    "shifts8": [partial(shifted, down=down, right=right) for down, right in SQUARE],
    "flips": [flipped],
    "flips, shifts4": [flipped]
    + [partial(shifted, down=down, right=right) for down, right in CROSS],
}


@dataclass
class Row:
    """One student."""

    dataset: str
    teacher: str
    teacher_accuracy: float
    components: int
    degree: int
    observables: int
    transfer_set: str
    method: str
    rows: int
    soft_weight: float
    temperature: float
    ridge: float
    validation_accuracy: float
    accuracy: float
    fidelity: float
    parameters: int
    multiplications: int
    fit_seconds: float


def make_student(method, teacher, components, degree, made):
    """Return a student that takes pixels, with the settings still to be chosen."""
    lifter = make_pipeline(PCA(components, random_state=0), MonomialLifter(degree))
    from_labels = method in ("no teacher", "EDMD, labels")
    transfer_set = (
        TransferSet(SETS[made], input_shape=(28, 28), keep_labels=from_labels)
        if SETS[made]
        else None
    )
    teacher = None if from_labels else teacher
    if method.startswith("EDMD"):
        return EDMDClassifier(teacher, lifter=lifter, transfer_set=transfer_set)
    return KoopmanDistilledClassifier(
        teacher, lifter=lifter, transfer_set=transfer_set, tol=1e-5
    )


def candidates(dataset, method):
    """Return the settings to choose from, neighbours one after the other."""
    if method.startswith("EDMD"):
        return [{"ridge": ridge} for ridge in EDMD_RIDGES]
    soft = SOFT[dataset] if method == "distilled" else [(0.0, 1.0)]
    return [
        {"soft_weight": weight, "temperature": temperature, "ridge": ridge}
        for weight, temperature in soft
        for ridge in sorted(RIDGES[dataset], reverse=True)
    ]


def chosen(student, settings, X, y, X_held, y_held):
    """Return (validation accuracy, settings) of the candidate that is best on held-out rows."""
    student = clone(student)
    if isinstance(student, KoopmanDistilledClassifier):  # each starts where the last ended
        student.set_params(warm_start=True, tol=1e-3)
    scores = [student.set_params(**each).fit(X, y).score(X_held, y_held) for each in settings]
    best = int(np.argmax(scores))
    return scores[best], settings[best]


def known(dataset, kind, like, made, method, n_rows):
    """Return (NaN, settings) of the like student on another dictionary, None without one."""
    key = tuple(map(str, (dataset, kind, *(like or ()), made, method, n_rows)))
    for row in load():
        if tuple(row[name] for name in KEY) == key:
            names = ["soft_weight", "temperature", "ridge"]
            return np.nan, {name: float(row[name]) for name in names if row[name] != "nan"}
    return None


def run(dataset, kind, todo, like=None):
    """Compute the rows of one teacher that are missing and write each as soon as it is there."""
    todo = [each for each in todo if not is_there(dataset, kind, *each)]
    if not todo:
        return
    cache = HERE.parent / "data" / "teachers"
    module = load_or_train(dataset, kind, held_out=True)
    teacher = TorchTeacher(module, memory=cache)
    X, y = FETCH[dataset]("train", return_X_y=True)
    X_test, y_test = FETCH[dataset]("test", return_X_y=True)
    seen, held = split(y)
    says = teacher(X_test).argmax(axis=1)
    for components, degree, made, method, n_rows in todo:
        student = make_student(method, teacher, components, degree, made)
        few = seen[: min(n_rows, ROWS_TO_CHOOSE_ON)]
        score, settings = known(dataset, kind, like, made, method, n_rows) or chosen(
            student, candidates(dataset, method), X[few], y[few], X[held], y[held]
        )
        rows = np.arange(len(y)) if n_rows == len(y) else seen[:n_rows]
        start = perf_counter()
        student.set_params(**settings).fit(X[rows], y[rows])
        seconds = perf_counter() - start
        predicted = student.predict(X_test)
        n_observables = student.coef_.shape[1]
        row = Row(
            dataset,
            kind,
            float(np.mean(says == y_test)),
            components,
            degree,
            n_observables,
            made,
            method,
            n_rows,
            settings.get("soft_weight", np.nan),
            settings.get("temperature", np.nan),
            settings["ridge"],
            score,
            float(np.mean(predicted == y_test)),
            fidelity_score(says, predicted),
            components * 785 + 10 * (n_observables + 1),
            components * 784 + (n_observables - components - 1) + 10 * n_observables,
            round(seconds, 1),
        )
        save(row)
        print(row, flush=True)


def load():
    """Return the rows of the table as dictionaries."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def is_there(*key):
    """Whether a student of this key is in the table."""
    dataset, kind, components, degree, made, method, n_rows = map(str, key)
    key = (dataset, kind, components, degree, made, method, n_rows)
    return any(tuple(row[name] for name in KEY) == key for row in load())


def save(row):
    """Add a row to the table."""
    is_new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Row)], lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(row))


def show():
    """Print the table as Markdown: test accuracies in percent."""
    print("| data, teacher | dictionary | rows | transfer set | " + " | ".join(METHODS) + " |")
    print("| --- | --- | ---: | --- |" + " ---: |" * len(METHODS))
    cells = {}
    for row in load():
        line = (
            f"{row['dataset']}, {row['teacher']} {100 * float(row['teacher_accuracy']):.2f}",
            f"PCA {row['components']}, degree {row['degree']} ({row['observables']})",
            row["rows"],
            row["transfer_set"],
        )
        cells.setdefault(line, {})[row["method"]] = f"{100 * float(row['accuracy']):.2f}"
    for line, accuracies in cells.items():
        shown = (accuracies.get(method, "") for method in METHODS)
        print(f"| {' | '.join(line)} | {' | '.join(shown)} |")


def plot_rows():
    """Draw accuracy against the number of training rows: MNIST, PCA 40, degree 2."""
    import matplotlib.pyplot as plt

    study = {"dataset": "mnist", "teacher": "mlp", "components": "40", "transfer_set": "none"}
    table = [row for row in load() if study.items() <= row.items()]
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for method in METHODS:
        curve = sorted(
            (int(row["rows"]), 100 - 100 * float(row["accuracy"]))
            for row in table
            if row["method"] == method
        )
        axis.plot(*zip(*curve, strict=True), "o-", label=method)
    axis.axvline(861, color="gray", linestyle=":", label="D = n")
    axis.set(xscale="log", yscale="log", xlabel="training rows n", ylabel="test error (%)")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.set_title("MNIST, D = 861 observables")
    axis.legend()
    figure.savefig(IMAGES / "transfer_rows.png", dpi=100)


def main():
    """Run what is missing, or show what there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", choices=FETCH, default=list(FETCH))
    parser.add_argument("--teachers", nargs="+", choices=MAKE, default=list(MAKE))
    parser.add_argument("--dictionaries", nargs="+", default=["60:1", "60:2", "30:3"])
    parser.add_argument(
        "--like",
        metavar="P:Q",
        help="take the settings chosen for this dictionary, where there are",
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=None, metavar="SET")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--study", choices=["rows"], help="instead of the table")
    parser.add_argument("--show", action="store_true", help="print and draw what there is")
    options = parser.parse_args()
    if options.show:
        show()
        plot_rows()
        return
    for dataset, kind in product(options.datasets, options.teachers):
        if options.study == "rows":
            todo = product(
                [40], [2], ["none"], options.methods, (500, 1000, 2000, 5000, 20_000)
            )
        else:
            made = options.sets or (
                ["none", "shifts4"] if dataset == "mnist" else ["none", "flips, shifts4"]
            )
            todo = (
                (*map(int, dictionary.split(":")), each, method, 60_000)
                for dictionary in options.dictionaries
                for each, method in product(made, options.methods)
            )
        like = options.like and tuple(map(int, options.like.split(":")))
        run(dataset, kind, list(todo), like)


if __name__ == "__main__":
    main()
