"""Students in files that run no code when they are read."""

import os
from contextlib import nullcontext

from .._extras import import_extra
from .._files import replaced_when_whole
from ..lifting import (
    ChosenColumns,
    ChosenProducts,
    ChosenUnion,
    Level,
    LocalFeatures,
    Step,
    UnivariatePolynomials,
)
from ..pipeline import Pipeline
from ..tensor_trains import TensorTrain
from ._detach import detach_teacher
from ._moved import with_current_names
from ._parts import exported_estimators

# What students are made of beside the estimators that are exported and what skops trusts by itself.
_PARTS = (
    ChosenColumns,
    ChosenProducts,
    ChosenUnion,
    Level,
    LocalFeatures,
    Pipeline,
    Step,
    TensorTrain,
    UnivariatePolynomials,
    range,  # in files of version 0.1
)


def save_student(estimator, file):
    """Write a fitted student, without its teacher, to a file of skops.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of this package, or what contains one; see `detach_teacher`. Of a
        search, the best estimator is written.
    file : str, Path or binary file object
        Where to write it, by custom with the suffix ".skops".

        A file of that name is replaced when the new one is whole, and stays if it cannot be.

    Raises
    ------
    ImportError
        If skops is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If there is no student in it.

    See Also
    --------
    load_student : Reads it.
    to_onnx : For devices without Python.

    Examples
    --------
    >>> import io
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import load_student, save_student
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    >>> file = io.BytesIO()
    >>> save_student(student, file)
    >>> bool((load_student(file).predict(X) == student.predict(X)).all())
    True
    """
    skops_io = _skops_io()
    detached = detach_teacher(estimator)
    student = getattr(detached, "best_estimator_", detached)
    is_path = isinstance(file, str | os.PathLike)
    with replaced_when_whole(file) if is_path else nullcontext(file) as content:
        skops_io.dump(student, content)


def load_student(file, *, trusted=()):
    """Read a student that `save_student` wrote.

    Nothing in the file is run, and only types of this package and those that skops trusts
    (numpy's and scikit-learn's estimators) are made. Files of earlier versions are read too.

    Parameters
    ----------
    file : str, Path or binary file object
    trusted : sequence of str, default=()
        Names of more types that may be made, for example "sklearn.tree._tree.Tree", which a
        DistilledTreeClassifier holds; `skops.io.get_untrusted_types` lists those of a file.

    Returns
    -------
    estimator : estimator

    Raises
    ------
    ImportError
        If skops is not installed.
    skops.io.exceptions.UntrustedTypesFoundException
        If there is another type in the file.
    """
    own = [
        f"{kind.__module__}.{kind.__qualname__}" for kind in (*exported_estimators(), *_PARTS)
    ]
    return _skops_io().load(with_current_names(file), trusted=[*own, *trusted])


def _skops_io():
    return import_extra("skops.io", "Saving and loading students", "skops")
