"""Conversions that only skorch needs, without importing skorch."""

import numpy as np


def is_skorch(estimator):
    """Return whether an estimator is a skorch net."""
    return any(cls.__module__.partition(".")[0] == "skorch" for cls in type(estimator).__mro__)


def skorch_input(X):
    """Return X as float32, the default dtype of torch's parameters."""
    return np.asarray(X, dtype=np.float32)


def skorch_targets(net, codes):
    """Return class codes in the dtype that the net's loss needs."""
    binary = any(cls.__name__ == "NeuralNetBinaryClassifier" for cls in type(net).__mro__)
    return codes.astype(np.float32 if binary else np.int64)
