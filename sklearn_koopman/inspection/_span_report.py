"""A linearised network and its alternatives, side by side."""

from copy import copy
from time import perf_counter

import numpy as np
from sklearn.base import clone

from .._validation import is_integer
from ..networks import (
    LinearizedNetworkClassifier,
    drop_span,
    fitted_network,
    low_rank_span,
    pruned_span,
    spans_of,
    weighted_layers,
)
from ._cost import Operations, UncountableError, count_operations, count_spans
from ._fidelity import fidelity_score
from ._report import _NAN, _checked, _operations, _repeated, _report, _Run

# Parameters with which a classifier is the best affine map.
_AFFINE = {"lifter": None, "rank": None, "density": None, "lift_output": False, "epochs": 0}


def span_report(
    classifier, X, y, *, X_test, y_test, random_states=(0,), tail_epochs=0, verbose=None
):
    """Compare a linearised network with the whole network and with other ways to replace a span.

    The rows of the report are

    - the network, as it is;
    - the network without the span, if the input and the output of the span have the same shape;
    - the best affine map in place of the span;
    - the weights of the span, each as a product of two factors of the same rank, and
    - the weights of the span, pruned by magnitude. Both have as many numbers as `classifier` has in
      place of the span (or all weights, if it has more). Both are left out if the span has no
      weights;
    - the linearised network, which is `classifier`;
    - with `tail_epochs`, the linearised network after training of the matrix and all layers after
      it.

    Everything is fitted anew on X for each seed. `X_test` is used only to evaluate, never to
    choose.

    Parameters
    ----------
    classifier : LinearizedNetworkClassifier
        A classifier with a single span. It is cloned, so it need not be fitted.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Rows to fit to.
    y : array-like of shape (n_samples,)
        Labels of these rows.
    X_test : array-like of shape (n_test_samples, n_features) or (n_test_samples, ...)
        Rows to evaluate on.
    y_test : array-like of shape (n_test_samples,)
        Labels of these rows.
    random_states : int or sequence of int, default=(0,)
        Seeds. Each one in turn is set in every `random_state` parameter and in torch (whose own
        generator is restored afterwards).
    tail_epochs : int, default=0
        Number of epochs in which the matrix and the layers after it are trained on the outputs of
        the network (``trained="tail"``). With 0 this row is left out.
    verbose : int, default=None
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step. None is 1 where stderr is a terminal, and in notebooks, else 0.

    Returns
    -------
    report : DistillationReport
        Print it, or use its `rows` or `to_frame()`. `fidelity` is the agreement with the network.
        Entries that are zero do not count as parameters or multiplications.

    See Also
    --------
    distillation_report : The report for a student in place of a whole network.
    sklearn_koopman.networks.LinearizedNetworkClassifier : The classifier that is compared.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_koopman import MonomialLifter
    >>> from sklearn_koopman.inspection import span_report
    >>> from sklearn_koopman.networks import LinearizedNetworkClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
    >>> student = LinearizedNetworkClassifier(
    ...     MLPClassifier((32, 16), solver="lbfgs", max_iter=100),
    ...     ("linear1", "activation1"),
    ...     lifter=make_pipeline(PCA(15), MonomialLifter(2)),
    ... )
    >>> report = span_report(student, X, y, X_test=X_test, y_test=y_test)
    >>> for row in report.rows:
    ...     print(row.model)
    network
    affine map
    weights, low rank
    weights, pruned
    linearised
    >>> report.rows[-1].fidelity > 0.9
    True
    """
    if not isinstance(classifier, LinearizedNetworkClassifier):
        raise TypeError(
            f"classifier must be a LinearizedNetworkClassifier, got {type(classifier).__name__}. "
            "After a grid search, pass its best_estimator_."
        )
    if not is_integer(tail_epochs) or tail_epochs < 0:
        raise ValueError(f"tail_epochs={tail_epochs!r}: must be an int >= 0.")
    if len(spans_of(classifier)) > 1:
        raise ValueError(
            f"span={classifier.span!r}: the report compares replacements of one span. Make a "
            "report of its own for each span."
        )
    if y is None or y_test is None:
        raise ValueError("span_report needs labels: pass y and y_test.")
    X, y, X_test, y_test, seeds = _checked(X, y, X_test, y_test, random_states)

    def runs_of(model):
        model.set_params(module=fitted_network(model.module, X, y, None))
        return _runs(model, X, y, X_test, y_test, tail_epochs)

    # The number of models to compare depends on the span.
    runs = _repeated(classifier, seeds, runs_of, None, verbose)
    return _report(runs, len(X), y_test, seeds)


def _runs(model, X, y, X_test, y_test, tail_epochs):
    """Yield the name and the run of every model of one seed."""
    fit_time = _time_to_fit(model, X, y)
    judge = _Judge(model, X_test, y_test)
    network, (span,) = model.network_.module, spans_of(model)
    yield "network", judge.network(network)
    if judge.keeps_the_shape():
        yield "without the span", judge.network(drop_span(network, span))
    if any(getattr(model, name) != value for name, value in _AFFINE.items()):
        affine = clone(model).set_params(**_AFFINE)
        yield "affine map", judge.classifier(affine, _time_to_fit(affine, X, y))
    layers = weighted_layers(network, span)
    n_weights = judge.n_weights(layers)
    if layers and n_weights:
        compressed, rank = low_rank_span(network, span, n_weights)
        sizes = [(layer.weight.shape[0], layer.weight[0].numel()) for layer in layers]
        kept = [min(rank * (m + n), m * n) for m, n in sizes]
        layers = weighted_layers(compressed, span)
        yield "weights, low rank", judge.network(compressed, layers, kept)
        compressed = pruned_span(network, span, n_weights)
        layers = weighted_layers(compressed, span)
        kept = [int(layer.weight.count_nonzero()) for layer in layers]
        yield "weights, pruned", judge.network(compressed, layers, kept)
    yield "linearised", judge.classifier(model, fit_time)
    if tail_epochs > 0:
        tail = clone(model).set_params(epochs=int(tail_epochs), trained="tail")
        yield "linearised, tail trained", judge.classifier(tail, _time_to_fit(tail, X, y))


def _time_to_fit(classifier, X, y):
    start = perf_counter()
    classifier.fit(X, y)
    return perf_counter() - start


class _Judge:
    """Evaluates the network, and replacements of its span, on the test rows.

    Parameters
    ----------
    fitted : LinearizedNetworkClassifier
    X_test, y_test : ndarray
    """

    def __init__(self, fitted, X_test, y_test):
        self.fitted = fitted
        self.X_test, self.y_test = X_test, y_test
        self.teacher = copy(fitted.network_)
        self.teacher.memory = None  # predictions must be computed, because they are timed
        self.labels = self._labels_of(self.teacher)

    def network(self, module, layers=(), kept=()):
        """Return the run of a network.

        Parameters
        ----------
        module : torch.nn.Module
        layers : list of torch.nn.Module
            Layers of the network in which some weights do not count.
        kept : list of int
            Number of weights that count in each of these layers.
        """
        teacher = self._of(module)
        operations = count_operations(teacher, self.X_test)
        for layer, n_kept in zip(layers, kept, strict=True):
            n_outputs = sum(behind.numel() for _, behind in self._shapes(layer, teacher))
            n_less = layer.weight.numel() - n_kept
            n_positions = n_outputs // layer.weight.shape[0]
            operations += Operations(
                -n_less, -n_less * n_positions, 0, -n_less * layer.weight.element_size()
            )
        return self._run(self._labels_of, teacher, operations, _NAN)

    def classifier(self, fitted, fit_time):
        """Return the run of a fitted classifier."""
        operations = _operations(fitted, self.X_test)
        return self._run(fitted.predict, self.X_test, operations, fit_time)

    def keeps_the_shape(self):
        """Return whether the input and the output of the span have the same shape."""
        linearized = self.fitted.linearized_
        ((before, behind),) = self._shapes(linearized.koopman_0, self._of(linearized))
        return before == behind

    def n_weights(self, layers):
        """Return how many weights of some layers fit into the size of the span's replacement.

        0 if the biases alone are more numbers, or if the size of the replacement is not known.
        """
        try:
            (span,) = count_spans(self.fitted, self.X_test)
        except UncountableError:
            return 0
        biases = sum(layer.bias.numel() for layer in layers if layer.bias is not None)
        return max(0, span.parameters - biases)

    def _of(self, module):
        teacher = copy(self.teacher)
        teacher.module = module
        return teacher

    def _labels_of(self, teacher):
        logits = self.fitted._aligned(teacher(self.X_test))
        return self.fitted.classes_[logits.argmax(axis=1)]

    def _run(self, predict, of, operations, fit_time):
        start = perf_counter()
        found = predict(of)
        predict_time = perf_counter() - start
        accuracy = float(np.mean(found == self.y_test))
        fidelity = fidelity_score(self.labels, found)
        return _Run(accuracy, fidelity, fit_time, predict_time, operations, found)

    def _shapes(self, layer, teacher):
        """Return the shapes that enter and leave a layer in its calls for one sample."""
        shapes = []

        def note(layer, inputs, output):
            shapes.append((inputs[0].shape[1:], output.shape[1:]))

        with layer.register_forward_hook(note):
            teacher(self.X_test[:1])
        return shapes
