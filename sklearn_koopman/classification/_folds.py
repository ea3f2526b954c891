"""Cross-validation inside a classifier: splits, what is known of their rows, scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax
from scipy.stats import rankdata
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_consistent_length, column_or_1d

from ..rows import BlockFunction, merged
from ..students import OneHotRows

# Scores that differ by less are the same score: sums of weights in another order.
TIE = 1e-12

WITHOUT_DASK = (
    "it goes over the rows of every fold apart. Choose the settings on a part of the rows, as an "
    "array in memory, and fit KoopmanDistilledClassifier or EDMDClassifier on all of them."
)


# How good the logits (n_rows, n_candidates, n_classes) are for each row, given the row's class
# and its soft (or one-hot) target.


def accuracy(logits, codes, targets):
    """Return 1 where the largest logit is that of the label."""
    return logits.argmax(axis=2) == codes[:, None]


def fidelity(logits, codes, targets):
    """Return 1 where student and teacher have the same largest logit."""
    return logits.argmax(axis=2) == targets.argmax(axis=1)[:, None]


def neg_log_loss(logits, codes, targets):
    """Return the logarithm of the label's probability."""
    return log_softmax(logits, axis=2)[np.arange(len(codes)), :, codes]


def neg_mean_squared_error(logits, codes, targets):
    """Return minus the mean square of the distance from the targets."""
    return -np.square(logits - targets[:, None]).mean(axis=2)


NEEDS_LABELS = accuracy, neg_log_loss


class CrossValidated:
    """What classifiers with cross-validation inside are beside their base: `fit` takes groups."""

    _fit: Callable  # of their base

    __metadata_request__fit = {"groups": True}  # noqa: RUF012

    def fit(
        self, X, y=None, sample_weight=None, *, soft_labels=None, teacher_X=None, groups=None
    ):
        """Choose the settings, and fit the student.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to lift with `lifter`, or rows of observables if that is None. float32 and
            float64 are kept. A ``numpy.memmap`` is read block by block.
        y : array-like of shape (n_samples,), default=None
            Labels: integers, strings, or whatever can be sorted. None: a teacher that is used as
            it is, or `soft_labels`, speak alone, and its choices are those that count.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 is the same as a row that is there twice.
        soft_labels : array-like of shape (n_samples, n_columns), default=None
            Probabilities or logits to learn from; the teacher is not called then.
        teacher_X : array-like of shape (n_samples, ...), default=None
            What the teacher sees; None lets it see X.
        groups : array-like of shape (n_samples,), default=None
            What `cv` keeps together, if it is a splitter such as
            :class:`~sklearn.model_selection.GroupKFold`.

        Returns
        -------
        self : object
            Fitted classifier.
        """
        return self._fit(X, y, sample_weight, soft_labels, teacher_X, groups=groups)


def judged(task):
    """Return a task with the labels that candidates are judged by: if none, the teacher's choices.

    Parameters
    ----------
    task : Task
    """
    if task.labels.were_given:
        return task
    return replace(task, labels=replace(task.labels, codes=task.soft_logits.argmax(axis=1)))


def make_splits(cv, task, groups=None):
    """Return the (training, test) rows of every split, stratified by the labels.

    Parameters
    ----------
    cv : int, splitter or iterable
        The `cv` parameter of a classifier.
    task : Task
    groups : array-like of shape (n_samples,), default=None

    Returns
    -------
    splits : list of (ndarray of int, ndarray of int)
    """
    codes = task.labels.codes
    splitter = check_cv(cv, codes, classifier=True)
    if groups is not None:
        groups = column_or_1d(groups)
        check_consistent_length(codes, groups)
    splits = list(splitter.split(np.zeros((len(codes), 1)), codes, groups))
    if not splits:
        raise ValueError(f"cv={cv!r} has no split: give an int from 2 on, or pairs of indices.")
    return splits


def split_tasks(task, splits):
    """Return the task of every split, on all rows: a teacher that learns sees training rows only.

    Parameters
    ----------
    task : Task
    splits : list of (ndarray of int, ndarray of int)

    Returns
    -------
    tasks : list of Task
    """
    if task.soft_logits_from is None:
        return [task] * len(splits)
    tasks = []
    for train, _ in splits:
        may_learn = np.zeros(len(task.sample_weight), dtype=bool)
        may_learn[train] = True
        soft_logits = task.soft_logits_from(may_learn).logits
        tasks.append(replace(task, soft_logits=soft_logits))
    return tasks


class SplitMoments:
    """Moments of all rows and of the training rows of every split, from one pass if that can be.

    Where every row is in one test set and in all other training sets, each test set is
    accumulated once; training rows are mergers of the others, so nothing is subtracted.

    Parameters
    ----------
    splits : list of (ndarray of int, ndarray of int)
    n_samples : int
    accumulate : callable
        Maps indices of rows to their moments.
    """

    def __init__(self, splits, n_samples, accumulate):
        self.splits = splits
        self.n_samples = n_samples
        self.accumulate = accumulate
        self.parts = None
        if _are_complements(splits, n_samples):
            self.parts = [accumulate(test) for _, test in splits]

    def of_training(self, split):
        """Return the moments of the training rows of a split, given by its number."""
        if self.parts is None:
            return self.accumulate(self.splits[split][0])
        return merged(self.parts[:split] + self.parts[split + 1 :])

    def of_all(self):
        """Return the moments of all rows."""
        if self.parts is None:
            return self.accumulate(np.arange(self.n_samples))
        return merged(self.parts)


def _are_complements(splits, n_samples):
    """Return whether every row is tested once, and trained on whenever it is not tested."""
    times_tested = np.zeros(n_samples, dtype=int)
    for train, test in splits:
        times_tested[test] += 1
        if not np.array_equal(np.sort(train), np.setdiff1d(np.arange(n_samples), test)):
            return False
    return len(splits) > 1 and bool((times_tested == 1).all())


def held_out_scores(task, test, coef, intercept, row_scores, targets=None):
    """Return the mean score of every candidate on the test rows of a split: one pass.

    Parameters
    ----------
    task : Task
    test : ndarray of int
    coef : ndarray of shape (n_candidates, n_classes, n_observables)
    intercept : ndarray of shape (n_candidates, n_classes)
    row_scores : callable
    targets : array of shape (n_samples, n_classes), default=None
        None takes the soft logits, or one-hot labels.

    Returns
    -------
    scores : ndarray of shape (n_candidates,)
    """
    part = task.at(test)
    codes = part.labels.codes
    _, n_classes, n_observables = coef.shape
    if targets is not None:
        targets = targets[test]
    elif part.soft_logits is not None:
        targets = part.soft_logits
    else:
        targets = OneHotRows(codes, n_classes)
    matrix = coef.reshape(-1, n_observables).T.astype(task.dtype)

    weight = scored_weight(part, row_scores)
    score = BlockScores(matrix, intercept, row_scores)
    (total,) = part.blocks.sum(score, weight, codes, targets)
    return total / weight.sum()


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


def scored_weight(task, row_scores):
    """Return what the rows of a task count in a score; refuse when all of it is zero."""
    weight = task.sample_weight
    if row_scores in NEEDS_LABELS:
        weight = weight * task.labels.is_labelled
    if not weight.any():
        raise ValueError(
            f"scoring={row_scores.__name__!r} has no row to score in a test set of cv: none has "
            "a label and a positive weight. Use fewer splits, or score what needs no labels."
        )
    return weight


def best_candidate(scores):
    """Return the number of the best mean score; of those that tie, the first.

    Parameters
    ----------
    scores : ndarray of shape (n_candidates,)
    """
    best = scores.max()
    return int(np.argmax(scores >= best - TIE * abs(best)))


def cv_results(candidates, scores):
    """Return scores as `GridSearchCV` does in its `cv_results_`.

    Parameters
    ----------
    candidates : list of dict
        Parameters of each candidate.
    scores : ndarray of shape (n_splits, n_candidates)

    Returns
    -------
    results : dict of str -> ndarray or list
    """
    results = {
        f"param_{name}": np.array([candidate[name] for candidate in candidates])
        for name in candidates[0]
    }
    results["params"] = candidates
    results |= {f"split{split}_test_score": row for split, row in enumerate(scores)}
    mean = scores.mean(axis=0)
    results["mean_test_score"] = mean
    with np.errstate(invalid="ignore"):  # a score of minus infinity has none
        results["std_test_score"] = scores.std(axis=0)
    results["rank_test_score"] = rankdata(-mean, method="min").astype(np.int32)
    return results
