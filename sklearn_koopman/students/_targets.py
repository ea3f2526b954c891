"""Soft targets that a student is fitted to."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_consistent_length

from .._devices import UnavailableDeviceError
from .._warnings import warn_user
from ..rows import (
    EnlargedRows,
    GivenRows,
    LiftedRows,
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
from ._labels import Labels, OneHotRows

_THREE_WAYS = (
    "The teacher was given the {shape} array that fit received. If it expects other inputs (for "
    "example pixels, while this is a step after PCA), there are three ways out: build the "
    "pipeline with sklearn_koopman.pipeline.make_pipeline, which passes the untransformed X to "
    "the teacher; move the steps before this one into its lifter= parameter; or pass the "
    "teacher's own inputs to fit as teacher_X= (in a pipeline <step>__teacher_X=), or its outputs "
    "as soft_labels=."
)


_MISSING_VALUES = (
    "The teacher sees the rows that enter the pipeline, missing values too. Give it an imputer of "
    "its own: sklearn.pipeline.make_pipeline(SimpleImputer(), teacher)."
)


def said_by_teacher(error, X, *, are_meant):
    """Return what to say of an error that a teacher raised on rows, or None where it says enough.

    Parameters
    ----------
    error : Exception
    X : array-like
        The rows. Texts and lists have no shape.
    are_meant : bool
        Whether the user has said that the teacher is to see these rows, and no others.

    Returns
    -------
    message : str or None
    """
    said = str(error) if str(error).startswith("teacher") else f"teacher: {error}"
    if isinstance(error, ValueError) and "contains NaN" in said:
        return f"{said}\n{_MISSING_VALUES}"
    if are_meant:
        error.add_note("The teacher raised this error.")
        return None
    shape = X.shape if hasattr(X, "shape") else (len(X),)
    return f"{said}\n{_THREE_WAYS.format(shape=shape)}"


# Errors that the inputs do not cause, so no advice about inputs is given.
_NOT_THE_INPUTS = (
    NotFittedError,
    MemoryError,
    ImportError,
    FileNotFoundError,
    UnavailableDeviceError,
    UnusableTeacherError,
)


# Soft targets are suspicious if they agree with fewer labels than this share of the way from chance
# to full agreement.
_LEAST_KNOWLEDGE = 0.1
_FEWEST_ROWS_TO_JUDGE = 20
# Columns are suspicious if, beyond chance, this many more labels agree in another order.
_MUCH_BETTER = 0.05


# An unseen class gets a logit of about -16, the smallest that float32 networks give.
PROBABILITY_FLOOR = 1e-7

_NO_SOFT_TARGETS = (
    "soft_weight={soft_weight} needs soft targets, and there are none: give the student a "
    "teacher=, pass soft_labels= to fit, or set soft_weight=0 to learn from the labels alone."
)


@dataclass(frozen=True)
class SoftTargets:
    """Soft targets that a student learns from in addition to its labels.

    Attributes
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        Logits with columns in the order of `labels.classes`. For enlarged rows, logits of all rows.
    labels : Labels
        The known labels. In a fit without labels, the classes come from the columns.
    teacher : Teacher or None
        The fitted teacher that gave the soft targets.
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
        The teacher. An estimator is fitted on the labelled rows first.
    X : array-like of shape (n_samples, n_features), or EnlargedRows of these
        Rows that `fit` received. The teacher sees them, unless there is a `teacher_X`. It is never
        fitted on rows that are made.
    labels : Labels or None
        None: there are no labels, and the classes are the numbers of the columns.
    sample_weight : ndarray of shape (n_samples,) or None
    train : ndarray of bool, shape (n_samples,), default=None
        Rows that a teacher may be fitted on. None: all.
    n_samples : int
        Number of rows that `fit` received.
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
            # Names of columns, which chunks do not have.
            teacher(take(seen, np.arange(1)))
        outputs = by_rows(teacher, seen, keep=True)
        if labels is None:
            labels = Labels.without_any(n_samples, labels_of_columns(teacher, outputs))
        said = teacher.classes_
        of_columns = column_classes(teacher.column_names, said, labels.classes, "teacher")
        _check_columns(outputs, of_columns, labels, "teacher")
    except _NOT_THE_INPUTS:
        raise
    except Exception as error:
        is_out_of_memory = type(error).__name__ == "OutOfMemoryError"  # torch's own type
        are_meant = teacher_X is not None or are_made or is_out_of_memory
        message = said_by_teacher(error, X, are_meant=are_meant)
        if message is None:
            raise
        raise ValueError(message) from error
    kind = teacher.output if kind == "auto" else kind
    logits = _class_logits(outputs, kind, of_columns, labels, floor=floor, source="teacher")
    _warn_of_guesses(
        logits, labels, "teacher", is_named=of_columns is not said or teacher.knows_its_order
    )
    return SoftTargets(logits, labels, teacher)


def _taught(teacher, X, labels, sample_weight, train):
    """Return a teacher that is fitted on the labelled rows, or on the ones in a mask."""
    labelled = labels.is_labelled if train is None else labels.is_labelled & train
    weight = None if sample_weight is None else sample_weight[labelled]
    # Not the labels in y: with markers of another type, they may be objects.
    known = labels.classes[labels.codes[labelled]]
    return teacher.fit(some_rows(X, labelled), known, sample_weight=weight)


def labels_of_columns(teacher, outputs):
    """Return the classes of a teacher that does not know them, in a fit without labels.

    Parameters
    ----------
    teacher : Teacher
        The teacher. There is a warning if it has labels of its own that could not be read.
    outputs : array of shape (n_samples, n_columns)
        Outputs of the teacher.

    Returns
    -------
    classes : list or ndarray of shape (n_classes,)
        One class per column, or two for a single column: the names of the columns, or else their
        numbers.
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
            "target y is None. Pass y to fit; or fit the teacher first, and wrap it in "
            "sklearn.frozen.FrozenEstimator, so that it is used as it is."
        )


def given_soft_targets(soft_labels, labels, n_samples, *, teacher_classes, kind, floor):
    """Return the soft targets from the soft labels that the user passed to `fit`.

    Parameters
    ----------
    soft_labels : array-like or DataFrame of shape (n_samples, n_columns)
        Soft labels. Columns with the name of a class belong to this class.
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
    _warn_of_guesses(logits, labels, "soft_labels", is_named=of_columns is not teacher_classes)
    return SoftTargets(logits, labels)


def _check_columns(outputs, column_classes, labels, source):
    """Raise ValueError if the number of columns cannot be right."""
    shape, n_classes = np.shape(outputs), len(labels.classes)
    if shape[1:] in ((), (1,)):
        if n_classes > 2:
            raise UnusableTeacherError(
                f"{source} gave one number for each row, but y has {n_classes} classes: one column "
                "for each class is needed. predict_proba and decision_function give this, predict "
                "does not."
            )
    elif len(shape) == 2 and shape[1] > 0:
        check_n_columns(shape[1], column_classes, labels.classes, source)


def _class_logits(outputs, kind, column_classes, labels, *, floor, source):
    """Return outputs as logits, with columns in the order of the classes."""
    logits = _logits(outputs, kind, floor=floor, source=source)
    return align_columns(logits, column_classes, labels.classes, source=source)


def _warn_of_guesses(logits, labels, source, *, is_named):
    """Warn if soft targets are no better than chance, or better in another order of columns.

    Where the columns have names of their own (`is_named`), nobody is told to give another order.
    """
    rows = np.flatnonzero(labels.is_labelled)
    if len(rows) < _FEWEST_ROWS_TO_JUDGE or is_dask(logits):
        return
    # Targets without a first choice, such as uniform ones, do not count as wrong.
    logits = logits[rows]
    agreed = np.mean(logits[np.arange(len(rows)), labels.codes[rows]] >= logits.max(axis=1))
    chance = 1 / len(labels.classes)
    best, order = _best_order(logits, labels.codes[rows])
    knows = best > (1 + chance) / 2  # random targets are better in another order, too
    if knows and best - agreed > max(_MUCH_BETTER, 3 / np.sqrt(len(rows))):
        classes = shortened(labels.classes[order].tolist())
        advice = f"If this is the right order, pass teacher_classes={classes}."
        if is_named:
            advice = (
                "The columns have names of their own, so the order is not what is wrong. Look at "
                "the inputs (is each row that of its label?), and at the weights of rows and "
                "classes that the teacher was trained with."
            )
        warn_user(
            f"{source}: the first choice is the label of {agreed:.0%} of {len(rows)} labelled "
            f"rows, and of {best:.0%} if the columns have the classes {classes}, in this order. "
            f"{advice}"
        )
    elif agreed < chance + _LEAST_KNOWLEDGE * (1 - chance):
        question = (
            f"Are the columns in the order of the classes, {shortened(labels.classes.tolist())} "
            "(or else pass their order as teacher_classes=)? "
        )
        warn_user(
            f"{source}: the first choice is the label of only {agreed:.0%} of {len(rows)} labelled "
            f"rows, which is about what guessing gives. {'' if is_named else question}Does the "
            "teacher see inputs like those it was trained on (after other steps, use "
            "sklearn_koopman.pipeline.make_pipeline, or teacher_X=)? Is it trained?",
        )


def _best_order(logits, codes):
    """Return the largest share of labels that can be first choices, and the order of columns.

    Entry j of the order is the class of column j.
    """
    n_classes = logits.shape[1]
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (logits.argmax(axis=1), codes), 1)
    columns, order = linear_sum_assignment(counts, maximize=True)
    return counts[columns, order].sum() / len(codes), order


def _logits(outputs, kind, *, floor, source):
    """Return outputs as logits. Their kind must not differ between chunks of rows."""
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
    """Return whether a fit learns from soft targets. Raise ValueError if it should and cannot."""
    if student.soft_weight == 0:
        return False
    if student.teacher is None and soft_labels is None:
        raise ValueError(_NO_SOFT_TARGETS.format(soft_weight=student.soft_weight))
    return True


def regression_targets(task):
    """Return the regression targets of the rows of a task, and their weights.

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
