"""Classes in a report: confusion matrices and F1 scores."""

import numpy as np
from sklearn.metrics import confusion_matrix


def confusions(y, labels):
    """Return the confusion matrices of models.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        True labels.
    labels : dict of str to list of ndarray
        Predictions of each model, for each seed.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        All classes, sorted.
    confusion : dict of str to ndarray of shape (n_classes, n_classes)
        Numbers of rows of each class (row) in each class (column), means over the seeds.
    """
    said = [each for of_seeds in labels.values() for each in of_seeds]
    classes = np.unique(np.concatenate([y, *said]))
    confusion = {
        model: np.mean([confusion_matrix(y, each, labels=classes) for each in of_seeds], axis=0)
        for model, of_seeds in labels.items()
    }
    return classes, confusion


def f1_scores(confusion):
    """Return the F1 score of each class, 2 TP / (2 TP + FP + FN), or NaN if it never occurs.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
    """
    hits = 2 * np.diag(confusion)
    all_said = confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.divide(hits, all_said, out=np.full(len(hits), np.nan), where=all_said > 0)
