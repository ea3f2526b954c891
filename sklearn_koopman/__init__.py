"""Distil a trained network into one fixed nonlinear lifting and one Koopman matrix."""

from .classification import EDMDClassifier, KoopmanDistilledClassifier
from .lifting import MonomialLifter
from .trees import DistilledTreeClassifier

__all__ = [
    "DistilledTreeClassifier",
    "EDMDClassifier",
    "KoopmanDistilledClassifier",
    "MonomialLifter",
]
__version__ = "0.1.0"
