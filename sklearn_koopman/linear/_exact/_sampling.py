"""Choice of the rows of a sample."""

import numpy as np


def choose_rows(score, left_to_chance, most):
    """Sample rows with probabilities in proportion to their scores, and at most one.

    This is systematic sampling: it draws no random numbers, and takes rows from all over the data.

    Parameters
    ----------
    score : ndarray of shape (n_samples,)
        Scores, which are not negative.
    left_to_chance : float in [0, 1)
        Share of the sum of all scores that the sample may lack before weights are raised.
    most : int
        Largest number of rows to choose.

    Returns
    -------
    rows : ndarray of int, shape (n_rows,)
    factor : ndarray of shape (n_rows,)
        One divided by the probability of the row.
    """
    score = np.asarray(score, dtype=np.float64)
    if not score.any():
        score = np.ones(len(score))
    # At the level of the i-th score, rows below it have the probability score / level.
    ordered = np.sort(score)
    below = np.cumsum(ordered) - ordered
    n_chosen = np.arange(len(score), 0, -1) + below / ordered
    missed = below - (np.cumsum(ordered**2) - ordered**2) / ordered
    last = len(score) - 1
    enough = np.searchsorted(missed, left_to_chance * ordered.sum(), side="right") - 1
    few = np.searchsorted(-n_chosen, -most)
    level = ordered[max(enough, min(few, last))] if few <= last else ordered.sum() / most
    chance = np.minimum(score / level, 1.0)
    reached = np.cumsum(chance) + 0.5
    rows = np.flatnonzero(np.floor(reached) > np.floor(reached - chance))
    return rows, 1.0 / chance[rows]
