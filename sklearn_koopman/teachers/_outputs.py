"""Conversion of a teacher's outputs to float64 logits, one column per class of the student."""

from collections.abc import Mapping

import numpy as np
from scipy.sparse import issparse
from scipy.special import logsumexp

OUTPUT_KINDS = ("auto", "proba", "logits", "sigmoid")
KNOWN_KINDS = "'auto', 'proba', 'logits' or 'sigmoid'"
TINY = float(np.finfo(np.float64).tiny)

# Smallest difference of a float32 sigmoid from 1. Beyond it, log-odds are not known.
_SIGMOID_TOLERANCE = 2.0**-24

# Rounding in float32 may leave a probability a few ulps outside [0, 1]; if such rows counted as
# logits, the targets would silently become nearly uniform.
_RANGE_TOLERANCE = 1e-6
_SUM_TOLERANCE = 1e-3


class UnusableTeacherError(ValueError, TypeError):
    """A teacher cannot be used with any input, because of its outputs or its settings."""


def check_outputs(outputs, source, n_rows=None):
    """Return soft targets as a finite 2-D array of float32 or float64.

    Parameters
    ----------
    outputs : array-like or tensor of shape (n_samples, n_columns) or (n_samples,)
        Raw outputs. One dimension is taken as a single column.
    source : str
        Name of the teacher. Error messages start with it.
    n_rows : int, default=None
        Required number of rows.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_columns)
        The same values. float32 and float64 are kept; half precision becomes float32,
        everything else float64.
    """
    if issparse(outputs):
        raise UnusableTeacherError(
            f"{source}: expected a dense array, got a sparse one; use .toarray()."
        )
    _check_one_array(outputs, source)
    array = _to_float(to_numpy(outputs), source)
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(
            f"{source}: expected one row per sample and one column per class, got an array "
            f"of shape {array.shape}."
        )
    if n_rows is not None and array.shape[0] != n_rows:
        raise ValueError(f"{source}: got {array.shape[0]} rows for {n_rows} samples.")
    n_bad = np.count_nonzero(~np.isfinite(array).all(axis=1))
    if n_bad:
        raise ValueError(f"{source}: NaN or infinity in {n_bad} of {array.shape[0]} rows.")
    return array


def teacher_logits(
    outputs, kind="auto", *, floor=TINY, source="teacher", parameter="teacher_output"
):
    r"""Interpret raw teacher outputs as logits of at least two classes.

    Parameters
    ----------
    outputs : array-like of shape (n_samples, n_columns) or (n_samples,)
        Logits, probabilities or sigmoids. A single column belongs to the second of two classes,
        as in scikit-learn's binary `decision_function`.
    kind : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the outputs are. With "auto" they are probabilities if all values are in [0, 1] and
        every row sums to 1 within 1e-3, and logits if some values are outside of [0, 1]. There is
        an error if all values are in [0, 1] but rows do not sum to 1, if at least half of the rows
        but not all are probabilities, or if all rows sum to 1 with values outside [0, 1].
        With "sigmoid" each column is the probability of one class by itself, see the notes.
    floor : float, default=smallest normal float64
        Probabilities below it are raised to it before the logarithm.
    source : str, default="teacher"
        Name of the teacher, for error messages.
    parameter : str, default="teacher_output"
        Name of the parameter that says what the outputs are, for error messages.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes), float64
        Finite logits. `softmax(logits / T)` are the soft targets at temperature T.

    Notes
    -----
    A head of sigmoids (multi-label, one-vs-rest) answers one question for each class: :math:`s_k`
    is the probability that class k applies. If the answers are independent and exactly one class
    applies, this is class k with the probability

    .. math:: p_k = \frac{s_k \prod_{j \neq k} (1 - s_j)}{\sum_i s_i \prod_{j \neq i} (1 - s_j)}
              = \frac{e^{z_k}}{\sum_i e^{z_i}}, \qquad z_k = \log \frac{s_k}{1 - s_k}.

    The log-odds :math:`z_k`, which are the inputs of the sigmoids, are the logits of these soft
    targets. They are limited to :math:`\pm 16.6`, where float32 rounds a sigmoid to 0 or 1.

    Examples
    --------
    >>> from scipy.special import softmax
    >>> from sklearn_koopman.teachers._outputs import teacher_logits
    >>> logits = teacher_logits([[0.2, 0.8], [0.5, 0.5]])
    >>> softmax(logits, axis=1)
    array([[0.2, 0.8],
           [0.5, 0.5]])
    >>> softmax(teacher_logits([[0.75, 0.5, 0.0]], "sigmoid"), axis=1).round(2)
    array([[0.75, 0.25, 0.  ]])
    """
    if kind not in OUTPUT_KINDS:
        raise UnusableTeacherError(f"{parameter}={kind!r}: must be {KNOWN_KINDS}.")
    outputs = check_outputs(outputs, source).astype(np.float64)
    if kind == "auto":
        kind = _guess_kind(outputs, source, parameter)
    if kind == "sigmoid":
        kind, outputs = "logits", _log_odds(outputs, source, parameter)
    if outputs.shape[1] == 1:
        first = 1.0 - outputs if kind == "proba" else np.zeros_like(outputs)
        outputs = np.hstack([first, outputs])
    if kind == "logits":
        return outputs
    _check_probabilities(outputs, source, parameter)
    return np.log(np.maximum(outputs, floor))


def output_kind(outputs, source="teacher", parameter="teacher_output"):
    """Return whether raw outputs are "proba" or "logits", or raise if that is not clear."""
    return _guess_kind(check_outputs(outputs, source).astype(np.float64), source, parameter)


def column_names(outputs):
    """Return the names of the columns of a DataFrame, or None for anything else.

    Parameters
    ----------
    outputs : object

    Returns
    -------
    names : list or None
    """
    if not (hasattr(outputs, "columns") and hasattr(outputs, "to_numpy")):
        return None
    names = list(outputs.columns)
    return [name.item() if isinstance(name, np.generic) else name for name in names]


def are_reordered(some, others):
    """Return whether two lists of classes have the same ones in another order."""
    some, others = _labels(some), _labels(others)
    return some != others and set(some) == set(others)


def column_classes(names, teacher_classes, classes, source="teacher"):
    """Return the class of each column of soft targets, as far as it is known.

    Parameters
    ----------
    names : list or None
        Names of the columns, if they have any. If they name all classes, they are the classes, also
        as text: the column "1" belongs to the class 1. With n classes, the names 0, 1, ..., n - 1
        are ignored: pandas gives them to columns without names.
    teacher_classes : array-like of shape (n_columns,) or None
        Classes from the user or the teacher.
    classes : array-like of shape (n_classes,)
        The student's sorted classes.
    source : str, default="teacher"
        Name of the teacher, for error messages.

    Returns
    -------
    column_classes : list, array-like or None

    Examples
    --------
    >>> from sklearn_koopman.teachers._outputs import column_classes
    >>> column_classes(["dog", "cat", "dog"], None, ["cat", "dog"])
    ['dog', 'cat', 'dog']
    """
    wanted = _labels(classes)
    if names is None or (names == list(range(len(names))) and len(names) == len(wanted)):
        return teacher_classes
    of_text = {str(label): label for label in wanted}
    named = [name if name in wanted else of_text.get(str(name), name) for name in names]
    missing = [label for label in wanted if label not in named]
    if len(missing) == len(wanted):
        return teacher_classes  # names such as "p0", "p1" are not names of classes
    if missing:
        raise UnusableTeacherError(
            f"{source} has columns named {shortened(names)}, but none for the classes "
            f"{shortened(missing)} of y. Name a column for each class, or pass an array."
        )
    known = None if teacher_classes is None else _labels(teacher_classes)
    if known is not None and known != named and set(map(str, known)) == set(map(str, named)):
        raise UnusableTeacherError(
            f"{source} has columns named {shortened(names)}, but teacher_classes (or the teacher) "
            f"says that they are {shortened(known)}. Correct one of the two."
        )
    return named


def align_columns(logits, teacher_classes, classes, source="teacher"):
    """Put the teacher's columns in the order of the student's classes.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_columns)
        The teacher's logits.
    teacher_classes : array-like of shape (n_columns,) or None
        The class of each column. None: the columns are the student's classes, in order. Columns of
        the same class are joined: their probabilities are added.
    classes : array-like of shape (n_classes,)
        The student's sorted classes.
    source : str, default="teacher"
        Name of the teacher, for error messages.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)
        Columns in the order of `classes`. Classes that only the teacher knows are dropped. This
        leaves its distribution conditional on the student's classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.teachers._outputs import align_columns
    >>> align_columns(np.array([[1.0, 2.0, 3.0]]), ["dog", "cat", "eel"], ["cat", "dog"])
    array([[2., 1.]])
    """
    n_columns = logits.shape[1]
    check_n_columns(n_columns, teacher_classes, classes, source)
    if teacher_classes is None:
        return logits

    groups = columns_of(teacher_classes, classes, source)
    if all(len(group) == 1 for group in groups):
        return logits[:, np.concatenate(groups)]
    return np.stack([logsumexp(logits[:, group], axis=1) for group in groups], axis=1)


def columns_of(teacher_classes, classes, source="teacher"):
    """Return the columns of each class, as a list of lists.

    Parameters
    ----------
    teacher_classes : array-like of shape (n_columns,)
    classes, source
        As for `align_columns`.
    """
    wanted, known = _labels(classes), _labels(teacher_classes)
    columns: dict = {label: [] for label in wanted}
    for column, label in enumerate(known):
        if label in columns:
            columns[label].append(column)
    missing = [label for label in wanted if not columns[label]]
    if missing:
        raise UnusableTeacherError(
            f"{source} does not know the classes {shortened(missing)} of y; its columns are "
            f"{shortened(known)}.{_hint(missing, wanted, known)}"
        )
    return list(columns.values())


def check_n_columns(n_columns, teacher_classes, classes, source="teacher"):
    """Raise ValueError if soft targets do not have one column per class.

    Parameters
    ----------
    n_columns : int
    teacher_classes, classes, source
        As for `align_columns`.
    """
    named = _labels(classes if teacher_classes is None else teacher_classes)
    if n_columns == len(named):
        return
    if len(named) > 3 and n_columns == len(named) * (len(named) - 1) // 2:
        raise UnusableTeacherError(
            f"{source} gave {n_columns} columns for {len(named)} classes, one for each pair of "
            "them: one-vs-one outputs do not have one column per class. Set "
            "decision_function_shape='ovr', or pass probabilities."
        )
    if teacher_classes is None:
        raise ValueError(
            f"{source} gave {n_columns} columns, but y has {len(named)} classes "
            f"{shortened(named)}; pass teacher_classes=, the class of each column."
        )
    raise ValueError(
        f"{source} gave {n_columns} columns, but teacher_classes names {len(named)} "
        f"classes {shortened(named)}; name the class of each column."
    )


def to_numpy(outputs):
    """Return an array. A torch tensor may need gradients, be on a GPU or be bfloat16."""
    if hasattr(outputs, "detach"):  # a tensor; this test does not import torch
        outputs = outputs.detach().cpu()
        if outputs.is_floating_point() and outputs.element_size() < 4:
            outputs = outputs.float()  # numpy has no bfloat16
    try:
        return np.asarray(outputs)
    except ValueError as error:  # numpy raises it for lists of different lengths
        raise ValueError(f"expected outputs of one shape for all rows: {error}") from error


def _to_float(array, source):
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    raise UnusableTeacherError(f"{source}: expected real numbers, got dtype {array.dtype}.")


def _check_one_array(outputs, source):
    """Raise UnusableTeacherError for several outputs at once."""
    if isinstance(outputs, Mapping):
        shown = ", ".join(f"{name!r}" for name in outputs)
        what = f"a {type(outputs).__name__} of {shown}"
        choice = f"lambda X: f(X)[{next(iter(outputs), 'logits')!r}]"
    elif isinstance(outputs, (tuple, list)) and any(map(_is_array_of_rows, outputs)):
        shapes = ", ".join(str(tuple(np.shape(part))) for part in outputs[:9])
        what = f"a {type(outputs).__name__} of {len(outputs)} arrays of shapes {shapes}"
        choice = "lambda X: f(X)[0]"
    else:
        return
    raise UnusableTeacherError(
        f"{source}: expected one array, got {what}. Choose one of them. For a function f, use "
        f"{choice}."
    )


def _is_array_of_rows(part):
    # A list of rows is an array, but a list of arrays of rows is not.
    return hasattr(part, "shape") and len(part.shape) > 1


def _guess_kind(outputs, source, parameter):
    if outputs.shape[1] == 1:
        if _in_unit_interval(outputs).all():
            raise UnusableTeacherError(
                f"{source}: a single column within [0, 1] may be the probability of the second "
                f"class or its logit; set {parameter}='proba' or 'logits'."
            )
        return "logits"
    sums_to_one = _sums_to_one(outputs)
    is_inside = _in_unit_interval(outputs).all(axis=1)
    is_proba = sums_to_one & is_inside
    if is_proba.all():
        return "proba"
    if sums_to_one.all() or is_proba.mean() >= 0.5:
        raise UnusableTeacherError(
            f"{source}: {np.count_nonzero(is_proba)} of {len(outputs)} rows look like "
            "probabilities (values in [0, 1] that sum to 1), but the other rows do not, and they "
            f"do not look like logits. Correct them, or set {parameter}='proba' or 'logits'."
        )
    if is_inside.all():
        raise UnusableTeacherError(
            f"{source}: all values are in [0, 1], but rows do not sum to 1. If each column is the "
            "probability of a class by itself (sigmoids: a multi-label or one-vs-rest head), set "
            f"{parameter}='sigmoid'; if these are logits, set {parameter}='logits'."
        )
    return "logits"


def _log_odds(outputs, source, parameter):
    """Return the inputs of the sigmoids."""
    if not _in_unit_interval(outputs).all():
        raise UnusableTeacherError(
            f"{source}: {parameter}='sigmoid' needs values in [0, 1], got values from "
            f"{outputs.min():.3g} to {outputs.max():.3g}; the inputs of sigmoids are logits: for "
            f"logits, set {parameter}='logits'."
        )
    sigmoids = np.clip(outputs, _SIGMOID_TOLERANCE, 1 - _SIGMOID_TOLERANCE)
    return np.log(sigmoids) - np.log1p(-sigmoids)


def _check_probabilities(outputs, source, parameter):
    hint = f"if these are logits, set {parameter}='logits'."
    if not _in_unit_interval(outputs).all():
        raise UnusableTeacherError(
            f"{source}: {parameter}='proba' needs values in [0, 1], got values from "
            f"{outputs.min():.3g} to {outputs.max():.3g}; {hint}"
        )
    n_bad = np.count_nonzero(~_sums_to_one(outputs))
    if n_bad:
        raise UnusableTeacherError(
            f"{source}: {parameter}='proba' needs rows that sum to 1, {n_bad} of "
            f"{outputs.shape[0]} rows do not; if each column is the probability of a class by "
            f"itself, set {parameter}='sigmoid'; {hint}"
        )


def _in_unit_interval(outputs):
    return (outputs >= -_RANGE_TOLERANCE) & (outputs <= 1 + _RANGE_TOLERANCE)


def _sums_to_one(outputs):
    return np.abs(outputs.sum(axis=1) - 1.0) <= _SUM_TOLERANCE


def _labels(classes):
    # Python scalars, so that np.int64(1), 1 and 1.0 are the same label, and "1" is another.
    return np.asarray(classes).ravel().tolist()


def shortened(labels, limit=10):
    """Return a list of labels as text, shortened if it is long."""
    shown = ", ".join(repr(label) for label in labels[:limit])
    return f"[{shown}, ...]" if len(labels) > limit else f"[{shown}]"


def _hint(missing, wanted, known):
    """Return advice for columns whose labels are not in y, for each likely meaning."""
    look_alike = {str(label) for label in missing} <= {str(label) for label in known}
    hint = ""
    if look_alike:
        hint = " They only look alike: labels must have the same type, '1' is not 1."
    try:
        in_order = sorted(set(known))
    except TypeError:  # labels of several types, which cannot be sorted
        return hint
    if wanted != list(range(len(in_order))):
        if len(missing) < len(wanted) or len(in_order) != len(wanted) or look_alike:
            return hint
        return (
            " If these are the same classes by other names, pass teacher_classes=, the names that "
            f"y has, in the order of {shortened(known)}. If that is the order of the sorted "
            f"labels, which is not known here, it is teacher_classes={shortened(wanted)}."
        )
    codes = [in_order.index(label) for label in known]
    value = f"range({len(codes)})" if codes == wanted else codes
    if codes != wanted and len(codes) == len(wanted):
        hint += (
            f" If y has the number of the column, so that 0 is {known[0]!r}, pass teacher_classes="
            f"range({len(codes)})."
        )
    return hint + (
        " If y was numbered, as VotingClassifier, StackingClassifier and BaggingClassifier do with "
        f"the sorted classes, so that 0 is {in_order[0]!r}, pass teacher_classes={value}, the "
        "number of each column's class."
    )
