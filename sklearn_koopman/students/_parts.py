"""A fitted student taken apart: what runs one after the other."""

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from ._koopman import KoopmanClassifier, KoopmanMatrix


def split_student(estimator, kind=KoopmanClassifier):
    """Return the fitted transformers of a student, in their order, and its classifier.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of this package, or a pipeline (nested ones too) or search that ends
        in one. Steps may be frozen.
    kind : type, default=KoopmanClassifier
        What it must end in: `KoopmanMatrix` takes regressors too.

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
        If it is no estimator, or does not end in a classifier with a Koopman matrix.
    """
    if not hasattr(estimator, "fit"):
        raise TypeError(
            f"There is a {type(estimator).__name__} where a fitted student belongs: it comes "
            "first, then rows."
        )
    *transformers, classifier = flat_steps(estimator)
    if not isinstance(classifier, kind):
        lacks = "classes" if isinstance(classifier, KoopmanMatrix) else "Koopman matrix"
        raise TypeError(
            f"estimator={estimator!r} ends in {type(classifier).__name__}, which has no {lacks}: "
            "pass a fitted classifier of this package, or a pipeline or search that "
            "ends in one."
        )
    check_is_fitted(classifier)
    return transformers + flat_steps(getattr(classifier, "lifter_", None)), classifier


def flat_steps(estimator):
    """Return the steps of an estimator: pipelines, searches and frozen ones taken apart."""
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
    """Return the names of the observables of a fitted student: those that the steps know.

    Parameters
    ----------
    estimator : estimator
        As for `split_student`.

    Returns
    -------
    names : list of str
        Numbered ones where a step does not name what it makes.
    """
    transformers, student = split_student(estimator, KoopmanMatrix)
    is_alone = len(flat_steps(estimator)) == 1
    entering = getattr(student, "feature_names_in_", None) if is_alone else None
    n_observables = student.coef_.shape[1]
    if not transformers:
        return [f"x{i}" for i in range(n_observables)] if entering is None else [*entering]
    try:
        return [*make_pipeline(*transformers).get_feature_names_out(entering)]
    except (AttributeError, ValueError):  # of a step that has none
        return [f"psi{i}" for i in range(n_observables)]
