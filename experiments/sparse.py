"""The best student of at most m observables, from 50 to 12,341.

    python benchmarks/bench_sparse.py
    python benchmarks/bench_sparse.py --sizes 500 1000
    python benchmarks/bench_sparse.py --teacher cnn --transfer-set shifts8 --sizes 1000 4000
    python benchmarks/bench_sparse.py --plot

The dictionary is that of all monomials of degree 3 in 40 PCA coordinates; the observables are
chosen greedily (ObservableSelector), and the student is then distilled anew on the chosen ones. The
choice goes by the labels, by the teacher's logits, or by the logits of a student of 2,000
observables (chosen by the teacher's), where rows weigh as much as their loss curves. Plain
dictionaries of other sizes stand beside it.

Everything is chosen without the test images: 10,000 training images are held out, a perceptron is
trained on the other 50,000, observables are chosen and candidates fitted on these; what the choice
goes by, soft weight, temperature and ridge are those of the most accurate candidate on the 10,000
for each m. Students of more than 3,000 observables cost more: they try two ridges, at the soft
weight and temperature that are best at 2,000; that of all 12,341 takes the ridge that is best at
4,000, untried. Then teacher, choice and student are those of all 60,000.

With a transfer set, observables are chosen by 30,000 of the rows and those made of them, by the
teacher's logits, and students are fitted to all. Nothing is tried: soft weight, temperature and
ridge are those that table.py chose for PCA 60, degree 2, with this teacher and this set.

Writes benchmarks/results/sparse.csv, a row in the place of an older one of the same teacher,
transfer set, dictionary and size; --plot draws docs/images/sparse_students.png from it.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from kept_rows import load, save
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from table import CACHE, SETS, TOL, as_transfer_set, find
from teachers import FETCH, MAKE, load_or_train, split

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter, ObservableSelector
from sklearn_koopman.inspection import fidelity_score
from sklearn_koopman.inspection._cost import count_operations
from sklearn_koopman.teachers import TorchTeacher

RESULTS = Path(__file__).parent / "results" / "sparse.csv"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "sparse_students.png"
COMPONENTS, DEGREE = 40, 3
SIZES = [50, 100, 200, 500, 1000, 2000, 4000]
CHOICES = ["labels", "logits", "student"]
FIRST = 2000  # the student whose logits smaller ones are chosen by
LARGE = 3000  # from here on, few settings are tried
LARGE_SOFT = 0.9, 2.0
LARGEST = 10_000
PLAIN = [(40, 1), (20, 2), (40, 2), (60, 2), (20, 3), (30, 3), (COMPONENTS, DEGREE)]
SOFT = [(0.5, 2.0), (0.9, 2.0), (1.0, 4.0)]
RIDGES = [1e-5, 1e-4, 1e-3]
ROWS_TO_CHOOSE_BY = 30_000  # with a transfer set


@dataclass
class Row:
    """One student."""

    dataset: str
    teacher: str
    transfer_set: str
    observables: int
    dictionary: str
    chosen_by: str
    soft_weight: float
    temperature: float
    ridge: float
    validation_accuracy: float
    validation_labels: float  # of the best candidate whose choice goes by these
    validation_logits: float
    validation_student: float
    accuracy: float
    fidelity: float
    teacher_accuracy: float
    parameters: int
    multiplications: int
    select_seconds: float
    fit_seconds: float


KEY = ("dataset", "teacher", "transfer_set", "dictionary", "observables")


class Rows:
    """What a fit learns from, and choices of observables by it."""

    def __init__(self, X, y, teacher, made):
        self.X, self.y, self.teacher = X, y, teacher
        self.transfer_set = as_transfer_set(made)
        self.selectors, self.seconds = {}, {}
        self.pcas = {}

    def pca(self, components):
        if components not in self.pcas:
            self.pcas[components] = PCA(components, random_state=0).fit(self.X)
        return self.pcas[components]

    def to_choose_by(self):
        """Return rows that observables are chosen by, and their labels, -1 for made rows."""
        if self.transfer_set is None:
            return self.X, self.y
        rows = self.transfer_set.enlarge(self.X)
        some = np.linspace(0, len(rows) - 1, ROWS_TO_CHOOSE_BY).astype(int)
        return rows[some], rows.repeated(self.y.astype(int), -1)[some]

    def select(self, chosen_by):
        """Choose as many observables as are needed; kept, as the choices are nested."""
        if chosen_by not in self.selectors:
            start = perf_counter()
            most = {"labels": FIRST, "logits": SIZES[-1], "student": FIRST // 2}[chosen_by]
            selector = ObservableSelector(
                MonomialLifter(DEGREE), max_observables=most, unlabeled_value=-1
            )
            X, y = self.to_choose_by()
            targets, weight = self.targets(chosen_by, X, y)
            Z = self.pca(COMPONENTS).transform(X)
            selector.fit(Z, targets, sample_weight=weight)
            self.seconds[chosen_by] = perf_counter() - start
            self.selectors[chosen_by] = selector
            print(f"chosen by {chosen_by}: {self.seconds[chosen_by]:.0f} s", flush=True)
        return self.selectors[chosen_by]

    def targets(self, chosen_by, X, y):
        """Return what the choice goes by, and the weights of the rows."""
        if chosen_by == "labels":
            return y.astype(int), None
        if chosen_by == "logits":
            logits = self.teacher(X)
            return logits - logits.mean(axis=1, keepdims=True), None
        settings = 0.9, 2.0, 1e-4
        first, _ = self.fit((COMPONENTS, DEGREE), "logits", FIRST, *settings, tol=1e-4)
        logits = first.decision_function(X)
        # The curvature of the soft loss: the trace of diag(q) - q q^T.
        curvature = 1 - np.square(softmax(logits / 2.0, axis=1)).sum(axis=1)
        return logits - logits.mean(axis=1, keepdims=True), curvature

    def fit(self, dictionary, chosen_by, size, soft_weight, temperature, ridge, tol):
        """Return a student that takes pixels, and the seconds its fit took."""
        components, degree = dictionary
        if chosen_by == "all":
            lifter = MonomialLifter(degree)
        else:
            lifter = FrozenEstimator(self.select(chosen_by).first(size))
        student = KoopmanDistilledClassifier(
            self.teacher,
            soft_weight=soft_weight,
            temperature=temperature,
            ridge=ridge,
            lifter=make_pipeline(FrozenEstimator(self.pca(components)), lifter),
            transfer_set=self.transfer_set,
            tol=tol,
        )
        start = perf_counter()
        student.fit(self.X, self.y)
        return student, perf_counter() - start


def candidates(train, X_held, y_held, dictionary, choices, size):
    """Return (validation accuracy, chosen by, soft weight, temperature, ridge) of all tried."""

    def tried(settings):
        for candidate in settings:
            student, seconds = train.fit(dictionary, candidate[0], size, *candidate[1:], 1e-4)
            score = student.score(X_held, y_held)
            print(f"   {size} {candidate} {score:.4f} {seconds:.1f} s", flush=True)
            yield score, *candidate

    first = RIDGES[1]
    if size > LARGE:
        if size > LARGEST:  # nothing to choose
            return [(np.nan, choices[0], *LARGE_SOFT, RIDGES[-1])]
        return list(tried((choices[0], *LARGE_SOFT, ridge) for ridge in RIDGES[1:]))
    found = list(tried((by, *soft, first) for by in choices for soft in SOFT))
    _, *best, _ = max(found)
    return found + list(tried((*best, ridge) for ridge in RIDGES if ridge != first))


def settings_of_table(dataset, kind, made):
    """Return the settings of the student of PCA 60, degree 2, in the form of a candidate."""
    row = find(dataset, kind, 60, 2, "exact", made)
    if row is None:
        raise SystemExit("Run table.py for this teacher and transfer set first.")
    settings = (float(row[name]) for name in ("soft_weight", "temperature", "ridge"))
    return np.nan, "logits", *settings


def choices_for(size):
    """Return what the choice of so many observables may go by."""
    if size > LARGE:
        return ["logits"]
    return CHOICES if size < FIRST else CHOICES[:2]


def by_size(row):
    """Return what rows are sorted by."""
    return [
        row[name].zfill(9) for name in ("dataset", "teacher", "transfer_set", "observables")
    ]


def run(dataset, kind, made, sizes):
    """Compute the rows of these sizes, or all, and write them as they come."""
    X, y = FETCH[dataset]("train", return_X_y=True)
    X_test, y_test = FETCH[dataset]("test", return_X_y=True)
    teacher = TorchTeacher(load_or_train(dataset, kind), memory=CACHE)
    labels = teacher(X_test).argmax(axis=1)
    everything = Rows(X, y, teacher, made)
    rows, held = split(y)
    if made == "none":
        unseen = TorchTeacher(load_or_train(dataset, kind, held_out=True), memory=CACHE)
        train = Rows(X[rows], y[rows], unseen, made)

    students = [((COMPONENTS, DEGREE), choices_for(size), size) for size in SIZES]
    for components, degree in PLAIN:
        lifter = MonomialLifter(degree).fit(np.zeros((1, components)))
        students.append(((components, degree), ["all"], lifter.n_output_features_))
    for dictionary, choices, size in students:
        if sizes and size not in sizes:
            continue
        if made == "none":
            found = candidates(train, X[held], y[held], dictionary, choices, size)
        else:
            found = [settings_of_table(dataset, kind, made)]
        score, *settings = max(found)
        best_by = [
            max((candidate[0] for candidate in found if candidate[1] == by), default=np.nan)
            for by in CHOICES
        ]
        tol = 1e-5 if made == "none" else TOL
        student, seconds = everything.fit(dictionary, settings[0], size, *settings[1:], tol)
        predicted = student.predict(X_test)
        operations = count_operations(student, X[:1])
        row = Row(
            dataset,
            kind,
            made,
            size,
            f"PCA {dictionary[0]}, degree {dictionary[1]}",
            *settings,
            score,
            *best_by,
            float(np.mean(predicted == y_test)),
            fidelity_score(labels, predicted),
            float(np.mean(labels == y_test)),
            operations.parameters,
            operations.multiplications,
            everything.seconds.get(settings[0], 0.0),
            seconds,
        )
        save(RESULTS, asdict(row), KEY, order=by_size)
        print(row, flush=True)


# Where the name of a plain dictionary stands beside its point.
LABEL_AT = {"PCA 20, degree 3": (-4, -24), "PCA 40, degree 2": (-40, -14)}


def plot():
    """Draw accuracy over the number of observables."""
    import matplotlib.pyplot as plt

    rows = [
        row for row in load(RESULTS) if (row["teacher"], row["transfer_set"]) == ("mlp", "none")
    ]
    _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    for kind, style in (("chosen of PCA 40, degree 3", "o-"), ("plain dictionaries", "s")):
        points = [row for row in rows if (row["chosen_by"] == "all") == (kind[0] == "p")]
        x = [int(row["observables"]) for row in points]
        accuracy = [100 * float(row["accuracy"]) for row in points]
        ax.plot(x, accuracy, style, label=kind)
        for row, at, height in zip(points, x, accuracy, strict=True):
            if kind[0] == "p":
                ax.annotate(
                    row["dictionary"],
                    (at, height),
                    xytext=LABEL_AT.get(row["dictionary"], (6, -12)),
                    textcoords="offset points",
                    fontsize=8,
                )
    teacher = 100 * float(rows[0]["teacher_accuracy"])
    ax.axhline(teacher, color="0.6", linestyle="--", label="teacher (perceptron)")
    ax.set_xscale("log")
    ax.set_xlabel("observables")
    ax.set_ylabel("MNIST test accuracy (%)")
    ax.set_xlim(35, 25_000)
    ax.set_ylim(90, 99.6)
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    plt.savefig(PICTURE, dpi=130)


def main():
    """Run, or draw what there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", action="store_true", help="draw the results there are")
    parser.add_argument("--sizes", type=int, nargs="+", help="only these; default all")
    parser.add_argument("--dataset", choices=FETCH, default="mnist")
    parser.add_argument("--teacher", choices=MAKE, default="mlp")
    parser.add_argument("--transfer-set", choices=SETS, default="none")
    options = parser.parse_args()
    if options.plot:
        plot()
    else:
        run(options.dataset, options.teacher, options.transfer_set, options.sizes)


if __name__ == "__main__":
    main()
