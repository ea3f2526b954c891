"""How much memory a fit needs, and how time and memory grow.

    python benchmarks/bench_memory.py
    python benchmarks/bench_memory.py disk
    python benchmarks/bench_memory.py growth [--most-minutes 6]
    python benchmarks/bench_memory.py made

Every side is a process of its own, apart from "made".

"pipeline" (the default): MNIST at degree 3, PCA 30, lifted inside (`lifter=`) and as a step of
scikit-learn's pipeline. The largest resident memory of the process counts everything, with the
60,000 x 784 float32 pixels and the libraries. A few iterations are enough: later ones need no more
memory. Writes benchmarks/results/memory.csv.

"disk": memory and time of a fit to 10 million rows of float32 on disk (a memmap of 1.6 GB in a
temporary folder), degree 2, 40 columns, 861 observables. The memory is RssAnon: everything that the
process has allocated, without pages of the file. These pages are cache, which the system takes back
when it is short of memory. Writes benchmarks/results/out_of_core.csv.

"growth": 10,000 to 10 million such rows, 231 to 19,600 observables. EDMD solves its least squares.
The distilled student takes 20 steps from the labels alone, so that all cells do the same. A cell is
left out if its products alone would take longer than the limit. Writes
benchmarks/results/scaling.csv, and continues where this table ends.

"made": rows that a transfer set makes, 10,000 images of MNIST and their four one-pixel shifts.
Two fits are compared by seconds and traced megabytes. One holds the PCA coordinates of these rows,
as fits do; the other starts every pass from pixels. The results are only printed.

Linux only.
"""

import tempfile
import tracemalloc
import warnings
from itertools import product
from math import comb
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.utils import gen_batches

from benchmarks import runner
from experiments.images import images
from experiments.transfer_sets import as_transfer_set
from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.lifting import Operations

N_CLASSES = 10
STUDENTS = {
    "EDMD": EDMDClassifier(ridge=1e-6),
    "distilled": KoopmanDistilledClassifier(soft_weight=0.0, ridge=1e-4),
}
ROWS = 10**4, 10**5, 10**6, 10**7
DICTIONARIES = (20, 2), (40, 2), (30, 3), (47, 3)  # columns, degree
# About what a core does. Cells that would take too long are left out.
PRODUCTS_PER_SECOND = 5e10


def student_of(name, max_iter):
    """Return an unfitted student. Only the distilled student has a number of iterations."""
    student = clone(STUDENTS[name])
    return student.set_params(max_iter=max_iter) if name == "distilled" else student


def fit_images(name, place):
    """Fit a student to MNIST in this process and tell its peak memory."""
    X, y = images("mnist", "train")
    p = runner.full_or_quick(30, 5)
    student, steps = student_of(name, 3), (PCA(p, random_state=0), MonomialLifter(3))
    if place == "inside":
        student.set_params(lifter=make_pipeline(*steps)).fit(X, y)
    else:
        make_pipeline(*steps, student).fit(X, y)
    runner.tell(peak=runner.peak_megabytes())


def fit_rows(name, folder, degree, max_iter):
    """Fit a student to rows on disk in this process; tell seconds and accuracy."""
    X, y = (np.load(Path(folder) / f"{part}.npy", mmap_mode="r") for part in "Xy")
    student = student_of(name, int(max_iter)).set_params(lifter=MonomialLifter(int(degree)))
    taken = runner.seconds(student.fit, X, y)
    runner.tell(seconds=taken, accuracy=student.score(X[:100_000], y[:100_000]))


ALONE = {"images": fit_images, "rows": fit_rows}


def write_rows(folder, n_rows, n_columns):
    """Write X and y, block by block: normal columns, classes that depend on their products."""
    rng = np.random.default_rng(0)
    shape = (n_rows, n_columns)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", dtype=np.float32, shape=shape)
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", dtype=np.int64, shape=(n_rows,))
    mixing = rng.normal(size=(n_columns // 2, N_CLASSES)).astype(np.float32)
    for rows in gen_batches(n_rows, 100_000):
        block = rng.standard_normal((rows.stop - rows.start, n_columns), dtype=np.float32)
        logits = (block[:, : 2 * len(mixing) : 2] * block[:, 1::2]) @ mixing
        X[rows], y[rows] = block, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def pipeline(options):
    """Measure the memory of lifting inside the student and as a step."""
    results = runner.Measurements("memory.csv", ["student", "lifting"])
    for name, place in product(STUDENTS, ("inside", "pipeline step")):
        peak = runner.alone(__file__, "images", name, place)["peak"]
        results.add({"student": name, "lifting": place, "peak_MB": round(peak)})


def disk(options):
    """Measure fits of rows on disk."""
    results = runner.Measurements("out_of_core.csv", ["student", "rows"])
    n_rows, n_columns, degree = runner.full_or_quick(options.rows, 5000), 40, 2
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), n_rows, n_columns)
        for name in STUDENTS:
            found = runner.alone(__file__, "rows", name, folder, degree, 5)
            results.add(
                {
                    "student": name,
                    "rows": n_rows,
                    "observables": comb(n_columns + degree, degree),
                    "RssAnon_MB": round(found["anonymous"]),
                    "seconds": round(found["seconds"], 1),
                    "accuracy": round(found["accuracy"], 3),
                }
            )


def growth(options):
    """Measure all cells that are missing and do not take too long."""
    results = runner.Measurements("scaling.csv", ["student", "rows", "observables"], anew=False)
    rows = runner.full_or_quick(ROWS, (1000,))
    for n_rows, (n_columns, degree) in product(
        rows, runner.full_or_quick(DICTIONARIES, ((8, 2),))
    ):
        n_observables = comb(n_columns + degree, degree)
        names = [
            name
            for name in STUDENTS
            if not results.where(student=name, rows=n_rows, observables=n_observables)
            and products(name, n_rows, n_observables)
            < options.most_minutes * 60 * PRODUCTS_PER_SECOND
        ]
        with tempfile.TemporaryDirectory() as folder:
            if names:
                write_rows(Path(folder), n_rows, n_columns)
            for name in names:
                found = runner.alone(__file__, "rows", name, folder, degree, 20)
                results.add(
                    {
                        "student": name,
                        "rows": n_rows,
                        "observables": n_observables,
                        "seconds": round(found["seconds"], 2),
                        "RssAnon MB": round(found["anonymous"]),
                    }
                )


def products(name, n_rows, n_observables):
    """Return about how many multiplications BLAS has to do."""
    if name == "EDMD":
        return n_rows * n_observables**2 / 2 + n_observables**3 / 6
    sampled = min(n_rows, max(4 * n_observables, 4096))
    return (
        20 * n_rows * n_observables * N_CLASSES
        + sampled * n_observables**2 / 2
        + n_observables**3
    )


class InOneStep(TransformerMixin, BaseEstimator):
    """PCA and monomials as one step, so that a fit cannot hold the narrow rows between them.

    The step says that it multiplies nothing, because its rows would be kept otherwise.
    """

    def __init__(self, steps):
        self.steps = steps

    def fit(self, X, y=None):
        """Fit both."""
        self.steps_ = clone(self.steps).fit(X, y)
        return self

    def transform(self, X):
        """Return the monomials."""
        return self.steps_.transform(X)

    def operations(self):
        """Return the operations of a cheap step."""
        return Operations()


def made(options):
    """Measure fits to rows that are made, with and without holding their coordinates."""
    X, y = images("mnist", "train")
    X, y = X[:10_000], y[:10_000]
    students = {
        "EDMD": EDMDClassifier(ridge=1e-4),
        "distilled": KoopmanDistilledClassifier(soft_weight=0.0, ridge=1e-3, tol=1e-4),
    }
    lifter = make_pipeline(PCA(40, random_state=0), MonomialLifter(2))
    ways = {"held": lifter, "made in every pass": InOneStep(lifter)}
    for (name, student), (way, lifter) in product(students.items(), ways.items()):
        student.set_params(lifter=lifter, transfer_set=as_transfer_set("shifts4, labels"))
        taken = runner.seconds(student.fit, X, y)
        tracemalloc.start()
        student.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(f"{name:10s} {way:20s} {taken:6.1f} s {peak:6.0f} MB", flush=True)


PARTS = {"pipeline": pipeline, "disk": disk, "growth": growth, "made": made}


def parser():
    """Return the parser of the command line."""
    made = runner.benchmark_parser(__doc__, runs_alone=True)
    made.add_argument("part", nargs="?", choices=PARTS, default="pipeline")
    made.add_argument("--rows", type=runner.count, default=10_000_000, help="rows on disk")
    made.add_argument(
        "--most-minutes", type=float, default=6.0, help="limit for a cell of growth"
    )
    return made


def main():
    """Run one part, or one side in this process."""
    options = runner.parse(parser())
    warnings.simplefilter("ignore", ConvergenceWarning)
    if options.alone:
        kind, *arguments = options.alone
        ALONE[kind](*arguments)
    else:
        PARTS[options.part](options)


if __name__ == "__main__":
    main()
