"""Product dictionaries through their kernel: inner products without the observables."""

import numpy as np
from scipy.linalg import eigh
from sklearn.utils.validation import check_is_fitted

from .._memory import check_fits_in_memory
from .._validation import check_choice, check_integer, check_random_state, check_real
from ._base import Dictionary
from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers
from ._local_features import FEATURE_MAPS, LocalFeatures


class ProductKernelLifter(Dictionary):
    r"""Observables that have the inner products of a whole product dictionary.

    The dictionary of `TensorTrainClassifier` has :math:`\prod_k n_k` observables, but

    .. math:: k(x, z) = \langle \psi(x), \psi(z) \rangle = \prod_k \phi_k(x_k)^T \phi_k(z_k)

    is a product of p short inner products. With the kernel matrix :math:`K = U S U^T` of the
    landmarks :math:`z_1, \dots, z_m`, the observables of x are
    :math:`S^{-1/2} U^T (k(z_j, x))_j`. With all training rows as landmarks they have exactly the
    inner products of the dictionary, and `EDMDClassifier` on them is EDMD on all of it (kernel
    EDMD; MANDy in [1]_). With fewer landmarks they are the Nyström approximation.

    Parameters
    ----------
    feature_map : {"monomial", "legendre", "trigonometric"}, default="trigonometric"
        Local features of each variable, and its scaling: those of `TensorTrainClassifier`.
    degree : int, default=1
        Degree of the local features.
    frequency : float, default=0.5
        Frequency of "trigonometric".
    n_landmarks : int, default=None
        Number of landmarks, which are drawn from the training rows. None, or a number larger than
        that of the rows, takes all rows. The time of `fit` grows as its cube.
    random_state : int, RandomState instance or None, default=None
        Seeds the choice of the landmarks.

    Attributes
    ----------
    landmarks_ : ndarray of shape (n_landmarks, n_features)
    landmark_indices_ : ndarray of shape (n_landmarks,)
        Indices of the landmarks in the training set.
    normalization_ : ndarray of shape (n_landmarks, n_observables)
        The matrix :math:`U S^{-1/2}`, without directions of zero eigenvalues.
    n_output_features_ : int
    local_features_ : LocalFeatures
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    References
    ----------
    .. [1] S. Klus and P. Gelß, "Tensor-based algorithms for image classification", Algorithms 12,
       240 (2019), on the kernel-based MANDy.
    .. [2] C. Williams and M. Seeger, "Using the Nystroem method to speed up kernel machines",
       NeurIPS 13 (2001).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier
    >>> from sklearn_koopman.lifting import ProductKernelLifter
    >>> X, y = load_iris(return_X_y=True)
    >>> lifter = ProductKernelLifter(n_landmarks=30, random_state=0)
    >>> student = EDMDClassifier(lifter=lifter, ridge=1e-4).fit(X, y)
    >>> student.score(X, y) > 0.95
    True
    """

    _fewer_observables = "Lower n_landmarks"

    def __init__(
        self,
        feature_map="trigonometric",
        *,
        degree=1,
        frequency=0.5,
        n_landmarks=None,
        random_state=None,
    ):
        self.feature_map = feature_map
        self.degree = degree
        self.frequency = frequency
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def _check_parameters(self):
        check_choice(self, "feature_map", FEATURE_MAPS)
        check_integer(self, "degree", minimum=1)
        check_real(self, "frequency", low=0.0, inclusive="neither")
        check_integer(self, "n_landmarks", minimum=1, optional=True)

    def _fit(self, X):
        n_landmarks = min(self.n_landmarks or len(X), len(X))
        check_fits_in_memory(
            16 * n_landmarks**2,
            f"The kernel matrix of {n_landmarks} landmarks",
            "Take fewer: n_landmarks=.",
        )
        local = LocalFeatures.from_rows(
            X,
            np.ones(len(X)),
            kind=self.feature_map,
            degree=self.degree,
            frequency=self.frequency,
        )
        order = check_random_state(self.random_state).permutation(len(X))
        chosen = np.sort(order[:n_landmarks])
        landmarks = X[chosen]
        kernel = product_kernel(local, landmarks.astype(np.float64))
        if not np.isfinite(kernel).all():
            raise ValueError(
                f"The kernel of the landmarks overflows: the products of {X.shape[1]} local "
                "features are too large. Use feature_map='trigonometric', lower degree, or "
                "reduce the variables."
            )
        values, vectors = eigh(kernel)
        kept = values > len(values) * np.finfo(X.dtype).eps * values[-1]
        self.normalization_ = (vectors[:, kept] / np.sqrt(values[kept])).astype(X.dtype)
        self.landmarks_, self.landmark_indices_ = landmarks, chosen
        self.local_features_ = local
        self.n_output_features_ = self.normalization_.shape[1]

    def to_function(self, dtype):
        """Return the kernels of the landmarks, and the rotation, as a plain function of rows."""
        check_is_fitted(self)
        local = self.local_features_
        of_landmarks = local(self.landmarks_.astype(dtype, copy=False))
        rotation = self.normalization_.astype(dtype, copy=False)
        return lambda rows: _multiplied(local(rows), of_landmarks) @ rotation

    def to_layer(self):
        """Return the kernels of the landmarks, and the rotation, as a torch layer."""
        check_is_fitted(self)
        return torch_layers().ProductKernel(
            self.local_features_.to_layer(), self.landmarks_, self.normalization_
        )

    def add_to_graph(self, nodes, rows):
        """Multiply the kernels of all variables, and rotate, in an ONNX graph."""
        check_is_fitted(self)
        local = self.local_features_
        by_variable = nodes.add("Transpose", local.add_to_graph(nodes, rows), perm=[1, 0, 2])
        kernels = nodes.add("MatMul", by_variable, nodes.constant(local(self.landmarks_)))
        kernel = nodes.add("ReduceProd", kernels, np.array([0]), keepdims=0)
        return nodes.add("MatMul", kernel, nodes.constant(self.normalization_))

    def add_to_program(self, program, rows):
        """Multiply the kernels of all variables, and rotate, in a program."""
        check_is_fitted(self)
        features = self.local_features_.add_to_program(program, rows)
        of_landmarks = self.local_features_(self.landmarks_.astype(np.float64))
        kernel = None
        for variable, values in enumerate(of_landmarks):
            # (n_features, n_landmarks); the constant is an offset.
            seen = [k for k, feature in enumerate(features) if feature is not None]
            chosen = program.beside(*(program.columns(features[k], [variable]) for k in seen))
            offset = None if len(seen) == len(features) else values[0]
            inner = program.affine(chosen, values[seen].T, offset)
            kernel = inner if kernel is None else program.product(kernel, inner)
        return program.affine(kernel, self.normalization_.T)

    def operations(self):
        """Return the operations of the inner products with each landmark, and of the rotation."""
        check_is_fitted(self)
        m, p = self.landmarks_.shape
        kernel = Operations.storing(
            self.landmarks_,
            linear=m * p * self.local_features_.n_features,
            nonlinear=m * (p - 1),
        )
        rotation = Operations.of_matrix(self.normalization_)
        return self.local_features_.operations() + kernel + rotation

    def _observable_names(self, names):
        return [f"productkernellifter{j}" for j in range(self.n_output_features_)]

    def _lift(self, X):
        return self.to_function(X.dtype)(X)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "normalization_")


def product_kernel(local, X, Z=None):
    """Return the inner products of observables that are all products of local features.

    Parameters
    ----------
    local : LocalFeatures
    X : ndarray of shape (n_samples_X, n_variables)
    Z : ndarray of shape (n_samples_Z, n_variables), default=None
        None takes X.

    Returns
    -------
    kernel : ndarray of shape (n_samples_X, n_samples_Z)
    """
    of_X = local(X)
    return _multiplied(of_X, of_X if Z is None else local(Z))


def _multiplied(of_X, of_Z):
    """Return the kernel from local features of two sets, (n_variables, n_features, n_samples)."""
    kernel = of_X[0].T @ of_Z[0]
    for one, other in zip(of_X[1:], of_Z[1:], strict=True):
        kernel *= one.T @ other
    return kernel
