"""Delay coordinates of trajectories."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils.validation import check_is_fitted

from .._validation import check_integer
from ._base import Dictionary
from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers


class DelayLifter(Dictionary):
    r"""Lift trajectories to their delay coordinates.

    A row is a whole trajectory: its states :math:`x_0, x_1, \dots, x_{T-1}` one after the other. It
    is lifted to all windows of h successive states,

    .. math::

        \psi = (w_0, w_1, \dots, w_{T-h}), \qquad w_t = (x_t, x_{t+1}, \dots, x_{t+h-1}),

    the columns of its Hankel matrix. No window reaches from one trajectory into the next, because
    rows are lifted one by one.

    Parameters
    ----------
    n_delays : int, default=2
        Number h of states in a window; 1 leaves rows as they are.

    state_size : int, default=1
        Number of features of one state; rows have a multiple of it.

    Attributes
    ----------
    n_steps_ : int
        The number T of states of a trajectory.

    n_windows_ : int
        The number T - h + 1 of windows.

    n_output_features_ : int
        The number of observables, ``n_windows_ * n_delays * state_size``.

    n_features_in_ : int
        Number of features seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit`. Defined only when `X` has feature names
        that are all strings.

    Notes
    -----
    For dynamic mode decomposition of Hankel matrices the windows and their successors are
    ``W[:, :-1]`` and ``W[:, 1:]`` with ``W = lifter.windows(X)``. Stacking the states of all
    trajectories first, and cutting windows from the stack, would pair the end of one trajectory
    with the start of another.

    References
    ----------
    .. [1] H. Arbabi and I. Mezić, "Ergodic theory, dynamic mode decomposition, and computation of
       spectral properties of the Koopman operator", SIAM Journal on Applied Dynamical Systems 16,
       2096-2126 (2017), section 3.

    .. [2] Aswani, Jabari and Shafique (2024), :arxiv:`2409.01308` (delay coordinates of the states
       between the layers of a network).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.lifting import DelayLifter
    >>> lifter = DelayLifter(n_delays=2).fit(np.array([[1, 2, 4, 8], [1, 3, 9, 27]]))
    >>> lifter.transform(np.array([[1, 2, 4, 8]]))
    array([[1., 2., 2., 4., 4., 8.]])
    >>> lifter.get_feature_names_out()
    array(['w0:x0', 'w0:x1', 'w1:x1', 'w1:x2', 'w2:x2', 'w2:x3'], dtype=object)

    The matrix that doubles, found from windows and their successors:

    >>> W = lifter.windows(np.array([[1, 2, 4, 8]]))
    >>> before, after = W[:, :-1].reshape(-1, 2), W[:, 1:].reshape(-1, 2)
    >>> np.linalg.lstsq(before, after)[0].T @ [8, 16]
    array([16., 32.])
    """

    _learns_from_rows = False
    _fewer_observables = "Lower n_delays, shorten the trajectories"

    def __init__(self, n_delays=2, *, state_size=1):
        self.n_delays = n_delays
        self.state_size = state_size

    def _check_parameters(self):
        check_integer(self, "n_delays", minimum=1)
        check_integer(self, "state_size", minimum=1)

    def _fit(self, X):
        n_delays, state_size = self.n_delays, self.state_size
        n_steps, rest = divmod(self.n_features_in_, state_size)
        if rest or n_steps < n_delays:
            raise ValueError(
                f"DelayLifter with n_delays={n_delays} and state_size={state_size} needs rows of "
                f"{n_delays} states or more, {state_size} feature(s) each; X has "
                f"{self.n_features_in_} feature(s)."
            )
        self.n_steps_ = n_steps
        self.n_windows_ = n_steps - n_delays + 1
        self.n_output_features_ = self.n_windows_ * n_delays * state_size

    def fit(self, X, y=None):
        """Learn how long trajectories are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Trajectories, one in each row.

        y : Ignored
            Not used, present here for API consistency by convention.

        Returns
        -------
        self : object
            Fitted transformer.
        """
        _refuse_other_shapes(X)
        return super().fit(X, y)

    def transform(self, X):
        """Lift trajectories to their windows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Trajectories, one in each row.

        Returns
        -------
        Psi : ndarray of shape (n_samples, `n_output_features_`)
            All windows of each, one after the other.
        """
        _refuse_other_shapes(X)
        return super().transform(X)

    def windows(self, X):
        """Return the windows of trajectories without joining them to rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Trajectories, one in each row.

        Returns
        -------
        W : ndarray of shape (n_samples, `n_windows_`, n_delays * state_size)
            The delay coordinates of each trajectory at each time.
        """
        return self.transform(X).reshape(len(X), self.n_windows_, -1)

    def to_layer(self):
        """Return the choice of columns as a torch layer."""
        check_is_fitted(self)
        return torch_layers().Columns(self._columns)

    def add_to_graph(self, nodes, rows):
        """Gather the states of all windows in an ONNX graph."""
        check_is_fitted(self)
        return nodes.add("Gather", rows, self._columns, axis=1)

    def add_to_program(self, program, rows):
        """Choose the states of all windows in a program for microcontrollers."""
        check_is_fitted(self)
        return program.columns(rows, self._columns)

    def operations(self):
        """Return no operations, because nothing is multiplied."""
        check_is_fitted(self)
        return Operations()

    def polynomial_degree(self):
        """Return 1, because the observables are features."""
        check_is_fitted(self)
        return 1

    def _observable_names(self, names):
        windows = self._windows_of_rows(names[None])[0]
        return [f"w{t}:{name}" for t, window in enumerate(windows) for name in window]

    @property
    def _columns(self):
        """Index of the feature of each observable."""
        return self._windows_of_rows(np.arange(self.n_features_in_)[None]).flatten()

    def _lift(self, X):
        return np.array(self._windows_of_rows(X)).reshape(len(X), -1)

    def _windows_of_rows(self, X):
        """Return windows (n_samples, n_windows, window size), without copying."""
        size = self.n_delays * self.state_size
        return sliding_window_view(X, size, axis=1)[:, :: self.state_size]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_output_features_")


def _refuse_other_shapes(X):
    """Raise ValueError for rows that are not whole trajectories."""
    n_dimensions = getattr(X, "ndim", 2)
    if n_dimensions == 1:
        raise ValueError(
            f"Expected 2D array, got 1D array of {len(X)} numbers instead. A row is a whole "
            "trajectory. Reshape your data: X.reshape(1, -1)."
        )
    if n_dimensions == 3:
        raise ValueError(
            f"X has the shape {tuple(X.shape)}, and rows are whole trajectories. Join the states "
            f"of each: X.reshape(len(X), -1), with state_size={X.shape[-1]}."
        )
