"""What a prediction costs: parameters to store and multiplications per sample."""

from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import singledispatch
from math import comb
from time import perf_counter

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted

from ..lifting import (
    ChosenColumns,
    ChosenProducts,
    ChosenUnion,
    DelayLifter,
    MonomialLifter,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    ProductKernelLifter,
    RBFLifter,
    SquaredProjectionLifter,
    UnivariatePolynomials,
)
from ..networks import LinearizedNetworkClassifier
from ..selection import ActiveSubspace, ObservableSelector
from ..students import KoopmanClassifier
from ..teachers import (
    CallableTeacher,
    EstimatorTeacher,
    Teacher,
    TorchTeacher,
    is_skorch,
    is_torch_module,
    skorch_input,
    to_numpy,
)
from ..tensor_trains import CompressedStudent, TensorTrainClassifier


class UncountableError(TypeError):
    """An estimator has a step whose operations nobody has written down."""


@dataclass(frozen=True)
class Operations:
    """What a fitted model stores, and what it multiplies for one sample.

    Attributes
    ----------
    parameters : int
        Numbers that were fitted.
    linear : int
        Multiplications of a variable by a parameter.
    nonlinear : int
        Multiplications of two variables, as in a monomial.
    bytes : int
        What the parameters take. It does not count when operations are compared: the same ones in
        another precision are equal.
    """

    parameters: int = 0
    linear: int = 0
    nonlinear: int = 0
    bytes: int = field(default=0, compare=False, repr=False)

    @property
    def multiplications(self):
        """All multiplications of one sample."""
        return self.linear + self.nonlinear

    def __add__(self, other):
        return Operations(
            self.parameters + other.parameters,
            self.linear + other.linear,
            self.nonlinear + other.nonlinear,
            self.bytes + other.bytes,
        )


def count_operations(estimator, X_row):
    """Count the parameters of a fitted model and its multiplications for one sample.

    A dense product of a matrix and a vector has one multiplication per entry; a monomial of
    degree d is a variable times a monomial of degree d - 1, one multiplication; a Gaussian squares
    each difference of a feature and a centre. Additions, comparisons, exponentials and activation
    functions are not counted. Of a torch module,
    :class:`torch.utils.flop_counter.FlopCounterMode` counts the matrix products, convolutions and
    attention, however they are called; all else adds only its parameters.

    Parameters
    ----------
    estimator : object
        A fitted student, pipeline, linear model, multi-layer perceptron or transformer, a torch
        module, a skorch net or a teacher.
    X_row : array-like of shape (1, n_features)
        One sample, as the estimator takes it.

    Returns
    -------
    operations : Operations

    Raises
    ------
    UncountableError
        If it is not known how a step computes.

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
    if is_torch_module(estimator):
        return _count(TorchTeacher(estimator), X_row)
    if is_skorch(estimator):
        return _count(TorchTeacher(estimator.module_), skorch_input(X_row))
    if hasattr(estimator, "fit") and not isinstance(estimator, Teacher):
        check_is_fitted(estimator)
    return _count(estimator, X_row)


@singledispatch
def _count(estimator, X_row):
    """Count one estimator by its type; linear models are known by their coefficients."""
    coef = getattr(estimator, "coef_", None)
    # A support vector machine has coef_ too, and multiplies by its support vectors instead.
    if isinstance(coef, np.ndarray) and not hasattr(estimator, "support_vectors_"):
        return _linear(coef, getattr(estimator, "intercept_", ()))
    raise UncountableError(
        f"The operations of {type(estimator).__name__} are not known. Known are the "
        "classifiers and lifters of this package, pipelines and unions, PCA, scalers, Nystroem "
        "and RBFSampler, linear models, multi-layer perceptrons and torch modules."
    )


def _linear(matrix, *offsets):
    """Return the operations of one matrix and what is added without multiplying."""
    arrays = [np.asarray(matrix), *map(np.asarray, offsets)]
    return Operations(
        parameters=sum(array.size for array in arrays),
        linear=arrays[0].size,
        bytes=sum(array.nbytes for array in arrays),
    )


@_count.register(KoopmanClassifier)
def _count_student(student, X_row):
    matrix = _linear(student.coef_, student.intercept_)
    lifter = getattr(student, "lifter_", None)
    return matrix if lifter is None else count_operations(lifter, X_row) + matrix


@_count.register(TensorTrainClassifier)
def _count_tensor_train(student, X_row):
    """Count the shift and scale of the variables, their powers, and the train."""
    train = _train(student.tensor_train_, student.intercept_)
    variables = _local_features(student.local_features_)
    lifter = getattr(student, "lifter_", None)
    return train + variables + (count_operations(lifter, X_row) if lifter else Operations())


@_count.register(CompressedStudent)
def _count_compressed(student, X_row):
    """Count the scale of the variables and the train."""
    p, reducer = len(student.scale_), student.reducer_
    train = _train(student.tensor_train_, student.intercept_) + Operations(p, p)
    return train + (count_operations(reducer, X_row) if reducer else Operations())


def _local_features(local):
    """Return the operations of shifting and scaling variables, and of their powers."""
    p = len(local.shift)
    return Operations(2 * p, p, p * (local.degree - 1))


def _train(train, intercept):
    """Return the operations of a tensor train, given the local features."""
    n = train.n_parameters
    return Operations(n + len(intercept), n, train.multiplications - n)


@_count.register(Pipeline)
def _count_pipeline(pipeline, X_row):
    total = Operations()
    transform = None
    for _, step in pipeline.steps:
        if step is None or step == "passthrough":
            continue
        if transform is not None:
            X_row = transform(X_row)
        total += count_operations(step, X_row)
        transform = getattr(step, "transform", None)
    return total


@_count.register(FeatureUnion)
def _count_union(union, X_row):
    parts = (part for _, part in union.transformer_list if part not in ("drop", "passthrough"))
    return sum((count_operations(part, X_row) for part in parts), Operations())


@_count.register(FrozenEstimator)
def _count_frozen(frozen, X_row):
    return count_operations(frozen.estimator, X_row)


@_count.register(GridSearchCV)
@_count.register(RandomizedSearchCV)
def _count_search(search, X_row):
    return count_operations(search.best_estimator_, X_row)


@_count.register(PCA)
@_count.register(IncrementalPCA)
def _count_pca(pca, X_row):
    whitening = pca.explained_variance_ if pca.whiten else ()
    return _linear(pca.components_, pca.mean_) + _linear(whitening)


@_count.register(ActiveSubspace)
def _count_active_subspace(subspace, X_row):
    return _linear(subspace.components_, subspace.mean_)


@_count.register(TruncatedSVD)
def _count_svd(svd, X_row):
    return _linear(svd.components_)


@_count.register(StandardScaler)
def _count_standard_scaler(scaler, X_row):
    # without centring or scaling there may be statistics all the same: they are not used
    return _scaling(
        scaler.scale_ if scaler.with_std else None, scaler.mean_ if scaler.with_mean else None
    )


@_count.register(RobustScaler)
def _count_robust_scaler(scaler, X_row):
    return _scaling(scaler.scale_, scaler.center_)


@_count.register(MinMaxScaler)
def _count_min_max_scaler(scaler, X_row):
    return _scaling(scaler.scale_, scaler.min_)


@_count.register(MaxAbsScaler)
def _count_max_abs_scaler(scaler, X_row):
    return _scaling(scaler.scale_, None)


def _scaling(scale, offset):
    return _linear(() if scale is None else scale, () if offset is None else offset)


@_count.register(SelectorMixin)
def _count_selector(selector, X_row):
    return Operations()


@_count.register(MonomialLifter)
@_count.register(PolynomialFeatures)
def _count_monomials(lifter, X_row):
    """Count one product for each monomial of degree 2 or more, kept or only on the way."""
    p, degree = lifter.n_features_in_, lifter.degree
    top = degree if np.ndim(degree) == 0 else degree[1]
    products = (
        comb(p, d) if lifter.interaction_only else comb(p + d - 1, d) for d in range(2, top + 1)
    )
    return Operations(nonlinear=sum(products))


@_count.register(OrthogonalPolynomialLifter)
def _count_orthogonal(lifter, X_row):
    """Count the polynomials of each feature, and one product for each that has several."""
    p, q = lifter.n_features_in_, lifter.degree
    n_products = comb(p + q, q) - 1 - p * q
    return _count(lifter._factors, X_row) + Operations(nonlinear=n_products)


@_count.register(UnivariatePolynomials)
def _count_univariate(polynomials, X_row):
    """Count scaling, and for each further degree one product of variables and two by numbers."""
    p, further = len(polynomials.scale), polynomials.degree - 1
    scaling = _linear(polynomials.scale, polynomials.center)
    return scaling + Operations(linear=2 * p * further, nonlinear=p * further)


@_count.register(ChosenProducts)
def _count_chosen_products(chosen, X_row):
    products = Operations(nonlinear=chosen.n_products)
    return products if chosen.factors is None else _count(chosen.factors, X_row) + products


@_count.register(RBFLifter)
def _count_rbf(lifter, X_row):
    widths = Operations(parameters=1, linear=lifter.n_output_features_)
    n_numbers = np.size(lifter.centers_)
    return Operations(parameters=n_numbers, nonlinear=n_numbers) + widths


@_count.register(Nystroem)
def _count_nystroem(nystroem, X_row):
    """Count the squares, the width and the mixing of Gaussians; other kernels are not known."""
    if nystroem.kernel != "rbf":
        raise UncountableError(
            f"The operations of Nystroem are known for kernel='rbf' only, got "
            f"kernel={nystroem.kernel!r}."
        )
    n_landmarks, n_numbers = len(nystroem.components_), nystroem.components_.size
    gaussians = Operations(parameters=1 + n_numbers, linear=n_landmarks, nonlinear=n_numbers)
    return gaussians + _linear(nystroem.normalization_)


@_count.register(RBFSampler)
def _count_rbf_sampler(sampler, X_row):
    return _linear(sampler.random_weights_, sampler.random_offset_)


@_count.register(ProductKernelLifter)
def _count_product_kernel(lifter, X_row):
    """Count the local inner products with each landmark, their product, and the mixing."""
    local, (m, p) = lifter.local_features_, lifter.landmarks_.shape
    kernel = Operations(
        parameters=m * p, linear=m * p * local.n_features, nonlinear=m * (p - 1)
    )
    return _local_features(local) + kernel + _linear(lifter.normalization_)


@_count.register(DelayLifter)
def _count_delay(lifter, X_row):
    return Operations()


@_count.register(ObservableSelector)
def _count_observable_selector(selector, X_row):
    """Count what computes the chosen observables; where all are computed, all count."""
    return _count(selector._chosen_lifter, X_row)


@_count.register(ChosenColumns)
def _count_chosen_columns(chosen, X_row):
    return Operations() if chosen.lifter is None else count_operations(chosen.lifter, X_row)


@_count.register(ChosenUnion)
def _count_chosen_union(chosen, X_row):
    return sum((_count(part, X_row) for part in chosen.parts), Operations())


@_count.register(OpticalLifter)
def _count_optical(lifter, X_row):
    """Count complex mixing as two real ones, and a square of each part of an amplitude."""
    is_complex = lifter.mixing_.dtype.kind == "c"
    parts = [np.real, np.imag] if is_complex else [np.real]
    mixing = sum(
        (_linear(part(lifter.mixing_), part(lifter.offset_)) for part in parts), Operations()
    )
    n_products = {"intensity": 2, "cosine": 0, "saturable_absorption": 3}[lifter.nonlinearity]
    # the factor of the cosines belongs to the matrix behind them
    return mixing + Operations(nonlinear=n_products * len(lifter.offset_))


@_count.register(SquaredProjectionLifter)
def _count_squares(lifter, X_row):
    return _linear(lifter.components_) + Operations(nonlinear=len(lifter.components_))


@_count.register(MLPClassifier)
def _count_perceptron(perceptron, X_row):
    layers = zip(perceptron.coefs_, perceptron.intercepts_, strict=True)
    return sum((_linear(weights, biases) for weights, biases in layers), Operations())


@_count.register(EstimatorTeacher)
def _count_estimator_teacher(teacher, X_row):
    return count_operations(teacher.estimator, X_row)


@_count.register(CallableTeacher)
def _count_callable_teacher(teacher, X_row):
    # a bound predict_proba is as good as its estimator; of a function nothing is known
    return count_operations(getattr(teacher.function, "__self__", teacher.function), X_row)


@_count.register(TorchTeacher)
def _count_torch_teacher(teacher, X_row):
    with _flop_counter() as counter:
        _run_once(teacher, X_row)
    return Operations(linear=_multiplications(counter)) + _held(teacher.module.parameters())


@_count.register(LinearizedNetworkClassifier)
def _count_linearized_network(classifier, X_row):
    """Count the layers that are left, and what stands in for the spans, see `count_spans`."""
    network = copy(classifier.network_)
    network.module = classifier.linearized_
    others = {
        name: parameter
        for name, parameter in network.module.named_parameters()
        if not name.startswith("koopman_")
    }
    # Of all multiplications those within the layers that stand in are not taken from the counter:
    # it knows no monomials, and no zeros.
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
    """Count what stands in for each span of a linearised network.

    Parameters
    ----------
    classifier : LinearizedNetworkClassifier
        Fitted.
    X_row : array-like of shape (1, n_features) or (1, ...)

    Returns
    -------
    spans : list of Operations
        Of each, the operations of the lifter and of the matrix, or of its factors. Entries that are
        zero (pruned, or of units that never fire) do not count. At every position of a map or
        sequence the same parameters multiply again.
    """
    network = copy(classifier.network_)
    network.module = classifier.linearized_
    rows: list = []  # of the input of each span, one sample's

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
    """Let a teacher see one sample, or see it again."""
    teacher = copy(teacher)
    teacher.memory, teacher.progress = None, False  # a cached output would count nothing
    teacher(np.asarray(X_row)[:1])


@contextmanager
def _flop_counter():
    """Count the operations of torch."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # It does not know the fused attention of CPUs: let that be products of matrices.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter


def _multiplications(counter):
    return counter.get_total_flops() // 2  # it counts additions too


def _held(parameters):
    """Return what torch parameters take."""
    parameters = list(parameters)
    return Operations(
        parameters=sum(p.numel() for p in parameters),
        bytes=sum(p.numel() * p.element_size() for p in parameters),
    )


@dataclass(frozen=True)
class Cost:
    """What a model costs to keep and to run.

    Attributes
    ----------
    parameters : int
        Numbers that were fitted.
    bytes : int
        What they take.
    linear : int
        Multiplications of a variable by a parameter, for one sample.
    nonlinear : int
        Multiplications of two variables, for one sample.
    latency : float
        Median time of a prediction for one sample, in seconds, here and now.
    """

    parameters: int
    bytes: int
    linear: int
    nonlinear: int
    latency: float

    @property
    def multiplications(self):
        """All multiplications of one sample."""
        return self.linear + self.nonlinear


def cost(estimator, X_row, *, n_repeats=20):
    """Return what a fitted model or a teacher costs: operations counted, latency measured.

    Parameters
    ----------
    estimator : object
        A fitted student, pipeline, linear model, multi-layer perceptron or transformer, a torch
        module, a skorch net or a teacher.
    X_row : array-like of shape (1, n_features)
        One sample, as the estimator takes it. Of more rows, the first is taken.
    n_repeats : int, default=20
        Calls that are timed, after one that is not.

    Returns
    -------
    cost : Cost

    Raises
    ------
    UncountableError
        If it is not known how a step computes.

    Notes
    -----
    A dense product of a matrix and a vector has one multiplication per entry; a monomial of
    degree d is a variable times a monomial of degree d - 1, one multiplication. Additions,
    comparisons, exponentials and activation functions are not counted. Matrix products,
    convolutions and attention of torch modules are counted by
    :class:`torch.utils.flop_counter.FlopCounterMode`.

    For one sample the latency of a student is mostly that of Python and of checking the input;
    `sklearn_koopman.deployment.to_onnx` has neither.

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
    """Return what a model does to rows: predict, else transform, else be called."""
    if is_torch_module(estimator):
        return TorchTeacher(estimator)
    if is_skorch(estimator):
        return lambda X_row: estimator.predict(skorch_input(X_row))
    for name in ("predict", "transform"):
        if hasattr(estimator, name):
            return getattr(estimator, name)
    return estimator
