"""The few directions of input space that a teacher's answers depend on."""

import numpy as np
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.utils import resample
from sklearn.utils.validation import check_is_fitted, validate_data

from .._progress import progress
from .._validation import (
    DTYPES,
    check_integer,
    check_random_state,
    check_real,
    check_verbose,
    invalid_parameter,
)
from ..lifting import BlockLifter, Operations, linear_layer
from ..students import SharingEstimator
from ..teachers import as_teacher, teacher_logits


class ActiveSubspace(SharingEstimator, BlockLifter):
    r"""Coordinates along the directions in which a teacher's answers change most.

    PCA keeps the directions in which samples differ. A dictionary of products has room for few
    coordinates, so they should be those that the teacher looks at. With samples in whitened PCA
    coordinates z, the teacher's logits :math:`\ell(z)`, their Jacobian J and
    :math:`q = \mathrm{softmax}(\ell / T)`, the components are the leading eigenvectors of

    .. math:: G = \frac{1}{m} \sum_{i=1}^m J_i^T (\mathrm{diag}(q_i) - q_i q_i^T) J_i .

    A small step d of all samples changes the teacher's soft answers by
    :math:`d^T G d / (2 T^2)`, as the mean Kullback-Leibler divergence: what the loss of
    `KoopmanDistilledClassifier` would lose. The directions are an active subspace [1]_ for
    this loss; G is the Fisher information of the teacher about its inputs.

    Parameters
    ----------
    teacher : object
        The teacher of the student: a network, a callable or a classifier. It is given the X of
        `fit`, so this transformer is the first step of a student's `lifter`. An estimator is cloned
        and fitted to X and y first, unless it is frozen. Its answers should change gradually: those
        of trees change in jumps, which small steps do not see.

    n_components : int, default=40
        Number of coordinates, at most `n_preliminary`.

    n_preliminary : int, default=100
        Number of PCA coordinates to begin with, at most the rank of X. Directions in which samples
        hardly differ are dropped here, even if the teacher depends on them.

    temperature : float, default=2.0
        The T above. At a low temperature only the samples count of which the teacher is unsure.

    n_samples : int, default=500
        Number of samples, drawn from X, at which the teacher is differentiated; all if X has fewer.
        The teacher is asked about ``2 * n_preliminary * n_samples`` rows.

    step : float, default=0.1
        Step of the central differences, in standard deviations of the PCA coordinate.

    random_state : int, RandomState instance or None, default=0
        Seeds the choice of samples.
    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.

    Attributes
    ----------
    components_ : ndarray of shape (`n_output_features_`, `n_features_in_`)
        The directions: the coordinates are ``(X - mean_) @ components_.T``, uncorrelated and with
        variance 1.

    sensitivities_ : ndarray of shape (`n_output_features_`,)
        The eigenvalues of G, in descending order.

    mean_ : ndarray of shape (`n_features_in_`,)
        The mean of the samples.

    n_output_features_ : int
        The number of coordinates.

    n_features_in_ : int
        Number of features seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit`. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    sklearn.decomposition.PCA : The directions in which samples differ most.
    ObservableSelector : Chooses among the products of coordinates.

    References
    ----------
    .. [1] P. G. Constantine, E. Dow and Q. Wang, "Active subspace methods in theory and practice:
       applications to kriging surfaces", SIAM Journal on Scientific Computing 36, A1500-A1524
       (2014).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman import ActiveSubspace
    >>> X = np.random.default_rng(0).normal(size=(500, 10))
    >>> def teacher(X):  # looks at one direction only
    ...     return np.tanh(X[:, [3]] - X[:, [7]]) * [1.0, -1.0]
    >>> subspace = ActiveSubspace(teacher, n_components=2).fit(X)
    >>> subspace.components_[0].round(1) + 0.0
    array([ 0. ,  0. ,  0. ,  0.7,  0. ,  0. ,  0. , -0.7,  0. ,  0. ])
    >>> bool(subspace.sensitivities_[1] < 1e-3 * subspace.sensitivities_[0])
    True
    """

    _fewer_observables = "Lower n_components"

    def __init__(
        self,
        teacher,
        n_components=40,
        *,
        n_preliminary=100,
        temperature=2.0,
        n_samples=500,
        step=0.1,
        random_state=0,
        verbose=0,
    ):
        self.teacher = teacher
        self.n_components = n_components
        self.n_preliminary = n_preliminary
        self.temperature = temperature
        self.n_samples = n_samples
        self.step = step
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Find the directions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The data.

        y : array-like of shape (n_samples,), default=None
            Labels. A teacher that is an estimator to fit needs them, others do not.

        Returns
        -------
        self : object
            Fitted transformer.
        """
        with self._keeping_what_was_fitted():
            self._check_parameters()
            X = validate_data(self, X, dtype=DTYPES)
            teacher = as_teacher(self.teacher).fit(X, y)
            self._store(self._solve(X, teacher))
        return self

    def _check_parameters(self):
        if self.teacher is None:
            raise invalid_parameter(self, "teacher", "a teacher, as that of a student")
        check_verbose(self)
        check_integer(self, "n_components", minimum=1)
        check_integer(self, "n_preliminary", minimum=1)
        check_real(self, "temperature", low=0.0, inclusive="neither")
        check_integer(self, "n_samples", minimum=1)
        check_real(self, "step", low=0.0, inclusive="neither")

    def _solve(self, X, teacher):
        """Return the fitted attributes: the directions, and the teacher's sensitivity to them."""
        if (X[0] == X).all():
            raise ValueError(
                f"All samples are the same (n_samples={len(X)}): there is no direction to choose."
            )
        random_state = check_random_state(self.random_state)
        most = min(self.n_preliminary, *X.shape)
        pca = PCA(most, random_state=random_state).fit(X)
        deviations = np.sqrt(pca.explained_variance_)
        varies = deviations > 10 * np.finfo(X.dtype).eps * deviations[0]
        if not (np.isfinite(deviations).all() and varies.any()):
            raise ValueError(
                f"Standard deviations of the rows, the largest {deviations[0]:.3g}, overflow or "
                f"vanish in {X.dtype}. Scale the features first (StandardScaler)."
            )
        directions, deviations = pca.components_[varies], deviations[varies]
        some = X
        if len(X) > self.n_samples:
            some = resample(
                X, replace=False, n_samples=self.n_samples, random_state=random_state
            )
        G = self._information(some, directions * deviations[:, None], teacher)
        eigenvalues, vectors = np.linalg.eigh(G)
        largest_first = slice(None, -self.n_components - 1, -1)
        vectors = vectors[:, largest_first]
        # The sign of an eigenvector is arbitrary: the largest entry of each is made positive.
        vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), range(vectors.shape[1])])
        return {
            "mean_": pca.mean_,
            "components_": (vectors.T @ (directions / deviations[:, None])).astype(X.dtype),
            "sensitivities_": eigenvalues[largest_first],
            "n_output_features_": vectors.shape[1],
        }

    def _information(self, X, steps, teacher):
        """Return the matrix G for directions that are each one standard deviation long."""

        def logits(rows):
            return teacher_logits(
                teacher(rows), teacher.output, parameter="as_teacher's output"
            )

        found = []
        with progress("directions", len(steps), "direction") as counted:
            for i, change in enumerate(self.step * steps.astype(X.dtype)):
                found.append((logits(X + change) - logits(X - change)) / (2 * self.step))
                counted.done(f"direction {i + 1:4d}")
        jacobians = np.stack(found, axis=2)
        probabilities = softmax(logits(X) / self.temperature, axis=1)
        # sqrt(q) (J - q^T J) are factors of J^T (diag(q) - q q^T) J.
        jacobians -= np.einsum("ic,icj->ij", probabilities, jacobians)[:, None]
        jacobians *= np.sqrt(probabilities)[:, :, None]
        factors = jacobians.reshape(-1, len(steps))
        return factors.T @ factors / len(X)

    def _lift(self, X):
        components = self.components_.astype(X.dtype, copy=False)
        return X @ components.T - (components @ self.mean_.astype(X.dtype, copy=False))

    def to_layer(self):
        """Return the projection as a torch layer."""
        check_is_fitted(self)
        return linear_layer(self.components_, -self.components_ @ self.mean_)

    def add_to_graph(self, nodes, rows):
        """Centre, and multiply by one matrix, in an ONNX graph."""
        check_is_fitted(self)
        centred = nodes.add("Sub", rows, nodes.constant(self.mean_))
        return nodes.add("MatMul", centred, nodes.constant(self.components_.T))

    def add_to_program(self, program, rows):
        """Add the projection to a program for microcontrollers."""
        check_is_fitted(self)
        return program.affine(rows, self.components_, -self.components_ @ self.mean_)

    def operations(self):
        """Return the operations of one matrix."""
        check_is_fitted(self)
        return Operations.of_matrix(self.components_, self.mean_)

    def polynomial_degree(self):
        """Return 1, because the projection is linear."""
        check_is_fitted(self)
        return 1

    def _observable_names(self, names):
        return [f"activesubspace{j}" for j in range(self.n_output_features_)]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_output_features_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # A fitted transformer that is shipped has no teacher.
        has_teacher = self.teacher is not None
        tags.target_tags.required = has_teacher and not as_teacher(self.teacher).is_fixed
        return tags
