"""Successive halving at several prices: who goes on, with how many rows, and the frontier."""

import numpy as np

# Rows of one round over those of the round before.
GROWTH = 4
# Rounds at most, and the rows that the first one has at least.
MOST_ROUNDS = 3
FEWEST_ROWS = 1000
# Candidates that go on from each round, for every price; of the last one those that are tried with
# transfer sets.
KEPT = (5, 2, 2)
# Prices between the cheapest and the dearest candidate where no budget names any.
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
    ([3125, 12500, 50000], [1500])
    """
    sizes = [n_rows]
    while len(sizes) < MOST_ROUNDS and sizes[0] // GROWTH >= FEWEST_ROWS:
        sizes.insert(0, sizes[0] // GROWTH)
    return sizes


def price_ladder(costs):
    """Return some prices from the smallest of the costs to the largest, evenly by their logarithm.

    Parameters
    ----------
    costs : sequence of float

    Returns
    -------
    prices : list of float
    """
    cheapest, dearest = max(min(costs), np.finfo(float).tiny), max(costs)
    if cheapest == dearest:
        return [dearest]
    ladder = np.geomspace(cheapest, dearest, N_PRICES + 1)[1:]
    return [*map(float, ladder[:-1]), float(dearest)]


def survivors(costs, scores, prices, n_kept):
    """Return which candidates are among the best few that some price pays for.

    Parameters
    ----------
    costs, scores : sequence of float
    prices : sequence of float
    n_kept : int
        How many for each price.

    Returns
    -------
    chosen : list of int
        The cheapest first.
    """
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    best_first = np.lexsort((costs, -scores))
    chosen = set()
    for price in prices:
        affordable = best_first[costs[best_first] <= price]
        chosen.update(affordable[:n_kept].tolist())
    return sorted(chosen, key=lambda candidate: (costs[candidate], candidate))


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
