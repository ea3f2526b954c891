"""Shapley values of polynomials: polynomials of the same products, so again one matrix."""

from math import factorial

import numpy as np
from scipy.sparse import coo_array

from ..._progress import watched
from ._polynomial import Polynomials, blocks_of_rows, distinct, products_of_rows


class PolynomialGames:
    r"""Shapley values of polynomials, as matrices that multiply the products of rows.

    A product of variables that belong to the players :math:`P`, :math:`|P| = k`, is a game of only
    these players. The value of a coalition :math:`S` is the product of the row's variables of
    :math:`S`, times the mean over the background of the product of the other variables. So its
    Shapley values are sums of :math:`2^k` products of the row. The Shapley values of a polynomial
    are sums over its products.

    Parameters
    ----------
    polynomials : Polynomials
    players : ndarray of int, shape (n_variables,)
        The player who has each variable.
    background : ndarray of shape (n_background, n_variables)
    n_players : int, default=None
        Number of players. None: the number of players who have variables.
    """

    def __init__(self, polynomials: Polynomials, players, background, n_players=None):
        self.n_players = int(players.max()) + 1 if n_players is None else n_players
        self.coefficients = polynomials.coefficients
        self._n_variables = polynomials.n_variables
        owners = np.where(polynomials.terms < 0, -1, players[polynomials.terms])
        order = np.argsort(owners, axis=1, kind="stable")
        self._terms = np.take_along_axis(polynomials.terms, order, axis=1)
        self._owners = np.take_along_axis(owners, order, axis=1)
        self._split()
        self._moments = _mean_products(self.products, background)
        self.base = polynomials_mean(polynomials, background)

    def _split(self):
        """Split each product, for each coalition of players, into its factors and the others."""
        # Whether a factor is the first of its player, and the number of that player in the product.
        is_new = np.diff(self._owners, axis=1, prepend=-1) > 0
        slots = np.cumsum(is_new, axis=1) - 1
        sizes = is_new.sum(axis=1)
        inside, outside = [], []
        self._coalitions = []
        for size in np.unique(sizes):
            rows = np.flatnonzero(sizes == size)
            terms, slot = self._terms[rows], slots[rows]
            is_factor = self._owners[rows] >= 0
            players = self._owners[rows][is_new[rows]].reshape(len(rows), size)
            for coalition in range(2**size):
                is_in = is_factor & (coalition >> np.maximum(slot, 0) & 1 == 1)
                inside.append(np.where(is_in, terms, -1))
                outside.append(np.where(is_factor & ~is_in, terms, -1))
                members = coalition >> np.arange(size) & 1 == 1
                self._coalitions.append((rows, players, members))
        both = np.sort(np.concatenate([*inside, *outside]), axis=1)
        self.products, place = distinct(both, self._n_variables)
        lengths = [len(part) for part in [*inside, *outside]]
        places = np.split(place, np.cumsum(lengths)[:-1])
        self._inside, self._outside = places[: len(inside)], places[len(inside) :]

    def values(self):
        """Return the matrices of Shapley values, one for each polynomial.

        Returns
        -------
        matrices : list of sparse arrays of shape (n_products, n_players)
        """

        def shares(players, members):
            size, n_in = len(members), int(members.sum())
            for slot, is_member in enumerate(members):
                others = n_in - is_member
                weight = factorial(others) * factorial(size - 1 - others) / factorial(size)
                yield players[:, slot], weight if is_member else -weight

        return self._matrices(shares, self.n_players)

    def interactions(self):
        """Return the matrices of interaction indices of pairs of players.

        Returns
        -------
        matrices : list of sparse arrays of shape (n_products, n_players * n_players)
            The pair i < j is in column ``i * n_players + j``.
        """

        def shares(players, members):
            size, n_in = len(members), int(members.sum())
            for second in range(size):
                for first in range(second):
                    others = n_in - members[first] - members[second]
                    orders = factorial(others) * factorial(size - 2 - others)
                    weight = orders / factorial(size - 1)
                    sign = 1 if members[first] == members[second] else -1
                    yield players[:, first] * self.n_players + players[:, second], sign * weight

        return self._matrices(shares, self.n_players**2)

    def _matrices(self, shares, n_columns):
        """Return one matrix for each polynomial. `shares` yields columns and weights."""
        rows, columns, sources, weights = [], [], [], []
        parts = zip(self._coalitions, self._inside, self._outside, strict=True)
        for (of_terms, players, members), inside, outside in parts:
            for column, weight in shares(players, members):
                rows.append(inside)
                columns.append(column)
                sources.append(of_terms)
                weights.append(weight * self._moments[outside])
        shape = len(self.products), n_columns
        if not rows:
            return [coo_array(shape).tocsr() for _ in self.coefficients.T]
        places = np.concatenate(rows), np.concatenate(columns)
        source, weight = np.concatenate(sources), np.concatenate(weights)
        return [
            coo_array((column[source] * weight, places), shape=shape).tocsr()
            for column in self.coefficients.T
        ]

    def of_rows(self, matrices, Z):
        """Return the products of rows times matrices, (n_rows, n_columns, n_polynomials)."""
        found = np.empty((len(Z), matrices[0].shape[1], len(matrices)))
        blocks = list(blocks_of_rows(len(Z), len(self.products)))
        for block in watched(blocks, "Shapley values"):
            products = products_of_rows(self.products, Z[block])
            for k, matrix in enumerate(matrices):
                found[block, :, k] = products @ matrix
        return found


def polynomials_mean(polynomials, Z):
    """Return the means of polynomials over rows."""
    return _mean_products(polynomials.terms, Z) @ polynomials.coefficients


def _mean_products(terms, Z):
    """Return the means of products over rows, block by block."""
    total = np.zeros(len(terms))
    for block in blocks_of_rows(len(Z), len(terms)):
        total += products_of_rows(terms, Z[block]).sum(axis=0)
    return total / len(Z)
