"""The writer of the nodes of an ONNX graph."""

from importlib import import_module

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion

from .._chain import steps_of
from .._columns import ColumnParts
from .._orthogonal import RECURRENCES
from ._filling import values_filled_in
from ._protocols import SupportsOnnx


class Nodes:
    """Writes the nodes of an ONNX graph, one by one.

    `to_onnx` passes it to the method `add_to_graph` of each estimator. A variable is the output of
    a node, and the input of later nodes.

    Parameters
    ----------
    dtype : type
        Dtype of the graph: numpy.float32 or numpy.float64.
    opset : int
        Version of ONNX's operators.
    """

    def __init__(self, dtype, opset):
        self._dtype, self._opset = dtype, opset
        self._made: dict = {}  # inputs of each node, by the identity of its output

    def constant(self, values):
        """Return an array in the dtype of the graph.

        Parameters
        ----------
        values : array-like of float

        Returns
        -------
        values : ndarray
        """
        return np.asarray(values, dtype=self._dtype)

    def add(self, kind, *inputs, **attributes):
        """Add a node with one output, and return the output.

        Parameters
        ----------
        kind : str
            An operator of ONNX, for example "MatMul".
        *inputs : variable or ndarray
            Inputs. Arrays become initialisers. Arrays of floats must come from `constant`; indices
            are int64.
        **attributes
            Attributes of the operator.

        Returns
        -------
        output : variable
        """
        node = self._operator(kind)(*inputs, op_version=self._opset, **attributes)
        self._made[id(node)] = kind, inputs, attributes, node
        return node

    def add_ones(self, columns):
        """Add a column of ones, as long as some columns.

        Parameters
        ----------
        columns : variable

        Returns
        -------
        ones : variable
        """
        pads = np.array([0, 1, 0, 0], dtype=np.int64)  # a column before the first
        padded = self.add("Pad", columns, pads, self.constant(1.0))
        return self.add("Gather", padded, np.array([0], dtype=np.int64), axis=1)

    def add_transformer(self, transformer, rows):
        """Add the output of a fitted transformer for rows.

        Parameters
        ----------
        transformer : fitted transformer or None
            Transformers without a form in ONNX are converted by skl2onnx.
        rows : variable

        Returns
        -------
        rows : variable
        """
        for step in steps_of(transformer):
            if isinstance(step, SupportsOnnx):
                rows = step.add_to_graph(self, rows)
            elif isinstance(step, FeatureUnion):  # skl2onnx unpacks unions only at the top
                rows = self._add_union(step, rows)
            elif isinstance(step, ColumnTransformer):
                rows = self._add_columns(step, rows)
            elif isinstance(step, SimpleImputer) and values_filled_in(step) is not None:
                rows = self._add_filled(step, rows)
            else:
                rows = self._sub_estimator(step, rows)
        return rows

    def _add_union(self, union, rows):
        weights = union.transformer_weights or {}
        parts = []
        for name, step in union.transformer_list:
            if step != "drop":
                part = self.add_transformer(step, rows)
                if name in weights:
                    part = self.add("Mul", part, self.constant([weights[name]]))
                parts.append(part)
        return self.add("Concat", *parts, axis=1)

    def _add_columns(self, transformer, rows):
        parts = []
        for places, step, weight in ColumnParts.of(transformer).parts:
            part = self.add("Gather", rows, np.asarray(places, dtype=np.int64), axis=1)
            part = self.add_transformer(step, part)
            if weight != 1.0:
                part = self.add("Mul", part, self.constant([weight]))
            parts.append(part)
        return self.add("Concat", *parts, axis=1)

    def _add_filled(self, imputer, rows):
        """Add rows without missing values. onnxruntime's own imputer takes only float32."""
        values = self.constant(values_filled_in(imputer))
        if imputer.missing_values != imputer.missing_values:
            is_missing = self.add("IsNaN", rows)
        else:
            is_missing = self.add("Equal", rows, self.constant(imputer.missing_values))
        return self.add("Where", is_missing, values, rows)

    def add_products(self, variables, lower, products):
        """Add products of variables and of lower products.

        Parameters
        ----------
        variables, lower : variable
        products : Products
            The columns of both that each product multiplies.

        Returns
        -------
        products : variable
        """
        return self.add(
            "Mul",
            self.add("Gather", variables, products.variables, axis=1),
            self.add("Gather", lower, products.factors, axis=1),
        )

    def add_scaled(self, rows, shift, scale):
        """Add rows minus a shift, divided by a scale.

        Parameters
        ----------
        rows : variable
        shift, scale : ndarray of shape (n_columns,)

        Returns
        -------
        scaled : variable
        """
        centred = self.add("Sub", rows, self.constant(shift))
        return self.add("Div", centred, self.constant(scale))

    def add_polynomials(self, u, family, degree):
        """Add orthogonal polynomials of each column.

        Parameters
        ----------
        u : variable
            Columns, scaled into the domain of the family.
        family : {"hermite", "legendre", "chebyshev"}
        degree : int

        Returns
        -------
        polynomials : list of variable
            Polynomials of the degrees 1, 2, ...
        """
        slope, drop, _ = RECURRENCES[family]
        found = [self.constant([1.0]), u]
        for k in range(1, degree):
            grown = self.add("Mul", self.add("Mul", u, found[k]), self.constant([slope(k)]))
            lower = self.add("Mul", found[k - 1], self.constant([drop(k)]))
            found.append(self.add("Sub", grown, lower))
        return found[1:]

    def _sub_estimator(self, estimator, rows, **options):
        """Add skl2onnx's nodes for a fitted estimator."""
        make = import_module("skl2onnx.algebra.onnx_operator").OnnxSubEstimator
        if "input_types" not in options and hasattr(estimator, "n_features_in_"):
            types = import_module("skl2onnx.common.data_types")
            kind = "Double" if self._dtype == np.float64 else "Float"
            tensor = getattr(types, f"{kind}TensorType")([None, estimator.n_features_in_])
            options["input_types"] = [tensor]  # not every node has it
        return make(estimator, rows, op_version=self._opset, **options)

    @staticmethod
    def _operator(kind):
        return getattr(import_module("skl2onnx.algebra.onnx_ops"), f"Onnx{kind}")
