"""Teachers that predict numbers."""

from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..teachers import Teacher, as_teacher, fit_weighted, warn_of_refit


class RegressorTeacher(Teacher):
    """A teacher that is a regressor: cloned and fitted on the training data, unless it is frozen.

    Parameters
    ----------
    estimator : estimator
        A regressor of scikit-learn, or an object with the same `fit` and `predict`.
    """

    def __init__(self, estimator):
        super().__init__()
        self.estimator = estimator

    @property
    def is_fixed(self):
        """Whether `fit` leaves this teacher as it is, which is so for a frozen estimator."""
        return isinstance(self.estimator, FrozenEstimator)

    def fit(self, X, y=None, sample_weight=None):
        """Return a teacher that is fitted to rows and their targets."""
        if self.is_fixed:
            return self
        warn_of_refit(self.estimator)
        fitted = fit_weighted(clone(self.estimator), X, y, sample_weight)
        return RegressorTeacher(FrozenEstimator(fitted))

    def _evaluate(self, X):
        check_is_fitted(self.estimator)
        return self.estimator.predict(X)


def as_regression_teacher(teacher):
    """Return the teacher that a user passed: regressors are fitted, all else is used as it is.

    Parameters
    ----------
    teacher : estimator, torch.nn.Module, path, callable or Teacher

    Returns
    -------
    teacher : Teacher
    """
    is_estimator = hasattr(teacher, "fit") and hasattr(teacher, "get_params")
    if isinstance(teacher, type) or not is_estimator:
        return as_teacher(teacher)
    if is_classifier(teacher) or not hasattr(teacher, "predict"):
        raise TypeError(
            f"teacher {type(teacher).__name__} does not predict numbers: pass a regressor, a torch "
            "module, or a callable that maps X to an array of shape (n_samples, n_targets). For a "
            "classifier, use KoopmanDistilledClassifier."
        )
    return RegressorTeacher(teacher)
