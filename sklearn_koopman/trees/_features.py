"""Features of networks: their inner activations."""

from contextlib import contextmanager

import numpy as np
from scipy.special import expit
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_array, check_is_fitted

from .._validation import DTYPES
from ..rows import lifted_blocks
from ..students import KoopmanClassifier
from ..teachers import (
    CallableTeacher,
    EstimatorTeacher,
    Teacher,
    TorchTeacher,
    check_outputs,
    is_skorch,
    is_torch_module,
    skorch_input,
    to_numpy,
)

_ACTIVATIONS = {
    "identity": lambda x: x,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}


def internal_features(features, X, n_rows):
    """Return the features of some rows, or None if there are none.

    Parameters
    ----------
    features : object
        The `features` parameter of a student, or its fitted teacher.
    X : array-like of shape (n_samples, ...)
        Rows in the form that the network takes.
    n_rows : int
        Required number of rows.

    Returns
    -------
    features : ndarray of shape (n_samples, n_columns), or None

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.trees._features import internal_features
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    >>> internal_features(student, X, n_rows=150).shape
    (150, 15)
    """
    function = _inside(features)
    if function is None and not isinstance(features, Teacher) and callable(features):
        function = features
    if function is None:
        return None
    return check_outputs(function(X), f"features {features!r}", n_rows)


def _inside(model):
    """Return the function from rows to inner activations of a model, or None."""
    if is_torch_module(model):
        return TorchActivations(TorchTeacher(model))
    if isinstance(model, TorchTeacher):
        return TorchActivations(model)
    if is_skorch(model) and hasattr(model, "module_"):
        activations = TorchActivations(TorchTeacher(model.module_))
        return lambda X: activations(skorch_input(X))
    if isinstance(model, EstimatorTeacher | FrozenEstimator):
        return _inside(model.estimator)
    if isinstance(model, CallableTeacher):
        return _inside(getattr(model.function, "__self__", None))
    if isinstance(model, Pipeline):
        last = _inside(model.steps[-1][1])
        if last is None or len(model) == 1:
            return last
        return lambda X: last(model[:-1].transform(X))
    if isinstance(model, KoopmanClassifier):
        return lambda X: _observables(model, X)
    if hasattr(model, "coefs_") and getattr(model, "activation", None) in _ACTIVATIONS:
        return lambda X: _perceptron(model, X)
    return None


def _observables(student, X):
    check_is_fitted(student)
    X = check_array(X, dtype=DTYPES)
    return lifted_blocks(getattr(student, "lifter_", None), X).all_lifted()


def _perceptron(model, X):
    """Return the pre- and post-activations of scikit-learn's multi-layer perceptron."""
    activation = _ACTIVATIONS[model.activation]
    layers, inputs = [], check_array(X, dtype=DTYPES)
    for weights, biases in zip(model.coefs_, model.intercepts_, strict=True):
        before = inputs @ weights + biases
        inputs = activation(before)
        layers += [before, inputs]
    return np.hstack(layers[:-1])  # the output layer has another activation


class TorchActivations(TorchTeacher):
    """All inputs and outputs of the layers of a torch module, once each, except its own input.

    A layer is a module without submodules. Inputs of layers are included because `forward` may
    compute activations and sums itself, as in ``relu(self.linear(x))``.

    Parameters
    ----------
    teacher : TorchTeacher
        Teacher with the module, and the way to run it.
    """

    def __init__(self, teacher):
        super().__init__(
            teacher.module,
            input_shape=teacher.input_shape,
            batch_size=teacher.batch_size,
            device=teacher.device,
        )

    def _call_module(self, x, torch):
        with _recording(self.module, x) as tensors:
            super()._call_module(x, torch)
        if not tensors:
            raise ValueError(
                f"{self.module!r} has no layer whose inputs or outputs have one row per sample: "
                "pass features=, a callable that returns an array of such rows."
            )
        return np.hstack([to_numpy(tensor) for tensor in tensors])


@contextmanager
def _recording(module, x):
    """Yield copies of the tensors that pass the layers of a module, one row per sample."""
    import torch

    copies = []
    seen = {x.untyped_storage().data_ptr(): x}  # kept, so that its memory is not reused

    def record(value, is_new=False):
        if isinstance(value, tuple | list):
            for item in value:
                record(item, is_new)
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return
        memory = value.untyped_storage().data_ptr()
        if value.ndim > 1 and len(value) == len(x) and (is_new or memory not in seen):
            copies.append(value.flatten(1).clone())  # a later layer may work in place
        seen[memory] = value

    def hook(layer, inputs, output):
        record(output, is_new=getattr(layer, "inplace", False))

    layers = [layer for layer in module.modules() if not any(layer.children())]
    handles = []
    for layer in layers:
        handles += [  # record inputs before the call, because the layer may overwrite them
            layer.register_forward_pre_hook(lambda layer, inputs: record(inputs)),
            layer.register_forward_hook(hook),
        ]
    try:
        yield copies
    finally:
        for handle in handles:
            handle.remove()
