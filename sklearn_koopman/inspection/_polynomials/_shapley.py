"""Exact Shapley values of students whose observables are polynomials."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._finite import finite
from ..._memory import check_fits_in_memory
from ..._progress import showing_progress, watched
from ..._validation import check_is_table
from ._games import PolynomialGames, polynomials_mean
from ._polynomial_student import PolynomialStudent, owners_of


@dataclass(frozen=True)
class ShapleyValues:
    """Result of `shapley_values`. The names are those of ``shap.Explanation``.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_players) or (n_samples, n_players, n_outputs)
        Shapley values. There is no last axis if `decision_function` has none: for two classes, the
        values are those of the second logit minus the first.
    base_values : float or ndarray of shape (n_outputs,)
        The mean output over the background. Together with it, the values of a row sum to its
        output.
    data : ndarray of shape (n_samples, n_players), or None
        The columns, if they are the players. None if the players are groups.
    feature_names : list of str
        Names of the players.
    output_names : list
        The classes that the outputs belong to.
    interactions : ndarray of shape (n_samples, n_players, n_players[, n_outputs]), or None
        Interactions, symmetric in the players. An entry off the diagonal is half of the interaction
        of two players. The diagonal has the rest of each player's value, so rows sum to `values`.
    """

    values: np.ndarray
    base_values: Any
    data: np.ndarray | None
    feature_names: list
    output_names: list
    interactions: np.ndarray | None = None


@showing_progress(None)
def shapley_values(
    student, X, background, *, of="columns", groups=None, return_interactions=False
):
    r"""Return the exact Shapley values of a polynomial student.

    A row x is explained by a game. The value of a coalition S of columns is

    .. math:: v(S) = \frac 1 n \sum_{r} f(x_S, r_{\bar S}) ,

    the mean output if these columns come from x and the others from the n rows r of a background.
    (This is the *interventional* game: it explains what the student does with its input, and says
    nothing about how the columns depend on each other.) The Shapley value of a column is its mean
    contribution over all orders in which the columns may join:

    .. math:: \varphi_i = \sum_{S \not\ni i} \frac{|S|! \, (p - |S| - 1)!}{p!}
              \bigl( v(S \cup i) - v(S) \bigr) .

    This is a sum over :math:`2^p` coalitions. But if f is a sum of products of at most q columns,
    it is a sum over games of at most q players each. Their values follow from means of products
    over the background, see Notes. Nothing is sampled, and the background may have any number of
    rows.

    Parameters
    ----------
    student : estimator
        A fitted student with a Koopman matrix, or a pipeline or search that ends in one. Its
        observables must be polynomials of affine functions of columns: monomials, orthogonal
        polynomials, squares of projections, intensities, unions and selections of them, or the
        columns themselves. PCA, scalers and `ActiveSubspace` may come before them. If a step before
        these is not affine, such as a OneHotEncoder, the columns are what it returns.
    X : array-like of shape (n_samples, n_features)
        Rows to explain.
    background : array-like of shape (n_background, n_features)
        Rows to compare with, for example the training rows.
    of : {"columns", "coordinates"}, default="columns"
        What the players are: the columns, or the inputs of the dictionary, for example principal
        components.
    groups : dict of str -> list, or array-like of shape (n_columns,), default=None
        Players that have several columns each. A dict has the names of groups, and lists of the
        names or numbers of their columns. An array has the group of each column. Columns that are
        in no list are players of their own.
    return_interactions : bool, default=False
        Whether to compute the interactions of pairs too.

    Returns
    -------
    explanation : ShapleyValues
        ``explanation.values.sum(axis=1) + explanation.base_values`` is the `decision_function` of
        X, or the `predict` of a regressor.

    Raises
    ------
    TypeError
        If the student is not polynomial.
    MemoryError
        If the degree is above 2, each coordinate depends on many columns, and the polynomials of
        the columns do not fit in memory.

    Notes
    -----
    A product :math:`c \prod_{j \in P} x_j^{a_j}` is a game of its own columns P: no other column
    changes anything. The value of its coalition S is
    :math:`c \prod_{j \in S} x_j^{a_j} \, E \prod_{j \in P \setminus S} r_j^{a_j}`. So the Shapley
    values of all rows are the products of these rows times one matrix.

    If each coordinate of z = A x + b depends on several columns, a student of degree 2 with the
    gradient :math:`\nabla f` in z has the values

    .. math:: \varphi_i = \frac 1 2 E \left[ (x_i - r_i) \, a_i^T
              \bigl( \nabla f(z_x) + \nabla f(z_r) \bigr) \right]

    with the column :math:`a_i` of A. So the 784 pixels of an image take no more work than a matrix
    product. Polynomials of a degree above 2 are expanded.

    Interactions are the Shapley interaction index of Grabisch and Roubens [3]_, halved and
    arranged as `shap` arranges them [2]_.

    References
    ----------
    .. [1] L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games II
       (1953).
    .. [2] S. M. Lundberg et al., "From local explanations to global understanding with explainable
       AI for trees", Nature Machine Intelligence 2, 56-67 (2020).
    .. [3] M. Grabisch and M. Roubens, "An axiomatic approach to the concept of interaction among
       players in cooperative games", International Journal of Game Theory 28, 547-565 (1999).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.inspection import shapley_values
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> student = make_pipeline(StandardScaler(), MonomialLifter(3), EDMDClassifier()).fit(X, y)
    >>> explanation = shapley_values(student, X[:5], background=X)
    >>> explanation.values.shape
    (5, 4, 3)
    >>> logits = explanation.values.sum(axis=1) + explanation.base_values
    >>> np.allclose(logits, student.decision_function(X[:5]))
    True
    >>> largest = np.abs(explanation.values).mean(axis=(0, 2)).argmax()
    >>> explanation.feature_names[largest]
    'petal length (cm)'
    """
    if of not in ("columns", "coordinates"):
        raise ValueError(f"of={of!r}: must be 'columns' or 'coordinates'.")
    taken = PolynomialStudent(student)
    check_is_table(X, "X")
    check_is_table(background, "background")
    x, r = taken.columns(X), taken.columns(background)
    if of == "coordinates":
        x, r = taken.front(x), taken.front(r)
        names, polynomials = taken.coordinate_names, taken.polynomials
        players, labels = players_of(groups, names, of)
        found = _of_products(polynomials, players, x, r, return_interactions)
    else:
        players, labels = players_of(groups, taken.column_names, of)
        found = _of_columns(taken, players, x, r, return_interactions)
    base, values, interactions = found
    finite(values, "The Shapley values")
    if taken.is_flat:
        base, values = float(base[0]), values[:, :, 0]
        interactions = None if interactions is None else interactions[..., 0]
    data = x if groups is None else None
    return ShapleyValues(values, base, data, labels, taken.outputs, interactions)


def players_of(groups, names, what):
    """Return the number of each column's player, and the names of the players."""
    n = len(names)
    if groups is None:
        return np.arange(n), list(names)
    if isinstance(groups, dict):
        return _players_of_lists(groups, names, what)
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(
            f"groups has the shape {groups.shape}: pass the group of each of the {n} {what}, or a "
            "dict of lists."
        )
    labels, players = np.unique(groups, return_inverse=True)
    return players, [str(label) for label in labels]


def _players_of_lists(groups, names, what):
    place = {name: i for i, name in enumerate(names)}
    players = np.full(len(names), -1)
    labels: list[str] = []
    for label, members in groups.items():
        for member in members:
            column = place.get(member, member) if isinstance(member, str) else member
            if isinstance(column, str) or not 0 <= column < len(names):
                raise ValueError(
                    f"groups[{label!r}] has {member!r}, which is not among the {len(names)} "
                    f"{what}. {_like(member, names)}"
                )
            if players[column] >= 0:
                raise ValueError(
                    f"groups has {names[column]!r} twice: put it into only one group."
                )
            players[column] = len(labels)
        if len(members):
            labels.append(str(label))
    for column in np.flatnonzero(players < 0):
        players[column] = len(labels)
        labels.append(names[column])
    return players, labels


def _like(member, names, n_shown=30):
    """Return the names that hold one that is not known, or all, as a sentence."""
    alike = [name for name in names if str(member) in name]
    known = alike or names
    more = f" and {len(known) - n_shown} more" if len(known) > n_shown else ""
    what = f"Those with {member!r} in their name" if alike else "They"
    return f"{what} are {', '.join(map(repr, known[:n_shown]))}{more}."


def _of_columns(taken, players, x, r, with_interactions):
    """Return base values, Shapley values and interactions of columns, or of groups of columns."""
    owners = owners_of(taken.front, players)
    if owners is not None:
        owners = np.array(owners, dtype=int)
        x, r = taken.front(x), taken.front(r)
        n_players = int(players.max()) + 1
        return _of_products(taken.polynomials, owners, x, r, with_interactions, n_players)
    if taken.polynomials.degree > 2:
        return _of_products(taken.of_columns(), players, x, r, with_interactions)
    return _of_quadratic(taken, players, x, r, with_interactions)


def _of_products(polynomials, players, x, r, with_interactions, n_players=None):
    games = PolynomialGames(polynomials, players, r, n_players)
    if not with_interactions:
        return games.base, games.of_rows(games.values(), x), None
    n, n_outputs = games.n_players, len(games.base)
    _check_interactions_fit(len(x), n, n_outputs)
    values = games.of_rows(games.values(), x)
    pairs = games.of_rows(games.interactions(), x).reshape(len(x), n, n, n_outputs)
    return games.base, values, _arranged((pairs + pairs.swapaxes(1, 2)) / 2, values)


def _of_quadratic(taken, players, x, r, with_interactions):
    """Do what `_of_columns` does for degree 2, if coordinates may depend on every column."""
    front = taken.front
    _, linear, forms = taken.polynomials.forms()
    base = polynomials_mean(taken.polynomials, front(r))
    n_outputs, n_players = len(linear), int(players.max()) + 1
    membership = np.eye(n_players)[players]
    center = r.mean(axis=0)
    x, r = x - center, r - center
    z_center = front(center)
    z, dz = x @ front.matrix.T + z_center, r @ front.matrix.T
    cross = dz.T @ r / len(r)  # covariance of coordinates and columns of the background
    values = np.empty((len(x), n_players, n_outputs))
    for k in range(n_outputs):
        gradients = (z + z_center) @ forms[k] + linear[k]
        of_columns = x * (gradients @ front.matrix)
        of_columns -= np.einsum("pc,pc->c", front.matrix, forms[k] @ cross)
        values[:, :, k] = of_columns @ membership
    if not with_interactions:
        return base, values, None
    _check_interactions_fit(len(x), n_players, n_outputs)
    pairs = np.empty((len(x), n_players, n_players, n_outputs))
    second = r.T @ r / len(r)
    for k in range(n_outputs):
        hessian = 2 * front.matrix.T @ forms[k] @ front.matrix
        mean = membership.T @ (hessian * second) @ membership
        for i, row in enumerate(watched(x, "interactions", "row")):
            by_player = membership * row[:, None]
            pairs[i, :, :, k] = (by_player.T @ hessian @ by_player + mean) / 2
    return base, values, _arranged(pairs, values)


def _arranged(pairs, values):
    """Return interactions with the rest of each player's value on the diagonal."""
    diagonal = np.arange(pairs.shape[1])
    pairs[:, diagonal, diagonal] = 0
    pairs[:, diagonal, diagonal] = values - pairs.sum(axis=2)
    return pairs


def _check_interactions_fit(n_rows, n_players, n_outputs):
    check_fits_in_memory(
        3 * 8 * n_rows * n_players**2 * n_outputs,
        f"The interactions of {n_players} players in {n_rows} rows and {n_outputs} outputs",
        "Explain fewer rows at once, or make groups= of columns.",
    )
