"""The layers that torch itself does not have. Importing this module imports torch."""

import torch


class Affine(torch.nn.Module):
    """Every feature times a factor, plus an offset.

    Parameters
    ----------
    factor, offset : ndarray of shape (n_features,)
    """

    def __init__(self, factor, offset):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.as_tensor(factor))
        self.offset = torch.nn.Parameter(torch.as_tensor(offset))

    def forward(self, x):
        """Return the scaled rows."""
        return x * self.factor + self.offset


class Monomials(torch.nn.Module):
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
        self.kept = [products.kept for products in degrees]
        self.n_observables = has_constant + sum(
            len(products.variables) for products in degrees if products.kept
        )
        for degree, products in enumerate(degrees, start=1):
            for name in ("variables", "factors"):
                indices = torch.as_tensor(getattr(products, name))
                self.register_buffer(f"{name}_{degree}", indices, persistent=False)

    def forward(self, z):
        """Return the observables of the rows."""
        observables = [torch.ones_like(z[:, :1])] if self.has_constant else []
        monomials = z
        for degree, kept in enumerate(self.kept, start=1):
            if degree > 1:
                variables = z.index_select(1, getattr(self, f"variables_{degree}"))
                factors = monomials.index_select(1, getattr(self, f"factors_{degree}"))
                monomials = variables * factors
            if kept:
                observables.append(monomials)
        return torch.cat(observables, dim=1)

    def __repr__(self):
        return f"Monomials({self.n_features} -> {self.n_observables})"


class Optical(torch.nn.Module):
    """Cosines or intensities of mixed features, as `OpticalLifter` makes them.

    Parameters
    ----------
    mixers : list of torch.nn.Linear
        One, or two for the real and the imaginary part of amplitudes.
    nonlinearity : {"intensity", "cosine", "saturable_absorption"}
    optical_depth : float
    """

    def __init__(self, mixers, nonlinearity, optical_depth):
        super().__init__()
        self.mixers = torch.nn.ModuleList(mixers)
        self.nonlinearity = nonlinearity
        self.optical_depth = optical_depth

    def forward(self, z):
        """Return the observables of the rows."""
        if self.nonlinearity == "cosine":
            return 2**0.5 * torch.cos(self.mixers[0](z))
        real, imaginary = self.mixers
        intensity = real(z) ** 2 + imaginary(z) ** 2
        if self.nonlinearity == "intensity":
            return intensity
        return intensity * torch.exp(-self.optical_depth / (1 + intensity))
