"""Distil a trained network into one fixed nonlinear lifting and one Koopman matrix."""

from .classification import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    TransferSet,
)
from .lifting import MonomialLifter
from .trees import DistilledTreeClassifier

__all__ = [
    "DistilledTreeClassifier",
    "EDMDClassifier",
    "EDMDClassifierCV",
    "KoopmanDistilledClassifier",
    "KoopmanDistilledClassifierCV",
    "MonomialLifter",
    "TransferSet",
]
__version__ = "0.1.0"
