"""Distil a trained network into one fixed nonlinear lifting and one Koopman matrix."""

from importlib import import_module as _import_module
from pkgutil import iter_modules as _iter_modules
from typing import TYPE_CHECKING as _TYPE_CHECKING

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


if not _TYPE_CHECKING:  # for type checkers there is nothing but what is above

    def __getattr__(name):
        """Say which module has a name that is looked for here."""
        if not name.startswith("_"):
            for module in _iter_modules(__path__):
                place = f"{__name__}.{module.name}"
                if module.name.startswith("_") or module.name == name:
                    continue
                if name in getattr(_import_module(place), "__all__", ()):
                    # An AttributeError would be replaced where names are imported.
                    raise ImportError(
                        f"cannot import name {name!r} from {__name__!r}: it is in {place}. Write: "
                        f"from {place} import {name}",
                        name=__name__,
                    )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
