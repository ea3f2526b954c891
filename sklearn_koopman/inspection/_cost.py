"""The cost of a prediction: parameters to store and multiplications per sample."""

from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass
from functools import singledispatch
from time import perf_counter

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..lifting import (
    Operations,
    SupportsCost,
    UncountableError as UncountableError,
    operations_of,
)
from ..networks import LinearizedNetworkClassifier
from ..teachers import (
    CallableTeacher,
    EstimatorTeacher,
    OnnxTeacher,
    Teacher,
    TorchTeacher,
    is_onnx,
    is_skorch,
    is_torch_module,
    skorch_input,
    to_numpy,
)
from ._onnx_cost import count_onnx


def count_operations(estimator, X_row):
    """Count the parameters of a fitted model and its multiplications for one sample.

    A dense product of a matrix and a vector has one multiplication per entry. A monomial of degree
    d takes one multiplication: a variable times a monomial of degree d - 1. A Gaussian squares each
    difference of a feature and a centre. Additions, comparisons, exponentials and activation
    functions are not counted. In a torch module, :class:`torch.utils.flop_counter.FlopCounterMode`
    counts the matrix products, convolutions and attention, no matter how they are called. Of
    everything else, only the parameters are counted.

    Parameters
    ----------
    estimator : object
        A fitted student, pipeline, linear model, multi-layer perceptron or transformer, a torch
        module, an ONNX model or its file, a skorch net or a teacher.
    X_row : array-like of shape (1, n_features)
        One sample in the form that the estimator takes.

    Returns
    -------
    operations : Operations

    Raises
    ------
    UncountableError
        If the operations of a step are not known.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.inspection._cost import count_operations
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    >>> count_operations(student, X[:1])
    Operations(parameters=48, linear=45, nonlinear=10)
    """
    is_of_torch = is_torch_module(estimator) or is_skorch(estimator)
    if hasattr(estimator, "fit") and not is_of_torch and not isinstance(estimator, Teacher):
        check_is_fitted(estimator)
    return _count_fitted(estimator, X_row)


def _count_fitted(estimator, X_row):
    """Count one estimator. Steps of a fitted pipeline count as fitted, even if they cannot tell."""
    if is_torch_module(estimator):
        return _count(TorchTeacher(estimator), X_row)
    if is_onnx(estimator):
        return _count(OnnxTeacher(estimator), X_row)
    if is_skorch(estimator):
        return _count(TorchTeacher(estimator.module_), skorch_input(X_row))
    if isinstance(estimator, SupportsCost):
        return estimator.operations()
    return _count(estimator, X_row)


@singledispatch
def _count(estimator, X_row):
    """Count one estimator by its type. Here are only the types whose count depends on the row."""
    return operations_of(estimator)


@_count.register(Pipeline)
def _count_pipeline(pipeline, X_row):
    total = Operations()
    transform = None
    for _, step in pipeline.steps:
        if step is None or step == "passthrough":
            continue
        if transform is not None:
            X_row = transform(X_row)
        total += _count_fitted(step, X_row)
        transform = getattr(step, "transform", None)
    return total


@_count.register(FrozenEstimator)
def _count_frozen(frozen, X_row):
    return _count_fitted(frozen.estimator, X_row)


@_count.register(GridSearchCV)
@_count.register(RandomizedSearchCV)
def _count_search(search, X_row):
    return count_operations(search.best_estimator_, X_row)


@_count.register(MLPClassifier)
def _count_perceptron(perceptron, X_row):
    layers = zip(perceptron.coefs_, perceptron.intercepts_, strict=True)
    return sum((Operations.of_matrix(*layer) for layer in layers), Operations())


@_count.register(EstimatorTeacher)
def _count_estimator_teacher(teacher, X_row):
    return count_operations(teacher.estimator, X_row)


@_count.register(CallableTeacher)
def _count_callable_teacher(teacher, X_row):
    # a bound predict_proba is counted as its estimator; nothing is known about a function
    return count_operations(getattr(teacher.function, "__self__", teacher.function), X_row)


@_count.register(TorchTeacher)
def _count_torch_teacher(teacher, X_row):
    with _flop_counter() as counter:
        _run_once(teacher, X_row)
    return Operations(linear=_multiplications(counter)) + _held(teacher.module.parameters())


@_count.register(OnnxTeacher)
def _count_onnx_teacher(teacher, X_row):
    return count_onnx(*teacher.model_for(np.asarray(X_row)[:1]))


@_count.register(LinearizedNetworkClassifier)
def _count_linearized_network(classifier, X_row):
    """Count the layers that are left, and the layers in place of spans, see `count_spans`."""
    network = copy(classifier.network_)
    network.module = classifier.linearized_
    others = {
        name: parameter
        for name, parameter in network.module.named_parameters()
        if not name.startswith("koopman_")
    }
    # The counter is not used for the layers in place of spans: it does not know monomials or zeros.
    totals: list = []

    def note(*_):
        totals.append(_multiplications(counter))

    with _flop_counter() as counter, ExitStack() as hooks:
        for layer in _koopman_layers(classifier):
            hooks.enter_context(layer.register_forward_pre_hook(note))
            hooks.enter_context(layer.register_forward_hook(note))
        _run_once(network, X_row)
    within = sum(totals[1::2]) - sum(totals[::2])
    remaining = Operations(linear=_multiplications(counter) - within) + _held(others.values())
    return sum(count_spans(classifier, X_row), remaining)


def count_spans(classifier, X_row):
    """Count the operations of the layer in place of each span of a linearised network.

    Parameters
    ----------
    classifier : LinearizedNetworkClassifier
        Fitted.
    X_row : array-like of shape (1, n_features) or (1, ...)

    Returns
    -------
    spans : list of Operations
        For each span, the operations of the lifter and of the matrix, or of its factors. Entries
        that are zero (because they were pruned, or belong to units that never fire) do not count.
        The same parameters multiply again at every position of a map or sequence.
    """
    network = copy(classifier.network_)
    network.module = classifier.linearized_
    rows: list = []  # of the input of each span, for one sample

    def note(lift, inputs):
        rows.append(to_numpy(inputs[0]))

    layers = _koopman_layers(classifier)
    with ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(layer.lift.register_forward_pre_hook(note))
        _run_once(network, X_row)
    return [
        _span(layer, operator.lifter, rows_of_span)
        for layer, operator, rows_of_span in zip(
            layers, classifier.operators_, rows, strict=True
        )
    ]


def _span(layer, lifter, rows):
    matrices, offsets = (
        [each for each in layer.readout.parameters() if (each.ndim > 1) == is_matrix]
        for is_matrix in (True, False)
    )
    n_entries = sum(int(matrix.count_nonzero()) for matrix in matrices)
    n_parameters = n_entries + sum(offset.numel() for offset in offsets)
    lifted = Operations() if lifter is None else count_operations(lifter, rows[:1])
    return Operations(
        parameters=lifted.parameters + n_parameters,
        linear=(lifted.linear + n_entries) * len(rows),
        nonlinear=lifted.nonlinear * len(rows),
        bytes=lifted.bytes + n_parameters * matrices[0].element_size(),
    )


def _koopman_layers(classifier):
    n_spans = len(classifier.operators_)
    return [classifier.linearized_.get_submodule(f"koopman_{k}") for k in range(n_spans)]


def _run_once(teacher, X_row):
    """Run a teacher on one sample, even if it has seen the sample before."""
    teacher = copy(teacher)
    teacher.memory, teacher.progress = None, False  # a cached output would have no operations
    teacher(np.asarray(X_row)[:1])


@contextmanager
def _flop_counter():
    """Count the operations of torch."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # It does not know the fused attention of CPUs, so attention is computed by matrix products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter


def _multiplications(counter):
    return counter.get_total_flops() // 2  # the counter counts additions too


def _held(parameters):
    """Return the number of torch parameters and their bytes."""
    parameters = list(parameters)
    return Operations(
        parameters=sum(p.numel() for p in parameters),
        bytes=sum(p.numel() * p.element_size() for p in parameters),
    )


@dataclass(frozen=True)
class Cost:
    """The cost of storing and running a model.

    Attributes
    ----------
    parameters : int
        Number of fitted numbers.
    bytes : int
        Memory that the fitted numbers take.
    linear : int
        Number of multiplications of a variable by a parameter, for one sample.
    nonlinear : int
        Number of multiplications of two variables, for one sample.
    latency : float
        Median time of a prediction for one sample, in seconds, measured on this machine.
    """

    parameters: int
    bytes: int
    linear: int
    nonlinear: int
    latency: float

    @property
    def multiplications(self):
        """Number of all multiplications for one sample."""
        return self.linear + self.nonlinear


def cost(estimator, X_row, *, n_repeats=20):
    """Count the operations of a fitted model or a teacher, and measure its latency.

    Parameters
    ----------
    estimator : object
        A fitted student, pipeline, linear model, multi-layer perceptron or transformer, a torch
        module, an ONNX model or its file, a skorch net or a teacher.
    X_row : array-like of shape (1, n_features)
        One sample in the form that the estimator takes. If there are more rows, the first is used.
    n_repeats : int, default=20
        Number of calls that are timed, after one call that is not.

    Returns
    -------
    cost : Cost

    Raises
    ------
    UncountableError
        If the operations of a step are not known.

    Notes
    -----
    A dense product of a matrix and a vector has one multiplication per entry. A monomial of degree
    d takes one multiplication: a variable times a monomial of degree d - 1. Additions, comparisons,
    exponentials and activation functions are not counted. In torch modules,
    :class:`torch.utils.flop_counter.FlopCounterMode` counts matrix products, convolutions and
    attention. In ONNX models they are counted from the shapes. Elementwise products are not counted
    in either. Trees have no multiplications.

    For one sample, most of the latency of a student is the overhead of Python and of checking the
    input. Models of `sklearn_koopman.deployment.to_onnx` have neither.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.inspection import cost
    >>> X, y = load_iris(return_X_y=True)
    >>> found = cost(EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y), X[:1])
    >>> found.parameters, found.bytes, found.linear, found.nonlinear
    (48, 384, 45, 10)
    """
    if n_repeats < 1:
        raise ValueError(f"n_repeats={n_repeats!r}: must be an int >= 1.")
    X_row = X_row[:1]
    operations = count_operations(estimator, X_row)
    call = _prediction(estimator)
    call(X_row)
    times = []
    for _ in range(n_repeats):
        start = perf_counter()
        call(X_row)
        times.append(perf_counter() - start)
    return Cost(
        operations.parameters,
        operations.bytes,
        operations.linear,
        operations.nonlinear,
        float(np.median(times)),
    )


def _prediction(estimator):
    """Return the function of a model for rows: predict, or else transform, or else itself."""
    if is_torch_module(estimator):
        return TorchTeacher(estimator)
    if is_onnx(estimator):
        return OnnxTeacher(estimator)
    if is_skorch(estimator):
        return lambda X_row: estimator.predict(skorch_input(X_row))
    for name in ("predict", "transform"):
        if hasattr(estimator, name):
            return getattr(estimator, name)
    return estimator
