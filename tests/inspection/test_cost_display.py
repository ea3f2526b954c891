import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.inspection import AccuracyCostDisplay

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
    with pytest.raises(ValueError, match="Give both teacher and teacher_score"):
        AccuracyCostDisplay.from_search(SEARCH, X, y, teacher=teacher)


def test_errors(without):
    with pytest.raises(ValueError, match="cost='time': must be one of multiplications, param"):
        AccuracyCostDisplay([1], [1], cost="time")
    without("matplotlib.pyplot")
    with pytest.raises(ImportError, match=r"sklearn-koopman\[plot\]"):
        AccuracyCostDisplay([1], [1]).plot()
