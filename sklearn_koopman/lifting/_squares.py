"""Squares of linear functions of the input variables as observables."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .._memory import check_fits_in_memory
from ._base import Dictionary
from ._forms._operations import Operations
from ._forms._slopes import Slopes
from ._forms._torch_layers import linear_layer, torch_layers


class SquaredProjectionLifter(Dictionary):
    r"""Lift samples to their features and the squares of some linear functions of them.

    A sample z of p features is lifted to the p + m observables

    .. math:: \psi(z) = \left(z_1, \dots, z_p, (c_1^T z)^2, \dots, (c_m^T z)^2\right) .

    Every quadratic form is a sum of such squares, so a few squares can replace many monomials of
    degree 2: see :func:`~sklearn_koopman.selection.principal_squares`. In optics a projection is
    the light after a fixed element, and its square is what a detector sees.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features), default=None
        The linear functions :math:`c_j`, one in each row. None takes the features themselves.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, `n_features_in_`)
        The linear functions, in the dtype of X.
    n_output_features_ : int
        p + m.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    MonomialLifter : The products of all pairs of features.
    OpticalLifter : Intensities after a random element.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman import SquaredProjectionLifter
    >>> lifter = SquaredProjectionLifter([[1.0, 1.0], [1.0, -1.0]])
    >>> lifter.fit_transform(np.array([[1.0, 2.0], [3.0, 5.0]]))
    array([[ 1.,  2.,  9.,  1.],
           [ 3.,  5., 64.,  4.]])
    >>> lifter.get_feature_names_out()
    array(['x0', 'x1', 'square0', 'square1'], dtype=object)
    """

    _fewer_observables = "Give fewer components"

    def __init__(self, components=None):
        self.components = components

    def _check_parameters(self):
        """Do nothing, because valid components depend on X."""

    def _fit(self, X):
        p = X.shape[1]
        if self.components is None:
            check_fits_in_memory(
                p**2 * X.itemsize, f"The squares of {p} features", "Pass fewer components."
            )
            self.components_ = np.eye(p, dtype=X.dtype)
        else:
            self.components_ = check_array(
                self.components,
                dtype=X.dtype,
                copy=True,
                ensure_2d=False,
                input_name="components",
            )
            shape = self.components_.shape
            if len(shape) != 2 or shape[1] != p:
                raise ValueError(
                    f"components has the shape {shape}, and X has {p} features: pass components of "
                    f"shape (n_components, {p})."
                )
        self.n_output_features_ = p + len(self.components_)

    def _lift(self, X):
        p = X.shape[1]
        lifted = np.empty((len(X), self.n_output_features_), X.dtype)
        lifted[:, :p] = X
        squares = lifted[:, p:]
        np.matmul(X, self.components_.T.astype(X.dtype, copy=False), out=squares)
        np.square(squares, out=squares)
        return lifted

    def to_layer(self):
        """Return the features and squares as a torch layer."""
        check_is_fitted(self)
        return torch_layers().ColumnsAndSquares(linear_layer(self.components_))

    def add_to_graph(self, nodes, rows):
        """Add the squares of projections after the columns of an ONNX graph."""
        check_is_fitted(self)
        projected = nodes.add("MatMul", rows, nodes.constant(self.components_.T))
        return nodes.add("Concat", rows, nodes.add("Mul", projected, projected), axis=1)

    def add_to_program(self, program, rows):
        """Add the squares of projections after the columns of a program."""
        check_is_fitted(self)
        squares = program.function(program.affine(rows, self.components_), "square")
        return program.beside(rows, squares)

    def operations(self):
        """Return the operations of the linear functions, and a product for each square."""
        check_is_fitted(self)
        squares = Operations(nonlinear=len(self.components_))
        return Operations.of_matrix(self.components_) + squares

    def polynomial_degree(self):
        """Return 2, the degree of squares."""
        check_is_fitted(self)
        return 2 if len(self.components_) else 1

    def slopes(self):
        """Return the slopes: 1 for a feature, a multiple of the linear function for its square."""
        check_is_fitted(self)
        n_components, p = self.components_.shape
        components = self.components_.astype(np.float64)
        square, by, of = (each.ravel() for each in np.indices((n_components, p, p)))
        features = np.arange(p)
        return Slopes(
            observables=np.concatenate([features, p + square]),
            features=np.concatenate([features, by]),
            sources=np.concatenate([np.full(p, -1), of]),
            factors=np.concatenate(
                [np.ones(p), 2 * components[square, by] * components[square, of]]
            ),
            n_features=p,
        )

    def _observable_names(self, names):
        return [*names, *(f"square{j}" for j in range(len(self.components_)))]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")
