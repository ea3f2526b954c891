"""What a change of a row may be: the unit of each column, which are fixed, what they are within."""

import numpy as np

from ..._validation import is_integer


def column_names(X):
    """Return the names of the columns of a data frame; empty for all else."""
    return [str(name) for name in getattr(X, "columns", [])]


def by_column(values, names, what):
    """Return the values of a pandas Series in the order of the columns, all else as it is.

    Parameters
    ----------
    values : object
    names : list of str
        Of the columns; empty where they have none.
    what : str
        The argument, for the error.
    """
    if not (hasattr(values, "reindex") and getattr(values, "ndim", 0) == 1 and names):
        return values
    index = [str(name) for name in values.index]
    if index == names:
        return values.to_numpy()
    if sorted(index) != sorted(names) or len(set(names)) < len(names):
        others = [name for name in index if name not in names]
        missing = [name for name in names if name not in index]
        said = [f"{len(others)} names that X does not have ({_some(others)})"] if others else []
        said += [f"no value for {len(missing)} columns ({_some(missing)})"] if missing else []
        raise ValueError(
            f"{what} is a Series whose index is not the columns of X: it has "
            f"{' and '.join(said) or 'some names twice'}. Give one value for each column, by its "
            "name."
        )
    place = {name: i for i, name in enumerate(index)}
    return values.to_numpy()[[place[name] for name in names]]


def _some(names):
    return ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")


def checked_fixed(fixed, X, names):
    """Return which columns cannot change, None for none of them.

    Parameters
    ----------
    fixed : list of str or int, or array of bool, or None
    X : ndarray of shape (n_samples, n_features)
    names : list of str
        Of the columns; empty where they have none.
    """
    if fixed is None or len(fixed) == 0:
        return None
    n_features = X.shape[1]
    given = [fixed] if isinstance(fixed, str) else list(fixed)
    is_mask = all(isinstance(each, bool | np.bool_) for each in given)
    if is_mask and len(given) == n_features:
        given = list(by_column(fixed, names, "fixed"))
        is_fixed = np.array(given)
    else:
        is_fixed = np.zeros(n_features, dtype=bool)
        for column in given:
            place = names.index(column) if column in names else column
            if not (is_integer(place) and -n_features <= place < n_features):
                raise ValueError(
                    f"fixed={fixed!r}: {column!r} is not a column of X. Pass names of columns of a "
                    f"data frame, or numbers below {n_features}."
                )
            is_fixed[place] = True
    if is_fixed.all():
        raise ValueError("fixed: at least one column must be free to change.")
    return is_fixed if is_fixed.any() else None


def checked_scale(scale, X, names, is_fixed=None):
    """Return what a distance of 1 is in each column, None for 1.

    Parameters
    ----------
    scale : "std", array-like of shape (n_features,) or None
    X : ndarray of shape (n_samples, n_features)
    names : list of str
        Of the columns; empty where they have none.
    is_fixed : ndarray of bool, shape (n_features,), default=None
        Columns that cannot change, so that their unit says nothing.
    """
    if scale is None:
        return None
    if isinstance(scale, str):
        if scale != "std":
            raise ValueError(f"scale={scale!r}: must be 'std', an array or None.")
        deviations = np.where(X.min(axis=0) < X.max(axis=0), X.std(axis=0), 0.0)
        is_constant = deviations == 0
        without = is_constant if is_fixed is None else is_constant & ~is_fixed
        if without.any():
            columns = names or [f"x{i}" for i in range(X.shape[1])]
            which = _some([columns[i] for i in np.flatnonzero(without)])
            raise ValueError(
                f"scale='std': {which} have one value in the {len(X)} row(s) given, so their "
                "standard deviation there is not a unit. Give that of the training rows, "
                "scale=X_train.std(), or hold these columns fixed (fixed=)."
            )
        return np.where(is_constant, 1.0, deviations)
    scale = np.asarray(by_column(scale, names, "scale"), dtype=float)
    if scale.shape != (X.shape[1],) or not (scale > 0).all():
        raise ValueError(f"scale must have {X.shape[1]} positive numbers, one for each column.")
    return scale


def checked_bounds(bounds, X, names):
    """Return the ends as arrays, for every feature one, or None."""
    if bounds is None:
        return None
    ends = bounds
    if isinstance(bounds, tuple | list):
        ends = [by_column(end, names, "bounds") for end in bounds]
    try:
        low, high = (np.broadcast_to(np.asarray(end, float), X.shape[1:]) for end in ends)
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds={bounds!r} must be None or a pair (low, high) of numbers, or of arrays of "
            f"shape ({X.shape[1]},)."
        ) from None
    if not (np.all(low <= X) and np.all(high >= X)):
        raise ValueError(
            f"bounds={bounds!r}: X has features from {X.min():.6g} to {X.max():.6g}, which are not "
            "within them. Pass bounds that contain the values of X, for example (0, 255) for "
            "bytes."
        )
    return low, high
