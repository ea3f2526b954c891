"""Parts of students: exported estimators, networks that torch exports, observables of rows."""

from sklearn.base import BaseEstimator

from .. import classification, lifting, regression, selection
from ..networks import LinearizedNetworkClassifier
from ..rows import lifted_blocks
from ..students import flat_steps


def exported_estimators():
    """Return the dictionaries, other transformers and students that this package exports."""
    exported = [
        getattr(module, name)
        for module in (lifting, selection, classification, regression)
        for name in module.__all__
    ]
    return [
        each for each in exported if isinstance(each, type) and issubclass(each, BaseEstimator)
    ]


def check_has_no_network(estimator, purpose):
    """Raise TypeError for a linearised network, which torch exports.

    Parameters
    ----------
    estimator : estimator
    purpose : str
        Name of the function that cannot take it.
    """
    if any(isinstance(step, LinearizedNetworkClassifier) for step in flat_steps(estimator)):
        raise TypeError(
            f"{purpose}: a LinearizedNetworkClassifier is a torch network, not one Koopman matrix "
            "after transformers. Its own method to_module() returns the network, which "
            "torch.export.export and torch.onnx.export(network.to_module(), (inputs,), "
            '"network.onnx") take.'
        )


def n_features_of(first, estimator=None):
    """Return the number of features of a student, from the student or its first step.

    Raises
    ------
    TypeError
        If neither of them has that number.
    """
    found = getattr(estimator, "n_features_in_", getattr(first, "n_features_in_", None))
    if found is None:
        raise TypeError(
            f"{type(first).__name__} does not state how many features it takes. Set n_features_in_ "
            "in its fit: sklearn.utils.validation.validate_data(self, X) does so."
        )
    return int(found)


def observables_of(lifter, rows):
    """Return the observables of rows: ndarray of shape (n_samples, n_observables).

    Parameters
    ----------
    lifter : fitted transformer or None
    rows : ndarray of shape (n_samples, n_features)
    """
    return lifted_blocks(lifter, rows).all_lifted()
