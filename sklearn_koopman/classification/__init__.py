"""Classifiers whose logits are one matrix times the observables."""

from ._distilled import KoopmanDistilledClassifier
from ._edmd import EDMDClassifier

__all__ = ["EDMDClassifier", "KoopmanDistilledClassifier"]
