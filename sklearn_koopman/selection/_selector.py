"""A dictionary with only the observables that least squares needs most."""

from copy import copy

import numpy as np
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .._fitting import keeping_what_was_fitted, store_fitted
from .._threads import threads_for
from .._validation import DTYPES, check_integer, check_real, check_verbose, is_integer
from ..lifting import (
    BlockLifter,
    as_function,
    as_layer,
    block_lift,
    choose_observables,
    operations_of,
    products_of_chain,
)
from ..linear import check_finite_moments, check_gram_fits_in_memory, forward_selection
from ..rows import GramMoments, accumulated, fit_lifter, lifted_blocks
from ..students import OneHotRows, check_weights, encode_labels, has_label


class ObservableSelector(BlockLifter):
    r"""Lift samples to the few observables of a dictionary that explain the targets best.

    It starts without observables and adds, one at a time, the one that most lowers

    .. math:: \frac{1}{2 \sum_i w_i} \sum_i w_i \|y_i - B^T \phi_S(x_i)\|^2
              + \frac{ridge}{2} \|B\|_F^2

    where :math:`\phi_S` are the standardised observables chosen so far, B is fitted anew for every
    choice, and the centred targets :math:`y_i` are those of all classes together. After `fit`, only
    the chosen observables are computed, so a student with this transformer as its `lifter` is
    small.

    Parameters
    ----------
    lifter : transformer, default=None
        Makes the candidates from X, block by block, so they are never all in memory. The lifters of
        this package, and unions of them, compute only the chosen observables after `fit`; other
        transformers compute all, and the rest is dropped. So put a PCA before this transformer and
        not into it. None takes the features of X as candidates.

    max_observables : int, default=1000
        Largest number of observables to choose. Fewer are chosen if there are fewer, or if no other
        observable explains anything more.

    ridge : float, default=1e-4
        L2 penalty on the coefficients of the standardised observables.

    unlabeled_value : object, default=None
        The value in y that means "no label"; such rows are not used. None: every row is labelled.

    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_candidates,)
        Which observables of the dictionary are chosen.

    order_ : ndarray of int, shape (`n_output_features_`,)
        The chosen observables in the order of their choice: the first m are what
        ``max_observables=m`` chooses.

    gains_ : ndarray of shape (`n_output_features_`,)
        How much each of them lowered the objective, in the same order.

    lifter_ : transformer
        The fitted dictionary, if there is one.

    n_output_features_ : int
        The number of observables chosen. They are lifted in the order of the dictionary.

    n_features_in_ : int
        Number of features seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit`. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    EDMDClassifier : Least squares on all observables.
    sklearn.feature_selection.SequentialFeatureSelector : Greedy selection by cross-validation,
        for any estimator; one fit for every candidate and choice.
    sklearn.linear_model.MultiTaskLasso : Selection for several targets by a group penalty.

    Notes
    -----
    One pass over the rows sums the Gram matrix of all D candidates, as in :class:`EDMDClassifier`.
    Then m choices take :math:`m^2 D` multiplications and memory for m D numbers.

    Constant observables are not chosen: the classifiers have intercepts.

    References
    ----------
    .. [1] S. Chen, S. A. Billings and W. Luo, "Orthogonal least squares methods and their
       application to non-linear system identification", International Journal of Control 50,
       1873-1896 (1989).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter, ObservableSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> selector = ObservableSelector(MonomialLifter(degree=3), max_observables=5)
    >>> student = EDMDClassifier(lifter=selector).fit(X, y)
    >>> student.coef_.shape
    (3, 5)
    >>> student.lifter_.get_feature_names_out()
    array(['x2', 'x0 x2', 'x2 x3', 'x0^2 x3', 'x2^2 x3'], dtype=object)
    >>> round(student.score(X, y), 2)
    0.96
    """

    _fewer_observables = "Lower max_observables"

    def __init__(
        self,
        lifter=None,
        *,
        max_observables=1000,
        ridge=1e-4,
        unlabeled_value=None,
        verbose=0,
    ):
        self.lifter = lifter
        self.max_observables = max_observables
        self.ridge = ridge
        self.unlabeled_value = unlabeled_value
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Choose observables.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Labels, or real numbers to be explained, such as a teacher's logits.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 is the same as two copies of the row.

        Returns
        -------
        self : object
            Fitted transformer.
        """
        with keeping_what_was_fitted(self):
            self._check_parameters()
            if y is None:
                raise ValueError(
                    "ObservableSelector requires y to be passed, but the target y is None."
                )
            X = validate_data(self, X, dtype=DTYPES)
            check_consistent_length(X, y)
            weight = check_weights(sample_weight, len(X))
            store_fitted(self, self._solve(X, np.asarray(y), weight))
        return self

    def first(self, n_observables):
        """Return a fitted selector of the observables that were chosen first.

        Greedy choices are nested, so it is the same as the selector of a fit with this number as
        `max_observables`, without the fit.

        Parameters
        ----------
        n_observables : int
            At least 1, at most `n_output_features_`.

        Returns
        -------
        selector : ObservableSelector
        """
        check_is_fitted(self)
        if not (is_integer(n_observables) and 1 <= n_observables <= len(self.order_)):
            raise ValueError(
                f"n_observables={n_observables!r} must be an int in the range [1, "
                f"{len(self.order_)}], the number of chosen observables."
            )
        selector = copy(self)
        selector.max_observables = int(n_observables)
        chosen = self.order_[:n_observables], self.gains_[:n_observables]
        store_fitted(selector, self._choice(self._dictionary, *chosen, len(self.support_)))
        return selector

    def get_support(self, indices=False):
        """Get which observables of the dictionary are chosen.

        Parameters
        ----------
        indices : bool, default=False
            Whether to return indices instead of a mask.

        Returns
        -------
        support : ndarray
            Mask of shape (n_candidates,), or indices of shape (`n_output_features_`,).
        """
        check_is_fitted(self)
        return np.flatnonzero(self.support_) if indices else self.support_

    def _observable_names(self, names):
        if self._dictionary is not None:
            names = self._dictionary.get_feature_names_out(names)
        return np.asarray(names, dtype=object)[self.support_]

    @property
    def _dictionary(self):
        return getattr(self, "lifter_", None)

    def _check_parameters(self):
        check_verbose(self)
        check_integer(self, "max_observables", minimum=1)
        check_real(self, "ridge", low=0.0, inclusive="left")

    def _solve(self, X, y, weight):
        """Return the fitted attributes: the chosen observables and their order."""
        targets, n_targets, weight = self._targets(y, weight)
        is_labelled = has_label(y, self.unlabeled_value) if y.ndim == 1 else None
        lifter = fit_lifter(self.lifter, X, y, is_labelled)
        blocks = lifted_blocks(lifter, X)
        check_gram_fits_in_memory(blocks.n_observables)
        with threads_for(blocks):
            start = GramMoments(blocks.n_observables, n_targets)
            moments = accumulated(start, blocks, targets, weight)
            check_finite_moments(moments.scale)
            order, gains = forward_selection(moments, self.ridge, self.max_observables)
        if len(order) == 0:
            raise ValueError(
                f"None of the {blocks.n_observables} observables explains any part of y: all of "
                "them, or y, are constant."
            )
        return self._choice(lifter, order, gains, blocks.n_observables)

    def _targets(self, y, weight):
        """Return the targets, the number of their columns, and the weights of their rows."""
        if y.ndim == 2 and y.shape[1] > 1:
            targets = check_array(y, dtype=np.float64, input_name="y")
            return targets, targets.shape[1], weight
        y = column_or_1d(y, warn=True)
        is_labelled = has_label(y, self.unlabeled_value)
        weight = weight * is_labelled
        if not weight.any():
            raise ValueError(
                "There is nothing to learn from: no row of positive weight has a label."
            )
        if type_of_target(y[is_labelled], input_name="y") == "continuous":
            return np.where(is_labelled, y, 0.0)[:, None], 1, weight
        labels = encode_labels(y, self.unlabeled_value)
        n_classes = len(labels.classes)
        return OneHotRows(labels.codes, n_classes), n_classes, weight

    def _choice(self, lifter, order, gains, n_candidates):
        """Return the fitted attributes of a choice, with the transformer that computes it."""
        support = np.zeros(n_candidates, dtype=bool)
        support[order] = True
        fitted = {
            "order_": order,
            "gains_": gains,
            "support_": support,
            "n_output_features_": len(order),
            "_chosen_lifter": choose_observables(
                lifter, np.flatnonzero(support), self.n_features_in_
            ),
        }
        return fitted if lifter is None else fitted | {"lifter_": lifter}

    def _lift(self, X):
        return block_lift(self._chosen_lifter, X.dtype)(X)

    def to_function(self, dtype):
        """Return the chosen observables as a plain function of rows."""
        check_is_fitted(self)
        return as_function(self._chosen_lifter, dtype)

    def to_layer(self):
        """Return the chosen observables as a torch layer."""
        check_is_fitted(self)
        return as_layer(self._chosen_lifter)

    def add_to_graph(self, nodes, rows):
        """Add the chosen observables to an ONNX graph."""
        check_is_fitted(self)
        return nodes.add_transformer(self._chosen_lifter, rows)

    def add_to_program(self, program, rows):
        """Add the chosen observables to a program for microcontrollers."""
        check_is_fitted(self)
        return program.transformer(self._chosen_lifter, rows)

    def operations(self):
        """Return the operations for the chosen observables."""
        check_is_fitted(self)
        return operations_of(self._chosen_lifter)

    def pair_products(self):
        """Return the chosen observables as products, or None if they are not products."""
        check_is_fitted(self)
        return products_of_chain(self._chosen_lifter, self.n_features_in_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_chosen_lifter")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
