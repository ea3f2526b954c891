"""Multiplications of an ONNX model for one row, from shapes of products and convolutions."""

from math import prod

import numpy as np

from ..lifting import Operations, UncountableError

# Nodes that compare, and the attribute that holds their numbers.
_TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_OF_TREES = (
    "nodes_values",
    "class_weights",
    "target_weights",
    "nodes_values_as_tensor",
    "class_weights_as_tensor",
    "target_weights_as_tensor",
)
_LINEAR = ("LinearClassifier", "LinearRegressor")
# Nodes with an unknown number of multiplications.
_HIDING = (
    "Attention",
    "ConvInteger",
    "DeformConv",
    "Einsum",
    "GRU",
    "If",
    "LSTM",
    "Loop",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "RNN",
    "SVMClassifier",
    "SVMRegressor",
    "Scan",
    "TreeEnsemble",
)
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def count_onnx(model, n_rows):
    """Count the parameters of an ONNX model, and its multiplications for one row.

    Matrix products and convolutions multiply, trees do not. Functions of single numbers are not
    counted, as in torch modules.

    Parameters
    ----------
    model : onnx.ModelProto
        A model with known sizes of its inputs.
    n_rows : int
        Number of rows in the inputs.

    Returns
    -------
    operations : Operations

    Raises
    ------
    UncountableError
        If the computation of a node is not known, or if no node with known multiplications is
        there.
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    constants = [*graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            constants += [
                _named(a.t, node.output[0]) for a in node.attribute if a.name == "value"
            ]
    arrays = {tensor.name: tensor for tensor in constants}
    shapes = {name: tuple(tensor.dims) for name, tensor in arrays.items()}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        shapes.setdefault(value.name, tuple(dim.dim_value for dim in dims))
    total, is_known = Operations(), False
    for tensor in arrays.values():
        if tensor.data_type in _floats(onnx):
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            size = prod(tensor.dims)
            total += Operations(parameters=size, bytes=size * dtype.itemsize)
    for node in graph.node:
        if node.op_type in _HIDING or node.domain not in _DOMAINS:
            raise UncountableError(
                f"The multiplications of a node {node.op_type} of an ONNX model are not known."
            )
        found = _of_node(node, shapes, arrays, onnx)
        if found is not None:
            per_row = Operations(
                found.parameters,
                found.linear // n_rows,
                found.nonlinear // n_rows,
                found.bytes,
            )
            total, is_known = total + per_row, True
    if not is_known:
        kinds = sorted({node.op_type for node in graph.node})
        raise UncountableError(
            "The ONNX model has no matrix product, convolution or trees, and multiplications of "
            f"other nodes are not counted: {', '.join(kinds)}."
        )
    return total


def _of_node(node, shapes, arrays, onnx):
    """Return the operations of a node for all rows, None if it does not multiply."""
    kind = node.op_type
    if kind in (*_TREES, *_LINEAR):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        names = _OF_TREES if kind in _TREES else ("coefficients", "intercepts")
        kept = [
            np.asarray(onnx.numpy_helper.to_array(each) if hasattr(each, "dims") else each)
            for each in (attributes[name] for name in names if name in attributes)
        ]
        kept = [each.astype(np.float32, copy=False) for each in kept]
        if kind in _TREES:
            return Operations.storing(*kept)
        n_rows = _known(shapes, node, node.input[0])[0]
        return Operations.storing(*kept, linear=n_rows * kept[0].size)
    if kind == "Conv":
        weights = _known(shapes, node, node.input[1])
        n_products = prod(_known(shapes, node, node.output[0])) * prod(weights[1:])
    elif kind == "ConvTranspose":
        weights = _known(shapes, node, node.input[1])
        n_products = prod(_known(shapes, node, node.input[0])) * prod(weights[1:])
    elif kind in ("Gemm", "MatMul"):
        first = _known(shapes, node, node.input[0])
        is_transposed = any(a.name == "transA" and a.i for a in node.attribute)
        inner = first[0] if is_transposed else first[-1]
        n_products = prod(_known(shapes, node, node.output[0])) * inner
    else:
        return None
    if any(name in arrays for name in node.input[:2]):
        return Operations(linear=n_products)
    return Operations(nonlinear=n_products)


def _known(shapes, node, name):
    """Return the shape of a tensor; raise UncountableError where it is not known."""
    shape = shapes.get(name, ())
    if not shape or not all(shape):
        raise UncountableError(
            f"The multiplications of a node {node.op_type} of an ONNX model are not known: the "
            f"file does not state the shape of {name!r}."
        )
    return shape


def _named(tensor, name):
    tensor.name = name
    return tensor


def _floats(onnx):
    kinds = onnx.TensorProto
    return kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.BFLOAT16
