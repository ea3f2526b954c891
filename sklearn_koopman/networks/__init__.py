"""Spans of a torch network as one Koopman matrix each."""

from ._baselines import drop_span, low_rank_span, pruned_span
from ._classifier import LinearizedNetworkClassifier

__all__ = ["LinearizedNetworkClassifier", "drop_span", "low_rank_span", "pruned_span"]
