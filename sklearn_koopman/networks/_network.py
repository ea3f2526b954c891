"""Conversion of the networks that users pass to torch modules, and how to run them."""

from collections import OrderedDict
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass

import numpy as np
from sklearn.neural_network import MLPClassifier

from ..lifting import linear_layer
from ..students import check_needs_no_labels
from ..teachers import (
    EstimatorTeacher,
    TorchTeacher,
    as_teacher,
    check_n_columns,
    columns_of,
    import_torch,
    output_kind,
    shortened,
)

_ACCEPTED = (
    "a torch nn.Module, a TorchTeacher, or a classifier with a network inside: an "
    "MLPClassifier, a skorch net, or another with a torch module in its fitted attribute "
    "module_ (fitted on the training data unless wrapped in FrozenEstimator)"
)


def fitted_network(module, X, y, sample_weight, classes=None):
    """Return a network as a TorchTeacher, with its classes if they are known.

    Parameters
    ----------
    module : object
        The `module` parameter of a classifier.
    X : array-like of shape (n_samples, ...)
    y : ndarray of shape (n_samples,), or None
        Labels. A network that is an estimator to fit needs them.
    sample_weight : ndarray of shape (n_samples,) or None
    classes : array-like of shape (n_columns,), default=None
        The class of each output, if the user sets it.

    Returns
    -------
    network : TorchTeacher
    """
    try:
        teacher = as_teacher(module, classes=classes)
    except TypeError as error:
        raise TypeError(f"module={module!r}: must be {_ACCEPTED}.") from error
    if isinstance(teacher, TorchTeacher):
        return teacher
    if not isinstance(teacher, EstimatorTeacher):
        raise TypeError(f"module={module!r}: must be {_ACCEPTED}.")
    if y is None:
        check_needs_no_labels(teacher)
    teacher = teacher.fit(X, y, sample_weight=sample_weight)
    inner = teacher.estimator.estimator
    if isinstance(inner, MLPClassifier):
        return TorchTeacher(perceptron_module(inner), output="logits", classes=teacher.classes_)
    if not hasattr(inner, "module_"):
        raise TypeError(f"module={module!r}: must be {_ACCEPTED}.")
    return TorchTeacher(inner.module_, classes=teacher.classes_)


def perceptron_module(perceptron):
    """Return scikit-learn's fitted multi-layer perceptron as a torch module that gives logits.

    Its layers are ``linear0``, ``activation0``, ``linear1``, and so on. For two classes, the first
    has the logit 0.

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


@dataclass(frozen=True)
class OutputColumns:
    """The kind of a network's outputs, and the columns of the classes.

    Attributes
    ----------
    kind : {"proba", "logits", "sigmoid"}
    chosen : ndarray of int, shape (n_classes,)
        The column of each class. A single column counts as the second of two.
    """

    kind: str
    chosen: np.ndarray

    @classmethod
    def of(cls, network, X, classes, kind="auto"):
        """Find out the columns from the outputs of a TorchTeacher for the first rows of X."""
        outputs = network(X[: network.batch_size])
        source = f"module={network!r}"
        kind = network.output if kind == "auto" else kind
        if kind == "auto":
            kind = output_kind(outputs, source)
        n_columns = max(outputs.shape[1], 2)
        check_n_columns(n_columns, network.classes_, classes, source)
        if network.classes_ is None:
            return cls(kind, np.arange(n_columns))
        of_classes = columns_of(network.classes_, classes, source)
        if any(len(columns) > 1 for columns in of_classes):
            raise ValueError(
                f"{source}: the classes of its outputs, {shortened(list(network.classes_))}, "
                "must be different."
            )
        return cls(kind, np.concatenate(of_classes))

    def logits(self, outputs):
        """Return outputs (a tensor) as logits, one column per class.

        Unlike probabilities of a teacher, these need not sum to 1, as the network may end in a
        span.
        """
        torch = import_torch()
        if self.kind == "sigmoid":
            outputs = outputs.logit(eps=2.0**-24)
        if self.kind == "proba":
            if outputs.shape[1] == 1:
                outputs = torch.cat([1 - outputs, outputs], dim=1)
            return outputs.clamp(min=torch.finfo(outputs.dtype).tiny).log()[:, self.chosen]
        if outputs.shape[1] == 1:
            outputs = torch.cat([torch.zeros_like(outputs), outputs], dim=1)
        return outputs[:, self.chosen]

    def logits_of_array(self, outputs):
        """Return outputs (an array) as logits, as an array."""
        return self.logits(import_torch().from_numpy(outputs)).numpy()


@contextmanager
def running(network, *parts):
    """Yield the function from rows to a network's input, on its device, with all in eval mode.

    Parameters
    ----------
    network : TorchTeacher
    *parts : torch.nn.Module
        Modules to run too, on the same device and in eval mode.
    """
    torch = import_torch()
    together = copy(network)
    together.module = torch.nn.ModuleList([network.module, *parts])
    with together._running(torch) as to_input:
        yield to_input
