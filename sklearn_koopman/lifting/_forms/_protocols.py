"""The forms that a fitted dictionary may have in addition to `transform`.

A dictionary has a form if it has the method of that name. Code that needs a form looks only for the
method: there is no list of dictionaries. All dictionaries of this package work this way. Each form
must agree with `transform`.
"""

from typing import Protocol, runtime_checkable

# #: Advice for a step without a form, for messages.
WAY_OUT = (
    "If it is the first step of a pipeline, use only the later steps: student[1:] takes the "
    "output of the first step, student[:1].transform(X)."
)


@runtime_checkable
class SupportsTorch(Protocol):
    """A transformer with a form in torch: for devices, networks and `to_module`."""

    def to_layer(self):
        """Return the fitted transformer as a torch layer.

        Returns
        -------
        layer : torch.nn.Module
            Maps rows (n_samples, n_features) to their observables, in float64. Copies of the fitted
            numbers are its parameters.
        """


@runtime_checkable
class SupportsFunction(Protocol):
    """An estimator with a form as a plain function: for `deployment.compile`."""

    def to_function(self, dtype):
        """Return the fitted estimator as a function of rows without validation.

        Parameters
        ----------
        dtype : numpy.dtype
            Dtype of the rows, float32 or float64.

        Returns
        -------
        function : callable
            Maps rows (n_samples, n_features) to their observables, or for a classifier to logits
            (n_samples, n_classes), in this dtype. It does not change the rows.
        """


@runtime_checkable
class SupportsOnnx(Protocol):
    """An estimator with a form in ONNX: for `to_onnx`."""

    def add_to_graph(self, nodes, rows):
        """Add the fitted estimator to a graph.

        Parameters
        ----------
        nodes : Nodes
            Writer of the nodes.
        rows : variable
            The rows (n_samples, n_features) in the graph.

        Returns
        -------
        observables : variable
            Observables of shape (n_samples, n_observables), or for a classifier logits (n_samples,
            n_classes).
        """


@runtime_checkable
class SupportsC(Protocol):
    """A transformer with a form in C: for `to_c`."""

    def add_to_program(self, program, rows):
        """Add the fitted transformer to a program.

        Parameters
        ----------
        program : Program
            Program to which steps are added, see `sklearn_koopman.microcontrollers.Program`.
        rows : Step
            Step whose numbers are lifted.

        Returns
        -------
        observables : Step
        """


@runtime_checkable
class SupportsCost(Protocol):
    """An estimator with a known cost: for `cost`, reports and frontiers."""

    def operations(self):
        """Return the stored numbers and the multiplications for one sample.

        Returns
        -------
        operations : Operations
        """


@runtime_checkable
class SupportsProducts(Protocol):
    """A transformer whose observables are products of the features: for the compiled kernel.

    The kernel multiplies them when it sums over rows, and does not store them.
    """

    def pair_products(self):
        """Return the observables as products.

        Returns
        -------
        products : PairProducts or None
            None if the observables of this fitted transformer are not products.
        """


@runtime_checkable
class SupportsChoice(Protocol):
    """A transformer that can compute some of its observables: for `ObservableSelector`."""

    def chosen(self, indices):
        """Return a transformer to some of the observables of the fitted transformer.

        Parameters
        ----------
        indices : ndarray of int
            Indices of the observables, in ascending order.

        Returns
        -------
        chosen : fitted transformer
            Transformer whose `transform` returns only these observables. It may have the other
            forms too.
        """


@runtime_checkable
class SupportsDegree(Protocol):
    """A transformer whose observables have a known degree: for exact answers.

    Transformers with `pair_products` do not need it.
    """

    def polynomial_degree(self):
        """Return the largest degree of the observables as polynomials of the features.

        Returns
        -------
        degree : int or None
            1 for a linear map, with or without a constant. None if some observable of the fitted
            transformer is not a polynomial.
        """


@runtime_checkable
class SupportsSlopes(Protocol):
    """A transformer whose slopes are multiples of its observables: for `perturbation`.

    Transformers with `pair_products` do not need it.
    """

    def slopes(self):
        """Return the slopes of the observables by the features.

        Returns
        -------
        slopes : Slopes or None
            None if the slopes of the fitted transformer are not multiples of its observables.
        """


@runtime_checkable
class SupportsCurvature(Protocol):
    """A transformer with known bounds of curvature: for certified radii."""

    def largest_curvatures(self, X, distances):
        """Return bounds of the second derivatives of the observables near rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        distances : ndarray of shape (n_samples,)
            Distance from each row within which the bound must hold.

        Returns
        -------
        curvatures : ndarray of shape (n_samples, n_observables), or None
            Largest absolute eigenvalues. None if the fitted transformer has no bounds.
        """
