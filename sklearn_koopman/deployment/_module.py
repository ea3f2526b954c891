"""Students as torch modules: one small function for every kind of step."""

from functools import singledispatch

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from ..lifting import MonomialLifter, OpticalLifter
from ._parts import monomial_products, split_student


def to_module(estimator):
    """Return a fitted student as a torch module: reduce, lift, multiply by one matrix.

    A ``torch.nn.Sequential`` that maps rows, as the student takes them, to the logits of all
    classes. All that was fitted is a parameter of the module, to be trained further, and in its
    `state_dict`, to be kept by ``safetensors.torch.save_file`` without a pickle. The module is in
    eval mode, of the dtype of the student's matrix, and runs with ``torch.export`` and
    ``torch.compile``.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier with a Koopman matrix, or a pipeline or search that ends in one. The
        transformers before it may be PCA, IncrementalPCA, StandardScaler, RobustScaler,
        MinMaxScaler, MaxAbsScaler, MonomialLifter and OpticalLifter.

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
        If a step has no form in torch.

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
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            'to_module needs torch: pip install "sklearn-koopman[torch]"', name="torch"
        ) from error
    transformers, classifier = split_student(estimator)
    layers = [_layer(transformer) for transformer in transformers]
    layers.append(_linear(classifier.coef_, classifier.intercept_))
    dtype = torch.float32 if classifier.coef_.dtype == np.float32 else torch.float64
    return torch.nn.Sequential(*layers).to(dtype).eval()


@singledispatch
def _layer(transformer):
    """Return a fitted transformer as a torch module."""
    raise TypeError(
        f"{type(transformer).__name__} has no form in torch here. Known are PCA, "
        "IncrementalPCA, StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, "
        "MonomialLifter and OpticalLifter."
    )


@_layer.register(PCA)
@_layer.register(IncrementalPCA)
def _pca_layer(pca):
    components = pca.components_
    if pca.whiten:
        # As scikit-learn does: directions without variance are not blown up.
        least = np.finfo(pca.explained_variance_.dtype).eps
        components = components / np.sqrt(np.maximum(pca.explained_variance_, least))[:, None]
    return _linear(components, -components @ pca.mean_)


@_layer.register(StandardScaler)
def _standard_layer(scaler):
    factor = 1.0 / scaler.scale_ if scaler.with_std else np.ones(scaler.n_features_in_)
    return _affine(factor, -scaler.mean_ * factor if scaler.with_mean else 0.0 * factor)


@_layer.register(RobustScaler)
def _robust_layer(scaler):
    factor = 1.0 / scaler.scale_ if scaler.with_scaling else np.ones(scaler.n_features_in_)
    return _affine(factor, -scaler.center_ * factor if scaler.with_centering else 0.0 * factor)


@_layer.register(MinMaxScaler)
def _min_max_layer(scaler):
    if scaler.clip:
        raise TypeError("MinMaxScaler(clip=True) has no form in torch here: set clip=False.")
    return _affine(scaler.scale_, scaler.min_)


@_layer.register(MaxAbsScaler)
def _max_abs_layer(scaler):
    return _affine(1.0 / scaler.scale_, 0.0 * scaler.scale_)


@_layer.register(MonomialLifter)
def _monomial_layer(lifter):
    from ._torch_layers import Monomials

    return Monomials(
        lifter.n_features_in_, monomial_products(lifter), has_constant=lifter.include_bias
    )


@_layer.register(OpticalLifter)
def _optical_layer(lifter):
    from ._torch_layers import Optical

    parts = [np.real] if lifter.nonlinearity == "cosine" else [np.real, np.imag]
    mixers = [_linear(part(lifter.mixing_).T, part(lifter.offset_)) for part in parts]
    return Optical(mixers, lifter.nonlinearity, lifter.optical_depth)


def _linear(weight, bias):
    import torch

    layer = torch.nn.Linear(*weight.shape[::-1]).to(torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(np.array(weight)))
        layer.bias.copy_(torch.as_tensor(np.array(bias)))
    return layer


def _affine(factor, offset):
    from ._torch_layers import Affine

    return Affine(np.array(factor), np.array(offset))
