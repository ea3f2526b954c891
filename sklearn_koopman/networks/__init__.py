"""Spans of a torch network as one Koopman matrix each."""

from ._classifier import LinearizedNetworkClassifier

__all__ = ["LinearizedNetworkClassifier"]
