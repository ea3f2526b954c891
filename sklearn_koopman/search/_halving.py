"""Successive halving at several prices: survivors, numbers of rows, and the frontier."""

import numpy as np

# Ratio of the numbers of rows in one round and in the round before.
GROWTH = 4
# Largest number of rounds, and smallest number of rows in the first one.
MOST_ROUNDS = 3
FEWEST_ROWS = 250
# Number of candidates that survive each round, for every price. Survivors of the last round are
# tried with transfer sets.
KEPT = (8, 4, 3)
# Number of prices between the cheapest candidate and the budget, or the most expensive candidate.
N_PRICES = 5


def rows_of_rounds(n_rows):
    """Return the number of rows in each round. The last round has all rows.

    Parameters
    ----------
    n_rows : int

    Returns
    -------
    sizes : list of int

    Examples
    --------
    >>> from sklearn_koopman.search._halving import rows_of_rounds
    >>> rows_of_rounds(50_000), rows_of_rounds(1500)
    ([3125, 12500, 50000], [375, 1500])
    """
    sizes = [n_rows]
    while len(sizes) < MOST_ROUNDS and sizes[0] // GROWTH >= FEWEST_ROWS:
        sizes.insert(0, sizes[0] // GROWTH)
    return sizes


def price_ladder(cheapest, dearest):
    """Return some prices up to the highest, evenly spaced in their logarithms.

    Parameters
    ----------
    cheapest, dearest : float
        Cost of the cheapest candidate, and the highest price.

    Returns
    -------
    prices : list of float
    """
    if cheapest >= dearest:
        return [dearest]
    ladder = np.geomspace(max(cheapest, np.finfo(float).tiny), dearest, N_PRICES + 1)
    return [*map(float, ladder[1:-1]), dearest]


def in_turns(costs, prices):
    """Return an order of candidates that alternates between prices, the cheapest first.

    So an interrupted round has tried some candidates of each price.

    Parameters
    ----------
    costs : sequence of float
        Ascending.
    prices : sequence of float
        Prices in ascending order. The last one is at least as large as all costs.

    Returns
    -------
    order : list of int
    """
    price_of = np.searchsorted(prices, costs)
    turn = np.arange(len(price_of)) - np.searchsorted(price_of, price_of)
    return np.lexsort((price_of, turn)).tolist()


def survivors(costs, scores, prices, n_kept):
    """Return the survivors: the best few candidates between one price and the next.

    Expensive candidates have many observables, so with few rows they are worse than cheaper ones.

    Parameters
    ----------
    costs, scores : sequence of float
    prices : sequence of float
        Prices in ascending order. The last one is at least as large as all costs.
    n_kept : int
        Number of survivors for each price.

    Returns
    -------
    chosen : list of int
        Indices, the cheapest first.
    """
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    best_first = np.lexsort((costs, -scores))
    price_of = np.searchsorted(prices, costs[best_first])
    chosen: list[int] = []
    for number in range(len(prices)):
        chosen += best_first[price_of == number][:n_kept].tolist()
    return sorted(chosen, key=lambda candidate: (costs[candidate], candidate))


def best_at_prices(costs, scores, prices):
    """Return the best candidate for each price, each only once, the cheapest first.

    Parameters
    ----------
    costs, scores : sequence of float
    prices : sequence of float

    Returns
    -------
    best : list of int
    """
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    best_first = np.lexsort((costs, -scores))
    affordable = (best_first[costs[best_first] <= price] for price in prices)
    best = {int(candidates[0]) for candidates in affordable if len(candidates)}
    return sorted(best, key=lambda candidate: (costs[candidate], candidate))


def frontier(costs, scores):
    """Return the candidates that are better than all cheaper ones, the cheapest first.

    Parameters
    ----------
    costs, scores : sequence of float

    Returns
    -------
    best : list of int
    """
    best, highest = [], -np.inf
    for candidate in np.lexsort((-np.asarray(scores, float), np.asarray(costs, float))):
        if scores[candidate] > highest:
            best.append(int(candidate))
            highest = scores[candidate]
    return best
