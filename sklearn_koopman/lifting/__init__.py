"""Dictionaries of observables, as transformers."""

from ._monomial import MonomialLifter
from ._optical import OpticalLifter

__all__ = ["MonomialLifter", "OpticalLifter"]
