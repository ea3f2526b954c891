"""What the converters of an ONNX graph are written with."""

from importlib import import_module

import numpy as np

from ._orthogonal import RECURRENCES

# ONNX's numbers of the types.
FLOAT, DOUBLE = 1, 11


class Nodes:
    """The nodes of one converter, added one by one.

    Attributes
    ----------
    inputs : variable
        What the operator receives.
    """

    def __init__(self, scope, operator, container):
        self._scope, self._operator, self._container = scope, operator, container
        (self.inputs,) = operator.inputs
        is_double = type(self.inputs.type).__name__.startswith("Double")
        self._dtype = np.float64 if is_double else np.float32

    def constant(self, values):
        """Return an array in the dtype of the graph."""
        return np.asarray(values, dtype=self._dtype)

    def add(self, kind, *inputs, **attributes):
        """Add a node of one output, and return that; arrays become initialisers."""
        return self._operator_of(kind)(*inputs, op_version=self._opset, **attributes)

    def add_ones(self, columns):
        """Add a column of ones, as long as some columns."""
        pads = np.array([0, 1, 0, 0], dtype=np.int64)  # a column before the first
        padded = self.add("Pad", columns, pads, self.constant(1.0))
        return self.add("Gather", padded, np.array([0], dtype=np.int64), axis=1)

    def add_products(self, variables, lower, products):
        """Add the products of one degree: of gathered variables, and those of the degree below."""
        return self.add(
            "Mul",
            self.add("Gather", variables, products.variables, axis=1),
            self.add("Gather", lower, products.factors, axis=1),
        )

    def add_scaled(self, rows, shift, scale):
        """Add rows less a shift, over a scale."""
        centred = self.add("Sub", rows, self.constant(shift))
        return self.add("Div", centred, self.constant(scale))

    def add_polynomials(self, u, family, degree):
        """Add the orthogonal polynomials of scaled columns; return those of degree 1 and more."""
        slope, drop, _ = RECURRENCES[family]
        found = [self.constant([1.0]), u]
        for k in range(1, degree):
            grown = self.add("Mul", self.add("Mul", u, found[k]), self.constant([slope(k)]))
            lower = self.add("Mul", found[k - 1], self.constant([drop(k)]))
            found.append(self.add("Sub", grown, lower))
        return found[1:]

    def add_estimator(self, estimator, inputs):
        """Add what skl2onnx makes of a fitted transformer."""
        return self._sub_estimator()(estimator, inputs, op_version=self._opset)

    def add_float32_classifier(self, classifier, inputs):
        """Add what skl2onnx makes of a fitted classifier; return labels and probabilities."""
        types = import_module("skl2onnx.common.data_types")
        added = self._sub_estimator()(
            classifier,
            inputs,
            op_version=self._opset,
            options={"zipmap": False},
            input_types=[types.FloatTensorType([None, classifier.n_features_in_])],
        )
        return added[0], added[1]

    @staticmethod
    def _sub_estimator():
        return import_module("skl2onnx.algebra.onnx_operator").OnnxSubEstimator

    def finish(self, kind, *inputs, output=0, **attributes):
        """Add the node that gives an output of the operator."""
        names = [self._operator.outputs[output]]
        node = self._operator_of(kind)(
            *inputs, op_version=self._opset, output_names=names, **attributes
        )
        node.add_to(self._scope, self._container)

    @property
    def tensor_type(self):
        """ONNX's number of the dtype of the graph."""
        return DOUBLE if self._dtype == np.float64 else FLOAT

    @property
    def _opset(self):
        return self._container.target_opset

    @staticmethod
    def _operator_of(kind):
        return getattr(import_module("skl2onnx.algebra.onnx_ops"), f"Onnx{kind}")


def labels(classes):
    """Return classes as ONNX holds them: int64 or strings."""
    if classes.dtype.kind in "biu":
        return classes.astype(np.int64)
    if classes.dtype.kind in "OU":
        return np.array([str(label) for label in classes])
    raise TypeError(
        f"Classes of dtype {classes.dtype} have no form in ONNX: fit the student with labels "
        "that are integers or strings."
    )
