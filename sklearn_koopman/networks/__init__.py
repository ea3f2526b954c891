"""Spans of a torch network, each replaced by one Koopman matrix.

`__all__` is for users; the other names are what the folders above use of this one.
"""

from ._baselines import (
    drop_span,
    low_rank_span,
    pruned_span,
    weighted_layers as weighted_layers,
)
from ._classifier import LinearizedNetworkClassifier
from ._network import fitted_network as fitted_network
from ._parameters import spans_of as spans_of

__all__ = ["LinearizedNetworkClassifier", "drop_span", "low_rank_span", "pruned_span"]
