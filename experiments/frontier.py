"""Pictures of the page of results, drawn from the committed tables.

    python experiments/frontier.py

Writes to docs/images: frontier_mnist.png, frontier_fashion_mnist.png and frontier_cifar10.png show
accuracy against multiplications and bytes; teacher_worth.png shows what a teacher is worth, by
observables and by rows. This script measures nothing.
"""

import argparse
from dataclasses import dataclass
from itertools import chain

import numpy as np

from experiments import runner
from experiments.runner import read
from experiments.teachers import COSTS

TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
TEACHERS = {"mlp": "perceptron", "cnn": "convolutional", "resnet18": "ResNet-18"}
SMALL = "small residual"  # the networks of `image_network`, for MNIST and for CIFAR-10
ALTERNATIVES = {
    "LogisticRegression": "logistic regression",
    "MLP, 64 hidden": "64 hidden units",
    "RBF-SVC": "RBF-SVC",
}
PRODUCTS = ("exact", "active", "active, triples", "squares", "sparse")
COLORS = {
    "products": runner.STUDENT,
    "filters": runner.FILTERS,
    "few bits": runner.STUDENT,
    "least squares": runner.EDMD,
    "other classifiers": runner.ANOTHER,
    "teachers": runner.TEACHER,
}
MARKERS = {
    "products": "o",
    "filters": "D",
    "few bits": "^",
    "least squares": "x",
    "other classifiers": "s",
    "teachers": "*",
}
LABELS = {
    "products": "student: products of coordinates",
    "filters": "student: filters",
    "few bits": "861 products in 2 to 8 bits",
    "least squares": "least squares (EDMD)",
}
STUDENTS = ("products", "filters", "few bits", "least squares")
# Where names are written: points to the right and up from their marker, and the alignment.
PLACES = {
    "64 hidden units": (7, -12, "left"),
    "logistic regression": (7, -3, "left"),
    "convolutional": (0, 9, "center"),
}


@dataclass(frozen=True)
class Point:
    """A classifier: its costs, and the percentage of test images that it gets right."""

    kind: str
    parameters: int
    multiplications: int
    accuracy: float
    name: str = ""
    bits: float = 32

    @property
    def bytes(self):
        """Bytes of its parameters."""
        return self.bits * self.parameters / 8


def rows_of(file, dataset):
    """Return the rows of a table that belong to a data set."""
    return [row for row in read(runner.RESULTS / file) if row["dataset"] == dataset]


def percent(row, column="accuracy"):
    """Return a column of a row in percent."""
    return 100 * float(row[column])


def points_of(dataset):
    """Return everything that was measured on a data set, as points."""
    points = []
    named = {}
    for row in rows_of("table.csv", dataset):
        method = row["method"]
        kind = "least squares" if method.startswith("EDMD") else None
        kind = "other classifiers" if method in ALTERNATIVES else kind
        kind = "products" if method in PRODUCTS else kind
        if kind is not None:
            points.append(point(kind, row, ALTERNATIVES.get(method, "")))
        if row["teacher"] in COSTS:
            named[row["teacher"]] = percent(row, "teacher_accuracy")
    teachers = {multiplications: teacher for teacher, (_, multiplications) in COSTS.items()}
    kinds = {"EDMD": "least squares", "EDMD, teacher": "least squares", "distilled": "filters"}
    for row in rows_of("convolutional.csv", dataset):
        if row["student"] in kinds:
            kind = kinds[row["student"]]
            is_product = row["dictionary"] == "monomials" and kind == "filters"
            points.append(point("products" if is_product else kind, row))
        teacher = teachers[int(row["teacher_multiplications"])]
        named[teacher] = percent(row, "teacher_accuracy")
    points += few_bits(dataset)
    for teacher, accuracy in named.items():
        name = TEACHERS.get(teacher, SMALL)
        points.append(Point("teachers", *COSTS[teacher], accuracy, name))
    return points


def point(kind, row, name=""):
    """Return the point of a row."""
    cost = (int(row[column]) for column in ("parameters", "multiplications"))
    return Point(kind, *cost, percent(row), name)


def few_bits(dataset):
    """Return the students of PCA 40, degree 2, whose numbers are all rounded."""
    file = runner.RESULTS / f"bits-{dataset}.csv"
    costs = (
        (int(row["parameters"]), int(row["multiplications"]))
        for row in rows_of("table.csv", dataset)
        if (row["components"], row["degree"], row["method"]) == ("40", "2", "exact")
    )
    return [
        Point("few bits", *cost, percent(row), bits=int(row["bits"]))
        for cost in list(costs)[:1]
        for row in read(file)
        if (row["rounded"], row["rounding"]) == ("matrix and PCA", "error feedback")
    ]


def frontier(points, cost):
    """Return the points that no cheaper one beats, cheapest first."""
    best = []
    for each in sorted(points, key=lambda each: (getattr(each, cost), -each.accuracy)):
        if not best or each.accuracy > best[-1].accuracy:
            best.append(each)
    return best


def scale_by_error(axis, ticks):
    """Scale an axis so that each halving of the error is equally long; ticks are percents."""
    axis.set_yscale(
        "function",
        functions=(
            lambda accuracy: -np.log10(np.maximum(100 - np.asarray(accuracy, float), 1e-3)),
            lambda place: 100 - 10 ** -np.asarray(place, float),
        ),
    )
    axis.set_yticks(ticks, [f"{tick:g} %" for tick in ticks])
    axis.set_yticks([], minor=True)


TICKS = {
    "mnist": (92, 94, 96, 97, 98, 98.5, 99, 99.3, 99.6),
    "fashion_mnist": (82, 84, 86, 88, 90, 91, 92, 93),
    "cifar10": (80, 82, 84, 86, 88, 90, 92, 93),
}
LEAST = {"mnist": 91, "fashion_mnist": 81, "cifar10": 79}
MOST = {"mnist": 99.7, "fashion_mnist": 93.4, "cifar10": 93.6}


def draw_frontier(dataset):
    """Draw accuracy against multiplications and against bytes."""
    import matplotlib.pyplot as plt

    points = points_of(dataset)
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.6), layout="constrained", sharey=True)
    for axis, cost in zip(axes, ("multiplications", "bytes"), strict=True):
        draw_points(axis, points, cost)
        axis.set_xscale("log")
        scale_by_error(axis, TICKS[dataset])
        axis.set_ylim(LEAST[dataset], MOST[dataset])
        axis.margins(x=0.3 if dataset == "cifar10" else 0.12)
        axis.grid(alpha=0.3)
    axes[0].set_xlabel("multiplications for one image")
    axes[1].set_xlabel("bytes of parameters (float32, or fewer bits)")
    axes[0].set_ylabel("test accuracy")
    figure.suptitle(TITLES[dataset])
    handles = axes[1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


def draw_points(axis, points, cost):
    """Draw the points, the names of some, and the line of the best students."""
    from matplotlib.patheffects import withStroke

    if cost == "multiplications":  # rounding changes nothing there
        points = [each for each in points if each.kind != "few bits"]
    for kind, color in COLORS.items():
        chosen = [each for each in points if each.kind == kind]
        if not chosen:
            continue
        axis.scatter(
            [getattr(each, cost) for each in chosen],
            [each.accuracy for each in chosen],
            s={"teachers": 120, "other classifiers": 45}.get(kind, 24),
            color=color,
            marker=MARKERS[kind],
            label=LABELS.get(kind, kind),
            alpha=0.9,
            zorder=3,
        )
        for each in chosen:
            if each.name:
                *place, end = PLACES.get(each.name, (0, -14, "center"))
                axis.annotate(
                    each.name,
                    (getattr(each, cost), each.accuracy),
                    xytext=place,
                    textcoords="offset points",
                    ha=end,
                    fontsize=8,
                    color=color,
                    zorder=4,
                    path_effects=[withStroke(linewidth=2.5, foreground="white")],
                )
    best = frontier([each for each in points if each.kind in STUDENTS], cost)
    axis.plot(
        [getattr(each, cost) for each in best],
        [each.accuracy for each in best],
        color="#777777",
        linewidth=1,
        drawstyle="steps-post",
        label="the best students",
        zorder=2,
    )


def differences(rows, column, without, distilled, group):
    """Return {group: [(observables, points that the teacher is worth), ...]}."""
    found = {}
    for row in rows:
        key = tuple(row[name] for name in (*group, "observables"))
        found.setdefault(key, {})[row[column]] = row
    worth: dict[str, list] = {}
    for (first, *_, observables), both in found.items():
        if {without, distilled} <= both.keys():
            points = percent(both[distilled]) - percent(both[without])
            worth.setdefault(first, []).append((int(observables), points))
    return {name: sorted(pairs) for name, pairs in worth.items()}


STANDARD_ERRORS = {"mnist": 0.13, "fashion_mnist": 0.32}


def draw_worth():
    """Draw what a teacher is worth, by observables and by rows."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained")
    markers = dict(zip(TEACHERS, "osv", strict=True))
    for axis, dataset in zip(axes, ("mnist", "fashion_mnist"), strict=False):
        rows = [row for row in rows_of("table.csv", dataset) if row["transfer_set"] == "none"]
        group = ("teacher", "components", "degree")
        products = differences(rows, "method", "no teacher", "exact", group)
        for teacher, name in TEACHERS.items():
            axis.plot(*zip(*products[teacher], strict=True), markers[teacher], markersize=5,
                      color=runner.STUDENT, alpha=0.8, label=f"products, {name}")  # fmt: skip
        rows = rows_of("convolutional.csv", dataset)
        rows = [row for row in rows if row["dictionary"] != "monomials"]
        group = ("teacher_accuracy", "dictionary", "transfer_set")
        pairs = differences(rows, "student", "no teacher", "distilled", group)
        axis.plot(*zip(*chain(*pairs.values()), strict=True), "D", markersize=4,
                  color=runner.FILTERS, label="filters")  # fmt: skip
        error = STANDARD_ERRORS[dataset]
        axis.axhspan(-error, error, color="#777777", alpha=0.15, linewidth=0,
                     label="one standard error of 10,000 images")  # fmt: skip
        axis.set(title=TITLES[dataset], xscale="log", xlabel="observables", ylim=(-0.4, 1))
    rows = [
        row
        for row in read(runner.RESULTS / "what_matters.csv")
        if row["study"] == "rows" and row["dataset"] == "mnist"
    ]
    found = {(row["method"], int(row["value"])): percent(row) for row in rows}
    counts = sorted({count for _, count in found})
    worth = [found["exact", count] - found["no teacher", count] for count in counts]
    axes[2].plot(counts, worth, "o-", markersize=4, color=runner.STUDENT)
    axes[2].set(title="MNIST, 861 products", xscale="log", xlabel="training images")
    axes[2].set_xticks(counts, [f"{count:,}" for count in counts], fontsize=8, rotation=30)
    axes[2].set_xticks([], minor=True)
    axes[0].set_ylabel("worth of the teacher (points)")
    for axis in axes:
        axis.axhline(0, color="#777777", linewidth=1)
        axis.grid(alpha=0.3)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


def parser():
    """Return the parser of the command line."""
    return argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def main():
    """Draw all pictures."""
    parser().parse_args()
    for dataset in TITLES:
        runner.save_picture(draw_frontier(dataset), f"frontier_{dataset}", dpi=110)
    runner.save_picture(draw_worth(), "teacher_worth", dpi=110)


if __name__ == "__main__":
    main()
