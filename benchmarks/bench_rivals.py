"""How long other libraries take for the same work.

    make rivals    (or python benchmarks/bench_rivals.py)
    python benchmarks/bench_rivals.py spans
    python benchmarks/bench_rivals.py tensors
    python benchmarks/bench_rivals.py oscillators

Each other library gets a virtual environment in benchmarks/.venvs/, with the versions that
`benchmarks/rivals/` pins. Every library does every task in a process of its own, one after the
other, with as many BLAS threads as there are cores (or as OMP_NUM_THREADS says).

"operators" (the default): scikit-learn, pykoopman, deeptime, pykoop and pysindy lift the same
snapshots of the Lorenz-96 model to the same monomials as sklearn_koopman, and fit the same least
squares. `benchmarks/rivals/sides.py` says exactly what is compared, and how. `seconds` is the
median of 5 runs, or of fewer where 5 would take longer than 10 s. A process that takes more than
two minutes is stopped. A library that failed at a task or was stopped does not get a larger one,
and `remark` says so. `ratio` is the time divided by ours. `peak_MB` is the rise of the largest
resident memory. `disagreement` is the largest difference between predictions for new states and
ours. `error` is the largest difference between predicted and true next states (for lift: between
the columns of degree 1 and the states). Both are relative to the largest value. If one of them is
more than rounding, the script ends with exit status 1. Writes benchmarks/results/rivals.csv.

"spans": how long does the matrix of one span take, beside PyDMD and pykoopman? The span is
64 -> 32 of the MNIST network "deep" of `experiments/teachers.py`, with all 60,000 training images.
PyDMD and pykoopman fit square operators without an intercept. So both sides of the span are reduced
to 30 PCA coordinates of their own, in float64. The operators are linear, at full rank and at rank
10, or have the 496 monomials up to degree 2 on both sides. `error` is the error of the predictions
for the first 2,000 snapshots, relative to these. The last rows are the whole of
`LinearizedNetworkClassifier.fit`, where the network makes the snapshots. Writes
benchmarks/results/spans.csv.

"tensors": how long does it take to cut coefficients into a tensor train, beside tensorly and
torchtt? The tensor has the degree-3 coefficients of a least-squares student of 10,000 MNIST images,
30 or 40 PCA coordinates, ten classes: (p + 1)^3 times 10 numbers in float64. Each library cuts it
to the same ranks. `error` is that of the train, relative to the tensor. All libraries use truncated
singular value decompositions and must agree. Writes benchmarks/results/tensor_rivals.csv.

"oscillators": how well and how fast are next states of the Duffing oscillator and of a pendulum
predicted, beside pykoopman? Both learn from the same snapshots with the same monomials.
`benchmarks/rivals/oscillators.py` says exactly what is compared. The errors of the two must agree,
apart from rounding. Writes benchmarks/results/oscillators.csv.

With --quick only libraries take part that are installed beside this script's Python.
"""

import sys
import tempfile
from math import comb
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from benchmarks import runner
from benchmarks.rivals import is_beside, run, version_of
from experiments.images import coordinates, images
from experiments.teachers import network
from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.networks import LinearizedNetworkClassifier

# The tensor that compression cuts. No public name gives it.
from sklearn_koopman.tensor_trains._compression import _symmetric_tensor

OURS = "sklearn_koopman"
OPERATOR_LIBRARIES = [
    OURS,
    "scikit-learn",
    "pykoopman",
    "deeptime",
    "deeptime, PolynomialFeatures",
    "pykoop",
    "pysindy",
]
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
WRONG = "another result than ours, or than the planted one"
# n, p, degree, dtype; the smallest case first
CASES = {
    "lift": [
        (60_000, 20, 2, "float64"),
        (60_000, 10, 3, "float64"),
        (60_000, 20, 3, "float32"),
        (60_000, 20, 3, "float64"),
    ],
    "operator": [
        (10_000, 10, 2, "float64"),
        (60_000, 10, 2, "float64"),
        (60_000, 20, 2, "float32"),
        (60_000, 20, 2, "float64"),
        (10_000, 20, 3, "float64"),
        (60_000, 20, 3, "float64"),
    ],
    "state": [(60_000, 20, 2, "float64"), (60_000, 20, 3, "float64")],
    "labels": [(60_000, 20, 2, "float64"), (60_000, 20, 3, "float64")],
}
COLUMNS = [
    "seconds",
    "runs",
    "ratio",
    "peak_MB",
    "disagreement",
    "error",
    "remark",
    "built_with",
]
SPAN_TASKS = [("linear", 0), ("linear", 10), ("quadratic", 0)]
TENSORS = [(30, 14), (40, 19)]  # variables and rank
OF_OSCILLATORS = "seconds", "ratio", "one step", "50 steps", "50 linear steps"


def those_there(libraries):
    """Return those of the libraries that take part."""
    return [library for library in libraries if not runner.is_quick() or is_beside(library)]


def race(libraries, run_one):
    """Yield (library, its results), with the ratio of its time to ours, which is the first."""
    ours = None
    for library in libraries:
        found = run_one(library)
        if library == OURS:
            ours = found["seconds"]
        if "seconds" in found:
            found["ratio"] = found["seconds"] / ours
        yield library, found


def operators(options):
    """Write the rows of some tasks; rows of other tasks stay in the table."""
    key = ["task", "n", "p", "degree", "dtype", "library"]
    results = runner.Measurements("rivals.csv", key, anew=False)
    n_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for task in options.tasks:
            given_up = {}
            cases = runner.full_or_quick(CASES[task], [(500, 5, 2, "float64")])
            for number, case in enumerate(cases):
                reference = Path(folder) / f"{task}{number}.npy"
                for row in operator_rows(task, case, given_up, reference):
                    results.add(row)
                    n_wrong += row["remark"] == WRONG
    if n_wrong:
        sys.exit(f"{n_wrong} rows: {WRONG}")


def operator_rows(task, case, given_up, reference):
    """Yield the row of each library; add libraries that fail to ``given_up``."""
    n, p, degree, dtype = case

    def run_one(library):
        if library in given_up:
            return {"remark": f"not tried: {given_up[library]}"}
        found = run(library, "sides.py", task, *case, reference, most_seconds=120)
        if "seconds" not in found:
            given_up[library] = f"{found['remark']} (n={n}, p={p}, degree={degree})"
        checks = found.get("disagreement", 0.0), found.get("error", 0.0)
        if not all(check <= TOLERANCE[dtype] for check in checks):
            found["remark"] = WRONG
        return found

    libraries = those_there(OPERATOR_LIBRARIES)
    if task != "operator":  # in other tasks, names with a comma do the same as those without
        libraries = [library for library in libraries if "," not in library]
    for library, found in race(libraries, run_one):
        yield {
            "task": task,
            "n": n,
            "p": p,
            "degree": degree,
            "D": comb(p + degree, degree),
            "dtype": dtype,
            "library": library,
            "version": version_of(library),
            **{name: rounded(found.get(name, "")) for name in COLUMNS},
        }


def rounded(value):
    """Return a number rounded to three digits."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def snapshots(module, X):
    """Return the rows that enter and the rows that leave the span, each in 30 coordinates."""
    with torch.no_grad():
        a = module[:7](torch.as_tensor(X))
        b = module[7:9](a.clone())
    p = runner.full_or_quick(30, 5)
    return [PCA(p, svd_solver="full").fit_transform(part.double().numpy()) for part in (a, b)]


def spans(options):
    """Measure how long the matrix of a span takes; write the table."""
    results = runner.Measurements("spans.csv", ["task", "rank", "library"])
    X, y = images("mnist", "train")
    module = network("mnist", "deep")
    a, b = snapshots(module, X)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "snapshots.npz"
        np.savez(file, a=a, b=b)
        for task, rank in SPAN_TASKS:

            def run_one(library, task=task, rank=rank):
                return run(library, "spans.py", task, rank, file, most_seconds=300)

            for library, found in race(those_there([OURS, "pydmd", "pykoopman"]), run_one):
                row = {"task": task, "rank": rank or "full", "library": library}
                row |= {"version": version_of(library), "seconds": found.get("seconds", "")}
                row["ratio"] = round(found["ratio"], 2) if "ratio" in found else ""
                results.add(row | {name: found.get(name, "") for name in ("error", "remark")})
    quadratic = make_pipeline(PCA(30, random_state=0), MonomialLifter(2))
    for task, lifter in [("linear, whole fit", None), ("quadratic, whole fit", quadratic)]:
        student = LinearizedNetworkClassifier(module, ("7", "8"), lifter=lifter)
        turns = {"fit": lambda student=student: runner.seconds(student.fit, X, y)}
        taken = runner.median_of(runner.in_turns(turns, 3)["fit"], 3)
        row = {"task": task, "rank": "full", "library": OURS, "version": version_of(OURS)}
        results.add(row | {"seconds": taken})


def tensor_of(p):
    """Return the coefficients of a student, for coordinates of unit variance."""
    X, y = images("mnist", "train")
    (Z,) = coordinates(p, X)
    Z = Z[:10_000]
    student = EDMDClassifier(lifter=MonomialLifter(3), ridge=1e-3).fit(Z, y[:10_000])
    return _symmetric_tensor(student, student.lifter_, Z.std(axis=0, dtype=np.float64))


def tensors(options):
    """Measure how long it takes to cut a tensor into a train; write the table."""
    results = runner.Measurements("tensor_rivals.csv", ["variables", "rank", "library"])
    for p, rank in runner.full_or_quick(TENSORS, [(5, 3)]):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "tensor.npy"
            np.save(file, tensor_of(p))

            def run_one(library, rank=rank, file=file):
                return run(library, "tensors.py", rank, file, most_seconds=300)

            for library, found in race(those_there([OURS, "tensorly", "torchtt"]), run_one):
                row = {"variables": p, "rank": rank, "library": library}
                row |= {"version": version_of(library)}
                columns = ("seconds", "ratio", "parameters", "error")
                results.add(row | {name: rounded(found.get(name, "")) for name in columns})


def oscillators(options):
    """Measure how well and how fast next states are predicted; write the table."""
    results = runner.Measurements("oscillators.csv", ["system", "task", "degree", "library"])
    n, degrees = runner.full_or_quick((1000, (3, 5, 7, 9)), (20, (3,)))
    for system in ("duffing", "pendulum"):
        ours = {}
        for library in those_there([OURS, "pykoopman"]):
            found = run(library, "oscillators.py", system, n, *degrees, most_seconds=600)
            if "rows" not in found:
                sys.exit(f"{library}: {found['remark']}")
            for row in found["rows"]:
                case = {"system": system, "task": row["task"], "degree": row["degree"]}
                seconds = ours.setdefault(tuple(case.values()), row["seconds"])
                row |= {"ratio": row["seconds"] / seconds}
                columns = {name: rounded(row.get(name, "")) for name in OF_OSCILLATORS}
                version = {"library": library, "version": version_of(library)}
                results.add(case | version | columns)


PARTS = {
    "operators": operators,
    "spans": spans,
    "tensors": tensors,
    "oscillators": oscillators,
}


def parser():
    """Return the parser of the command line."""
    made = runner.benchmark_parser(__doc__)
    made.add_argument("part", nargs="?", choices=PARTS, default="operators")
    made.add_argument("--tasks", nargs="+", choices=CASES, default=list(CASES))
    return made


def main():
    """Run one part."""
    options = runner.parse(parser())
    PARTS[options.part](options)


if __name__ == "__main__":
    main()
