"""Classifiers whose logits are one matrix times the observables."""

from ._distilled import KoopmanDistilledClassifier
from ._distilled_cv import KoopmanDistilledClassifierCV
from ._edmd import EDMDClassifier
from ._edmd_cv import EDMDClassifierCV
from ._transfer import TransferSet

__all__ = [
    "EDMDClassifier",
    "EDMDClassifierCV",
    "KoopmanDistilledClassifier",
    "KoopmanDistilledClassifierCV",
    "TransferSet",
]
