"""Files of earlier versions: update names of types, and add new parameters of estimators."""

import inspect
import io
import json
from zipfile import ZipFile

from sklearn.base import BaseEstimator

from ..lifting import ChosenColumns, ChosenUnion, Level, LocalFeatures
from ..tensor_trains import CompressedStudent, TensorTrain, TensorTrainClassifier

_SCHEMA = "schema.json"

# Module and name under which a type was saved.
_MOVED = {
    ("sklearn_koopman.classification._compression", "CompressedStudent"): CompressedStudent,
    ("sklearn_koopman.classification._tensor_train", "TensorTrainClassifier"): (
        TensorTrainClassifier
    ),
    ("sklearn_koopman.lifting._local", "LocalFeatures"): LocalFeatures,
    ("sklearn_koopman.lifting._monomial", "_Level"): Level,
    ("sklearn_koopman.selection._selector", "ChosenColumns"): ChosenColumns,
    ("sklearn_koopman.selection._selector", "ChosenUnion"): ChosenUnion,
    ("sklearn_koopman.solvers._tensor_train", "TensorTrain"): TensorTrain,
}


def with_current_names(file):
    """Return a file of skops whose types have the names of this version.

    Parameters
    ----------
    file : str, Path or binary file object

    Returns
    -------
    file : str, Path or binary file object
        The same file if no type has moved, or else a copy in memory.
    """
    with ZipFile(file) as saved:
        schema = json.loads(saved.read(_SCHEMA))
        if not _rename(schema):
            return file
        renamed = io.BytesIO()
        with ZipFile(renamed, "w") as copy:
            copy.writestr(_SCHEMA, json.dumps(schema))
            for name in saved.namelist():
                if name != _SCHEMA:
                    copy.writestr(name, saved.read(name))
    return renamed


def _rename(root):
    """Rename the types in a schema, in place. Return whether a type was renamed."""
    found = False
    nodes = [root]
    while nodes:  # a loop, because files may be nested deeper than Python's calls
        node = nodes.pop()
        if isinstance(node, dict):
            kind = _MOVED.get((str(node.get("__module__")), str(node.get("__class__"))))
            if kind is not None:
                node["__module__"], node["__class__"] = kind.__module__, kind.__qualname__
                found = True
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    return found


def with_new_parameters(root):
    """Add new parameters to estimators of this package that an earlier version fitted.

    They get their defaults, because the fit did not use them.

    Parameters
    ----------
    root : object
        Object that is changed in place, with all its parts.
    """
    parts, seen = [root], set()
    while parts:
        part = parts.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, BaseEstimator):
            if type(part).__module__.startswith(__package__.partition(".")[0]):
                _complete(part)
            parts += vars(part).values()
        elif isinstance(part, dict):
            parts += part.values()
        elif isinstance(part, list | tuple):
            parts += part


def _complete(estimator):
    for name, parameter in inspect.signature(type(estimator)).parameters.items():
        if not hasattr(estimator, name) and parameter.default is not parameter.empty:
            setattr(estimator, name, parameter.default)
