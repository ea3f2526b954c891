"""The student at the end of pipelines."""

from sklearn.base import clone
from sklearn.pipeline import Pipeline


def student_of(estimator):
    """Return the last step of a pipeline, also of nested ones, or else the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def prefix_of(estimator):
    """Return the prefix of fit parameters of the last step: its name, as in step__."""
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix


def with_student(model, student):
    """Return an unfitted clone of the model with another last step."""
    prefix = prefix_of(model)
    if not prefix:
        return clone(student)
    return clone(model).set_params(**{prefix.removesuffix("__"): clone(student)})
