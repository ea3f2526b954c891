"""A student as a program: steps from one vector of numbers to the next, in floating point."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._transformers import add_transformer

#: The functions that a step may apply to every number, by name.
FUNCTIONS: dict[str, Callable] = {
    "square": np.square,
    "root": lambda x: np.sqrt(np.maximum(x, 0)),
    "exp": np.exp,
    "cos": np.cos,
    "sin": np.sin,
    "clip": lambda x: np.clip(x, -1, 1),
    "reciprocal": lambda x: 1 / (1 + np.maximum(x, 0)),
}


@dataclass(frozen=True, eq=False)
class Step:
    """One step. It computes a vector, which later steps may read.

    Attributes
    ----------
    sources : tuple of Step
        The steps whose vectors it reads.
    size : int
        How many numbers it computes.
    """

    sources: tuple["Step", ...]
    size: int

    def apply(self, *arrays):
        """Return the vectors of the step, given those of its sources, one row for each sample."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Input(Step):
    """The row itself."""


@dataclass(frozen=True, eq=False)
class Affine(Step):
    """A dense matrix (n_outputs, n_inputs), and an offset for each output."""

    matrix: np.ndarray
    offset: np.ndarray

    def apply(self, X):
        return X @ self.matrix.T + self.offset


@dataclass(frozen=True, eq=False)
class Scaled(Step):
    """A factor and an offset for each number."""

    factor: np.ndarray
    offset: np.ndarray

    def apply(self, X):
        return X * self.factor + self.offset


@dataclass(frozen=True, eq=False)
class Columns(Step):
    """Some of the numbers."""

    indices: np.ndarray

    def apply(self, X):
        return X[:, self.indices]


@dataclass(frozen=True, eq=False)
class Beside(Step):
    """The vectors of several steps, one after the other."""

    def apply(self, *arrays):
        return np.hstack(arrays)


@dataclass(frozen=True, eq=False)
class Function(Step):
    """A function of each number, one of `FUNCTIONS`."""

    function: str

    def apply(self, X):
        return FUNCTIONS[self.function](X)


@dataclass(frozen=True, eq=False)
class Sum(Step):
    """Two vectors, number by number."""

    def apply(self, X, Y):
        return X + Y


@dataclass(frozen=True, eq=False)
class Product(Step):
    """Two vectors, number by number."""

    def apply(self, X, Y):
        return X * Y


@dataclass(frozen=True, eq=False)
class Products(Step):
    """Products of two entries of a table that has 1, the numbers, and lower products.

    `lower`, `observables` and `degree` are those of `sklearn_koopman.lifting.PairProducts`.
    """

    lower: np.ndarray
    observables: np.ndarray
    degree: int | None

    def apply(self, X):
        table = [np.ones(len(X), X.dtype), *X.T]
        for a, b in self.lower:
            table.append(table[a] * table[b])
        columns = [table[a] if b == 0 else table[a] * table[b] for a, b in self.observables]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class Distances(Step):
    """Squared distances to centres (n_outputs, n_inputs)."""

    centers: np.ndarray

    def apply(self, X):
        return np.stack([np.square(X - center).sum(axis=1) for center in self.centers], axis=1)


@dataclass(frozen=True, eq=False)
class Pooled(Step):
    """Pooled responses of filters to an image.

    Attributes
    ----------
    responses : Responses
        The responses of a `ConvolutionalLifter`.
    """

    responses: Any

    def apply(self, X):
        out = np.empty((len(X), self.size), X.dtype)
        self.responses.write(X, out)
        return out


@dataclass
class Program:
    """The steps of a student. Dictionaries add theirs in `add_to_program`.

    Parameters
    ----------
    n_features : int
        How many numbers a row has.

    Attributes
    ----------
    rows : Step
        The row.
    steps : list of Step
        In the order in which they run. The last one computes the logits.
    """

    n_features: int
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self):
        self.rows = self._added(Input((), self.n_features))

    def _added(self, step):
        self.steps.append(step)
        return step

    def transformer(self, transformer, rows):
        """Add the steps of a fitted transformer, or none for None."""
        return add_transformer(self, transformer, rows)

    def affine(self, rows, matrix, offset=None):
        """Add a dense matrix (n_outputs, n_inputs), and offsets."""
        matrix = np.asarray(matrix, np.float64)
        offset = np.zeros(len(matrix)) if offset is None else np.asarray(offset, np.float64)
        return self._added(Affine((rows,), len(matrix), matrix, offset))

    def scaled(self, rows, factor=1.0, offset=0.0):
        """Add a factor and an offset for each number."""
        spread = np.ones(rows.size)
        return self._added(Scaled((rows,), rows.size, factor * spread, offset * spread))

    def columns(self, rows, indices):
        """Add a selection of the numbers."""
        indices = np.asarray(indices)
        return self._added(Columns((rows,), len(indices), indices))

    def beside(self, *parts):
        """Add several vectors, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return self._added(Beside(parts, sum(part.size for part in parts)))

    def function(self, rows, name):
        """Add a function of each number.

        Parameters
        ----------
        rows : Step
        name : {"square", "root", "exp", "cos", "sin", "clip", "reciprocal"}
            "clip" limits x to [-1, 1], and "reciprocal" is 1 / (1 + x). For "root" and "reciprocal"
            a negative x counts as 0.
        """
        if name not in FUNCTIONS:
            raise ValueError(
                f"name={name!r}: must be one of {', '.join(map(repr, FUNCTIONS))}."
            )
        return self._added(Function((rows,), rows.size, name))

    def sum(self, rows, others):
        """Add the sum of two vectors."""
        return self._added(Sum((rows, others), rows.size))

    def product(self, rows, others):
        """Add the product of two vectors, number by number."""
        return self._added(Product((rows, others), rows.size))

    def products(self, rows, pairs):
        """Add the products that a `PairProducts` has."""
        lower, observables = (np.asarray(each).reshape(-1, 2) for each in pairs[:2])
        # The constant is the second of two factors, so that there is one case fewer.
        lower, observables = (np.sort(each, axis=1)[:, ::-1] for each in (lower, observables))
        return self._added(
            Products((rows,), len(observables), lower, observables, pairs.degree)
        )

    def distances(self, rows, centers):
        """Add squared distances to centres (n_outputs, n_inputs)."""
        centers = np.asarray(centers, np.float64)
        return self._added(Distances((rows,), len(centers), centers))

    def pooled(self, rows, responses):
        """Add the pooled responses of filters."""
        n_cells = responses.places.n_cells * responses.n_signs
        return self._added(Pooled((rows,), len(responses.filters) * n_cells, responses))

    def apply(self, X):
        """Return the logits of rows."""
        found = {self.steps[0]: X}
        for step in self.steps[1:]:
            found[step] = step.apply(*(found[source] for source in step.sources))
        return found[self.steps[-1]]
