"""A decision tree that says what a network says, found in what the network represents."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from .._threads import threads_for
from .._validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_random_state,
    check_real,
    check_verbose,
    invalid_parameter,
)
from ..linear import LinearProbes
from ..rows import RowBlocks, as_numpy
from ..students import Student, some_rows
from ..teachers import OUTPUT_KINDS
from ._clauses import Literals, grow_clauses
from ._decision_tree import as_decision_tree, walk
from ._dynamic import best_trees
from ._features import internal_features

_NOTHING_TO_LEARN_FROM = (
    "A distilled tree says what a teacher says, and there is none: pass teacher= to the "
    "constructor or soft_labels= to fit. (For a tree of the labels themselves there is "
    "sklearn.tree.DecisionTreeClassifier.)"
)


@dataclass(frozen=True)
class SizedTree:
    """The best tree of one size.

    Attributes
    ----------
    n_leaves : int
    fidelity : float
        Fraction of the training rows on which it agrees with the teacher.
    validation_fidelity : float
        The same for the rows held out to choose the size; NaN where there are none.
    decision_tree : DecisionTreeClassifier
        scikit-learn's.
    clause_errors : ndarray of shape (n_nodes,)
        Error of the linear probe of each node's clause, from 0 (the network's features contain it)
        to 1 (they know nothing of it).
    """

    n_leaves: int
    fidelity: float
    validation_fidelity: float
    decision_tree: Any
    clause_errors: np.ndarray


class DistilledTreeClassifier(Student):
    r"""Decision tree read out of a network's features (PAC-distillation).

    The path to each node of a tree is a clause: "petal length <= 2.5 and not petal width <= 1.6".
    If a network decides as a tree does, these clauses are likely to be linear functions of its
    features :math:`\phi` (its activations), and can be found one condition at a time. A clause with
    indicator :math:`c` has the error

    .. math:: e(c) = \frac{1}{\bar c (1 - \bar c)} \min_{w, b} \Big[
              \frac{1}{n} \sum_i (c_i - b - w^T \phi(x_i))^2 + ridge \|w\|^2 \Big] ,

    by least squares; one factorisation of the features' Gram matrix serves all clauses. Level by
    level, every condition is added to every clause, and the best `beam_width` clauses are kept,
    among them those of a greedy tree of the teacher's choices. Dynamic programming then finds, for
    each number of leaves, the tree over these clauses that agrees with the teacher on most training
    rows.

    Parameters
    ----------
    teacher : torch.nn.Module, classifier, callable or TorchTeacher, default=None
        The network. A scikit-learn or skorch classifier is cloned and fitted on the training
        data, unless it is wrapped in :class:`~sklearn.frozen.FrozenEstimator`; anything else is
        used as it is. See :func:`~sklearn_koopman.teachers.as_teacher`. It may be None if `fit` is
        given `soft_labels`.
    features : torch.nn.Module, fitted estimator or callable, default=None
        Source of the features. A torch module or skorch net gives the inputs and outputs of its
        layers, except its own input. An `MLPClassifier` gives the activations before and after the
        nonlinearities. A classifier of this package gives its observables. A callable maps what the
        teacher sees to an array of shape (n_samples, n_columns). None: the teacher's own features,
        or its logits if it hides them. The class that it chooses is always added.
    max_depth : int, default=4
        Largest depth of the tree.
    beam_width : int, default=100
        Largest number of clauses of each depth. None keeps all: the tree is then the best of all
        trees of that depth, and the time grows as (number of conditions) ** `max_depth`.
    greedy : bool, default=True
        Whether up to half of the beam goes to the cuts that separate the teacher's choices best,
        as `DecisionTreeClassifier` would cut. The other half, or all with False (as published),
        goes to those that the features represent best.
    max_leaf_nodes : int, default=None
        Largest number of leaves; 2 ** `max_depth` if None.
    min_samples_leaf : int, default=1
        Smallest number of training rows in a leaf.
    max_thresholds : int, default=16
        Largest number of thresholds per input, at quantiles of its training values. More of them
        find better cuts and take more time. An input with two values has one. Encode categories
        with a :class:`~sklearn.preprocessing.OneHotEncoder`.
    ridge : float, default=1e-3
        Penalty on the squared norm of the probes' coefficients, in units of the total variance
        of the (standardised) features.
    max_probe_samples : int, default=2000
        Largest number of training rows, drawn at random, to which probes are fitted. The trees
        themselves are chosen by all training rows.
    validation_fraction : float, default=0.2
        Fraction of the rows that is held out to choose the number of leaves: of the trees that
        agree with the teacher on most of these rows, the smallest is taken. None holds out no rows
        and takes the tree that agrees best on the training rows.
    teacher_output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the teacher or `soft_labels` give; see `KoopmanDistilledClassifier`.
    teacher_classes : array-like of shape (n_columns,), default=None
        The class of each column of the teacher. None: its `classes_`, or else the sorted labels.
    unlabeled_value : object, default=None
        The value in y that means "no label"; only the teacher labels such rows. None: every row is
        labelled.
    random_state : int, RandomState instance or None, default=None
        Seeds the choice of the rows that are held out, and of those that are probed.
    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.

    Attributes
    ----------
    decision_tree_ : DecisionTreeClassifier
        The tree as a fitted scikit-learn estimator: for
        :func:`~sklearn.tree.plot_tree`, :func:`~sklearn.tree.export_text` and all other tools.
    tree_ : sklearn.tree._tree.Tree
        Its arrays, as in `DecisionTreeClassifier`.
    path_ : list of SizedTree
        The best tree of each size that agrees with the teacher better than all smaller ones.
    clause_errors_ : ndarray of shape (n_nodes,)
        Error of the probe of each node's clause.
    n_probes_ : int
        Number of clauses to which a probe was fitted.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    teacher_ : Teacher
        The teacher, if there is one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    sklearn_koopman.inspection.fidelity_certificate : How often tree and teacher may disagree.
    sklearn.tree.DecisionTreeClassifier : Grown greedily, without the features of a network.

    Notes
    -----
    y is used to fit a teacher that is an estimator, and to name the classes. The teacher labels the
    leaves. As in scikit-learn's trees, inputs are float32.

    The rank of a cut is that of the worse of its two halves. A level takes one matrix product for
    each clause of the beam, over the rows where it holds.

    References
    ----------
    .. [1] E. Boix-Adsera, "Towards a theory of model distillation", arXiv:2403.09053 (2024),
       the section on distilling neural networks into decision trees.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn.tree import export_text
    >>> from sklearn_koopman import DistilledTreeClassifier
    >>> iris = load_iris()
    >>> net = MLPClassifier(20, solver="lbfgs", max_iter=100, random_state=0)
    >>> student = DistilledTreeClassifier(
    ...     net, max_depth=2, max_thresholds=50, random_state=0
    ... ).fit(iris.data, iris.target)
    >>> print(export_text(student.decision_tree_, feature_names=iris.feature_names))
    |--- petal length (cm) <= 2.35
    |   |--- class: 0
    |--- petal length (cm) >  2.35
    |   |--- petal width (cm) <= 1.75
    |   |   |--- class: 1
    |   |--- petal width (cm) >  1.75
    |   |   |--- class: 2
    <BLANKLINE>
    """

    _shared_parameters: ClassVar[tuple[str, ...]] = ("teacher", "features")

    def __init__(
        self,
        teacher=None,
        *,
        features=None,
        max_depth=4,
        beam_width=100,
        greedy=True,
        max_leaf_nodes=None,
        min_samples_leaf=1,
        max_thresholds=16,
        ridge=1e-3,
        max_probe_samples=2000,
        validation_fraction=0.2,
        teacher_output="auto",
        teacher_classes=None,
        unlabeled_value=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.features = features
        self.max_depth = max_depth
        self.beam_width = beam_width
        self.greedy = greedy
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.max_thresholds = max_thresholds
        self.ridge = ridge
        self.max_probe_samples = max_probe_samples
        self.validation_fraction = validation_fraction
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes
        self.unlabeled_value = unlabeled_value
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, *, soft_labels=None, teacher_X=None):
        """Find the tree that imitates the teacher.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features that the tree uses.
        y : array-like of shape (n_samples,), default=None
            Labels: integers, strings, or anything that can be sorted. They give the classes, and
            fit a teacher that is an estimator. None: the classes are the teacher's,
            `teacher_classes`, or the numbers of the columns.
        soft_labels : array-like of shape (n_samples, n_columns), default=None
            Probabilities or logits of the teacher. If they are given, the teacher is not called.
        teacher_X : array-like of shape (n_samples, ...), default=None
            Rows that the teacher and `features` see. None: the rows of X.

        Returns
        -------
        self : object
            Fitted classifier.
        """
        with self._keeping_what_was_fitted():
            self._check_parameters()
            X, y, soft_labels, teacher_X = map(as_numpy, (X, y, soft_labels, teacher_X))
            raw_X = X
            self._check_something_to_learn_from(y, soft_labels)
            X, y = self._validate(X, y, reset=True, dtype=np.float32)
            labels, logits, teacher, _ = self._consult(
                raw_X, y, None, soft_labels, teacher_X, n_samples=len(X)
            )
            seen = raw_X if teacher_X is None else teacher_X
            fitted = self._solve(X, seen, labels.classes, logits, teacher)
            if teacher is not None:
                fitted["teacher_"] = teacher
            self._store(fitted)
        return self

    def predict(self, X):
        """Return the class that the teacher chose most often in the leaf of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        X = self._checked(X)
        return self.decision_tree_.predict(X)

    def predict_proba(self, X):
        """Return how often the teacher chose each class in the leaf of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Fractions of the training rows in the leaf.
        """
        X = self._checked(X)
        return self.decision_tree_.predict_proba(X)

    def apply(self, X):
        """Return the number of the leaf of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        leaves : ndarray of shape (n_samples,)
            Numbers of nodes of `tree_`.
        """
        X = self._checked(X)
        return self.decision_tree_.apply(X)

    def decision_path(self, X):
        """Return the nodes that each row passes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        passes : sparse matrix of shape (n_samples, n_nodes)
            One where a row passes a node.
        """
        X = self._checked(X)
        return self.decision_tree_.decision_path(X)

    def get_depth(self):
        """Return the depth of the tree, 0 for a single leaf."""
        check_is_fitted(self)
        return self.decision_tree_.get_depth()

    def get_n_leaves(self):
        """Return the number of leaves of the tree."""
        check_is_fitted(self)
        return self.decision_tree_.get_n_leaves()

    @property
    def tree_(self):
        """The arrays of the tree: `decision_tree_.tree_`."""
        return self.decision_tree_.tree_

    def _checked(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float32, reset=False)

    def _check_parameters(self):
        check_verbose(self)
        check_integer(self, "max_depth", minimum=1)
        check_integer(self, "beam_width", minimum=2, optional=True)
        check_boolean(self, "greedy")
        check_integer(self, "max_leaf_nodes", minimum=2, optional=True)
        check_integer(self, "min_samples_leaf", minimum=1)
        check_integer(self, "max_thresholds", minimum=1)
        check_real(self, "ridge", low=0.0, inclusive="neither")
        check_integer(self, "max_probe_samples", minimum=2)
        check_real(
            self, "validation_fraction", low=0.0, high=1.0, inclusive="neither", optional=True
        )
        check_choice(self, "teacher_output", OUTPUT_KINDS)

    def _wants_soft_targets(self, soft_labels):
        if self.teacher is None and soft_labels is None:
            raise ValueError(_NOTHING_TO_LEARN_FROM)
        return True

    def _solve(self, X, seen, classes, logits, teacher):
        """Return the fitted attributes: the trees of all sizes, and the best of them."""
        chosen = logits.argmax(axis=1)
        random_state = check_random_state(self.random_state)
        train, held_out = self._split_rows(len(X), random_state)
        probed = self._draw_probed(len(train), random_state)
        phi = self._features(teacher, seen, logits, train[probed])
        with threads_for(RowBlocks(phi)):
            levels, n_probes = grow_clauses(
                X[train],
                np.eye(len(classes), dtype=np.int64)[chosen[train]],
                Literals.from_quantiles(X[train], self.max_thresholds),
                LinearProbes(phi, self.ridge),
                probed,
                max_depth=self.max_depth,
                beam_width=self.beam_width,
                min_samples_leaf=self.min_samples_leaf,
                greedy=self.greedy,
            )
        path = [
            _sized_tree(root, classes, X, chosen, train, held_out)
            for root in best_trees(levels, self.max_leaf_nodes)
        ]
        best = _best_of(path)
        return {
            "classes_": classes,
            "path_": path,
            "decision_tree_": best.decision_tree,
            "clause_errors_": best.clause_errors,
            "n_probes_": n_probes,
        }

    def _split_rows(self, n_samples, random_state):
        """Return the rows to learn from, and the rows for the choice of the size, both in order."""
        n_held_out = int(n_samples * (self.validation_fraction or 0.0))
        order = random_state.permutation(n_samples) if n_held_out else np.arange(n_samples)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def _draw_probed(self, n_train, random_state):
        """Return which of the rows to learn from are probed, in order."""
        if n_train <= self.max_probe_samples:
            return np.arange(n_train)
        return np.sort(random_state.choice(n_train, self.max_probe_samples, replace=False))

    def _features(self, teacher, seen, logits, rows):
        """Return the features of some rows, including the teacher's choice."""
        sources = (self.features, teacher, self.teacher)
        source = next((each for each in sources if each is not None), None)
        is_probed = np.zeros(len(logits), dtype=bool)
        is_probed[rows] = True
        inside = internal_features(source, some_rows(seen, is_probed), len(rows))
        chosen = logits[rows] == logits[rows].max(axis=1, keepdims=True)
        if inside is None and self.features is not None:
            raise invalid_parameter(
                self,
                "features",
                "a torch module, a fitted network or student whose features are known, a "
                "callable, or None",
            )
        inside = logits[rows] if inside is None else inside
        return np.hstack([inside, chosen], dtype=inside.dtype)


def _best_of(path):
    """Return the smallest of the trees that are best on the held-out rows."""
    scores = np.array([tree.validation_fidelity for tree in path])
    return path[-1 if np.isnan(scores).any() else scores.argmax()]


def _sized_tree(root, classes, X, chosen, train, held_out):
    """Return a tree as scikit-learn's, and how faithful it is."""
    decision_tree = as_decision_tree(root, classes, X.shape[1])
    agrees = decision_tree.predict(X) == classes[chosen]
    return SizedTree(
        n_leaves=int(decision_tree.get_n_leaves()),
        fidelity=float(agrees[train].mean()),
        validation_fidelity=float(agrees[held_out].mean()) if len(held_out) else float("nan"),
        decision_tree=decision_tree,
        clause_errors=np.array([node.clause.error for node, _ in walk(root)]),
    )
