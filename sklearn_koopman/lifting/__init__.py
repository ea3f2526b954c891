"""Dictionaries of observables, as transformers."""

from ._monomial import MonomialLifter

__all__ = ["MonomialLifter"]
