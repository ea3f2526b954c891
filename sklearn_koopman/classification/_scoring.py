"""Scores of students on held-out rows: row by row, or by a scorer of scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer, get_scorer_names

from ..rows import BlockFunction
from ..students import Affine, OneHotRows, margin

# Functions that score logits (n_rows, n_candidates, n_classes) for each row, from the row's class
# and its soft (or one-hot) target.


def accuracy(logits, codes, targets):
    """Return 1 for rows whose largest logit belongs to the label."""
    return logits.argmax(axis=2) == codes[:, None]


def fidelity(logits, codes, targets):
    """Return 1 for rows on which student and teacher have the same largest logit."""
    return logits.argmax(axis=2) == targets.argmax(axis=1)[:, None]


def neg_log_loss(logits, codes, targets):
    """Return the logarithm of the label's probability."""
    return log_softmax(logits, axis=2)[np.arange(len(codes)), :, codes]


def neg_mean_squared_error(logits, codes, targets):
    """Return minus the mean squared distance from the targets."""
    return -np.square(logits - targets[:, None]).mean(axis=2)


ROW_SCORES = accuracy, fidelity, neg_log_loss, neg_mean_squared_error
NEEDS_NO_LABELS = fidelity, neg_mean_squared_error


def scoring_of(student, row_scores, default=None):
    """Return the scoring function for the parameter `scoring` of a student.

    Parameters
    ----------
    student : estimator
    row_scores : mapping of str to callable
        Functions that score row by row, by name.
    default : str, default=None
        Name that None stands for.

    Returns
    -------
    scoring : callable
        One of `row_scores`, or a scorer: a function of an estimator, rows, and their labels.
    """
    scoring = default if student.scoring is None else student.scoring
    if isinstance(scoring, str) and scoring in row_scores:
        return row_scores[scoring]
    if callable(scoring):
        return scoring
    if isinstance(scoring, str) and scoring in get_scorer_names():
        return get_scorer(scoring)
    raise ValueError(
        f"The 'scoring' parameter of {type(student).__name__} must be one of "
        f"{{{', '.join(map(repr, row_scores))}}}, the name of a scorer of scikit-learn "
        "(sklearn.metrics.get_scorer_names()), or a callable of an estimator, rows and labels. "
        f"Got {scoring!r} instead."
    )


def held_out_scores(
    task, test, coef, intercept, scoring, targets=None, *, has_probabilities=True
):
    """Return the score of every candidate on the test rows of a split.

    Parameters
    ----------
    task : Task
    test : ndarray of int
    coef : ndarray of shape (n_candidates, n_classes, n_observables)
    intercept : ndarray of shape (n_candidates, n_classes)
    scoring : callable
        Function from `scoring_of`. Scores of rows are averaged in one pass.
    targets : array of shape (n_samples, n_classes), default=None
        None takes the soft logits, or one-hot labels.
    has_probabilities : bool, default=True
        Whether the students give probabilities, for scorers that need them.

    Returns
    -------
    scores : ndarray of shape (n_candidates,)
    """
    part = task.at(test)
    weight = scored_weight(part, scoring)
    matrix = coef.reshape(-1, coef.shape[2]).T.astype(task.dtype)
    if not any(scoring is each for each in ROW_SCORES):
        kind = CandidateWithProbabilities if has_probabilities else Candidate
        return _scores_of_scorer(scoring, kind, part, weight, matrix, intercept)
    codes = part.labels.codes
    if targets is not None:
        targets = targets[test]
    elif part.soft_logits is not None:
        targets = part.soft_logits
    else:
        targets = OneHotRows(codes, coef.shape[1])
    score = BlockScores(matrix, intercept, scoring)
    (total,) = part.blocks.sum(score, weight, codes, targets)
    return total / weight.sum()


def scored_weight(task, scoring):
    """Return the weights of a task's rows in a score. Raise ValueError if all are zero.

    Rows that are not learned from are not scored. Weights of classes are ignored.
    """
    weight = task.sample_weight
    if task.given_weight is not None:
        weight = np.where(weight > 0, task.given_weight, 0.0)
    if not any(scoring is each for each in NEEDS_NO_LABELS):
        weight = weight * task.labels.is_labelled
    if not weight.any():
        name = getattr(scoring, "__name__", scoring)
        raise ValueError(
            f"scoring={name!r} has no row to score in a test set of cv: none has a label and a "
            "positive weight. Use fewer splits, or choose a scoring that needs no labels."
        )
    return weight


@dataclass(frozen=True)
class BlockScores(BlockFunction):
    """Sums over the rows of a block of the scores of all candidates.

    Attributes
    ----------
    matrix : ndarray of shape (n_observables, n_candidates * n_classes)
    intercept : ndarray of shape (n_candidates, n_classes)
    row_scores : callable
    """

    matrix: np.ndarray
    intercept: np.ndarray
    row_scores: Callable

    takes_sparse = True

    def __call__(self, psi, weight, codes, targets):
        """Return the sums, in a tuple."""
        logits = (psi @ self.matrix).reshape(-1, *self.intercept.shape) + self.intercept
        return (weight @ self.row_scores(logits, codes, targets),)


class Candidate(ClassifierMixin, BaseEstimator):
    """A fitted classifier with known logits, for scorers.

    Attributes
    ----------
    logits : ndarray of shape (n_samples, n_classes)
    classes_ : ndarray of shape (n_classes,)
    """

    def __init__(self, logits, classes):
        self.logits = logits
        self.classes_ = classes

    def decision_function(self, X):
        """Return the logits; for two classes, the second minus the first."""
        return margin(self.logits)

    def predict(self, X):
        """Return the class with the largest logit."""
        return self.classes_[self.logits.argmax(axis=1)]


class CandidateWithProbabilities(Candidate):
    """A candidate of students that give probabilities."""

    def predict_proba(self, X):
        """Return the probabilities of the classes."""
        return softmax(self.logits, axis=1)


def _scores_of_scorer(scorer, kind, task, weight, matrix, intercept):
    """Return what a scorer says of every candidate, on rows of positive weight."""
    scored = weight > 0
    weight = weight[scored]
    y = task.labels.classes[task.labels.codes[scored]]
    shape = (-1, *intercept.shape)
    logits = task.blocks.map(Affine(matrix, intercept.ravel())).reshape(shape)[scored]
    weights = {} if (weight == weight[0]).all() else {"sample_weight": weight}
    numbers = np.flatnonzero(scored)[:, None]
    candidates = [kind(each, task.labels.classes) for each in logits.swapaxes(0, 1)]
    scores = np.array([scorer(each, numbers, y, **weights) for each in candidates], dtype=float)
    if not np.isfinite(scores).all():
        raise ValueError(
            f"scoring={scorer!r} gives {scores[~np.isfinite(scores)][0]} for a test set "
            "of cv: use fewer splits, stratified ones, or another scoring."
        )
    return scores
