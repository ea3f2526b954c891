"""Small students: the best few observables of a dictionary, and coordinates to make them of."""

from ._active_subspace import ActiveSubspace
from ._principal_squares import principal_squares
from ._selector import ObservableSelector

__all__ = ["ActiveSubspace", "ObservableSelector", "principal_squares"]
