"""Successive halving at several prices: who goes on, with how many rows, and the frontier."""

import numpy as np

# Rows of one round over those of the round before.
GROWTH = 4
# Rounds at most, and the rows that the first one has at least.
MOST_ROUNDS = 3
FEWEST_ROWS = 250
# Candidates that go on from each round, for every price; of the last one, to be tried with transfer
# sets.
KEPT = (8, 4, 3)
# Prices between the cheapest candidate and the budget, or the dearest candidate without one.
N_PRICES = 5


def rows_of_rounds(n_rows):
    """Return how many rows each round has; all of them in the last.

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
    """Return some prices up to the highest, evenly by their logarithm.

    Parameters
    ----------
    cheapest, dearest : float
        What the cheapest candidate costs, and the highest price.

    Returns
    -------
    prices : list of float
    """
    if cheapest >= dearest:
        return [dearest]
    ladder = np.geomspace(max(cheapest, np.finfo(float).tiny), dearest, N_PRICES + 1)
    return [*map(float, ladder[1:-1]), dearest]


def in_turns(costs, prices):
    """Return an order of candidates: the cheapest between one price and the next, in turns.

    A round that is cut off has seen some of each price.

    Parameters
    ----------
    costs : sequence of float
        Ascending.
    prices : sequence of float
        Ascending, the last one at least as large as all costs.

    Returns
    -------
    order : list of int
    """
    price_of = np.searchsorted(prices, costs)
    turn = np.arange(len(price_of)) - np.searchsorted(price_of, price_of)
    return np.lexsort((price_of, turn)).tolist()


def survivors(costs, scores, prices, n_kept):
    """Return which candidates go on: the best few between one price and the next.

    Dear ones have many observables, so they are worse than cheaper ones while rows are few.

    Parameters
    ----------
    costs, scores : sequence of float
    prices : sequence of float
        Ascending, the last one at least as large as all costs.
    n_kept : int
        How many for each price.

    Returns
    -------
    chosen : list of int
        The cheapest first.
    """
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    best_first = np.lexsort((costs, -scores))
    price_of = np.searchsorted(prices, costs[best_first])
    chosen: list[int] = []
    for number in range(len(prices)):
        chosen += best_first[price_of == number][:n_kept].tolist()
    return sorted(chosen, key=lambda candidate: (costs[candidate], candidate))


def best_at_prices(costs, scores, prices):
    """Return the best candidates that each price pays for, each once, the cheapest first.

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
    """Return the candidates that no cheaper one equals, the cheapest first.

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
