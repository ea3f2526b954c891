"""How long a fit takes beside scikit-learn's own pieces, and how long a whole grid takes.

    python benchmarks/bench_fit.py
    OPENBLAS_CORETYPE=Haswell python benchmarks/bench_fit.py --dtypes float32
    python benchmarks/bench_fit.py --grid

The student is that of MNIST at degree 2 after PCA 40. Without soft targets (soft_weight=0) it is
multinomial logistic regression, so both sides minimise the same objective, from pixels, in the same
run. Our side (PCA, lifting inside) stops by its tolerance. The other side is PCA +
PolynomialFeatures + StandardScaler + LogisticRegression. A callback of scipy's L-BFGS notes when
this side reaches an objective as low as ours. Both take turns, round by round. "student seconds"
and "LogisticRegression seconds" are parts of these times. Ours start from PCA coordinates, lifting
included. Theirs start from observables that are lifted and scaled already. The last row is the
distilled student, which gets the teacher's logits. Writes benchmarks/results/fit.csv. The second
command takes the kernels of OpenBLAS for processors without AVX-512. They have no fast path for
small matrices.

The third command measures what a whole grid costs beside a single fit. The grid of
KoopmanDistilledClassifierCV has 5 ridges x 4 temperatures x 3 soft weights x 5 folds: 300 fits to
training rows, and one to all of them. Beside it stand medians of single fits of
KoopmanDistilledClassifier in the same run, one at the default settings and one at the chosen ones.
Then the grid is solved again with a tighter cv_tol, which shows what the default does to the
scores. It also runs on one split that holds a sixth out, as the tables are made. All of them learn
from the logits of the perceptron of the tables. Least squares gets the same with six ridges, by
folds and by leaving single rows out. Writes benchmarks/results/grid.csv.
"""

from time import perf_counter
from typing import NamedTuple
from unittest import mock

import scipy.optimize
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from threadpoolctl import threadpool_info

from benchmarks import runner
from experiments.images import images
from experiments.teachers import teacher
from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
)

COMPONENTS, DEGREE, RIDGE = 40, 2, 1e-4
TOLERANCES = (1e-4, 1e-5, 1e-6)
GRID = {
    "ridges": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
    "temperatures": [1.0, 2.0, 4.0, 8.0],
    "soft_weights": [0.25, 0.5, 0.9],
}


def ours(**settings):
    """Return our student, which starts from pixels."""
    lifter = MonomialLifter(DEGREE)
    return make_pipeline(
        PCA(COMPONENTS, random_state=0),
        KoopmanDistilledClassifier(ridge=RIDGE, lifter=lifter, **settings),
    )


def theirs(n_samples):
    """Return scikit-learn's pipeline with the same objective."""
    return make_pipeline(
        PCA(COMPONENTS, random_state=0),
        PolynomialFeatures(DEGREE, include_bias=False),
        StandardScaler(copy=False),
        LogisticRegression(C=1 / (RIDGE * n_samples), max_iter=100_000, tol=1e-12),
    )


class Step(NamedTuple):
    """How far scikit-learn has come."""

    iterations: int | None
    seconds: float
    of_logistic_regression: float
    objective: float


NEVER = Step(None, float("nan"), float("nan"), float("nan"))


def progress_of_theirs(X, y, goal, most_seconds):
    """Return the steps of scikit-learn, from pixels until it reaches a goal."""
    progress = []
    minimize, fit = scipy.optimize.minimize, LogisticRegression.fit
    start = perf_counter()
    started = start

    def note_start(*args, **kwargs):
        nonlocal started
        started = perf_counter()
        return fit(*args, **kwargs)

    def note(intermediate_result):
        now = perf_counter()
        objective = float(intermediate_result.fun)
        progress.append(Step(len(progress) + 1, now - start, now - started, objective))
        if objective <= goal or now - start > most_seconds:
            raise StopIteration

    def noted(*args, **kwargs):
        return minimize(*args, **{**kwargs, "callback": note})

    with (
        mock.patch.object(scipy.optimize, "minimize", noted),
        mock.patch.object(LogisticRegression, "fit", note_start),
    ):
        theirs(len(X)).fit(X, y)
    return progress


class Contestant(NamedTuple):
    """One of our students."""

    student: str
    tol: float


class Run(NamedTuple):
    """One fit: its seconds from pixels and from coordinates, and the step of scikit-learn."""

    student: KoopmanDistilledClassifier
    seconds: float
    of_student: float
    theirs: Step | None = None


def fitted(pipeline, X, y, **params):
    """Fit the PCA and then the student, as the pipeline does."""
    pca, student = (step for _, step in pipeline.steps)
    Z, of_pca = runner.timed(pca.fit_transform, X)
    student, of_student = runner.timed(student.fit, Z, y, **params)
    return Run(student, of_pca + of_student, of_student)


def race(X, y, logits, most_seconds):
    """Return the run of every contestant. scikit-learn runs once, until the lowest objective."""
    runs = {
        Contestant("soft_weight=0", tol): fitted(
            ours(soft_weight=0.0, tol=tol, max_iter=3000), X, y
        )
        for tol in TOLERANCES
    }
    lowest = min(run.student.objective_ for run in runs.values())
    progress = progress_of_theirs(X, y, lowest, most_seconds)
    for contestant, run in runs.items():
        goal = run.student.objective_
        as_low = next((step for step in progress if step.objective <= goal), NEVER)
        runs[contestant] = run._replace(theirs=as_low)
    distilled = fitted(ours(soft_weight=0.9, temperature=2.0), X, y, soft_labels=logits)
    return runs | {Contestant("distilled", distilled.student.tol): distilled}


def medians(runs):
    """Return the columns of the table. A ratio is the median of the ratios of all rounds."""
    seconds, of_student = [run.seconds for run in runs], [run.of_student for run in runs]
    columns = {
        "objective": f"{runs[0].student.objective_:.8f}",
        "seconds": runner.median_of(seconds, 2),
        "student seconds": runner.median_of(of_student, 2),
        "steps": runs[0].student.n_iter_,
    }
    if runs[0].theirs is None:
        return columns
    theirs = [run.theirs.seconds for run in runs]
    of_regression = [run.theirs.of_logistic_regression for run in runs]
    return columns | {
        "scikit-learn seconds": runner.median_of(theirs, 2),
        "LogisticRegression seconds": runner.median_of(of_regression, 2),
        "scikit-learn steps": runs[0].theirs.iterations,
        "ratio": runner.median_ratio(seconds, theirs),
        "student ratio": runner.median_ratio(of_student, of_regression),
        "rounds": len(runs),
    }


def bench_fit(options):
    """Fit in all precisions and write the table."""
    results = runner.Measurements("fit.csv", ("student", "dtype", "tol", "kernels"), anew=False)
    X, y = images("mnist", "train")
    logits = teacher("mnist", "mlp")(X)
    kernels = {pool["architecture"] for pool in threadpool_info() if "architecture" in pool}
    for dtype in options.dtypes:
        data = X.astype(dtype)
        turns = {"race": lambda data=data: race(data, y, logits, options.most_seconds)}
        rounds = runner.in_turns(turns, options.repeats)["race"]
        for contestant in rounds[0]:
            runs = [each[contestant] for each in rounds]
            row = {"dtype": dtype, **contestant._asdict(), **medians(runs)}
            results.add(row | {"kernels": " ".join(sorted(kernels))})


class GridBench:
    """Fits single settings and grids to the same rows."""

    def __init__(self, n_rows, repeats):
        X, self.y = (array[:n_rows] for array in images("mnist", "train"))
        self.logits = teacher("mnist", "mlp")(X)
        self.Z = PCA(COMPONENTS, random_state=0).fit_transform(X)
        self.repeats = repeats
        self.results = runner.Measurements("grid.csv", ["what", "detail"])

    def note(self, what, seconds, single, detail=""):
        """Add a row."""
        row = {"what": what, "rows": len(self.Z), "seconds": round(seconds, 2)}
        self.results.add(row | {"over single": round(seconds / single, 2), "detail": detail})

    def single(self, model, **params):
        """Return the fitted model and the median time."""
        turns = {"fit": lambda: runner.timed(model.fit, self.Z, self.y, **params)}
        fits = runner.in_turns(turns, self.repeats)["fit"]
        return fits[-1][0], runner.median_of(seconds for _, seconds in fits)

    def distilled(self, tight):
        """Fit distilled students: single settings, and grids."""
        lifter, soft = MonomialLifter(DEGREE), {"soft_labels": self.logits}
        model, default = self.single(KoopmanDistilledClassifier(lifter=lifter), **soft)
        self.note(
            "distilled, default settings", default, default, f"{model.n_iter_} iterations"
        )
        grid = KoopmanDistilledClassifierCV(lifter=lifter, **GRID)
        split = StratifiedShuffleSplit(1, test_size=1 / 6, random_state=0)
        scores, choices = [], []
        for cv_tol, cv, folds in (
            (grid.cv_tol, 5, "5 folds"),
            (tight, 5, "5 folds"),
            (grid.cv_tol, split, "1 split"),
        ):
            model = clone(grid).set_params(cv_tol=cv_tol, cv=cv)
            model, seconds = runner.timed(model.fit, self.Z, self.y, **soft)
            names = ("ridge", "temperature", "soft_weight")
            chosen = {name: getattr(model, f"{name}_") for name in names}
            detail = f"cv_tol {model.cv_tol:g}, chose {chosen}, score {model.best_score_:.5f}"
            self.note(f"distilled, grid of 60 x {folds}", seconds, default, detail)
            scores.append(model.cv_results_["mean_test_score"])
            choices.append(chosen)
        loose, tight, _ = scores
        lost = tight.max() - tight[loose.argmax()]
        print(f"with the default cv_tol, the choice is {lost:.5f} below the best tight score")
        model = KoopmanDistilledClassifier(lifter=lifter, **choices[0])
        model, seconds = self.single(model, **soft)
        self.note("distilled, chosen settings", seconds, default, f"{model.n_iter_} iterations")

    def least_squares(self):
        """Fit least squares with one ridge, and with six."""
        lifter = MonomialLifter(DEGREE)
        _, single = self.single(EDMDClassifier(ridge=1e-6, lifter=lifter))
        self.note("EDMD, single ridge", single, single)
        for cv, name in ((5, "5 folds"), (None, "single rows left out")):
            model, seconds = runner.timed(
                EDMDClassifierCV(lifter=lifter, cv=cv).fit, self.Z, self.y
            )
            self.note(
                f"EDMD, 6 ridges, {name}", seconds, single, f"chose ridge {model.ridge_:g}"
            )


def parser():
    """Return the parser of the command line."""
    made = runner.benchmark_parser(__doc__, repeats=5)
    made.add_argument("--most-seconds", type=float, default=600, help="limit for scikit-learn")
    made.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    made.add_argument("--grid", action="store_true", help="measure grids of settings instead")
    made.add_argument(
        "--rows", type=runner.count, default=60_000, help="number of rows for grids"
    )
    made.add_argument("--tight", type=float, default=1e-3, help="the tighter cv_tol of grids")
    return made


def main():
    """Run one of the benchmarks."""
    options = runner.parse(parser())
    if options.grid:
        bench = GridBench(options.rows, options.repeats)
        bench.distilled(options.tight)
        bench.least_squares()
    else:
        options.most_seconds = runner.full_or_quick(options.most_seconds, 5)
        bench_fit(options)


if __name__ == "__main__":
    main()
