"""How good the best student of at most m observables is, from 50 to 12,341.

    python experiments/sparse.py
    python experiments/sparse.py --sizes 500 1000
    python experiments/sparse.py --teacher cnn --transfer-set shifts8 --sizes 1000 4000
    python experiments/sparse.py --plot
    python experiments/sparse.py --group-penalty

The dictionary has all monomials of degree 3 in 40 PCA coordinates. The observables are chosen
greedily (ObservableSelector), and the student is then distilled anew on the chosen ones. The choice
goes by the labels, by the teacher's logits, or by the logits of a student of 2,000 observables. The
observables of this student are chosen by the teacher's logits, and its rows weigh as much as their
loss curves. Plain dictionaries of other sizes stand beside these students.

Everything is chosen without the test images. 10,000 training images are held out, and a perceptron
is trained on the other 50,000. Observables are chosen and candidates fitted on these 50,000. For
each m, the most accurate candidate on the 10,000 decides the basis of the choice, soft weight,
temperature and ridge. Students of more than 3,000 observables cost more: they try two ridges, at
the soft weight and temperature that are best at 2,000. The student of all 12,341 tries nothing, and
takes the ridge that is best at 4,000. Then teacher, choice and student are fitted to all 60,000.

With a transfer set, the teacher's logits of 30,000 of the rows and made rows choose the
observables, and students are fitted to all of them. Nothing is tried: soft weight, temperature and
ridge are those that table.py chose for PCA 60, degree 2, with this teacher and this set.

Writes experiments/results/sparse.csv; --plot draws docs/images/sparse_students.png from it.

With --group-penalty, greedy choice stands beside a group penalty at the same number of observables.
There are 285 monomials of degree 3 in 10 PCA coordinates of scikit-learn's digits. Each way chooses
m of them, and least squares is then fitted anew on these (ridge 1e-4). The group penalty is
scikit-learn's MultiTaskLasso on the standardised observables and one-hot labels, at the largest
penalty of a path that keeps m or more. The m observables with the largest coefficients stay. The
table has means over five folds; everything is chosen on the training rows. Writes
experiments/results/group_penalty.csv.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import MultiTaskLasso
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments import runner, table
from experiments.images import DATASETS, images, split
from experiments.students import TOL
from experiments.teachers import MAKE, teacher
from experiments.transfer_sets import SETS, as_transfer_set
from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
)
from sklearn_koopman.inspection import cost, fidelity_score

COMPONENTS, DEGREE = 40, 3
SIZES = [50, 100, 200, 500, 1000, 2000, 4000]
CHOICES = ["labels", "logits", "student"]
FIRST = 2000  # size of the student whose logits choose the observables of smaller ones
LARGE = 3000  # from here on, few settings are tried
LARGE_SOFT = 0.9, 2.0
LARGEST = 10_000
PLAIN = [(40, 1), (20, 2), (40, 2), (60, 2), (20, 3), (30, 3), (COMPONENTS, DEGREE)]
SOFT = [(0.5, 2.0), (0.9, 2.0), (1.0, 4.0)]
RIDGES = [1e-5, 1e-4, 1e-3]
ROWS_TO_CHOOSE_BY = 30_000  # if there is a transfer set
FEW = (10, 20, 40, 80)  # numbers of observables for the group penalty


def by_size(row):
    """Return the key by which rows are sorted."""
    return [
        row[name].zfill(9) for name in ("dataset", "teacher", "transfer_set", "observables")
    ]


KEY = ("dataset", "teacher", "transfer_set", "dictionary", "observables")
CURVE = runner.Results("sparse.csv", KEY, order=by_size)


@dataclass(frozen=True)
class Spec:
    """A student of some observables of a dictionary, or of all of them."""

    dataset: str
    teacher: str
    transfer_set: str
    observables: int
    dictionary: str

    @property
    def components_and_degree(self):
        """The two numbers in the name of the dictionary."""
        components, degree = self.dictionary.removeprefix("PCA ").split(", degree ")
        return int(components), int(degree)

    @property
    def choices(self):
        """The possible bases of the choice of observables."""
        components, degree = self.components_and_degree
        if self.observables == comb(components + degree, degree):
            return ["all"]
        if self.observables > LARGE:
            return ["logits"]
        return CHOICES if self.observables < FIRST else CHOICES[:2]


def components_to_choose_from():
    """Return the number of PCA coordinates whose monomials are candidates."""
    return runner.full_or_quick(COMPONENTS, 10)


class Rows:
    """The rows of a fit, and the observables chosen by them."""

    def __init__(self, X, y, teacher, made):
        self.X, self.y, self.teacher = X, y, teacher
        self.transfer_set = as_transfer_set(made)
        self.selectors, self.seconds = {}, {}
        self.pcas = {}
        self.components = components_to_choose_from()

    def pca(self, components):
        """Return the PCA of the rows with some number of components."""
        if components not in self.pcas:
            self.pcas[components] = PCA(components, random_state=0).fit(self.X)
        return self.pcas[components]

    def to_choose_by(self):
        """Return the rows for choosing observables, and their labels, -1 for made rows."""
        if self.transfer_set is None:
            return self.X, self.y
        rows = self.transfer_set.enlarge(self.X)
        some = np.linspace(0, len(rows) - 1, ROWS_TO_CHOOSE_BY).astype(int)
        return rows[some], rows.repeated(self.y.astype(int), -1)[some]

    def select(self, chosen_by):
        """Choose as many observables as are needed. The choice is kept, as choices are nested."""
        if chosen_by not in self.selectors:
            most = {"labels": FIRST, "logits": SIZES[-1], "student": FIRST // 2}[chosen_by]
            most = runner.full_or_quick(most, 60)
            selector = ObservableSelector(
                MonomialLifter(DEGREE), max_observables=most, unlabeled_value=-1
            )
            X, y = self.to_choose_by()
            targets, weight = self.targets(chosen_by, X, y)
            Z = self.pca(self.components).transform(X)
            _, self.seconds[chosen_by] = runner.timed(
                selector.fit, Z, targets, sample_weight=weight
            )
            self.selectors[chosen_by] = selector
            print(f"chosen by {chosen_by}: {self.seconds[chosen_by]:.0f} s", flush=True)
        return self.selectors[chosen_by]

    def targets(self, chosen_by, X, y):
        """Return the targets of the choice, and the weights of the rows."""
        if chosen_by == "labels":
            return y.astype(int), None
        if chosen_by == "logits":
            logits = self.teacher(X)
            return logits - logits.mean(axis=1, keepdims=True), None
        settings = 0.9, 2.0, 1e-4
        first, _ = self.fit(
            (self.components, DEGREE),
            "logits",
            runner.full_or_quick(FIRST, 60),
            *settings,
            tol=1e-4,
        )
        logits = first.decision_function(X)
        # The curvature of the soft loss: the trace of diag(q) - q q^T.
        curvature = 1 - np.square(softmax(logits / 2.0, axis=1)).sum(axis=1)
        return logits - logits.mean(axis=1, keepdims=True), curvature

    def fit(self, dictionary, chosen_by, size, soft_weight, temperature, ridge, tol):
        """Return a student that takes pixels, and the seconds that its fit took."""
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
        return runner.timed(student.fit, self.X, self.y)


@lru_cache(maxsize=2)
def rows_of(dataset, kind, made, held_out):
    """Return all training rows and their teacher, or the same without the held-out images."""
    X, y = images(dataset, "train")
    if held_out:
        seen, _ = split(y)
        X, y = X[seen], y[seen]
    return Rows(X, y, teacher(dataset, kind, held_out=held_out), made)


def candidates(spec):
    """Return (validation accuracy, chosen by, soft weight, temperature, ridge) of all trials."""
    if spec.transfer_set != "none":
        like = table.Spec(spec.dataset, spec.teacher, 60, 2, "exact", spec.transfer_set)
        return [(np.nan, "logits", *table.settings_in(table.row_of(like)).values())]
    size, choices = spec.observables, spec.choices
    if size > LARGEST:  # nothing to choose
        return [(np.nan, choices[0], *LARGE_SOFT, RIDGES[-1])]
    X, y = images(spec.dataset, "train")
    _, held = split(y)
    train = rows_of(spec.dataset, spec.teacher, "none", held_out=True)

    def tried(settings):
        for chosen_by, *numbers in settings:
            student, seconds = train.fit(
                spec.components_and_degree, chosen_by, size, *numbers, tol=1e-4
            )
            score = student.score(X[held], y[held])
            print(f"   {size} {chosen_by} {numbers} {score:.4f} {seconds:.1f} s", flush=True)
            yield score, chosen_by, *numbers

    if size > LARGE:
        return list(tried((choices[0], *LARGE_SOFT, ridge) for ridge in RIDGES[1:]))
    first = RIDGES[1]
    found = list(tried((by, *soft, first) for by in choices for soft in SOFT))
    _, *best, _ = max(found)
    return found + list(tried((*best, ridge) for ridge in RIDGES if ridge != first))


def measure(spec):
    """Return the row of the best candidate, fitted to all rows."""
    found = candidates(spec)
    score, chosen_by, *settings = max(found)
    best_by = {
        f"validation_{by}": max((each[0] for each in found if each[1] == by), default=np.nan)
        for by in CHOICES
    }
    train = rows_of(spec.dataset, spec.teacher, spec.transfer_set, held_out=False)
    tol = 1e-5 if spec.transfer_set == "none" else TOL
    student, seconds = train.fit(
        spec.components_and_degree, chosen_by, spec.observables, *settings, tol=tol
    )
    X_test, y_test = images(spec.dataset, "test")
    says, predicted = train.teacher(X_test).argmax(axis=1), student.predict(X_test)
    operations = cost(student, X_test[:1], n_repeats=1)
    return {
        "chosen_by": chosen_by,
        **dict(zip(table.SETTINGS, settings, strict=True)),
        "validation_accuracy": score,
        **best_by,
        "accuracy": accuracy_score(y_test, predicted),
        "fidelity": fidelity_score(says, predicted),
        "teacher_accuracy": accuracy_score(y_test, says),
        "parameters": operations.parameters,
        "multiplications": operations.multiplications,
        "select_seconds": train.seconds.get(chosen_by, 0.0),
        "fit_seconds": seconds,
    }


def specs(options):
    """Return the students that the options ask for."""
    students = [(size, components_to_choose_from(), DEGREE) for size in SIZES]
    students += [(comb(p + degree, degree), p, degree) for p, degree in PLAIN]
    return [
        Spec(
            options.dataset,
            options.teacher,
            options.transfer_set,
            size,
            f"PCA {components}, degree {degree}",
        )
        for size, components, degree in students
        if size in (options.sizes or [size])
    ]


@dataclass(frozen=True)
class Way:
    """A way to choose observables."""

    way: str


def by_penalty(psi, y, sizes):
    """Return the m observables with the largest coefficients for each m."""
    phi = StandardScaler().fit_transform(psi)
    targets = np.eye(10)[y]
    targets -= targets.mean(axis=0)
    largest = np.linalg.norm(phi.T @ targets, axis=1).max() / len(phi)
    lasso = MultiTaskLasso(warm_start=True, fit_intercept=False, tol=1e-3)
    chosen = {}
    for penalty in largest * np.geomspace(0.7, 0.005, 20):
        norms = np.linalg.norm(lasso.set_params(alpha=penalty).fit(phi, targets).coef_, axis=0)
        for size in sizes:
            if size not in chosen and np.count_nonzero(norms) >= size:
                chosen[size] = np.argsort(-norms)[:size]
        if len(chosen) == len(sizes):
            break
    return chosen


def greedily(psi, y, sizes):
    """Return the first m observables of a greedy choice for each m."""
    order = ObservableSelector(max_observables=max(sizes)).fit(psi, y).order_
    return {size: order[:size] for size in sizes}


WAYS = {"greedy": greedily, "group penalty": by_penalty}


def measure_way(spec):
    """Return the accuracies of students of m observables, chosen in one way."""
    X, y = load_digits(return_X_y=True)
    scores = {size: [] for size in FEW}
    seconds = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        pca = PCA(10, random_state=0).fit(X[train])
        lifter = MonomialLifter(3, include_bias=False)
        psi, psi_test = (lifter.fit_transform(pca.transform(X[rows])) for rows in (train, test))
        chosen, of_choice = runner.timed(WAYS[spec.way], psi, y[train], FEW)
        seconds.append(of_choice)
        for size in FEW:
            student = EDMDClassifier(ridge=1e-4).fit(psi[:, chosen[size]], y[train])
            scores[size].append(student.score(psi_test[:, chosen[size]], y[test]))
    return {
        "seconds": f"{np.mean(seconds):.3f}",
        **{str(size): f"{np.mean(scores[size]):.4f}" for size in FEW},
    }


# Where the name of a plain dictionary is written beside its point.
LABEL_AT = {"PCA 20, degree 3": (-4, -24), "PCA 40, degree 2": (-40, -14)}


def plot():
    """Draw accuracy over the number of observables."""
    import matplotlib.pyplot as plt

    rows = CURVE.where(dataset="mnist", teacher="mlp", transfer_set="none")
    _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    kinds = {
        "chosen of PCA 40, degree 3": ("o-", runner.STUDENT),
        "plain dictionaries": ("s", runner.ANOTHER),
    }
    for kind, (style, color) in kinds.items():
        points = [row for row in rows if (row["chosen_by"] == "all") == (kind[0] == "p")]
        x = [int(row["observables"]) for row in points]
        accuracy = [100 * float(row["accuracy"]) for row in points]
        ax.plot(x, accuracy, style, color=color, label=kind)
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
    ax.axhline(teacher, color=runner.TEACHER, linestyle=":", label="teacher (perceptron)")
    ax.set_xscale("log")
    ax.set_xlabel("observables")
    ax.set_ylabel("MNIST test accuracy (%)")
    ax.set_xlim(35, 25_000)
    ax.set_ylim(90, 99.6)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="lower right")
    runner.save_picture(ax.figure, "sparse_students", dpi=130)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__, plot=True)
    made.add_argument(
        "--sizes", type=runner.count, nargs="+", help="only these sizes; default all"
    )
    made.add_argument("--dataset", choices=DATASETS, default="mnist")
    made.add_argument("--teacher", choices=MAKE, default="mlp")
    made.add_argument("--transfer-set", choices=SETS, default="none")
    made.add_argument("--group-penalty", action="store_true", help="only the group penalty")
    return made


def main():
    """Measure, draw or show one of the tables."""
    options = runner.parse(parser())
    if options.group_penalty:
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = runner.Results("group_penalty.csv", ["way"])
        runner.carry_out(options, results, [Way(way) for way in WAYS], measure_way)
        return
    if options.quick:
        options.sizes = [50, 861]
    runner.carry_out(options, CURVE, specs(options), measure, plot)


if __name__ == "__main__":
    main()
