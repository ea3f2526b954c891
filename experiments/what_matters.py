"""What decides how good a student is: curves over one setting at a time.

    python benchmarks/what_matters.py             # all that is missing
    python benchmarks/what_matters.py --studies ridge --datasets mnist --teachers cnn
    python benchmarks/what_matters.py --plot

Students of PCA 40, degree 2 (861 observables), fitted to 12,000 of the 50,000 images that the
teacher was trained on, and judged on the 10,000 training images that neither has seen: the test
images have no part in it. All settings but one are those of STANDARD. The study "rows" is an
exception: it varies the number of images, chooses settings for each on the 10,000, and shows the
accuracy on the test images.

Writes benchmarks/results/what_matters.csv; --plot draws docs/images/what_matters_*.png from it.
"""

import argparse
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from kept_rows import load, save
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from table import CACHE, choose, make_student, rounds
from teachers import FETCH, load_or_train, split

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.teachers import TorchTeacher

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "what_matters.csv"
IMAGES = HERE.parent / "docs" / "images"
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


@dataclass
class Row:
    """One student."""

    study: str
    dataset: str
    teacher: str
    method: str
    value: str
    judged_on: str
    soft_weight: float
    temperature: float
    ridge: float
    transfer_set: str
    rows: int
    accuracy: float


KEY = ("study", "dataset", "teacher", "method", "value")


class Study:
    """A data set and a teacher of which 10,000 training images are unknown."""

    def __init__(self, dataset, kind):
        self.dataset, self.kind = dataset, kind
        self.X, self.y = FETCH[dataset]("train", return_X_y=True)
        self.seen, self.held = split(self.y)
        self.teacher = TorchTeacher(load_or_train(dataset, kind, held_out=True), memory=CACHE)
        few = self.X[self.seen[:N_ROWS]]
        self.lifter = FrozenEstimator(
            make_pipeline(PCA(40, random_state=0), MonomialLifter(2)).fit(few)
        )

    def row(self, study, method, value):
        """Fit one student, standard but for one setting."""
        settings = STANDARD[self.dataset] | {study: value}
        student = make_student(method, self.teacher, 40, 2, settings["transfer_set"])
        student.set_params(lifter=self.lifter, ridge=settings["ridge"])
        if isinstance(student, KoopmanDistilledClassifier):
            has_teacher = student.teacher is not None
            student.set_params(
                soft_weight=settings["soft_weight"] if has_teacher else 0.0,
                temperature=settings["temperature"],
            )
        few = self.seen[:N_ROWS]
        student.fit(self.X[few], self.y[few])
        accuracy = student.score(self.X[self.held], self.y[self.held])
        return self.described(study, method, value, "held out", settings, N_ROWS, accuracy)

    def row_of_some_rows(self, method, n_rows):
        """Choose the settings of a student of some rows, fit it, and test it."""
        few = self.seen[:n_rows]
        to_choose = self.seen[: min(n_rows, N_ROWS)]
        student = make_student(method, self.teacher, 40, 2)
        held_out = self.X[self.held], self.y[self.held]
        trials = rounds(self.dataset, method)
        _, settings = choose(student, trials, self.X[to_choose], self.y[to_choose], *held_out)
        student = clone(student).set_params(**settings).fit(self.X[few], self.y[few])
        accuracy = student.score(*FETCH[self.dataset]("test", return_X_y=True))
        settings = {"transfer_set": "none"} | settings
        return self.described("rows", method, n_rows, "test", settings, n_rows, accuracy)

    def described(self, study, method, value, judged_on, settings, n_rows, accuracy):
        """Return the row of a student."""
        is_edmd = method.startswith("EDMD")
        return Row(
            study=study,
            dataset=self.dataset,
            teacher=self.kind,
            method=method,
            value=str(value),
            judged_on=judged_on,
            soft_weight="" if is_edmd else settings["soft_weight"],
            temperature="" if is_edmd else settings["temperature"],
            ridge=settings["ridge"],
            transfer_set=settings["transfer_set"],
            rows=n_rows,
            accuracy=accuracy,
        )


def todo(study, dataset):
    """Return the (method, value) pairs of a study."""
    values = STUDIES[study]
    if isinstance(values, dict):
        values = values[dataset]
    methods = ("exact",) if study in ("soft_weight", "temperature") else METHODS
    return list(product(methods, values))


def run(dataset, kind, studies):
    """Compute the rows of one teacher that are missing and write each as soon as it is there."""
    there = {tuple(row[name] for name in KEY) for row in load(RESULTS)}
    bench = None
    for study in studies:
        for method, value in todo(study, dataset):
            if (study, dataset, kind, method, str(value)) in there:
                continue
            bench = bench or Study(dataset, kind)
            if study == "rows":
                row = bench.row_of_some_rows(method, value)
            else:
                row = bench.row(study, method, value)
            save(RESULTS, asdict(row), KEY)
            print(row, flush=True)


NAMES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
COLORS = dict(zip(METHODS, ("C0", "C1", "C2", "C3"), strict=True))


def plot():
    """Draw a picture of every study."""
    import matplotlib.pyplot as plt

    rows = load(RESULTS)
    for study in STUDIES:
        pairs = sorted(
            {(row["dataset"], row["teacher"]) for row in rows if row["study"] == study},
            key=lambda pair: (pair[0] != "mnist", pair[1]),
        )
        figure, axes = plt.subplots(
            1,
            len(pairs),
            figsize=(3.6 * len(pairs) + 0.6, 3.4),
            layout="constrained",
            squeeze=False,
        )
        for axis, (dataset, teacher) in zip(axes[0], pairs, strict=True):
            panel = [
                row
                for row in rows
                if (row["study"], row["dataset"], row["teacher"]) == (study, dataset, teacher)
            ]
            draw(axis, study, panel)
            axis.set_title(f"{NAMES[dataset]}, {teacher} teacher", fontsize=10)
        axes[0][0].set_ylabel(f"error on {panel[0]['judged_on']} images (%)")
        curves = axes[0][0].get_legend_handles_labels()
        figure.legend(*curves, loc="outside lower center", ncols=len(METHODS), fontsize=8)
        figure.savefig(IMAGES / f"what_matters_{study}.png", dpi=110)
        plt.close(figure)


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
            axis.plot(x, errors, "o-", color=COLORS[method], label=method, markersize=4)
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


def main():
    """Run what is missing, or draw what there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", choices=FETCH, default=list(FETCH))
    parser.add_argument("--teachers", nargs="+", default=("cnn", "mlp"))
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--plot", action="store_true", help="draw what there is")
    options = parser.parse_args()
    if options.plot:
        plot()
        return
    for dataset, kind in product(options.datasets, options.teachers):
        run(dataset, kind, options.studies)


if __name__ == "__main__":
    main()
