"""What decides how good a student is, one setting at a time.

    python experiments/what_matters.py             # all missing points
    python experiments/what_matters.py --studies ridge --datasets mnist --teachers cnn
    python experiments/what_matters.py --plot

Students of PCA 40, degree 2 (861 observables) are fitted to 12,000 of the 50,000 images on which
the teacher was trained. They are judged on the 10,000 training images that neither has seen; the
test images play no part. All settings but one are those of STANDARD. The study "rows" is an
exception: it varies the number of images, chooses settings for each number on the 10,000, and shows
the accuracy on the test images.

Writes experiments/results/what_matters.csv; --plot draws docs/images/what_matters_*.png from it.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from experiments import runner
from experiments.images import DATASETS, images, split
from experiments.students import choose, make_student, rounds
from experiments.teachers import MAKE, teacher
from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter

CURVES = runner.Results("what_matters.csv", ("study", "dataset", "teacher", "method", "value"))
METHODS = ("exact", "no teacher", "EDMD, logits", "EDMD, labels")
N_ROWS = 12_000
STANDARD = {
    "mnist": {"soft_weight": 1.0, "temperature": 2.0, "ridge": 1e-4, "transfer_set": "none"},
    "fashion_mnist": {
        "soft_weight": 0.5,
        "temperature": 2.0,
        "ridge": 1e-3,
        "transfer_set": "none",
    },
}
COPIES = {
    "mnist": ("none", "shifts1", "shifts2", "shifts4", "shifts8"),
    "fashion_mnist": ("none", "flips", "flips, shifts4", "flips x shifts4"),
}
STUDIES = {
    "soft_weight": (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0),
    "temperature": (0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
    "ridge": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    "transfer_set": COPIES,
    "rows": (500, 1000, 2000, 5000, 20_000),
}


@dataclass(frozen=True)
class Spec:
    """One point of a curve."""

    study: str
    dataset: str
    teacher: str
    method: str
    value: float | str


class Bench:
    """A data set and a teacher that has not seen 10,000 training images."""

    def __init__(self, dataset, kind):
        self.X, self.y = images(dataset, "train")
        self.seen, self.held = split(self.y)
        self.teacher = teacher(dataset, kind, held_out=True)
        few = self.X[self.seen[:N_ROWS]]
        self.lifter = FrozenEstimator(
            make_pipeline(PCA(40, random_state=0), MonomialLifter(2)).fit(few)
        )

    def rows(self, indices):
        """Return images and labels."""
        return self.X[indices], self.y[indices]

    def with_standard_settings(self, spec):
        """Fit a student with standard settings except for one, and judge it on held-out images."""
        settings = STANDARD[spec.dataset] | {spec.study: spec.value}
        student = make_student(spec.method, self.teacher, 40, 2, settings["transfer_set"])
        student.set_params(lifter=self.lifter, ridge=settings["ridge"])
        if isinstance(student, KoopmanDistilledClassifier):
            has_teacher = student.teacher is not None
            student.set_params(
                soft_weight=settings["soft_weight"] if has_teacher else 0.0,
                temperature=settings["temperature"],
            )
        student.fit(*self.rows(self.seen[:N_ROWS]))
        return described(spec, settings, N_ROWS, student.score(*self.rows(self.held)))

    def with_some_rows(self, spec):
        """Choose the settings of a student for some number of rows, fit it, and test it."""
        n_rows = spec.value
        student = make_student(spec.method, self.teacher, 40, 2)
        to_choose = self.rows(self.seen[: min(n_rows, N_ROWS)])
        trials = rounds(spec.dataset, spec.method)
        _, settings = choose(student, trials, *to_choose, *self.rows(self.held))
        student = clone(student).set_params(**settings).fit(*self.rows(self.seen[:n_rows]))
        accuracy = student.score(*images(spec.dataset, "test"))
        return described(spec, {"transfer_set": "none"} | settings, n_rows, accuracy)


@lru_cache(maxsize=1)
def bench(dataset, kind):
    """Return the data set and the teacher that were asked for last, or load them."""
    return Bench(dataset, kind)


def measure(spec):
    """Return one point of a curve."""
    of_pair = bench(spec.dataset, spec.teacher)
    if spec.study == "rows":
        return of_pair.with_some_rows(spec)
    return of_pair.with_standard_settings(spec)


def described(spec, settings, n_rows, accuracy):
    """Return the row of a student."""
    is_edmd = spec.method.startswith("EDMD")
    return {
        "judged_on": "test" if spec.study == "rows" else "held out",
        "soft_weight": "" if is_edmd else settings["soft_weight"],
        "temperature": "" if is_edmd else settings["temperature"],
        "ridge": settings["ridge"],
        "transfer_set": settings["transfer_set"],
        "rows": n_rows,
        "accuracy": accuracy,
    }


def points(study, dataset):
    """Return the (method, value) pairs of a study."""
    values = STUDIES[study]
    if isinstance(values, dict):
        values = values[dataset]
    methods = ("exact",) if study in ("soft_weight", "temperature") else METHODS
    return product(methods, values)


NAMES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
TEACHERS = {"cnn": "convolutional teacher", "mlp": "perceptron as teacher"}
COLORS = dict(
    zip(METHODS, (runner.STUDENT, runner.NO_TEACHER, "#5c677d", runner.EDMD), strict=True)
)
LABELS = {"exact": "distilled", "no teacher": "without a teacher"}


def plot():
    """Draw a picture of every study."""
    import matplotlib.pyplot as plt

    for study in STUDIES:
        pairs = sorted(
            {(row["dataset"], row["teacher"]) for row in CURVES.where(study=study)},
            key=lambda pair: (pair[0] != "mnist", pair[1]),
        )
        figure, axes = plt.subplots(
            1,
            len(pairs),
            figsize=(max(3.6 * len(pairs) + 0.6, 6.4), 3.4),
            layout="constrained",
            squeeze=False,
        )
        for axis, (dataset, kind) in zip(axes[0], pairs, strict=True):
            panel = CURVES.where(study=study, dataset=dataset, teacher=kind)
            draw(axis, study, panel)
            axis.set_title(f"{NAMES[dataset]}, {TEACHERS[kind]}", fontsize=10)
        of_mnist = [
            axis for axis, pair in zip(axes[0], pairs, strict=True) if pair[0] == "mnist"
        ]
        for axis in of_mnist:  # one scale, so that they can be compared
            axis.set_ylim(*share(of_mnist))
        axes[0][0].set_ylabel(f"error on {panel[0]['judged_on']} images (%)")
        curves = axes[0][0].get_legend_handles_labels()
        figure.legend(*curves, loc="outside lower center", ncols=len(METHODS), fontsize=8,
                      frameon=False)  # fmt: skip
        runner.save_picture(figure, f"what_matters_{study}", dpi=110)
        plt.close(figure)


def share(axes):
    """Return the limits that hold the curves of all axes."""
    limits = [axis.get_ylim() for axis in axes]
    return min(low for low, _ in limits), max(high for _, high in limits)


def draw(axis, study, panel):
    """Draw the curves of one data set and teacher."""
    names = list(dict.fromkeys(row["value"] for row in panel))
    for method in METHODS:
        curve = [row for row in panel if row["method"] == method]
        if study == "transfer_set":
            x = [names.index(row["value"]) for row in curve]
        else:
            curve.sort(key=lambda row: float(row["value"]))
            x = [float(row["value"]) for row in curve]
        errors = [100 - 100 * float(row["accuracy"]) for row in curve]
        if curve:
            axis.plot(x, errors, "o--" if "logits" in method else "o-", color=COLORS[method],
                      label=LABELS.get(method, method), markersize=4)  # fmt: skip
    if study == "transfer_set":
        axis.set_xticks(range(len(names)), names, rotation=20)
    elif study == "temperature":
        axis.set_xscale("log", base=2)
    elif study != "soft_weight":
        axis.set_xscale("log")
    if study == "rows":
        axis.set_yscale("log")
        axis.axvline(861, color="gray", linestyle=":")
        axis.annotate("D = n", (900, 12), fontsize=8)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
    axis.set_xlabel(study.replace("_", " ") if study != "rows" else "training rows n")
    axis.grid(alpha=0.3)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__, plot=True)
    made.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    made.add_argument("--teachers", nargs="+", choices=MAKE, default=("cnn", "mlp"))
    made.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES))
    return made


def main():
    """Measure the missing points, or draw or show the table."""
    options = runner.parse(parser())
    if options.quick:
        options.datasets, options.teachers = ["mnist"], ["mlp"]
    specs = [
        Spec(study, dataset, kind, *point)
        for dataset, kind in product(options.datasets, options.teachers)
        for study in options.studies
        for point in points(study, dataset)
    ]
    runner.carry_out(options, CURVES, specs, measure, plot)


if __name__ == "__main__":
    main()
