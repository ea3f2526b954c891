"""Gaussians around centres as observables."""

from copy import copy

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.utils import resample
from sklearn.utils.validation import check_is_fitted

from .._validation import check_choice, check_integer, check_random_state, check_real
from .._warnings import warn_user
from ._base import Dictionary
from ._forms._functions import gaussians
from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers

# Number of rows for the median of distances: half a million pairs.
MEDIAN_ROWS = 1000


class RBFLifter(Dictionary):
    r"""Lift samples to Gaussians around centres.

    A sample is lifted to

    .. math:: \psi(x) = \left(\exp(-\gamma \|x - c_1\|^2), \dots,
              \exp(-\gamma \|x - c_D\|^2)\right)

    with centres :math:`c_j` that `fit` finds among its samples or between them.

    Parameters
    ----------
    n_centers : int, default=100
        Number of centres, and of observables. If there are fewer samples, each is a centre, and a
        warning says so.

    centers : {"kmeans", "random"}, default="kmeans"
        "kmeans" are the centres of :class:`~sklearn.cluster.KMeans`; "random" are samples, drawn
        without replacement (landmarks): much cheaper for many centres.

    gamma : "median" or float > 0, default="median"
        Inverse width :math:`\gamma = 1 / (2 \sigma^2)`. "median" sets :math:`\sigma` to the median
        distance between two samples, out of at most 1,000 [2]_, so that observables are neither
        nearly constant nor nearly zero almost everywhere. It is a start: tune it like the gamma of
        a kernel machine.

    random_state : int, RandomState instance or None, default=None
        Seeds the choice of landmarks, or the start of k-means, and of samples for the median.

    Attributes
    ----------
    centers_ : ndarray of shape (`n_output_features_`, `n_features_in_`)
        The centres.

    gamma_ : float
        The inverse width.

    n_output_features_ : int
        The number of observables.

    n_features_in_ : int
        Number of features seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit`. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    sklearn.kernel_approximation.Nystroem : Gaussians around random samples, rotated so that inner
        products of observables approximate the kernel.
    sklearn.kernel_approximation.RBFSampler : Random cosines for the same kernel.

    Notes
    -----
    The distances from a sample to D centres cost D multiplications for each feature. So reduce the
    features first, by PCA for example.

    References
    ----------
    .. [1] D. S. Broomhead and D. Lowe, "Multivariable functional interpolation and adaptive
       networks", Complex Systems 2, 321-355 (1988).

    .. [2] A. Gretton et al., "A kernel two-sample test", Journal of Machine Learning Research 13,
       723-773 (2012), section 8.

    .. [3] Sugishita, Kinjo and Ohkubo (2024), :arxiv:`2402.11740` (Gaussian observables of a
       network's layers).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, RBFLifter
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=RBFLifter(n_centers=20, random_state=0)).fit(X, y)
    >>> student.coef_.shape
    (3, 20)
    >>> round(student.score(X, y), 2)
    0.97
    """

    _fewer_observables = "Lower n_centers"

    def __init__(self, n_centers=100, *, centers="kmeans", gamma="median", random_state=None):
        self.n_centers = n_centers
        self.centers = centers
        self.gamma = gamma
        self.random_state = random_state

    def _check_parameters(self):
        check_integer(self, "n_centers", minimum=1)
        check_choice(self, "centers", ("kmeans", "random"))
        if not isinstance(self.gamma, str):
            check_real(self, "gamma", low=0.0, inclusive="neither")
        else:
            check_choice(self, "gamma", ("median",))

    def _fit(self, X):
        n_centers = self.n_centers
        if n_centers > len(X):
            warn_user(
                f"n_centers={n_centers} is more than the {len(X)} samples: every sample is a "
                "centre.",
            )
            n_centers = len(X)
        random_state = check_random_state(self.random_state)
        self.gamma_ = self._inverse_width(X, random_state)
        self.centers_ = self._find_centers(X, n_centers, random_state)
        self.n_output_features_ = n_centers

    def _observable_names(self, names):
        return [f"rbf{j}" for j in range(self.n_output_features_)]

    def _inverse_width(self, X, random_state):
        if not isinstance(self.gamma, str):
            return float(self.gamma)
        some = X
        if len(X) > MEDIAN_ROWS:
            some = resample(X, replace=False, n_samples=MEDIAN_ROWS, random_state=random_state)
        # scipy's distances: inner products are faster, but rounding makes equal samples differ.
        distances = pdist(some.astype(np.float64))
        positive = distances[distances > 0]
        # If all samples are equal, they are lifted to ones for every width.
        return float(0.5 / np.median(positive) ** 2) if len(positive) else 1.0

    def _find_centers(self, X, n_centers, random_state):
        if n_centers == len(X):
            return X.copy()
        if self.centers == "random":
            return resample(X, replace=False, n_samples=n_centers, random_state=random_state)
        from sklearn.cluster import KMeans  # a slow import that most users do not need

        return KMeans(n_centers, n_init=1, random_state=random_state).fit(X).cluster_centers_

    def _lift(self, X):
        centers = self.centers_.astype(X.dtype, copy=False)
        return rbf_kernel(X, centers, gamma=self.gamma_)

    def to_function(self, dtype):
        """Return the Gaussians as a plain function of rows."""
        check_is_fitted(self)
        return gaussians(self.centers_, self.gamma_, dtype)

    def to_layer(self):
        """Return the Gaussians as a torch layer."""
        check_is_fitted(self)
        return torch_layers().GaussianKernel(self.centers_, self.gamma_)

    def add_to_graph(self, nodes, rows):
        """Add the exponentials of distances, by one product of matrices, to an ONNX graph."""
        check_is_fitted(self)
        # In float32, squares of numbers far from the origin would lose the distances.
        middle = nodes.constant(self.centers_.mean(axis=0))
        centers = nodes.constant(self.centers_) - middle
        rows = nodes.add("Sub", rows, middle)
        squares = nodes.add(
            "Add",
            nodes.add("ReduceSum", nodes.add("Mul", rows, rows), np.array([1]), keepdims=1),
            nodes.constant((centers * centers).sum(axis=1)),
        )
        products = nodes.add("MatMul", rows, nodes.constant(-2.0 * centers.T))
        # Rounding must not make it negative.
        distances = nodes.add("Relu", nodes.add("Add", squares, products))
        return nodes.add("Exp", nodes.add("Mul", distances, nodes.constant([-self.gamma_])))

    def add_to_program(self, program, rows):
        """Add the exponentials of distances to a program for microcontrollers."""
        check_is_fitted(self)
        distances = program.distances(rows, self.centers_)
        return program.function(program.scaled(distances, -self.gamma_), "exp")

    def operations(self):
        """Return the operations: a square for each feature of each centre, and the width."""
        check_is_fitted(self)
        return Operations.storing(
            self.centers_,
            self.gamma_,
            linear=self.n_output_features_,
            nonlinear=self.centers_.size,
        )

    def largest_curvatures(self, X, distances):
        r"""Return bounds of the second derivatives of the Gaussians near rows.

        At a distance d from its centre a Gaussian has the eigenvalues
        :math:`-2 \gamma e^{-\gamma d^2}` and :math:`(4 \gamma^2 d^2 - 2 \gamma) e^{-\gamma d^2}`.
        Their absolute values are at most :math:`2 \gamma`. From :math:`\gamma d^2 = 3/2` on, the
        latter is the larger one, and decreases.
        """
        check_is_fitted(self)
        gamma, centers = self.gamma_, self.centers_.astype(np.float64)
        nearest = np.maximum(euclidean_distances(X, centers) - distances[:, None], 0.0)
        squares = gamma * nearest**2
        far = (4 * squares - 2) * gamma * np.exp(-squares)
        return np.where(squares < 1.5, 2 * gamma, far)

    def chosen(self, indices):
        """Return the Gaussians around some of the centres."""
        check_is_fitted(self)
        chosen = copy(self)
        chosen.centers_ = self.centers_[indices]
        chosen.n_output_features_ = len(indices)
        return chosen

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_output_features_")
