"""A student whose observables are all products of local features, in the tensor-train format."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._memory import check_fits_in_memory
from .._progress import progress
from .._validation import check_choice, check_integer, check_random_state, check_real
from .._warnings import warn_user
from ..lifting import FEATURE_MAPS, LocalFeatures, Operations, operations_of
from ..linear import DistillationProblem, check_finite_moments, minimise, solve_gram
from ..rows import GramMoments, RowBlocks, accumulated
from ..students import PROBABILITY_FLOOR, LiftedStudent, regression_targets, weighs_soft_targets
from ._descent import constant_loss, descend, mean_loss, n_batches, warn_of_breakdown
from ._losses import SquaredLoss, distillation_loss
from ._onnx import add_train
from ._sweep import Sweeper
from ._train import linear_start, start_of_linear_model

# Of each solver, if none is given: they penalise different things.
RIDGES = {"als": 0.3, "adam": 1e-2}
# The linear model that is the start: its penalty, and how near to the optimum it is. What it lacks
# the sweeps find.
START_RIDGE = 1e-3
START_STEPS, START_TOLERANCE = 100, 1e-4


def _is_distilled(student):
    if student.loss == "distillation":
        return True
    raise AttributeError(f"predict_proba needs loss='distillation', got loss={student.loss!r}.")


class TensorTrainClassifier(LiftedStudent):
    r"""Linear classifier on all products of local features, in the tensor-train format.

    Each variable :math:`x_k` (a column of X, or of what `lifter` makes of it) has a few local
    features :math:`\phi_k` of its own. The observables are all products of one feature of every
    variable: :math:`\prod_k n_k` of them, far more than there are atoms in the world. Their
    coefficients are a train of small cores :math:`A_k`, and the logits

    .. math:: s_c(x) = b_c + A_1[\phi_1] \cdots A_m[\phi_m]_c \cdots A_p[\phi_p] ,
              \qquad A_k[\phi] = \sum_j \phi_j A_k(:, j, :) ,

    cost p products of a vector and a small matrix. With everything but one core fixed, the logits
    are linear in that core.

    Parameters
    ----------
    teacher : callable, torch.nn.Module, classifier or TorchTeacher, default=None
        As for `KoopmanDistilledClassifier`. Not needed when `fit` is given `soft_labels`, or with
        ``soft_weight=0``, or with ``loss="squared_error"``, which then fits one-hot labels.
    rank : int, default=10
        Largest rank between two cores. Time grows as its square to cube.
    feature_map : {"monomial", "legendre", "trigonometric"}, default="monomial"
        Local features of a variable t: powers :math:`1, t, \dots, t^q`, Legendre polynomials
        :math:`P_0(t), \dots, P_q(t)`, or cosine and sine of :math:`a k t`, k = 1, ..., q. For
        "legendre" the range of every variable in the training rows is mapped to [-1, 1], and
        values beyond are clipped. For the others t is x less its mean, divided by one number, the
        largest standard deviation of all variables; put a `StandardScaler` before variables
        of different units.
    degree : int, default=1
        The q above.
    frequency : float, default=0.5
        The a above.
    loss : {"distillation", "squared_error"}, default="distillation"
        "distillation" is the loss of `KoopmanDistilledClassifier`, of cross-entropy to the labels
        and Kullback-Leibler divergence to the teacher; "squared_error" that of `EDMDClassifier`,
        to one-hot labels or to the teacher's centred logits.
    soft_weight, temperature
        As for `KoopmanDistilledClassifier`; "squared_error" does not use them.
    ridge : float, default=None
        "als": L2 penalty on how far a core moves each time that it is solved, in coordinates in
        which what meets there has unit second moments; None is 0.3. "adam": L2 penalty on how far
        the cores are from those of the start; None is 0.01.
    lifter : transformer, default=None
        Makes the variables of X: ``PCA(40)``, say, so that the teacher may see pixels. None takes
        the columns of X. Correlated variables should be neighbours, and those that matter most
        in the middle.
    solver : {"als", "adam"}, default="als"
        "als" sweeps over the cores, each a convex problem on all rows, solved by a few steps of
        L-BFGS from where it stands. "adam" takes mini-batches of all cores at once: for many
        rows and variables it gets further in the same time.
    max_iter : int, default=10
        Most sweeps of "als", or the epochs of "adam".
    tol : float, default=1e-2
        "als" stops when a sweep lowers the loss by no more than this fraction of the loss of the
        best logits that are the same for all rows.
    dropout : float, default=0.0
        For "adam": the chance of a variable to be replaced by its mean (of "legendre", the middle
        of its range), drawn for every row of every mini-batch. The best remedy against
        overfitting of many variables.
    batch_size : int, default=250
        Rows of a mini-batch of "adam".
    learning_rate : float, default=3e-3
        Of "adam"; annealed to zero along a cosine. It is lowered for a step that would add more
        than 1 to the cores, in the sum of their Frobenius norms: the more cores there are, the
        more a step changes their product.
    validation_fraction : float, default=None
        Fraction of the rows that is held out; the cores of the sweep or epoch that is most
        accurate on them are kept. None holds out nothing and keeps the last.
    n_iter_no_change : int, default=None
        Stop after so many sweeps or epochs that are not better on the rows held out; None never
        stops for that.
    teacher_output, teacher_classes, class_weight, unlabeled_value
        As for `KoopmanDistilledClassifier`.
    random_state : int, RandomState instance or None, default=None
        Fills up the ranks at the start, draws rows to hold out and the mini-batches of "adam".
    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.

    Attributes
    ----------
    tensor_train_ : TensorTrain
        The cores: `tensor_train_.cores`, `ranks`, `n_parameters`.
    intercept_ : ndarray of shape (n_classes,)
    local_features_ : LocalFeatures
        How the variables are scaled and what their features are.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    n_iter_ : int
        Sweeps or epochs done.
    objective_ : float
        The mean loss of the rows: for "als" after the last of them; for "adam" during it, the mean
        over the mini-batches, as they came.
    history_ : list of dict
        Objective and, with `validation_fraction`, validation accuracy of each.
    lifter_ : transformer
        The fitted lifter, if there is one.
    teacher_ : Teacher
        The teacher that was asked, if one was.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    KoopmanDistilledClassifier : All monomials of low degree, and one matrix.
    sklearn_koopman.lifting.ProductKernelLifter : The same dictionary without a bound on the rank.

    Notes
    -----
    The start is not a random train. Its environments are 1 and principal components of the
    variables left and right of the middle. "adam" starts at logits of zero. "als" starts at those
    of a linear model: sums of local features, fitted to the same loss with a penalty of 1e-3 on
    the coefficients of the standardised features. A rank of at least the number of classes holds
    them exactly, a lower one nearly; "trigonometric" features, which have no constant, start at
    zero. "als" does not raise the loss of the training rows, as the penalty of
    a core is zero where the core stands: so the train fits them at least as well as its start.

    What leaves a core is kept at unit mean square over the rows by "als", so nothing overflows or
    vanishes in hundreds of cores. The class core stays in the middle; handing the classes on from
    core to core [1]_ has to cut the ranks after every update. The problem of all cores together is
    not convex: another start may end elsewhere.

    "adam" warns (`ConvergenceWarning`) where the loss of the last epoch, or of the one kept, is no
    better than that of the best constant logits or a twentieth of it above an earlier epoch's, and
    where it ever rose by all of it. A loss that is not finite is a ValueError.

    Memory: the variables of all rows, and for "als" what enters and what stands behind a core,
    some ``(2 sqrt(p) + n_features + n_classes) * rank`` numbers a row.

    References
    ----------
    .. [1] E. M. Stoudenmire and D. J. Schwab, "Supervised learning with tensor networks",
       NeurIPS 29 (2016), sections 3 and 4.
    .. [2] S. Klus and P. Gelß, "Tensor-based algorithms for image classification", Algorithms 12,
       240 (2019): alternating ridge regression in the tensor-train format.
    .. [3] A. Novikov, M. Trofimov and I. Oseledets, "Exponential machines", arXiv:1605.03795
       (2016): the start from a linear model.
    .. [4] Sugishita, Kinjo and Ohkubo (2024), arXiv:2402.11740: tensor trains of product
       dictionaries for Koopman matrices.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import TensorTrainClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> student = TensorTrainClassifier(soft_weight=0, rank=3).fit(X, y)
    >>> [core.shape for core in student.tensor_train_.cores]
    [(1, 2, 2), (2, 2, 3), (3, 2, 3, 2), (2, 2, 1)]
    >>> bool(student.score(X, y) > 0.95)
    True
    """

    _reads_rows_once = True
    _without_dask = (
        "it goes over the rows once for every core. Fit a part of the rows, as an array in "
        "memory."
    )

    def __init__(
        self,
        teacher=None,
        *,
        rank=10,
        feature_map="monomial",
        degree=1,
        frequency=0.5,
        loss="distillation",
        soft_weight=0.5,
        temperature=2.0,
        ridge=None,
        lifter=None,
        solver="als",
        max_iter=10,
        tol=1e-2,
        dropout=0.0,
        batch_size=250,
        learning_rate=3e-3,
        validation_fraction=None,
        n_iter_no_change=None,
        teacher_output="auto",
        teacher_classes=None,
        class_weight=None,
        unlabeled_value=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.rank = rank
        self.feature_map = feature_map
        self.degree = degree
        self.frequency = frequency
        self.loss = loss
        self.soft_weight = soft_weight
        self.temperature = temperature
        self.ridge = ridge
        self.lifter = lifter
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.dropout = dropout
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes
        self.class_weight = class_weight
        self.unlabeled_value = unlabeled_value
        self.random_state = random_state
        self.verbose = verbose

    @available_if(_is_distilled)
    def predict_proba(self, X):
        """Return the probabilities of the classes, the softmax of the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as `fit` received them.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        return self._map_outputs(partial(softmax, axis=1), X)

    def _check_parameters(self):
        super()._check_parameters()
        check_integer(self, "rank", minimum=1)
        check_choice(self, "feature_map", FEATURE_MAPS)
        check_integer(self, "degree", minimum=1)
        check_real(self, "frequency", low=0.0, inclusive="neither")
        check_choice(self, "loss", ("distillation", "squared_error"))
        check_real(self, "soft_weight", low=0.0, high=1.0)
        check_real(self, "temperature", low=0.0, inclusive="neither")
        check_real(self, "ridge", low=0.0, inclusive="left", optional=True)
        check_choice(self, "solver", ("als", "adam"))
        check_integer(self, "max_iter", minimum=1)
        check_real(self, "tol", low=0.0, inclusive="left")
        check_real(self, "dropout", low=0.0, high=1.0, inclusive="left")
        check_integer(self, "batch_size", minimum=1)
        check_real(self, "learning_rate", low=0.0, inclusive="neither")
        check_real(
            self, "validation_fraction", low=0.0, high=1.0, inclusive="neither", optional=True
        )
        check_integer(self, "n_iter_no_change", minimum=1, optional=True)

    @property
    def _probability_floor(self):
        # Least squares would fit the logarithms of zeros.
        return PROBABILITY_FLOOR if self.loss == "squared_error" else super()._probability_floor

    def _wants_soft_targets(self, soft_labels):
        if self.loss == "squared_error":
            return super()._wants_soft_targets(soft_labels)
        return weighs_soft_targets(self, soft_labels)

    def operations(self):
        """Return what the fitted classifier stores and what it multiplies for one sample.

        Returns
        -------
        operations : Operations
            Of the `lifter_`, if there is one, the local features and the train.
        """
        check_is_fitted(self)
        variables = operations_of(getattr(self, "lifter_", None))
        train = self.tensor_train_.operations() + Operations.storing(self.intercept_)
        return variables + self.local_features_.operations() + train

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
        variables = nodes.add_transformer(getattr(self, "lifter_", None), rows)
        features = self.local_features_.add_to_graph(nodes, variables)
        sites = range(len(self.tensor_train_.cores))
        at_sites = [nodes.add("Gather", features, np.array([site]), axis=1) for site in sites]
        return add_train(self.tensor_train_, self.intercept_, nodes, at_sites)

    def _logit_function(self):
        return partial(
            _logits, self.local_features_, self.tensor_train_, self.intercept_[:, None]
        )

    def _solve(self, task):
        random_state = check_random_state(self.random_state)
        variables = task.blocks.all_lifted().astype(task.dtype, copy=False)
        task = replace(task, blocks=RowBlocks(variables))
        train, held_out = self._split_rows(task, random_state)
        learned = task if held_out is None else task.at(train)
        problem = _Problem(self, learned, variables if held_out is None else variables[train])
        judged = None if held_out is None else (variables[held_out], task.at(held_out))
        n_samples, n_cores = problem.variables.shape
        if self.solver == "als":
            path, unit, n_steps = self._sweeps, "core", Sweeper.n_steps(n_cores)
        else:
            path, unit, n_steps = self._epochs, "batch", n_batches(n_samples, self.batch_size)
        with progress(self.solver, self.max_iter * n_steps, unit) as steps:
            models = path(problem, random_state, steps)
            best, n_kept, history = self._followed(models, problem, judged, steps)
        if self.solver == "adam":
            loss, shape = problem.loss(), (problem.n_classes, len(problem.variables))
            losses = [mean_loss(loss, np.zeros(shape))]
            losses += [record["objective"] for record in history[:n_kept]]
            warn_of_breakdown(losses, constant_loss(loss, shape), self.learning_rate)
        tensor_train, intercept = best
        return {
            "tensor_train_": tensor_train,
            "intercept_": intercept[:, 0],
            "local_features_": problem.local,
            "n_iter_": len(history),
            "objective_": history[-1]["objective"],
            "history_": history,
        }

    def _followed(self, path, problem, judged, steps):
        """Follow a solver to its end, or until it gets no better on the rows held out.

        Parameters
        ----------
        path : iterator of (model, float)
            The model and its objective after every sweep or epoch.
        problem : _Problem
        judged : tuple of (variables, Task), or None
            The rows held out, if there are any.
        steps : Steps
            It is told of every sweep or epoch.

        Returns
        -------
        best : tuple of (TensorTrain, ndarray)
            The model that is kept: the most accurate on the rows held out, else the last.
        n_kept : int
            Of which sweep or epoch it is.
        history : list of dict
        """
        history: list[dict] = []
        best: Any = None
        score, n_stale, n_kept = -np.inf, 0, 0
        name = "sweep" if self.solver == "als" else "epoch"
        for model, objective in path:
            if not np.isfinite(objective):
                raise ValueError(
                    f"The objective is {objective} after {len(history) + 1} of max_iter="
                    f"{self.max_iter}: the products of the local features overflow. Scale the "
                    "variables, lower degree, learning_rate or rank, or raise ridge."
                )
            record = {"objective": objective}
            if judged is not None:
                variables, task = judged
                train, intercept = model
                logits = _logits(problem.local, train, intercept, variables)
                record["validation_accuracy"] = _accuracy(logits, task)
            history.append(record)
            values = ", ".join(f"{key} {value:.6f}" for key, value in record.items())
            steps.done(f"{name} {len(history):4d}: {values}", n=0)
            if judged is None or record["validation_accuracy"] > score:
                best, n_stale, n_kept = _copied(*model), 0, len(history)
                score = record.get("validation_accuracy", score)
            else:
                n_stale += 1
            if n_stale == self.n_iter_no_change:
                break
        return best, n_kept, history

    def _split_rows(self, task, random_state):
        """Return the rows to learn from and those held out, None where there are none."""
        n_samples = task.blocks.n_samples
        n_held_out = int(n_samples * (self.validation_fraction or 0.0))
        if not n_held_out:
            return np.arange(n_samples), None
        order = random_state.permutation(n_samples)
        train, held_out = np.sort(order[n_held_out:]), np.sort(order[:n_held_out])
        if not (task.sample_weight[train].any() and task.sample_weight[held_out].any()):
            raise ValueError(
                f"validation_fraction={self.validation_fraction} leaves no row of positive weight "
                "to learn from, or none to validate on: change it, or give fit more rows."
            )
        return train, held_out

    def _sweeps(self, problem, random_state, steps):
        """Yield the model and its objective after every sweep."""
        loss = problem.loss()
        start, intercept = problem.start(random_state, of_linear_model=True)
        sweeper = Sweeper(
            start,
            intercept,
            problem.site_features,
            loss,
            problem.task.sample_weight,
            self._penalty(),
            steps,
        )
        least = self.tol * constant_loss(loss, (problem.n_classes, len(problem.variables)))
        before = np.inf
        for _ in range(self.max_iter):
            sweeper.sweep()
            model = sweeper.train.astype(problem.dtype), sweeper.intercept[:, None]
            yield (model[0], model[1].astype(problem.dtype)), sweeper.objective
            if before - sweeper.objective <= least:
                return
            before = sweeper.objective
        if self.max_iter > 1:
            warn_user(
                f"als has not settled after {self.max_iter} sweeps: the last still lowered the "
                f"loss by more than a fraction tol={self.tol} of that of the best constant logits. "
                "Raise max_iter or tol.",
                ConvergenceWarning,
            )

    def _penalty(self):
        return RIDGES[self.solver] if self.ridge is None else self.ridge

    def _epochs(self, problem, random_state, steps):
        """Yield the model and its objective after every epoch."""
        start, intercept = problem.start(random_state, of_linear_model=False)
        epochs = descend(
            start.astype(problem.dtype),
            intercept,
            partial(problem.batch_features, self.dropout, random_state),
            problem.loss(),
            len(problem.variables),
            ridge=self._penalty(),
            n_epochs=self.max_iter,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            random_state=random_state,
            steps=steps,
        )
        for train, intercept, objective in epochs:
            yield (train, intercept[:, None]), objective


class _Problem:
    """What the solvers need to know of the rows they learn from.

    Parameters
    ----------
    student : TensorTrainClassifier
    task : Task
        The rows, with their variables as blocks.
    variables : ndarray of shape (n_samples, n_variables)
        The same variables.
    """

    def __init__(self, student, task, variables):
        self.student, self.task, self.variables = student, task, variables
        self.dtype = task.dtype
        self.n_classes = len(task.labels.classes)
        self.local = LocalFeatures.from_rows(
            variables,
            task.sample_weight,
            kind=student.feature_map,
            degree=student.degree,
            frequency=student.frequency,
        )

    def start(self, random_state, *, of_linear_model):
        """Return the train to start from, and its intercepts."""
        n_sites, n = self.variables.shape[1], self.local.n_features
        check_fits_in_memory(
            8 * (n_sites * n) ** 2 + 16 * n_sites * n * self.student.rank**2,
            f"A tensor train of rank {self.student.rank} for {n_sites} variables",
            "Lower the rank, or reduce the variables first (PCA with fewer components).",
        )
        blocks = RowBlocks(
            self.variables,
            lambda rows: self.local(rows).reshape(n_sites * n, -1).T,
            n_observables=n_sites * n,
        )
        moments = accumulated(GramMoments(n_sites * n), blocks, self.task.sample_weight)
        check_finite_moments(moments.scale)
        sizes, rank = [n] * n_sites, self.student.rank
        # Cosines and sines have no constant to carry the sums of a linear model by.
        if of_linear_model and self.local.kind != "trigonometric":
            coef, intercept = self._linear_model(blocks, moments.scale)
            return start_of_linear_model(moments, sizes, rank, coef, intercept, random_state)
        train = linear_start(moments, sizes, rank, self.n_classes, random_state)
        return train, np.zeros(self.n_classes)

    def _linear_model(self, blocks, scale):
        """Return coefficients and intercepts of the local features that minimise the loss."""
        task, student = self.task, self.student
        if student.loss == "squared_error":
            targets, weight = regression_targets(task)
            moments = GramMoments(blocks.n_observables, self.n_classes)
            moments = accumulated(moments, blocks, targets, weight)
            coef = solve_gram(moments, START_RIDGE)
            return moments.scale.unscale(coef, moments.target_mean)
        problem = DistillationProblem(
            blocks,
            scale,
            task.labels.codes,
            task.soft_logits,
            task.sample_weight,
            n_classes=self.n_classes,
            soft_weight=task.labels.soft_weight(student.soft_weight),
            temperature=student.temperature,
            ridge=START_RIDGE,
        )
        zeros = np.zeros((blocks.n_observables, self.n_classes)), np.zeros(self.n_classes)
        found = minimise(problem, *zeros, max_iter=START_STEPS, tol=START_TOLERANCE)
        return scale.unscale(found.coef, found.intercept)

    def site_features(self, site):
        """Return the local features of all rows at a site."""
        one = slice(site, site + 1)
        local = replace(self.local, shift=self.local.shift[one], scale=self.local.scale[one])
        return local(self.variables[:, one])[0]

    def batch_features(self, dropout, random_state, rows):
        """Return the local features of some rows at all sites."""
        scaled = self.local.scaled(self.variables[rows])
        if dropout > 0:
            scaled *= random_state.random_sample(scaled.shape) >= dropout
        return self.local.of_scaled(scaled)

    def loss(self):
        """Return the loss that both solvers minimise."""
        task, student = self.task, self.student
        n_samples = len(self.variables)
        if student.loss == "squared_error":
            targets, weight = regression_targets(task)
            return SquaredLoss(targets, weight * (n_samples / weight.sum()))
        labelled = task.sample_weight * task.labels.is_labelled
        soft_weight = task.labels.soft_weight(student.soft_weight)
        hard, soft = (
            share * each * (n_samples / (each.sum() or 1.0))
            for share, each in (
                (1 - soft_weight, labelled),
                (soft_weight, task.sample_weight),
            )
        )
        return distillation_loss(
            task.labels.codes, task.soft_logits, hard, soft, student.temperature
        )


def _logits(local, train, intercept, variables):
    """Return the logits of rows of variables, (n_samples, n_classes)."""
    variables = variables.astype(train.cores[0].dtype, copy=False)
    return (train(local(variables)) + intercept).T


def _copied(train, intercept):
    """Return a copy of a model that a solver goes on changing."""
    return replace(train, cores=[core.copy() for core in train.cores]), intercept.copy()


def _accuracy(logits, task):
    """Return the accuracy by the labels; where there are none, by the teacher's choices."""
    truth = task.labels.codes
    if task.soft_logits is not None:
        truth = np.where(truth >= 0, truth, task.soft_logits.argmax(axis=1))
    weight = task.sample_weight * (truth >= 0)
    return float(np.average(logits.argmax(axis=1) == truth, weights=weight))
