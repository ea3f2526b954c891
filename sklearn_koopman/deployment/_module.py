"""Students as torch modules."""

import numpy as np

from .._extras import import_extra
from ..lifting import as_layer, linear_layer
from ..students import KoopmanMatrix, split_student
from ._parts import check_has_no_network


def to_module(estimator):
    """Return a fitted student as a torch module: reduce, lift, multiply by one matrix.

    The result is a ``torch.nn.Sequential`` that maps rows, in the form that the student takes, to
    the logits of all classes, or to the predictions of a regressor, (n_samples, n_targets).
    Everything that was fitted is a parameter of the module, so it can be trained further. It is
    also in the `state_dict`, so ``safetensors.torch.save_file`` can store it without a pickle. The
    module is in eval mode and has the dtype of the student's matrix. ``torch.export`` and
    ``torch.compile`` work with it.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier or regressor with a Koopman matrix, or a pipeline or search that ends
        in one. The transformers before it may be PCA, IncrementalPCA, ActiveSubspace,
        StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, SimpleImputer, PolynomialFeatures,
        RBFSampler, Nystroem with a Gaussian kernel, the dictionaries of this package, unions and
        ObservableSelectors of them, and any transformer that has a method `to_layer`: see
        :class:`~sklearn_koopman.lifting.SupportsTorch`.

    Returns
    -------
    module : torch.nn.Sequential

    Raises
    ------
    ImportError
        If torch is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If a step has no form in torch, or the estimator is a
        :class:`~sklearn_koopman.networks.LinearizedNetworkClassifier`, which has its own
        `to_module`.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import to_module
    >>> X, y = load_iris(return_X_y=True)
    >>> student = make_pipeline(PCA(2), MonomialLifter(2), EDMDClassifier()).fit(X, y)
    >>> to_module(student)
    Sequential(
      (0): Linear(in_features=4, out_features=2, bias=True)
      (1): Monomials(2 -> 6)
      (2): Linear(in_features=6, out_features=3, bias=True)
    )
    """
    torch = import_extra("torch", "to_module", "torch")
    check_has_no_network(estimator, "to_module")
    transformers, classifier = split_student(estimator, KoopmanMatrix)
    layers = [as_layer(transformer) for transformer in transformers]
    layers.append(linear_layer(classifier.coef_, classifier.intercept_))
    dtype = torch.float32 if classifier.coef_.dtype == np.float32 else torch.float64
    return torch.nn.Sequential(*layers).to(dtype).eval()
