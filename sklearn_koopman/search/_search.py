"""The estimator that searches for the student that a budget pays for."""

from functools import partial
from itertools import product

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted, validate_data

from .._validation import (
    DTYPES,
    check_choice,
    check_integer,
    check_real,
    check_reals,
    invalid_parameter,
    is_integer,
)
from ..classification import SCORINGS, judged, scoring_of
from ..inspection import AccuracyCostDisplay
from ..rows import LiftedRows
from ..students import KoopmanClassifier, TransferSet
from ._costs import C_SETTINGS, COSTS, UNITS
from ._rows import shifts
from ._run import Clock, Search


class KoopmanSearchCV(KoopmanClassifier):
    r"""Search for the student that a budget pays for.

    A candidate is a dictionary of some size: monomials of PCA coordinates, the coordinates alone,
    all features, or Gaussians. For images it may also be means of pixels before PCA, or filters
    (:class:`~sklearn_koopman.ConvolutionalLifter`) of several sizes and strides, with or without
    monomials beside them. For each kind, the largest candidate that each price pays for is tried.
    Candidates are fitted as :class:`~sklearn_koopman.KoopmanDistilledClassifier`, to few rows
    first, and judged on rows that are held out. The best few at each price go on to four times as
    many rows [1]_. Those that are left are tried with a transfer set too, and the best at each
    price is fitted to all rows.

    Parameters
    ----------
    teacher : callable, torch.nn.Module, classifier or TorchTeacher, default=None
        As for :class:`~sklearn_koopman.KoopmanDistilledClassifier`. None, without `soft_labels`
        in `fit`: students learn from labels alone.
    budget : float or list of float, default=None
        What a student may cost for one sample. Students are searched for at a few lower prices too,
        so that there is a frontier. A list gives the prices themselves; the highest is that of
        `best_estimator_`. None: no limit.
    cost : {"multiplications", "bytes", "tables", "seconds"}, default="multiplications"
        What `budget` counts, as :func:`~sklearn_koopman.inspection.cost` does. "bytes" are those
        of all parameters as floats: four for each number where X is float32, eight where it is
        float64. "tables" are bytes of flash: the tables of the integers that
        :func:`~sklearn_koopman.deployment.to_c` writes with `c_settings`, whatever floats X has.
        The code, some kilobytes, is not counted. Seconds are measured, and so are not the same in
        every run.
    c_settings : dict, default=None
        For ``cost="tables"``: those arguments of :func:`~sklearn_koopman.deployment.to_c` that the
        files will be written with: `bits`, `filter_bits`, `reducer_bits`, `activation_bits`,
        `byte_range`, and ``number="integer"``, which is the only one. Arguments that are left out
        have the defaults of `to_c`: 8 bits, and rows of floats. ``to_c(search, X=X)`` writes with
        these settings where it is not given others. `best_estimator_` and `student` do not know
        them: pass them to `to_c` again there.
    time : float, default=None
        Seconds that the search may take. The plan does not depend on it: the order of candidates is
        fixed, the limit cuts off the end of a round, and a warning names what was not tried. About
        a fifth of the time is kept for the last fits, which are not cut. None: the whole plan.
    input_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat images. None: rows are not images. For
        series give a list of `dictionaries`, such as ``[ConvolutionalLifter((64,), n_filters=8)]``.
    dictionaries : "auto" or list of transformers, default="auto"
        Dictionaries to search instead: each is one candidate.
    max_observables : int, default=3500
        Largest number of observables of a candidate. It is also at most the number of training
        rows, or 500 if there are fewer rows.
    ridges : array-like of shape (n_ridges,), default=(1e-5, 1e-4, 1e-3, 1e-2)
        L2 penalties to choose from.
    soft_weights : array-like of shape (n_soft_weights,), default=(0.5, 1.0)
        Weights of the soft loss to choose from, where there are soft targets.
    temperatures : array-like of shape (n_temperatures,), default=(2.0, 1.0)
        Temperatures to choose from. The first round takes the first temperature and soft weight.
    transfer_set : "auto", TransferSet, list of TransferSet or None, default="auto"
        Transfer sets that are tried with the last candidates. "auto": images moved by a pixel in
        four directions, with their labels; none for other rows. A teacher that is used as it is
        labels the made rows. `soft_labels`, and the answers of a teacher that is fitted to each
        split, are those of the originals.
    cv : int, cross-validation generator or iterable, default=None
        None holds out one row in six, stratified by class. A number of folds, a splitter, or a list
        of (training, test) indices fits every candidate in each split.
    scoring : {"accuracy", "neg_log_loss", "fidelity"}, str or callable, default="accuracy"
        The score on held-out rows that decides. The name of any other scorer of scikit-learn is
        taken too ("balanced_accuracy", say), or a function ``scoring(model, rows, y)``, as in
        :class:`~sklearn_koopman.KoopmanDistilledClassifierCV`.
    tol : float, default=1e-4
        Tolerance of the last fits.
    teacher_output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the teacher or `soft_labels` give.
    teacher_classes : array-like of shape (n_columns,), default=None
        The class of each column of the teacher. None: its `classes_`, or else the sorted labels.
    class_weight : dict or "balanced", default=None
        Weights of the classes: each row counts as much as its class. Classes that a dict leaves
        out count 1. "balanced" gives all classes the same total weight, as in
        :class:`~sklearn.linear_model.LogisticRegression`. The teacher is taken to know nothing
        of the weights, so their logarithms are added to its logits.
        Held-out rows count the same whatever their class: see `scoring`.
    unlabeled_value : object, default=None
        The value in y that means "no label". None: every row is labelled.
    random_state : int, RandomState instance or None, default=None
        Seeds the choice of held-out rows, the order of the others, filters and centres.
    verbose : int, default=0
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step.

    Attributes
    ----------
    best_estimator_ : KoopmanDistilledClassifier
        The best student within the budget, fitted to all rows; its `lifter_` takes rows as they
        are.
    best_score_ : float
        Its score on held-out rows. The student was chosen by this score, so the score is
        optimistic.
    best_cost_ : float
    best_candidate_ : str
        Its description. One of `dictionaries` has its number there, from 0, and its repr.
    no_teacher_ : KoopmanDistilledClassifier or None
        The same student without a teacher, with a ridge of its own; None if the search has no
        teacher.
    no_teacher_score_ : float or None
        Its score on held-out rows.
    results_ : dict of str to ndarray
        A table, for `pandas.DataFrame`: every fit that was judged, with "candidate", "round",
        "n_rows", "cost", "n_observables", "score", "soft_weight", "temperature", "ridge",
        "transfer_set" (its number, -1 for none).
    frontier_ : list of int
        Rows of `results_`, one for each candidate that no cheaper one equals, the cheapest first.
    frontier_estimators_ : list of KoopmanDistilledClassifier
        The best students at each price, fitted to all rows, the cheapest first.
    frontier_costs_, frontier_scores_ : ndarray of shape (n_students,)
        Their costs and scores.
    prices_ : list of float
        The prices at which students were searched for.
    cut_ : list of str
        Candidates that the time limit cut off.
    coef_, intercept_, classes_, koopman_matrix_, lifter_
        Those of `best_estimator_`.
    teacher_ : Teacher
        The teacher, if there is one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    sklearn_koopman.KoopmanDistilledClassifierCV : Chooses the settings of one dictionary.
    sklearn.model_selection.HalvingGridSearchCV : Successive halving of any grid, without costs.

    Notes
    -----
    Work that does not depend on labels is shared. A front (PCA, filters) is fitted once, to the
    training rows, and its coordinates are kept for all candidates and rounds that need them. PCA of
    fewer components is the first columns of the larger one. The settings of a candidate share its
    rows, leverages and preconditioners, and each fit starts from the last one. The last fits keep
    the fronts of the search.

    The same `random_state` gives the same students, unless `time` ends the search or `cost` is
    "seconds".

    References
    ----------
    .. [1] K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
       optimization", AISTATS (2016), arXiv:1502.07943.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_koopman.search import KoopmanSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = KoopmanSearchCV(
    ...     RandomForestClassifier(n_estimators=20, random_state=0), budget=100, random_state=0
    ... ).fit(X, y)
    >>> search.best_cost_ <= 100
    True
    >>> search.score(X, y) > 0.95
    True
    """

    lifter = None  # rows come as they are
    _takes_sparse = False
    _without_dask = (
        "it goes over some rows many times. Search on a part of the rows, in memory."
    )

    def __init__(
        self,
        teacher=None,
        *,
        budget=None,
        cost="multiplications",
        c_settings=None,
        time=None,
        input_shape=None,
        dictionaries="auto",
        max_observables=3500,
        ridges=(1e-5, 1e-4, 1e-3, 1e-2),
        soft_weights=(0.5, 1.0),
        temperatures=(2.0, 1.0),
        transfer_set="auto",
        cv=None,
        scoring="accuracy",
        tol=1e-4,
        teacher_output="auto",
        teacher_classes=None,
        class_weight=None,
        unlabeled_value=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.budget = budget
        self.cost = cost
        self.c_settings = c_settings
        self.time = time
        self.input_shape = input_shape
        self.dictionaries = dictionaries
        self.max_observables = max_observables
        self.ridges = ridges
        self.soft_weights = soft_weights
        self.temperatures = temperatures
        self.transfer_set = transfer_set
        self.cv = cv
        self.scoring = scoring
        self.tol = tol
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes
        self.class_weight = class_weight
        self.unlabeled_value = unlabeled_value
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None, *, soft_labels=None, teacher_X=None):
        """Search, and fit the best students to all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            float32 and float64 are kept.
        y : array-like of shape (n_samples,), default=None
            Labels. None: a teacher that is used as it is, or `soft_labels`, speak alone, and
            its choices are those that count.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. PCA, filters and centres do not take them.
        soft_labels : array-like of shape (n_samples, n_columns), default=None
            Probabilities or logits to learn from; the teacher is not called then.
        teacher_X : array-like of shape (n_samples, ...), default=None
            What the teacher sees; None lets it see X.

        Returns
        -------
        self : object
            Fitted classifier.
        """
        clock = Clock(self.time)
        sees_X = teacher_X is None or teacher_X is X
        return self._fit(
            X, y, sample_weight, soft_labels, teacher_X, clock=clock, sees_X=sees_X
        )

    def predict_proba(self, X):
        """Return the probabilities of the classes, the softmax of the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        return self._map_outputs(partial(softmax, axis=1), X)

    def student(self, budget):
        """Return the best student at another price, without a new search.

        Parameters
        ----------
        budget : float

        Returns
        -------
        student : KoopmanDistilledClassifier
            Of `frontier_estimators_`, fitted to all rows.
        """
        check_is_fitted(self)
        affordable = np.flatnonzero(self.frontier_costs_ <= budget)
        if len(affordable) == 0:
            raise ValueError(
                f"budget={budget!r} pays for no student: the cheapest costs "
                f"{self.frontier_costs_.min():g} {UNITS.get(self.cost, self.cost)}."
            )
        return self.frontier_estimators_[affordable[self.frontier_scores_[affordable].argmax()]]

    def plot(self, ax=None):
        """Draw the latest score of every candidate against its cost, and the frontier.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        display : AccuracyCostDisplay
        """
        check_is_fitted(self)
        latest = self.results_["is_latest"]
        costs, scores = (self.results_[name][latest] for name in ("cost", "score"))
        return AccuracyCostDisplay(costs, scores, cost=self.cost).plot(ax)

    def _check_parameters(self):
        super()._check_parameters()
        check_choice(self, "cost", COSTS)
        if self.c_settings is not None:
            if not isinstance(self.c_settings, dict) or self.c_settings.keys() - set(
                C_SETTINGS
            ):
                names = ", ".join(C_SETTINGS)
                raise invalid_parameter(
                    self, "c_settings", f"a dict with keys of {names} or None"
                )
            if self.cost != "tables":
                raise ValueError(
                    f"c_settings={self.c_settings!r} is for cost='tables', and cost={self.cost!r}: "
                    "leave it None."
                )
        scoring_of(self, SCORINGS)
        check_real(self, "time", low=0.0, inclusive="neither", optional=True)
        check_real(self, "tol", low=0.0, inclusive="left")
        check_integer(self, "max_observables", minimum=1)
        self._prices()
        self._ridges()
        self._pairs(True)
        shape = self.input_shape
        if isinstance(shape, tuple | list) and len(shape) == 1:
            raise ValueError(
                f"input_shape={shape!r} is that of series, and filters are made for images only. "
                "Leave input_shape out, and give filters of your own: "
                f"dictionaries=[ConvolutionalLifter(({shape[0]!r},), n_filters=8), ...]."
            )
        if shape is not None and not (
            isinstance(shape, tuple | list)
            and len(shape) in (2, 3)
            and all(is_integer(n) and n >= 1 for n in shape)
        ):
            raise invalid_parameter(
                self, "input_shape", "a tuple of 2 or 3 positive ints or None"
            )
        self._transfer_sets()
        if self.dictionaries != "auto" and not (
            isinstance(self.dictionaries, list | tuple)
            and len(self.dictionaries) > 0
            and all(hasattr(each, "transform") for each in self.dictionaries)
        ):
            raise invalid_parameter(self, "dictionaries", "'auto' or a list of transformers")

    def _prices(self):
        """Return the budgets in ascending order, or None if there are none."""
        if self.budget is None:
            return None
        if np.ndim(self.budget) == 0:
            check_real(self, "budget", low=0.0, inclusive="neither")
            return [float(self.budget)]
        return sorted(map(float, check_reals(self, "budget", low=0.0, inclusive="neither")))

    def _ridges(self):
        return sorted(check_reals(self, "ridges", low=0.0, inclusive="left"), reverse=True)

    def _pairs(self, is_soft):
        """Return soft weights and temperatures to try. A soft weight of 0 has no temperature."""
        soft_weights = check_reals(self, "soft_weights", low=0.0, high=1.0)
        temperatures = check_reals(self, "temperatures", low=0.0, inclusive="neither")
        if not is_soft:
            return [(0.0, 1.0)]
        pairs = product(soft_weights, temperatures)
        return list(dict.fromkeys((a, T if a > 0 else 1.0) for a, T in pairs))

    def _transfer_sets(self):
        if self.transfer_set is None:
            return []
        if isinstance(self.transfer_set, str) and self.transfer_set == "auto":
            return [] if self.input_shape is None else [shifts(self.input_shape)]
        sets = self.transfer_set
        sets = list(sets) if isinstance(sets, list | tuple) else [sets]
        if not all(isinstance(each, TransferSet) for each in sets):
            raise invalid_parameter(
                self, "transfer_set", "'auto', a TransferSet, a list of these, or None"
            )
        return sets

    def _validate_rows(self, X, *, reset):
        if isinstance(X, LiftedRows):
            return super()._validate_rows(X, reset=reset)
        return validate_data(self, X, dtype=DTYPES, reset=reset)

    def _wants_soft_targets(self, soft_labels):
        return self.teacher is not None or soft_labels is not None

    def _solve(self, task, clock, sees_X):
        task = judged(task)
        pairs = self._pairs(task.soft_logits is not None)
        pairs = list(dict.fromkeys((task.labels.soft_weight(a), T) for a, T in pairs))
        search = Search(
            self,
            task,
            prices=self._prices(),
            pairs=pairs,
            ridges=self._ridges(),
            transfer_sets=self._transfer_sets(),
            clock=clock,
            sees_X=sees_X,
        )
        return search.run()
