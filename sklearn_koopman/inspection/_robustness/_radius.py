"""How far rows are from another class: exact radii, certified bounds, and the rows across."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.utils import gen_batches

from ._attack import nearest_found
from ._coordinates import QuadraticForms, StudentCoordinates, checked_rows
from ._input_model import InputModel
from ._quadrics import Boundaries
from ._taylor import certified_radii

# How much further than the boundary, relative to the change that leads there, a changed row is:
# across it, and nearer to it than any use needs.
BEYOND = 1e-10
# Rows that are looked at at once.
N_ROWS = 512


@dataclass(frozen=True)
class RadiusBounds:
    """What `radius_bounds` found of each row.

    Attributes
    ----------
    lower : ndarray of shape (n_samples,)
        No change that is shorter changes the class. Infinite where none does at all.
    upper : ndarray of shape (n_samples,)
        The length of a change that does change the class; infinite where none was found.
    counterfactuals : ndarray of shape (n_samples, n_features)
        The rows changed so; NaN where no change was found.
    is_exact : ndarray of bool, shape (n_samples,)
        Where `lower` and `upper` are the same distance, that of the nearest other class.
    """

    lower: np.ndarray
    upper: np.ndarray
    counterfactuals: np.ndarray
    is_exact: np.ndarray


def robust_radius(student, X, *, bounds=None, return_counterfactual=False):
    r"""Return how far each row can be changed, in any direction, and keep its class.

    The radius of a row x is the length (L2) of the shortest change :math:`\delta` by which
    another class gets as large a logit as the predicted one has.

    For students of degree 1 and 2 it is exact. Their logits are
    :math:`s_k(u) = c_k + l_k^T u + u^T A_k u`, in orthonormal coordinates u of what the linear
    steps before the dictionary keep of a row, so that the classes i and j meet in a quadric. With
    the eigenvectors of :math:`A_i - A_j` as axes, :math:`\lambda_k` its eigenvalues, and v and g
    value and slope of :math:`s_i - s_j` at the row, the nearest point of the quadric is at

    .. math:: \delta_k = - \frac{\mu g_k}{2 (1 + \mu \lambda_k)}, \qquad
              v = \sum_k \frac{g_k^2}{4}
                  \frac{\mu (2 + \mu \lambda_k)}{(1 + \mu \lambda_k)^2} ,

    with the one :math:`\mu > 0` for which no :math:`1 + \mu \lambda_k` is negative [1]_. The
    right-hand side increases in :math:`\mu`, so Newton's method within a bracket finds it. (If it
    does not reach v: where some eigenvalue is negative, g has no component along the eigenvector of
    the smallest, and :math:`\delta` gets one that leads to the quadric; else that class never is as
    large.) Rivals that a bound shows to be further than another are passed over.

    For all others, what is returned is a certified lower bound of the radius, see `radius_bounds`.

    Parameters
    ----------
    student : classifier, or Pipeline that ends in one
        Fitted: one Koopman matrix behind any steps.
    X : array-like of shape (n_samples, n_features)
        Rows as for its `predict`.
    bounds : tuple (low, high), default=None
        What the features are within, numbers or arrays of shape (n_features,): (0, 1) for pixels.
        Changed rows stay within them, and what is returned is a lower bound of how far that is: the
        radius without them. None: any change is allowed.
    return_counterfactual : bool, default=False
        Whether to return the changed rows too.

    Returns
    -------
    radii : ndarray of shape (n_samples,)
        Infinite where no change changes the class.
    counterfactuals : ndarray of shape (n_samples, n_features)
        Only if `return_counterfactual`: the rows, moved just across the nearest boundary, to the
        nearest point of another class. NaN where there is none. Where radii are lower bounds, the
        nearest that an attack found.

    Raises
    ------
    TypeError
        If the student is not one Koopman matrix, or steps that are not known stand before it.
    ValueError
        If X is not what the student takes, or not within the bounds.

    See Also
    --------
    radius_bounds : Lower and upper bounds of any student, and whether they are the same.

    References
    ----------
    .. [1] S. Boyd and L. Vandenberghe, "Convex Optimization", Cambridge University Press (2004),
       appendix B.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.inspection import robust_radius
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    >>> radii, changed = robust_radius(student, X, return_counterfactual=True)
    >>> radii[:2].round(3)
    array([0.864, 0.632])
    >>> (student.predict(changed) != student.predict(X)).all()
    np.True_
    """
    found = radius_bounds(student, X, bounds=bounds)
    return (found.lower, found.counterfactuals) if return_counterfactual else found.lower


def radius_bounds(student, X, *, bounds=None):
    """Return lower and upper bounds of how far each row is from another class.

    Parameters
    ----------
    student, X, bounds
        As for `robust_radius`.

    Returns
    -------
    found : RadiusBounds

    See Also
    --------
    robust_radius : The exact radius of students of degree 1 and 2, with its mathematics.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.inspection import radius_bounds
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    >>> radius_bounds(student, X).is_exact.all()
    np.True_
    """
    X = checked_rows(student, X)
    bounds = _checked_bounds(bounds, X)
    coordinates = StudentCoordinates.of(student, X)
    U = coordinates.of_rows(X)
    if coordinates.degree in (1, 2):
        size = np.sqrt(np.mean(X**2)) or 1.0
        forms = QuadraticForms.of(coordinates, U, size)
        model = InputModel(coordinates, forms)
        changes = Boundaries(forms).nearest(U)
        lower = np.linalg.norm(changes, axis=1)
        changes[np.isinf(lower)] = np.nan
        changed = coordinates.rows_changed(X, (1 + BEYOND) * changes)
        is_exact = _are_within(changed, X, bounds)
    else:
        model = InputModel(coordinates)
        lower = by_blocks(partial(certified_radii, model), U)
        changed, is_exact = np.full_like(X, np.nan), np.zeros(len(X), dtype=bool)
    if not is_exact.all():
        others = np.flatnonzero(~is_exact)
        found = by_blocks(partial(nearest_found, model, bounds=bounds), X[others])
        found += BEYOND * (found - X[others])
        changed[others] = found if bounds is None else np.clip(found, *bounds)
    upper = np.linalg.norm(changed - X, axis=1)
    upper = np.where(is_exact, lower, np.where(np.isnan(upper), np.inf, upper))
    return RadiusBounds(lower, upper, changed, is_exact)


def by_blocks(function, rows):
    """Return what a function gives for some rows at a time, joined."""
    return np.concatenate([function(rows[block]) for block in gen_batches(len(rows), N_ROWS)])


def _checked_bounds(bounds, X):
    """Return the ends as arrays, for every feature one, or None."""
    if bounds is None:
        return None
    try:
        low, high = (np.broadcast_to(np.asarray(end, float), X.shape[1:]) for end in bounds)
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds={bounds!r} must be None or a pair (low, high) of numbers, or of arrays of "
            f"shape ({X.shape[1]},)."
        ) from None
    if not (np.all(low <= X) and np.all(high >= X)):
        raise ValueError(
            f"bounds={bounds!r}: X has features from {X.min():.6g} to {X.max():.6g}, which are not "
            "within them. Give the bounds of what X holds, (0, 255) for bytes say."
        )
    return low, high


def _are_within(changed, X, bounds):
    """Return which changed rows are within the bounds, those that cannot be changed among them."""
    if bounds is None:
        return np.ones(len(X), dtype=bool)
    low, high = bounds
    slack = BEYOND * np.abs(changed - X)
    is_within = (changed >= low - slack) & (changed <= high + slack)
    return (is_within | np.isnan(changed)).all(axis=1)
