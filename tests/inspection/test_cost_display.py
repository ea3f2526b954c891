import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.inspection import AccuracyCostDisplay, cost

matplotlib.use("Agg")
X, y = load_iris(return_X_y=True)
SEARCH = GridSearchCV(
    EDMDClassifier(lifter=MonomialLifter()),
    {"lifter__degree": [1, 2, 3], "ridge": [1e-4, 1e-2]},
    cv=3,
).fit(X, y)


def test_the_frontier_has_no_cheaper_equal():
    costs = np.array([5, 1, 3, 3, 9, 1])
    scores = np.array([0.9, 0.5, 0.8, 0.7, 0.9, 0.6])
    display = AccuracyCostDisplay(costs, scores)
    assert_array_equal(display.frontier, [5, 2, 0])
    assert_array_equal(AccuracyCostDisplay([2.0], [0.1]).frontier, [0])


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ("multiplications", [3 * 5, 3 * 15 + 10, 3 * 35 + 30]),
        ("parameters", [18, 48, 108]),
        ("bytes", [144, 384, 864]),
    ],
)
def test_candidates_of_a_search(cost, expected):
    display = AccuracyCostDisplay.from_search(SEARCH, X, y, cost=cost)
    assert_array_equal(display.costs, np.repeat(expected, 2))
    assert_array_equal(display.scores, SEARCH.cv_results_["mean_test_score"])
    assert display.teacher_ is None
    assert_array_equal(display.candidates_.get_offsets()[:, 0], display.costs)
    matplotlib.pyplot.close(display.figure_)


def test_teacher():
    teacher = LogisticRegression(max_iter=1000).fit(X, y)
    figure, ax = matplotlib.pyplot.subplots()
    display = AccuracyCostDisplay.from_search(
        SEARCH, X, y, teacher=teacher, teacher_score=0.95, ax=ax
    )
    assert display.ax_ is ax
    assert_array_equal(display.teacher_.get_offsets(), [[12, 0.95]])
    matplotlib.pyplot.close(figure)
    with pytest.raises(ValueError, match="Pass both teacher and teacher_score"):
        AccuracyCostDisplay.from_search(SEARCH, X, y, teacher=teacher)


def test_errors(without):
    with pytest.raises(ValueError, match="cost='time': must be one of multiplications, param"):
        AccuracyCostDisplay([1], [1], cost="time")
    without("matplotlib.pyplot")
    with pytest.raises(ImportError, match=r"sklearn-koopman\[plot\]"):
        AccuracyCostDisplay([1], [1]).plot()


def costs_of(model, name, values, X, y, **more):
    """Return the costs of candidates that are fitted to all rows."""
    return [
        cost(clone(model).set_params(**{name: value}).fit(X, y, **more), X[:1]).multiplications
        for value in values
    ]


def drawn_costs(search, X, y):
    display = AccuracyCostDisplay.from_search(search, X, y)
    matplotlib.pyplot.close(display.figure_)
    return display.costs.tolist()


DIGITS, DIGIT_LABELS = load_digits(return_X_y=True)
DIGITS, DIGIT_LABELS = DIGITS[:800], DIGIT_LABELS[:800]
ORDER = np.argsort(DIGIT_LABELS, kind="stable")


@pytest.mark.parametrize("n_rows", [500, 3])
def test_costs_do_not_depend_on_the_order_of_the_rows(n_rows):
    name, values = "lifter__pca__n_components", [3, 4]
    model = EDMDClassifier(lifter=make_pipeline(PCA(3), MonomialLifter(2)))
    search = GridSearchCV(model, {name: values}, cv=2).fit(DIGITS, DIGIT_LABELS)
    right = costs_of(model, name, values, DIGITS, DIGIT_LABELS)
    display = AccuracyCostDisplay.from_search(
        search, DIGITS[ORDER], DIGIT_LABELS[ORDER], n_rows=n_rows
    )
    matplotlib.pyplot.close(display.figure_)
    assert display.costs.tolist() == right


def test_candidates_whose_reprs_are_alike_differ():
    steps = [
        (f"a_step_with_a_rather_long_name_number_{i}", StandardScaler()) for i in range(12)
    ]
    model = Pipeline([*steps[:6], ("pca", PCA(2)), *steps[6:], ("student", EDMDClassifier())])
    search = GridSearchCV(model, {"pca__n_components": [2, 3]}, cv=2).fit(X, y)
    assert repr(clone(model)) == repr(clone(model).set_params(pca__n_components=3))
    assert drawn_costs(search, X, y) == costs_of(model, "pca__n_components", [2, 3], X, y)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_searches_with_soft_labels(in_pipeline):
    student = KoopmanDistilledClassifier(tol=1e-2, lifter=MonomialLifter(2))
    model = make_pipeline(StandardScaler(), student) if in_pipeline else student
    prefix = "koopmandistilledclassifier__" if in_pipeline else ""
    name, given = f"{prefix}soft_weight", {f"{prefix}soft_labels": np.eye(3)[y]}
    search = GridSearchCV(model, {name: [0.5, 0.9]}, cv=2).fit(X, y, **given)
    assert drawn_costs(search, X, y) == costs_of(model, name, [0.5, 0.9], X, y, **given)
