"""Tensor trains as ONNX graphs."""

import numpy as np

from ._train import left_matrix, right_matrix


def add_train(train, intercept, nodes, features):
    """Add the logits of a train, from both ends to the class core.

    Parameters
    ----------
    train : TensorTrain
    intercept : ndarray of shape (n_classes,)
    nodes : Nodes
    features : list of variable
        Local features of every site, (n_samples, 1, n_features).

    Returns
    -------
    logits : variable
    """
    cores, centre = train.cores, train.centre

    def with_left(left, k):
        """Return the products of a left environment and the features of a site."""
        return _add_products(nodes, left, features[k], 2, left_matrix(cores[k]).shape[0])

    # The outermost environments are 1.
    left = right = nodes.add_ones(nodes.add("Squeeze", features[0], np.array([1])))
    for k in range(centre):
        left = nodes.add("MatMul", with_left(left, k), nodes.constant(left_matrix(cores[k])))
    for k in range(len(cores) - 1, centre, -1):
        matrix = right_matrix(cores[k])
        ahead = nodes.add("Transpose", features[k], perm=[0, 2, 1])
        products = _add_products(nodes, right, ahead, 1, matrix.shape[1])
        right = nodes.add("MatMul", products, nodes.constant(matrix.T))
    _, _, n_classes, right_rank = cores[centre].shape
    parts = nodes.add(
        "MatMul", with_left(left, centre), nodes.constant(left_matrix(cores[centre]))
    )
    parts = nodes.add("Reshape", parts, np.array([-1, n_classes, right_rank]))
    products = nodes.add("Mul", parts, nodes.add("Unsqueeze", right, np.array([1])))
    logits = nodes.add("ReduceSum", products, np.array([2]), keepdims=0)
    return nodes.add("Add", logits, nodes.constant(intercept))


def _add_products(nodes, environment, features, axis, n_products):
    """Add all products of an environment, with a new axis there, and the features of a site."""
    spread = nodes.add("Unsqueeze", environment, np.array([axis]))
    products = nodes.add("Mul", spread, features)
    return nodes.add("Reshape", products, np.array([-1, n_products]))
