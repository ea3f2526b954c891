"""A choice of products, each made from a lower one, without unnecessary products."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from ._base import lifted_by_columns
from ._forms._functions import products_by_degree
from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers


class Step(NamedTuple):
    """One product: a row of the workspace times a factor."""

    target: int
    source: int
    factor: int


class Products(NamedTuple):
    """The products of one degree, each a variable times a product of the degree below.

    Attributes
    ----------
    variables : ndarray of int, shape (n_products,)
        The variable of each product.
    factors : ndarray of int, shape (n_products,)
        The product of the degree below.
    kept : bool
        Whether these are observables, or only needed for higher degrees.
    """

    variables: np.ndarray
    factors: np.ndarray
    kept: bool


def terms_of(degrees):
    """Return the kept products, each as the tuple of its variables.

    Parameters
    ----------
    degrees : list of Products
        For the degrees 1, 2, ...

    Returns
    -------
    terms : list of tuple of int
    """
    below: list[tuple[int, ...]] = [()]
    terms: list[tuple[int, ...]] = []
    for products in degrees:
        pairs = zip(products.variables.tolist(), products.factors.tolist(), strict=True)
        below = [(variable, *below[factor]) for variable, factor in pairs]
        if products.kept:
            terms += below
    return terms


def powers_of(degrees, n_variables):
    """Return the exponent of each variable in each kept product.

    Parameters
    ----------
    degrees : list of Products
        For the degrees 1, 2, ...
    n_variables : int

    Returns
    -------
    powers : ndarray of int, shape (n_products, n_variables)
    """
    below = np.zeros((1, n_variables), dtype=np.int64)
    kept = [below[:0]]
    for products in degrees:
        below = below[products.factors]
        below[np.arange(len(below)), products.variables] += 1
        if products.kept:
            kept.append(below)
    return np.concatenate(kept)


class PairProducts(NamedTuple):
    """Observables as products of two rows of a table, for kernels that do not store them.

    The table has the constant 1, then the variables, then the lower products. `of_terms` makes it.

    Attributes
    ----------
    lower : ndarray of int32, shape (n_lower, 2)
        The two earlier rows that each lower product multiplies.
    observables : ndarray of int32, shape (n_observables, 2)
        The two rows that each observable multiplies.
    degree : int or None
        The degree, if the observables are all monomials of the variables up to a degree, in the
        order of PolynomialFeatures, with or without the constant. None for others.
    """

    lower: np.ndarray
    observables: np.ndarray
    degree: int | None = None

    @classmethod
    def of_terms(cls, terms, n_features):
        """Return products of features.

        Parameters
        ----------
        terms : sequence of tuple of int
            The features that each observable multiplies, repeated for powers; () is the constant 1.
        n_features : int

        Returns
        -------
        products : PairProducts

        Examples
        --------
        >>> from sklearn_koopman.lifting import PairProducts
        >>> PairProducts.of_terms([(0,), (0, 1), (0, 1, 1)], n_features=2).observables
        array([[0, 1],
               [2, 1],
               [3, 2]], dtype=int32)
        """
        in_order = [tuple(sorted(term)) for term in terms]
        distinct = sorted(set(in_order), key=lambda term: (len(term), term))
        place = {term: i for i, term in enumerate(distinct)}
        found = ChosenProducts(distinct, "F", n_features=n_features).pair_products()
        return cls(found.lower, found.observables[[place[term] for term in in_order]])


class ChosenProducts:
    """Some of the products of a dictionary.

    A product of three or more factors is one factor times a product of the others. If none of these
    smaller products is chosen, one of them is computed as an intermediate result: the one that the
    largest number of chosen products can use.

    Parameters
    ----------
    terms : list of tuple of int
        The factors of every product, in any fixed order of the factors; () is the constant 1.
    order : {"F", "C"}
        Memory layout of the lifted rows.
    factors : UnivariatePolynomials, default=None
        Makes the factors (n_factors, n_samples) from samples as columns. None: the samples are the
        factors.
    n_features : int, default=None
        Number of features of the samples, if they are the factors.

    Attributes
    ----------
    n_observables : int
    factors : UnivariatePolynomials or None
    n_features : int or None
        Number of features. Also None if the choice was read from a file of version 0.1.
    n_products : int
        Number of multiplications of a product by a factor, including intermediate results.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.lifting import ChosenProducts
    >>> chosen = ChosenProducts([(), (0, 0, 1), (0, 1)], order="F")
    >>> chosen.transform(np.array([[2.0, 3.0]]))
    array([[ 1., 12.,  6.]])
    >>> chosen.n_products
    2
    """

    n_features: int | None = None

    def __init__(self, terms, order, factors=None, n_features=None):
        self.n_observables = len(terms)
        self.order = order
        self.factors = factors
        self.n_features = n_features
        self._constants = [row for row, term in enumerate(terms) if len(term) == 0]
        self._copies = [(row, term[0]) for row, term in enumerate(terms) if len(term) == 1]
        parents = _parents(terms)
        # Rows of the workspace: the chosen products, then intermediate ones, then the factors.
        row_of = {term: row for row, term in enumerate(terms)}
        self._on_the_way = [term for term in parents if term not in row_of]
        row_of |= {term: len(terms) + i for i, term in enumerate(self._on_the_way)}
        first_factor = len(row_of)
        self._steps = [
            Step(
                row_of[term],
                first_factor + parent[0] if len(parent) == 1 else row_of[parent],
                factor,
            )
            for term, (parent, factor) in sorted(parents.items(), key=lambda item: len(item[0]))
        ]
        self.n_products = len(self._steps)

    def transform(self, X):
        """Return the products of rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)

        Returns
        -------
        Psi : ndarray of shape (n_samples, n_products)
        """
        return lifted_by_columns(self._lift_columns, X, self.n_observables, self.order)

    def _lift_columns(self, ZT, out):
        factors = np.ascontiguousarray(ZT) if self.factors is None else self.factors(ZT)
        rows = [*out, *np.empty((len(self._on_the_way), ZT.shape[1]), out.dtype), *factors]
        for row in self._constants:
            rows[row][...] = 1
        for row, factor in self._copies:
            rows[row][...] = factors[factor]
        for target, source, factor in self._steps:
            np.multiply(rows[source], factors[factor], out=rows[target])

    def to_function(self, dtype):
        """Return the products as a plain function of rows."""
        products = products_by_degree(*self.by_degree())
        if self.factors is None:
            return products
        return lambda rows: products(self.factors(rows.T).T)

    def to_layer(self):
        """Return the products as a torch layer."""
        layers = torch_layers()
        products = layers.ProductsOfColumns(*self.by_degree())
        if self.factors is None:
            return products
        return layers.nn.Sequential(self.factors.to_layer(), products)

    def add_to_graph(self, nodes, rows):
        """Add the products to an ONNX graph."""
        factors = rows if self.factors is None else self.factors.add_to_graph(nodes, rows)
        degrees, places = self.by_degree()
        found, products = [nodes.add_ones(rows)], factors
        for degree in degrees:
            products = nodes.add_products(factors, products, degree)
            found.append(products)
        table = nodes.add("Concat", *found, factors, axis=1)
        return nodes.add("Gather", table, places, axis=1)

    def add_to_program(self, program, rows):
        """Add the products to a program for microcontrollers."""
        factors = rows if self.factors is None else self.factors.add_to_program(program, rows)
        return program.products(factors, self._pairs(factors.size))

    def operations(self):
        """Return the operations: one multiplication for each product."""
        products = Operations(nonlinear=self.n_products)
        return products if self.factors is None else self.factors.operations() + products

    def pair_products(self):
        """Return the products as `PairProducts`, or None if the factors are not variables."""
        if self.factors is not None or self.n_features is None:
            return None
        return self._pairs(self.n_features)

    def _pairs(self, n_factors):
        """Return the products as `PairProducts` of the factors."""
        degrees, places = self.by_degree()
        lower, pairs = pairs_of_degrees(n_factors, degrees)
        return PairProducts(lower, np.concatenate([CONSTANT, *pairs[1:], pairs[0]])[places])

    def by_degree(self):
        """Return the multiplications, degree by degree.

        Returns
        -------
        degrees : list of Products
            Products of two factors, of three, and so on. "Degree 1" are the factors themselves.
        places : ndarray of int, shape (n_observables,)
            Index of each observable in this list: the constant 1, the products of all degrees, the
            factors.
        """
        first_factor = self.n_observables + len(self._on_the_way)
        places = np.zeros(first_factor, dtype=np.int64)
        level_of: dict[int, int] = {}  # level of each product, by its row
        column_of: dict[int, int] = {}  # index of the product in its level
        levels: list[list[tuple[int, int]]] = []
        for place, (target, source, factor) in enumerate(self._steps, start=1):
            level = level_of.get(source, -1) + 1
            if level == len(levels):
                levels.append([])
            level_of[target], column_of[target] = level, len(levels[level])
            levels[level].append((factor, column_of.get(source, source - first_factor)))
            places[target] = place
        for row, factor in self._copies:
            places[row] = 1 + len(self._steps) + factor
        degrees = []
        for of_level in levels:
            variables, lower = (np.array(numbers) for numbers in zip(*of_level, strict=True))
            degrees.append(Products(variables, lower, kept=True))
        return degrees, places[: self.n_observables]


#: The pair of rows of a table whose product is 1.
CONSTANT = np.zeros((1, 2), dtype=np.int32)


def pairs_of_degrees(n_variables, degrees):
    """Return the pairs of rows of a table that products multiply.

    Parameters
    ----------
    n_variables : int
    degrees : list of Products
        Products of two variables, of three, and so on.

    Returns
    -------
    lower : ndarray of int32, shape (n_lower, 2)
        The pairs of all degrees but the highest. Their products are rows of the table too.
    pairs : list of ndarray of int32, shape (n_products, 2)
        The pairs of the variables themselves, of products of two, of three, and so on.
    """
    below = np.arange(1, n_variables + 1, dtype=np.int32)
    pairs = [np.column_stack([np.zeros_like(below), below])]
    n_rows = n_variables + 1
    for products in degrees:
        pairs.append(
            np.column_stack([below[products.factors], 1 + products.variables]).astype(np.int32)
        )
        below = np.arange(n_rows, n_rows + len(products.variables), dtype=np.int32)
        n_rows += len(below)
    return np.concatenate([CONSTANT[:0], *pairs[1:-1]]), pairs


def variables_alone(n_variables):
    """Return the variables themselves as `PairProducts`."""
    lower, (pairs,) = pairs_of_degrees(n_variables, [])
    return PairProducts(lower, pairs)


def of_columns(products, columns, n_variables):
    """Return products of some of the variables as products of all of them.

    Parameters
    ----------
    products : PairProducts
        Products of ``len(columns)`` variables.
    columns : ndarray of int
        Indices of these variables among all.
    n_variables : int

    Returns
    -------
    products : PairProducts
    """
    rows = np.arange(1 + n_variables + len(products.lower), dtype=np.int32)
    rows = np.concatenate([rows[:1], rows[1:][columns], rows[1 + n_variables :]])
    return PairProducts(rows[products.lower], rows[products.observables])


def united(parts, n_variables):
    """Return the products of all parts, side by side.

    Parameters
    ----------
    parts : sequence of PairProducts
        Products of the same variables.
    n_variables : int

    Returns
    -------
    products : PairProducts
    """
    lower, observables = [CONSTANT[:0]], [CONSTANT[:0]]
    n_lower = 0
    for part in parts:
        rows = np.arange(1 + n_variables + len(part.lower), dtype=np.int32)
        rows[1 + n_variables :] += n_lower
        lower.append(rows[part.lower])
        observables.append(rows[part.observables])
        n_lower += len(part.lower)
    return PairProducts(np.concatenate(lower), np.concatenate(observables))


def _parents(terms):
    """Return {product of two or more factors: (the smaller product, the remaining factor)}."""
    parents = {}
    needed = set(terms)
    for length in range(max(map(len, terms)), 1, -1):
        level = sorted(term for term in needed if len(term) == length)
        uses = Counter(
            parent
            for term in level
            if not needed.intersection(_smaller(term))
            for parent in _smaller(term)
        )
        for term in level:
            smaller = _smaller(term)
            ready = [parent for parent in smaller if parent in needed or len(parent) == 1]
            parent = ready[0] if ready else max(smaller, key=uses.__getitem__)
            parents[term] = parent, smaller[parent]
            needed.add(parent)
    return parents


def _smaller(term):
    """Return {the product without one factor: that factor}."""
    return {term[:i] + term[i + 1 :]: factor for i, factor in enumerate(term)}
