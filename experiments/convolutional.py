"""Convolutional observables and one matrix, without a teacher.

    python experiments/convolutional.py

`ConvolutionalLifter` with the settings that it comes with, which were chosen by least squares on
20,000 training images of each data set and 20,000 others; the test images had no part in it. Both
signs of a threshold, and twice as many filters whose intensities are taken, so that students have
as many observables. Least squares is `EDMDClassifier(ridge=1e-3)`, cross-entropy
`KoopmanDistilledClassifier(soft_weight=0)`.
"""

from dataclasses import dataclass
from itertools import product

from experiments import runner
from experiments.images import images
from sklearn_koopman import ConvolutionalLifter, EDMDClassifier, KoopmanDistilledClassifier
from sklearn_koopman.inspection import cost
from sklearn_koopman.pipeline import make_pipeline

STUDENTS = {
    "least squares": EDMDClassifier(ridge=1e-3),
    "cross-entropy": KoopmanDistilledClassifier(soft_weight=0),
}
# Filters whose two signs are observables: 512 and 1,024 of them.
N_FILTERS = {"mnist": 16, "fashion_mnist": 32}


@dataclass(frozen=True)
class Spec:
    """A student of the responses of some filters."""

    dataset: str
    nonlinearity: str
    filters: int
    student: str
    seed: int


def measure(spec):
    """Return the row of a student."""
    (X, y), (X_test, y_test) = (images(spec.dataset, part) for part in ("train", "test"))
    lifter = ConvolutionalLifter(
        (28, 28),
        n_filters=spec.filters,
        nonlinearity=spec.nonlinearity,
        random_state=spec.seed,
    )
    model = make_pipeline(lifter, STUDENTS[spec.student])
    _, seconds = runner.timed(model.fit, X, y)
    found = cost(model, X_test[:1], n_repeats=1)
    return {
        "observables": model[0].n_output_features_,
        "accuracy": model.score(X_test, y_test),
        "parameters": found.parameters,
        "multiplications": found.multiplications,
        "seconds": round(seconds, 1),
    }


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--seeds", nargs="+", type=int, default=[0])
    return made


def main():
    """Run what is missing, or show the table."""
    options = runner.parse(parser())
    specs = [
        Spec(dataset, nonlinearity, n_filters * factor, student, seed)
        for (dataset, n_filters), (nonlinearity, factor), student, seed in product(
            N_FILTERS.items(), {"threshold": 1, "intensity": 2}.items(), STUDENTS, options.seeds
        )
    ]
    results = runner.Results(
        "convolutional.csv", ["dataset", "nonlinearity", "filters", "student", "seed"]
    )
    runner.carry_out(options, results, specs, measure)


if __name__ == "__main__":
    main()
