"""The default dictionaries of a search: families in several sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import comb, prod
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..lifting import ConvolutionalLifter, MonomialLifter, RBFLifter
from ._dictionaries import Dictionary, Part

# Rows with at most this many features are lifted directly. PCA comes before larger ones.
MOST_PLAIN_FEATURES = 40
# Numbers of PCA coordinates.
WIDTHS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100)
DEGREES = (1, 2, 3)
# Candidates for single observables: products of this many coordinates, with at most this many
# products.
CHOSEN_WIDTH, MOST_CANDIDATES = 20, 2000
N_CHOSEN = (10, 20, 50, 100, 150, 200, 300, 400, 600, 800, 1000)
# Number of rows that a choice needs for each candidate, and that each centre needs.
ROWS_PER_CHOICE, ROWS_PER_CENTER = 2, 5
N_CENTERS = (25, 50, 100, 200, 400, 800)
RBF_WIDTH = 20
# Sides of the squares of pixels that are averaged before PCA, which saves most multiplications.
POOLED = (4, 2)
N_FILTERS = (
    2,
    3,
    4,
    6,
    8,
    10,
    12,
    14,
    16,
    20,
    24,
    28,
    32,
    40,
    48,
    56,
    64,
    80,
    96,
    112,
    128,
    160,
)
# Size, stride and padding of filters, cells of the grid down and across, function of the responses.
# A larger stride allows more filters at the same price, and more cells cost almost nothing.
FILTERS = (
    (7, 1, 0, 3, "threshold"),
    (5, 1, 2, 4, "threshold"),
    (5, 1, 2, 6, "threshold"),
    (7, 2, 0, 3, "threshold"),
    (7, 2, 3, 5, "threshold"),
    (7, 2, 3, 5, "intensity"),
    (5, 2, 2, 4, "threshold"),
    (5, 2, 2, 7, "threshold"),
    (3, 1, 1, 4, "threshold"),
    (3, 2, 1, 4, "threshold"),
    (7, 3, 3, 5, "threshold"),
    (5, 3, 2, 5, "threshold"),
    (5, 4, 2, 7, "threshold"),
)
# Largest number of letters of the repr of a user's dictionary.
MOST_LETTERS = 120
# Numbers of coordinates whose products are added to filters.
BESIDE = (20, 40)
# Largest number of observables of filters, which are kept for all rows, unlike products.
MOST_KEPT = 2500


@dataclass(frozen=True)
class Family:
    """Dictionaries that differ in one size.

    Attributes
    ----------
    name : str
    sizes : sequence of int
        Ascending.
    make : callable
        Function of a size that returns the parts.
    """

    name: str
    sizes: Sequence[int]
    make: Callable[[int], tuple[Part, ...]]

    def dictionary(self, size):
        """Return the dictionary of a size."""
        name = f"{self.name}, {size}" if len(self.sizes) > 1 else self.name
        return Dictionary(name, self.make(size))


@dataclass(frozen=True)
class Space:
    """The space of a search.

    Attributes
    ----------
    fronts : dict of str to transformer
        Unfitted transformers, by name.
    families : list of Family
    """

    fronts: dict[str, Any]
    families: list[Family]


def given_space(transformers):
    """Return the space of the user's dictionaries, each as a family of one size.

    Parameters
    ----------
    transformers : list of transformer
    """
    fronts, families = {}, []
    for number, transformer in enumerate(transformers):
        name = f"dictionary {number}: {_short(transformer)}"
        fronts[name] = transformer
        families.append(Family(name, (0,), partial(_whole, name, None)))
    return Space(fronts, families)


def _short(transformer):
    """Return the repr of a transformer on one line, not too long for a table."""
    text = " ".join(repr(transformer).split())
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 3]}..."


def space_of_rows(n_rows, n_features, most_observables, seed):
    """Return the space for rows of numbers that are not an image.

    Parameters
    ----------
    n_rows, n_features : int
        Sizes of the training rows.
    most_observables : int
    seed : int
    """
    fronts = {"features": StandardScaler()}
    families = []
    if n_features <= MOST_PLAIN_FEATURES:
        for degree in DEGREES:
            size = n_features if degree == 1 else comb(n_features + degree, degree)
            if degree == 1 or size <= most_observables:
                families.append(_all_features(degree, size))
        coordinates = [("features", n_features)]
    else:
        families.append(_all_features(1, n_features))
        fronts |= {
            "PCA": PCA(_most_components(n_rows, n_features), random_state=seed),
            "scaled PCA": make_pipeline(
                StandardScaler(),
                PCA(_most_components(n_rows, n_features), random_state=seed),
            ),
        }
        most = _most_components(n_rows, n_features)
        coordinates = [("PCA", most), ("scaled PCA", most)]
        for front, most in coordinates:
            families += _monomials(front, most, most_observables)
    for front, most in coordinates:
        families += _centers(front, most, n_rows, n_features, most_observables, seed)
    return Space(fronts, families)


def space_of_images(n_rows, shape, most_observables, seed, *, are_positive):
    """Return the space for flat images.

    Parameters
    ----------
    n_rows : int
    shape : tuple of int
        (height, width) or (channels, height, width).
    most_observables, seed : int
    are_positive : bool
        Whether no pixel is below zero. Only such pixels are averaged, as a mean of magnitudes.
    """
    n_features = prod(shape)
    pooled: dict[str, Any] = {"": None}
    if are_positive:
        for side in POOLED:
            if min(shape[-2:]) >= 2 * side:
                pooled[f"{side} x {side} means, "] = _means(shape, side)
    fronts: dict[str, Any] = {}
    families, beside = [], "PCA"
    for name, means in pooled.items():
        n_numbers = (
            n_features if means is None else prod(means.grid) * (n_features // prod(shape[-2:]))
        )
        most = _most_components(n_rows, n_numbers)
        pca = PCA(most, random_state=seed)
        front = f"{name}PCA"
        fronts[front] = pca if means is None else make_pipeline(means, pca)
        families += _monomials(front, most, most_observables)
        if means is not None and most >= BESIDE[-1]:
            beside = front
    for settings in FILTERS:
        families += _filters(fronts, shape, settings, most_observables, seed, beside)
    return Space(fronts, families)


def choices(space, select, n_rows, n_features):
    """Return families of single observables, chosen from a dictionary of products.

    Parameters
    ----------
    space : Space
    select : callable
        Function of a front, a width and a lifter that returns a fitted `ObservableSelector`.
    n_rows, n_features : int
        Sizes of the training rows.
    """
    families = []
    for front, transformer in space.fronts.items():
        most = _n_coordinates(transformer)
        width = None if most is None else min(CHOSEN_WIDTH, most)
        if front == "features" and n_features <= MOST_PLAIN_FEATURES:
            most = n_features
        if most is None:
            continue
        n_candidates, degree = _products_to_choose_from(width or most)
        if n_rows < ROWS_PER_CHOICE * n_candidates:
            continue
        selector = select(front, width, MonomialLifter(degree, include_bias=False))
        most = min(len(selector.order_), 2 * n_candidates // 3)
        families.append(
            _chosen(front, width, degree, selector, [m for m in N_CHOSEN if m <= most])
        )
    return families


def _products_to_choose_from(width):
    """Return the number of products of some coordinates to choose from, and their degree."""
    counts = {degree: comb(width + degree, degree) - 1 for degree in DEGREES[1:]}
    degree = max(degree for degree, n in counts.items() if degree == 2 or n <= MOST_CANDIDATES)
    return counts[degree], degree


def _chosen(front, width, degree, selector, sizes):
    name = front if width is None else f"{front} {width}"
    make = partial(_first_chosen, front, width, selector)
    return Family(f"{name}, degree {degree}, the best", sizes, make)


def _n_coordinates(transformer):
    """Return the number of coordinates of a PCA, or None for anything else."""
    last = transformer.steps[-1][1] if hasattr(transformer, "steps") else transformer
    return last.n_components if isinstance(last, PCA) else None


def _most_components(n_rows, n_features):
    return max(1, min(WIDTHS[-1], n_features, n_rows // 2))


def _all_features(degree, size):
    lifter = None if degree == 1 else MonomialLifter(degree)
    return Family(f"features, degree {degree}", (size,), partial(_whole, "features", lifter))


def _whole(front, lifter, size):
    return (Part(front, lifter),)


def _first_chosen(front, width, selector, size):
    return (Part(front, selector.first(size), width),)


def _first_products(front, degree, size):
    return (Part(front, None if degree == 1 else MonomialLifter(degree), size),)


def _around_rows(front, width, seed, size):
    return (Part(front, RBFLifter(size, centers="random", random_state=seed), width),)


def _monomials(front, most, most_observables):
    """Return a family of monomials of each degree, in the first coordinates of a front."""
    families = []
    for degree in DEGREES:
        sizes = [
            p for p in WIDTHS if p <= most and comb(p + degree, degree) <= most_observables
        ]
        make = partial(_first_products, front, degree)
        families.append(Family(f"{front}, degree {degree}", sizes, make))
    return families


def _centers(front, most, n_rows, n_features, most_observables, seed):
    """Return the family of Gaussians around rows."""
    width = None if most == n_features else min(RBF_WIDTH, most)
    sizes = [m for m in N_CENTERS if m <= min(n_rows // ROWS_PER_CENTER, most_observables)]
    if not sizes:
        return []

    return [Family(f"{front}, Gaussians", sizes, partial(_around_rows, front, width, seed))]


def _means(shape, side):
    """Return the lifter of an image to the means of squares of its pixels."""
    channels = shape[0] if len(shape) == 3 else 1
    filters = np.eye(channels)[:, :, None, None]
    grid = tuple(n // side for n in shape[-2:])
    return ConvolutionalLifter(
        tuple(shape), filters=filters, nonlinearity="magnitude", grid=grid, root=False
    )


def _filters(fronts, shape, settings, most_observables, seed, beside):
    """Return families of filters of one kind, alone and with products, and add their fronts."""
    size, stride, padding, cells, function = settings
    places = [(n + 2 * padding - size) // stride + 1 for n in shape[-2:]]
    if size > min(shape[-2:]) // 2 + 1 or min(places) < 2 or max(shape[-2:]) < 2 * cells:
        return []
    grid = tuple(min(cells, n) for n in places)
    n_signs = 2 if function == "threshold" else 1
    kind = f"{size} x {size} filters, stride {stride}, {cells} x {cells} cells, {function}"
    of_each = n_signs * prod(grid)
    most_observables = min(most_observables, MOST_KEPT)
    sizes = [n for n in N_FILTERS if n * of_each <= most_observables]
    for n in sizes:
        fronts[f"{n} {kind}"] = ConvolutionalLifter(
            tuple(shape),
            n_filters=n,
            filter_size=size,
            stride=stride,
            padding=padding,
            nonlinearity=function,
            root=function != "intensity",
            grid=grid,
            random_state=seed,
        )
    families = [Family(kind, sizes, partial(_so_many_filters, kind, ()))]
    if function != "threshold":
        return families
    for p in BESIDE:
        if p <= _n_coordinates(fronts[beside]):
            products = Part(beside, MonomialLifter(2, include_bias=False), p)
            room = most_observables - comb(p + 2, 2)
            fitting = [n for n in sizes if n * of_each <= room]
            make = partial(_so_many_filters, kind, (products,))
            families.append(Family(f"{kind}, and {beside} {p}, degree 2", fitting, make))
    return families


def _so_many_filters(kind, others, size):
    return (Part(f"{size} {kind}"), *others)
