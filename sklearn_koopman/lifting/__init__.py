"""Dictionaries of observables, as transformers."""

from ._delay import DelayLifter
from ._monomial import MonomialLifter
from ._optical import OpticalLifter
from ._orthogonal import OrthogonalPolynomialLifter
from ._product_kernel import ProductKernelLifter
from ._rbf import RBFLifter
from ._squares import SquaredProjectionLifter

__all__ = [
    "DelayLifter",
    "MonomialLifter",
    "OpticalLifter",
    "OrthogonalPolynomialLifter",
    "ProductKernelLifter",
    "RBFLifter",
    "SquaredProjectionLifter",
]
