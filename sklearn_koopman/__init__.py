"""Distil a trained network into one fixed nonlinear lifting and one Koopman matrix."""

from ._versions import show_versions
from .classification import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    TensorTrainClassifier,
    TransferSet,
)
from .lifting import (
    DelayLifter,
    MonomialLifter,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
    SquaredProjectionLifter,
)
from .selection import ActiveSubspace, ObservableSelector
from .trees import DistilledTreeClassifier

__all__ = [
    "ActiveSubspace",
    "DelayLifter",
    "DistilledTreeClassifier",
    "EDMDClassifier",
    "EDMDClassifierCV",
    "KoopmanDistilledClassifier",
    "KoopmanDistilledClassifierCV",
    "MonomialLifter",
    "ObservableSelector",
    "OpticalLifter",
    "OrthogonalPolynomialLifter",
    "RBFLifter",
    "SquaredProjectionLifter",
    "TensorTrainClassifier",
    "TransferSet",
    "show_versions",
]
__version__ = "0.1.0"
