"""How far rows are from another class: exact radii, certified bounds, and the rows across."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.utils import gen_batches

from ..._progress import showing_progress, watched
from ..._warnings import warn_user
from ...lifting import steps_of
from ._attack import nearest_found
from ._coordinates import QuadraticForms, StudentCoordinates, checked_rows
from ._input_model import InputModel
from ._quadrics import Boundaries
from ._settings import checked_bounds, checked_fixed, checked_scale, column_names
from ._taylor import lower_bound_of

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
        No change that is shorter changes the class. Infinite where none does at all; 0 where no
        bound is known.
    upper : ndarray of shape (n_samples,)
        The length of a change that does change the class. Infinite where none was found. There is
        none if `is_exact`; else, with `bounds` for example, there may be one.
    counterfactuals : ndarray of shape (n_samples, n_features)
        The rows changed so. NaN where `upper` is infinite: with `bounds`, NaN means that none was
        found.
    is_exact : ndarray of bool, shape (n_samples,)
        Where `lower` and `upper` are the same distance, that of the nearest other class.
    """

    lower: np.ndarray
    upper: np.ndarray
    counterfactuals: np.ndarray
    is_exact: np.ndarray


def robust_radius(
    student, X, *, bounds=None, scale=None, fixed=None, return_counterfactual=False
):
    r"""Return how far each row can be changed, in any direction, and keep its class.

    The radius of a row x is the length (L2) of the shortest change :math:`\delta` by which
    another class gets as large a logit as the predicted one has.

    For students of degree 1 and 2 it is exact. The linear steps before the dictionary keep only a
    projection of a row. In its orthonormal coordinates u, the logits are
    :math:`s_k(u) = c_k + l_k^T u + u^T A_k u`, so that the classes i and j meet in a quadric. With
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
    Where none is known, as for roots or thresholds of filters, it is 0, and a warning says so.

    Parameters
    ----------
    student : classifier, or Pipeline that ends in one
        Fitted: one Koopman matrix after any steps.
    X : array-like of shape (n_samples, n_features)
        Rows as for its `predict`.
    bounds : tuple (low, high), default=None
        What the features are within, numbers or arrays of shape (n_features,): (0, 1) for pixels.
        Changed rows stay within them, and what is returned is a lower bound of how far that is: the
        radius without them. None: any change is allowed.
    scale : array-like of shape (n_features,) or "std", default=None
        What a distance of 1 is in each column: ``X_train.std(axis=0)`` where columns have different
        units. "std": the standard deviations of X, all columns of which must vary, unless they are
        fixed. None: 1.
    fixed : list of column names or numbers, or array of bool, default=None
        Columns that cannot change. What is returned is exact for them too. Columns of two values
        belong here, unless a value between the two has a meaning: a change takes any size. None:
        every column can change.
    return_counterfactual : bool, default=False
        Whether to return the changed rows too.

    Returns
    -------
    radii : ndarray of shape (n_samples,)
        Infinite where no change changes the class.
    counterfactuals : ndarray of shape (n_samples, n_features)
        Only if `return_counterfactual`: the rows, moved just across the nearest boundary, to the
        nearest point of another class. NaN where there is none. Where radii are lower bounds, the
        nearest that an attack found. With `bounds`, NaN means that none was found: its radius may
        be finite, as it is the one without bounds.

    Raises
    ------
    TypeError
        If the student is not one Koopman matrix, or steps that are not known stand before it.
    ValueError
        If X is not what the student takes, or not within the bounds; if `scale` or `fixed` do not
        fit the columns.

    Notes
    -----
    A pandas Series as `scale`, as an end of `bounds` or as a mask of `fixed` has the names of
    columns as its index. It is taken by name if X is a data frame.

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

    The same in standard deviations, where the first two columns cannot change:

    >>> robust_radius(student, X, scale=X.std(axis=0), fixed=[0, 1])[:2].round(3)
    array([0.706, 0.581])
    """
    found = radius_bounds(student, X, bounds=bounds, scale=scale, fixed=fixed)
    return (found.lower, found.counterfactuals) if return_counterfactual else found.lower


@showing_progress(None)
def radius_bounds(student, X, *, bounds=None, scale=None, fixed=None):
    """Return lower and upper bounds of how far each row is from another class.

    Parameters
    ----------
    student, X, bounds, scale, fixed
        As for `robust_radius`.

    Returns
    -------
    found : RadiusBounds

    Warns
    -----
    UserWarning
        If nothing is known of how fast the observables change. Lower bounds are 0 then.

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
    names = column_names(X)
    given = X = checked_rows(student, X)
    is_fixed = checked_fixed(fixed, X, names)
    scale = checked_scale(scale, X, names, is_fixed)
    bounds = checked_bounds(bounds, X, names)
    if scale is not None:
        X = X / scale
        bounds = None if bounds is None else tuple(end / scale for end in bounds)
    unit = 1.0 if scale is None else scale
    coordinates = StudentCoordinates.of(student, X, unit, is_fixed)
    U = coordinates.of_rows(X)
    _refuse_what_takes_no_arrays(coordinates, U)
    if coordinates.degree in (1, 2):
        size = np.sqrt(np.mean(X**2)) or 1.0
        forms = QuadraticForms.of(coordinates, U, size)
        model = InputModel(coordinates, forms)
        changes = Boundaries(forms, coordinates.n_free).nearest(U)
        lower = np.linalg.norm(changes, axis=1)
        changes[np.isinf(lower)] = np.nan
        changed = coordinates.rows_changed(X, (1 + BEYOND) * changes)
        is_exact = _are_within(changed, X, bounds)
    else:
        model = InputModel(coordinates)
        lower = _lower_bounds(model, U)
        changed, is_exact = np.full_like(X, np.nan), np.zeros(len(X), dtype=bool)
    if not is_exact.all():
        others = np.flatnonzero(~is_exact)
        found = by_blocks(partial(nearest_found, model, bounds=bounds), X[others])
        found += BEYOND * (found - X[others])
        changed[others] = found if bounds is None else np.clip(found, *bounds)
    upper = np.linalg.norm(changed - X, axis=1)
    upper = np.where(is_exact, lower, np.where(np.isnan(upper), np.inf, upper))
    changed = changed * unit
    if is_fixed is not None:  # rid of rounding
        changed[:, is_fixed] = np.where(np.isnan(changed), changed, given)[:, is_fixed]
    return RadiusBounds(lower, upper, changed, is_exact)


def _refuse_what_takes_no_arrays(coordinates, U):
    """Raise TypeError for steps of other packages that do not take rows as arrays of numbers."""
    if coordinates.degree is None and len(U):
        try:
            coordinates.logits(U[:1])
        except Exception as error:  # of any type: the step may be anyone's
            raise TypeError(
                f"Radii need steps that take arrays of numbers, and one of "
                f"{[type(step).__name__ for step in steps_of(coordinates.tail)]} does not: "
                f"{type(error).__name__}: {error}"
            ) from error


def _lower_bounds(model, U):
    """Return lower bounds of radii; with a warning 0 where nothing is known of the observables."""
    radii_of = lower_bound_of(model.coordinates)
    if radii_of is not None:
        return by_blocks(partial(radii_of, model), U)
    steps = steps_of(model.coordinates.tail)
    names = " and ".join(type(step).__name__ for step in steps)
    warn_user(
        f"No lower bound of the radii is known for {names}: 0 is returned, and certifies nothing. "
        "Upper bounds are as good as ever. A lower bound needs a dictionary in one step whose "
        "slopes or curvatures are known: MonomialLifter, RBFLifter, or your own with a method "
        "largest_curvatures."
    )
    return np.zeros(len(U))


def by_blocks(function, rows):
    """Return what a function gives for some rows at a time, joined."""
    blocks = watched(list(gen_batches(len(rows), N_ROWS)), "radii")
    return np.concatenate([function(rows[block]) for block in blocks])


def _are_within(changed, X, bounds):
    """Return which changed rows are within the bounds, those that cannot be changed among them."""
    if bounds is None:
        return np.ones(len(X), dtype=bool)
    low, high = bounds
    slack = BEYOND * np.abs(changed - X)
    is_within = (changed >= low - slack) & (changed <= high + slack)
    return (is_within | np.isnan(changed)).all(axis=1)
