"""How good convolutional observables are beside monomials, with and without a teacher.

    python experiments/convolutional.py
    python experiments/convolutional.py --held-out

The table has rows for each data set, dictionary, student and transfer set. There are four students:

- "EDMD": least squares on labels;
- "EDMD, teacher": least squares on the teacher's logits, where the logit of the label is raised;
- "no teacher": cross-entropy on labels;
- "distilled": cross-entropy on labels and on the teacher's soft targets.

The teacher is ResNet-18. For CIFAR-10 it is the network in colour, and some students of MNIST have
a better one. The teachers' outputs for all images, or the network, are kept, see `teachers.py`. All
settings are in `TASKS`. They were chosen on a sixth of the training images, which was held out and
which no teacher has seen. The second command fits to the other images and measures accuracies on
this sixth: its table is convolutional_held_out.csv. The test images played no part in the choice.

In a transfer set, an image that is moved, mirrored or deformed has the label of its original. Where
the network is kept, it is asked about the changed image. Where only its outputs are kept, the
output for the original counts.

`accuracy` is the mean over seeds, and `accuracy_std` the standard deviation; seeds draw the
filters. Rows are lifted once for all students of a seed and transfer set. `lift_seconds` is the
time for finding the filters and lifting, and `fit_seconds` the time for the matrix after that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from tempfile import TemporaryFile

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.utils import gen_batches

from experiments import eyes, runner
from experiments.images import SHAPES, images, split
from experiments.kept_logits import KeptLogits
from experiments.teachers import COSTS, teacher
from experiments.transfer_sets import as_transfer_set
from sklearn_koopman import (
    ConvolutionalLifter,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
)
from sklearn_koopman.inspection import cost

# Students of more lifted numbers than this read them from a file.
IN_MEMORY = 2**29
LIFTED_AT_ONCE = 5000


@dataclass(frozen=True)
class Dictionary:
    """Observables, and the settings of their students.

    Attributes
    ----------
    lifter : transformer
        Seeds set its `random_state` and that of its steps.
    is_trained : bool
        Whether its filters are trained, see `eyes.py`.
    teacher : str, default=None
        Its name in `teachers.py`, if it is not the teacher of the data set.
    beside : str, default=None
        Name of another dictionary of the same data set, whose observables are added.
    ridge : float
        For students by cross-entropy, with a teacher or without.
    edmd_ridge : float
    soft_weight, temperature : float
        For students by cross-entropy with a teacher.
    label_weight : float
        This is added to the teacher's logit of the label in the targets of least squares.
    n_seeds : int
        Number of seeds without a transfer set. With a transfer set there is one seed.
    transfer_sets : tuple of str
        Names of `transfer_sets.SETS`.
    students : tuple of str
    """

    lifter: object
    is_trained: bool = False
    teacher: str | None = None
    beside: str | None = None
    ridge: float = 1e-4
    edmd_ridge: float = 1e-3
    soft_weight: float = 0.5
    temperature: float = 2.0
    label_weight: float = 0.0
    n_seeds: int = 1
    transfer_sets: tuple[str, ...] = ("none",)
    students: tuple[str, ...] = ("distilled", "no teacher", "EDMD")


@dataclass(frozen=True)
class Task:
    """A data set: its teacher (a name in `teachers.py`), and its dictionaries by name.

    Attributes
    ----------
    teacher : str
    dictionaries : mapping of str to Dictionary
    quick_teacher : str
        The teacher with ``--quick``.
    """

    teacher: str
    dictionaries: Mapping[str, Dictionary]
    quick_teacher: str = "lenet"


def monomials(n_components):
    """Return all products of two PCA coordinates."""
    return make_pipeline(PCA(n_components), MonomialLifter(2))


GRAY = partial(ConvolutionalLifter, (28, 28))
SHIFTS = {"ridge": 1e-5, "transfer_sets": ("none", "shifts4"), "n_seeds": 3}
COLOUR = partial(
    ConvolutionalLifter,
    (3, 32, 32),
    filter_size=6,
    grid=2,
    contrast_floor=0.1,
    root=False,
    mirror=True,
    n_patches=100_000,
)
OF_COLOUR = {
    "ridge": 3e-4,
    "edmd_ridge": 1e-3,
    "temperature": 4.0,
    "label_weight": 3.0,
    "students": ("EDMD", "EDMD, teacher", "no teacher", "distilled"),
}
INTENSITY = {"nonlinearity": "intensity", "root": False}

# Everything that depends on a data set. A new data set goes here.
TASKS: Mapping[str, Task] = {
    "mnist": Task(
        teacher="resnet18",
        dictionaries={
            "monomials": Dictionary(monomials(60)),
            "smallest": Dictionary(GRAY(n_filters=28, filter_size=7, grid=3), **SHIFTS),
            "small": Dictionary(GRAY(n_filters=56, filter_size=7, grid=3), **SHIFTS),
            "small, intensities": Dictionary(
                GRAY(n_filters=112, filter_size=9, grid=3, **INTENSITY), **SHIFTS
            ),
            "medium": Dictionary(GRAY(n_filters=113, filter_size=7, grid=3), **SHIFTS),
            "large": Dictionary(
                GRAY(n_filters=128, filter_size=7),
                ridge=1e-5,
                transfer_sets=("none", "shifts4"),
            ),
            "large, trained": Dictionary(
                GRAY(n_filters=128, filter_size=7),
                is_trained=True,
                teacher="digits",
                ridge=1e-5,
                transfer_sets=("none", "deformed4"),
            ),
            "small and monomials": Dictionary(monomials(40), beside="small", ridge=1e-5),
        },
    ),
    "fashion_mnist": Task(
        teacher="resnet18",
        dictionaries={
            "monomials": Dictionary(monomials(60), ridge=1e-3),
            "small": Dictionary(GRAY(n_filters=32, padding=2), temperature=1.0, n_seeds=3),
            "small, trained": Dictionary(
                GRAY(n_filters=32, padding=2), temperature=1.0, is_trained=True
            ),
            "small, intensities": Dictionary(
                GRAY(n_filters=64, padding=2, **INTENSITY), temperature=1.0, n_seeds=3
            ),
            "small, intensities, trained": Dictionary(
                GRAY(n_filters=64, padding=2, **INTENSITY),
                is_trained=True,
                ridge=1e-3,
                temperature=1.0,
            ),
            "medium": Dictionary(GRAY(n_filters=64, padding=2), temperature=1.0, n_seeds=3),
            "large": Dictionary(
                GRAY(n_filters=128, padding=2),
                ridge=3e-4,
                temperature=1.0,
                transfer_sets=("none", "flips"),
            ),
            "large, some trained": Dictionary(
                GRAY(n_filters=96, padding=2),
                beside="small, trained",
                ridge=3e-4,
                temperature=1.0,
            ),
            "large, trained": Dictionary(
                GRAY(n_filters=128, padding=2),
                is_trained=True,
                ridge=3e-4,
                temperature=1.0,
                transfer_sets=("none", "flips"),
            ),
            "small and monomials": Dictionary(monomials(40), beside="small", temperature=1.0),
        },
    ),
    "cifar10": Task(
        teacher="colour",
        dictionaries={
            "large": Dictionary(COLOUR(n_filters=1024), **OF_COLOUR),
            "largest": Dictionary(COLOUR(n_filters=2048), **OF_COLOUR),
        },
        quick_teacher="colour",
    ),
}


@dataclass(frozen=True)
class Spec:
    """Students of the same lifted rows."""

    dataset: str
    dictionary: str
    transfer_set: str


def make_student(kind, dictionary):
    """Return an unfitted student of lifted rows."""
    if kind.startswith("EDMD"):
        return EDMDClassifier(ridge=dictionary.edmd_ridge)
    soft_weight = dictionary.soft_weight if kind == "distilled" else 0.0
    return KoopmanDistilledClassifier(
        soft_weight=soft_weight,
        temperature=dictionary.temperature,
        ridge=dictionary.ridge,
        tol=1e-4,
    )


def soft_labels_of(kind, dictionary, y, logits):
    """Return the soft labels of a student, None if it learns from labels alone."""
    if kind == "EDMD, teacher":
        return logits + dictionary.label_weight * np.eye(logits.shape[1], dtype="f4")[y]
    return logits if kind == "distilled" else None


@dataclass(frozen=True)
class Rows:
    """Rows to fit and rows to test on, with their labels and the teacher's logits."""

    X: np.ndarray
    y: np.ndarray
    logits: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    logits_test: np.ndarray


def kind_of_teacher(dataset, dictionary):
    """Return the name of the teacher of students of a dictionary."""
    task = TASKS[dataset]
    return task.dictionaries[dictionary].teacher or task.teacher


def teacher_of(dataset, kind):
    """Return a teacher, which has not seen the images that settings are chosen on."""
    return teacher(
        dataset, runner.full_or_quick(kind, TASKS[dataset].quick_teacher), held_out=True
    )


@cache
def rows_of(dataset, kind, held_out):
    """Return training and test rows, or the training rows split in two."""
    ask = teacher_of(dataset, kind)
    X, y = images(dataset, "train")
    logits = ask(X)
    if held_out:
        seen, held = split(y)
        return Rows(X[seen], y[seen], logits[seen], X[held], y[held], logits[held])
    X_test, y_test = images(dataset, "test")
    return Rows(X, y, logits, X_test, y_test, ask(X_test))


def seeded(lifter, seed):
    """Return an unfitted copy with a seed; with ``--quick`` it has few filters."""
    settings = {}
    for name, value in lifter.get_params().items():
        if name.endswith("random_state"):
            settings[name] = seed
        elif name.endswith("n_filters"):
            settings[name] = runner.full_or_quick(value, min(value, 8))
    return clone(lifter).set_params(**settings)


def make_lifter(dataset, name, seed):
    """Return the unfitted lifter of a dictionary."""
    dictionary = TASKS[dataset].dictionaries[name]
    lifter = seeded(dictionary.lifter, seed)
    if dictionary.is_trained:
        ask = teacher_of(dataset, kind_of_teacher(dataset, name))
        lifter = eyes.trained(dataset, name, lifter, seed, ask)
    if dictionary.beside is None:
        return lifter
    return make_union(make_lifter(dataset, dictionary.beside, seed), lifter)


def enlarged(data, transfer_set, shape, ask):
    """Return training rows, labels and logits, followed by those of a transfer set."""
    made = as_transfer_set(transfer_set, shape=shape)
    if made is None:
        return data.X, data.y, data.logits
    rows = made.enlarge(data.X)
    X = rows[:]
    of_originals = isinstance(ask, KeptLogits)
    logits = np.tile(data.logits, (1 + rows.n_copies, 1)) if of_originals else ask(X)
    return X, rows.repeated(data.y), logits


def lift(lifter, rows, file):
    """Return the observables of rows: in memory, or in a file if there are too many."""
    shape = (len(rows), lifter.transform(rows[:1]).shape[1])
    is_large = np.prod(shape) > IN_MEMORY
    Z = np.memmap(file, "f4", "w+", shape=shape) if is_large else np.empty(shape, "f4")
    for block in gen_batches(len(rows), LIFTED_AT_ONCE):
        Z[block] = lifter.transform(rows[block])
    return Z


def fit_and_lift(lifter, given, rows, file):
    """Return the lifter, fitted to the given rows, and all rows lifted."""
    fitted = lifter.fit(given)
    return fitted, lift(fitted, rows, file)


def measure_seed(spec, seed, held_out):
    """Yield the measured columns of each student of one seed."""
    dictionary = TASKS[spec.dataset].dictionaries[spec.dictionary]
    teacher_kind = kind_of_teacher(spec.dataset, spec.dictionary)
    data = rows_of(spec.dataset, teacher_kind, held_out)
    ask = teacher_of(spec.dataset, teacher_kind)
    X, y, logits = enlarged(data, spec.transfer_set, SHAPES[spec.dataset], ask)
    with TemporaryFile() as file:
        lifter = make_lifter(spec.dataset, spec.dictionary, seed)
        (lifter, Z), lift_seconds = runner.timed(fit_and_lift, lifter, data.X, X, file)
        Z_test = lifter.transform(data.X_test)
        for kind in dictionary.students:
            model = make_student(kind, dictionary)
            soft_labels = soft_labels_of(kind, dictionary, y, logits)
            _, fit_seconds = runner.timed(model.fit, Z, y, soft_labels=soft_labels)
            operations = cost(make_pipeline(lifter, model), data.X_test[:1], n_repeats=1)
            accuracy = model.score(Z_test, data.y_test)
            print(f"seed {seed}, {kind}: {accuracy:.4f}", flush=True)
            yield {
                "student": kind,
                "observables": Z.shape[1],
                "accuracy": accuracy,
                "parameters": operations.parameters,
                "multiplications": operations.multiplications,
                "lift_seconds": round(lift_seconds, 1),
                "fit_seconds": round(fit_seconds, 1),
            }


def measure(spec, held_out):
    """Yield the rows of the table that have the same observables."""
    teacher_kind = kind_of_teacher(spec.dataset, spec.dictionary)
    data = rows_of(spec.dataset, teacher_kind, held_out)
    n_seeds = TASKS[spec.dataset].dictionaries[spec.dictionary].n_seeds
    n_seeds = n_seeds if spec.transfer_set == "none" and not held_out else 1
    by_seed = [list(measure_seed(spec, seed, held_out)) for seed in range(n_seeds)]
    for of_student in zip(*by_seed, strict=True):
        first = of_student[0]
        accuracy, std = runner.mean_and_std([each["accuracy"] for each in of_student])
        yield {
            "student": first["student"],
            "observables": first["observables"],
            "seeds": n_seeds,
            "accuracy": accuracy,
            "accuracy_std": std,
            "teacher_accuracy": round(
                accuracy_score(data.y_test, data.logits_test.argmax(axis=1)), 5
            ),
            "parameters": first["parameters"],
            "multiplications": first["multiplications"],
            "teacher_multiplications": COSTS[teacher_kind][1],
            "lift_seconds": first["lift_seconds"],
            "fit_seconds": first["fit_seconds"],
        }


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--datasets", nargs="+", choices=TASKS, default=list(TASKS))
    names = sorted({name for task in TASKS.values() for name in task.dictionaries})
    made.add_argument(
        "--dictionaries", nargs="+", choices=names, help="only these dictionaries"
    )
    made.add_argument(
        "--held-out", action="store_true", help="accuracy on held-out training images"
    )
    return made


def specs(options):
    """Return the specs that the options ask for."""
    return [
        Spec(dataset, name, transfer_set)
        for dataset in options.datasets
        for name, dictionary in TASKS[dataset].dictionaries.items()
        if options.dictionaries is None or name in options.dictionaries
        for transfer_set in dictionary.transfer_sets
    ]


def main():
    """Measure the missing rows, or show the table."""
    options = runner.parse(parser())
    file = "convolutional_held_out.csv" if options.held_out else "convolutional.csv"
    results = runner.Results(file, ["dataset", "dictionary", "transfer_set", "student"])
    runner.carry_out(
        options, results, specs(options), partial(measure, held_out=options.held_out)
    )


if __name__ == "__main__":
    main()
