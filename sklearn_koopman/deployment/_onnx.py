"""Students as ONNX graphs, by methods of the estimators and by skl2onnx."""

from importlib import import_module

import numpy as np
from sklearn.base import (
    BaseEstimator,
    TransformerMixin,
    is_classifier as is_sklearn_classifier,
)
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from .._extras import import_extra
from ..lifting import WAY_OUT, Nodes, SupportsOnnx, steps_of, values_filled_in
from ..regression import KoopmanRegressor
from ..students import flat_steps
from ..teachers import shortened
from ..trees import DistilledTreeClassifier
from ._parts import check_has_no_network, exported_estimators

# All nodes that are used are older than this version.
_OPSET = 18
# ONNX's numbers for the types.
_FLOAT, _DOUBLE = 1, 11
# The options that skl2onnx has for all classifiers.
_CLASSIFIER_OPTIONS = ("zipmap", "nocl", "output_class_labels")


def to_onnx(estimator, X_sample, *, raw_scores=False, target_opset=None):
    """Return a fitted pipeline or classifier as an ONNX model.

    The graph has the input "X" and, for a classifier, the outputs "label" and "probabilities"
    of shape (n_samples, n_classes). If a student has no probabilities
    (:class:`~sklearn_koopman.EDMDClassifier`), or with `raw_scores`, the second output has logits,
    of both classes if there are two. Transformers and regressors have the output "variable". For a
    regressor its shape is (n_samples, n_targets).

    Parameters
    ----------
    estimator : estimator
        A fitted transformer, classifier or regressor of this package or of scikit-learn, a
        transformer of
        your own with a method `add_to_graph`
        (:class:`~sklearn_koopman.lifting.SupportsOnnx`), or a pipeline of them. For a search, the
        best estimator is exported.
    X_sample : array-like of shape (n_samples, n_features)
        One or more rows in the form that the estimator takes. The graph gets their dtype, float32
        or float64. For a data frame, the graph takes an array of the columns in the same order, and
        all columns must be numbers.
    raw_scores : bool, default=False
        Whether a student of this package gives logits instead of probabilities.
    target_opset : int, default=None
        Version of ONNX's operators. None: 18.

    Returns
    -------
    model : onnx.ModelProto
        The model. Write it with ``onnx.save(model, "student.onnx")`` and run it with onnxruntime.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If `X_sample` is neither float32 nor float64, or if the estimator is a
        :class:`~sklearn_koopman.networks.LinearizedNetworkClassifier`, which torch exports.
    RuntimeError
        If a step has no form in ONNX and no converter.

    See Also
    --------
    register_onnx_converters : For your own calls of skl2onnx.
    to_module : The student as a torch module.

    Notes
    -----
    Monomials and products of orthogonal polynomials are products of gathered columns: three nodes
    for each degree, for any number of products. An :class:`~sklearn_koopman.ObservableSelector`
    computes only the chosen observables. The teacher is not part of the graph.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    >>> model = to_onnx(student, X[:1].astype(np.float32))
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    skl2onnx = import_extra("skl2onnx", "ONNX export", "onnx")
    check_is_fitted(estimator)
    check_has_no_network(estimator, "to_onnx")
    X_sample = _as_numbers(X_sample)
    if X_sample.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"X_sample has dtype {X_sample.dtype}, and the graph gets this dtype: pass "
            "X_sample.astype(np.float32), or float64."
        )
    # skl2onnx does not support "passthrough" at the start of a pipeline, or frozen estimators.
    steps = [_known_to_skl2onnx(step) for step in flat_steps(estimator)]
    model = steps[0] if len(steps) == 1 else make_pipeline(*steps)
    kinds = {type(part) for part in _parts_of(model) if isinstance(part, SupportsOnnx)}
    register_onnx_converters(*kinds)
    options: dict = {id(model): {"zipmap": False}} if is_sklearn_classifier(model) else {}
    for kind, (_, extra_options) in _converters(kinds).items():
        if _is_classifier(kind):
            options[kind] = {"zipmap": False} | dict.fromkeys(extra_options, raw_scores)
    try:
        return skl2onnx.to_onnx(
            model, X_sample[:1], options=options, target_opset=target_opset or _OPSET
        )
    except RuntimeError as error:  # several types of errors; some do not name the step
        foreign = [
            type(getattr(step, "step", step)).__name__
            for step in (*steps, *steps_of(getattr(steps[-1], "lifter_", None)))
            if not isinstance(step, SupportsOnnx)
        ]
        raise RuntimeError(
            f"to_onnx: skl2onnx cannot convert one of {', '.join(foreign)}. Use another "
            "transformer, or give your own transformer a method add_to_graph, see "
            f"sklearn_koopman.lifting.SupportsOnnx. {WAY_OUT} skl2onnx says: {error}"
        ) from error


def _as_numbers(X_sample):
    """Return a sample as an array without names of columns."""
    array = np.asarray(X_sample)
    if array.dtype.kind in "OUS" and hasattr(X_sample, "columns"):
        words = [
            str(name)
            for name, kind in zip(X_sample.columns, X_sample.dtypes, strict=True)
            if not isinstance(kind, np.dtype) or kind.kind not in "biuf"
        ]
        raise TypeError(
            f"The columns {shortened(words)} of X_sample are not numbers, and the graph takes one "
            f"array of numbers. {WAY_OUT}"
        )
    return array


class _StepOfNodes(TransformerMixin, BaseEstimator):
    """A fitted step that `Nodes.add_transformer` converts, not skl2onnx itself.

    Parameters
    ----------
    step : fitted transformer
    n_outputs : int
        Number of columns that the step makes.
    """

    def __init__(self, step, n_outputs):
        self.step = step
        self.n_outputs = n_outputs

    def fit(self, X, y=None):
        """Do nothing: the step is fitted."""
        return self

    def transform(self, X):
        """Return rows of the width that the step makes."""
        return np.zeros((len(X), self.n_outputs))

    @property
    def n_features_in_(self):
        """Number of columns that the step takes."""
        return self.step.n_features_in_

    def add_to_graph(self, nodes, rows):
        """Add the step to a graph."""
        return nodes.add_transformer(self.step, rows)


def _known_to_skl2onnx(step):
    """Return a step, wrapped if skl2onnx needs names of columns or supports only float32."""
    if isinstance(step, ColumnTransformer) and hasattr(step, "feature_names_in_"):
        return _StepOfNodes(step, max(part.stop for part in step.output_indices_.values()))
    if isinstance(step, SimpleImputer) and values_filled_in(step) is not None:
        return _StepOfNodes(step, step.n_features_in_)
    return step


def register_onnx_converters(*kinds):
    """Make the transformers and classifiers of this package known to skl2onnx.

    `to_onnx` calls this function. Call it yourself before you call :func:`skl2onnx.to_onnx`. It can
    be called any number of times.

    Parameters
    ----------
    *kinds : type
        Further classes of your own that have a method `add_to_graph`: see
        :class:`~sklearn_koopman.lifting.SupportsOnnx`.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    """
    register = import_extra("skl2onnx", "ONNX export", "onnx").update_registered_converter
    for kind, (convert, extra_options) in _converters(kinds).items():
        is_classifier = _is_classifier(kind)
        options = (*_CLASSIFIER_OPTIONS, *extra_options) if is_classifier else ()
        shapes = _classifier_shapes if is_classifier else _transformer_shapes
        register(
            kind,
            f"{kind.__module__}.{kind.__qualname__}",
            _regressor_shapes if issubclass(kind, KoopmanRegressor) else shapes,
            convert,
            options={name: [True, False] for name in options},
        )


def _converters(kinds):
    """Return {kind: (converter, options)} of these and of this package's estimators."""
    known: dict = {DistilledTreeClassifier: (_convert_tree, ())}
    own = [kind for kind in exported_estimators() if issubclass(kind, SupportsOnnx)]
    for kind in (*own, *kinds):
        if _is_classifier(kind):
            known[kind] = _convert_classifier, ("raw_scores",)
        else:
            known[kind] = _convert_transformer, ()
    return known


def _is_classifier(kind):
    return hasattr(kind, "predict") and not issubclass(kind, KoopmanRegressor)


def _parts_of(estimator):
    """Return an estimator and all estimators inside it."""
    within = estimator.get_params(deep=True).values()
    return [estimator, *(part for part in within if hasattr(part, "get_params"))]


def _convert_transformer(scope, operator, container):
    """Let a transformer, or a regressor, add itself."""
    nodes = OperatorNodes(scope, operator, container)
    nodes.finish_with(operator.raw_operator.add_to_graph(nodes, nodes.inputs))


def _convert_classifier(scope, operator, container):
    """Let a classifier add its logits, and add the class of the largest one.

    The second output has the logits or their softmax.
    """
    nodes = OperatorNodes(scope, operator, container)
    student = operator.raw_operator
    logits = student.add_to_graph(nodes, nodes.inputs)
    has_probabilities = hasattr(student, "predict_proba")
    options = container.get_options(student, {"raw_scores": False})
    if has_probabilities and not options["raw_scores"]:
        nodes.finish("Softmax", logits, axis=1, output=1)
    else:
        nodes.finish("Identity", logits, output=1)
    codes = nodes.add("ArgMax", logits, axis=1, keepdims=0)
    nodes.finish("Gather", _labels(student.classes_), codes, axis=0)


def _convert_tree(scope, operator, container):
    """Pass float32 rows, which scikit-learn's trees take, to the converter of the inner tree."""
    nodes = OperatorNodes(scope, operator, container)
    rows = nodes.add("Cast", nodes.inputs, to=_FLOAT)
    tree = operator.raw_operator.decision_tree_
    label, probabilities = nodes.add_float32_classifier(tree, rows)
    nodes.finish("Identity", label)
    nodes.finish("Cast", probabilities, output=1, to=nodes.tensor_type)


def _transformer_shapes(operator):
    """Tell skl2onnx how many columns a transformer makes."""
    transformer, variables = operator.raw_operator, operator.inputs[0].type
    n_columns = transformer.transform(np.zeros((1, transformer.n_features_in_))).shape[1]
    operator.outputs[0].type = type(variables)([variables.shape[0], n_columns])


def _regressor_shapes(operator):
    """Tell skl2onnx how many targets a regressor has."""
    variables = operator.inputs[0].type
    n_targets = len(operator.raw_operator.intercept_)
    operator.outputs[0].type = type(variables)([variables.shape[0], n_targets])


def _classifier_shapes(operator):
    """Tell skl2onnx the types of label and probabilities."""
    import_module("skl2onnx.common.shape_calculator").calculate_linear_classifier_output_shapes(
        operator
    )


class OperatorNodes(Nodes):
    """The nodes of an operator of skl2onnx: one estimator with its inputs and outputs.

    Attributes
    ----------
    inputs : variable
        The input rows.
    """

    def __init__(self, scope, operator, container):
        (self.inputs,) = operator.inputs
        is_double = type(self.inputs.type).__name__.startswith("Double")
        super().__init__(np.float64 if is_double else np.float32, container.target_opset)
        self._scope, self._container = scope, container
        self._outputs = operator.outputs

    def finish(self, kind, *inputs, output=0, **attributes):
        """Add the node that gives an output of the operator."""
        node = self._operator(kind)(
            *inputs, op_version=self._opset, output_names=[self._outputs[output]], **attributes
        )
        node.add_to(self._scope, self._container)

    def finish_with(self, variable):
        """Make a variable the output of the operator."""
        if id(variable) in self._made:  # repeat its node, with the name of the output
            kind, inputs, attributes, _ = self._made[id(variable)]
            self.finish(kind, *inputs, **attributes)
        else:
            self.finish("Identity", variable)

    def add_float32_classifier(self, classifier, rows):
        """Add skl2onnx's nodes of a fitted classifier. Return labels and probabilities."""
        types = import_module("skl2onnx.common.data_types")
        added = self._sub_estimator(
            classifier,
            rows,
            options={"zipmap": False},
            input_types=[types.FloatTensorType([None, classifier.n_features_in_])],
        )
        return added[0], added[1]

    @property
    def tensor_type(self):
        """ONNX's number for the dtype of the graph."""
        return _DOUBLE if self._dtype == np.float64 else _FLOAT


def _labels(classes):
    """Return classes in the form that ONNX stores: int64 or strings."""
    if classes.dtype.kind in "biu":
        return classes.astype(np.int64)
    if classes.dtype.kind in "OU":
        return np.array([str(label) for label in classes])
    raise TypeError(
        f"Classes of dtype {classes.dtype} have no form in ONNX: fit the student with labels "
        "that are integers or strings."
    )
