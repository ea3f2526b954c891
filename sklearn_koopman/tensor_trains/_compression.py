"""A matrix on monomials, compressed into a tensor train."""

from itertools import permutations

import numpy as np
from scipy.linalg import svd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from .._finite import finite
from .._fitting import keeping_what_was_fitted, store_fitted
from .._memory import check_fits_in_memory
from .._progress import progress
from .._threads import threads_for
from .._validation import (
    DTYPES,
    check_choice,
    check_integer,
    check_random_state,
    check_real,
    check_verbose,
    invalid_parameter,
)
from ..lifting import MonomialLifter, Operations, as_function, in_turn, operations_of
from ..rows import RowBlocks
from ..students import KoopmanClassifier, Labels, margin
from ._descent import constant_loss, descend, mean_loss, n_batches, warn_of_breakdown
from ._losses import SquaredLoss, distillation_loss
from ._onnx import add_train
from ._sweep import Sweeper
from ._train import TensorTrain


class CompressedStudent(ClassifierMixin, BaseEstimator):
    r"""Tensor train of a fitted student whose observables are monomials.

    Polynomials of degree d in p variables are symmetric tensors: with :math:`\bar z = (1, z)`,

    .. math:: s_c(z) = \sum_{i_1 \dots i_d} S^c_{i_1 \dots i_d} \bar z_{i_1} \cdots \bar z_{i_d} .

    The tensor S is cut into a train of d cores by d - 1 truncated singular value decompositions.
    Each core sees all variables, and the last one has the classes. The variables are scaled to unit
    variance before. The cut loses much accuracy. Most of it is regained by a fit to rows, in either
    of two ways.

    - ``loss="squared_error"``: alternating sweeps minimise the mean square of the differences
      between the logits of the train, s, and the student's, t.
    - ``loss="distillation"``: steps on mini-batches change all cores at once and minimise, with w
      the `soft_weight` and T the `temperature`,

    .. math:: (1 - w) \, CE(y, softmax(s / T)) + w \, KL(softmax(t / T) \| softmax(s / T)) .

    The second keeps more of the accuracy, because it minimises errors that change the class.
    Neither needs labels, unless w < 1. Neither needs the training rows: any rows that the student
    can classify will do, and more rows, such as shifted images, help.

    Parameters
    ----------
    student : KoopmanDistilledClassifier or EDMDClassifier
        A fitted student with ``lifter=MonomialLifter(d)``, or with a pipeline as `lifter` that ends
        in a `MonomialLifter`.
    rank : int, default=10
        Largest rank of the train. With p variables, C classes and rank r the train has about ``(p +
        1) (r + (d - 2) r^2 + C r)`` parameters, and the student has ``C binom(p + d, d)``.
    max_iter : int, default=3
        Number of sweeps ("squared_error") or epochs ("distillation", which needs about twenty)
        after the singular value decompositions. It may be 0.
    ridge : float, default=1e-6
        Penalty on how far a core moves. Sweeps count from where it was before it was solved, in
        units of the mean square of the logits. Epochs count from the cores that the decompositions
        gave.
    loss : {"squared_error", "distillation"}, default="squared_error"
        Loss that is minimised, see above. The parameters below belong to "distillation".
    soft_weight : float, default=1.0
        The weight w, in [0, 1]. Without labels it counts as 1. With w = 0 `fit` needs labels.
    temperature : float, default=1.0
        The temperature T. The logits of least squares are not logarithms of odds: fitted to labels
        they are between 0 and 1, and a temperature of about 1/8 turns them into probabilities.
    batch_size : int, default=1000
        Number of rows in a mini-batch.
    learning_rate : float, default=3e-3
        Step size of Adam, annealed to zero along a cosine. Steps that would change the cores by
        more than 1, in the sum of the Frobenius norms, are shortened. If the loss shows that the
        step size is too large, `fit` warns (`ConvergenceWarning`).
    random_state : int, RandomState instance or None, default=None
        Seeds the choice of mini-batches.
    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.

    Attributes
    ----------
    tensor_train_ : TensorTrain
        The fitted train. Its cores take the constant 1 and then the variables, divided by their
        standard deviations.
    intercept_ : ndarray of shape (n_classes,)
    scale_ : ndarray of shape (n_variables,)
        Standard deviations of the variables.
    reducer_ : Pipeline or None
        The steps before the monomials, which make the variables.
    classes_ : ndarray of shape (n_classes,)
    compression_ : float
        Number of coefficients of the student divided by the number of parameters of the train.
    history_ : list of float
        For each sweep, the mean square error of the (centred) logits after it, relative to their
        mean square. For each epoch, the mean loss of its mini-batches.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    References
    ----------
    .. [1] I. V. Oseledets, "Tensor-train decomposition", SIAM Journal on Scientific Computing 33,
       2295-2317 (2011), algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.classification import CompressedStudent
    >>> X, y = load_wine(return_X_y=True)
    >>> lifter = make_pipeline(PCA(10, whiten=True), MonomialLifter(2))
    >>> student = EDMDClassifier(lifter=lifter, ridge=1e-2).fit(X, y)
    >>> small = CompressedStudent(student, rank=3).fit(X)
    >>> small.tensor_train_.n_parameters, student.coef_.size
    (132, 198)
    >>> small.score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        student,
        *,
        rank=10,
        max_iter=3,
        ridge=1e-6,
        loss="squared_error",
        soft_weight=1.0,
        temperature=1.0,
        batch_size=1000,
        learning_rate=3e-3,
        random_state=None,
        verbose=0,
    ):
        self.student = student
        self.rank = rank
        self.max_iter = max_iter
        self.ridge = ridge
        self.loss = loss
        self.soft_weight = soft_weight
        self.temperature = temperature
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Compress the student.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that the student can classify: its training rows, or others.
        y : array-like of shape (n_samples,), default=None
            Labels, which must be classes of the student. Only ``loss="distillation"`` with
            ``soft_weight < 1`` uses them. None: the train learns from the student alone, as with a
            soft weight of 1.

        Returns
        -------
        self : object
        """
        with keeping_what_was_fitted(self):
            self._check_parameters()
            reducer, lifter = self._monomials()
            X = validate_data(self, X, dtype=DTYPES)
            labels = Labels(self.student.classes_, self._codes(y, len(X)), y is not None)
            store_fitted(self, self._solve(X, labels, reducer, lifter))
        return self

    def _solve(self, X, labels, reducer, lifter):
        """Return the fitted attributes: a train that imitates the student."""
        logits = _centred(_logits_of(self.student, X))  # raises for rows that do not fit
        Z = X if reducer is None else np.asarray(reducer.transform(X))
        scale = Z.std(axis=0, dtype=np.float64)
        scale = np.where(scale > 0, scale, 1.0)
        tensor = _symmetric_tensor(self.student, lifter, scale)
        train = _cut(tensor, self.rank)
        features = _with_one(Z / scale.astype(Z.dtype))
        with threads_for(RowBlocks(features.T)):
            if self.loss == "squared_error":
                train, intercept, history = self._swept(train, features, logits)
            else:
                train, intercept, history = self._descended(train, features, logits, labels)
        train = train.astype(Z.dtype)
        return {
            "tensor_train_": train,
            "intercept_": intercept.astype(Z.dtype),
            "scale_": scale,
            "reducer_": reducer,
            "classes_": self.student.classes_,
            "compression_": self.student.coef_.size / train.n_parameters,
            "history_": history,
        }

    def _check_parameters(self):
        check_verbose(self)
        check_integer(self, "rank", minimum=1)
        check_integer(self, "max_iter", minimum=0)
        check_real(self, "ridge", low=0.0, inclusive="left")
        check_choice(self, "loss", ("squared_error", "distillation"))
        check_real(self, "soft_weight", low=0.0, high=1.0)
        check_real(self, "temperature", low=0.0, inclusive="neither")
        check_integer(self, "batch_size", minimum=1)
        check_real(self, "learning_rate", low=0.0, inclusive="neither")
        check_random_state(self.random_state)

    def _codes(self, y, n_samples):
        """Return the number of the class of each label, or -1 for all if labels are not needed."""
        reads_labels = self.loss == "distillation" and self.soft_weight < 1
        if not reads_labels or (y is None and self.soft_weight > 0):
            return np.full(n_samples, -1)
        if y is None:
            raise ValueError(
                "soft_weight=0 learns from labels alone: pass y to fit, or set a positive "
                "soft_weight."
            )
        y, classes = column_or_1d(y, warn=True), self.student.classes_
        if len(y) != n_samples:
            raise ValueError(f"y has {len(y)} labels for {n_samples} rows.")
        unknown = np.setdiff1d(y, classes)
        if len(unknown):
            raise ValueError(
                f"y has labels that are not classes of the student: {unknown[:5].tolist()}."
            )
        return np.searchsorted(classes, y)

    def _swept(self, train, features, logits):
        """Return the train after some sweeps, its intercepts and the error after each."""
        size = np.sqrt(np.mean(np.square(logits))) or 1.0
        n_cores, history = len(train.cores), []
        with progress("als", self.max_iter * Sweeper.n_steps(n_cores), "core") as steps:
            sweeper = Sweeper(
                _scaled(train, 1 / size),
                np.zeros(logits.shape[1]),
                lambda site: features,
                SquaredLoss(logits / size, np.ones(len(logits))),
                np.ones(len(logits)),
                self.ridge,
                steps,
            )
            for _ in range(self.max_iter):
                sweeper.sweep()
                fitted = sweeper.train([features] * n_cores).T + sweeper.intercept
                history.append(float(np.mean(np.square(fitted - logits / size))))
                steps.done(f"sweep {len(history):4d}: error {history[-1]:.6f}", n=0)
        return _scaled(sweeper.train, size), sweeper.intercept * size, history

    def _descended(self, train, features, logits, labels):
        """Return the train after some epochs, its intercepts and the loss in each."""
        n_samples, n_classes = logits.shape
        ones = np.ones(n_samples)
        soft_weight = labels.soft_weight(self.soft_weight)
        loss = distillation_loss(
            labels.codes,
            logits / self.temperature,
            (1 - soft_weight) * ones,
            soft_weight * ones,
            1.0,
        )
        start = _scaled(train, 1 / self.temperature)
        model, history = (start, np.zeros(n_classes)), []
        n_steps = self.max_iter * n_batches(n_samples, self.batch_size)
        with progress("adam", n_steps, "batch") as steps:
            epochs = descend(
                start.astype(features.dtype),
                np.zeros(n_classes),
                lambda rows: [features[:, rows]] * len(train.cores),
                loss,
                n_samples,
                ridge=self.ridge,
                n_epochs=self.max_iter,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                random_state=check_random_state(self.random_state),
                steps=steps,
            )
            for fitted, intercept, objective in epochs:
                if not np.isfinite(objective):
                    raise ValueError(
                        f"learning_rate={self.learning_rate}, ridge={self.ridge}: the epochs "
                        "diverged; choose smaller ones."
                    )
                model = fitted, intercept
                history.append(objective)
                steps.done(f"epoch {len(history):4d}: objective {objective:.6f}", n=0)
        if history:
            before = mean_loss(loss, start([features] * len(start.cores)))
            constant = constant_loss(loss, (n_classes, n_samples))
            warn_of_breakdown([before, *history], constant, self.learning_rate)
        fitted, intercept = model
        return _scaled(fitted, self.temperature), intercept * self.temperature, history

    def decision_function(self, X):
        """Return the logits of the classes, centred in every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
        """
        return finite(margin(self._logits(X)), "The logits")

    def predict(self, X):
        """Return the class with the largest logit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self.classes_[self._logits(X).argmax(axis=1)]

    def operations(self):
        """Return what the fitted classifier stores and what it multiplies for one sample.

        Returns
        -------
        operations : Operations
            Operations of the `reducer_`, if there is one, of the scale and of the train.
        """
        check_is_fitted(self)
        train = self.tensor_train_.operations() + Operations.storing(self.intercept_)
        return operations_of(self.reducer_) + Operations.of_matrix(self.scale_) + train

    def to_function(self, dtype):
        """Return the logits as a plain function of rows.

        Parameters
        ----------
        dtype : numpy.dtype

        Returns
        -------
        function : callable
        """
        check_is_fitted(self)
        return in_turn([as_function(self.reducer_, dtype), self._logits_of_variables])

    def add_to_graph(self, nodes, rows):
        """Add the logits to an ONNX graph: the train, contracted from both ends.

        Parameters
        ----------
        nodes : Nodes
        rows : variable

        Returns
        -------
        logits : variable
        """
        check_is_fitted(self)
        variables = nodes.add_transformer(self.reducer_, rows)
        scaled = nodes.add("Div", variables, nodes.constant(self.scale_))
        with_one = nodes.add("Concat", nodes.add_ones(variables), scaled, axis=1)
        features = nodes.add("Unsqueeze", with_one, np.array([1]))
        n_sites = len(self.tensor_train_.cores)
        return add_train(self.tensor_train_, self.intercept_, nodes, [features] * n_sites)

    def _logits(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        blocks = RowBlocks(X, n_observables=max(X.shape[1], self.tensor_train_.cores[0].size))
        return finite(blocks.map(self._logits_of_block), "The logits")

    def _logits_of_block(self, X):
        Z = X if self.reducer_ is None else np.asarray(self.reducer_.transform(X))
        return self._logits_of_variables(Z)

    def _logits_of_variables(self, Z):
        features = _with_one(Z / self.scale_.astype(Z.dtype))
        return (
            self.tensor_train_([features] * len(self.tensor_train_.cores)).T + self.intercept_
        )

    def _monomials(self):
        """Return the steps before the monomials, and the lifter that makes the monomials."""
        student = self.student
        if isinstance(student, KoopmanClassifier):
            check_is_fitted(student)
            lifter = getattr(student, "lifter_", None)
            steps = lifter if isinstance(lifter, Pipeline) else Pipeline([("lifter", lifter)])
            last = steps.steps[-1][1]
            if isinstance(last, MonomialLifter) and last.powers_.sum(axis=1).max() > 1:
                return steps[:-1] if len(steps) > 1 else None, last
        raise invalid_parameter(
            self,
            "student",
            "a fitted KoopmanDistilledClassifier or EDMDClassifier whose lifter is a "
            "MonomialLifter of degree 2 or more, or a pipeline that ends with one",
        )


def _scaled(train, factor):
    """Return a train whose values are multiplied by a factor."""
    *others, last = train.cores
    return TensorTrain([*others, last * factor], train.centre)


def _with_one(Z):
    """Return variables as local features: one column per sample, and a first row of ones."""
    return np.concatenate([np.ones_like(Z[:, :1]), Z], axis=1).T


def _logits_of(student, X):
    """Return the logits of a student, one column per class, also for two classes."""
    logits = student.decision_function(X)
    return logits if logits.ndim == 2 else np.stack([-logits, logits], axis=1) / 2


def _centred(logits):
    return logits - logits.mean(axis=1, keepdims=True)


def _symmetric_tensor(student, lifter, scale):
    """Return the coefficients as a symmetric tensor, (p + 1, ..., p + 1, n_classes).

    Parameters
    ----------
    student : KoopmanClassifier
    lifter : MonomialLifter
    scale : ndarray of shape (p,)
        Divisors of the variables.
    """
    powers = lifter.powers_
    degree, p = int(powers.sum(axis=1).max()), powers.shape[1]
    coef = _centred((student.coef_ * np.prod(scale**powers, axis=1)).T.astype(np.float64))
    intercept = student.intercept_ - student.intercept_.mean()
    check_fits_in_memory(
        24 * (p + 1) ** degree * coef.shape[1],
        f"The tensor of all monomials of degree {degree} in {p} variables",
        "Compress a student with a lower degree or with fewer variables.",
    )
    tensor = np.zeros((p + 1,) * degree + (coef.shape[1],))
    tensor[(0,) * degree] = intercept
    for power, row in zip(powers, coef, strict=True):
        variables = np.repeat(np.arange(1, p + 1), power)
        places = set(permutations([*variables.tolist(), *[0] * (degree - len(variables))]))
        for place in places:
            tensor[place] += row / len(places)
    return tensor


def _cut(tensor, rank):
    """Cut a tensor into a train of limited rank whose last core has the classes."""
    *sizes, n_classes = tensor.shape
    cores, rest = [], tensor.reshape(1, -1)
    for n in sizes[:-1]:
        before = len(rest)
        left, singular, right = svd(rest.reshape(before * n, -1), full_matrices=False)
        kept = min(rank, max(int(np.sum(singular > 1e-14 * singular[0])), 1))
        cores.append(left[:, :kept].reshape(before, n, kept))
        rest = singular[:kept, None] * right[:kept]
    cores.append(rest.reshape(len(rest), sizes[-1], n_classes, 1))
    return TensorTrain(cores, len(cores) - 1)
