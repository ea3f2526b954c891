"""Torch layers for dictionaries. An import of this module imports torch.

Fitted numbers are parameters, in float64 until the module is moved to another dtype. Index tables
are not in the `state_dict`.
"""

import numpy as np
import torch
from torch import nn

from .._filtering._responses import TWO_SIDED


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


class Filled(nn.Module):
    """Fills in a value for each missing one.

    Parameters
    ----------
    values : ndarray of shape (n_columns,)
    missing : float
        The number that means a missing value, which may be NaN.
    """

    def __init__(self, values, missing):
        super().__init__()
        self.values = nn.Parameter(_tensor(values))
        self.missing = float(missing)

    def forward(self, rows):
        """Return the filled rows."""
        is_nan = self.missing != self.missing
        missing = torch.isnan(rows) if is_nan else rows == self.missing
        return torch.where(missing, self.values, rows)


class MonomialsOfOneDegree(nn.Module):
    """Products of variables and monomials of the degree below.

    Parameters
    ----------
    products : Products
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
        For the degrees 1, 2, ...
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
        Results of `ChosenProducts.by_degree`.
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
    """Polynomials of single columns: all of degree 1, then all of degree 2, and so on.

    Parameters
    ----------
    center, scale : ndarray of shape (n_columns,)
    slopes, drops : list of float
        Coefficients of the recurrence, one of each for every degree above 1.
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
    """The outputs of several modules for the same rows, side by side.

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
        # In float32, squares of numbers far from the origin would lose the distances.
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


class LocalFeatureLayer(nn.Module):
    """Functions of single columns, (n_rows, n_columns, n_functions).

    Parameters
    ----------
    local : LocalFeatures
    """

    def __init__(self, local):
        super().__init__()
        self.kind, self.degree, self.frequency = (
            local.kind,
            local.degree,
            float(local.frequency),
        )
        self.shift = nn.Parameter(_tensor(local.shift))
        self.scale = nn.Parameter(_tensor(local.scale))

    def forward(self, rows):
        """Return the features."""
        t = (rows - self.shift) / self.scale
        if self.kind == "trigonometric":
            waves = []
            for k in range(self.degree):
                angle = (k + 1) * self.frequency * t
                waves.append(angle.cos())
                waves.append(angle.sin())
            return torch.stack(waves, dim=2)
        is_legendre = self.kind == "legendre"
        t = t.clamp(-1.0, 1.0) if is_legendre else t
        features = [torch.ones_like(t), t]
        for k in range(1, self.degree):
            grown = features[k] * t
            if is_legendre:
                grown = ((2 * k + 1) * grown - k * features[k - 1]) / (k + 1)
            features.append(grown)
        return torch.stack(features, dim=2)


class ProductKernel(nn.Module):
    """Products, over all columns, of inner products of local features, and then a rotation.

    Parameters
    ----------
    local : LocalFeatureLayer
    landmarks : ndarray of shape (n_landmarks, n_columns)
    rotation : ndarray of shape (n_landmarks, n_observables)
    """

    def __init__(self, local, landmarks, rotation):
        super().__init__()
        self.local = local
        self.landmarks = nn.Parameter(_tensor(landmarks))
        self.rotation = linear_layer(rotation.T)

    def forward(self, rows):
        """Return the observables."""
        of_rows, of_landmarks = self.local(rows), self.local(self.landmarks)
        kernels = torch.einsum("nkf,mkf->knm", of_rows, of_landmarks)
        return self.rotation(kernels.prod(dim=0))


class Intensities(nn.Module):
    """Intensities of mixed columns, after a saturable absorber if there is one.

    Parameters
    ----------
    real, imaginary : torch.nn.Linear
        The two parts of the amplitudes.
    optical_depth : float
        Optical depth of the absorber. 0: there is no absorber.
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


class PooledResponses(nn.Module):
    """Means, over the cells of a grid, of functions of the responses of filters.

    Parameters
    ----------
    responses : Responses
    """

    mean_filter: torch.Tensor
    pooling: torch.Tensor

    def __init__(self, responses):
        super().__init__()
        self.image = responses.places.image
        down, across = responses.places.padding
        self.padding = (across, across, down, down)
        self.is_centred = responses.is_centred
        self.contrast = responses.contrast
        self.nonlinearity = responses.nonlinearity
        self.threshold = responses.threshold
        self.root = responses.root
        self.steps = {
            "stride": responses.places.stride,
            "dilation": responses.places.dilation,
        }
        self.filters = nn.Parameter(_tensor(responses.filters))
        self.offsets = nn.Parameter(_tensor(responses.offsets[:, None, None]))
        pooling = np.kron(*responses.places.pooling_matrices()).T
        for name, matrix in (
            ("mean_filter", responses.mean_filter()),
            ("pooling", pooling),
        ):
            self.register_buffer(name, _tensor(matrix), persistent=False)

    def forward(self, rows):
        """Return the observables."""
        images = nn.functional.pad(rows.reshape(-1, *self.image), self.padding)
        if self.is_centred:
            images = images - images.mean((1, 2, 3), keepdim=True)
        # On a CPU the operations on the responses take as long as the convolution, so passes over
        # the responses are combined.
        has_sides = self.nonlinearity in TWO_SIDED
        offsets = self.offsets - self.threshold if has_sides else self.offsets
        responses = nn.functional.conv2d(images, self.filters, **self.steps)
        if self.contrast is None:
            responses = responses + offsets
        else:
            responses = torch.addcdiv(offsets, responses, self._spread(images))
        if has_sides:
            sides = [side.relu() for side in (responses, -2 * self.threshold - responses)]
            if self.nonlinearity == "proportion":
                sides = [side.sign() for side in sides]
            means = torch.stack([self._pooled(side) for side in sides], dim=2)
        elif self.nonlinearity == "intensity":
            means = self._pooled(responses.square())
        else:
            means = self._pooled(responses.abs())
        means = means.flatten(1)
        return _root(means) if self.root else means

    def _pooled(self, values):
        return values.flatten(2) @ self.pooling

    def _spread(self, images):
        """Return the root of the variance of each patch and the contrast."""
        mean, squares = (
            nn.functional.conv2d(each, self.mean_filter, **self.steps)
            for each in (images, images.square())
        )
        return ((squares - mean.square()).clamp(min=0.0) + self.contrast).sqrt()


class MirroredResponses(nn.Module):
    """Means of pooled responses to rows and to their mirror images.

    Parameters
    ----------
    mirrored : MirroredResponses
    """

    def __init__(self, mirrored):
        super().__init__()
        self.pooled = PooledResponses(mirrored.responses)
        self.root = mirrored.root

    def forward(self, rows):
        """Return the observables."""
        images = rows.reshape(-1, *self.pooled.image)
        means = (self.pooled(rows) + self.pooled(images.flip(3).flatten(1))) / 2
        return _root(means) if self.root else means


def linear_layer(weight, bias=None):
    """Return a linear layer in float64 with copies of the arrays.

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


def _root(means):
    """Return square roots. The slope at zero is set to zero, where it would be infinite."""
    is_positive = means > 0
    return torch.where(is_positive, means, 1.0).sqrt() * is_positive
