"""From whatever a user calls a network to a torch module, and how to run it."""

from collections import OrderedDict
from contextlib import contextmanager
from copy import copy

import numpy as np
from sklearn.neural_network import MLPClassifier

from ..lifting import linear_layer
from ..teachers import EstimatorTeacher, TorchTeacher, as_teacher, import_torch

_ACCEPTED = (
    "a torch nn.Module, a TorchTeacher, or a classifier with a network inside: an "
    "MLPClassifier, a skorch net, or another with a torch module in its fitted attribute "
    "module_ (fitted on the training data unless wrapped in FrozenEstimator)"
)


def fitted_network(module, X, y, sample_weight):
    """Return a network as a TorchTeacher that knows its classes, if anybody does.

    Parameters
    ----------
    module : object
        The `module` parameter of a classifier.
    X : array-like of shape (n_samples, ...)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    network : TorchTeacher
    """
    try:
        teacher = as_teacher(module)
    except TypeError as error:
        raise TypeError(f"module={module!r}: must be {_ACCEPTED}.") from error
    if isinstance(teacher, TorchTeacher):
        return teacher
    if not isinstance(teacher, EstimatorTeacher):
        raise TypeError(f"module={module!r}: must be {_ACCEPTED}.")
    teacher = teacher.fit(X, y, sample_weight=sample_weight)
    inner = teacher.estimator.estimator
    if isinstance(inner, MLPClassifier):
        return TorchTeacher(perceptron_module(inner), output="logits", classes=inner.classes_)
    if not hasattr(inner, "module_"):
        raise TypeError(f"module={module!r}: must be {_ACCEPTED}.")
    return TorchTeacher(inner.module_, classes=teacher.classes_)


def perceptron_module(perceptron):
    """Return scikit-learn's fitted multi-layer perceptron as a torch module that gives logits.

    Its layers are ``linear0``, ``activation0``, ``linear1``, and so on; of two classes the
    first has the logit 0.

    Parameters
    ----------
    perceptron : MLPClassifier

    Returns
    -------
    module : torch.nn.Sequential

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_koopman.networks._network import perceptron_module
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier(5, solver="lbfgs", max_iter=10, random_state=0).fit(X, y)
    >>> [name for name, _ in perceptron_module(net).named_children()]
    ['linear0', 'activation0', 'linear1']
    """
    torch = import_torch()
    activations = {
        "identity": torch.nn.Identity,
        "logistic": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
        "relu": torch.nn.ReLU,
    }
    layers = OrderedDict()
    last = len(perceptron.coefs_) - 1
    for number, (weights, bias) in enumerate(
        zip(perceptron.coefs_, perceptron.intercepts_, strict=True)
    ):
        if number == last and weights.shape[1] == 1:
            weights = np.hstack([np.zeros_like(weights), weights])
            bias = np.hstack([np.zeros_like(bias), bias])
        linear = linear_layer(weights.T, bias)
        layers[f"linear{number}"] = linear.to(torch.from_numpy(weights).dtype)
        if number < last:
            layers[f"activation{number}"] = activations[perceptron.activation]()
    return torch.nn.Sequential(layers)


@contextmanager
def running(network, *parts):
    """Give the function from rows to a network's input, on its device; all in eval mode.

    Parameters
    ----------
    network : TorchTeacher
    *parts : torch.nn.Module
        Modules that are run too: on the same device and in eval mode.
    """
    torch = import_torch()
    together = copy(network)
    together.module = torch.nn.ModuleList([network.module, *parts])
    with together._running(torch) as to_input:
        yield to_input
