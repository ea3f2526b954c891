"""Scores of pairs of classes, which have no column for a class."""

from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator

from ._outputs import UnusableTeacherError


def refuse_one_vs_one(estimator):
    """Raise UnusableTeacherError where `decision_function` compares classes two by two.

    Of three classes there are as many pairs as classes: the number of columns would not tell.

    Parameters
    ----------
    estimator : fitted classifier
    """
    deciding = _deciding(estimator)
    one_vs_one = getattr(deciding, "decision_function_shape", None) == "ovo"
    if one_vs_one and len(getattr(estimator, "classes_", ())) > 2:
        raise UnusableTeacherError(
            f"The decision_function of {deciding!r} has a column for each pair of classes, not for "
            "each class (one-vs-one). Set decision_function_shape='ovr', or give a classifier "
            "with predict_proba."
        )


def _deciding(estimator):
    """Return the estimator whose scores these are."""
    if hasattr(estimator, "steps"):
        return _deciding(estimator.steps[-1][1])
    if hasattr(estimator, "best_estimator_"):
        return _deciding(estimator.best_estimator_)
    if isinstance(estimator, FrozenEstimator):
        return _deciding(estimator.estimator)
    if isinstance(estimator, BaggingClassifier):
        return _deciding(estimator.estimators_[0])
    return estimator
