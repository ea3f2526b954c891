"""Changed rows of another class that a search finds near the rows: upper bounds of radii.

The search starts at the row. In each step the student is linearised at the current point. The step
leads to the point nearest to the row at which the two classes would be equal, within the bounds of
the features. In the end the line from the row to the last point is cut where the class changes.
These are the steps of DeepFool [1]_ and FAB [2]_, without random ones.

References
----------
.. [1] S. Moosavi-Dezfooli, A. Fawzi and P. Frossard, "DeepFool: a simple and accurate method to
   fool deep neural networks", arXiv:1511.04599 (2016).
.. [2] F. Croce and M. Hein, "Minimally distorted adversarial examples with a fast adaptive boundary
   attack", arXiv:1907.02044 (2020).
"""

import numpy as np

N_STEPS = 20
# Number of other classes to try: the ones that look nearest from the row.
N_RIVALS = 3
# Relative amount by which the first step goes further, across the point where classes would be
# equal. Each later step goes further by a quarter of that.
FURTHER = 0.05
# The search ends when no row has come nearer by this share in so many steps.
LEAST_GAIN, PATIENCE = 1e-6, 3
# Halvings of an interval. More would not help in double precision.
N_HALVINGS = 50
FEW_HALVINGS = 8


def nearest_found(model, X, bounds=None):
    """Return rows of another class near those of X.

    Parameters
    ----------
    model : InputModel
    X : ndarray of shape (n_samples, n_features)
    bounds : tuple of ndarray (low, high), default=None
        Bounds of the features.

    Returns
    -------
    changed : ndarray of shape (n_samples, n_features)
        Changed rows. NaN if none was found.
    """
    logits = model.logits(X)
    own = logits.argmax(axis=1)
    distances = model.linear_distances(X, logits, own)
    rivals = np.argsort(distances, axis=1, kind="stable")[:, :N_RIVALS]
    nearest, changed = np.full(len(X), np.inf), np.full_like(X, np.nan)
    for rival in rivals.T:
        rows = np.flatnonzero(np.isfinite(distances[np.arange(len(X)), rival]))
        if len(rows) == 0:  # rows with fewer other classes
            break
        found = _towards(model, X[rows], own[rows], rival[rows], bounds)
        distance = np.linalg.norm(found - X[rows], axis=1)
        is_nearer = distance < nearest[rows]  # False for NaN
        nearest[rows[is_nearer]] = distance[is_nearer]
        changed[rows[is_nearer]] = found[is_nearer]
    is_there = np.isfinite(nearest)
    cut = _cut(model, X[is_there], changed[is_there], own[is_there], N_HALVINGS)
    changed[is_there] = cut
    return changed


def _towards(model, X, own, rival, bounds):
    """Return the nearest rows that steps towards another class reached, or NaN."""
    at, each = X, np.arange(len(X))
    nearest, found = np.full(len(X), np.inf), np.full_like(X, np.nan)
    patience = PATIENCE
    for number in range(N_STEPS):
        logits = model.logits(at)
        value = logits[each, own] - logits[each, rival]
        slopes = model.slopes(at, own, rival)
        # The step leads to value + slopes @ (X + step - at) = 0.
        target = np.einsum("ij,ij->i", slopes, at - X) - value
        at = X + (1 + FURTHER / 4**number) * _shortest(slopes, target, X, bounds)
        at = at if bounds is None else np.clip(at, *bounds)
        is_across = model.logits(at).argmax(axis=1) != own
        at[is_across] = _cut(model, X[is_across], at[is_across], own[is_across], FEW_HALVINGS)
        distance = np.where(is_across, np.linalg.norm(at - X, axis=1), np.inf)
        is_nearer = distance < nearest
        with np.errstate(invalid="ignore"):
            patience = (
                PATIENCE if (distance < (1 - LEAST_GAIN) * nearest).any() else patience - 1
            )
        nearest[is_nearer], found[is_nearer] = distance[is_nearer], at[is_nearer]
        if patience == 0:
            break
    return found


def _shortest(slopes, target, X, bounds):
    """Return the shortest steps with (nearly) ``slopes @ step = target`` within the bounds."""
    squares = np.einsum("ij,ij->i", slopes, slopes)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = np.nan_to_num(target / squares, posinf=0.0, neginf=0.0)
    if bounds is None:
        return length[:, None] * slopes
    low, high = (end - X for end in bounds)
    directions = np.sign(length)[:, None] * slopes
    least, most = np.zeros(len(X)), np.abs(length)
    goal = np.abs(target)
    for _ in range(N_HALVINGS):  # first find an end that is far enough
        reached = _projected(directions, most, low, high, slopes)
        is_short = np.abs(reached) < goal
        if not is_short.any():
            break
        most = np.where(is_short & (most < 1e12), 2 * most, most)
    for _ in range(N_HALVINGS):
        middle = (least + most) / 2
        is_short = np.abs(_projected(directions, middle, low, high, slopes)) < goal
        least, most = np.where(is_short, middle, least), np.where(is_short, most, middle)
    return np.clip(most[:, None] * directions, low, high)


def _projected(directions, length, low, high, slopes):
    step = np.clip(length[:, None] * directions, low, high)
    return np.einsum("ij,ij->i", step, slopes)


def _cut(model, X, across, own, n_halvings):
    """Return nearly the first points of the other class on lines from rows to changed rows."""
    low, high = np.zeros(len(X)), np.ones(len(X))
    for _ in range(n_halvings if len(X) else 0):
        middle = (low + high) / 2
        at = X + middle[:, None] * (across - X)
        is_across = model.logits(at).argmax(axis=1) != own
        low, high = np.where(is_across, low, middle), np.where(is_across, middle, high)
    return X + high[:, None] * (across - X)
