"""A network with spans of its layers replaced by one Koopman matrix each."""

from copy import deepcopy
from typing import ClassVar

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .._finite import finite
from .._validation import (
    DTYPES,
    check_random_state,
)
from ..lifting import WITH_LAYERS
from ..rows import as_numpy
from ..students import Labels, SharingEstimator, check_weights, encode_labels, margin
from ..teachers import (
    check_outputs,
    import_torch,
    to_numpy,
)
from ._network import OutputColumns, fitted_network, running
from ._parameters import check_parameters, for_each_span, spans_of


class LinearizedNetworkClassifier(ClassifierMixin, SharingEstimator):
    r"""Network with spans of its layers replaced by one Koopman matrix each.

    The input of a span, :math:`a`, is lifted to observables :math:`\psi(a)`, standardised to
    :math:`\phi(a)`. The output of the span, :math:`b`, is predicted by the matrix :math:`B` that
    minimises

    .. math:: \frac{1}{2 \sum_i w_i} \sum_i w_i \|b_i - \bar b - B^T \phi(a_i)\|^2
              + \frac{ridge}{2} \|B\|_F^2, \qquad \operatorname{rank} B \le rank

    (extended dynamic mode decomposition, EDMD). The layers before and after the span stay as they
    are. The only nonlinear part that is left of the span is the lifting.

    Parameters
    ----------
    module : torch.nn.Module, TorchTeacher, MLPClassifier or skorch net
        The network. A torch module is used as it is, never changed, and shared by clones. Wrap it
        in a :class:`~sklearn_koopman.teachers.TorchTeacher` to set the shape of its input, a
        device, the batch size or its classes. An estimator is cloned and fitted on the training
        data, unless it is wrapped in :class:`~sklearn.frozen.FrozenEstimator`. The layers of an
        `MLPClassifier` are named ``linear0``, ``activation0``, ``linear1``, and so on.
    span : str, tuple of (str, str), or list of them
        Names of the first and the last submodule to replace, as in ``module.named_modules()``; a
        single name is a span of one submodule. Give several spans in the order in which they run.
        Each one is fitted after the matrices of the earlier spans.
    lifter : transformer or None, or list of them, default=None
        Makes observables of (rows of) activations. A list has one for each span. None uses the
        activations themselves, which gives the best affine map.
    rank : int or None, or list of them, default=None
        Largest rank of the matrix, which is stored as two factors then. A list has one for each
        span.
    ridge : float, default=1e-6
        L2 penalty on the coefficients of the standardised observables.
    density : float, default=None
        Share of the entries of the matrix (or of each factor) to keep: the ones of largest
        magnitude on standardised observables. None keeps all.
    lift_output : bool, default=False
        Whether the matrix maps observables to observables. A second regression then maps the
        observables back to the output, and `rank` restricts the larger matrix. If a span has as
        many inputs as outputs, that matrix has eigenvalues, see
        :func:`~sklearn_koopman.inspection.span_spectrum`.
    layout : {"whole", "channels_first", "channels_last"}, default="whole"
        What a row is. "whole": a whole activation, flattened. "channels_first": each position of
        maps (n, channels, height, width). "channels_last": each position of sequences (n, ...,
        channels). With the last two, the same matrix acts at every position.
    kernel_size : int or tuple of (int, int), default=1
        Height and width of the patch of the input that each position of the output sees, for
        ``layout="channels_first"``. Stride and padding follow from the sizes of the maps. With an
        int they are the same in both directions.
    epochs : int, default=0
        Number of epochs in which the matrices are trained, starting from the least-squares
        solution. The loss is (1 - soft_weight) CE + soft_weight T^2 KL, with the Kullback-Leibler
        divergence between the outputs of the whole network and of the linearised one. 0 does not
        train.
    trained : {"matrix", "tail"}, default="matrix"
        What is trained: the matrices, or also (copies of) all layers after the first span.
    soft_weight : float, default=0.9
        Weight of the Kullback-Leibler term, in [0, 1].
    temperature : float, default=2.0
        T.
    learning_rate : float, default=1e-3
        Step size of Adam, annealed to 0; it acts on standardised observables.
    batch_size : int, default=256
        Number of rows in a training step.
    random_state : int, RandomState instance or None, default=None
        Seeds the order of the rows in training. Nothing else is random.
    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.
    teacher_output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the outputs of the network are; see
        :class:`~sklearn_koopman.KoopmanDistilledClassifier`. "auto" uses the `output` of a
        `TorchTeacher`, or else guesses, with an error if the outputs are not clear.
    teacher_classes : array-like of shape (n_columns,), default=None
        The class of each output of the network. None: the classes of a `TorchTeacher` or of a
        fitted estimator, or else the sorted labels.

    Attributes
    ----------
    operators_ : list of KoopmanOperator
        For each span the least-squares solution (before pruning and training): `coef`, `matrix`,
        `intercept`, `singular_values`, `lifter`.
    linearized_ : torch.fx.GraphModule
        The network that predicts. It shares the layers that were not replaced with the original.
    loss_curve_ : list of float
        Mean loss of each epoch. Empty without training.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    network_ : TorchTeacher
        The original network.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    drop_span, low_rank_span, pruned_span : Other ways to replace a span.
    sklearn_koopman.KoopmanDistilledClassifier : One matrix instead of the whole network.

    Notes
    -----
    The network is traced by :mod:`torch.fx`. Only modules that contain an end of a span are traced
    inside. If other layers use an inner result of a span (a skip connection that leaves it), this
    result is still computed. One pass over the rows fits a matrix, in O(D^2) memory for D
    observables. A lifter is fitted to arrays of at most 20,000 rows, evenly spaced, without
    weights. float32 activations are multiplied in float32 and their products summed in float64, as
    in :class:`~sklearn_koopman.EDMDClassifier`.

    References
    ----------
    .. [1] Sugishita, Kinjo and Ohkubo (2024), arXiv:2402.11740: inner layers as one matrix.
    .. [2] Aswani, Jabari and Shafique (2024), arXiv:2409.01308: single layers, by dynamic mode
       decomposition with delay coordinates.
    .. [3] M. O. Williams, I. G. Kevrekidis and C. W. Rowley, "A data-driven approximation of the
       Koopman operator: extending dynamic mode decomposition", Journal of Nonlinear Science 25,
       1307-1346 (2015), section 2.
    .. [4] A. J. Izenman, "Reduced-rank regression for the multivariate linear model", Journal of
       Multivariate Analysis 5, 248-264 (1975).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_koopman import MonomialLifter
    >>> from sklearn_koopman.networks import LinearizedNetworkClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> net = MLPClassifier((32, 16), solver="lbfgs", max_iter=100, random_state=0)
    >>> student = LinearizedNetworkClassifier(
    ...     net, ("linear1", "activation1"), lifter=MonomialLifter(2), ridge=1e-3
    ... ).fit(X / 16, y)
    >>> student.operators_[0].matrix.shape
    (16, 561)
    >>> bool(student.score(X / 16, y) > 0.98)
    True
    """

    _shared_parameters: ClassVar[tuple[str, ...]] = ("module",)

    def __init__(
        self,
        module,
        span,
        *,
        lifter=None,
        rank=None,
        ridge=1e-6,
        density=None,
        lift_output=False,
        layout="whole",
        kernel_size=1,
        epochs=0,
        trained="matrix",
        soft_weight=0.9,
        temperature=2.0,
        learning_rate=1e-3,
        batch_size=256,
        random_state=None,
        verbose=0,
        teacher_output="auto",
        teacher_classes=None,
    ):
        self.module = module
        self.span = span
        self.lifter = lifter
        self.rank = rank
        self.ridge = ridge
        self.density = density
        self.lift_output = lift_output
        self.layout = layout
        self.kernel_size = kernel_size
        self.epochs = epochs
        self.trained = trained
        self.soft_weight = soft_weight
        self.temperature = temperature
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes

    def fit(self, X, y=None, sample_weight=None):
        """Fit the matrices, one span after the other.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows in the form that the network takes. float32, float64 and whole numbers are kept
            until they enter the network, batch by batch. The network computes in its own dtype.
        y : array-like of shape (n_samples,), default=None
            Labels. They give the classes, fit a network that is an estimator, and count in the
            cross-entropy if `epochs` is positive. Least squares does not use them. None: the
            classes are those of the network, or the numbers of its columns, and the soft weight is
            1.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 is the same as two copies of the row.

        Returns
        -------
        self : object
            Fitted classifier.
        """
        with self._keeping_what_was_fitted():
            import_torch("LinearizedNetworkClassifier")
            check_parameters(self)
            X, y, sample_weight = map(as_numpy, (X, y, sample_weight))
            raw_X = X
            if y is None:
                X = validate_data(self, X, dtype=_dtypes_of(X), allow_nd=True)
            else:
                X, y = validate_data(self, X, y, dtype=_dtypes_of(X), allow_nd=True)
            weight = check_weights(sample_weight, len(X))
            given = None if sample_weight is None else weight
            seen = X if X.ndim > 2 else raw_X
            network = fitted_network(self.module, seen, y, given, self.teacher_classes)
            labels = self._labels(y, X, network)
            columns = OutputColumns.of(network, X, labels.classes, self.teacher_output)
            self._store(self._solve(network, X, labels, weight, columns))
        return self

    def _labels(self, y, X, network):
        """Return the labels; without labels, the classes of the network."""
        if y is not None:
            return encode_labels(y, None, network.classes_)
        if self.epochs > 0 and self.soft_weight == 0:
            raise ValueError(
                "soft_weight=0 learns from labels alone: it requires y to be passed, but the "
                "target y is None. Pass y to fit, or set a positive soft_weight."
            )
        classes = network.classes_
        if classes is None:
            classes = np.arange(max(network(X[:1]).shape[1], 2))
        return Labels.without_any(len(X), classes)

    def _solve(self, network, X, labels, weight, columns):
        """Return the fitted attributes: the matrices, and the network that contains them."""
        from ._fit_spans import SpanSettings, fit_layers, fold
        from ._graph import TracedNetwork

        spans = spans_of(self)
        settings = SpanSettings(
            for_each_span(self.lifter, len(spans)),
            for_each_span(self.rank, len(spans)),
            self.ridge,
            self.density,
            self.lift_output,
            self.layout,
            self.kernel_size,
        )
        with import_torch().no_grad():
            traced = TracedNetwork(network.module, spans, network.run)
            layers, operators = fit_layers(network, traced, settings, X, weight)
        linearized, loss_curve = traced.with_layers(layers), []
        if self.epochs > 0:
            linearized, layers, loss_curve = self._train(
                network, traced, linearized, layers, X, labels, weight, columns
            )
        fold(layers, operators)
        return {
            "operators_": operators,
            "linearized_": linearized,
            "loss_curve_": loss_curve,
            "classes_": labels.classes,
            "network_": network,
            "_output": columns.kind,
            "_columns": columns.chosen,
        }

    def _train(self, network, traced, linearized, layers, X, labels, weight, columns):
        """Return the trained network, the layers in it, and the loss of each epoch."""
        from ._distil import DistillationOptions, distil_network, trainable

        options = DistillationOptions(
            self.epochs,
            labels.soft_weight(self.soft_weight),
            self.temperature,
            self.learning_rate,
            self.batch_size,
            self.trained,
            self.density,
        )
        linearized, layers, parameters, masks = trainable(traced, linearized, layers, options)
        rng = check_random_state(self.random_state)
        losses = distil_network(
            network, linearized, columns, parameters, masks, X, labels, weight, options, rng
        )
        return linearized, layers, losses

    def decision_function(self, X):
        """Return the logits of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows as `fit` received them.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For two classes, the logit of the second minus that of the first. If the network gives
            probabilities, the logits are their logarithms.
        """
        logits = self._logits(X)
        return finite(margin(logits), "The logits")

    def predict_proba(self, X):
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows as `fit` received them.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
        """
        return softmax(self._logits(X), axis=1)

    def predict(self, X):
        """Return the class with the largest logit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows as `fit` received them.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.classes_[self._logits(X).argmax(axis=1)]

    def to_module(self):
        """Return the linearised network as a plain torch module.

        It has the same inputs and outputs as the network. It needs this package only for the code
        of its classes, as any torch module does. :func:`torch.export.export` and
        :func:`torch.jit.script` can export it if they can export its layers.

        Returns
        -------
        module : torch.nn.Module
            A module in eval mode that shares nothing with the original.

        Raises
        ------
        TypeError
            If a lifter has no counterpart in torch. The transformers that
            :func:`sklearn_koopman.deployment.to_module` supports have one.
        """
        check_is_fitted(self)
        self._check_exportable("to_module")
        return deepcopy(self.linearized_).eval()

    def _check_exportable(self, purpose):
        from ._layers import ForeignLift

        for part in self.linearized_.modules():
            if isinstance(part, ForeignLift):
                raise TypeError(
                    f"{purpose}: lifter={part.lifter!r} has no counterpart in torch. Known are "
                    f"{WITH_LAYERS}."
                )

    def _logits(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_dtypes_of(X), allow_nd=True, reset=False)
        torch = import_torch()
        network = self.network_
        outputs = []
        with running(network, self.linearized_) as to_input, torch.inference_mode():
            for batch in network._row_batches(len(X)):
                output = network.tensor_of(self.linearized_(to_input(X[batch])))
                outputs.append(to_numpy(output))
        return self._aligned(check_outputs(np.concatenate(outputs), repr(self), len(X)))

    def _aligned(self, outputs):
        """Return outputs of the network (an array) as logits, one column per class."""
        return OutputColumns(self._output, self._columns).logits_of_array(outputs)


def _dtypes_of(X):
    """Return the dtypes to keep, also whole numbers, because each batch is cast for the network."""
    is_whole = isinstance(X, np.ndarray) and X.dtype.kind in "biu"
    return None if is_whole else DTYPES
