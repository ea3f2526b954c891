"""Dictionaries of candidates: shared coordinates, and lifters of these coordinates."""

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline


@dataclass(frozen=True)
class Part:
    """Some of the observables of a dictionary.

    Attributes
    ----------
    front : str
        Name of the transformer from rows to coordinates.
    lifter : transformer or None
        Makes observables from the coordinates. None: the coordinates are the observables. A fitted
        one, which is a choice of observables, is used as it is.
    width : int or None
        Number of coordinates, which are the first ones. None takes all.
    """

    front: str
    lifter: Any = None
    width: int | None = None

    def of(self, coordinates):
        """Return the coordinates that are lifted."""
        if self.width is None:
            return coordinates
        return np.ascontiguousarray(coordinates[:, : self.width])


@dataclass(frozen=True)
class Dictionary:
    """Observables of a candidate.

    Attributes
    ----------
    name : str
    parts : tuple of Part
    """

    name: str
    parts: tuple[Part, ...]

    @property
    def fronts(self):
        """Names of all its transformers from rows to coordinates."""
        return [part.front for part in self.parts]


def fitted_lifter(part, coordinates):
    """Return the lifter of a part, fitted to its coordinates, or None if there is none."""
    if part.lifter is None or hasattr(part.lifter, "order_"):
        return part.lifter
    return clone(part.lifter).fit(coordinates)


def joined(parts, fronts, lifters):
    """Return one fitted transformer from rows to all observables.

    Parameters
    ----------
    parts : sequence of Part
    fronts : mapping of str to fitted transformer
    lifters : sequence of fitted transformer or None
        Lifters of the parts.

    Returns
    -------
    lifter : transformer
    """
    chains = []
    for part, lifter in zip(parts, lifters, strict=True):
        front = first_columns(fronts[part.front], part.width)
        chains.append(front if lifter is None else make_pipeline(front, lifter))
    if len(chains) == 1:
        return chains[0]
    return FeatureUnion([(f"part{k}", chain) for k, chain in enumerate(chains)])


def first_columns(front, width):
    """Return a fitted transformer that makes only the first coordinates.

    Parameters
    ----------
    front : fitted transformer
        PCA, or a pipeline that ends in one, if there is a width.
    width : int or None
        None: all coordinates.
    """
    if width is None:
        return front
    if isinstance(front, Pipeline):
        *before, (name, last) = front.steps
        return Pipeline([*before, (name, first_columns(last, width))])
    if not isinstance(front, PCA):
        raise TypeError(
            f"The coordinates of {front!r} have no order, so there are no first ones."
        )
    part = copy(front)
    part.n_components = part.n_components_ = width
    for name in (
        "components_",
        "explained_variance_",
        "explained_variance_ratio_",
        "singular_values_",
    ):
        setattr(part, name, getattr(front, name)[:width])
    return part
