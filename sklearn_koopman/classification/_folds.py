"""Cross-validation inside a classifier: splits, moments of their rows, the best candidate."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_consistent_length, column_or_1d

from ..rows import merged

# Scores that differ by less are equal: they are sums of weights in another order.
TIE = 1e-12

WITHOUT_DASK = (
    "it goes over the rows of every fold apart. Choose the settings on a part of the rows, as an "
    "array in memory, and fit KoopmanDistilledClassifier or EDMDClassifier on all of them."
)


class CrossValidated:
    """Second base of classifiers with cross-validation inside, whose `fit` takes groups."""

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
    numbers = np.arange(len(codes))  # users give lists, ranges and masks too
    return [(numbers[np.asarray(train)], numbers[np.asarray(test)]) for train, test in splits]


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
        Function of indices of rows that returns their moments.
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


def said_of_fold(split, scores):
    """Return the message for a finished fold, with its number and its best score.

    Parameters
    ----------
    split : int
    scores : list of ndarray of shape (n_candidates,)
        Scores of this fold and of earlier ones.
    """
    return f"fold {split + 1}: best score {np.max(scores[-1]):.4f}"


def best_candidate(scores):
    """Return the index of the best mean score, and of the first one if several are equal.

    Parameters
    ----------
    scores : ndarray of shape (n_candidates,)
    """
    best = scores.max()
    return int(np.argmax(scores >= best - TIE * abs(best)))


def cv_results(candidates, scores):
    """Return scores in the form of `cv_results_` of `GridSearchCV`.

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
    with np.errstate(invalid="ignore"):  # a score of minus infinity has no deviation
        results["std_test_score"] = scores.std(axis=0)
    results["rank_test_score"] = rankdata(-mean, method="min").astype(np.int32)
    return results
