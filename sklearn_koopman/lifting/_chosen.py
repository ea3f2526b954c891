"""Some of the observables of a fitted dictionary, computed without the others if possible."""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion

from ._chain import block_lift, steps_of, transformed
from ._forms._as_function import as_function
from ._forms._as_layer import as_layer
from ._forms._costs import operations_of
from ._forms._functions import side_by_side
from ._forms._operations import Operations
from ._forms._protocols import SupportsChoice
from ._forms._torch_layers import torch_layers


class ChosenColumns:
    """Some columns of the output of a transformer, or of the rows themselves.

    Parameters
    ----------
    lifter : fitted transformer or None
    indices : ndarray of int
    """

    def __init__(self, lifter, indices):
        self.lifter = lifter
        self.indices = indices

    def transform(self, X):
        """Return the chosen columns."""
        lifted = X if self.lifter is None else block_lift(self.lifter, X.dtype)(X)
        return lifted[:, self.indices]

    def to_function(self, dtype):
        """Return the transformer and the choice of columns as a plain function of rows."""
        lift = as_function(self.lifter, dtype)
        return lambda rows: lift(rows).take(self.indices, axis=1)

    def to_layer(self):
        """Return the transformer and the choice of columns as a torch layer."""
        layers = torch_layers()
        columns = layers.Columns(self.indices)
        if self.lifter is None:
            return columns
        return layers.nn.Sequential(as_layer(self.lifter), columns)

    def add_to_graph(self, nodes, rows):
        """Add the transformer and the choice of columns to an ONNX graph."""
        lifted = nodes.add_transformer(self.lifter, rows)
        return nodes.add("Gather", lifted, self.indices, axis=1)

    def add_to_program(self, program, rows):
        """Add the transformer and the choice of columns to a program for microcontrollers."""
        return program.columns(program.transformer(self.lifter, rows), self.indices)

    def operations(self):
        """Return the operations of the transformer."""
        return Operations() if self.lifter is None else operations_of(self.lifter)


class ChosenUnion:
    """Some columns of each dictionary of a union.

    Parameters
    ----------
    parts : list
        Transformers to the chosen columns, one for each dictionary that has some.
    """

    def __init__(self, parts):
        self.parts = parts

    def transform(self, X):
        """Return the chosen columns of all dictionaries."""
        return np.hstack([block_lift(part, X.dtype)(X) for part in self.parts])

    def to_function(self, dtype):
        """Return the parts as a plain function of rows."""
        return side_by_side([as_function(part, dtype) for part in self.parts])

    def to_layer(self):
        """Return the parts as a torch layer."""
        return torch_layers().Union([as_layer(part) for part in self.parts])

    def add_to_graph(self, nodes, rows):
        """Add the parts to an ONNX graph."""
        parts = [nodes.add_transformer(part, rows) for part in self.parts]
        return nodes.add("Concat", *parts, axis=1)

    def add_to_program(self, program, rows):
        """Add the parts to a program for microcontrollers."""
        return program.beside(*(program.transformer(part, rows) for part in self.parts))

    def operations(self):
        """Return the operations of the parts."""
        return sum((operations_of(part) for part in self.parts), Operations())


def choose_observables(lifter, indices, n_features):
    """Return a transformer to some of the observables, which computes no others if possible.

    Parameters
    ----------
    lifter : fitted transformer or None
    indices : ndarray of int
        Indices in ascending order.
    n_features : int
        Number of features of the rows.
    """
    if isinstance(lifter, FrozenEstimator):
        return choose_observables(lifter.estimator, indices, n_features)
    if isinstance(lifter, FeatureUnion) and not lifter.transformer_weights:
        return _chosen_of_union(lifter, indices, n_features)
    if isinstance(lifter, SupportsChoice):
        return lifter.chosen(indices)
    return ChosenColumns(lifter, indices)


def _chosen_of_union(union, indices, n_features):
    parts, start = [], 0
    row = np.zeros((1, n_features))
    for _, step in union.transformer_list:
        if step == "drop":
            continue
        stop = start + transformed(step, row).shape[1]
        of_step = indices[(indices >= start) & (indices < stop)] - start
        if len(of_step):
            parts.append(
                choose_observables(step if steps_of(step) else None, of_step, n_features)
            )
        start = stop
    return ChosenUnion(parts)
