"""Distances of rows to other classes: exact radii, certified bounds, and changed rows."""

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

# A changed row lies this much further than the boundary, relative to the change that leads there:
# it is across the boundary, and near enough to it for any use.
BEYOND = 1e-10
# Number of rows that are processed at once.
N_ROWS = 512


@dataclass(frozen=True)
class RadiusBounds:
    """Result of `radius_bounds` for each row.

    Attributes
    ----------
    lower : ndarray of shape (n_samples,)
        No shorter change changes the class. Infinite if no change does at all; 0 if no bound is
        known.
    upper : ndarray of shape (n_samples,)
        The length of a change that changes the class. Infinite if none was found. If `is_exact`,
        there is none; else, for example with `bounds`, there may be one.
    counterfactuals : ndarray of shape (n_samples, n_features)
        The rows after this change. NaN if `upper` is infinite: with `bounds`, NaN means that none
        was found.
    is_exact : ndarray of bool, shape (n_samples,)
        Whether `lower` and `upper` are equal: then both are the distance of the nearest other
        class.
    """

    lower: np.ndarray
    upper: np.ndarray
    counterfactuals: np.ndarray
    is_exact: np.ndarray


def robust_radius(
    student, X, *, bounds=None, scale=None, fixed=None, return_counterfactual=False
):
    r"""Return how far each row can be changed, in any direction, without changing its class.

    The radius of a row x is the length (L2) of the shortest change :math:`\delta` that makes
    another class's logit as large as the predicted one's.

    For students of degree 1 and 2 the radius is exact. The linear steps before the dictionary keep
    only a projection of a row. In its orthonormal coordinates u, the logits are
    :math:`s_k(u) = c_k + l_k^T u + u^T A_k u`. So the boundary between the classes i and j is
    a quadric. Take the eigenvectors of :math:`A_i - A_j` as axes. Let :math:`\lambda_k` be its
    eigenvalues, and v and g the value and the slope of :math:`s_i - s_j` at the row. Then the
    nearest point of the quadric is at

    .. math:: \delta_k = - \frac{\mu g_k}{2 (1 + \mu \lambda_k)}, \qquad
              v = \sum_k \frac{g_k^2}{4}
                  \frac{\mu (2 + \mu \lambda_k)}{(1 + \mu \lambda_k)^2} ,

    with the only :math:`\mu > 0` for which no :math:`1 + \mu \lambda_k` is negative [1]_. The
    right-hand side increases in :math:`\mu`, so Newton's method within a bracket finds this
    :math:`\mu`. The right-hand side may not reach v. If some eigenvalue is negative then, g has no
    component along the eigenvector of the smallest one, and :math:`\delta` gets a component along
    it that leads to the quadric. If no eigenvalue is negative, the other class is never as large.
    Rivals are skipped if a bound shows that they are further away than another one.

    For all other students, the result is a certified lower bound of the radius, see
    `radius_bounds`. If no bound is known, as for roots or thresholds of filters, the result is 0,
    with a warning.

    Parameters
    ----------
    student : classifier, or Pipeline that ends in one
        A fitted student: one Koopman matrix after any steps.
    X : array-like of shape (n_samples, n_features)
        Rows as for `predict`.
    bounds : tuple (low, high), default=None
        Bounds of the features, as numbers or arrays of shape (n_features,), for example (0, 1) for
        pixels. Changed rows stay within them. The returned radius is the one without bounds, which
        is a lower bound of the radius within them. None: any change is allowed.
    scale : array-like of shape (n_features,) or "std", default=None
        Length of a distance of 1 in each column, for example ``X_train.std(axis=0)`` if columns
        have different units. "std": the standard deviations of X, where each column must vary that
        is not fixed. None: 1.
    fixed : list of column names or numbers, or array of bool, default=None
        Columns that cannot change. The result is exact with them too. Columns of two values belong
        here, unless values between the two have a meaning: a change can have any size. None: every
        column can change.
    return_counterfactual : bool, default=False
        Whether to return the changed rows too.

    Returns
    -------
    radii : ndarray of shape (n_samples,)
        Radii. They are infinite if no change changes the class.
    counterfactuals : ndarray of shape (n_samples, n_features)
        Only if `return_counterfactual`: the rows, moved just across the nearest boundary, to the
        nearest point of another class. NaN if there is none. If radii are lower bounds, these are
        the nearest rows of another class that an attack found. With `bounds`, NaN means that none
        was found: the radius may be finite, as it is the one without bounds.

    Raises
    ------
    TypeError
        If the student is not one Koopman matrix, or if unknown steps come before it.
    ValueError
        If the student cannot take X, if X is not within the bounds, or if `scale` or `fixed` do not
        fit the columns.

    Notes
    -----
    A pandas Series as `scale`, as an end of `bounds` or as a mask of `fixed` has the names of
    columns as its index. It is taken by name if X is a data frame.

    See Also
    --------
    radius_bounds : Lower and upper bounds for any student, and whether they are equal.

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

    The radii in standard deviations, if the first two columns cannot change:

    >>> robust_radius(student, X, scale=X.std(axis=0), fixed=[0, 1])[:2].round(3)
    array([0.706, 0.581])
    """
    found = radius_bounds(student, X, bounds=bounds, scale=scale, fixed=fixed)
    return (found.lower, found.counterfactuals) if return_counterfactual else found.lower


@showing_progress(None)
def radius_bounds(student, X, *, bounds=None, scale=None, fixed=None):
    """Return lower and upper bounds of the distance of each row to another class.

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
        If it is not known how fast the observables change. Lower bounds are 0 then.

    See Also
    --------
    robust_radius : The exact radius for students of degree 1 and 2, with its mathematics.

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
    if is_fixed is not None:  # remove rounding errors
        changed[:, is_fixed] = np.where(np.isnan(changed), changed, given)[:, is_fixed]
    return RadiusBounds(lower, upper, changed, is_exact)


def _refuse_what_takes_no_arrays(coordinates, U):
    """Raise TypeError for steps of other packages that do not take arrays of numbers."""
    if coordinates.degree is None and len(U):
        try:
            coordinates.logits(U[:1])
        except Exception as error:  # any type of error, as the step may come from any package
            raise TypeError(
                f"Radii need steps that take arrays of numbers, and one of "
                f"{[type(step).__name__ for step in steps_of(coordinates.tail)]} does not: "
                f"{type(error).__name__}: {error}"
            ) from error


def _lower_bounds(model, U):
    """Return lower bounds of radii; 0, with a warning, if no bound is known for the observables."""
    radii_of = lower_bound_of(model.coordinates)
    if radii_of is not None:
        return by_blocks(partial(radii_of, model), U)
    steps = steps_of(model.coordinates.tail)
    names = " and ".join(type(step).__name__ for step in steps)
    warn_user(
        f"No lower bound of the radii is known for {names}: 0 is returned, which certifies "
        "nothing. Upper bounds are still valid. A lower bound needs a dictionary in one step with "
        "known slopes or curvatures: MonomialLifter, RBFLifter, or your own dictionary with a "
        "method largest_curvatures."
    )
    return np.zeros(len(U))


def by_blocks(function, rows):
    """Apply a function to blocks of rows, and return the joined results."""
    blocks = watched(list(gen_batches(len(rows), N_ROWS)), "radii")
    return np.concatenate([function(rows[block]) for block in blocks])


def _are_within(changed, X, bounds):
    """Return which changed rows are within the bounds; rows that cannot be changed count too."""
    if bounds is None:
        return np.ones(len(X), dtype=bool)
    low, high = bounds
    slack = BEYOND * np.abs(changed - X)
    is_within = (changed >= low - slack) & (changed <= high + slack)
    return (is_within | np.isnan(changed)).all(axis=1)
