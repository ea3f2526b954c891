from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sklearn_koopman.trees import best_trees

from .helpers import grow, samples


def best_by_enumeration(X, labels, max_depth, max_leaf_nodes):
    """Return how many rows the best tree of 1, 2, ... leaves gets right, by trying all trees."""

    @cache
    def best(rows, depth, n_leaves):
        inside = np.frombuffer(rows, dtype=bool)
        leaf = np.bincount(labels[inside]).max()
        if n_leaves == 1 or depth == 0:
            return leaf
        found = [leaf]
        for feature in range(X.shape[1]):
            for value in np.unique(X[inside, feature])[:-1]:
                low = inside & (X[:, feature] <= value)
                left, right = low.tobytes(), (inside & ~low).tobytes()
                found += [
                    best(left, depth - 1, k) + best(right, depth - 1, n_leaves - k)
                    for k in range(1, n_leaves)
                ]
        return max(found)

    everywhere = np.ones(len(X), dtype=bool).tobytes()
    return [best(everywhere, max_depth, k) for k in range(1, max_leaf_nodes + 1)]


def leaves(node):
    return [node] if node.split is None else leaves(node.left) + leaves(node.right)


def n_right(node):
    return sum(leaf.clause.counts.max() for leaf in leaves(node))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), max_depth=st.integers(1, 3))
def test_best_of_all_trees_where_the_beam_keeps_all(seed, max_depth):
    X, labels = samples(seed, n_rows=12)
    X = X[:, :2].round(0)
    levels, _ = grow(X, labels, max_depth=max_depth, beam_width=None)
    by_enumeration = best_by_enumeration(X, labels, max_depth, 6)
    roots = {len(leaves(root)): root for root in best_trees(levels, 6)}

    best = 0
    for size, desired in enumerate(by_enumeration, start=1):
        if size in roots:
            assert n_right(roots[size]) > best  # better than all smaller ones
            best = n_right(roots[size])
        assert best == desired


@pytest.mark.parametrize("max_leaf_nodes", [2, 3, 5, None])
def test_sizes(max_leaf_nodes):
    X, labels = samples()
    levels, _ = grow(X, labels, max_depth=4, beam_width=40)
    roots = best_trees(levels, max_leaf_nodes)
    sizes = [len(leaves(root)) for root in roots]
    assert sizes[0] == 1
    assert (np.diff(sizes) > 0).all()
    assert sizes[-1] <= (max_leaf_nodes or 2**4)
    assert max_leaf_nodes is not None or sizes[-1] > 5


def test_nodes_are_the_halves_of_their_parents():
    X, labels = samples()
    levels, _ = grow(X, labels)
    root = best_trees(levels, None)[-1]

    def check(node):
        if node.split is not None:
            assert node.split in node.clause.splits
            assert node.left.clause is node.split.left
            assert node.right.clause is node.split.right
            check(node.left)
            check(node.right)

    check(root)
