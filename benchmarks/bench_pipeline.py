"""What steps before a student cost in time and memory, beside steps inside it.

    python benchmarks/bench_pipeline.py

Three sides take turns: `make_pipeline(PCA(p), MonomialLifter(degree), student)` of this package;
the same of scikit-learn, which lifts all rows first; and the student alone, with both steps inside
as its `lifter=`. All start from the pixels of MNIST's 60,000 training images, and learn from
labels. Every fit is a process of its own. `megabytes` is the peak above what pixels and libraries
needed before. `ratio` compares with the steps inside, and is the median of the ratios of all
rounds. Writes benchmarks/results/pipeline.csv. Linux only.
"""

from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline as make_pipeline_of_sklearn

from benchmarks import runner
from experiments.images import images
from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.pipeline import make_pipeline

STUDENTS = {
    "EDMD": EDMDClassifier(ridge=1e-6),
    "distilled": KoopmanDistilledClassifier(soft_weight=0.0, ridge=1e-4),
}
INSIDE, OURS, THEIRS = "inside", "step", "step of scikit-learn's pipeline"
COLUMNS = ("student", "dtype", "p", "degree")
CASES = [
    ("distilled", "float32", 40, 2),
    ("distilled", "float64", 40, 2),
    ("EDMD", "float32", 20, 3),
    ("EDMD", "float32", 30, 3),
    ("distilled", "float32", 30, 3),
]


def pipeline_of(student, p, degree, place):
    """Return the unfitted model."""
    pca, lifter = PCA(p, random_state=0), MonomialLifter(degree)
    student = clone(STUDENTS[student])
    if place == INSIDE:
        return student.set_params(lifter=make_pipeline_of_sklearn(pca, lifter))
    make = make_pipeline if place == OURS else make_pipeline_of_sklearn
    return make(pca, lifter, student)


def run_alone(student, dtype, p, degree, place):
    """Fit in this process; tell the seconds, and the megabytes above those of the pixels."""
    X, y = images("mnist", "train")
    X = X.astype(dtype)
    runner.tell_cost(pipeline_of(student, int(p), int(degree), place).fit, X, y)


def parser():
    """Return the parser of the command line."""
    return runner.benchmark_parser(__doc__, repeats=3, runs_alone=True)


def main():
    """Run all sides in turn and write the table."""
    options = runner.parse(parser())
    if options.alone:
        run_alone(*options.alone)
        return
    results = runner.Measurements("pipeline.csv", [*COLUMNS, "lifting"])
    for case in runner.full_or_quick(CASES, [("distilled", "float32", 5, 2)]):
        turns = {
            place: lambda place=place, case=case: runner.alone(__file__, *case, place)
            for place in (INSIDE, OURS, THEIRS)
        }
        found = runner.in_turns(turns, options.repeats)
        seconds = {place: [run["seconds"] for run in runs] for place, runs in found.items()}
        for place, runs in found.items():
            results.add(
                {
                    **dict(zip(COLUMNS, case, strict=True)),
                    "lifting": place,
                    "seconds": runner.median_of(seconds[place], 2),
                    "ratio": runner.median_ratio(seconds[place], seconds[INSIDE]),
                    "megabytes": round(runner.median_of(run["megabytes"] for run in runs)),
                    "rounds": len(runs),
                }
            )


if __name__ == "__main__":
    main()
