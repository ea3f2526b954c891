"""What the scores of `decision_function` are: of pairs of classes, or margins."""

from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator

from ._outputs import UnusableTeacherError


def refuse_one_vs_one(estimator):
    """Raise UnusableTeacherError if `decision_function` compares classes in pairs.

    With three classes there are as many pairs as classes, so the number of columns does not show
    it.

    Parameters
    ----------
    estimator : fitted classifier
    """
    deciding = _deciding(estimator)
    one_vs_one = getattr(deciding, "decision_function_shape", None) == "ovo"
    if one_vs_one and len(getattr(estimator, "classes_", ())) > 2:
        raise UnusableTeacherError(
            f"The decision_function of {deciding!r} has a column for each pair of classes, not for "
            "each class (one-vs-one). Set decision_function_shape='ovr', or pass a classifier "
            "with predict_proba."
        )


def margins_of(estimator):
    """Return the name of the estimator whose scores are margins, None where they are log odds.

    Parameters
    ----------
    estimator : fitted classifier
        Without `predict_proba` it knows no odds: its scores are distances from a border.
    """
    if hasattr(estimator, "predict_proba"):
        return None
    return type(_deciding(estimator)).__name__


def _deciding(estimator):
    """Return the estimator that makes the scores."""
    if hasattr(estimator, "steps"):
        return _deciding(estimator.steps[-1][1])
    if hasattr(estimator, "best_estimator_"):
        return _deciding(estimator.best_estimator_)
    if isinstance(estimator, FrozenEstimator):
        return _deciding(estimator.estimator)
    if isinstance(estimator, BaggingClassifier):
        return _deciding(estimator.estimators_[0])
    return estimator
