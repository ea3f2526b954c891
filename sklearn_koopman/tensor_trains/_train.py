r"""Tensor trains: linear functions on product dictionaries that are too large for any memory.

A dictionary of all products of the local features :math:`\phi_k` of sites k = 1, ..., p has
:math:`\prod_k n_k` observables. A tensor train holds the coefficients of all classes as cores
:math:`A_k` of shape (r_k, n_k, r_{k+1}), one of which, the class core, has an axis for the
classes too:

.. math:: s_c(x) = A_1[\phi_1(x)] \cdots A_{m-1}[\phi_{m-1}(x)] \; A_m[\phi_m(x)]_c \;
          A_{m+1}[\phi_{m+1}(x)] \cdots A_p[\phi_p(x)] ,
          \qquad A_k[\phi] = \sum_j \phi_j A_k(:, j, :) .

The product of the factors to the left of a site is a row vector, the left environment. The product
to its right is the right environment. Arrays of many samples have one column per sample here, so
everything is a product of a small matrix with a wide one.

References
----------
I. V. Oseledets, "Tensor-train decomposition", SIAM Journal on Scientific Computing 33, 2295-2317
(2011).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from ..lifting import Operations

# Eigenvalues below this share of the largest are rounding errors.
RANK_TOLERANCE = 1e-12


@dataclass(frozen=True)
class TensorTrain:
    """Coefficients of all products of local features, for some classes.

    Attributes
    ----------
    cores : list of ndarray
        Arrays of shape (left rank, n_features, right rank). The class core has the shape (left
        rank, n_features, n_classes, right rank). The first left rank and the last right rank are 1.
    centre : int
        Index of the class core.
    """

    cores: list
    centre: int

    @property
    def n_parameters(self):
        """Number of entries of all cores."""
        return sum(core.size for core in self.cores)

    @property
    def multiplications(self):
        """Number of multiplications for the logits of one sample, given its local features."""
        total = self.n_parameters
        for k, core in enumerate(self.cores):
            total += core.shape[-1 if k > self.centre else 0] * core.shape[1]
        n_classes, right_rank = self.cores[self.centre].shape[2:]
        return total + n_classes * right_rank

    def operations(self):
        """Return the operations of the logits, given the local features."""
        n = self.n_parameters
        return Operations.storing(*self.cores, linear=n, nonlinear=self.multiplications - n)

    @property
    def ranks(self):
        """Ranks between neighbouring cores."""
        return [core.shape[0] for core in self.cores[1:]]

    def astype(self, dtype):
        """Return the same train in another precision."""
        return TensorTrain([core.astype(dtype) for core in self.cores], self.centre)

    def __call__(self, features):
        """Return the logits of samples.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_features, n_samples)
            Local features of each site.

        Returns
        -------
        logits : ndarray of shape (n_classes, n_samples)
        """
        return self.forward(features).logits

    def forward(self, features):
        """Pass samples through the train, and return the logits and what gradients need.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_features, n_samples)

        Returns
        -------
        forward : Pass
        """
        return Pass(self, features)


class Pass:
    """One pass of samples through a train, keeping what the gradient needs.

    Attributes
    ----------
    logits : ndarray of shape (n_classes, n_samples)
    """

    def __init__(self, train, features):
        self.train, self.features = train, features
        cores, centre = train.cores, train.centre
        self.inputs: list = [None] * len(cores)
        ones = np.ones((1, features[0].shape[1]), features[0].dtype)
        left = right = ones
        for k in range(centre):
            self.inputs[k] = products(left, features[k])
            left = left_matrix(cores[k]).T @ self.inputs[k]
        for k in range(len(cores) - 1, centre, -1):
            self.inputs[k] = products(features[k], right)
            right = right_matrix(cores[k]) @ self.inputs[k]
        self.inputs[centre] = products(left, features[centre])
        self.right = right
        n_classes = cores[centre].shape[2]
        parts = left_matrix(cores[centre]).T @ self.inputs[centre]
        self.parts = parts.reshape(n_classes, len(right), -1)
        self.logits = (self.parts * right).sum(axis=1)

    def gradient(self, slope):
        """Return the gradient with respect to each core, from the one with respect to the logits.

        Parameters
        ----------
        slope : ndarray of shape (n_classes, n_samples)

        Returns
        -------
        gradient : list of ndarray
        """
        cores, centre, inputs = self.train.cores, self.train.centre, self.inputs
        gradient = [None] * len(cores)
        above = products(slope, self.right)
        gradient[centre] = (inputs[centre] @ above.T).reshape(cores[centre].shape)
        above = self._through_left(centre, above)
        for k in range(centre - 1, -1, -1):
            gradient[k] = (inputs[k] @ above.T).reshape(cores[k].shape)
            if k:
                above = self._through_left(k, above)
        above = (self.parts * slope[:, None]).sum(axis=0)
        for k in range(centre + 1, len(cores)):
            gradient[k] = (above @ inputs[k].T).reshape(cores[k].shape)
            if k < len(cores) - 1:
                above = right_matrix(cores[k]).T @ above
                above = above.reshape(*cores[k].shape[1:], -1)
                above = (above * self.features[k][:, None]).sum(axis=0)
        return gradient

    def _through_left(self, k, above):
        """Return the gradient by a core's left environment, from the gradient by its output."""
        core = self.train.cores[k]
        above = (left_matrix(core) @ above).reshape(*core.shape[:2], -1)
        return (above * self.features[k]).sum(axis=1)


def products(first, second):
    """Return all products of the rows of two arrays; the rows of the second vary fastest."""
    return (first[:, None] * second).reshape(-1, first.shape[1])


def left_matrix(core):
    """Return a core as a matrix whose rows are (left rank, feature)."""
    return core.reshape(core.shape[0] * core.shape[1], -1)


def right_matrix(core):
    """Return a core as a matrix whose columns are (feature, right rank)."""
    return core.reshape(core.shape[0], -1)


# Starting points


def linear_start(moments, sizes, rank, n_classes, random_state):
    """Return a train whose environments are constants and linear functions of the features.

    The class core is in the middle and is zero. The environment to its left consists of 1 and the
    leading principal components of all local features there, scaled to unit variance. The
    environment to its right is made in the same way. So the first step can use all products of a
    component from the left and one from the right, and every core further out has a gradient. (With
    random cores, the product of hundreds of them is almost zero, and so is its gradient.) If there
    are fewer components than ranks, random mixtures of them fill the rest.

    Parameters
    ----------
    moments : GramMoments
        Moments of the local features of all sites, side by side.
    sizes : sequence of int
        Numbers of features of the sites.
    rank : int
        Largest rank.
    n_classes : int
    random_state : numpy.random.RandomState

    Returns
    -------
    train : TensorTrain
        In float64.
    """
    site, sides = _sides(moments, sizes, rank, random_state)
    (left, of_left), (right, of_right) = sides
    class_core = np.zeros((len(of_left), len(site), n_classes, len(of_right)))
    return _joined(left, class_core, right)


def start_of_linear_model(moments, sizes, rank, coef, intercept, random_state):
    """Return a train that computes the logits of a linear model, and its intercepts.

    The environments are as in `linear_start`, but the components are first those that the logits
    are made of, then the leading principal components of what these leave. A rank that exceeds
    that of the model gives its logits exactly.

    Parameters
    ----------
    moments, sizes, rank, random_state
        As for `linear_start`. The constant 1 must be a sum of the features of each site.
    coef : ndarray of shape (n_features, n_classes)
        Of all local features, side by side.
    intercept : ndarray of shape (n_classes,)

    Returns
    -------
    train : TensorTrain
        In float64.
    intercept : ndarray of shape (n_classes,)
    """
    site, sides = _sides(moments, sizes, rank, random_state, coef)
    (left, of_left), (right, of_right) = sides
    mean, covariance = _mean_and_covariance(moments)
    one = _constant(mean[site], covariance[np.ix_(site, site)])
    ones_left, ones_right = of_left[:, 0], of_right[:, 0]
    class_core = np.einsum("i,jc,k->ijck", ones_left, coef[site], ones_right)
    class_core += np.einsum("ic,j,k->ijck", of_left[:, 1:], one, ones_right)
    class_core += np.einsum("i,j,kc->ijck", ones_left, one, of_right[:, 1:])
    beside = np.delete(np.arange(len(mean)), site)
    return _joined(left, class_core, right), intercept + mean[beside] @ coef[beside]


def _mean_and_covariance(moments):
    return moments.mean[: moments.n_observables], moments.gram / moments.weight


def _sides(moments, sizes, rank, random_state, coef=None):
    """Return the columns of the site in the middle, and the chains left and right of it."""
    mean, covariance = _mean_and_covariance(moments)
    centre = len(sizes) // 2
    columns = np.split(np.arange(len(mean)), np.cumsum(sizes)[:-1])
    return columns[centre], [
        _linear_chain(mean, covariance, sites, rank, random_state, coef)
        for sites in (columns[:centre], columns[:centre:-1])
    ]


def _joined(left, class_core, right):
    """Return the train of cores from the left end and from the right end to the class core."""
    return TensorTrain([*left, class_core, *map(mirrored, reversed(right))], len(left))


def _linear_chain(mean, covariance, sites, rank, random_state, coef):
    """Return cores that sum up linear functions site by site, and what they are good for.

    Parameters
    ----------
    mean : ndarray of shape (n_columns,)
    covariance : ndarray of shape (n_columns, n_columns)
    sites : list of ndarray of int
        The columns of each site, from the outside to the class core.
    rank : int
    random_state : numpy.random.RandomState
    coef : ndarray of shape (n_columns, n_classes), or None
        Of a linear model.

    Returns
    -------
    cores : list of ndarray
    made_of : ndarray of shape (last rank, 1 + n_classes)
        Coefficients of the last environment whose sums are the constant 1 and, given a linear
        model, what these sites add to its logits, less the mean.
    """
    n_classes = 0 if coef is None else coef.shape[1]
    if not sites:
        return [], np.eye(1, 1 + n_classes)
    columns = np.concatenate(sites)
    if coef is None:
        weights = _components(covariance, columns, rank - 1, random_state)
        of_logits = np.zeros((rank - 1, 0))
    else:
        weights, of_logits = _parts_of_logits(covariance, columns, rank - 1, coef, random_state)
    offset = -mean[columns] @ weights / len(sites)
    weights = np.split(weights, np.cumsum([len(site) for site in sites])[:-1])
    cores: list = []
    # If the rank is large enough, all products of the sites so far are kept. These are the
    # coefficients that make the environment from them.
    mixture = np.eye(1, rank)
    for site, weight in zip(sites, weights, strict=True):
        one = _constant(mean[site], covariance[np.ix_(site, site)])
        core = np.zeros((rank, len(site), rank))
        core[np.arange(rank), :, np.arange(rank)] = one
        core[0, :, 1:] += weight + np.outer(one, offset)
        before = len(mixture)
        mixture = np.tensordot(mixture, core, 1).reshape(before * len(site), rank)
        if len(mixture) < rank:
            cores.append(np.eye(len(mixture)).reshape(before, len(site), -1))
        else:
            cores.append(mixture.reshape(before, len(site), rank))
            mixture = np.eye(rank)
    return cores, np.hstack([mixture[:, :1], mixture[:, 1:] @ of_logits])


def _constant(mean, covariance):
    """Return the coefficients of local features whose sum is nearest to the constant 1."""
    _, inverse_root = roots(covariance + np.outer(mean, mean))
    return inverse_root @ (inverse_root.T @ mean)


def _components(covariance, columns, n_components, random_state):
    """Return weights (n_columns, n_components) of components of unit variance."""
    variances, directions = eigh(covariance[np.ix_(columns, columns)])
    n_kept = int(np.sum(variances > RANK_TOLERANCE * max(variances[-1], 0.0)))
    n_kept = min(n_kept, n_components)
    top = np.arange(len(variances))[::-1][:n_kept]
    weights = directions[:, top] / np.sqrt(variances[top])
    return _filled_up(_with_fixed_signs(weights), n_components, random_state)


def _parts_of_logits(covariance, columns, n_components, coef, random_state):
    """Return weights of components that logits are made of, and the logits' coefficients.

    Parameters
    ----------
    covariance : ndarray of shape (n_all_columns, n_all_columns)
    columns : ndarray of int
    n_components : int
    coef : ndarray of shape (n_all_columns, n_classes)
    random_state : numpy.random.RandomState

    Returns
    -------
    weights : ndarray of shape (n_columns, n_components)
        Of uncorrelated components of unit variance: first those of the logits, then the leading
        principal ones of what is left.
    of_logits : ndarray of shape (n_components, n_classes)
    """
    root, inverse = roots(covariance[np.ix_(columns, columns)])
    logits = root @ coef[columns]
    chosen = _leading(logits, n_components, np.square(logits).sum())
    left = root - chosen @ (chosen.T @ root)
    more = _leading(left, n_components - chosen.shape[1], np.square(root).sum())
    chosen = np.hstack([chosen, more])
    weights = _with_fixed_signs(inverse @ chosen)
    of_logits = np.zeros((n_components, coef.shape[1]))
    of_logits[: weights.shape[1]] = (
        weights.T @ covariance[np.ix_(columns, columns)] @ coef[columns]
    )
    return _filled_up(weights, n_components, random_state), of_logits


def _leading(matrix, n_most, total):
    """Return the leading left singular vectors, without those that are rounding of a total."""
    vectors, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    n_kept = int(np.sum(sizes**2 > RANK_TOLERANCE * total))
    return vectors[:, : min(n_kept, n_most)]


def _with_fixed_signs(weights):
    # The sign of an eigenvector is left to chance by LAPACK.
    largest = np.abs(weights).argmax(axis=0)
    return weights * np.sign(weights[largest, np.arange(weights.shape[1])])


def _filled_up(weights, n_components, random_state):
    """Return weights with random mixtures of them behind, as many as are missing."""
    n_kept = weights.shape[1]
    mixing = random_state.normal(size=(n_kept, n_components - n_kept)) / np.sqrt(max(n_kept, 1))
    return np.hstack([weights, weights @ mixing])


def roots(gram, shift=0.0):
    """Return a root of a positive semi-definite matrix and the inverse of that root.

    Directions in which the matrix is zero are left out.

    Parameters
    ----------
    gram : ndarray of shape (n, n)
    shift : float, default=0.0
        Number that is added to all eigenvalues, in units of their mean.

    Returns
    -------
    root : ndarray of shape (rank, n)
        Matrix with ``root.T @ root = gram``.
    inverse : ndarray of shape (n, rank)
        Matrix with ``root @ inverse = I``.
    """
    values, vectors = eigh(gram)
    values += shift * values.mean()
    kept = values > RANK_TOLERANCE * values[-1]
    kept[-1] = True  # a matrix of zeros keeps one direction
    values, vectors = np.maximum(values[kept], np.finfo(float).tiny), vectors[:, kept]
    return np.sqrt(values)[:, None] * vectors.T, vectors / np.sqrt(values)


def mirrored(core):
    """Return a core with left and right exchanged."""
    axes = (3, 1, 2, 0) if core.ndim == 4 else (2, 1, 0)
    return np.ascontiguousarray(core.transpose(axes))
