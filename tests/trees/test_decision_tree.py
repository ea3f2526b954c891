import pickle

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier, export_text

from sklearn_koopman.trees import as_decision_tree, best_trees, walk

from .helpers import grow, samples


def largest_tree(seed=0):
    X, labels = samples(seed)
    levels, _ = grow(X, labels)
    root = best_trees(levels, None)[-1]
    return root, X, labels


def predicted_by_hand(root, x):
    node = root
    while node.split is not None:
        split = node.split
        node = node.left if x[split.feature] <= split.threshold else node.right
    return node.clause.counts.argmax()


def test_it_predicts_what_the_nodes_say():
    root, X, _ = largest_tree()
    tree = as_decision_tree(root, np.array(["a", "b", "c"]), 4)
    by_hand = [predicted_by_hand(root, x) for x in X]
    assert_array_equal(tree.predict(X), np.array(["a", "b", "c"])[by_hand])
    passes = tree.decision_path(X).toarray().astype(bool)
    assert_array_equal(passes.T, [node.clause.rows for node, _ in walk(root)])


def test_its_arrays_are_those_that_scikit_learn_computes():
    rng = np.random.default_rng(0)
    X = rng.choice(np.array([-1, 1], dtype=np.float32), (200, 3))
    right, far_right = X[:, 0] > 0, (X[:, 0] > 0) & (X[:, 1] > 0) & (rng.random(200) < 0.9)
    labels = right.astype(int) + far_right
    levels, _ = grow(X, labels, beam_width=None, max_depth=2)
    root = best_trees(levels, None)[-1]
    ours = as_decision_tree(root, np.arange(3), 3).tree_
    theirs = DecisionTreeClassifier(max_leaf_nodes=3).fit(X, labels).tree_
    assert ours.node_count == theirs.node_count == 5
    assert ours.max_depth == theirs.max_depth

    # the numbers of nodes may differ, but all nodes have different numbers of rows
    mine, desired = np.argsort(ours.n_node_samples), np.argsort(theirs.n_node_samples)
    for name in ("feature", "threshold", "impurity", "n_node_samples", "value"):
        assert_allclose(getattr(ours, name)[mine], getattr(theirs, name)[desired])


def test_it_is_a_fitted_estimator():
    root, X, _ = largest_tree()
    tree = as_decision_tree(root, np.arange(3), 4)
    again = pickle.loads(pickle.dumps(tree))
    assert_array_equal(again.predict_proba(X), tree.predict_proba(X))
    assert export_text(again) == export_text(tree)
    assert tree.get_n_leaves() == export_text(tree).count("class:")
    assert tree.get_depth() == 3
    assert_allclose(tree.feature_importances_.sum(), 1)
    assert clone(tree).max_depth is None


def test_a_single_leaf():
    X, labels = samples()
    levels, _ = grow(X, labels)
    tree = as_decision_tree(best_trees(levels, None)[0], np.arange(3), 4)
    assert (tree.get_n_leaves(), tree.get_depth()) == (1, 0)
    assert_allclose(tree.predict_proba(X[:1])[0], np.bincount(labels) / len(labels))
