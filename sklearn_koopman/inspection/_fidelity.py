"""Agreement of a student with its teacher."""

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length

from ..students import check_labels, check_weights


def fidelity_score(y_teacher, y_student, *, sample_weight=None):
    """Return the fraction of samples on which teacher and student choose the same class.

    It does not matter whether the class is right: a student that repeats its teacher's errors is
    faithful.

    Parameters
    ----------
    y_teacher : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels of the teacher, or one score per class (logits, probabilities). The largest score is
        the choice.
    y_student : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels or scores of the student. Both must be labels, or both must be scores with the same
        columns.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    score : float
        From 0 (never the same class) to 1 (always the same class).

    See Also
    --------
    distillation_report : Fidelity, accuracy and cost of a student and its baselines.

    Examples
    --------
    >>> from sklearn_koopman.inspection import fidelity_score
    >>> fidelity_score(["cat", "dog", "dog", "cat"], ["cat", "dog", "cat", "cat"])
    0.75
    >>> fidelity_score([[0.9, 0.1], [0.2, 0.8]], [[3.0, -1.0], [1.0, 0.5]])
    0.5
    """
    teacher, student = choices(y_teacher, y_student)
    same = teacher == student
    return float(np.average(same, weights=check_weights(sample_weight, len(same))))


def choices(y_teacher, y_student):
    """Return the classes that teacher and student choose, comparable one by one.

    Parameters
    ----------
    y_teacher, y_student : array-like of shape (n_samples,) or (n_samples, n_classes)
        As for `fidelity_score`.

    Returns
    -------
    teacher, student : ndarray of shape (n_samples,)
        Labels, or the numbers of the columns if scores were given.
    """
    teacher = _as_array(y_teacher, "y_teacher")
    student = _as_array(y_student, "y_student")
    check_consistent_length(teacher, student)
    if teacher.ndim != student.ndim:
        raise ValueError(
            f"y_teacher has shape {teacher.shape} and y_student has shape {student.shape}: labels "
            "cannot be compared with scores, because the columns of scores have no names. Pass "
            "the labels of both (classes[scores.argmax(axis=1)]) or the scores of both."
        )
    if teacher.shape != student.shape:
        raise ValueError(
            f"y_teacher has {teacher.shape[1]} columns and y_student has {student.shape[1]}: they "
            "must be scores of the same classes. Pass the labels of both."
        )
    if teacher.ndim == 2:
        return teacher.argmax(axis=1), student.argmax(axis=1)
    if _is_numeric(teacher) != _is_numeric(student):
        raise ValueError(
            f"y_teacher has labels like {teacher[0]!r} and y_student like {student[0]!r}: they "
            "must have the same type, because '1' is not 1."
        )
    return teacher, student


def _as_array(y, name):
    """Return labels as a 1-D array, or scores of at least two classes as a 2-D array."""
    if hasattr(y, "predict"):
        raise TypeError(
            f"{name} is a model, {type(y).__name__}: pass its predictions, model.predict(X)."
        )
    try:
        is_labels = np.ndim(y) < 2
    except ValueError as error:  # numpy raises it for lists of different lengths
        raise ValueError(f"{name} has rows of different lengths: {error}") from error
    array = check_array(
        y,
        ensure_2d=not is_labels,
        dtype=None if is_labels else "numeric",
        ensure_min_features=1 if is_labels else 2,
        input_name=name,
    )
    if is_labels and array.dtype.kind == "f" and (array != np.round(array)).any():
        raise ValueError(
            f"{name} is 1-D with values like {array[array != np.round(array)][0]:.3g}, which "
            "are not labels. Pass labels, or scores of shape (n_samples, n_classes)."
        )
    if is_labels and array.dtype == object:
        check_labels(array.tolist(), name)
    return array


def _is_numeric(labels):
    sample = labels.tolist()[0]
    return not isinstance(sample, str | bytes)
