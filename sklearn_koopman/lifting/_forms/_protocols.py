"""The forms that a fitted dictionary may have beside `transform`.

A dictionary that has a method of one of these names has that form, and whoever needs the form finds
it by the method alone: there is no list of dictionaries anywhere. All of this package's use nothing
else. Each form must agree with `transform`.
"""

from typing import Protocol, runtime_checkable

#: What helps where a step has no form, for messages.
WAY_OUT = (
    "If it is a first step of a pipeline, take the later steps alone: student[1:], which takes "
    "what the first step makes of rows, student[:1].transform(X)."
)


@runtime_checkable
class SupportsTorch(Protocol):
    """A transformer with a form in torch: for devices, networks and `to_module`."""

    def to_layer(self):
        """Return the fitted transformer as a layer of torch.

        Returns
        -------
        layer : torch.nn.Module
            Maps rows (n_samples, n_features) to their observables, in float64. What was fitted is
            a parameter of it, a copy.
        """


@runtime_checkable
class SupportsFunction(Protocol):
    """An estimator with a form as a plain function: for `deployment.compile`."""

    def to_function(self, dtype):
        """Return the fitted estimator as a function of rows that validates nothing.

        Parameters
        ----------
        dtype : numpy.dtype
            float32 or float64: that of the rows.

        Returns
        -------
        function : callable
            Maps rows (n_samples, n_features) to their observables, of a classifier to its logits
            (n_samples, n_classes), in this dtype. It leaves the rows as they are.
        """


@runtime_checkable
class SupportsOnnx(Protocol):
    """An estimator with a form in ONNX: for `to_onnx`."""

    def add_to_graph(self, nodes, rows):
        """Add the fitted estimator to a graph.

        Parameters
        ----------
        nodes : Nodes
            What nodes are added with.
        rows : variable
            The rows (n_samples, n_features) in the graph.

        Returns
        -------
        observables : variable
            Of shape (n_samples, n_observables); of a classifier its logits (n_samples,
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
            What steps are added with, see `sklearn_koopman.microcontrollers.Program`.
        rows : Step
            Whose numbers are lifted.

        Returns
        -------
        observables : Step
        """


@runtime_checkable
class SupportsCost(Protocol):
    """An estimator that knows what it costs: for `cost`, reports and frontiers."""

    def operations(self):
        """Return what the fitted estimator stores and what it multiplies for one sample.

        Returns
        -------
        operations : Operations
        """


@runtime_checkable
class SupportsProducts(Protocol):
    """A transformer whose observables are products of the features: for the compiled kernel.

    The kernel multiplies them where they are summed, and stores none.
    """

    def pair_products(self):
        """Return the observables as products.

        Returns
        -------
        products : PairProducts or None
            None if this one's observables are not products after all.
        """


@runtime_checkable
class SupportsChoice(Protocol):
    """A transformer that can compute some of its observables: for `ObservableSelector`."""

    def chosen(self, indices):
        """Return what computes some of the observables of the fitted transformer.

        Parameters
        ----------
        indices : ndarray of int
            Which, in ascending order.

        Returns
        -------
        chosen : fitted transformer
            Its `transform` gives these observables only; it may have the other forms too.
        """


@runtime_checkable
class SupportsDegree(Protocol):
    """A transformer that knows of which degree its observables are: for exact answers.

    What has `pair_products` is known without it.
    """

    def polynomial_degree(self):
        """Return the largest degree of the observables as polynomials of the features.

        Returns
        -------
        degree : int or None
            1 for a linear map, with or without a constant; None if some observable of the fitted
            transformer is not a polynomial.
        """


@runtime_checkable
class SupportsSlopes(Protocol):
    """A transformer whose slopes are multiples of its observables: for `perturbation`.

    What has `pair_products` is known without it.
    """

    def slopes(self):
        """Return the slopes of the observables by the features.

        Returns
        -------
        slopes : Slopes or None
            None if those of the fitted transformer are not multiples of its observables.
        """


@runtime_checkable
class SupportsCurvature(Protocol):
    """A transformer that knows how much its observables bend: for certified radii."""

    def largest_curvatures(self, X, distances):
        """Return bounds of the second derivatives of the observables near rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        distances : ndarray of shape (n_samples,)
            How far from each row the bound is to hold.

        Returns
        -------
        curvatures : ndarray of shape (n_samples, n_observables), or None
            Largest absolute eigenvalues; None if the fitted transformer knows none.
        """
