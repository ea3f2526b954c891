"""Decision trees, read out of a network's features."""

from ._classifier import DistilledTreeClassifier, SizedTree

__all__ = ["DistilledTreeClassifier", "SizedTree"]
