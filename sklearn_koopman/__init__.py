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
    ConvolutionalLifter,
    DelayLifter,
    Flatten,
    MonomialLifter,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
    SquaredProjectionLifter,
)
from .regression import EDMDRegressor, KoopmanDistilledRegressor
from .selection import ActiveSubspace, ObservableSelector
from .trees import DistilledTreeClassifier

__all__ = [
    "ActiveSubspace",
    "ConvolutionalLifter",
    "DelayLifter",
    "DistilledTreeClassifier",
    "EDMDClassifier",
    "EDMDClassifierCV",
    "EDMDRegressor",
    "Flatten",
    "KoopmanDistilledClassifier",
    "KoopmanDistilledClassifierCV",
    "KoopmanDistilledRegressor",
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
