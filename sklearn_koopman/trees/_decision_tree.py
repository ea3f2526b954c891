"""Conversion of nodes to a scikit-learn DecisionTreeClassifier with the same predictions."""

import numpy as np

_LEAF = -1  # marks a missing child
_NO_FEATURE = -2


def as_decision_tree(root, classes, n_features):
    """Return a scikit-learn tree with given nodes.

    It works everywhere where a fitted `DecisionTreeClassifier` works. Its low-level tree comes from
    a stump that is refilled as in unpickling, by ``__reduce__`` and ``__setstate__``. So it has all
    fields that later versions of scikit-learn may add.

    Parameters
    ----------
    root : Node
    classes : ndarray of shape (n_classes,)
        Sorted.
    n_features : int

    Returns
    -------
    decision_tree : DecisionTreeClassifier
        Fitted.
    """
    from sklearn.tree import DecisionTreeClassifier  # a slow import

    decision_tree = DecisionTreeClassifier(max_depth=1)
    decision_tree.fit(np.zeros((len(classes), n_features)), classes)
    tree_class, arguments, state = decision_tree.tree_.__reduce__()

    preorder = list(walk(root))
    counts = np.array([node.clause.counts for node, _ in preorder], dtype=np.float64)
    share = counts / counts.sum(axis=1, keepdims=True)
    nodes = np.zeros(len(preorder), dtype=state["nodes"].dtype)
    nodes["n_node_samples"] = nodes["weighted_n_node_samples"] = counts.sum(axis=1)
    nodes["impurity"] = 1 - (share**2).sum(axis=1)
    nodes["left_child"] = nodes["right_child"] = _LEAF
    nodes["feature"] = nodes["threshold"] = _NO_FEATURE
    place = {id(node): index for index, (node, _) in enumerate(preorder)}
    for index, (node, _) in enumerate(preorder):
        if node.split is not None:
            nodes["left_child"][index] = place[id(node.left)]
            nodes["right_child"][index] = place[id(node.right)]
            nodes["feature"][index] = node.split.feature
            nodes["threshold"][index] = node.split.threshold

    state["max_depth"] = max(depth for _, depth in preorder)
    state["node_count"] = len(nodes)
    state["nodes"] = nodes
    state["values"] = share[:, np.newaxis, :]
    decision_tree.tree_ = tree_class(*arguments)
    decision_tree.tree_.__setstate__(state)
    decision_tree.max_depth = None  # it was that of the stump
    return decision_tree


def walk(node, depth=0):
    """Yield the nodes of a tree and their depths, in scikit-learn's order: left before right."""
    yield node, depth
    if node.split is not None:
        yield from walk(node.left, depth + 1)
        yield from walk(node.right, depth + 1)
