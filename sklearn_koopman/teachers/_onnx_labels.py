"""The labels in an ONNX model, if it is certain which column of scores each belongs to."""

import numpy as np

from ._outputs import UnusableTeacherError

# Nodes that return a label and scores, and list the classes in the order of the scores.
_CLASSIFIERS = ("LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier")
_LISTS_OF_LABELS = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
# Nodes that keep one number for each row.
_SAME_NUMBERS = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
# Nodes whose output column j comes from input column j.
_COLUMN_BY_COLUMN = (
    "Add",
    "Cast",
    "Clip",
    "Div",
    "Exp",
    "Identity",
    "Log",
    "LogSoftmax",
    "Mul",
    "Normalizer",
    "Sigmoid",
    "Softmax",
    "Sub",
)


class UnclearLabelsError(UnusableTeacherError):
    """A model gives labels, but it is not certain which column of scores each belongs to."""


def labels_of_columns(model, scores):
    """Return the label of each column of scores in an ONNX model.

    The label must come from the largest score, and it must have been chosen from these columns of
    scores.

    Parameters
    ----------
    model : onnx.ModelProto
    scores : str
        Name of the output with a column for each class.

    Returns
    -------
    labels : list or None
        Labels. None if the only label of the model is the number of the column.

    Raises
    ------
    UnclearLabelsError
        If the model gives labels, but it is not certain which column each belongs to.
    """
    graph = _Graph(model.graph)
    given = [name for name in graph.outputs_of_labels() if name != scores]
    for name in given:
        labels, chosen_from = graph.labels(name)
        if chosen_from is not None and graph.keeps_columns(chosen_from, scores, labels):
            return labels
    if given:
        raise UnclearLabelsError(
            f"the model gives labels ({', '.join(given)}), and it is not clear in which order "
            f"they are the columns of {scores!r}"
        )
    return None


class _Graph:
    """An ONNX graph that is read backwards from its outputs."""

    def __init__(self, graph):
        self._graph = graph
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def outputs_of_labels(self):
        """Return the names of the outputs that are whole numbers or strings."""
        from onnx import TensorProto

        kinds = (TensorProto.INT64, TensorProto.INT32, TensorProto.STRING)
        outputs = self._graph.output
        return [each.name for each in outputs if each.type.tensor_type.elem_type in kinds]

    def labels(self, name):
        """Return the labels in a tensor, and the tensor of scores from which they are chosen.

        The labels are None if the tensor has the numbers of columns. The scores are None if they
        are not known.
        """
        node = self._origin(name)
        kind = None if node is None else node.op_type
        if kind in _CLASSIFIERS:
            lists = {a.name: [*a.strings, *a.ints, *a.floats] for a in node.attribute}
            if kind == "SVMClassifier" and not lists.get("prob_a"):
                return (
                    None,
                    None,
                )  # the sign of scores that are not probabilities differs between files
            return next(
                (
                    ([_as_label(label) for label in lists[each]], node.output[1])
                    for each in _LISTS_OF_LABELS
                    if lists.get(each)
                ),
                (None, None),
            )
        if kind == "ArgMax":
            return None, node.input[0]
        if kind in ("ArrayFeatureExtractor", "Gather"):
            labels = self._constant(node.input[0])
            numbers, chosen_from = self.labels(node.input[1])
            if labels is not None and numbers is None:
                return [_as_label(label) for label in labels.ravel()], chosen_from
        return None, None

    def keeps_columns(self, first, last, labels):
        """Return whether each column of a tensor is made from the same column of another one."""
        to_see, seen = [last], set()
        while to_see:
            name = to_see.pop()
            if name == first:
                return True
            node = self._makers.get(name)
            if node is not None and name not in seen and self._is_by_column(node, labels):
                to_see.extend(node.input)
            seen.add(name)
        return False

    def _is_by_column(self, node, labels):
        if node.op_type != "Reshape":
            return node.op_type in _COLUMN_BY_COLUMN
        shape = self._constant(node.input[1])
        n_labels = 0 if labels is None else len(labels)
        return shape is not None and shape.size == 2 and shape[1] == n_labels

    def _origin(self, name):
        """Return the node that made the numbers of a tensor, or None for an input."""
        node = self._makers.get(name)
        while node is not None and node.op_type in _SAME_NUMBERS:
            node = self._makers.get(node.input[0])
        return node

    def _constant(self, name):
        from onnx import numpy_helper

        if name in self._constants:
            return numpy_helper.to_array(self._constants[name])
        node = self._makers.get(name)
        if node is not None and node.op_type == "Constant":
            return next(
                (numpy_helper.to_array(a.t) for a in node.attribute if a.name == "value"), None
            )
        return None


def _as_label(label):
    if isinstance(label, bytes):
        return label.decode("utf-8")
    return label.item() if isinstance(label, np.generic) else label
