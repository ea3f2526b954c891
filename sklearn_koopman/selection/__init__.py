"""Small students: the best few observables of a dictionary, and good coordinates for them."""

from ._active_subspace import ActiveSubspace
from ._principal_squares import principal_squares
from ._selector import ObservableSelector

__all__ = ["ActiveSubspace", "ObservableSelector", "principal_squares"]
