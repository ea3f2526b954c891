"""How good the students are that one call finds for some budgets, beside tuning by hand.

    python experiments/search.py --dataset digits
    python experiments/search.py --dataset mnist --held-out
    python experiments/search.py --dataset mnist
    python experiments/search.py --dataset fashion_mnist
    python experiments/search.py --plot

There is one search for each data set, with the budgets of `BUDGETS` and the time limit of `TIMES`.
For MNIST and Fashion-MNIST the teacher is ResNet-18, which has learned from 50,000 of the training
images; its outputs are kept, see `teachers.py`. During the search the other 10,000 judge the
students, and the best student of each budget is fitted to all 60,000. With --held-out the search
sees only the 50,000, and its students are tested on the 10,000. `SETTINGS` were chosen in this way.
For digits (scikit-learn's) there are 1,297 images to learn from and 500 to test on, and the teacher
is a support vector machine.

`by_hand` is the accuracy on the test images of the best row of all committed tables that costs no
more than the budget (`by_hand_row` says which). Some tables count costs from PCA coordinates on,
not from pixels. The cost of the coordinates is added then. There is no table for digits: "by hand"
means monomials of degree 2 there, with coordinates and settings by cross-validation.

`search_seconds` is the time of the whole search, with all last fits.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from experiments import runner
from experiments.images import DATASETS, images, split
from experiments.teachers import teacher
from experiments.transfer_sets import as_transfer_set
from sklearn_koopman import KoopmanDistilledClassifierCV, MonomialLifter
from sklearn_koopman.inspection import cost
from sklearn_koopman.search import KoopmanSearchCV

BUDGETS = (5_000, 20_000, 70_000, 200_000, 1_000_000)
TIMES = {"digits": 30, "mnist": 600, "fashion_mnist": 600}
# Knowledge of the data: a shoe may show either side.
SETTINGS = {
    "digits": {"input_shape": (8, 8)},
    "mnist": {"input_shape": (28, 28), "transfer_set": as_transfer_set("shifts4, labels")},
    "fashion_mnist": {
        "input_shape": (28, 28),
        "transfer_set": as_transfer_set("flips, shifts4, labels"),
        "temperatures": (1.0, 2.0),
    },
}
# Numbers of coordinates that are tried by hand on digits.
COMPONENTS = (10, 15, 20, 30, 40)
# Tables that count costs from coordinates on, and the cost of their PCA.
COUNTED_FROM_COORDINATES = {"compression.csv": 30 * 784}
KEY = ("dataset", "judged_on", "budget")
RESULTS = runner.Results(
    "search.csv",
    KEY,
    order=lambda row: [row["dataset"], row["judged_on"], row["budget"].zfill(9)],
)


@dataclass(frozen=True)
class Spec:
    """One search."""

    dataset: str
    judged_on: str


def committed():
    """Return every committed row of a data set: (data set, multiplications, accuracy, name)."""
    found = []
    for file in sorted(runner.RESULTS.glob("*.csv")):
        if file.name == RESULTS.file.name or file.stem.endswith("held_out"):
            continue
        for row in runner.read(file):
            if not (row.get("multiplications") and row.get("accuracy")):
                continue
            dataset = row.get("dataset") or dataset_of(file.stem)
            added = COUNTED_FROM_COORDINATES.get(file.name, 0)
            multiplications = int(row["multiplications"]) + added
            found.append((dataset, multiplications, float(row["accuracy"]), name_of(file, row)))
    return found


def dataset_of(name):
    """Return the data set of a table without such a column: by the table's name, else MNIST."""
    return next((each for each in DATASETS[::-1] if each in name), "mnist")


def name_of(file, row):
    """Describe a row in a few words."""
    names = ("dictionary", "method", "model", "student", "components", "degree", "rank")
    names += ("observables", "teacher", "transfer_set")
    words = [f"{row[name]}" for name in names if row.get(name) not in (None, "", "none")]
    return f"{file.name}: {' / '.join(words)}"


def by_hand(dataset, budget):
    """Return the best committed row within a budget, None if there is none."""
    affordable = [row for row in committed() if row[0] == dataset and row[1] <= budget]
    return max(affordable, key=lambda row: row[2], default=None)


def digits():
    """Return training rows and labels, and test rows and labels."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X, X_test, y, y_test = train_test_split(X, y, test_size=500, stratify=y, random_state=0)
    return X, y, X_test, y_test


def rows_of(spec):
    """Return X, y, further arguments of `fit` and of the search, test rows and test labels."""
    if spec.dataset == "digits":
        X, y, X_test, y_test = digits()
        if spec.judged_on == "held out":
            X, X_test, y, y_test = train_test_split(
                X, y, test_size=400, stratify=y, random_state=0
            )
        return X, y, {}, {"teacher": SVC(C=10.0)}, X_test, y_test
    X, y = images(spec.dataset, "train")
    kind = runner.full_or_quick("resnet18", "mlp")
    logits = teacher(spec.dataset, kind, held_out=True)(X)
    seen, held = split(y)
    if spec.judged_on == "held out":
        told = {"soft_labels": logits[seen]}
        return X[seen], y[seen], told, {}, X[held], y[held]
    X_test, y_test = images(spec.dataset, "test")
    # The teacher has not seen the images that judge the students.
    return X, y, {"soft_labels": logits}, {"cv": [(seen, held)]}, X_test, y_test


def tuned(X, y, budget):
    """Return the best monomials of degree 2 within a budget, by cross-validation."""
    found = []
    for p in COMPONENTS:
        lifter = make_pipeline(PCA(p, random_state=0), MonomialLifter(2))
        student = KoopmanDistilledClassifierCV(SVC(C=10.0), lifter=lifter, cv=3).fit(X, y)
        multiplications = cost(student, X[:1], n_repeats=1).multiplications
        if multiplications <= budget:
            found.append((student.best_score_, -multiplications, student))
    return max(found, key=lambda each: each[:2])[2]


def measure(spec, seconds):
    """Yield the row of each budget."""
    X, y, told, settings, X_test, y_test = rows_of(spec)
    search = KoopmanSearchCV(
        budget=BUDGETS,
        time=seconds,
        random_state=0,
        verbose=1,
        **settings,
        **SETTINGS[spec.dataset],
    )
    _, took = runner.timed(search.fit, X, y, **told)
    print(f"{took:.0f} s, best: {search.best_candidate_}", flush=True)
    for budget in BUDGETS:
        student = search.student(budget)
        number = search.frontier_estimators_.index(student)
        row = {
            "budget": budget,
            "candidate": name_in(search, number),
            "multiplications": int(search.frontier_costs_[number]),
            "soft_weight": student.soft_weight,
            "temperature": student.temperature,
            "ridge": student.ridge,
            "transfer_set": "no" if student.transfer_set is None else "yes",
            "validation_accuracy": round(float(search.frontier_scores_[number]), 4),
            "accuracy": round(student.score(X_test, y_test), 4),
            "no_teacher": "",
            "by_hand": "",
            "by_hand_multiplications": "",
            "by_hand_row": "",
            "cut": len(search.cut_),
            "search_seconds": round(took),
        }
        if student is search.best_estimator_ and search.no_teacher_ is not None:
            row["no_teacher"] = round(search.no_teacher_.score(X_test, y_test), 4)
        yield row | compared(spec, budget, X, y, X_test, y_test)


def name_in(search, number):
    """Return the name of a student of the frontier."""
    table = search.results_
    is_it = table["cost"] == search.frontier_costs_[number]
    is_it &= table["score"] == search.frontier_scores_[number]
    return str(table["candidate"][is_it][-1])


def compared(spec, budget, X, y, X_test, y_test):
    """Return the accuracy by hand at a budget, if there is something to compare with."""
    if spec.judged_on == "held out":
        return {}
    if spec.dataset == "digits":
        student = tuned(X, y, budget)
        multiplications = cost(student, X[:1], n_repeats=1).multiplications
        words = f"PCA {student.lifter_[0].n_components_}, degree 2"
        accuracy = round(student.score(X_test, y_test), 4)
    else:
        row = by_hand(spec.dataset, budget)
        if row is None:
            return {"by_hand_row": "none"}
        _, multiplications, accuracy, words = row
    return {
        "by_hand": accuracy,
        "by_hand_multiplications": multiplications,
        "by_hand_row": words,
    }


def plot():
    """Draw the students that a search found, and all that were tuned by hand."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for ax, dataset in zip(axes, DATASETS, strict=True):
        rows = RESULTS.where(dataset=dataset, judged_on="test")
        points = [
            row[1:3] for row in committed() if row[0] == dataset and row[1] <= 2 * BUDGETS[-1]
        ]
        costs, accuracies = np.array(points).T
        ax.scatter(costs, 100 * accuracies, s=8, color="0.65", label="tuned by hand")
        found = {(int(row["multiplications"]), float(row["accuracy"])) for row in rows}
        costs, accuracies = np.array(sorted(found)).T
        ax.plot(costs, 100 * accuracies, "o-", color=runner.STUDENT, label="one search")
        lowest = 100 * accuracies.min()
        titles = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
        ax.set(xscale="log", title=titles[dataset], xlabel="multiplications per image")
        ax.set(
            ylabel="test accuracy (%)",
            xlim=(3_000, 2 * BUDGETS[-1]),
            ylim=(lowest - 2, 100 * accuracies.max() + 0.5),
        )
        ax.grid(alpha=0.3)
    axes[1].legend(loc="lower right", frameon=False)
    runner.save_picture(axes[0].figure, "search", dpi=130)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__, plot=True)
    made.add_argument("--dataset", choices=TIMES, help="only this data set; default all")
    made.add_argument(
        "--held-out", action="store_true", help="test on held-out training images"
    )
    made.add_argument(
        "--time", type=float, help="seconds, instead of the limit of the data set"
    )
    return made


def main():
    """Measure the missing rows, or draw or show the table."""
    options = runner.parse(parser())
    judged_on = "held out" if options.held_out else "test"
    datasets = [options.dataset] if options.dataset else list(TIMES)
    if options.quick:
        datasets = ["mnist"]

    def measured(spec):
        seconds = options.time or runner.full_or_quick(TIMES[spec.dataset], 3)
        return measure(spec, seconds)

    specs = [Spec(dataset, judged_on) for dataset in datasets]
    runner.carry_out(options, RESULTS, specs, measured, plot)


if __name__ == "__main__":
    main()
