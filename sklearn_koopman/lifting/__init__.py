"""Dictionaries of observables, as transformers."""

from ._monomial import MonomialLifter
from ._product_kernel import ProductKernelLifter

__all__ = ["MonomialLifter", "ProductKernelLifter"]
