"""Fitted transformers as torch modules: one layer, and one small function, for every kind.

Importing this module imports torch. Numbers that were fitted are parameters, in float64 until the
module is moved to another dtype; index tables are not in the `state_dict`.
"""

from functools import singledispatch
from math import sqrt

import numpy as np
import torch
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from torch import nn

from ..selection import ActiveSubspace, ObservableSelector
from ._chosen import ChosenColumns, ChosenUnion
from ._delay import DelayLifter
from ._monomial import MonomialLifter, monomial_products
from ._optical import OpticalLifter
from ._orthogonal import RECURRENCES, OrthogonalPolynomialLifter, UnivariatePolynomials
from ._products import ChosenProducts, products_by_degree
from ._rbf import RBFLifter
from ._squares import SquaredProjectionLifter

KNOWN = (
    "PCA, IncrementalPCA, ActiveSubspace, StandardScaler, RobustScaler, MinMaxScaler, "
    "MaxAbsScaler, MonomialLifter, OrthogonalPolynomialLifter, PolynomialFeatures, "
    "OpticalLifter, SquaredProjectionLifter, RBFLifter, RBFSampler, Nystroem with a Gaussian "
    "kernel, DelayLifter, and pipelines, unions and ObservableSelectors of them"
)


class Affine(nn.Module):
    """Every column times a factor, plus an offset.

    Parameters
    ----------
    factor, offset : float or ndarray of shape (n_columns,)
    """

    def __init__(self, factor, offset):
        super().__init__()
        self.factor = nn.Parameter(_tensor(factor))
        self.offset = nn.Parameter(_tensor(offset))

    def forward(self, rows):
        """Return the scaled rows."""
        return rows * self.factor + self.offset


class MonomialsOfOneDegree(nn.Module):
    """Products of variables and monomials of the degree below.

    Parameters
    ----------
    products : Products
        One of those that `monomial_products` returns.
    """

    variables: torch.Tensor
    factors: torch.Tensor

    def __init__(self, products):
        super().__init__()
        self.kept = products.kept
        self.n_monomials = len(products.variables)
        for name in ("variables", "factors"):
            indices = torch.as_tensor(getattr(products, name))
            self.register_buffer(name, indices, persistent=False)

    def forward(self, variables, lower):
        """Return the monomials of this degree."""
        return variables.index_select(1, self.variables) * lower.index_select(1, self.factors)


class Monomials(nn.Module):
    """The monomials of the columns, degree by degree.

    Parameters
    ----------
    n_features : int
    degrees : list of Products
        What `monomial_products` returns.
    has_constant : bool
        Whether the first observable is the constant 1.
    """

    def __init__(self, n_features, degrees, *, has_constant):
        super().__init__()
        self.n_features = n_features
        self.has_constant = has_constant
        self.has_variables = degrees[0].kept
        self.higher_degrees = nn.ModuleList(MonomialsOfOneDegree(each) for each in degrees[1:])
        self.n_observables = has_constant + sum(
            len(products.variables) for products in degrees if products.kept
        )

    def forward(self, rows):
        """Return the observables of the rows."""
        observables = [torch.ones_like(rows[:, :1])] if self.has_constant else []
        if self.has_variables:
            observables.append(rows)
        monomials = rows
        for degree in self.higher_degrees:
            monomials = degree(rows, monomials)
            if degree.kept:
                observables.append(monomials)
        return torch.cat(observables, dim=1)

    def __repr__(self):
        return f"Monomials({self.n_features} -> {self.n_observables})"


class ProductsOfColumns(nn.Module):
    """Some products of columns.

    Parameters
    ----------
    degrees : list of Products
    places : ndarray of int
        What `products_by_degree` returns.
    """

    places: torch.Tensor

    def __init__(self, degrees, places):
        super().__init__()
        self.n_observables = len(places)
        self.degrees = nn.ModuleList(MonomialsOfOneDegree(each) for each in degrees)
        self.register_buffer("places", torch.as_tensor(places), persistent=False)

    def forward(self, columns):
        """Return the products."""
        found = [torch.ones_like(columns[:, :1])]
        products = columns
        for degree in self.degrees:
            products = degree(columns, products)
            found.append(products)
        found.append(columns)
        return torch.cat(found, dim=1).index_select(1, self.places)

    def __repr__(self):
        return f"ProductsOfColumns(-> {self.n_observables})"


class OrthogonalPolynomials(nn.Module):
    """Polynomials of each column by itself: all of degree 1, then all of degree 2, and so on.

    Parameters
    ----------
    center, scale : ndarray of shape (n_columns,)
    slopes, drops : list of float
        The recurrence, one of each for every degree above 1.
    """

    recurrence: list[tuple[float, float]]

    def __init__(self, center, scale, slopes, drops):
        super().__init__()
        self.center = nn.Parameter(_tensor(center))
        self.scale = nn.Parameter(_tensor(scale))
        self.recurrence = list(zip(slopes, drops, strict=True))

    def forward(self, rows):
        """Return the polynomials."""
        u = (rows - self.center) / self.scale
        before, last = torch.ones_like(u), u
        polynomials = [u]
        for slope, drop in self.recurrence:
            before, last = last, slope * (u * last) - drop * before
            polynomials.append(last)
        return torch.cat(polynomials, dim=1)


class Columns(nn.Module):
    """Some of the columns.

    Parameters
    ----------
    indices : ndarray of int
    """

    indices: torch.Tensor

    def __init__(self, indices):
        super().__init__()
        self.register_buffer("indices", torch.tensor(indices), persistent=False)

    def forward(self, rows):
        """Return these columns."""
        return rows.index_select(1, self.indices)

    def __repr__(self):
        return f"Columns(-> {len(self.indices)})"


class Union(nn.Module):
    """What several modules make of the same rows, side by side.

    Parameters
    ----------
    parts : list of torch.nn.Module
    """

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, rows):
        """Return the observables of all parts."""
        observables = []
        for part in self.parts:
            observables.append(part(rows))
        return torch.cat(observables, dim=1)


class GaussianKernel(nn.Module):
    """Gaussian functions of the distances to some centres.

    Parameters
    ----------
    centres : ndarray of shape (n_centres, n_columns)
    gamma : float
    """

    def __init__(self, centres, gamma):
        super().__init__()
        self.gamma = float(gamma)
        self.centres = nn.Parameter(_tensor(centres))

    def forward(self, rows):
        """Return the observables."""
        # Far from the origin float32 would lose the distances in the squares.
        middle = self.centres.mean(0)
        rows, centres = rows - middle, self.centres - middle
        squares = rows.square().sum(1, keepdim=True) + centres.square().sum(1)
        distances = (squares - 2.0 * rows @ centres.T).clamp(min=0.0)
        return torch.exp(-self.gamma * distances)


class Cosines(nn.Module):
    """Cosines of mixed columns, times an amplitude.

    Parameters
    ----------
    mixer : torch.nn.Linear
    amplitude : float
    """

    def __init__(self, mixer, amplitude):
        super().__init__()
        self.mixer = mixer
        self.amplitude = amplitude

    def forward(self, rows):
        """Return the observables."""
        return self.amplitude * torch.cos(self.mixer(rows))


class ColumnsAndSquares(nn.Module):
    """The columns, and the squares of mixtures of them.

    Parameters
    ----------
    mixer : torch.nn.Linear
    """

    def __init__(self, mixer):
        super().__init__()
        self.mixer = mixer

    def forward(self, rows):
        """Return the observables."""
        return torch.cat([rows, self.mixer(rows) ** 2], dim=1)


class Intensities(nn.Module):
    """Intensities of mixed columns, behind an absorber that saturates if there is one.

    Parameters
    ----------
    real, imaginary : torch.nn.Linear
        The two parts of the amplitudes.
    optical_depth : float
        0 is no absorber.
    """

    def __init__(self, real, imaginary, optical_depth):
        super().__init__()
        self.real = real
        self.imaginary = imaginary
        self.optical_depth = optical_depth

    def forward(self, rows):
        """Return the observables."""
        intensity = self.real(rows) ** 2 + self.imaginary(rows) ** 2
        if self.optical_depth == 0:
            return intensity
        return intensity * torch.exp(-self.optical_depth / (1 + intensity))


@singledispatch
def as_layer(transformer):
    """Return a fitted transformer as a torch module, in float64.

    Register a function for other transformers: ``as_layer.register(MyLifter)``.

    Raises
    ------
    TypeError
        If the transformer has no form in torch.
    """
    raise TypeError(
        f"{type(transformer).__name__} has no form in torch here. Known are {KNOWN}."
    )


@as_layer.register(type(None))
def _identity_layer(transformer):
    return nn.Identity()


@as_layer.register
def _frozen_layer(frozen: FrozenEstimator):
    return as_layer(frozen.estimator)


@as_layer.register
def _pipeline_layer(pipeline: Pipeline):
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return nn.Sequential(*(as_layer(step) for step in steps))


@as_layer.register
def _union_layer(union: FeatureUnion):
    weights = union.transformer_weights or {}
    parts = []
    for name, step in union.transformer_list:
        if step != "drop":
            part = as_layer(step)
            if name in weights:
                part = nn.Sequential(part, Affine(weights[name], 0.0))
            parts.append(part)
    return Union(parts)


@as_layer.register
def _function_layer(transformer: FunctionTransformer):
    if transformer.func is not None:
        raise TypeError(
            f"FunctionTransformer(func={transformer.func!r}) has no form in torch here: only "
            "func=None, which passes rows through."
        )
    return nn.Identity()


@as_layer.register(PCA)
@as_layer.register(IncrementalPCA)
def _pca_layer(pca):
    components = pca.components_
    if pca.whiten:
        # As scikit-learn does: directions without variance are not blown up.
        least = np.finfo(pca.explained_variance_.dtype).eps
        components = components / np.sqrt(np.maximum(pca.explained_variance_, least))[:, None]
    return linear_layer(components, -components @ pca.mean_)


@as_layer.register
def _active_subspace_layer(subspace: ActiveSubspace):
    return linear_layer(subspace.components_, -subspace.components_ @ subspace.mean_)


@as_layer.register
def _standard_layer(scaler: StandardScaler):
    factor = 1.0 / scaler.scale_ if scaler.with_std else np.ones(scaler.n_features_in_)
    return Affine(factor, -scaler.mean_ * factor if scaler.with_mean else 0.0 * factor)


@as_layer.register
def _robust_layer(scaler: RobustScaler):
    factor = 1.0 / scaler.scale_ if scaler.with_scaling else np.ones(scaler.n_features_in_)
    return Affine(factor, -scaler.center_ * factor if scaler.with_centering else 0.0 * factor)


@as_layer.register
def _min_max_layer(scaler: MinMaxScaler):
    if scaler.clip:
        raise TypeError("MinMaxScaler(clip=True) has no form in torch here: set clip=False.")
    return Affine(scaler.scale_, scaler.min_)


@as_layer.register
def _max_abs_layer(scaler: MaxAbsScaler):
    return Affine(1.0 / scaler.scale_, 0.0 * scaler.scale_)


@as_layer.register
def _monomial_layer(lifter: MonomialLifter):
    degrees = monomial_products(lifter)
    return Monomials(lifter.n_features_in_, degrees, has_constant=lifter.include_bias)


@as_layer.register
def _orthogonal_layer(lifter: OrthogonalPolynomialLifter):
    return as_layer(lifter._all_chosen())


@as_layer.register
def _univariate_layer(polynomials: UnivariatePolynomials):
    slope, drop, _ = RECURRENCES[polynomials.family]
    degrees = range(1, polynomials.degree)
    slopes, drops = [[float(part(k)) for k in degrees] for part in (slope, drop)]
    return OrthogonalPolynomials(polynomials.center, polynomials.scale, slopes, drops)


@as_layer.register
def _chosen_products_layer(chosen: ChosenProducts):
    products = ProductsOfColumns(*products_by_degree(chosen))
    if chosen.factors is None:
        return products
    return nn.Sequential(as_layer(chosen.factors), products)


@as_layer.register
def _chosen_columns_layer(chosen: ChosenColumns):
    columns = Columns(chosen.indices)
    return columns if chosen.lifter is None else nn.Sequential(as_layer(chosen.lifter), columns)


@as_layer.register
def _chosen_union_layer(chosen: ChosenUnion):
    return Union([as_layer(part) for part in chosen.parts])


@as_layer.register
def _selector_layer(selector: ObservableSelector):
    return as_layer(selector._chosen_lifter)


@as_layer.register
def _delay_layer(lifter: DelayLifter):
    return Columns(lifter._columns)


@as_layer.register
def _polynomial_layer(features: PolynomialFeatures):
    lifter = MonomialLifter(
        features.degree,
        interaction_only=features.interaction_only,
        include_bias=features.include_bias,
    )
    return as_layer(lifter.fit(np.zeros((1, features.n_features_in_))))


@as_layer.register
def _optical_layer(lifter: OpticalLifter):
    real = linear_layer(np.real(lifter.mixing_).T, np.real(lifter.offset_))
    if lifter.nonlinearity == "cosine":
        return Cosines(real, sqrt(2.0))
    imaginary = linear_layer(np.imag(lifter.mixing_).T, np.imag(lifter.offset_))
    is_absorbing = lifter.nonlinearity == "saturable_absorption"
    return Intensities(real, imaginary, float(lifter.optical_depth) if is_absorbing else 0.0)


@as_layer.register
def _squares_layer(lifter: SquaredProjectionLifter):
    return ColumnsAndSquares(linear_layer(lifter.components_))


@as_layer.register
def _rbf_layer(lifter: RBFLifter):
    return GaussianKernel(lifter.centers_, lifter.gamma_)


@as_layer.register
def _nystroem_layer(lifter: Nystroem):
    if lifter.kernel != "rbf":
        raise TypeError(
            f"Nystroem(kernel={lifter.kernel!r}) has no form in torch here: only kernel='rbf'."
        )
    gamma = 1.0 / lifter.n_features_in_ if lifter.gamma is None else lifter.gamma
    mixer = linear_layer(lifter.normalization_)
    return nn.Sequential(GaussianKernel(lifter.components_, gamma), mixer)


@as_layer.register
def _fourier_layer(lifter: RBFSampler):
    mixer = linear_layer(lifter.random_weights_.T, lifter.random_offset_)
    return Cosines(mixer, sqrt(2.0 / len(lifter.random_offset_)))


def linear_layer(weight, bias=None):
    """Return a linear layer in float64, of copies of the arrays.

    Parameters
    ----------
    weight : ndarray of shape (n_outputs, n_inputs)
    bias : ndarray of shape (n_outputs,), default=None
    """
    # Random weights would advance torch's global generator.
    layer = nn.utils.skip_init(
        nn.Linear, *weight.shape[::-1], bias=bias is not None, dtype=torch.float64
    )
    with torch.no_grad():
        layer.weight.copy_(_tensor(weight))
        if bias is not None:
            layer.bias.copy_(_tensor(bias))
    return layer


def _tensor(array):
    return torch.from_numpy(np.array(array, dtype=np.float64))
