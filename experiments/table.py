"""How accurate students are beside their teachers, on all of MNIST and Fashion-MNIST.

    python experiments/table.py                    # all missing rows
    python experiments/table.py --datasets mnist --teachers cnn --dictionaries 60:2 --sets shifts8
    python experiments/table.py --baselines        # other classifiers
    python experiments/table.py --show             # as Markdown

Every row of experiments/results/table.csv is one classifier, fitted to the 60,000 training images
and tested once. Rows that the table has are not computed again, unless --again asks for it.

Settings are chosen without the test images, and with a teacher that has not seen the images on
which they are chosen. 10,000 training images are held out. A teacher of the same kind is trained on
the other 50,000 (`teachers.py --held-out`), and candidates are fitted to some of these (`chosen_on`
in the table). The most accurate one on the 10,000 wins: first soft weight and temperature at one
ridge, then the ridge. The student is then fitted to all 60,000 images and to the outputs of the
teacher of all 60,000. (A teacher that has seen the held-out images betrays their labels, and soft
targets look better than they are.) ResNet-18 was trained once, on the 50,000.

The method "active" is "exact" with the coordinates of an ActiveSubspace instead of those of PCA.
"active, triples" has all pairs of these coordinates, and all triples of the leading 32. The method
"squares" is "active" with the squares of its principal directions as observables: the same student.

With --like P:Q, settings are those chosen for the same student of another dictionary. With
--settings, they are given: soft weight, temperature, ridge.

`fit_seconds` is the time of one fit with the teacher's outputs at hand. The machine had other work
to do, so it does not measure speed.
"""

from argparse import ArgumentTypeError
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import product
from math import comb

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from experiments import runner
from experiments.images import DATASETS, images, split
from experiments.students import (
    ADAM,
    METHODS,
    SMALL,
    WITH_TRANSFER_SETS,
    choose,
    make_student,
    rounds,
)
from experiments.teachers import MAKE, teacher
from experiments.transfer_sets import SETS
from sklearn_koopman import RBFLifter
from sklearn_koopman.inspection import cost, fidelity_score
from sklearn_koopman.selection import principal_squares

TEACHERS = ("mlp", "cnn", "resnet18")
DICTIONARIES = ("60:1", "60:2", "30:3")
SEEDS = 5
WIDTHS = (1.0, 2.0, 4.0)  # gamma of Gaussians, in units of that of the median heuristic
TRANSFER_SET = {"mnist": "shifts8", "fashion_mnist": "flips, shifts4"}
SETTINGS = ("soft_weight", "temperature", "ridge")
KEY = ("dataset", "teacher", "components", "degree", "method", "transfer_set")
TABLE = runner.Results("table.csv", KEY, order=lambda row: [row[name] for name in KEY])


@dataclass(frozen=True)
class Spec:
    """One student, or another classifier beside it."""

    dataset: str
    teacher: str
    components: int
    degree: int
    method: str
    transfer_set: str = "none"


@dataclass(frozen=True)
class Choice:
    """The settings of a student, and how they were chosen."""

    settings: dict
    chosen_on: str
    validation_accuracy: float | str = ""
    gamma: float | None = None


class Bench:
    """A data set and its teachers."""

    def __init__(self, dataset, kind):
        self.dataset, self.kind = dataset, kind
        self.X, self.y = images(dataset, "train")
        self.X_test, self.y_test = images(dataset, "test")
        self.seen, self.held = split(self.y)
        # ResNet-18, trained on the 50,000 alone, has both roles.
        self.teacher = teacher(dataset, kind) if kind != "resnet18" else self.unseen
        self.says = self.teacher(self.X_test).argmax(axis=1)
        self.teacher_accuracy = accuracy_score(self.y_test, self.says)
        print(f"{dataset} {kind}: {self.teacher_accuracy:.4f}", flush=True)

    @cached_property
    def unseen(self):
        """The teacher that has not seen the images on which settings are chosen."""
        return teacher(self.dataset, self.kind, held_out=True)

    def choose(self, spec, n_rows):
        """Return the settings that are best on held-out images."""
        few = self.seen[:n_rows]
        held_out = self.X[few], self.y[few], self.X[self.held], self.y[self.held]
        found = []
        for gamma in self.gammas(spec.components) if spec.method == "RBF" else [None]:
            student = student_of(spec, self.unseen, gamma)
            accuracy, settings = choose(student, rounds(spec.dataset, spec.method), *held_out)
            found.append(Choice(settings, str(n_rows), accuracy, gamma))
        return max(found, key=lambda each: each.validation_accuracy)

    def gammas(self, components):
        """Return the widths of Gaussians to try."""
        Z = PCA(components, random_state=0).fit_transform(self.X[self.seen])
        typical = RBFLifter(2, centers="random", random_state=0).fit(Z).gamma_
        return [width * typical for width in WIDTHS]

    def measure(self, spec, choice):
        """Fit a student with the chosen settings, and return its row."""
        student = student_of(spec, self.teacher, choice.gamma).set_params(**choice.settings)
        self.ask_teacher_beforehand(student)
        seeds = range(runner.full_or_quick(SEEDS, 2) if spec.method == "Adam" else 1)
        fits, seconds = runner.timed(
            lambda: [self.fit(student, spec.method, seed) for seed in seeds]
        )
        predicted = [fitted.predict(self.X_test) for fitted in fits]
        operations = cost(fits[0], self.X[:1], n_repeats=1)
        return {
            "teacher_accuracy": self.teacher_accuracy,
            "observables": fits[0].coef_.shape[1],
            "chosen_on": choice.chosen_on,
            **{name: choice.settings.get(name, "") for name in SETTINGS},
            "gamma": choice.gamma or "",
            "validation_accuracy": choice.validation_accuracy,
            **over_seeds([accuracy_score(self.y_test, labels) for labels in predicted]),
            "fidelity": float(np.mean([fidelity_score(self.says, each) for each in predicted])),
            "parameters": operations.parameters,
            "multiplications": operations.multiplications,
            "fit_seconds": round(seconds / len(fits), 1),
        }

    def fit(self, student, method, seed):
        """Return a fitted copy of a student."""
        student = clone(student)
        if "random_state" in student.get_params():
            student.set_params(random_state=seed)
        student.fit(self.X, self.y)
        if method == "squares":
            few = runner.full_or_quick(SMALL, 20)
            return principal_squares(student, self.X, max_observables=few)
        return student

    def ask_teacher_beforehand(self, student):
        """Cache the teacher's outputs, so that the time of the fit does not include them."""
        if student.teacher is not None:
            self.teacher(self.X)
            if student.transfer_set is not None:
                student.transfer_set.enlarge(self.X).map(self.teacher)


@lru_cache(maxsize=1)
def bench(dataset, kind):
    """Return the data set and the teacher that were asked for last, or load them."""
    return Bench(dataset, kind)


def student_of(spec, teacher, gamma=None):
    """Return the student of a spec, with its settings still to be chosen."""
    return make_student(
        spec.method, teacher, spec.components, spec.degree, spec.transfer_set, gamma
    )


def over_seeds(accuracies):
    """Return the columns with the accuracy of fits of several seeds."""
    mean, std = runner.mean_and_std(accuracies)
    return {"seeds": len(accuracies), "accuracy": mean, "accuracy_std": std}


def choice_of(spec, n_rows, like=None, given=None):
    """Return the settings of a student: a guess, given ones, another student's, or the best."""
    if spec.method == "Adam":
        return Choice(ADAM, "untuned")
    if given:
        return Choice(dict(zip(SETTINGS, given, strict=True)), "given")
    if like:
        components, degree = like
        row = row_of(Spec(spec.dataset, spec.teacher, *like, spec.method, spec.transfer_set))
        words = f"{row['chosen_on']} with PCA {components}, degree {degree}"
        gamma = float(row["gamma"]) if row["gamma"] else None
        return Choice(settings_in(row), words, gamma=gamma)
    return bench(spec.dataset, spec.teacher).choose(spec, n_rows)


def row_of(spec):
    """Return the committed row of a student."""
    for row in runner.read(TABLE.file):
        if all(row[name] == str(getattr(spec, name)) for name in KEY):
            return row
    raise SystemExit(f"{TABLE.file} has no row of {spec}: run table.py for it first.")


def settings_in(row):
    """Return soft weight, temperature and ridge of a row, if it has them."""
    return {name: float(row[name]) for name in SETTINGS if row[name]}


def belongs(method, components, degree):
    """Whether a method makes sense for a dictionary."""
    if method in ("RBF", "squares"):  # RBF has no degree, and squares only has this one
        return degree == 2
    if method == "active, triples":  # it needs triples
        return degree >= 3
    if method == "sparse":
        return comb(components + degree, degree) > runner.full_or_quick(SMALL, 20)
    return True


def specs(options):
    """Return the students that the options ask for."""
    return [
        Spec(dataset, kind, *each, method, made)
        for dataset, kind in product(options.datasets, options.teachers)
        for each, made in product(
            options.dictionaries, options.sets or ("none", TRANSFER_SET[dataset])
        )
        for method in options.methods
        if made == "none" or method in WITH_TRANSFER_SETS or options.sets
        if belongs(method, *each)
    ]


def dictionary(text):
    """Return components and degree of a dictionary such as "60:2"."""
    try:
        components, degree = map(int, text.split(":"))
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is not a dictionary: PCA coordinates and degree, 60:2 say"
        ) from None
    return components, degree


def measure(spec, **how_chosen):
    """Return the row of a student."""
    return bench(spec.dataset, spec.teacher).measure(spec, choice_of(spec, **how_chosen))


BASELINES = {
    "LogisticRegression": [LogisticRegression(C=C, max_iter=200) for C in (0.01, 0.1, 1.0)],
    "MLP, 64 hidden": [
        MLPClassifier(64, early_stopping=True, alpha=alpha) for alpha in (1e-4, 1e-2, 1e-1)
    ],
    "RBF-SVC": [SVC(C=C) for C in (3.0, 10.0)],
}


def measure_baseline(spec):
    """Return the row of another classifier, on pixels."""
    X, y = images(spec.dataset, "train")
    X_test, y_test = images(spec.dataset, "test")
    seen, held = split(y)
    few = seen[:12_000]
    models = [clone(model).set_params(random_state=0) for model in BASELINES[spec.method]]
    scores = [model.fit(X[few], y[few]).score(X[held], y[held]) for model in models]
    best = models[int(np.argmax(scores))]
    print(best, scores, flush=True)
    seeds = range(SEEDS if spec.method.startswith("MLP") else 1)
    fits, seconds = runner.timed(
        lambda: [clone(best).set_params(random_state=seed).fit(X, y) for seed in seeds]
    )
    return {
        "observables": X.shape[1],
        "chosen_on": "12000",
        "validation_accuracy": max(scores),
        **over_seeds([model.score(X_test, y_test) for model in fits]),
        "parameters": size_of(fits[0]),
        "multiplications": size_of(fits[0]),
        "fit_seconds": round(seconds / len(fits), 1),
    }


def size_of(model):
    """Return how many numbers a model on pixels keeps, about as many as it multiplies."""
    if isinstance(model, SVC):
        return int(model.support_vectors_.size + model.dual_coef_.size)
    coefs = model.coefs_ if isinstance(model, MLPClassifier) else [model.coef_]
    return int(sum(coef.size for coef in coefs))


def show():
    """Print the table as Markdown: a line for each dictionary, a column for each method."""
    titles = [*METHODS, "exact, transfer set"]
    cells = {}
    for row in TABLE.rows():
        if not row["teacher"]:
            continue
        line = (row["dataset"], row["teacher"], int(row["degree"]), int(row["components"]))
        title = row["method"] + (", transfer set" if row["transfer_set"] != "none" else "")
        best = cells.setdefault(line, {}).get(title)
        # If there are several transfer sets, show the best one on held-out images.
        if best is None or row["validation_accuracy"] > best["validation_accuracy"]:
            cells[line][title] = row
    lines = []
    for (dataset, kind, degree, components), found in sorted(cells.items()):
        accuracies = sorted({100 * float(row["teacher_accuracy"]) for row in found.values()})
        of_teacher = ", ".join(f"{accuracy:.2f}" for accuracy in accuracies)
        n_observables = max(int(row["observables"]) for row in found.values())
        first = f"{dataset}, {kind} {of_teacher}", f"PCA {components}, degree {degree}"
        percents = [percent(found[title]) if title in found else "" for title in titles]
        lines.append([*first, n_observables, *percents])
    runner.print_markdown(["data, teacher", "dictionary", "D", *titles], lines)
    print()
    runner.print_markdown(
        ["data", "on pixels", "accuracy"],
        [[row["dataset"], row["method"], percent(row)] for row in TABLE.where(teacher="")],
    )


def percent(row):
    """Return an accuracy in percent, with the deviation over seeds if there are several."""
    deviation = f" ± {100 * float(row['accuracy_std']):.2f}" if int(row["seeds"]) > 1 else ""
    return f"{100 * float(row['accuracy']):.2f}{deviation}"


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    made.add_argument("--teachers", nargs="+", choices=MAKE, default=TEACHERS)
    made.add_argument("--dictionaries", nargs="+", type=dictionary, metavar="P:Q")
    made.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    made.add_argument("--sets", nargs="+", choices=SETS, metavar="SET")
    made.set_defaults(dictionaries=[dictionary(each) for each in DICTIONARIES])
    made.add_argument(
        "--like", type=dictionary, metavar="P:Q", help="take the settings of this dictionary"
    )
    made.add_argument(
        "--settings", nargs=3, type=float, metavar="S", help="take these settings"
    )
    made.add_argument(
        "--choose-on", type=runner.count, default=12_000, help="rows for choosing settings"
    )
    made.add_argument("--baselines", action="store_true", help="other classifiers instead")
    return made


def main():
    """Measure the missing rows, or show the table."""
    options = runner.parse(parser())
    if options.quick:
        options.datasets, options.teachers = ["mnist"], ["mlp"]
        options.dictionaries = [(6, 2), (4, 3)]
    if options.show:
        show()
    elif options.baselines:
        baselines = [
            Spec(dataset, "", 784, 1, method)
            for dataset, method in product(options.datasets, BASELINES)
        ]
        runner.run(TABLE, baselines, measure_baseline, again=options.again)
    else:
        how_chosen = {
            "n_rows": options.choose_on,
            "like": options.like,
            "given": options.settings,
        }
        runner.run(TABLE, specs(options), partial(measure, **how_chosen), again=options.again)


if __name__ == "__main__":
    main()
