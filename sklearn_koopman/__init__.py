"""Distil a trained network into one fixed nonlinear lifting and one Koopman matrix."""

from .classification import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
)
from .lifting import MonomialLifter, OpticalLifter
from .trees import DistilledTreeClassifier

__all__ = [
    "DistilledTreeClassifier",
    "EDMDClassifier",
    "EDMDClassifierCV",
    "KoopmanDistilledClassifier",
    "KoopmanDistilledClassifierCV",
    "MonomialLifter",
    "OpticalLifter",
]
__version__ = "0.1.0"
