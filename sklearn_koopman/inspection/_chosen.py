"""The student that is chosen by a search, or by a classifier with cross-validation inside."""

from sklearn import get_config
from sklearn.base import clone

from ..classification import KoopmanDistilledClassifier, KoopmanDistilledClassifierCV
from ._last_step import prefix_of, student_of, with_student

_CHOSEN_BY_FOLDS = "ridge", "temperature", "soft_weight"


def innermost_student(estimator):
    """Return the student at the end of pipelines and searches."""
    last = student_of(estimator)
    return innermost_student(last.estimator) if _is_search(last) else last


def chosen_student(model, X, y, sample_weight=None):
    """Return a model with the settings that it chooses on some rows, and the settings.

    Parameters
    ----------
    model : estimator
        A model that `innermost_student` can take apart. It is fitted if it has something to choose.
    X, y
        Rows in the form that the teacher takes, and their labels.
    sample_weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    model : estimator
        An unfitted model that ends in a `KoopmanDistilledClassifier`.
    settings : dict of str -> object
        The chosen values, by the names of parameters.
    """
    last = student_of(model)
    if _is_search(last):
        best = _fitted(model, X, y, sample_weight)
        settings = dict(student_of(best).best_params_)
        best = with_student(model, clone(last.estimator).set_params(**settings))
        best, more = chosen_student(best, X, y, sample_weight)
        return best, settings | more
    if isinstance(last, KoopmanDistilledClassifierCV):
        fitted = student_of(_fitted(model, X, y, sample_weight))
        settings = {name: getattr(fitted, f"{name}_") for name in _CHOSEN_BY_FOLDS}
        known = KoopmanDistilledClassifier().get_params(deep=False)
        shared = {
            name: value for name, value in last.get_params(deep=False).items() if name in known
        }
        return with_student(model, KoopmanDistilledClassifier(**shared | settings)), settings
    return model, {}


def _fitted(model, X, y, sample_weight):
    """Return a fitted clone of a model whose teacher sees the rows as they are."""
    prefix = "" if get_config()["enable_metadata_routing"] else _prefix_inside(model)
    given = {f"{prefix}teacher_X": X}
    if sample_weight is not None:
        given[f"{prefix}sample_weight"] = sample_weight
    return clone(model).fit(X, y, **given)


def _prefix_inside(estimator):
    """Return the prefix of the fit parameters that searches pass on unchanged."""
    last = student_of(estimator)
    inside = _prefix_inside(last.estimator) if _is_search(last) else ""
    return prefix_of(estimator) + inside


def _is_search(estimator):
    """Return whether an estimator is a search of scikit-learn: they have no public base class."""
    return hasattr(estimator, "refit") and hasattr(estimator, "estimator")
