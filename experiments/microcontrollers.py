"""How small: accuracy against flash, of students that run as C on a microcontroller.

    python experiments/microcontrollers.py --held-out
    python experiments/microcontrollers.py
    python experiments/microcontrollers.py --plot

Students of convolutional observables, whose filters are found without labels and rounded, and whose
matrix is fitted after that and rounded: bits of both, number and size of filters, and the grid are
chosen for each size by the first command, which fits to five sixths of the training images and
measures on the last one (microcontrollers_held_out.csv). No teacher has seen it. The second command
fits the best one of each size to all training images, of MNIST with four shifted copies of each,
writes it as C in integers and runs that on the emulated core with all 10,000 test images: accuracy,
whether all labels are those of the numpy twin, bytes of tables and of code, memory, and
instructions for one image (microcontrollers.csv). A size is that of all tables.
"""

from dataclasses import dataclass

from experiments import convolutional, runner
from experiments.images import DATASETS
from sklearn_koopman import ConvolutionalLifter, EDMDClassifier, KoopmanDistilledClassifier
from sklearn_koopman.deployment import quantise_student, to_c
from sklearn_koopman.pipeline import make_pipeline

KILOBYTES = [1, 2, 4, 8, 16, 32, 64]
FILTER_BITS = 4
BITS = [2, 3, 4, 5]
# Bits between steps.
ACTIVATION_BITS = 12
# Rows that roundings are learnt from.
N_ROUNDING = 20_000
COPIES = {"mnist": "shifts4", "fashion_mnist": "none"}
PADDING = {"mnist": 0, "fashion_mnist": 2}
SETTINGS = {
    "mnist": {"ridge": 1e-5, "soft_weight": 0.5, "temperature": 2.0},
    "fashion_mnist": {"ridge": 1e-4, "soft_weight": 0.5, "temperature": 1.0},
}
# (filters, height and width of a filter, cells down and across): what fills a size with some bits.
CANDIDATES = {
    "mnist": [
        *((9, 7, 3), (10, 5, 3), (13, 7, 2), (6, 7, 4)),
        *((15, 7, 3), (19, 7, 3), (22, 5, 3), (28, 7, 2)),
        *((30, 7, 3), (40, 7, 3), (27, 7, 4)),
        *(
            (60, 7, 3),
            (80, 7, 3),
            (54, 7, 4),
            (120, 7, 3),
            (84, 7, 4),
            (160, 7, 3),
            (110, 7, 4),
        ),
        *((160, 7, 4), (200, 7, 4), (256, 7, 4)),
    ],
    "fashion_mnist": [
        *((6, 5, 4), (10, 5, 3), (9, 7, 3)),
        *((14, 5, 4), (22, 5, 3), (12, 7, 4)),
        *((22, 5, 4), (28, 5, 4), (26, 7, 4)),
        *((42, 5, 4), (58, 5, 4), (50, 7, 4), (87, 5, 4), (60, 5, 5), (117, 5, 4)),
        *((160, 5, 4), (230, 5, 4), (256, 5, 4)),
    ],
}


@dataclass(frozen=True)
class Spec:
    """Filters of a data set, and the grid that they are pooled on."""

    dataset: str
    filters: int
    filter_size: int
    grid: int


def specs(options):
    """Return what is asked for, small ones first."""
    few = runner.full_or_quick(None, 2)
    found = [
        Spec(dataset, *each)
        for dataset in options.datasets
        for each in CANDIDATES[dataset][:few]
    ]
    return sorted(found, key=lambda spec: spec.filters * spec.grid**2)


def fitted(spec, data, copies):
    """Return a student whose filters are rounded already, and its classifier of lifted rows."""
    few = runner.full_or_quick(slice(5000), slice(500))
    lifter = ConvolutionalLifter(
        (28, 28),
        n_filters=spec.filters,
        filter_size=spec.filter_size,
        grid=spec.grid,
        padding=PADDING[spec.dataset],
        random_state=0,
    )
    rough = EDMDClassifier(ridge=1e-3)
    rough = make_pipeline(lifter.fit(data.X), rough).fit(data.X[few], data.y[few])
    lifter = quantise_student(rough, data.X[few], bits=None, filter_bits=FILTER_BITS)[0]
    ask = convolutional.teacher_of(spec.dataset, "resnet18")
    X, y, logits = convolutional.enlarged(data, copies, (28, 28), ask)
    Z = convolutional.lift(lifter, X, None)
    classifier = KoopmanDistilledClassifier(tol=1e-3, **SETTINGS[spec.dataset])
    classifier.fit(Z, y, soft_labels=logits)
    return lifter, classifier, Z[: len(data.X)]


def measure_held_out(spec):
    """Yield what students of some filters have on held-out images, a row for all bits."""
    data = convolutional.rows_of(spec.dataset, "resnet18", held_out=True)
    (lifter, classifier, Z), seconds = runner.timed(fitted, spec, data, "none")
    Z_held = lifter.transform(data.X_test)
    for bits in BITS:
        rounded = quantise_student(classifier, Z[:N_ROUNDING], bits=bits)
        student = make_pipeline(lifter, classifier)
        yield {
            "bits": bits,
            "observables": Z.shape[1],
            "tables": as_c(student, data.X[:200], bits).flash,
            "accuracy": round(rounded.score(Z_held, data.y_test), 5),
            "accuracy_float": round(classifier.score(Z_held, data.y_test), 5),
            "seconds": round(seconds, 1),
        }


def as_c(student, X, bits):
    """Return the C of a student in integers."""
    return to_c(
        student,
        X=X,
        number="integer",
        bits=bits,
        filter_bits=FILTER_BITS,
        activation_bits=ACTIVATION_BITS,
        byte_range=(0.0, 1.0),
    )


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__, plot=True)
    made.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    made.add_argument(
        "--held-out", action="store_true", help="accuracy on held-out training images"
    )
    return made


def main():
    """Run what is missing, or show the table."""
    options = runner.parse(parser())
    key = ["dataset", "filters", "filter_size", "grid", "bits"]
    if options.held_out:
        results = runner.Results("microcontrollers_held_out.csv", key)
        runner.carry_out(options, results, specs(options), measure_held_out)


if __name__ == "__main__":
    main()
