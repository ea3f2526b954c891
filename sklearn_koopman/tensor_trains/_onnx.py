"""Tensor trains and product kernels as ONNX graphs."""

import numpy as np

from ..lifting import Nodes
from ._train import left_matrix, right_matrix


def add_train_logits(student, nodes, rows):
    """Add the logits of a fitted TensorTrainClassifier.

    Parameters
    ----------
    student : TensorTrainClassifier
    nodes : Nodes
    rows : variable
        What the student's lifter has made of the inputs.

    Returns
    -------
    logits : variable
    """
    features = _add_local_features(student.local_features_, nodes, rows)
    sites = range(len(student.tensor_train_.cores))
    at_sites = [nodes.add("Gather", features, np.array([site]), axis=1) for site in sites]
    return _add_train(student.tensor_train_, student.intercept_, nodes, at_sites)


def add_compressed_logits(student, nodes, rows):
    """Add the logits of a fitted CompressedStudent, of rows its reducer has been applied to."""
    ones = nodes.add_ones(rows)
    scaled = nodes.add("Div", rows, nodes.constant(student.scale_))
    features = nodes.add("Unsqueeze", nodes.add("Concat", ones, scaled, axis=1), np.array([1]))
    n_sites = len(student.tensor_train_.cores)
    return _add_train(student.tensor_train_, student.intercept_, nodes, [features] * n_sites)


def convert_product_kernel(scope, operator, container):
    """Multiply the kernels of all variables, and rotate."""
    nodes = Nodes(scope, operator, container)
    lifter = operator.raw_operator
    local = lifter.local_features_
    features = _add_local_features(local, nodes, nodes.inputs)  # (rows, variables, features)
    by_variable = nodes.add("Transpose", features, perm=[1, 0, 2])
    kernels = nodes.add("MatMul", by_variable, nodes.constant(local(lifter.landmarks_)))
    kernel = nodes.add("ReduceProd", kernels, np.array([0]), keepdims=0)
    nodes.finish("MatMul", kernel, nodes.constant(lifter.normalization_))


def _add_local_features(local, nodes, rows):
    """Add the local features of rows, (n_samples, n_variables, n_features)."""
    t = nodes.add_scaled(rows, local.shift, local.scale)
    make = {
        "monomial": _powers,
        "legendre": _legendre_polynomials,
        "trigonometric": _cosines_and_sines,
    }
    features = make[local.kind](local, nodes, t)
    last = np.array([2])
    return nodes.add(
        "Concat", *(nodes.add("Unsqueeze", each, last) for each in features), axis=2
    )


def _add_one(nodes, t):
    """Add what is 1 wherever there is a variable."""
    return nodes.add("Exp", nodes.add("Mul", t, nodes.constant([0.0])))


def _powers(local, nodes, t):
    powers = [_add_one(nodes, t), t]
    for _ in range(1, local.degree):
        powers.append(nodes.add("Mul", powers[-1], t))
    return powers


def _legendre_polynomials(local, nodes, t):
    t = nodes.add("Clip", t, nodes.constant(-1.0), nodes.constant(1.0))
    return [_add_one(nodes, t), *nodes.add_polynomials(t, "legendre", local.degree)]


def _cosines_and_sines(local, nodes, t):
    found = []
    for k in range(1, local.degree + 1):
        angle = nodes.add("Mul", t, nodes.constant([k * local.frequency]))
        found += [nodes.add("Cos", angle), nodes.add("Sin", angle)]
    return found


def _add_train(train, intercept, nodes, features):
    """Add the logits of a train, from both ends to the class core.

    Parameters
    ----------
    train : TensorTrain
    intercept : ndarray of shape (n_classes,)
    nodes : Nodes
    features : list of variable
        Of every site, (n_samples, 1, n_features).
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
