"""From whatever a teacher gives to float64 logits, one column per class of the student."""

import numpy as np
from scipy.sparse import issparse

OUTPUT_KINDS = ("auto", "proba", "logits")
TINY = float(np.finfo(np.float64).tiny)

# Rounding in float32 may leave a probability a few ulps outside [0, 1]; taking such rows for
# logits would turn the targets into nearly uniform ones without a word.
_RANGE_TOLERANCE = 1e-6
_SUM_TOLERANCE = 1e-3


def check_outputs(outputs, source, n_rows=None):
    """Return soft targets as a finite 2-D array of float32 or float64.

    Parameters
    ----------
    outputs : array-like or tensor of shape (n_samples, n_columns) or (n_samples,)
        Raw outputs. One dimension is taken as a single column.
    source : str
        Who gave them; error messages start with it.
    n_rows : int, default=None
        Number of rows to insist on.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_columns)
        The same values. float32 and float64 are kept; half precision becomes float32,
        everything else float64.
    """
    if issparse(outputs):
        raise TypeError(f"{source}: expected a dense array, got a sparse one; use .toarray().")
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


def teacher_logits(outputs, kind="auto", *, floor=TINY, source="teacher"):
    """Interpret raw teacher outputs as logits of at least two classes.

    Parameters
    ----------
    outputs : array-like of shape (n_samples, n_columns) or (n_samples,)
        Logits or probabilities. A single column belongs to the second of two classes, as in
        scikit-learn's binary `decision_function`.
    kind : {"auto", "proba", "logits"}, default="auto"
        What the outputs are. "auto" takes them as probabilities when all values lie in
        [0, 1] and every row sums to 1 within 1e-3, as logits otherwise; it refuses outputs of
        which only half of the rows or more are probabilities, and rows that all sum to 1 with
        values outside [0, 1].
    floor : float, default=smallest normal float64
        Probabilities below it are raised to it before the logarithm.
    source : str, default="teacher"
        Who gave the outputs, for error messages.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes), float64
        Finite logits. `softmax(logits / T)` are the soft targets at temperature T.

    Examples
    --------
    >>> from scipy.special import softmax
    >>> from sklearn_koopman.teachers._outputs import teacher_logits
    >>> logits = teacher_logits([[0.2, 0.8], [0.5, 0.5]])
    >>> softmax(logits, axis=1)
    array([[0.2, 0.8],
           [0.5, 0.5]])
    """
    if kind not in OUTPUT_KINDS:
        raise ValueError(f"teacher_output={kind!r}: must be 'auto', 'proba' or 'logits'.")
    outputs = check_outputs(outputs, source).astype(np.float64)
    if kind == "auto":
        kind = _guess_kind(outputs, source)
    if outputs.shape[1] == 1:
        first = 1.0 - outputs if kind == "proba" else np.zeros_like(outputs)
        outputs = np.hstack([first, outputs])
    if kind == "logits":
        return outputs
    _check_probabilities(outputs, source)
    return np.log(np.maximum(outputs, floor))


def output_kind(outputs, source="teacher"):
    """Return whether raw outputs are "proba" or "logits", or raise where that is not clear."""
    return _guess_kind(check_outputs(outputs, source).astype(np.float64), source)


def align_columns(logits, teacher_classes, classes, source="teacher"):
    """Put the teacher's columns in the order of the student's classes.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_columns)
        The teacher's logits.
    teacher_classes : array-like of shape (n_columns,) or None
        The class of each column. None: the columns are the student's classes, in order.
    classes : array-like of shape (n_classes,)
        The student's sorted classes.
    source : str, default="teacher"
        Who gave the logits, for error messages.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)
        Columns in the order of `classes`. Classes that only the teacher knows are dropped:
        what remains is its distribution conditional on the student's classes.

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

    wanted, known = _labels(classes), _labels(teacher_classes)
    column_of = {label: column for column, label in enumerate(known)}
    if len(column_of) != n_columns:
        raise ValueError(f"{source}: teacher_classes {shortened(known)} has duplicates.")
    missing = [label for label in wanted if label not in column_of]
    if missing:
        raise ValueError(
            f"{source} does not know the classes {shortened(missing)} of y; its columns are "
            f"{shortened(known)}.{_type_hint(missing, known)}"
        )
    return logits[:, [column_of[label] for label in wanted]]


def check_n_columns(n_columns, teacher_classes, classes, source="teacher"):
    """Raise ValueError where soft targets have not as many columns as there are classes.

    Parameters
    ----------
    n_columns : int
    teacher_classes, classes, source
        As for `align_columns`.
    """
    named = _labels(classes if teacher_classes is None else teacher_classes)
    if n_columns == len(named):
        return
    if teacher_classes is None:
        raise ValueError(
            f"{source} gave {n_columns} columns, y has {len(named)} classes "
            f"{shortened(named)}; pass teacher_classes=, the class of each column."
        )
    raise ValueError(
        f"{source} gave {n_columns} columns, but teacher_classes names {len(named)} "
        f"classes {shortened(named)}; name the class of each column."
    )


def to_numpy(outputs):
    """Return an array; a torch tensor may need gradients, sit on a GPU or be bfloat16."""
    if hasattr(outputs, "detach"):  # a tensor, told without importing torch
        outputs = outputs.detach().cpu()
        if outputs.is_floating_point() and outputs.element_size() < 4:
            outputs = outputs.float()  # numpy has no bfloat16
    try:
        return np.asarray(outputs)
    except ValueError as error:  # numpy's, of lists that are not equally long
        raise ValueError(f"expected outputs of one shape for all rows: {error}") from error


def _to_float(array, source):
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    raise ValueError(f"{source}: expected real numbers, got dtype {array.dtype}.")


def _guess_kind(outputs, source):
    if outputs.shape[1] == 1:
        if _in_unit_interval(outputs).all():
            raise ValueError(
                f"{source}: a single column within [0, 1] may be the probability of the second "
                "class or its logit; set teacher_output='proba' or 'logits'."
            )
        return "logits"
    sums_to_one = _sums_to_one(outputs)
    is_proba = sums_to_one & _in_unit_interval(outputs).all(axis=1)
    if is_proba.all():
        return "proba"
    if sums_to_one.all() or is_proba.mean() >= 0.5:
        raise ValueError(
            f"{source}: {np.count_nonzero(is_proba)} of {len(outputs)} rows look like "
            "probabilities, values in [0, 1] that sum to 1; the others are neither these nor, "
            "it seems, logits. Correct them, or set teacher_output='proba' or 'logits'."
        )
    return "logits"


def _check_probabilities(outputs, source):
    hint = "if these are logits, set teacher_output='logits'."
    if not _in_unit_interval(outputs).all():
        raise ValueError(
            f"{source}: teacher_output='proba' needs values in [0, 1], got values from "
            f"{outputs.min():.3g} to {outputs.max():.3g}; {hint}"
        )
    n_bad = np.count_nonzero(~_sums_to_one(outputs))
    if n_bad:
        raise ValueError(
            f"{source}: teacher_output='proba' needs rows that sum to 1, {n_bad} of "
            f"{outputs.shape[0]} rows do not; {hint}"
        )


def _in_unit_interval(outputs):
    return (outputs >= -_RANGE_TOLERANCE) & (outputs <= 1 + _RANGE_TOLERANCE)


def _sums_to_one(outputs):
    return np.abs(outputs.sum(axis=1) - 1.0) <= _SUM_TOLERANCE


def _labels(classes):
    # Python scalars, so that np.int64(1), 1 and 1.0 are one label and "1" is another.
    return np.asarray(classes).ravel().tolist()


def shortened(labels, limit=10):
    """Return a list of labels as text, not longer than needed to know it."""
    shown = ", ".join(repr(label) for label in labels[:limit])
    return f"[{shown}, ...]" if len(labels) > limit else f"[{shown}]"


def _type_hint(missing, known):
    if {str(label) for label in missing} <= {str(label) for label in known}:
        return " They only look alike: labels must have the same type, '1' is not 1."
    return ""
