"""Nonlinearities of optics: intensities, interferometers, saturable absorbers."""

from functools import partial

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._memory import check_fits_in_memory
from .._validation import check_choice, check_integer, check_random_state, check_real
from ._base import Dictionary
from ._forms._functions import affine
from ._forms._operations import Operations
from ._forms._torch_layers import linear_layer, torch_layers

NONLINEARITIES = ("intensity", "cosine", "saturable_absorption")


class OpticalLifter(Dictionary):
    r"""Lift samples to what detectors see after a random, passive optical element.

    The features z modulate light, which a fixed random element (a scattering medium, a multimode
    fibre, a mesh that is left as it was made) mixes into :math:`D` amplitudes

    .. math:: u_j = \frac{scale}{\sqrt p} \sum_{i=1}^p R_{ji} z_i + b_j .

    The observables are

    - "intensity": :math:`|u_j|^2`, with R and b complex Gaussian: what a camera sees. They are
      random mixtures of all monomials up to degree 2.
    - "cosine": :math:`\sqrt 2 \cos(u_j)`, with R Gaussian and b uniform on a circle: an
      interferometer whose phase is modulated. Their products approximate a Gaussian kernel.
    - "saturable_absorption": :math:`I_j \exp(-\alpha / (1 + I_j))` of the intensity
      :math:`I_j = |u_j|^2` in units of the saturation intensity: a thin absorber of optical
      depth :math:`\alpha` that becomes transparent in strong light.

    Parameters
    ----------
    n_components : int, default=500
        Number D of observables.
    nonlinearity : {"intensity", "cosine", "saturable_absorption"}, default="intensity"
    scale : float > 0, default=1.0
        Size of the amplitudes; for "cosine" the Gaussian kernel is
        :math:`\exp(-scale^2 \|z - z'\|^2 / (2 p))`. Features of unit variance suit it
        (``PCA(whiten=True)``, StandardScaler).
    optical_depth : float >= 0, default=2.0
        Optical depth of the absorber in weak light.
    random_state : int, RandomState instance or None, default=None
        Seeds the random element.

    Attributes
    ----------
    mixing_ : ndarray of shape (`n_features_in_`, n_components)
        The transposed matrix R times its factor, complex for intensities.
    offset_ : ndarray of shape (n_components,)
        The amplitudes b, without light from the features.
    n_output_features_ : int
        D.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    MonomialLifter : All monomials, exactly.
    sklearn.kernel_approximation.RBFSampler : The cosines, for a kernel of given width.

    References
    ----------
    .. [1] A. Saade et al., "Random projections through multiple optical scattering: approximating
       kernels at the speed of light", ICASSP (2016), arXiv:1510.06664: intensities.
    .. [2] A. Rahimi and B. Recht, "Random features for large-scale kernel machines", NeurIPS 20
       (2007): cosines.
    .. [3] A. C. Selden, "Pulse transmission through a saturable absorber", British Journal of
       Applied Physics 18, 743-748 (1967); used as an optical nonlinearity by Y. Shen et al.,
       Nature Photonics 11, 441-446 (2017).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_koopman import EDMDClassifier
    >>> from sklearn_koopman.lifting import OpticalLifter
    >>> X, y = load_iris(return_X_y=True)
    >>> lifter = make_pipeline(StandardScaler(), OpticalLifter(30, random_state=0))
    >>> float(EDMDClassifier(lifter=lifter).fit(X, y).score(X, y))
    0.98
    """

    _fewer_observables = "Lower n_components"

    def __init__(
        self,
        n_components=500,
        *,
        nonlinearity="intensity",
        scale=1.0,
        optical_depth=2.0,
        random_state=None,
    ):
        self.n_components = n_components
        self.nonlinearity = nonlinearity
        self.scale = scale
        self.optical_depth = optical_depth
        self.random_state = random_state

    def _check_parameters(self):
        check_integer(self, "n_components", minimum=1)
        check_choice(self, "nonlinearity", NONLINEARITIES)
        check_real(self, "scale", low=0.0, inclusive="neither")
        check_real(self, "optical_depth", low=0.0, inclusive="left")

    def _fit(self, X):
        p, n_components = X.shape[1], int(self.n_components)
        check_fits_in_memory(
            2 * p * n_components * X.dtype.itemsize,
            f"A random element of {p} features and n_components={n_components}",
            "Lower n_components, or reduce the features first (PCA).",
        )
        draw = check_random_state(self.random_state)
        if self.nonlinearity == "cosine":
            mixing = draw.standard_normal((p, n_components))
            offset = draw.uniform(0, 2 * np.pi, n_components)
            dtype = X.dtype
        else:
            mixing = _complex_normal(draw, (p, n_components))
            offset = self.scale * _complex_normal(draw, n_components)
            dtype = np.result_type(X.dtype, np.complex64)
        self.mixing_ = (self.scale / np.sqrt(p) * mixing).astype(dtype)
        self.offset_ = offset.astype(dtype)
        self.n_output_features_ = n_components

    def to_function(self, dtype):
        """Return mixing and detection as a plain function of rows."""
        check_is_fitted(self)
        mixers = [affine(matrix, offset, dtype) for matrix, offset in self._real_parts()]
        return partial(self._detected, mixers)

    def to_layer(self):
        """Return mixing and detection as a torch layer."""
        check_is_fitted(self)
        mixers = [linear_layer(matrix.T, offset) for matrix, offset in self._real_parts()]
        if self.nonlinearity == "cosine":
            return torch_layers().Cosines(*mixers, float(np.sqrt(2)))
        is_absorbing = self.nonlinearity == "saturable_absorption"
        depth = float(self.optical_depth) if is_absorbing else 0.0
        return torch_layers().Intensities(*mixers, depth)

    def add_to_graph(self, nodes, rows):
        """Add the mixing, and cosines or intensities of the amplitudes, to an ONNX graph."""
        check_is_fitted(self)
        parts = [
            nodes.add("Gemm", rows, nodes.constant(matrix), nodes.constant(offset))
            for matrix, offset in self._real_parts()
        ]
        if self.nonlinearity == "cosine":
            return nodes.add("Mul", nodes.add("Cos", *parts), nodes.constant([np.sqrt(2)]))
        intensity = nodes.add("Add", *(nodes.add("Mul", part, part) for part in parts))
        if self.nonlinearity == "intensity":
            return intensity
        absorbed = nodes.add(
            "Div",
            nodes.constant([-self.optical_depth]),
            nodes.add("Add", intensity, nodes.constant([1.0])),
        )
        return nodes.add("Mul", intensity, nodes.add("Exp", absorbed))

    def add_to_program(self, program, rows):
        """Add the mixing, and cosines or intensities of the amplitudes, to a program."""
        check_is_fitted(self)
        parts = [
            program.affine(rows, matrix.T, offset) for matrix, offset in self._real_parts()
        ]
        if self.nonlinearity == "cosine":
            return program.scaled(program.function(parts[0], "cos"), np.sqrt(2))
        intensity = program.sum(*(program.function(part, "square") for part in parts))
        if self.nonlinearity == "intensity":
            return intensity
        passed = program.scaled(program.function(intensity, "reciprocal"), -self.optical_depth)
        return program.product(intensity, program.function(passed, "exp"))

    def operations(self):
        """Return the operations: complex mixing is two real ones, an intensity has two squares."""
        check_is_fitted(self)
        mixing = (Operations.of_matrix(*part) for part in self._real_parts())
        n_products = {"intensity": 2, "cosine": 0, "saturable_absorption": 3}
        # the factor of the cosines becomes part of the matrix after them
        detection = Operations(nonlinear=n_products[self.nonlinearity] * len(self.offset_))
        return sum(mixing, detection)

    def polynomial_degree(self):
        """Return 2 for intensities, None if the detector is not a polynomial."""
        check_is_fitted(self)
        return 2 if self.nonlinearity == "intensity" else None

    def largest_curvatures(self, X, distances):
        """Return bounds of the second derivatives of cosines, or None for other detectors."""
        check_is_fitted(self)
        if self.nonlinearity != "cosine":
            return None
        squares = np.square(self.mixing_.astype(np.float64)).sum(axis=0)
        return np.broadcast_to(np.sqrt(2.0) * squares, (len(X), len(squares)))

    def _real_parts(self):
        """Return pairs of matrix and offset: one for real amplitudes, two for complex ones."""
        parts = (np.real,) if self.nonlinearity == "cosine" else (np.real, np.imag)
        return [(part(self.mixing_), part(self.offset_)) for part in parts]

    def _observable_names(self, names):
        return [f"opticallifter{j}" for j in range(self.n_output_features_)]

    def _lift(self, X):
        return self.to_function(X.dtype)(X)

    def _detected(self, mixers, X):
        """Return what is detected after one mixer of rows, or after those of the two real parts."""
        if self.nonlinearity == "cosine":
            (mixer,) = mixers
            phase = mixer(X)
            np.cos(phase, out=phase)
            phase *= X.dtype.type(np.sqrt(2))
            return phase
        intensity = np.zeros((len(X), len(self.offset_)), X.dtype)
        for mixer in mixers:  # two real products cost half of a complex one
            amplitude = mixer(X)
            intensity += np.square(amplitude, out=amplitude)
        if self.nonlinearity == "saturable_absorption":
            intensity *= np.exp(-X.dtype.type(self.optical_depth) / (1 + intensity))
        return intensity

    def __sklearn_is_fitted__(self):
        return hasattr(self, "mixing_")


def _complex_normal(draw, shape):
    """Return complex numbers of unit variance, half of it in each part."""
    return (draw.standard_normal(shape) + 1j * draw.standard_normal(shape)) / np.sqrt(2)
