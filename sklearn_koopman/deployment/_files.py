"""Students in files that do not run code when they are read."""

import os
from contextlib import nullcontext
from importlib import import_module
from zipfile import ZipFile

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._extras import import_extra
from .._files import replaced_when_whole
from .._finite import check_finite_attributes
from .._warnings import warn_user
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
from ..students import KoopmanMatrix, SharingEstimator, flat_steps
from ..tensor_trains import TensorTrain
from ..trees import DistilledTreeClassifier, SizedTree
from ._detach import detach_teacher
from ._moved import with_current_names, with_new_parameters
from ._parts import exported_estimators

# Types in students, apart from the exported estimators and the types that skops trusts by itself.
_PARTS = (
    ChosenColumns,
    ChosenProducts,
    ChosenUnion,
    DistilledTreeClassifier,
    Level,
    LocalFeatures,
    Pipeline,
    SizedTree,
    Step,
    TensorTrain,
    UnivariatePolynomials,
    range,  # in files of version 0.1
    np.dtype,  # the dtype that a SimpleImputer was fitted to
)

# Files that unpack to at most this many bytes are not checked for compression.
_MOST_UNPACKED = 2**26


def save_student(estimator, file):
    """Write a fitted student, without its teacher, to a file of skops.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of this package, or an estimator that contains one; see
        `detach_teacher`. For a search, the best estimator is written.
    file : str, Path or binary file object
        Where to write it. The usual suffix is ".skops".

        An existing file is replaced only when the new one is complete. A warning names types in the
        file that `load_student` makes only if they are in `trusted`.

    Raises
    ------
    ImportError
        If skops is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator contains no student.

    See Also
    --------
    load_student : Reads the file.
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
    saved = skops_io.dumps(student)
    unknown = sorted({*skops_io.get_untrusted_types(data=saved)} - {*_own_types()})
    if unknown:
        warn_user(
            "The file has types that load_student makes only if they are trusted: if you trust "
            f"the file, load it by load_student(file, trusted={unknown!r})."
        )
    with replaced_when_whole(file) if is_path else nullcontext(file) as content:
        content.write(saved)


def load_student(file, *, trusted=()):
    """Read a student that `save_student` wrote.

    No code in the file is run. Only types of this package and types that skops trusts (numpy's, and
    scikit-learn's estimators) are made. Files of earlier versions are read too.

    Parameters
    ----------
    file : str, Path or binary file object
    trusted : sequence of str, default=()
        Names of more types that may be made, for example "sklearn.tree._tree.Tree", which is in a
        DistilledTreeClassifier. `skops.io.get_untrusted_types` lists the types of a file.

    Returns
    -------
    estimator : estimator

    Raises
    ------
    ImportError
        If skops is not installed.
    ValueError
        If the file was not written by `save_student`, is damaged, or unpacks to much more than its
        size.
    skops.io.exceptions.UntrustedTypesFoundException
        If there is another type in the file.
    """
    own = _own_types()
    skops_io = _skops_io()
    refused = import_module("skops.io.exceptions").UntrustedTypesFoundException
    try:
        _check_size(file)
        estimator = skops_io.load(with_current_names(file), trusted=[*own, *trusted])
        with_new_parameters(estimator)
        _check_student(estimator)
    except (OSError, refused):
        raise
    except Exception as error:  # many types of errors: from zip, JSON, numpy, skops
        name = file if isinstance(file, str | os.PathLike) else getattr(file, "name", file)
        raise ValueError(
            f"file={str(name)!r} was not written by save_student, or is damaged: "
            f"{type(error).__name__}: {error}"
        ) from error
    return estimator


def _own_types():
    """Return the names of the types that are always made."""
    return [
        f"{kind.__module__}.{kind.__qualname__}" for kind in (*exported_estimators(), *_PARTS)
    ]


def _check_size(file):
    """Raise ValueError for a file that would take much more memory than its size on the disk."""
    with ZipFile(file) as saved:
        parts = saved.infolist()
        unpacked = sum(part.file_size for part in parts)
        packed = sum(part.compress_size for part in parts)
    if unpacked > max(_MOST_UNPACKED, 20 * packed):
        raise ValueError(
            f"{packed} bytes unpack to {unpacked}, and students compress less well"
        )


def _check_student(estimator):
    """Raise an error for an incomplete student, which otherwise only `predict` would notice."""
    check_is_fitted(estimator)
    for step in flat_steps(estimator):
        if isinstance(step, SharingEstimator):
            check_finite_attributes(step, vars(step))
        if isinstance(step, KoopmanMatrix):
            shapes = (
                np.shape(step.coef_)[:1],
                np.shape(step.intercept_),
                np.shape(getattr(step, "classes_", step.intercept_)),
            )
            if len(set(shapes)) > 1 or np.ndim(step.coef_) != 2:
                raise ValueError(
                    f"coef_, intercept_ and classes_ have shapes {step.coef_.shape}, "
                    f"{shapes[1]} and {shapes[2]}"
                )
            is_bare = getattr(step, "lifter_", None) is None
            if is_bare and step.coef_.shape[1] != step.n_features_in_:
                raise ValueError(
                    f"coef_ is for {step.coef_.shape[1]} observables, and there is no lifter_ that "
                    f"makes them from {step.n_features_in_} features"
                )
        if hasattr(step, "operations"):
            step.operations()  # needs everything that a prediction needs


def _skops_io():
    return import_extra("skops.io", "Saving and loading students", "skops")
