"""How accurate students are with few kilobytes of flash, as C on a microcontroller.

    python experiments/microcontrollers.py --held-out
    python experiments/microcontrollers.py
    python experiments/microcontrollers.py --plot

Students have convolutional observables. Their filters are found without labels, or trained
(`eyes.py`), and rounded. After that the matrix is fitted, distilled from ResNet-18, and rounded.
The first command fits the students of `CANDIDATES` to five sixths of the training images. It
measures them on the last sixth, which no teacher has seen (microcontrollers_held_out.csv). The
second command takes the best student of each size and fits it to all training images. For MNIST,
four shifted copies of each image are added, if they fit into memory. The student is written as C in
integers and measured on the 10,000 test images (microcontrollers.csv).

A size is that of all tables. `flash` counts the code and its libraries too. `memory` counts the
buffers, the image and the stack at its deepest. `accuracy` is that of the numpy twin of the C, on
all test images. `emulated` is the number of test images that ran on the emulated core, a
Cortex-M0+, and `equal` is the share of these whose labels are the twin's. `instructions` are those
for one image. `seconds` is the processor time of fitting and rounding, on one core.
"""

from dataclasses import dataclass
from time import process_time

from experiments import convolutional, eyes, runner
from experiments.images import DATASETS
from sklearn_koopman import ConvolutionalLifter, EDMDClassifier, KoopmanDistilledClassifier
from sklearn_koopman.deployment import bench_on_mcu, quantise_student, to_c
from sklearn_koopman.pipeline import make_pipeline

KILOBYTES = [1, 2, 4, 8, 12, 16, 32, 64]
# For these sizes all test images run on the emulated core, for others only a few.
ALL_EMULATED = [4, 12]
FEW_EMULATED = 1000
BOARD = "cortex-m0plus"
BITS = [2, 3, 4, 5]
HELD_OUT = "microcontrollers_held_out.csv"
# For MNIST at 16 x 16, trained with rounding in mind (BitNetMCU): kilobytes and accuracy.
PUBLISHED = {
    "published: dense, trained with rounding": [(1.1, 94.22), (12.3, 99.02)],
    "published: convolutional, trained with rounding": [(3.2, 98.92), (11, 99.55)],
}
# Bits of the numbers between two steps.
ACTIVATION_BITS = 12
# Number of rows from which roundings are learnt.
N_ROUNDING = 20_000
COPIES = {"mnist": "shifts4", "fashion_mnist": "none"}
PADDING = {"mnist": 0, "fashion_mnist": 2}
SETTINGS = {
    "mnist": {"ridge": 1e-5, "soft_weight": 0.5, "temperature": 2.0},
    "fashion_mnist": {"ridge": 1e-4, "soft_weight": 0.5, "temperature": 1.0},
}
# (filters, height and width of a filter, cells down and across, bits of filters, 1 if trained)
CANDIDATES = {
    "mnist": [
        *((9, 7, 3, 4, 0), (15, 7, 3, 4, 0), (28, 7, 3, 4, 0), (56, 7, 3, 4, 0)),
        *((28, 7, 3, 5, 1), (56, 7, 3, 5, 1), (112, 7, 3, 5, 1)),
    ],
    "fashion_mnist": [
        *((6, 5, 4, 4, 0), (10, 5, 3, 4, 0), (14, 5, 4, 4, 0), (28, 5, 4, 4, 0)),
        *((58, 5, 4, 4, 0), (28, 5, 4, 5, 1), (58, 5, 4, 5, 1), (116, 5, 4, 5, 1)),
    ],
}


@dataclass(frozen=True)
class Spec:
    """Filters for a data set, and the grid on which they are pooled."""

    dataset: str
    filters: int
    filter_size: int
    grid: int
    filter_bits: int
    trained: int


def specs(options):
    """Return the specs that the options ask for, small ones first."""
    few = runner.full_or_quick(None, 2)
    found = [
        Spec(dataset, *each)
        for dataset in options.datasets
        for each in CANDIDATES[dataset][:few]
    ]
    return sorted(found, key=lambda spec: spec.filters * spec.grid**2)


def fitted(spec, data, copies):
    """Return rounded filters, the fitted classifier after them, and lifted rows."""
    few = runner.full_or_quick(slice(5000), slice(500))
    lifter = ConvolutionalLifter(
        (28, 28),
        n_filters=spec.filters,
        filter_size=spec.filter_size,
        grid=spec.grid,
        padding=PADDING[spec.dataset],
        random_state=0,
    )
    ask = convolutional.teacher_of(spec.dataset, "resnet18")
    if spec.trained:
        name = f"microcontroller, {spec.filters}"
        lifter = eyes.trained(spec.dataset, name, lifter, 0, ask)
    rough = EDMDClassifier(ridge=1e-3)
    rough = make_pipeline(lifter.fit(data.X), rough).fit(data.X[few], data.y[few])
    lifter = quantise_student(rough, data.X[few], bits=None, filter_bits=spec.filter_bits)[0]
    X, y, logits = convolutional.enlarged(data, copies, (28, 28), ask)
    Z = convolutional.lift(lifter, X, None)
    classifier = KoopmanDistilledClassifier(tol=1e-3, **SETTINGS[spec.dataset])
    classifier.fit(Z, y, soft_labels=logits)
    return lifter, classifier, Z[: len(data.X)]


def copies_of(spec, n_rows):
    """Return the transfer set, "none" if lifted rows would not fit into memory."""
    n_numbers = 5 * n_rows * 2 * spec.filters * spec.grid**2
    return "none" if n_numbers > convolutional.IN_MEMORY else COPIES[spec.dataset]


def measure_held_out(spec):
    """Yield a row for each number of bits: students of some filters on held-out images."""
    data = convolutional.rows_of(spec.dataset, "resnet18", held_out=True)
    copies = copies_of(spec, len(data.X))
    (lifter, classifier, Z), seconds = runner.timed(fitted, spec, data, copies)
    Z_held = lifter.transform(data.X_test)
    for bits in BITS:
        rounded = quantise_student(classifier, Z[:N_ROUNDING], bits=bits)
        student = make_pipeline(lifter, classifier)
        yield {
            "bits": bits,
            "observables": Z.shape[1],
            "tables": as_c(student, data.X[:200], bits, spec).tables,
            "accuracy": round(rounded.score(Z_held, data.y_test), 5),
            "accuracy_float": round(classifier.score(Z_held, data.y_test), 5),
            "seconds": round(seconds, 1),
        }


def as_c(student, X, bits, spec):
    """Return a student as C in integers."""
    return to_c(
        student,
        X=X,
        number="integer",
        bits=bits,
        filter_bits=spec.filter_bits,
        activation_bits=ACTIVATION_BITS,
        byte_range=(0.0, 1.0),
    )


@dataclass(frozen=True)
class Size:
    """The best student of a data set whose tables fit into some kilobytes."""

    dataset: str
    kilobytes: int


def chosen(size):
    """Return the filters and the bits that are best on held-out images."""
    rows = runner.Results(HELD_OUT, []).where(dataset=size.dataset)
    fitting = [row for row in rows if int(row["tables"]) <= 1024 * size.kilobytes]
    best = max(fitting, key=lambda row: float(row["accuracy"]))
    *filters, bits = (
        int(best[name])
        for name in ("filters", "filter_size", "grid", "filter_bits", "trained", "bits")
    )
    return Spec(size.dataset, *filters), bits, best["accuracy"]


def measure(size):
    """Return the row of the best student of a size."""
    spec, bits, held_out = runner.full_or_quick(chosen, quick_choice)(size)
    data = convolutional.rows_of(size.dataset, "resnet18", held_out=False)
    copies = copies_of(spec, len(data.X))
    start = process_time()
    lifter, classifier, _ = fitted(spec, data, copies)
    student = make_pipeline(lifter, classifier)
    small = as_c(student, data.X[:N_ROUNDING], bits, spec)
    seconds = process_time() - start
    rows = slice(None if size.kilobytes in ALL_EMULATED else FEW_EMULATED)
    report = bench_on_mcu(
        small,
        data.X_test[rows],
        n_counted=runner.full_or_quick(10, 1),
        board=BOARD,
        optimise="-O3",
    )
    return {
        "filters": spec.filters,
        "filter_size": spec.filter_size,
        "grid": spec.grid,
        "filter_bits": spec.filter_bits,
        "trained": spec.trained,
        "bits": bits,
        "copies": copies,
        "held_out": held_out,
        "accuracy_float": round(student.score(data.X_test, data.y_test), 5),
        "accuracy": round(small.score(data.X_test, data.y_test), 5),
        "emulated": len(report.labels),
        "equal": report.agreement,
        "tables": small.tables,
        "flash": report.flash,
        "memory": report.memory,
        "instructions": round(report.instructions),
        "seconds": round(seconds, 1),
    }


def quick_choice(size):
    """Return some filters without a choice."""
    return Spec(size.dataset, 8, 5, 2, 4, 0), 3, ""


def plot():
    """Draw accuracy against the size of tables, beside published figures."""
    import matplotlib.pyplot as plt

    table = runner.Results("microcontrollers.csv", [])
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for ax, dataset in zip(axes, DATASETS, strict=True):
        found = table.where(dataset=dataset)
        ax.plot(
            [int(row["tables"]) / 1024 for row in found],
            [100 * float(row["accuracy"]) for row in found],
            "o-",
            color=runner.FILTERS,
            label="one matrix after filters (from 4 kB on, most are trained)",
        )
        if dataset == "mnist":
            for (name, points), color in zip(PUBLISHED.items(), ("0.65", "0.35"), strict=True):
                ax.plot(*zip(*points, strict=True), "s--", color=color, label=name)
        ax.set(
            xscale="log",
            xlabel="tables (kB)",
            ylabel="test accuracy (%)",
            title={"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}[dataset],
        )
        low, high = ax.get_ylim()
        ax.set_ylim(low - 0.35 * (high - low), high)  # room for the legend
        ax.set_xticks(KILOBYTES, [f"{size}" for size in KILOBYTES])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", frameon=False, loc="lower right")
    runner.save_picture(figure, "microcontrollers", dpi=130)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__, plot=True)
    made.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    made.add_argument(
        "--held-out", action="store_true", help="accuracy on held-out training images"
    )
    return made


def main():
    """Measure the missing rows, or show the table."""
    options = runner.parse(parser())
    key = ["dataset", "filters", "filter_size", "grid", "filter_bits", "trained", "bits"]
    if options.held_out:
        results = runner.Results(HELD_OUT, key)
        runner.carry_out(options, results, specs(options), measure_held_out)
        return
    results = runner.Results("microcontrollers.csv", ["dataset", "kilobytes"])
    sizes = [Size(dataset, n) for n in KILOBYTES for dataset in options.datasets]
    runner.carry_out(options, results, sizes[: runner.full_or_quick(None, 1)], measure, plot)


if __name__ == "__main__":
    main()
