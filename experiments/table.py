"""The table: students against their teachers, on all of MNIST and Fashion-MNIST.

    python benchmarks/table.py                    # all that is missing of it
    python benchmarks/table.py --datasets mnist --teachers cnn --dictionaries 60:2 --sets shifts8
    python benchmarks/table.py --baselines        # what a user would take instead
    python benchmarks/table.py --show             # as Markdown

Every row of benchmarks/results/table.csv is one classifier, fitted to the 60,000 training images
and tested once; rows that are there are not computed again, unless asked for with --again.

Settings are chosen without the test images, and with a teacher that has not seen the images they
are chosen on: 10,000 training images are held out, a teacher of the same kind is trained on the
other 50,000 (`teachers.py --held-out`), candidates are fitted to some of these (`chosen_on` in the
table), and the most accurate on the 10,000 wins: soft weight and temperature first, at one ridge,
then the ridge. The student is then fitted to all 60,000 images and what the teacher of all 60,000
says of them. (A teacher that has seen the held-out images betrays their labels, and everything soft
looks better than it is.) ResNet-18 was trained once, on the 50,000.

The method "active" is "exact" with the coordinates of an ActiveSubspace in the place of PCA's;
"active, triples" has all pairs of these, and all triples of the leading 32. The method "squares" is
"active" with the squares of its principal directions for observables: the same student.

With --like P:Q settings are those chosen for the same student of another dictionary; with
--settings, those given: soft weight, temperature, ridge.

`fit_seconds` is the time of one fit with the teacher's outputs at hand, on a machine that had
other work to do: no measure of speed.
"""

import argparse
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import product
from math import comb
from pathlib import Path
from time import perf_counter

import numpy as np
from kept_rows import load, save
from scipy.ndimage import affine_transform
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import SVC
from teachers import FETCH, MAKE, load_teacher, split

from sklearn_koopman import (
    ActiveSubspace,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
    RBFLifter,
    TransferSet,
)
from sklearn_koopman.inspection import fidelity_score
from sklearn_koopman.inspection._cost import count_operations
from sklearn_koopman.selection import principal_squares

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "table.csv"
CACHE = HERE.parent / "data" / "teachers"
TEACHERS = ("mlp", "cnn", "resnet18")
DICTIONARIES = ("60:1", "60:2", "30:3")
PRELIMINARY = 200  # PCA coordinates that an active subspace is sought in
LEADING = 32  # active coordinates of which all triples are taken
SMALL = 1000  # observables of the students "RBF" and "sparse"
SEEDS = 5

# (soft weight, temperature), tried at the first ridge; then the other ridges.
SOFT = {
    "mnist": [(0.5, 2.0), (1.0, 2.0), (1.0, 4.0)],
    "fashion_mnist": [(0.1, 2.0), (0.5, 1.0), (0.5, 2.0), (1.0, 2.0)],
}
RIDGES = {"mnist": (1e-4, 1e-3, 1e-5), "fashion_mnist": (1e-3, 1e-2, 3e-3, 3e-4)}
TOL = 1e-4
DEFORMATION = 0.15  # at most: radians, logarithms of lengths, slopes
EDMD_RIDGES = (1e-5, 1e-4, 1e-3, 1e-2)
WIDTHS = (1.0, 2.0, 4.0)  # of Gaussians: times the gamma of the median heuristic
# The paper's own settings are not known; these are one guess, untuned.
ADAM = {"soft_weight": 0.5, "temperature": 2.0, "ridge": 1e-4}
WITH_TRANSFER_SETS = ("exact", "active", "active, triples", "squares", "RBF", "sparse")
METHODS = ("EDMD, labels", "EDMD, logits", "Adam", "no teacher", *WITH_TRANSFER_SETS)


def shifted(images, down, right):
    """Return images moved by some pixels, zeros where there was nothing."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    return padded[:, 2 - down : 30 - down, 2 - right : 30 - right]


def flipped(images):
    """Return images flipped left to right."""
    return images[:, :, ::-1]


def flipped_and_shifted(images, down, right):
    """Return images flipped left to right, then moved."""
    return shifted(flipped(images), down, right)


def deformed(images, rng):
    """Return images that are turned, stretched, sheared and moved a little, each at random."""
    n_images = len(images)
    angles = rng.uniform(-DEFORMATION, DEFORMATION, n_images)
    stretches = np.exp(rng.uniform(-DEFORMATION, DEFORMATION, (n_images, 2)))
    shears = rng.uniform(-DEFORMATION, DEFORMATION, n_images)
    steps = rng.uniform(-1.2, 1.2, (n_images, 2))
    center = np.array([13.5, 13.5])
    made = np.empty_like(images)
    for image, out, angle, stretch, shear, step in zip(
        images, made, angles, stretches, shears, steps, strict=True
    ):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.array([[1.0, shear], [0.0, 1.0]]) / stretch
        affine_transform(image, matrix, center - matrix @ center + step, output=out, order=1)
    return made


CROSS = [(0, 1), (0, -1), (1, 0), (-1, 0)]
SQUARE = [step for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]


def moved(steps, augment=shifted):
    """Return an augmenter for every step."""
    return [partial(augment, down=down, right=right) for down, right in steps]


SETS = {
    "none": [],
    "shifts1": moved(CROSS[:1]),
    "shifts2": moved(CROSS[:2]),
    "shifts4": moved(CROSS),
    "shifts8": moved(SQUARE),
    "shifts8, deformed4": [*moved(SQUARE), *[deformed] * 4],
    "shifts8, deformed8": [*moved(SQUARE), *[deformed] * 8],
    "flips": [flipped],
    "flips, shifts4": [flipped, *moved(CROSS)],
    "flips x shifts4": [flipped, *moved(CROSS), *moved(CROSS, flipped_and_shifted)],
}
# Rows that are labelled as their originals are, besides by the teacher.
WITH_LABELS = ", labels"
SETS |= {name + WITH_LABELS: made for name, made in SETS.items() if made}
TRANSFER_SET = {"mnist": "shifts8", "fashion_mnist": "flips, shifts4"}


@dataclass
class Row:
    """One student."""

    dataset: str
    teacher: str
    teacher_accuracy: float
    components: int
    degree: int
    observables: int
    method: str
    transfer_set: str
    chosen_on: str
    soft_weight: float
    temperature: float
    ridge: float
    gamma: float
    validation_accuracy: float
    seeds: int
    accuracy: float
    accuracy_std: float
    fidelity: float
    parameters: int
    multiplications: int
    fit_seconds: float


KEY = ("dataset", "teacher", "components", "degree", "method", "transfer_set")


def make_student(method, teacher, components, degree, made="none", gamma=None):
    """Return a student that takes pixels, with the settings still to be chosen."""
    pca = PCA(components, random_state=0)
    if method in ("active", "active, triples", "squares"):
        products = MonomialLifter(degree)
        if method.endswith("triples"):
            triples = MonomialLifter((3, degree), include_bias=False)
            triples = make_pipeline(LeadingColumns(LEADING), triples)
            products = make_union(MonomialLifter(2), triples)
        subspace = ActiveSubspace(teacher, components, n_preliminary=PRELIMINARY)
        lifter = make_pipeline(subspace, products)
    elif method == "RBF":
        lifter = make_pipeline(pca, Nystroem(gamma=gamma, n_components=SMALL, random_state=0))
    elif method == "sparse":
        lifter = make_pipeline(
            pca, ObservableSelector(MonomialLifter(degree), max_observables=SMALL)
        )
    else:
        lifter = make_pipeline(pca, MonomialLifter(degree))
    learns_from_labels = method in ("no teacher", "EDMD, labels")
    common = {
        "teacher": None if learns_from_labels else teacher,
        "lifter": lifter,
        "transfer_set": as_transfer_set(made, keep_labels=learns_from_labels),
    }
    if method.startswith("EDMD"):
        return EDMDClassifier(**common)
    if method == "Adam":
        return KoopmanDistilledClassifier(**common, solver="adam", max_iter=10, **ADAM)
    return KoopmanDistilledClassifier(**common, tol=TOL)


def as_transfer_set(made, keep_labels=False):
    """Return the transfer set of a name, None for "none"."""
    if not SETS[made]:
        return None
    keep_labels = keep_labels or made.endswith(WITH_LABELS)
    return TransferSet(SETS[made], input_shape=(28, 28), keep_labels=keep_labels)


def rounds(dataset, method):
    """Return a function from the best settings so far to the next ones to try, round by round."""
    if method.startswith("EDMD"):
        return [lambda best: [{"ridge": ridge} for ridge in EDMD_RIDGES]]
    first, *others = RIDGES[dataset]
    soft = [(0.0, 1.0)] if method == "no teacher" else SOFT[dataset]
    return [
        lambda best: [
            {"soft_weight": weight, "temperature": temperature, "ridge": first}
            for weight, temperature in soft
        ],
        lambda best: [best | {"ridge": ridge} for ridge in others],
    ]


def choose(student, trials, X, y, X_held, y_held):
    """Return (validation accuracy, settings) of the candidate that is best on held-out rows.

    All candidates share a lifter, and each starts where the last ended.
    """
    lifter = FrozenEstimator(clone(student.lifter).fit(X, y))
    student = clone(student).set_params(lifter=lifter)
    if isinstance(student, KoopmanDistilledClassifier):
        student.set_params(warm_start=True)
    best = (-1.0, {})
    for trial in trials:
        for settings in trial(best[1]):
            score = student.set_params(**settings).fit(X, y).score(X_held, y_held)
            print("   validation", settings, f"{score:.4f}", flush=True)
            best = max(best, (score, settings), key=lambda found: found[0])
    return best


class LeadingColumns(SelectorMixin, BaseEstimator):
    """Keeps the first columns."""

    def __init__(self, n_columns):
        self.n_columns = n_columns

    def fit(self, X, y=None):
        """Note how many columns there are."""
        self.n_features_in_ = X.shape[1]
        return self

    def _get_support_mask(self):
        return np.arange(self.n_features_in_) < self.n_columns


class Bench:
    """A data set and its teachers."""

    def __init__(self, dataset, kind):
        self.dataset, self.kind = dataset, kind
        self.X, self.y = FETCH[dataset]("train", return_X_y=True)
        self.X_test, self.y_test = FETCH[dataset]("test", return_X_y=True)
        self.seen, self.held = split(self.y)
        # One that was trained on the 50,000 alone serves for both.
        has_seen_all = kind != "resnet18"
        self.teacher = (
            load_teacher(dataset, kind, memory=CACHE) if has_seen_all else self.unseen
        )
        self.says = self.teacher(self.X_test).argmax(axis=1)
        self.teacher_accuracy = float(np.mean(self.says == self.y_test))
        print(f"{dataset} {kind}: {self.teacher_accuracy:.4f}", flush=True)

    @cached_property
    def unseen(self):
        """The teacher that has not seen the images that settings are chosen on."""
        return load_teacher(self.dataset, self.kind, held_out=True, memory=CACHE)

    def choose(self, method, components, degree, made, n_rows):
        """Return (validation accuracy, settings, gamma)."""
        few = self.seen[:n_rows]
        held_out = self.X[few], self.y[few], self.X[self.held], self.y[self.held]
        found = []
        for gamma in self.gammas(components) if method == "RBF" else [None]:
            student = make_student(method, self.unseen, components, degree, made, gamma)
            found.append((*choose(student, rounds(self.dataset, method), *held_out), gamma))
        return max(found, key=lambda each: each[0])

    def gammas(self, components):
        """Return the widths of Gaussians to try."""
        Z = PCA(components, random_state=0).fit_transform(self.X[self.seen])
        typical = RBFLifter(2, centers="random", random_state=0).fit(Z).gamma_
        return [width * typical for width in WIDTHS]

    def student(self, method, components, degree, made, chosen_on, found):
        """Fit a student with the settings found, and return its row."""
        score, settings, gamma = found
        student = make_student(method, self.teacher, components, degree, made, gamma)
        student.set_params(**settings)
        self.ask_teacher_beforehand(student)
        seeds = range(SEEDS if method == "Adam" else 1)
        start = perf_counter()
        fits = [self.fit(student, seed) for seed in seeds]
        if method == "squares":
            fits = [principal_squares(fitted, self.X, max_observables=SMALL) for fitted in fits]
        seconds = (perf_counter() - start) / len(fits)
        return self.row(
            fits, method, components, degree, made, chosen_on, settings, gamma, score, seconds
        )

    def fit(self, student, seed):
        student = clone(student)
        if "random_state" in student.get_params():
            student.set_params(random_state=seed)
        return student.fit(self.X, self.y)

    def ask_teacher_beforehand(self, student):
        """Have the teacher's outputs cached, so that they are no part of the time of the fit."""
        if student.teacher is not None:
            self.teacher(self.X)
            if student.transfer_set is not None:
                student.transfer_set.enlarge(self.X).map(self.teacher)

    def row(
        self, fits, method, components, degree, made, chosen_on, settings, gamma, score, seconds
    ):
        """Return what is written of students that differ in their seeds alone."""
        predicted = [student.predict(self.X_test) for student in fits]
        accuracies = [np.mean(labels == self.y_test) for labels in predicted]
        operations = count_operations(fits[0], self.X[:1])
        return Row(
            dataset=self.dataset,
            teacher=self.kind,
            teacher_accuracy=self.teacher_accuracy,
            components=components,
            degree=degree,
            observables=fits[0].coef_.shape[1],
            method=method,
            transfer_set=made,
            chosen_on=chosen_on,
            soft_weight=settings.get("soft_weight", ""),
            temperature=settings.get("temperature", ""),
            ridge=settings["ridge"],
            gamma=gamma or "",
            validation_accuracy=score,
            seeds=len(fits),
            accuracy=round(float(np.mean(accuracies)), 5),
            accuracy_std=round(float(np.std(accuracies)), 5),
            fidelity=float(np.mean([fidelity_score(self.says, each) for each in predicted])),
            parameters=operations.parameters,
            multiplications=operations.multiplications,
            fit_seconds=round(seconds, 1),
        )


def belongs(method, components, degree):
    """Whether a method has a place in the line of a dictionary."""
    if method in ("RBF", "squares"):  # the first knows no degree, the other only this one
        return degree == 2
    if method == "active, triples":  # of all triples at least
        return degree >= 3
    if method == "sparse":
        return comb(components + degree, degree) > SMALL
    return True


def run(dataset, kind, todo, n_rows, *, like=None, given=None, again=False):
    """Compute the rows of one teacher that are missing and write each as soon as it is there."""
    todo = [each for each in todo if again or not find(dataset, kind, *each)]
    if not todo:
        return
    bench = Bench(dataset, kind)
    for components, degree, method, made in todo:
        if method == "Adam":
            found, chosen_on = ("", ADAM, None), "untuned"
        elif given:
            names = "soft_weight", "temperature", "ridge"
            found = ("", dict(zip(names, map(float, given), strict=True)), None)
            chosen_on = "given"
        elif like:
            found, chosen_on = known(find(dataset, kind, *like, method, made), like)
        else:
            found = bench.choose(method, components, degree, made, n_rows)
            chosen_on = str(n_rows)
        row = bench.student(method, components, degree, made, chosen_on, found)
        keep(row)
        print(row, flush=True)


def known(row, like):
    """Return what was found for another dictionary, and the words for where it comes from."""
    if row is None:
        raise SystemExit("--like: there is no such row to take the settings of.")
    names = [name for name in ("soft_weight", "temperature", "ridge") if row[name]]
    settings = {name: float(row[name]) for name in names}
    gamma = float(row["gamma"]) if row["gamma"] else None
    return ("", settings, gamma), f"{row['chosen_on']} with PCA {like[0]}, degree {like[1]}"


def run_baselines(dataset):
    """Fit what a user would take instead, on pixels."""
    X, y = FETCH[dataset]("train", return_X_y=True)
    X_test, y_test = FETCH[dataset]("test", return_X_y=True)
    seen, held = split(y)
    few = seen[:12_000]
    candidates = {
        "LogisticRegression": [LogisticRegression(C=C, max_iter=200) for C in (0.01, 0.1, 1.0)],
        "MLP, 64 hidden": [
            MLPClassifier(64, early_stopping=True, alpha=alpha) for alpha in (1e-4, 1e-2, 1e-1)
        ],
        "RBF-SVC": [SVC(C=C) for C in (3.0, 10.0)],
    }
    for name, models in candidates.items():
        if find(dataset, "", 784, 1, name, "none"):
            continue
        models = [clone(model).set_params(random_state=0) for model in models]
        scores = [model.fit(X[few], y[few]).score(X[held], y[held]) for model in models]
        best = models[int(np.argmax(scores))]
        print(best, scores, flush=True)
        start = perf_counter()
        n_seeds = SEEDS if name.startswith("MLP") else 1
        fits = [clone(best).set_params(random_state=seed).fit(X, y) for seed in range(n_seeds)]
        seconds = (perf_counter() - start) / len(fits)
        accuracies = [model.score(X_test, y_test) for model in fits]
        keep(
            Row(
                dataset=dataset,
                teacher="",
                teacher_accuracy="",
                components=784,
                degree=1,
                observables=784,
                method=name,
                transfer_set="none",
                chosen_on="12000",
                soft_weight="",
                temperature="",
                ridge="",
                gamma="",
                validation_accuracy=max(scores),
                seeds=n_seeds,
                accuracy=round(float(np.mean(accuracies)), 5),
                accuracy_std=round(float(np.std(accuracies)), 5),
                fidelity="",
                parameters=size_of(fits[0]),
                multiplications=size_of(fits[0]),
                fit_seconds=round(seconds, 1),
            )
        )


def size_of(model):
    """Return the numbers a model on pixels keeps, about as many as it multiplies."""
    if isinstance(model, SVC):
        return int(model.support_vectors_.size + model.dual_coef_.size)
    coefs = model.coefs_ if isinstance(model, MLPClassifier) else [model.coef_]
    return int(sum(coef.size for coef in coefs))


def find(*key):
    """Return the row of a student, None without one."""
    key = tuple(map(str, key))
    return next((row for row in load(RESULTS) if tuple(row[name] for name in KEY) == key), None)


def keep(row):
    """Add a row to the table, in the place of an older one of the same student."""
    save(RESULTS, asdict(row), KEY, order=lambda row: [row[name] for name in KEY])


def show():
    """Print the table as Markdown."""
    titles = [*METHODS, "exact, transfer set"]
    print("| data, teacher | dictionary | D | " + " | ".join(titles) + " |")
    print("| --- | --- | ---: |" + " ---: |" * len(titles))
    cells = {}
    for row in load(RESULTS):
        if not row["teacher"]:
            continue
        line = (row["dataset"], row["teacher"], int(row["degree"]), int(row["components"]))
        title = row["method"] + (", transfer set" if row["transfer_set"] != "none" else "")
        best = cells.setdefault(line, {}).get(title)
        # Of several transfer sets, that which is best on held-out images.
        if best is None or row["validation_accuracy"] > best["validation_accuracy"]:
            cells[line][title] = row
    for (dataset, teacher, degree, components), found in sorted(cells.items()):
        n_observables = max(int(row["observables"]) for row in found.values())
        accuracies = sorted({100 * float(row["teacher_accuracy"]) for row in found.values()})
        of_teacher = ", ".join(f"{accuracy:.2f}" for accuracy in accuracies)
        print(
            f"| {dataset}, {teacher} {of_teacher} "
            f"| PCA {components}, degree {degree} | {n_observables} | "
            + " | ".join(percent(found.get(title)) for title in titles)
            + " |"
        )
    print()
    for row in load(RESULTS):
        if not row["teacher"]:
            print(f"| {row['dataset']} | {row['method']} on pixels | {percent(row)} |")


def percent(row):
    """Return an accuracy in percent, with the deviation over seeds where there are several."""
    if row is None:
        return ""
    deviation = f" ± {100 * float(row['accuracy_std']):.2f}" if int(row["seeds"]) > 1 else ""
    return f"{100 * float(row['accuracy']):.2f}{deviation}"


def main():
    """Run what is missing, or show what there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", choices=FETCH, default=list(FETCH))
    parser.add_argument("--teachers", nargs="+", choices=MAKE, default=TEACHERS)
    parser.add_argument("--dictionaries", nargs="+", default=DICTIONARIES, metavar="P:Q")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--sets", nargs="+", choices=SETS, metavar="SET")
    parser.add_argument("--like", metavar="P:Q", help="take the settings of this dictionary")
    parser.add_argument("--settings", nargs=3, metavar="S", help="instead of choosing them")
    parser.add_argument("--choose-on", type=int, default=12_000, help="rows to choose on")
    parser.add_argument("--again", action="store_true", help="also rows that are there")
    parser.add_argument("--baselines", action="store_true", help="these instead of students")
    parser.add_argument("--show", action="store_true", help="print the table there is")
    options = parser.parse_args()
    if options.show:
        show()
        return
    for dataset in options.datasets:
        if options.baselines:
            run_baselines(dataset)
            continue
        made = options.sets or ["none", TRANSFER_SET[dataset]]
        dictionaries = [tuple(map(int, each.split(":"))) for each in options.dictionaries]
        todo = [
            (*dictionary, method, each)
            for dictionary, each, method in product(dictionaries, made, options.methods)
            if (each == "none" or method in WITH_TRANSFER_SETS or options.sets)
            and belongs(method, *dictionary)
        ]
        like = options.like and tuple(map(int, options.like.split(":")))
        for kind in options.teachers:
            run(
                dataset,
                kind,
                todo,
                options.choose_on,
                like=like,
                given=options.settings,
                again=options.again,
            )


if __name__ == "__main__":
    main()
