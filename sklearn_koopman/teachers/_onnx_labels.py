"""The labels in an ONNX model, where it is certain which column of scores each belongs to."""

import numpy as np

from ._outputs import UnusableTeacherError

# Nodes that answer with a label and with scores, and list the classes in the order of these.
_CLASSIFIERS = ("LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier")
_LISTS_OF_LABELS = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
# One number for each row stays what it is.
_SAME_NUMBERS = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
# Column j of what they make comes from column j.
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
    """A model gives labels, and it is not certain which column of scores each belongs to."""


def labels_of_columns(model, scores):
    """Return the label of each column of scores in an ONNX model.

    The label must come from the largest score, and the columns of scores must be those that it
    was chosen from.

    Parameters
    ----------
    model : onnx.ModelProto
    scores : str
        Name of the output with a column for each class.

    Returns
    -------
    labels : list or None
        None if the model gives no label but the number of the column.

    Raises
    ------
    UnclearLabelsError
        If the model gives labels, and it is not certain which column each belongs to.
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
    """An ONNX graph that is read from its outputs back."""

    def __init__(self, graph):
        self._graph = graph
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def outputs_of_labels(self):
        """Return the names of the outputs of whole numbers or strings."""
        from onnx import TensorProto

        kinds = (TensorProto.INT64, TensorProto.INT32, TensorProto.STRING)
        outputs = self._graph.output
        return [each.name for each in outputs if each.type.tensor_type.elem_type in kinds]

    def labels(self, name):
        """Return the labels that a tensor can have, and the tensor of scores it is chosen from.

        The labels are None if the tensor has the numbers of columns, the scores are None where
        they are not known.
        """
        node = self._origin(name)
        kind = None if node is None else node.op_type
        if kind in _CLASSIFIERS:
            lists = {a.name: [*a.strings, *a.ints, *a.floats] for a in node.attribute}
            if kind == "SVMClassifier" and not lists.get("prob_a"):
                return None, None  # the sign of what is not a probability differs between files
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
        """Say whether the columns of a tensor are, one by one, made of those of another."""
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
        """Return the node that made the numbers of a tensor, None for an input."""
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
