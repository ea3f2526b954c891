"""How long an exact fit takes with hundreds of classes, and what stopping early changes.

    OMP_NUM_THREADS=1 python benchmarks/bench_classes.py --other CHECKOUT
    OMP_NUM_THREADS=1 python benchmarks/bench_classes.py --tolerances

The first command fits KoopmanDistilledClassifier to the same problems in this version and in
another one. The other version is a checkout with its kernels compiled. Both take turns, and each
fit is a process of its own:

    git worktree add ../before 7f9aafb && (cd ../before && python setup.py build_ext --inplace)

Observables are correlated (the j-th principal deviation is j^-1.5). Labels are drawn from the
logits of a linear map, and the soft targets are these logits plus some noise. Other programs
disturb "CPU seconds" less than seconds on the clock. Writes benchmarks/results/classes.csv.

The second command stops at one tolerance after the other, at 214 classes. It compares the answers
on new rows with those of the optimum. Writes benchmarks/results/classes_tolerance.csv.
"""

import os
import time
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks import runner
from sklearn_koopman import KoopmanDistilledClassifier

# Rows, observables, classes, tolerance.
PROBLEMS = [
    (4500, 200, 214, 1e-6),
    (10_000, 500, 214, 1e-4),
    (10_000, 500, 214, 1e-6),
    (4500, 200, 32, 1e-6),
    (10_000, 500, 10, 1e-6),
    (60_000, 100, 10, 1e-6),
]
QUICK = [(300, 20, 40, 1e-4)]
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)
DECAY, CLARITY, NOISE = 1.5, 6.0, 0.2
N_TEST = 5000


def make_rows(n_samples, n_observables, n_classes):
    """Return rows, labels, and the logits of a teacher."""
    rng = np.random.default_rng(0)
    deviations = np.arange(1.0, n_observables + 1) ** -DECAY
    mixing = deviations[:, None] * rng.normal(size=(n_observables, n_observables))
    X = rng.normal(size=(n_samples, n_observables)) @ mixing
    X /= X.std(axis=0)
    logits = X @ rng.normal(size=(n_observables, n_classes))
    logits *= CLARITY / logits.std()
    logits += NOISE * rng.normal(size=logits.shape)
    y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    y[:n_classes] = np.arange(n_classes)
    return X, y, logits


def fit(X, y, logits, tol):
    """Return the student, and the seconds of its fit: on the clock, and of the processor."""
    student = KoopmanDistilledClassifier(ridge=1e-4, tol=tol, max_iter=3000)
    clock, processor = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        student.fit(X, y, soft_labels=logits)
    return student, time.perf_counter() - clock, time.process_time() - processor


def tell_fit(n_samples, n_observables, n_classes, tol):
    """Fit in this process, and tell how long it took."""
    rows = make_rows(int(n_samples), int(n_observables), int(n_classes))
    student, seconds, cpu_seconds = fit(*rows, float(tol))
    runner.tell(
        seconds=seconds,
        cpu=cpu_seconds,
        steps=student.n_iter_,
        objective=student.objective_,
        gradient=student.gradient_norm_,
    )


def bench_versions(other, repeats):
    """Measure how long both versions take; write the table."""
    results = runner.Measurements(
        "classes.csv", ["rows", "observables", "classes", "tolerance"]
    )
    versions = {"now": str(Path(__file__).parents[1])}
    if other:
        versions["before"] = str(Path(other).resolve())

    def in_version(version, problem):
        with mock.patch.dict(os.environ, PYTHONPATH=versions[version]):
            return runner.alone(__file__, *problem)

    for problem in runner.full_or_quick(PROBLEMS, QUICK):
        sides = {
            name: lambda name=name, problem=problem: in_version(name, problem)
            for name in versions
        }
        found = runner.in_turns(sides, repeats)
        row = dict(zip(("rows", "observables", "classes", "tolerance"), problem, strict=True))
        for name, runs in found.items():
            for key, title in (("seconds", "seconds"), ("cpu", "CPU seconds")):
                row[f"{title} {name}"] = runner.median_of([run[key] for run in runs], 2)
            row[f"steps {name}"] = runs[0]["steps"]
            row[f"gradient {name}"] = f"{runs[0]['gradient']:.1e}"
            row[f"objective {name}"] = f"{runs[0]['objective']:.7f}"
        if other:
            cpu = [[run["cpu"] for run in found[name]] for name in ("before", "now")]
            row["times less CPU"] = runner.median_ratio(*cpu, 2)
        results.add(row)


def bench_tolerances():
    """Measure how stopping early changes the answers; write the table."""
    n_samples, n_observables, n_classes = runner.full_or_quick((4500, 200, 214), (300, 20, 40))
    results = runner.Measurements("classes_tolerance.csv", ["tolerance"])
    X, y, logits = make_rows(n_samples + N_TEST, n_observables, n_classes)
    train, test = slice(n_samples), slice(n_samples, None)
    best, _, _ = fit(X[train], y[train], logits[train], 1e-8)
    judged, probabilities = best.predict(X[test]), best.predict_proba(X[test])
    of_teacher = logits[test].argmax(axis=1)
    for tol in TOLERANCES:
        student, _, cpu_seconds = fit(X[train], y[train], logits[train], tol)
        found = student.predict(X[test])
        gaps = np.abs(student.predict_proba(X[test]) - probabilities).sum(axis=1) / 2
        results.add(
            {
                "tolerance": tol,
                "steps": student.n_iter_,
                "CPU seconds": round(cpu_seconds, 2),
                "objective above optimum": f"{student.objective_ / best.objective_ - 1:.1e}",
                "accuracy": round(float(np.mean(found == y[test])), 4),
                "agreement with the teacher": round(float(np.mean(found == of_teacher)), 4),
                "agreement with the optimum": round(float(np.mean(found == judged)), 4),
                "mean distance of probabilities": f"{gaps.mean():.1e}",
            }
        )


def parser():
    """Return the parser of the command line."""
    parser = runner.benchmark_parser(__doc__, repeats=3, runs_alone=True)
    parser.add_argument("--other", help="checkout of another version, with compiled kernels")
    parser.add_argument(
        "--tolerances", action="store_true", help="measure what stopping early changes"
    )
    return parser


def main():
    """Run the benchmark and write its table."""
    args = runner.parse(parser())
    if args.alone:
        tell_fit(*args.alone)
    elif args.tolerances:
        bench_tolerances()
    else:
        bench_versions(args.other, args.repeats)


if __name__ == "__main__":
    main()
