"""Transformers as torch modules against the transformers themselves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sklearn_koopman.lifting import MonomialLifter, OpticalLifter, RBFLifter

torch = pytest.importorskip("torch")

X = np.random.default_rng(0).normal([0, 1, 2, 3], size=(60, 4))
TRANSFORMERS = [
    PCA(3),
    PCA(3, whiten=True),
    IncrementalPCA(2),
    StandardScaler(),
    StandardScaler(with_mean=False),
    RobustScaler(),
    MinMaxScaler((-1, 1)),
    MaxAbsScaler(),
    PolynomialFeatures(3),
    PolynomialFeatures((2, 3), interaction_only=True, include_bias=False),
    RBFLifter(7, random_state=0),
    RBFSampler(n_components=9, random_state=0),
    Nystroem(n_components=8, gamma=0.2, random_state=0),
    Nystroem(n_components=8, random_state=0),
    *(
        OpticalLifter(6, nonlinearity=nonlinearity, random_state=0)
        for nonlinearity in ("intensity", "cosine", "saturable_absorption")
    ),
    make_pipeline(StandardScaler(), "passthrough", MonomialLifter(2)),
    FrozenEstimator(PCA(2).fit(X)),
]


def as_layer(transformer):
    from sklearn_koopman.lifting._torch import as_layer

    return as_layer(transformer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_a_layer_does_what_its_transformer_does(transformer, dtype):
    rows = X.astype(dtype)
    layer = as_layer(transformer.fit(X, None)).to(torch.from_numpy(rows).dtype)
    with torch.no_grad():
        found = layer(torch.from_numpy(rows)).numpy()
    atol = 1e-10 if dtype == np.float64 else 2e-4
    assert found.dtype == dtype
    assert_allclose(found, transformer.transform(X), atol=atol, rtol=atol)


@pytest.mark.parametrize("include_bias", [False, True])
@pytest.mark.parametrize("interaction_only", [False, True])
@pytest.mark.parametrize("degree", [1, 3, (0, 2), (2, 4), (3, 3)])
def test_monomials(degree, interaction_only, include_bias):
    lifter = MonomialLifter(
        degree, interaction_only=interaction_only, include_bias=include_bias
    ).fit(X)
    layer = as_layer(lifter)
    expected = lifter.transform(X)
    assert layer.n_observables == expected.shape[1]
    assert_array_equal(layer(torch.from_numpy(X)).numpy(), expected)
    scripted = torch.jit.script(layer)
    assert_array_equal(scripted(torch.from_numpy(X)).numpy(), expected)


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (KernelPCA(2), "KernelPCA has no form in torch here. Known are PCA"),
        (MinMaxScaler(clip=True), "set clip=False"),
        (Nystroem(kernel="linear", n_components=3), "kernel='linear'.*only kernel='rbf'"),
        (make_pipeline(PCA(2), KernelPCA(2)), "KernelPCA has no form"),
    ],
    ids=repr,
)
def test_what_torch_does_not_know(transformer, message):
    with pytest.raises(TypeError, match=message):
        as_layer(transformer.fit(X))


def test_a_layer_shares_nothing_with_its_transformer():
    pca = PCA(2).fit(X)
    before = pca.components_.copy()
    with torch.no_grad():
        as_layer(pca).weight.zero_()
    assert_array_equal(pca.components_, before)
