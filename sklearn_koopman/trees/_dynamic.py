"""Dynamic programming: of all trees over some clauses, the best one of each size."""

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
    """The best trees below a clause; entry i is for i + 1 leaves.

    Attributes
    ----------
    n_right : ndarray of int
        Rows on which the tree says what the teacher says.
    split : ndarray of int
        Which split of the clause it starts with.
    n_left : ndarray of int
        How many of the leaves are on the left; 0 for a leaf.
    """

    n_right: np.ndarray
    split: np.ndarray
    n_left: np.ndarray


def best_trees(levels, max_leaf_nodes):
    """Return the best tree of each size that is better than all smaller ones.

    Of equally good trees the one is taken whose splits were probed best.

    Parameters
    ----------
    levels : list of lists of Clause
        As `grow_clauses` returns them.
    max_leaf_nodes : int or None
        Largest size; None for no limit.

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
    """Return the table of a clause from those of the clauses it can be cut into."""
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
    """Return the tree that entry `size` of a clause's table stands for."""
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
