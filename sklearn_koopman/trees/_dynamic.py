"""Dynamic programming: the best tree of each size among all trees over some clauses."""

from dataclasses import dataclass

import numpy as np

from ._clauses import Clause, Split


@dataclass(frozen=True)
class Node:
    """A node of a tree; a leaf has no split.

    Attributes
    ----------
    clause : Clause
    split : Split or None
    left, right : Node or None
    """

    clause: Clause
    split: Split | None = None
    left: "Node | None" = None
    right: "Node | None" = None


@dataclass(frozen=True)
class _Table:
    """The best trees below a clause. Entry i is for i + 1 leaves.

    Attributes
    ----------
    n_right : ndarray of int
        Number of rows on which tree and teacher agree.
    split : ndarray of int
        Index of the clause's split at its root.
    n_left : ndarray of int
        Number of leaves on the left; 0 for a leaf.
    """

    n_right: np.ndarray
    split: np.ndarray
    n_left: np.ndarray


def best_trees(levels, max_leaf_nodes):
    """Return the best tree of each size that is better than all smaller ones.

    Of equally good trees, the one with the smallest errors of probes is taken.

    Parameters
    ----------
    levels : list of lists of Clause
        Levels from `grow_clauses`.
    max_leaf_nodes : int or None
        Largest size. None: no limit.

    Returns
    -------
    roots : list of Node
        From the tree with one leaf to the largest.
    """
    tables: dict[Clause, _Table] = {}
    for level in reversed(levels):
        for clause in level:
            tables[clause] = _tabulate(clause, tables, max_leaf_nodes)
    ((root,), *_) = levels
    n_right = tables[root].n_right
    better = np.flatnonzero(np.diff(np.maximum.accumulate(n_right), prepend=-1))
    return [_assemble(root, size, tables) for size in better]


def _tabulate(clause, tables, max_leaf_nodes):
    """Return the table of a clause from the tables of the clauses into which it can be split."""
    pairs = [(tables[s.left].n_right, tables[s.right].n_right) for s in clause.splits]
    n_sizes = max((len(left) + len(right) for left, right in pairs), default=1)
    if max_leaf_nodes is not None:
        n_sizes = min(n_sizes, max_leaf_nodes)
    table = _Table(*(np.zeros(n_sizes, dtype=np.int64) for _ in range(3)))
    table.n_right[0] = clause.counts.max()
    table.n_right[1:] = -1
    for split, (left, right) in enumerate(pairs):
        for n_left in range(1, min(len(left), n_sizes - 1) + 1):
            sizes = slice(n_left, n_left + len(right))
            total = left[n_left - 1] + right[: n_sizes - n_left]
            better = total > table.n_right[sizes]
            table.n_right[sizes][better] = total[better]
            table.split[sizes][better] = split
            table.n_left[sizes][better] = n_left
    return table


def _assemble(clause, size, tables):
    """Return the tree of entry `size` in a clause's table."""
    table = tables[clause]
    n_left = table.n_left[size]
    if n_left == 0:
        return Node(clause)
    split = clause.splits[table.split[size]]
    return Node(
        clause,
        split,
        _assemble(split.left, n_left - 1, tables),
        _assemble(split.right, size - n_left, tables),
    )
