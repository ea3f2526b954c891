"""Conversion of the `teacher=` that users pass to a Teacher."""

import copy
import sys
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from ._base import CallableTeacher, Teacher
from ._estimator import EstimatorTeacher, may_give_scores, warn_of_refit, without_scores
from ._onnx import OnnxTeacher
from ._outputs import (
    KNOWN_KINDS,
    OUTPUT_KINDS,
    UnusableTeacherError,
    are_reordered,
    shortened,
)
from ._torch import TorchTeacher

_ACCEPTED = (
    "a scikit-learn or skorch classifier (fitted on the training data unless wrapped in "
    "FrozenEstimator), a torch nn.Module, the path of an .onnx file, a TorchTeacher or "
    "OnnxTeacher, or any callable that maps X to an array of shape (n_samples, n_classes)"
)


def as_teacher(teacher, *, classes=None, output=None):
    """Return a teacher: an estimator is fitted on the training data, others are used as they are.

    Parameters
    ----------
    teacher : estimator, torch.nn.Module, path, onnx.ModelProto, callable or Teacher
        - A scikit-learn or skorch classifier is cloned and fitted when the teacher is fitted,
          unless it is in `sklearn.frozen.FrozenEstimator`. A fitted one is fitted again, and a
          warning says so.
        - A torch module is run in batches, see `TorchTeacher`. So is an ONNX model, or the path of
          its file, see `OnnxTeacher`.
        - Any other callable maps X to an array of shape (n_samples, n_columns).
    classes : array-like of shape (n_columns,), default=None
        The class of each output column. None takes the classes that the teacher knows.
    output : {"auto", "proba", "logits", "sigmoid"}, default=None
        What the outputs are. None takes what the teacher says.

    Returns
    -------
    teacher : Teacher
        Callable on X, with `classes_`, `output` and `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.teachers import as_teacher
    >>> teacher = as_teacher(lambda X: X @ np.eye(2), classes=["cat", "dog"])
    >>> teacher(np.ones((3, 2))).shape
    (3, 2)
    >>> teacher.classes_
    array(['cat', 'dog'], dtype='<U3')
    """
    if classes is not None and np.ndim(classes) != 1:
        raise UnusableTeacherError(
            f"teacher_classes={classes!r}: must be a list with the class of each column."
        )
    if output is not None:
        if output not in OUTPUT_KINDS:
            raise UnusableTeacherError(f"output={output!r}: must be {KNOWN_KINDS}.")
        return _with(as_teacher(teacher, classes=classes), output=output)
    if isinstance(teacher, Teacher):
        return teacher if classes is None else _with(teacher, classes=classes)
    if isinstance(teacher, type):
        raise TypeError(f"teacher is the class {teacher.__name__}, pass an instance.")
    if may_give_scores(teacher):
        return EstimatorTeacher(teacher, classes)
    if is_torch_module(teacher):
        return TorchTeacher(teacher, classes=classes)
    if is_onnx(teacher):
        return OnnxTeacher(teacher, classes=classes)
    if callable(teacher):
        return CallableTeacher(teacher, classes)
    if hasattr(teacher, "fit"):
        raise TypeError(f"{without_scores(teacher)}; a teacher is {_ACCEPTED}.")
    raise TypeError(f"teacher={teacher!r} ({type(teacher).__name__}): must be {_ACCEPTED}.")


def teacher_of(student):
    """Return the teacher of a student that has `teacher` and `teacher_classes`.

    Raises
    ------
    UnusableTeacherError
        If the teacher's own `classes` are the same as `teacher_classes`, but in another order. If
        they are different, they may be the names that y has, and `teacher_classes` are used.
    """
    teacher, classes = student.teacher, student.teacher_classes
    own = teacher.classes if isinstance(teacher, Teacher) else None
    if own is not None and classes is not None and are_reordered(own, classes):
        raise UnusableTeacherError(
            f"teacher_classes={shortened(list(classes))}, and the teacher has "
            f"classes={shortened(list(own))}. Both name its columns in their order, and the orders "
            "differ: set only one of them."
        )
    return as_teacher(teacher, classes=classes)


def share_or_clone(teacher):
    """Return the teacher of a cloned student: a cloned estimator, or else the same object.

    `sklearn.base.clone` would deep-copy a torch module, a bound method or a callable. The clone of
    a fitted estimator is not fitted. The warning is given here, because the caller that fits the
    clone (for example a grid search) cannot know that.

    Parameters
    ----------
    teacher : object
        The `teacher` parameter of a student.

    Returns
    -------
    teacher : object
        A clone of an estimator that is not frozen, or else the same object.
    """
    if isinstance(teacher, Teacher):
        return clone(teacher)
    if hasattr(teacher, "get_params") and not isinstance(teacher, type):
        if not isinstance(teacher, FrozenEstimator):
            warn_of_refit(teacher)
        return clone(teacher)
    return teacher


def is_torch_module(teacher):
    torch = sys.modules.get("torch")  # without torch there are no modules
    return torch is not None and isinstance(teacher, torch.nn.Module)


def is_onnx(teacher):
    """Return whether this is an ONNX model, or the path of a file with that suffix."""
    if isinstance(teacher, str | Path):
        return Path(teacher).suffix == ".onnx"
    onnx = sys.modules.get("onnx")
    return onnx is not None and isinstance(teacher, onnx.ModelProto)


def _with(teacher, **settings):
    teacher = copy.copy(teacher)  # shallow, so that the module or estimator inside is shared
    vars(teacher).update(settings)
    return teacher
