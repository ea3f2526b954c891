"""Dictionaries of observables, as transformers."""

from ._delay import DelayLifter
from ._monomial import MonomialLifter
from ._orthogonal import OrthogonalPolynomialLifter
from ._rbf import RBFLifter

__all__ = ["DelayLifter", "MonomialLifter", "OrthogonalPolynomialLifter", "RBFLifter"]
