"""Accuracy against cost: the candidates of a search, and their teacher."""

from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._axes import axes_to_draw_on
from .._progress import progress, showing_progress
from ..students import OneHotRows, Student, encode_labels, some_rows
from ._cost import count_operations
from ._last_step import prefix_of, student_of

_COSTS = {
    "multiplications": "multiplications per sample",
    "parameters": "parameters",
    "bytes": "bytes of parameters",
    "seconds": "seconds per sample",
    "tables": "bytes of tables in C",
}


class AccuracyCostDisplay:
    """Scores of many students against their costs, and the frontier of the best ones.

    Parameters
    ----------
    costs : array-like of shape (n_candidates,)
    scores : array-like of shape (n_candidates,)
    cost : {"multiplications", "parameters", "bytes", "seconds", "tables"}
        Unit of the costs. "multiplications" is the default.
    teacher_cost, teacher_score : float, default=None
        Cost and score of the teacher. None: the teacher is not drawn.

    Attributes
    ----------
    frontier : ndarray of int
        Indices of the candidates that have a better score than all cheaper ones, the cheapest
        first.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    candidates_, frontier_, teacher_ : matplotlib artists
        `teacher_` is None without a teacher.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.inspection import AccuracyCostDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(
    ...     EDMDClassifier(lifter=MonomialLifter()), {"lifter__degree": [1, 2, 3]}
    ... ).fit(X, y)
    >>> AccuracyCostDisplay.from_search(search, X, y).costs
    array([ 15,  55, 135])
    """

    frontier_: Any

    def __init__(
        self, costs, scores, *, cost="multiplications", teacher_cost=None, teacher_score=None
    ):
        if cost not in _COSTS:
            raise ValueError(f"cost={cost!r}: must be one of {', '.join(_COSTS)}.")
        self.costs = np.asarray(costs)
        self.scores = np.asarray(scores)
        self.cost = cost
        self.teacher_cost = teacher_cost
        self.teacher_score = teacher_score
        order = np.lexsort((-self.scores, self.costs))
        best_before = np.maximum.accumulate(np.append(-np.inf, self.scores[order][:-1]))
        self.frontier = order[self.scores[order] > best_before]

    @classmethod
    def from_search(
        cls,
        search,
        X,
        y,
        *,
        cost="multiplications",
        teacher=None,
        teacher_score=None,
        n_rows=500,
        ax=None,
        verbose=None,
    ):
        """Draw the candidates of a finished search.

        A search keeps only the best candidate fitted. So each candidate is fitted again to a few
        rows: its cost depends only on the sizes of its parts. Students that were given
        `soft_labels` in the search learn from labels here.

        Parameters
        ----------
        search : GridSearchCV or RandomizedSearchCV
            A fitted search with one score.
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        cost : {"multiplications", "parameters", "bytes"}, default="multiplications"
        teacher : torch.nn.Module, fitted classifier or teacher, default=None
        teacher_score : float, default=None
            Score of the teacher on rows that it has not learned from. The scores of the search are
            on held-out rows too.
        n_rows : int, default=500
            Number of rows that the candidates are fitted to. Classes have the same proportions as
            in y, and each has at least one row.
        ax : matplotlib Axes, default=None
        verbose : int, default=None
            0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line
            for each step. None is 1 where stderr is a terminal, and in notebooks, else 0.

        Returns
        -------
        display : AccuracyCostDisplay
        """
        if cost == "seconds":
            raise ValueError(
                "cost='seconds': the candidates of a finished search cannot be timed. Choose "
                "multiplications, parameters or bytes."
            )
        if (teacher is None) != (teacher_score is None):
            raise ValueError(
                "Pass both teacher and teacher_score, its score on held-out rows, or neither."
            )
        y = column_or_1d(y)
        check_consistent_length(X, y)
        some = _some_of_each_class(y, n_rows)
        some_X, some_y = some_rows(X, some), y[some]
        candidates, costs = search.cv_results_["params"], []
        with (
            showing_progress(verbose),
            progress("costs", len(candidates), "candidate") as steps,
        ):
            for params in candidates:
                candidate = clone(search.estimator).set_params(**clone(params, safe=False))
                candidate.fit(some_X, some_y, **_soft_labels_instead(candidate, some_y))
                costs.append(getattr(count_operations(candidate, X[:1]), cost))
                steps.done(f"{params}: {costs[-1]:,} {cost}")
        teacher_cost = (
            None if teacher is None else getattr(count_operations(teacher, X[:1]), cost)
        )
        return cls(
            costs,
            search.cv_results_["mean_test_score"],
            cost=cost,
            teacher_cost=teacher_cost,
            teacher_score=teacher_score,
        ).plot(ax)

    def plot(self, ax=None):
        """Draw candidates, frontier and teacher.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        display : AccuracyCostDisplay
        """
        self.ax_ = axes_to_draw_on(ax)
        self.figure_ = self.ax_.figure
        self.candidates_ = self.ax_.scatter(self.costs, self.scores, s=12, label="students")
        best = self.frontier
        (self.frontier_,) = self.ax_.step(
            self.costs[best], self.scores[best], where="post", label="frontier"
        )
        self.teacher_ = None
        if self.teacher_cost is not None:
            self.teacher_ = self.ax_.scatter(
                self.teacher_cost, self.teacher_score, marker="*", s=80, label="teacher"
            )
        self.ax_.set(xscale="log", xlabel=_COSTS[self.cost], ylabel="score")
        self.ax_.legend()
        return self


def _some_of_each_class(y, n_rows):
    """Return a mask of the rows to take: evenly from each class, and at least one of each."""
    by_class = np.argsort(y, kind="stable")
    chosen = np.zeros(len(y), dtype=bool)
    chosen[by_class[np.linspace(0, len(y) - 1, min(n_rows, len(y))).astype(int)]] = True
    chosen[np.unique(y, return_index=True)[1]] = True
    return chosen


def _soft_labels_instead(candidate, y):
    """Return what `fit` of a student without a teacher needs: soft labels, or nothing."""
    student = student_of(candidate)
    if not isinstance(student, Student) or student.teacher is not None:
        return {}
    if student.teacher_classes is None:
        labels = encode_labels(y, student.unlabeled_value)
    else:
        labels = encode_labels(y, student.unlabeled_value, student.teacher_classes)
    one_hot = OneHotRows(labels.codes, len(labels.classes))[:]
    prefix = "" if get_config()["enable_metadata_routing"] else prefix_of(candidate)
    return {f"{prefix}soft_labels": one_hot}
