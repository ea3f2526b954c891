"""What we gain in time and memory if we lift costly rows once and keep them.

    python benchmarks/bench_stored.py [--filters 128]
    python benchmarks/bench_stored.py fits
    python benchmarks/bench_stored.py float16

The rows are the training images of MNIST, lifted by filters of 5 x 5, both sides of a threshold, on
a 4 x 4 grid: 32 observables for each filter.

"products" (the default): the products of lifted rows that are kept in a temporary file. BLAS
computes the Gram matrix of lifted rows in memory, and their products with ten columns and with ten
rows. The students' code does the same for rows in the file, with its sums, losses and checks. All
take turns. "share" is BLAS's time divided by ours. Writes benchmarks/results/stored_products.csv.

"fits": seconds and memory of fits from the pixels. Each fit is a process of its own. The memory is
RssAnon: everything that the process has allocated, without pages of the temporary file. With 512
filters the rows take 3.9 GB, and are on disk. Writes benchmarks/results/stored_fits.csv. Linux
only.

"float16": what would half of the bytes save, and what would they cost? The script times the
products with rows that are kept in float16 and multiplied in float32. It fits a student to such
rows, and compares its logits with those of the same student of rows in float32. The results are
only printed.
"""

import numpy as np
from scipy.linalg import blas
from sklearn import config_context

from benchmarks import runner
from experiments.images import images
from experiments.teachers import teacher
from sklearn_koopman import ConvolutionalLifter, EDMDClassifier, KoopmanDistilledClassifier
from sklearn_koopman.linear import DistillationProblem
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.rows import (
    DiagonalMoments,
    GramMoments,
    RowBlocks,
    accumulated,
    lifted_blocks,
    stored,
)

N_CLASSES = 10
STUDENTS = {
    "EDMD": EDMDClassifier(ridge=1e-3),
    "distilled": KoopmanDistilledClassifier(ridge=1e-4, tol=1e-4),
}
CASES = [("distilled", 128), ("EDMD", 128), ("distilled", 512), ("EDMD", 512)]


def lifter_of(n_filters):
    """Return the unfitted dictionary."""
    return ConvolutionalLifter((28, 28), n_filters=n_filters, random_state=0)


def soft_labels(X, y):
    """Return the kept logits of a teacher; with ``--quick``, the one-hot labels."""
    if runner.is_quick():
        return np.eye(N_CLASSES, dtype=X.dtype)[y]
    return teacher("mnist", "resnet18", held_out=True)(X)


def problem_of(blocks, y, logits):
    """Return the distillation loss of some rows."""
    weight = np.ones(len(y))
    moments = DiagonalMoments(blocks.n_observables)
    scale = blocks.map_reduce(DiagonalMoments.update, moments, weight).scale
    return DistillationProblem(
        blocks,
        scale,
        y,
        logits,
        weight,
        n_classes=N_CLASSES,
        soft_weight=0.5,
        temperature=2.0,
        ridge=1e-4,
    )


def products(options):
    """Measure Gram matrices and losses beside the products that they consist of."""
    results = runner.Measurements("stored_products.csv", ["observables", "work", "side"])
    X, y = images("mnist", "train")
    lifter = lifter_of(runner.full_or_quick(options.filters, 2)).fit(X)
    with config_context(working_memory=0):
        blocks = stored(lifted_blocks(lifter, X))
    psi = lifter.transform(X)
    rng = np.random.default_rng(0)
    x = 0.01 * rng.standard_normal((psi.shape[1] + 1, N_CLASSES))
    K, R = x[:-1].astype(np.float32), rng.standard_normal((len(X), N_CLASSES), dtype=np.float32)
    targets, weight = np.eye(N_CLASSES)[y], np.ones(len(y))
    problem = problem_of(blocks, y, soft_labels(X, y))
    curvature = np.empty(len(y), problem.dtype)

    def loss():
        # The solver does this too.
        with blocks.pool.keeping_blas_to_one_thread():
            problem.evaluate(x, curvature)

    def gram():
        accumulated(GramMoments(psi.shape[1], N_CLASSES), blocks, targets, weight)

    works = {
        "Gram matrix": {"BLAS": lambda: blas.ssyrk(1.0, psi.T), "kept rows": gram},
        "X @ K and X.T @ R": {"BLAS": lambda: (psi @ K, psi.T @ R), "kept rows": loss},
    }
    for work, sides in works.items():
        turns = {name: lambda side=side: runner.seconds(side) for name, side in sides.items()}
        found = runner.in_turns(turns, options.repeats, warm_up=1)
        for side, seconds in found.items():
            results.add(
                {
                    "observables": psi.shape[1],
                    "work": work,
                    "side": side,
                    "seconds": runner.median_of(seconds, 3),
                    "share": runner.median_ratio(found["BLAS"], seconds),
                    "rounds": len(seconds),
                }
            )


def fit_alone(name, n_filters):
    """Fit from the pixels in this process; tell the seconds and the accuracy."""
    X, y = images("mnist", "train")
    model = make_pipeline(lifter_of(int(n_filters)), STUDENTS[name])
    last = model.steps[-1][0]
    taken = runner.seconds(model.fit, X, y, **{f"{last}__soft_labels": soft_labels(X, y)})
    X_test, y_test = images("mnist", "test")
    runner.tell(
        seconds=taken,
        observables=model[-1].coef_.shape[1],
        accuracy=model.score(X_test, y_test),
        gradient=getattr(model[-1], "gradient_norm_", None),
    )


def fits(options):
    """Measure whole fits."""
    results = runner.Measurements("stored_fits.csv", ["student", "observables"], anew=False)
    for name, n_filters in runner.full_or_quick(CASES, [("distilled", 2)]):
        found = runner.alone(__file__, name, n_filters)
        gradient = found["gradient"]
        results.add(
            {
                "student": name,
                "observables": found["observables"],
                "seconds": round(found["seconds"], 1),
                "RssAnon_MB": round(found["anonymous"]),
                "accuracy": round(found["accuracy"], 4),
                "gradient": "" if gradient is None else f"{gradient:.1e}",
            }
        )


def float16(options):
    """Compare rows in half precision with rows in single precision."""
    X, y = images("mnist", "train")
    lifter = lifter_of(runner.full_or_quick(options.filters, 2)).fit(X)
    psi, logits = lifter.transform(X), soft_labels(X, y)
    half = psi.astype(np.float16)
    x = 0.01 * np.random.default_rng(0).standard_normal((psi.shape[1] + 1, N_CLASSES))
    sides = {}
    for name, rows in {"float32": psi, "float16": half}.items():
        blocks = RowBlocks(rows, None if name == "float32" else as_float32)
        problem = problem_of(blocks, y, logits)
        sides[name] = lambda evaluate=problem.evaluate: runner.seconds(evaluate, x)
    for name, seconds in runner.in_turns(sides, options.repeats, warm_up=1).items():
        print(f"{name}: {runner.median_of(seconds, 3)} s")
    X_test, y_test = images("mnist", "test")
    of_test, found = lifter.transform(X_test), {}
    for name, rows in {"float32": psi, "float16": as_float32(half)}.items():
        student = KoopmanDistilledClassifier(ridge=1e-4, tol=1e-4).fit(
            rows, y, soft_labels=logits
        )
        found[name] = student.decision_function(of_test)
        print(f"{name}: {student.score(of_test, y_test)}")
    difference = np.abs(found["float16"] - found["float32"])
    print(
        f"logits differ by at most {difference.max():.1e}, on average by {difference.mean():.1e}"
    )


def as_float32(rows):
    """Return rows in the precision in which they are multiplied."""
    return rows.astype(np.float32)


PARTS = {"products": products, "fits": fits, "float16": float16}


def parser():
    """Return the parser of the command line."""
    made = runner.benchmark_parser(__doc__, repeats=5, runs_alone=True)
    made.add_argument("part", nargs="?", choices=PARTS, default="products")
    made.add_argument(
        "--filters", type=runner.count, default=128, help="filters of the dictionary"
    )
    return made


def main():
    """Run one part, or one side in this process."""
    options = runner.parse(parser())
    if options.alone:
        fit_alone(*options.alone)
    else:
        PARTS[options.part](options)


if __name__ == "__main__":
    main()
