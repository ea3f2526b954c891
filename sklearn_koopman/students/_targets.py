"""Labels, weights and soft targets: what a student is fitted to."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import NotFittedError
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length

from .._devices import UnavailableDeviceError
from .._warnings import warn_user
from ..rows import (
    EnlargedRows,
    GivenRows,
    LiftedRows,
    MadeRows,
    by_rows,
    is_dask,
    of_parts,
    take,
    taken,
)
from ..teachers import (
    CallableTeacher,
    UnusableTeacherError,
    align_columns,
    check_n_columns,
    column_classes,
    column_names,
    output_kind,
    shortened,
    teacher_logits,
)

_THREE_WAYS = (
    "The teacher was given the {shape} array that fit received. If it expects other inputs "
    "(pixels, say, and this is a step after PCA), there are three ways out: build the pipeline "
    "with sklearn_koopman.pipeline.make_pipeline, which hands the untransformed X to the "
    "teacher; move the steps before this one into its lifter= parameter; or give fit the "
    "teacher's own inputs as teacher_X= (in a pipeline <step>__teacher_X=) or its outputs as "
    "soft_labels=."
)


def ways_out(X):
    """Return what may help a teacher that fails on rows: texts and lists have no shape."""
    return _THREE_WAYS.format(shape=X.shape if hasattr(X, "shape") else (len(X),))


# What is not the fault of the inputs, so that there is nothing to say about these.
_NOT_THE_INPUTS = (
    NotFittedError,
    MemoryError,
    ImportError,
    FileNotFoundError,
    UnavailableDeviceError,
    UnusableTeacherError,
)

# Of the largest of all weights, whose squares single precision can hold.
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-12, 1e12

# Soft targets are suspect that agree with fewer labels than this far from chance to all.
_LEAST_KNOWLEDGE = 0.1
_FEWEST_ROWS_TO_JUDGE = 20
# Columns are suspect that agree with so much more of the labels in another order, besides chance.
_MUCH_BETTER = 0.05

# Types of pandas that stand for a missing value.
_MISSING = ("NAType", "NaTType")

# An unseen class has the logit of about -16, the least that float32 networks give.
PROBABILITY_FLOOR = 1e-7

_NO_SOFT_TARGETS = (
    "soft_weight={soft_weight} needs soft targets, and there are none: give the student a "
    "teacher=, give fit soft_labels=, or set soft_weight=0 to learn from the labels alone."
)


@dataclass(frozen=True)
class Labels:
    """Labels as a student needs them.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    codes : ndarray of int, shape (n_samples,)
        Which of the classes each row has, -1 for none.
    were_given : bool, default=True
        Whether `fit` received any; False where the teacher speaks alone.
    """

    classes: np.ndarray
    codes: np.ndarray
    were_given: bool = True

    @classmethod
    def without_any(cls, n_samples, classes):
        """Return the labels of a fit that received none, with the classes of its teacher."""
        labels = encode_labels(np.empty(0, int), classes=classes)
        return cls(labels.classes, np.full(n_samples, -1), were_given=False)

    @property
    def is_labelled(self):
        """Which rows have a label, shape (n_samples,)."""
        return self.codes >= 0

    def soft_weight(self, chosen):
        """Return the weight of soft targets: the one that was chosen, or 1 without labels."""
        return chosen if self.were_given else 1.0


class OneHotRows(MadeRows):
    """One-hot labels that are made when rows of them are asked for.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
        The class of each row; -1 makes a row of zeros.
    n_classes : int
    """

    def __init__(self, codes, n_classes):
        self.codes = codes
        self.n_classes = n_classes

    def __getitem__(self, rows):
        """Return rows of shape (n_rows, n_classes)."""
        return (self.codes[rows, None] == np.arange(self.n_classes)).astype(np.float64)

    def part(self, rows):
        """Return some of the rows, not made yet."""
        return OneHotRows(self.codes[rows], self.n_classes)


def has_label(y, unlabeled_value):
    """Return which rows have a label; None as the marker says that all have.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    unlabeled_value : object
        What stands in y for "no label"; NaN is found too, and finds what else stands for a
        missing value: None, and that of pandas.

    Returns
    -------
    is_labelled : ndarray of bool, shape (n_samples,)
    """
    if unlabeled_value is None:
        return np.ones(len(y), dtype=bool)
    if np.ndim(unlabeled_value):
        raise ValueError(
            f"unlabeled_value={unlabeled_value!r}: must be one value that stands in y for no label."
        )
    if _is_missing(unlabeled_value):
        return np.array([not _is_missing(value) for value in y.tolist()], dtype=bool)
    return np.asarray(y != unlabeled_value, dtype=bool)


def _is_missing(value):
    """Return whether a label is None, NaN, or pandas' NA, which is not even equal to itself."""
    return value is None or type(value).__name__ in _MISSING or value != value


def encode_labels(y, unlabeled_value=None, classes=None):
    """Return the labels of a fit.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    unlabeled_value : object, default=None
        Marks the rows without a label.
    classes : array-like, default=None
        All classes; None takes those found in y.

    Returns
    -------
    labels : Labels
    """
    is_labelled = has_label(y, unlabeled_value)
    known = y[is_labelled]
    if y.dtype == object:
        known = np.asarray(check_labels(known.tolist(), "y"))
    if len(known):
        check_array(known, ensure_2d=False, dtype=None, input_name="y")
        check_classification_targets(known)
    elif classes is None:
        raise ValueError(
            f"unlabeled_value={unlabeled_value!r} marks every row of y, so the classes are not "
            "known; pass teacher_classes=, or label at least one row of each class."
        )
    classes = np.unique(known if classes is None else classes)
    if len(classes) < 2:
        found = f"only one class: {classes[0]!r}" if len(classes) else "no class"
        raise ValueError(
            "This solver needs samples of at least 2 classes in the data, but the data contains "
            f"{found}"
        )
    strangers = np.setdiff1d(known, classes)
    if len(strangers):
        raise ValueError(
            f"y has labels {strangers.tolist()} that are not in classes={classes}."
        )
    codes = np.full(len(y), -1)
    codes[is_labelled] = np.searchsorted(classes, known)
    return Labels(classes, codes)


def check_labels(labels, name):
    """Return labels; raise ValueError where they are not all of one type, or one is missing.

    Parameters
    ----------
    labels : list
    name : str
        Name of the argument that has them.

    Returns
    -------
    labels : list
        The same.
    """
    missing = [label for label in labels if label is None or type(label).__name__ in _MISSING]
    if missing:
        raise ValueError(
            f"{name} has missing values ({missing[0]!r}) among its labels: leave these rows out, "
            "or say in unlabeled_value= what stands for no label, where there is that parameter."
        )
    texts = [label for label in labels if isinstance(label, str | bytes)]
    if texts and len(texts) < len(labels):
        other = next(label for label in labels if not isinstance(label, str | bytes))
        raise ValueError(
            f"{name} has labels of different types, {other!r} and {texts[0]!r} say: '1' is not 1. "
            "Make all of them strings, or numbers."
        )
    return labels


def refuse_missing_labels(y):
    """Raise ValueError where a label is missing: scikit-learn's own check fails at pandas' NA."""
    labels = np.asarray(y)
    if labels.dtype == object and labels.ndim == 1:
        check_labels(labels.tolist(), "y")


def check_weights(sample_weight, n_samples, *, are_more_to_come=False):
    """Return non-negative float64 weights, not all of them zero.

    Their ratios are what matters: those that single precision could not hold are scaled, all by
    the same power of two.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
    n_samples : int
    are_more_to_come : bool, default=False
        Whether they are to be compared with weights of later rows; they are refused then, rather
        than scaled.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,)
    """
    if sample_weight is None:
        return np.ones(n_samples)
    weight = np.asarray(sample_weight)
    if weight.ndim == 0:
        weight = np.full(n_samples, weight)
    weight = check_array(weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight.shape == {weight.shape}, expected {(n_samples,)}: one weight a row."
        )
    if weight.min() < 0:
        raise ValueError(f"Negative values in sample_weight: the least is {weight.min()}.")
    if not weight.any():
        raise ValueError("Sample weights must not all be zero: sample_weight sums to 0.")
    largest = weight.max()
    if SMALLEST_WEIGHT <= largest <= LARGEST_WEIGHT:
        return weight
    if are_more_to_come:
        raise ValueError(
            f"sample_weight: the largest is {largest}, and rows of later calls are compared with "
            f"these: it must be in the range [{SMALLEST_WEIGHT:.0e}, {LARGEST_WEIGHT:.0e}]. Scale "
            "the weights of all calls."
        )
    return np.ldexp(weight, -np.frexp(largest)[1])


@dataclass(frozen=True)
class SoftTargets:
    """What a student learns from beside its labels.

    Attributes
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        Columns in the order of `labels.classes`; for enlarged rows, of all of them.
    labels : Labels
        Those that were known before, or, of a fit without labels, what the columns tell.
    teacher : Teacher or None
        The teacher that gave them, fitted.
    """

    logits: np.ndarray
    labels: Labels
    teacher: object = None


def soft_targets(
    teacher, X, labels, sample_weight, train=None, *, n_samples, teacher_X, kind, floor
):
    """Ask a teacher for the soft targets of a fit.

    Parameters
    ----------
    teacher : Teacher
        One that is an estimator is fitted on the labelled rows first.
    X : array-like of shape (n_samples, n_features), or EnlargedRows of these
        What `fit` received; the teacher sees it unless it has a `teacher_X`. It is never fitted
        on rows that are made.
    labels : Labels or None
        None: there are none, and the classes are numbered as the columns are.
    sample_weight : ndarray of shape (n_samples,) or None
    train : ndarray of bool, shape (n_samples,), default=None
        The rows that a teacher may be fitted on; None stands for all.
    n_samples : int
        How many rows `fit` received.
    teacher_X : array-like of shape (n_samples, ...) or None
    kind : {"auto", "proba", "logits", "sigmoid"}
        The `teacher_output` parameter.
    floor : float
        Smallest probability whose logarithm is taken.

    Returns
    -------
    targets : SoftTargets
    """
    seen = X if teacher_X is None else teacher_X
    if labels is None or not labels.were_given:
        check_needs_no_labels(teacher)
    if isinstance(seen, LiftedRows):
        seen = by_rows(np.asarray, seen)
    are_made = isinstance(seen, EnlargedRows)
    try:
        if not teacher.is_fixed:
            real = seen.real if are_made else seen
            teacher = _taught(teacher, real, labels, sample_weight, train)
        if labels is not None:
            teacher = teacher.expecting(labels.classes)
        if is_dask(seen) and isinstance(teacher, CallableTeacher):
            # Names of columns, which chunks do not bring along.
            teacher(take(seen, np.arange(1)))
        outputs = by_rows(teacher, seen, keep=True)
        if labels is None:
            labels = Labels.without_any(n_samples, labels_of_columns(teacher, outputs))
        of_columns = column_classes(
            teacher.column_names, teacher.classes_, labels.classes, "teacher"
        )
        _check_columns(outputs, of_columns, labels, "teacher")
    except _NOT_THE_INPUTS:
        raise
    except Exception as error:
        is_out_of_memory = type(error).__name__ == "OutOfMemoryError"  # torch's own
        if teacher_X is not None or are_made or is_out_of_memory:
            raise
        raise ValueError(f"{error}\n{ways_out(X)}") from error
    kind = teacher.output if kind == "auto" else kind
    logits = _class_logits(outputs, kind, of_columns, labels, floor=floor, source="teacher")
    return SoftTargets(logits, labels, teacher)


def _taught(teacher, X, labels, sample_weight, train):
    """Return a teacher that is fitted on the labelled rows, or on those of them in a mask."""
    labelled = labels.is_labelled if train is None else labels.is_labelled & train
    weight = None if sample_weight is None else sample_weight[labelled]
    # Not those of y: beside markers of another type they may be objects.
    known = labels.classes[labels.codes[labelled]]
    return teacher.fit(some_rows(X, labelled), known, sample_weight=weight)


def labels_of_columns(teacher, outputs):
    """Return the classes of a teacher that does not know them, where there are no labels.

    Parameters
    ----------
    teacher : Teacher
        A warning says so where it has labels of its own that nobody could read.
    outputs : array of shape (n_samples, n_columns)
        What it gave.

    Returns
    -------
    classes : list or ndarray of shape (n_classes,)
        One class a column, two for a single one: the names of the columns, else their numbers.
    """
    classes = _named_columns(outputs, teacher.column_names)
    teacher.check_numbers_as_classes()
    return classes


def _named_columns(outputs, names):
    if names is not None and len({type(name) for name in names}) == 1:
        return names
    n_columns = np.shape(outputs)[1] if np.ndim(outputs) > 1 else 1
    return np.arange(max(n_columns, 2))


def check_needs_no_labels(teacher):
    """Raise ValueError if the teacher has to be fitted and there are no labels.

    Parameters
    ----------
    teacher : Teacher
    """
    if not teacher.is_fixed:
        raise ValueError(
            f"{teacher!r} would have to be fitted on labels: it requires y to be passed, but the "
            "target y is None. Give fit y; or fit the teacher first, and wrap it in "
            "sklearn.frozen.FrozenEstimator to have it used as it is."
        )


def given_soft_targets(soft_labels, labels, n_samples, *, teacher_classes, kind, floor):
    """Return soft targets of what the user gave to `fit` as soft labels.

    Parameters
    ----------
    soft_labels : array-like or DataFrame of shape (n_samples, n_columns)
        Columns that have the names of classes are theirs.
    labels : Labels or None
        As for `soft_targets`.
    n_samples : int
    teacher_classes : array-like of shape (n_columns,) or None
    kind, floor
        As for `soft_targets`.

    Returns
    -------
    targets : SoftTargets
    """
    if labels is None:
        classes = _named_columns(soft_labels, column_names(soft_labels))
        labels = Labels.without_any(n_samples, classes)
    check_consistent_length(labels.codes, soft_labels)
    of_columns = column_classes(
        column_names(soft_labels), teacher_classes, labels.classes, "soft_labels"
    )
    _check_columns(soft_labels, of_columns, labels, "soft_labels")
    logits = _class_logits(
        soft_labels, kind, of_columns, labels, floor=floor, source="soft_labels"
    )
    return SoftTargets(logits, labels)


def _check_columns(outputs, column_classes, labels, source):
    """Raise ValueError for a number of columns that cannot be right."""
    shape, n_classes = np.shape(outputs), len(labels.classes)
    if shape[1:] in ((), (1,)):
        if n_classes > 2:
            raise UnusableTeacherError(
                f"{source} gave one number for each row, y has {n_classes} classes: one column "
                "for each is needed, as predict_proba and decision_function give, and predict "
                "does not."
            )
    elif len(shape) == 2 and shape[1] > 0:
        check_n_columns(shape[1], column_classes, labels.classes, source)


def _class_logits(outputs, kind, column_classes, labels, *, floor, source):
    """Return outputs as logits, with columns in the order of the classes."""
    logits = _logits(outputs, kind, floor=floor, source=source)
    logits = align_columns(logits, column_classes, labels.classes, source=source)
    if not is_dask(logits):
        _warn_of_guesses(logits[: len(labels.codes)], labels, source)
    return logits


def _warn_of_guesses(logits, labels, source):
    """Warn where soft targets know no more than chance, or more in another order of columns."""
    rows = np.flatnonzero(labels.is_labelled)
    if len(rows) < _FEWEST_ROWS_TO_JUDGE:
        return
    # Targets without a first choice, uniform ones say, are not taken for wrong.
    logits = logits[rows]
    agreed = np.mean(logits[np.arange(len(rows)), labels.codes[rows]] >= logits.max(axis=1))
    chance = 1 / len(labels.classes)
    best, order = _best_order(logits, labels.codes[rows])
    knows = best > (1 + chance) / 2  # what knows nothing is better in another order, too
    if knows and best - agreed > max(_MUCH_BETTER, 3 / np.sqrt(len(rows))):
        classes = shortened(labels.classes[order].tolist())
        warn_user(
            f"{source}: the first choice is the label of {agreed:.0%} of {len(rows)} labelled "
            f"rows, and of {best:.0%} if the columns are of the classes {classes}, in this order. "
            f"If they are, pass teacher_classes={classes}.",
        )
    elif agreed < chance + _LEAST_KNOWLEDGE * (1 - chance):
        warn_user(
            f"{source}: the first choice is the label of only {agreed:.0%} of {len(rows)} labelled "
            "rows, which is about what guessing gives. Are the columns in the order of the "
            f"classes, {shortened(labels.classes.tolist())} (else say theirs in "
            "teacher_classes=)? Does the teacher see inputs like those it was trained on (after "
            "other steps: sklearn_koopman.pipeline.make_pipeline, or teacher_X=)? Is it trained?",
        )


def _best_order(logits, codes):
    """Return the largest share of labels that are first choices, and the order of columns for it.

    Entry j of the order is the class that column j is then taken to be of.
    """
    n_classes = logits.shape[1]
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (logits.argmax(axis=1), codes), 1)
    columns, order = linear_sum_assignment(counts, maximize=True)
    return counts[columns, order].sum() / len(codes), order


def _logits(outputs, kind, *, floor, source):
    """Return outputs as logits; what they are must not differ between chunks of rows."""
    if kind == "auto" and is_dask(outputs):
        kinds = set(of_parts(partial(output_kind, source=source), outputs))
        if len(kinds) > 1:
            raise ValueError(
                f"{source}: some chunks look like probabilities, others like logits; set "
                "teacher_output='proba' or 'logits'."
            )
        (kind,) = kinds
    return by_rows(partial(teacher_logits, kind=kind, floor=floor, source=source), outputs)


def some_rows(X, chosen):
    """Return some rows, by a mask, of an array, a data frame, a sparse matrix or a list."""
    X = X.X if isinstance(X, GivenRows) else X
    return X if chosen.all() else taken(X, chosen)


def weighs_soft_targets(student, soft_labels):
    """Say whether a fit learns from soft targets; raise ValueError where it should and cannot."""
    if student.soft_weight == 0:
        return False
    if student.teacher is None and soft_labels is None:
        raise ValueError(_NO_SOFT_TARGETS.format(soft_weight=student.soft_weight))
    return True


def regression_targets(task):
    """Return what the rows of a task are regressed on, and their weights.

    Parameters
    ----------
    task : Task

    Returns
    -------
    targets : array of shape (n_samples, n_classes)
        Logits of the teacher, centred in every row, or one-hot labels.
    sample_weight : ndarray of shape (n_samples,)
    """
    if task.soft_logits is not None:
        centred = task.soft_logits - task.soft_logits.mean(axis=1, keepdims=True)
        return centred, task.sample_weight
    labels = task.labels
    one_hot = OneHotRows(labels.codes, len(labels.classes))
    return one_hot, task.sample_weight * labels.is_labelled
