"""Transformers as torch modules against the transformers themselves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sklearn_koopman import ObservableSelector
from sklearn_koopman.lifting import (
    DelayLifter,
    MonomialLifter,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    ProductKernelLifter,
    RBFLifter,
    SquaredProjectionLifter,
)

torch = pytest.importorskip("torch")

X = np.random.default_rng(0).normal([0, 1, 2, 3], size=(60, 4))
y = X[:, 0] * X[:, 1] ** 2 + np.sin(X[:, 2])
LIFTERS = [
    OrthogonalPolynomialLifter(3),
    OrthogonalPolynomialLifter(1, include_bias=False),
    OrthogonalPolynomialLifter(4, family="legendre", order="C"),
    OrthogonalPolynomialLifter(3, family="chebyshev", scale_inputs=False, include_bias=False),
    DelayLifter(1),
    DelayLifter(2),
    DelayLifter(2, state_size=2),
    SquaredProjectionLifter(np.arange(12.0).reshape(3, 4) / 6),
    ProductKernelLifter(degree=2, n_landmarks=9, random_state=0),
    ProductKernelLifter("legendre", degree=3, n_landmarks=9, random_state=0),
    ProductKernelLifter("monomial", degree=2, n_landmarks=9, random_state=0),
    make_union(MonomialLifter(2), "passthrough", RBFLifter(5, random_state=0)),
    FeatureUnion(
        [("a", MonomialLifter(2)), ("b", "drop"), ("c", DelayLifter(3))],
        transformer_weights={"a": 0.5},
    ),
]
CHOSEN = [
    ObservableSelector(lifter, max_observables=6)
    for lifter in (
        None,
        MonomialLifter(1),
        MonomialLifter((2, 3), include_bias=False),
        FrozenEstimator(MonomialLifter(3).fit(X)),
        RBFLifter(9, random_state=0),
        make_pipeline(PCA(3), MonomialLifter(2)),
        *LIFTERS,
    )
]
TRANSFORMERS = [
    *LIFTERS,
    *CHOSEN,
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
    from sklearn_koopman.lifting import as_layer

    return as_layer(transformer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_a_layer_does_what_its_transformer_does(transformer, dtype):
    rows = X.astype(dtype)
    layer = as_layer(transformer.fit(X, y)).to(torch.from_numpy(rows).dtype)
    with torch.no_grad():
        found = layer(torch.from_numpy(rows)).numpy()
    atol = 1e-10 if dtype == np.float64 else 2e-4
    assert found.dtype == dtype
    assert_allclose(found, transformer.transform(X), atol=atol, rtol=atol)


@pytest.mark.parametrize(
    "transformer",
    [RBFLifter(7, random_state=0), Nystroem(n_components=8, random_state=0)],
    ids=repr,
)
def test_gaussians_far_from_the_origin_in_single_precision(transformer):
    rows = X.astype(np.float32) + np.float32(1000)
    layer = as_layer(transformer.fit(rows)).float()
    with torch.no_grad():
        found = layer(torch.from_numpy(rows)).numpy()
    assert_allclose(found, transformer.transform(rows), atol=1e-3)


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


@pytest.mark.parametrize("transformer", [*LIFTERS, *CHOSEN], ids=repr)
def test_scripted_dictionaries(transformer):
    rows = torch.from_numpy(X)
    layer = as_layer(transformer.fit(X, y))
    with torch.no_grad():
        assert_array_equal(torch.jit.script(layer)(rows).numpy(), layer(rows).numpy())


@pytest.mark.parametrize(
    "lifter",
    [
        MonomialLifter(4),
        MonomialLifter(3, interaction_only=True),
        OrthogonalPolynomialLifter(4),
    ],
    ids=repr,
)
def test_any_choice_of_products_and_no_other_products(lifter):
    expected = lifter.fit_transform(X)
    rng = np.random.default_rng(0)
    for n_chosen in (1, 1, 2, 5, 10):
        indices = rng.permutation(expected.shape[1])[:n_chosen]
        chosen = lifter.chosen(indices)
        with torch.no_grad():
            found = as_layer(chosen)(torch.from_numpy(X)).numpy()
        assert_allclose(found, expected[:, indices], rtol=1e-10, atol=1e-10)
        degrees, _ = chosen.by_degree()
        assert sum(len(products.factors) for products in degrees) == chosen.n_products


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (KernelPCA(2), "KernelPCA has no form in torch here. Supported are PCA"),
        (MinMaxScaler(clip=True), "set clip=False"),
        (Nystroem(kernel="linear", n_components=3), "kernel='linear'.*only kernel='rbf'"),
        (make_pipeline(PCA(2), KernelPCA(2)), "KernelPCA has no form"),
        (ObservableSelector(KernelPCA(3)), "KernelPCA has no form"),
        (FunctionTransformer(np.abs), "func=<ufunc 'absolute'>.*only func=None"),
    ],
    ids=repr,
)
def test_what_torch_does_not_know(transformer, message):
    with pytest.raises(TypeError, match=message):
        as_layer(transformer.fit(X, y))


def test_a_layer_shares_nothing_with_its_transformer():
    pca = PCA(2).fit(X)
    before = pca.components_.copy()
    with torch.no_grad():
        as_layer(pca).weight.zero_()
    assert_array_equal(pca.components_, before)
