"""Small students: the best few observables of a dictionary."""

from ._selector import ObservableSelector

__all__ = ["ObservableSelector"]
