"""A fitted student without its teacher."""

from copy import copy

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..lifting import ChosenColumns, ChosenUnion
from ..students import KoopmanMatrix
from ..teachers import is_torch_module

# Parameters that only training needs. Callbacks belong to skorch, and would import torch.
_PARAMETERS = {"teacher", "features", "callbacks", "transfer_set"}
_ATTRIBUTES = ("teacher_", "net_", "moments_")


def detach_teacher(estimator):
    """Return a fitted copy that makes the same predictions and contains no teacher.

    Prediction needs no teacher, but a pickle would contain it, because it is a parameter. The copy
    has ``teacher=None``, ``features=None``, ``callbacks=None`` and ``transfer_set=None``, and none
    of the attributes `teacher_`, `net_` and `moments_`. If a
    :class:`~sklearn_koopman.ConvolutionalLifter` took its filters from a network, this network is
    left out too: ``filters=None``. A pickle of the copy (by :mod:`pickle`, joblib or skops) is
    hardly larger than its matrices, and does not need torch when it is loaded. To refit the copy,
    set ``soft_weight=0`` or a teacher (`set_params`) or pass `soft_labels`, and set `filters`.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of this package, or an estimator that contains one: a pipeline, a grid
        search, calibrated, bagged, voting or one-vs-rest classifiers.

    Returns
    -------
    estimator : estimator
        The copy. It shares its arrays with the original, which does not change. Parts without a
        student are shared too.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator contains no student.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import detach_teacher
    >>> X, y = load_iris(return_X_y=True)
    >>> student = KoopmanDistilledClassifier(
    ...     RandomForestClassifier(random_state=0), lifter=MonomialLifter(2)
    ... ).fit(X, y)
    >>> shipped = detach_teacher(student)
    >>> bool((shipped.predict(X) == student.predict(X)).all())
    True
    >>> len(pickle.dumps(shipped)) < len(pickle.dumps(student)) / 50
    True
    """
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(f"estimator={estimator!r} is not an estimator: pass a fitted instance.")
    check_is_fitted(estimator)
    detaching = _Detaching()
    detached = detaching.value(estimator)
    if not detaching.n_students:
        raise TypeError(
            f"There is no student in {type(estimator).__name__}, so there is no teacher to detach: "
            "pass a classifier of this package, or a pipeline or meta-estimator with one."
        )
    return detached


class _Detaching:
    """One walk through an estimator. Parts without a student are shared, all others copied once.

    Attributes
    ----------
    n_students : int
        Number of students found so far.
    """

    def __init__(self):
        self.n_students = 0
        self._known = {}  # by id: (original, copy), for parts that occur twice and for cycles

    def value(self, original):
        """Return an object without teachers, or the object itself if it has none."""
        if id(original) in self._known:
            return self._known[id(original)][1]
        if _is_student(original):
            changed = self._student(original)
        elif isinstance(original, dict):  # also scikit-learn's Bunch
            changed = self._dict(original)
        elif _is_container(original):
            changed = self._attributes(original)
        elif isinstance(original, list | tuple):
            changed = self._sequence(original)
        elif isinstance(original, np.ndarray) and original.dtype == object:
            changed = self._object_array(original)
        else:
            return original
        self._known[id(original)] = (original, changed)
        return changed

    def _student(self, student):
        self.n_students += 1
        detached = copy(student)
        state = vars(detached)
        state.update(dict.fromkeys(_PARAMETERS & state.keys()))
        for name in _ATTRIBUTES:
            state.pop(name, None)
        state.update(self._dict(state))  # a lifter can have a teacher too
        return detached

    def _attributes(self, estimator):
        self._known[id(estimator)] = (estimator, estimator)  # ends cycles
        before = vars(estimator)
        after = self._dict(before)
        if after is before:
            return estimator
        changed = copy(estimator)
        vars(changed).update(after)
        return changed

    def _dict(self, original):
        items = {key: self._named(key, value) for key, value in original.items()}
        if _same(original.values(), items.values()):
            return original
        changed = copy(original)
        changed.update(items)
        return changed

    def _named(self, key, value):
        """Return a parameter, or its values in the grid or the results of a search."""
        name = _parameter(key)
        if name == "teacher":
            return _blank(value)
        return _without_networks(value) if name == "filters" else self.value(value)

    def _sequence(self, original):
        changed = [self.value(item) for item in original]
        if _same(original, changed):
            return original
        if hasattr(original, "_fields"):
            return type(original)(*changed)
        return type(original)(changed)

    def _object_array(self, original):
        before = np.ma.getdata(original).ravel()
        after = [self.value(item) for item in before]
        if _same(before, after):
            return original
        changed = original.copy()
        for index, item in zip(np.ndindex(original.shape), after, strict=True):
            np.ma.getdata(changed)[index] = item
        return changed


def _is_student(value):
    is_estimator = isinstance(value, BaseEstimator)
    return is_estimator and ("teacher" in vars(value) or isinstance(value, KoopmanMatrix))


def _is_container(value):
    """Return whether this is an estimator, a part of a selector, or a helper of scikit-learn."""
    if isinstance(value, BaseEstimator | ChosenColumns | ChosenUnion):
        return True
    is_sklearns = type(value).__module__.partition(".")[0] == "sklearn"
    return is_sklearns and hasattr(value, "__dict__") and not isinstance(value, type)


def _parameter(key):
    """Return the name of a parameter, also in the grids and results of a search."""
    return key.removeprefix("param_").split("__")[-1] if isinstance(key, str) else None


def _without_networks(value):
    """Return filters, or a list or object array of them, with None for every torch module."""
    if is_torch_module(value):
        return None
    if isinstance(value, list | tuple):
        items = [_without_networks(item) for item in value]
        return value if _same(value, items) else type(value)(items)
    if isinstance(value, np.ndarray) and value.dtype == object:
        changed = value.copy()
        for index, item in np.ndenumerate(np.ma.getdata(value)):
            np.ma.getdata(changed)[index] = _without_networks(item)
        return changed
    return value


def _blank(value):
    """Replace every teacher by None, also in lists and arrays."""
    if isinstance(value, np.ndarray):
        blank = value.astype(object)
        blank[...] = None
        return blank
    if isinstance(value, list | tuple):
        return type(value)(None for _ in value)
    return None


def _same(before, after):
    return all(a is b for a, b in zip(before, after, strict=True))
