"""Students as ONNX graphs: one small converter for every kind of step."""

from functools import singledispatch
from importlib import import_module

import numpy as np
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.utils.validation import check_is_fitted

from .._extras import import_extra
from ..classification import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
)
from ..lifting import (
    FLOAT,
    ChosenColumns,
    ChosenProducts,
    ChosenUnion,
    DelayLifter,
    MonomialLifter,
    Nodes,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    ProductKernelLifter,
    RBFLifter,
    SquaredProjectionLifter,
    labels,
    monomial_products,
    products_by_degree,
)
from ..selection import ActiveSubspace, ObservableSelector
from ..tensor_trains import (
    CompressedStudent,
    TensorTrainClassifier,
    add_compressed_logits,
    add_train_logits,
    convert_product_kernel,
)
from ..trees import DistilledTreeClassifier
from ._parts import check_has_no_network, flat_steps

# All nodes used are older than this.
_OPSET = 18


def to_onnx(estimator, X_sample, *, raw_scores=False, target_opset=None):
    """Return a fitted pipeline or classifier as an ONNX model.

    The graph has the input "X" and, for a classifier, the outputs "label" and "probabilities"
    of shape (n_samples, n_classes). Where a student has no probabilities
    (:class:`~sklearn_koopman.EDMDClassifier`), or with `raw_scores`, the second one holds
    logits, of both classes if there are two. For a transformer the output is "variable".

    Parameters
    ----------
    estimator : estimator
        A fitted transformer or classifier of this package or of scikit-learn, or a pipeline of
        them. Of a search, the best estimator is taken.
    X_sample : array-like of shape (n_samples, n_features)
        A row or more, as the estimator takes them. Its dtype becomes that of the graph:
        float32, or float64.
    raw_scores : bool, default=False
        Whether a student of this package gives logits instead of probabilities.
    target_opset : int, default=None
        Version of ONNX's operators. None: 18.

    Returns
    -------
    model : onnx.ModelProto
        To be written with ``onnx.save(model, "student.onnx")`` and run with onnxruntime.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If `X_sample` is neither float32 nor float64, or the estimator a
        :class:`~sklearn_koopman.networks.LinearizedNetworkClassifier`, which torch exports.
    skl2onnx.common.exceptions.MissingShapeCalculator
        If nobody has written a converter for a step.

    See Also
    --------
    register_onnx_converters : For those who call skl2onnx themselves.
    to_module : The same as a torch module.

    Notes
    -----
    Monomials, and products of orthogonal polynomials, are products of gathered columns: three
    nodes for every degree, however many there are. Of an
    :class:`~sklearn_koopman.ObservableSelector` only the chosen ones are computed. The teacher is
    not part of the graph.

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
    register_onnx_converters()
    skl2onnx = import_extra("skl2onnx", "ONNX export", "onnx")
    check_is_fitted(estimator)
    check_has_no_network(estimator, "to_onnx")
    X_sample = np.asarray(X_sample)
    if X_sample.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"X_sample has dtype {X_sample.dtype}: its dtype is that of the graph, so pass "
            "X_sample.astype(np.float32), or float64."
        )
    # skl2onnx knows neither "passthrough" at the start of a pipeline nor frozen estimators.
    steps = flat_steps(estimator)
    model = steps[0] if len(steps) == 1 else make_pipeline(*steps)
    options: dict = {id(model): {"zipmap": False}} if hasattr(model, "predict") else {}
    for kind, (_, extra_options) in _CONVERTERS.items():
        if hasattr(kind, "predict"):
            options[kind] = {"zipmap": False} | dict.fromkeys(extra_options, raw_scores)
    return skl2onnx.to_onnx(
        model, X_sample[:1], options=options, target_opset=target_opset or _OPSET
    )


def register_onnx_converters():
    """Make the transformers and classifiers of this package known to skl2onnx.

    `to_onnx` calls it; call it before using :func:`skl2onnx.to_onnx` yourself. Any number of
    calls is the same as one.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    """
    register = import_extra("skl2onnx", "ONNX export", "onnx").update_registered_converter
    for kind, (convert, extra_options) in _CONVERTERS.items():
        is_classifier = hasattr(kind, "predict")
        options = (*_CLASSIFIER_OPTIONS, *extra_options) if is_classifier else ()
        register(
            kind,
            f"SklearnKoopman{kind.__name__}",
            _classifier_shapes if is_classifier else _transformer_shapes,
            convert,
            options={name: [True, False] for name in options},
        )


def _convert_monomials(scope, operator, container):
    """Make every degree of two gathered arrays: variables, and monomials of the degree below."""
    nodes = Nodes(scope, operator, container)
    lifter, variables = operator.raw_operator, nodes.inputs
    observables = []
    if lifter.include_bias:
        observables.append(nodes.add_ones(variables))
    monomials = variables
    for degree, products in enumerate(monomial_products(lifter), start=1):
        if degree > 1:
            monomials = nodes.add_products(variables, monomials, products)
        if products.kept:
            observables.append(monomials)
    nodes.finish("Concat", *observables, axis=1)


def _convert_orthogonal(scope, operator, container):
    """Make the polynomials of each feature, and the products of them."""
    nodes = Nodes(scope, operator, container)
    nodes.finish("Identity", _add_chosen(operator.raw_operator._all_chosen(), nodes))


def _convert_rbf(scope, operator, container):
    """Take exponentials of distances, by one product of matrices."""
    nodes = Nodes(scope, operator, container)
    lifter = operator.raw_operator
    # Far from the origin float32 would lose the distances in the squares.
    middle = nodes.constant(lifter.centers_.mean(axis=0))
    centers = nodes.constant(lifter.centers_) - middle
    rows = nodes.add("Sub", nodes.inputs, middle)
    squares = nodes.add(
        "Add",
        nodes.add("ReduceSum", nodes.add("Mul", rows, rows), np.array([1]), keepdims=1),
        nodes.constant((centers * centers).sum(axis=1)),
    )
    products = nodes.add("MatMul", rows, nodes.constant(-2.0 * centers.T))
    # Not below 0 by rounding.
    distances = nodes.add("Relu", nodes.add("Add", squares, products))
    nodes.finish("Exp", nodes.add("Mul", distances, nodes.constant([-lifter.gamma_])))


def _convert_delay(scope, operator, container):
    """Gather the states of all windows."""
    nodes = Nodes(scope, operator, container)
    nodes.finish("Gather", nodes.inputs, operator.raw_operator._columns, axis=1)


def _convert_active_subspace(scope, operator, container):
    """Centre, and multiply by one matrix."""
    nodes = Nodes(scope, operator, container)
    subspace = operator.raw_operator
    rows = nodes.add("Sub", nodes.inputs, nodes.constant(subspace.mean_))
    nodes.finish("MatMul", rows, nodes.constant(subspace.components_.T))


def _convert_selector(scope, operator, container):
    """Make the chosen observables."""
    nodes = Nodes(scope, operator, container)
    nodes.finish("Identity", _add_chosen(operator.raw_operator._chosen_lifter, nodes))


@singledispatch
def _add_chosen(chosen, nodes):
    """Add what makes chosen observables of the inputs, and return them."""
    return nodes.add_estimator(chosen, nodes.inputs)


@_add_chosen.register
def _add_chosen_products(chosen: ChosenProducts, nodes):
    factors = nodes.inputs
    if chosen.factors is not None:
        polynomials = chosen.factors
        u = nodes.add_scaled(factors, polynomials.center, polynomials.scale)
        powers = nodes.add_polynomials(u, polynomials.family, polynomials.degree)
        factors = nodes.add("Concat", *powers, axis=1)
    degrees, places = products_by_degree(chosen)
    found, products = [nodes.add_ones(nodes.inputs)], factors
    for degree in degrees:
        products = nodes.add_products(factors, products, degree)
        found.append(products)
    return nodes.add("Gather", nodes.add("Concat", *found, factors, axis=1), places, axis=1)


@_add_chosen.register
def _add_chosen_columns(chosen: ChosenColumns, nodes):
    columns = _add_transformer(chosen.lifter, nodes, nodes.inputs)
    return nodes.add("Gather", columns, chosen.indices, axis=1)


@_add_chosen.register
def _add_chosen_union(chosen: ChosenUnion, nodes):
    parts = [_add_chosen(part, nodes) for part in chosen.parts]
    return nodes.add("Concat", *parts, axis=1)


def _add_transformer(transformer, nodes, rows):
    """Add what a fitted transformer, or None, makes of rows."""
    for step in flat_steps(transformer):
        if isinstance(step, FeatureUnion):  # skl2onnx takes them apart at the top only
            rows = _add_union(step, nodes, rows)
        else:
            rows = nodes.add_estimator(step, rows)
    return rows


def _add_union(union, nodes, rows):
    weights = union.transformer_weights or {}
    parts = []
    for name, step in union.transformer_list:
        if step != "drop":
            part = _add_transformer(step, nodes, rows)
            if name in weights:
                part = nodes.add("Mul", part, nodes.constant([weights[name]]))
            parts.append(part)
    return nodes.add("Concat", *parts, axis=1)


def _convert_optical(scope, operator, container):
    """Mix, and take cosines or the intensities of both parts of the amplitudes."""
    nodes = Nodes(scope, operator, container)
    lifter = operator.raw_operator

    def mixed(part):
        matrix, offset = part(lifter.mixing_), part(lifter.offset_)
        return nodes.add("Gemm", nodes.inputs, nodes.constant(matrix), nodes.constant(offset))

    if lifter.nonlinearity == "cosine":
        factor = nodes.constant([np.sqrt(2)])
        nodes.finish("Mul", nodes.add("Cos", mixed(np.real)), factor)
        return
    parts = [mixed(np.real), mixed(np.imag)]
    squares = [nodes.add("Mul", part, part) for part in parts]
    if lifter.nonlinearity == "intensity":
        nodes.finish("Add", *squares)
        return
    intensity = nodes.add("Add", *squares)
    absorbed = nodes.add(
        "Div",
        nodes.constant([-lifter.optical_depth]),
        nodes.add("Add", intensity, nodes.constant([1.0])),
    )
    nodes.finish("Mul", intensity, nodes.add("Exp", absorbed))


def _convert_squares(scope, operator, container):
    """Put the squares of projections beside the columns."""
    nodes = Nodes(scope, operator, container)
    components = nodes.constant(operator.raw_operator.components_.T)
    projected = nodes.add("MatMul", nodes.inputs, components)
    squares = nodes.add("Mul", projected, projected)
    nodes.finish("Concat", nodes.inputs, squares, axis=1)


def _convert_koopman(scope, operator, container):
    """Lift, and multiply by the matrix."""
    nodes = Nodes(scope, operator, container)
    student = operator.raw_operator
    lifted = _add_transformer(getattr(student, "lifter_", None), nodes, nodes.inputs)
    logits = nodes.add(
        "Gemm", lifted, nodes.constant(student.coef_.T), nodes.constant(student.intercept_)
    )
    _finish_classifier(nodes, logits, student, container)


def _convert_tensor_train(scope, operator, container):
    """Contract the train from both ends."""
    nodes = Nodes(scope, operator, container)
    student = operator.raw_operator
    variables = _add_transformer(getattr(student, "lifter_", None), nodes, nodes.inputs)
    logits = add_train_logits(student, nodes, variables)
    _finish_classifier(nodes, logits, student, container)


def _convert_compressed(scope, operator, container):
    """Reduce, and contract the train."""
    nodes = Nodes(scope, operator, container)
    student = operator.raw_operator
    variables = _add_transformer(student.reducer_, nodes, nodes.inputs)
    logits = add_compressed_logits(student, nodes, variables)
    _finish_classifier(nodes, logits, student, container)


def _finish_classifier(nodes, logits, student, container):
    """Name the class of the largest logit, and give logits or their softmax beside it."""
    has_probabilities = hasattr(student, "predict_proba")
    options = container.get_options(student, {"raw_scores": False})
    if has_probabilities and not options["raw_scores"]:
        nodes.finish("Softmax", logits, axis=1, output=1)
    else:
        nodes.finish("Identity", logits, output=1)
    codes = nodes.add("ArgMax", logits, axis=1, keepdims=0)
    nodes.finish("Gather", labels(student.classes_), codes, axis=0)


def _convert_tree(scope, operator, container):
    """Hand float32 rows, as scikit-learn's trees take them, to the converter of the tree inside."""
    nodes = Nodes(scope, operator, container)
    rows = nodes.add("Cast", nodes.inputs, to=FLOAT)
    tree = operator.raw_operator.decision_tree_
    label, probabilities = nodes.add_float32_classifier(tree, rows)
    nodes.finish("Identity", label)
    nodes.finish("Cast", probabilities, output=1, to=nodes.tensor_type)


# What skl2onnx is told: the converter, and the options it has beside those of all classifiers.
_CLASSIFIER_OPTIONS = ("zipmap", "nocl", "output_class_labels")
_CONVERTERS: dict = {
    MonomialLifter: (_convert_monomials, ()),
    OrthogonalPolynomialLifter: (_convert_orthogonal, ()),
    RBFLifter: (_convert_rbf, ()),
    DelayLifter: (_convert_delay, ()),
    ActiveSubspace: (_convert_active_subspace, ()),
    ObservableSelector: (_convert_selector, ()),
    OpticalLifter: (_convert_optical, ()),
    SquaredProjectionLifter: (_convert_squares, ()),
    ProductKernelLifter: (convert_product_kernel, ()),
    EDMDClassifier: (_convert_koopman, ("raw_scores",)),
    EDMDClassifierCV: (_convert_koopman, ("raw_scores",)),
    KoopmanDistilledClassifier: (_convert_koopman, ("raw_scores",)),
    KoopmanDistilledClassifierCV: (_convert_koopman, ("raw_scores",)),
    TensorTrainClassifier: (_convert_tensor_train, ("raw_scores",)),
    CompressedStudent: (_convert_compressed, ("raw_scores",)),
    DistilledTreeClassifier: (_convert_tree, ()),
}


def _transformer_shapes(operator):
    """Tell skl2onnx how many columns a transformer makes."""
    transformer, variables = operator.raw_operator, operator.inputs[0].type
    n_columns = transformer.transform(np.zeros((1, transformer.n_features_in_))).shape[1]
    operator.outputs[0].type = type(variables)([variables.shape[0], n_columns])


def _classifier_shapes(operator):
    """Tell skl2onnx the types of label and probabilities."""
    import_module("skl2onnx.common.shape_calculator").calculate_linear_classifier_output_shapes(
        operator
    )
