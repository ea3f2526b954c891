"""A fitted ColumnTransformer that uses the positions of columns instead of their names."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer


class ColumnParts(BaseEstimator):
    """Transformers side by side, each for some columns. They take arrays and data frames.

    Parameters
    ----------
    parts : list of (ndarray of int, fitted transformer or None, float)
        Positions of columns, transformer of these columns, and factor of its output.
    names : list of str or None
        Names of the outputs, if all parts name them.
    n_features_in : int
    names_in : list of str, default=None
        Names of the columns of data frames, by which columns are found.
    """

    def __init__(self, parts, names, n_features_in, names_in=None):
        self.parts = parts
        self.names = names
        self.n_features_in = n_features_in
        self.names_in = names_in

    @classmethod
    def of(cls, transformer: ColumnTransformer):
        """Return the parts of a fitted ColumnTransformer."""
        n_features = transformer.n_features_in_
        names_in = getattr(transformer, "feature_names_in_", None)
        names = list(range(n_features) if names_in is None else names_in)
        weights = transformer.transformer_weights or {}
        parts, left = [], np.ones(n_features, dtype=bool)
        for name, step, columns in transformer.transformers_:
            # The remainder comes last. Its form differs between versions.
            is_rest = name == "remainder"
            places = np.flatnonzero(left) if is_rest else _places(columns, names)
            left[places] = False
            if len(places) and not _is(step, "drop"):
                parts.append((places, _or_none(step), weights.get(name, 1.0)))
        try:
            made = list(transformer.get_feature_names_out())
        except (AttributeError, ValueError):  # from a part without names of its outputs
            made = None
        return cls(parts, made, n_features, None if names_in is None else names)

    @property
    def n_features_in_(self):
        """Number of input features."""
        return self.n_features_in

    @property
    def columns_used(self):
        """Positions of the columns that are used."""
        places = [places for places, _, _ in self.parts]
        return np.unique(np.concatenate(places)) if places else np.array([], dtype=int)

    def fit(self, X, y=None):
        """Return self, because the parts are fitted."""
        return self

    def __sklearn_is_fitted__(self):
        return True

    def transform(self, X):
        """Return the outputs of the parts for rows, side by side."""
        blocks = []
        for places, step, weight in self.parts:
            block = self._block(X, places)
            block = block if step is None else step.transform(block)
            block = block.toarray() if hasattr(block, "toarray") else np.asarray(block)
            blocks.append(block if weight == 1.0 else weight * block)
        return np.hstack(blocks)

    def numbers(self, X):
        """Return a data frame as floats, with 0 for words in columns that are not used."""
        used = self.columns_used
        rows = np.zeros((len(X), self.n_features_in))
        for place in range(self.n_features_in):
            column = self._block(X, [place])[:, 0]
            if place in used:
                rows[:, place] = column
            elif is_numeric(column):
                rows[:, place] = np.nan_to_num(column.astype(float))
        return rows

    def _block(self, X, places):
        if not hasattr(X, "iloc"):
            return X[:, places]
        if self.names_in is None:
            return np.asarray(X.iloc[:, places])
        return np.asarray(X[[self.names_in[place] for place in places]])

    def get_feature_names_out(self, input_features=None):
        """Return the names of the outputs."""
        if self.names is None:
            raise AttributeError("A part of the ColumnTransformer does not name its outputs.")
        return np.asarray(self.names, dtype=object)


def is_numeric(column):
    """Return whether a column of a data frame has numbers, or True and False."""
    try:
        np.asarray(column, dtype=float)
    except (TypeError, ValueError):
        return False
    return True


def _places(columns, names):
    """Return the positions of columns that are given in any form of scikit-learn."""
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):
            first = 0 if columns.start is None else names.index(columns.start)
            last = len(names) - 1 if columns.stop is None else names.index(columns.stop)
            return np.arange(first, last + 1, columns.step)
        return np.arange(len(names))[columns]
    columns = [columns] if np.ndim(columns) == 0 else list(columns)
    if all(isinstance(column, str) for column in columns):
        return np.array([names.index(column) for column in columns], dtype=int)
    columns = np.asarray(columns)
    return np.flatnonzero(columns) if columns.dtype == bool else np.arange(len(names))[columns]


def _is(step, word):
    return isinstance(step, str) and step == word


def _or_none(step):
    is_identity = isinstance(step, FunctionTransformer) and step.func is None
    return None if is_identity or _is(step, "passthrough") else step
