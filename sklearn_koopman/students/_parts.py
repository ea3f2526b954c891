"""The parts of a fitted student, in the order in which they run."""

from sklearn.base import is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from ._koopman import KoopmanClassifier, KoopmanMatrix


def split_student(estimator, kind=KoopmanClassifier):
    """Return the fitted transformers of a student, in order, and its classifier.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of this package, or a (nested) pipeline or search that ends in one.
        Steps may be frozen.
    kind : type, default=KoopmanClassifier
        Required type of the last step. `KoopmanMatrix` allows regressors too.

    Returns
    -------
    transformers : list of transformers
        Pipelines and the classifier's own `lifter_` are taken apart.
    classifier : KoopmanClassifier

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is not an estimator, or does not end in a classifier with a Koopman matrix.
    """
    if not hasattr(estimator, "fit"):
        raise TypeError(
            f"There is a {type(estimator).__name__} in place of a fitted student: pass the student "
            "first, and then the rows."
        )
    *transformers, classifier = flat_steps(estimator)
    if not isinstance(classifier, kind):
        check_is_no_regressor(classifier)
        raise TypeError(
            f"estimator={estimator!r} ends in {type(classifier).__name__}, which has no Koopman "
            "matrix: pass a fitted classifier of this package, or a pipeline or search that "
            "ends in one."
        )
    check_is_fitted(classifier)
    return transformers + flat_steps(getattr(classifier, "lifter_", None)), classifier


def check_is_no_regressor(student):
    """Raise TypeError for a regressor.

    Parameters
    ----------
    student : estimator
        The last step of what a user has passed.
    """
    if is_regressor(student):
        raise TypeError(
            f"{type(student).__name__} is a regressor, and here are classifiers only: regressors "
            "have no form in C, no mesh, no simulated chip and no quantised form yet."
        )


def flat_steps(estimator):
    """Return the steps of an estimator, with pipelines, searches and frozen steps unpacked."""
    if estimator is None or (isinstance(estimator, str) and estimator == "passthrough"):
        return []
    if isinstance(estimator, FrozenEstimator):
        return flat_steps(estimator.estimator)
    if hasattr(estimator, "best_estimator_"):
        return flat_steps(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        return [part for _, step in estimator.steps for part in flat_steps(step)]
    return [estimator]


def observable_names(estimator):
    """Return the names of the observables of a fitted student, as far as its steps know them.

    Parameters
    ----------
    estimator : estimator
        As for `split_student`.

    Returns
    -------
    names : list of str
        Names. They are numbered if a step does not name its outputs.
    """
    transformers, student = split_student(estimator, KoopmanMatrix)
    is_alone = len(flat_steps(estimator)) == 1
    entering = getattr(student, "feature_names_in_", None) if is_alone else None
    n_observables = student.coef_.shape[1]
    if not transformers:
        return [f"x{i}" for i in range(n_observables)] if entering is None else [*entering]
    try:
        return [*make_pipeline(*transformers).get_feature_names_out(entering)]
    except (AttributeError, ValueError):  # from a step without names
        return [f"psi{i}" for i in range(n_observables)]
