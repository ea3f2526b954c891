"""A student of degree 2 with fewer observables, by diagonalising its quadratic forms."""

from copy import copy

import numpy as np
from scipy.linalg import block_diag, solve_triangular
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from .._finite import explaining_linear_algebra, finite
from .._validation import is_integer
from ..lifting import MonomialLifter, SquaredProjectionLifter, steps_of, transformed
from ..rows import lifted_blocks

EPS = np.finfo(np.float64).eps
# Share of the variance of all coordinates that is added to the variance of each. Without it, the
# logits lose as many digits as the variances differ by.
LEAST_VARIANCE = 1e-6


def principal_squares(student, X, *, max_observables=None):
    r"""Return the same student with the squares of its principal directions for observables.

    The logits of a student of degree 2 are quadratic forms of p coordinates z,

    .. math:: s_k(z) = b_k + l_k^T z + z^T A_k z
                     = b_k + l_k^T z + \sum_{j=1}^p \lambda_{kj} (c_{kj}^T z)^2 ,

    so with K classes the p coordinates and :math:`K p` squares are enough, instead of
    :math:`p (p + 3) / 2` monomials: 660 instead of 1,890 for p = 60 and K = 10. The price is the
    projections, p multiplications for each square.

    The directions :math:`c_{kj}` are orthogonal in the covariance of the rows of X. With
    `max_observables`, the squares stay that contribute most to the variance of the logits. Distil
    such a student once more: ``clone(smaller).fit(X, y)`` keeps its observables.

    Parameters
    ----------
    student : classifier, or Pipeline that ends in one
        A fitted student with ``lifter=MonomialLifter(2)``, or with a pipeline as `lifter` that ends
        in a `MonomialLifter(2)`.
    X : array-like of shape (n_samples, n_features)
        Rows as for `predict`, on which the variances of the coordinates are measured. A few
        thousand are enough.
    max_observables : int, default=None
        Largest number of observables, more than p. None takes all squares, which changes the logits
        by rounding only.

    Returns
    -------
    smaller : classifier or Pipeline
        Its `lifter_` ends in a `SquaredProjectionLifter`.

    Raises
    ------
    TypeError
        If the observables of the student are not monomials.
    ValueError
        If their degree is not 2, if the student cannot take X, or if `max_observables` leaves no
        room for the coordinates.

    See Also
    --------
    sklearn_koopman.ObservableSelector : Chooses among monomials.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.selection import principal_squares
    >>> X, y = load_digits(return_X_y=True)
    >>> lifter = make_pipeline(PCA(30, random_state=0), MonomialLifter(2))
    >>> student = EDMDClassifier(lifter=lifter, ridge=1e-3).fit(X, y)
    >>> same = principal_squares(student, X)
    >>> student.coef_.shape, same.coef_.shape
    ((10, 496), (10, 330))
    >>> np.abs(student.decision_function(X) - same.decision_function(X)).max() < 1e-9
    np.True_
    """
    check_is_fitted(student)
    if isinstance(student, Pipeline):
        *before, (name, last) = student.steps
        if before:
            X = transformed(Pipeline(before), X)
        smaller = principal_squares(last, X, max_observables=max_observables)
        return type(student)([*before, (name, smaller)])
    head, monomials = _split(student)
    rows = student._validate_rows(X, reset=False)
    Z = lifted_blocks(head, rows).all_lifted()
    linear, forms = _quadratic_forms(student, monomials)
    finite(Z, "The coordinates")
    with explaining_linear_algebra("principal_squares"):
        covariance = np.cov(Z.T, ddof=0).reshape(forms.shape[1:])
        values, directions = _diagonalised(forms, covariance)
    size = np.abs(values).max(axis=0)
    chosen = np.flatnonzero(size > EPS * size.max())
    if max_observables is not None:
        variation = size[chosen] * np.square(Z @ directions[chosen].T).std(axis=0)
        largest = np.argsort(-variation, kind="stable")[: _room(max_observables, Z.shape[1])]
        chosen = np.sort(chosen[largest])
    squares = SquaredProjectionLifter(directions[chosen]).fit(Z[:1])
    smaller = copy(student)
    smaller.lifter_ = squares if head is None else make_pipeline(*steps_of(head), squares)
    smaller.lifter = FrozenEstimator(smaller.lifter_)
    smaller.coef_ = np.hstack([linear, values[:, chosen]]).astype(student.coef_.dtype)
    constants = monomials.powers_.sum(axis=1) == 0
    smaller.intercept_ = student.intercept_ + student.coef_[:, constants].sum(axis=1)
    smaller._constant_observable = None
    return smaller


def _split(student):
    """Return the steps that make a student's coordinates, or None, and its monomials."""
    steps = steps_of(getattr(student, "lifter_", None))
    if not steps or not isinstance(steps[-1], MonomialLifter) or not hasattr(student, "coef_"):
        raise TypeError(
            f"student={student!r} does not have monomials as observables: pass a classifier with "
            "lifter=MonomialLifter(2), or with a pipeline as lifter that ends in one."
        )
    *before, monomials = steps
    degree = monomials.powers_.sum(axis=1).max()
    if degree != 2:
        raise ValueError(
            f"The observables of the student, made by {monomials!r}, have degree {degree}: only "
            "forms of degree 2 are sums of squares. Set degree=2, with at least two features if "
            "interaction_only=True."
        )
    return (make_pipeline(*before) if before else None), monomials


def _quadratic_forms(student, monomials):
    """Return the linear parts (n_classes, p) and the symmetric matrices (n_classes, p, p)."""
    p = monomials.n_features_in_
    coef = student.coef_.astype(np.float64)
    linear, forms = np.zeros((len(coef), p)), np.zeros((len(coef), p, p))
    for column, powers in zip(coef.T, monomials.powers_, strict=True):
        variables = np.repeat(np.arange(p), powers)
        if len(variables) == 1:
            linear[:, variables[0]] = column
        elif len(variables) == 2:
            i, j = variables
            forms[:, i, j] += column / 2
            forms[:, j, i] += column / 2
    return linear, forms


def _diagonalised(forms, covariance):
    r"""Return the values (n_classes, n_classes * p) and their directions.

    With a root L of the covariance, :math:`L^T A L = V \Lambda V^T` gives directions
    :math:`L^{-T} V` along which the projections of rows are uncorrelated.
    """
    p = len(covariance)
    floor = LEAST_VARIANCE * (np.trace(covariance) or 1.0)
    root = np.linalg.cholesky(covariance + floor * np.eye(p))
    eigenvalues, vectors = np.linalg.eigh(root.T @ forms @ root)
    values = block_diag(*eigenvalues)
    directions = solve_triangular(root, np.hstack([*vectors]), trans="T", lower=True)
    return values, directions.T


def _room(max_observables, n_coordinates):
    """Return the largest number of squares."""
    if not is_integer(max_observables) or max_observables <= n_coordinates:
        raise ValueError(
            f"max_observables={max_observables!r} must be an int above {n_coordinates}, the number "
            "of coordinates, which are observables too."
        )
    return max_observables - n_coordinates
