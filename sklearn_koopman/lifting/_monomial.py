"""Monomials of the input variables as observables."""

from functools import partial
from itertools import groupby, pairwise
from math import comb
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._validation import check_boolean, check_choice, invalid_parameter, is_integer
from ._base import BLOCK_ROWS, Dictionary, check_products_fit_in_memory, lifted_by_columns
from ._forms._functions import product_function
from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers
from ._products import (
    CONSTANT,
    ChosenProducts,
    PairProducts,
    Products,
    pairs_of_degrees,
    powers_of,
    terms_of,
)


class MonomialLifter(Dictionary):
    r"""Lift samples to the monomials of their features.

    A sample :math:`z` of :math:`p` features is lifted to the :math:`D` observables

    .. math::

        \psi(z) = \left(z_1^{a_1} z_2^{a_2} \cdots z_p^{a_p}
        \;:\; a_1 + a_2 + \dots + a_p \le q\right),
        \qquad D = \binom{p + q}{q},

    where :math:`q` is the degree. The columns are those of
    :class:`~sklearn.preprocessing.PolynomialFeatures`, in the same order and with the same
    names. With both at their defaults this class takes a half to a quarter of the time; the speed
    of the memory is its limit.

    Parameters
    ----------
    degree : int or tuple (min_degree, max_degree), default=2
        The largest degree :math:`q \ge 1` of a monomial, or the smallest and the largest.
        `min_degree=0` means the same as `min_degree=1`: `include_bias` decides about the constant.

    interaction_only : bool, default=False
        Whether to keep only the products of distinct features: `x0 x1` but not `x0^2`.

    include_bias : bool, default=True
        Whether the first observable is the constant 1.

    order : {"F", "C"}, default="F"
        Memory layout of the lifted array. "F" is faster to compute.

    Attributes
    ----------
    n_output_features_ : int
        The number of observables :math:`D`.

    powers_ : ndarray of shape (`n_output_features_`, `n_features_in_`)
        `powers_[i, j]` is the exponent of feature j in observable i. Computed anew at each
        access.

    n_features_in_ : int
        Number of features seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit`. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    sklearn.preprocessing.PolynomialFeatures : The same columns, sparse input too.

    Notes
    -----
    Every monomial of degree d is one product: a variable times a monomial of degree d - 1.
    Monomials that share their first variable are neighbours, and so are the monomials that they are
    made from, so one call of :func:`numpy.multiply` makes all of them. Samples are lifted in
    blocks, so that the lower degree is still in the processor's cache, by as many threads as BLAS
    may use.

    Unlike :class:`~sklearn.preprocessing.PolynomialFeatures`, it refuses dictionaries that have no
    observable but the constant (degree 0, or `interaction_only=True` with a `min_degree` above the
    number of features), sparse input, and results that do not fit in the memory of the machine. It
    converts half precision to float64.

    References
    ----------
    .. [1] M. O. Williams, I. G. Kevrekidis and C. W. Rowley, "A data-driven approximation
       of the Koopman operator: extending dynamic mode decomposition", Journal of Nonlinear
       Science 25, 1307-1346 (2015).

    .. [2] Kimura and Ohkubo (2026), :arxiv:`2604.06732`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.lifting import MonomialLifter
    >>> lifter = MonomialLifter(degree=2)
    >>> lifter.fit_transform(np.array([[2.0, 3.0], [4.0, 5.0]]))
    array([[ 1.,  2.,  3.,  4.,  6.,  9.],
           [ 1.,  4.,  5., 16., 20., 25.]])
    >>> lifter.get_feature_names_out()
    array(['1', 'x0', 'x1', 'x0^2', 'x0 x1', 'x1^2'], dtype=object)
    """

    _learns_from_rows = False

    def __init__(self, degree=2, *, interaction_only=False, include_bias=True, order="F"):
        self.degree = degree
        self.interaction_only = interaction_only
        self.include_bias = include_bias
        self.order = order

    def _fit(self, X):
        min_degree, max_degree = self._check_parameters()
        p = self.n_features_in_
        if self.interaction_only:
            max_degree = min(
                max_degree, p
            )  # there are no products of more than p distinct variables
        if min_degree > max_degree:
            raise ValueError(
                f"MonomialLifter with degree={self.degree} and interaction_only=True has no "
                f"monomials of {p} feature(s): lower the min_degree to {p} or less."
            )

        self.n_output_features_ = int(self.include_bias) + _count_range(
            p, min_degree, max_degree, self.interaction_only
        )
        self._n_steps = _count_range(p, 1, min_degree - 1, self.interaction_only)
        self._check_memory(n_samples=1, itemsize=X.dtype.itemsize)
        self._plan = monomial_plan(p, min_degree, max_degree, self.interaction_only)

    def _lift(self, X):
        lift = partial(_lift_feature_major, self._plan)
        return lifted_by_columns(lift, X, self.n_output_features_, self.order)

    def to_function(self, dtype):
        """Return the monomials as a plain function of rows: products of gathered columns."""
        return product_function(self.pair_products(), self.n_features_in_)

    def to_layer(self):
        """Return the monomials as a torch layer."""
        check_is_fitted(self)
        return torch_layers().Monomials(
            self.n_features_in_, self._products(), has_constant=self.include_bias
        )

    def add_to_graph(self, nodes, rows):
        """Add the monomials to an ONNX graph, three nodes for every degree."""
        check_is_fitted(self)
        observables = [nodes.add_ones(rows)] if self.include_bias else []
        monomials = rows
        for degree, products in enumerate(self._products(), start=1):
            if degree > 1:
                monomials = nodes.add_products(rows, monomials, products)
            if products.kept:
                observables.append(monomials)
        return nodes.add("Concat", *observables, axis=1)

    def add_to_program(self, program, rows):
        """Add the monomials to a program for microcontrollers."""
        return program.products(rows, self.pair_products())

    def operations(self):
        """Return the operations: a product for each monomial above degree 1, even if not kept."""
        check_is_fitted(self)
        return Operations(nonlinear=sum(level.n_monomials for level in self._plan[1:]))

    def pair_products(self):
        """Return the monomials as products of two rows of a table."""
        check_is_fitted(self)
        degrees = self._products()
        lower, pairs = pairs_of_degrees(self.n_features_in_, degrees[1:])
        kept = [of_degree for of_degree, d in zip(pairs, degrees, strict=True) if d.kept]
        constant = CONSTANT if self.include_bias else CONSTANT[:0]
        degree = None
        if self._plan[0].kept and not self.interaction_only:
            degree = len(self._plan)
        return PairProducts(lower, np.concatenate([constant, *kept]), degree)

    def chosen(self, indices):
        """Return a transformer to some of the monomials, with the products that these need."""
        check_is_fitted(self)
        terms = self._terms()
        return ChosenProducts(
            [terms[i] for i in indices], self.order, n_features=self.n_features_in_
        )

    def _observable_names(self, names):
        return [_monomial_name(names, variables) for variables in self._terms()]

    @property
    def powers_(self):
        """Exponent of each feature in each observable."""
        check_is_fitted(self)
        powers = powers_of(self._products(), self.n_features_in_)
        return np.pad(powers, ((int(self.include_bias), 0), (0, 0)))

    def _products(self):
        """Return the products one by one, degree by degree."""
        return products_of_plan(self._plan)

    def _terms(self):
        """Return each observable as the ascending tuple of the variables that it multiplies."""
        constant = [()] if self.include_bias else []
        return constant + terms_of(self._products())

    def _check_parameters(self):
        check_boolean(self, "interaction_only")
        check_boolean(self, "include_bias")
        check_choice(self, "order", ("C", "F"))
        try:
            min_degree, max_degree = (
                (0, self.degree) if is_integer(self.degree) else self.degree
            )
        except (TypeError, ValueError):  # not a pair
            min_degree = max_degree = None
        if not (
            is_integer(min_degree)
            and is_integer(max_degree)
            and 0 <= min_degree <= max_degree
            and max_degree >= 1
        ):
            raise invalid_parameter(
                self,
                "degree",
                "an int in the range [1, inf) or a tuple (min_degree, max_degree) of ints "
                "with 0 <= min_degree <= max_degree and max_degree >= 1",
            )
        return max(1, int(min_degree)), int(max_degree)

    def _check_memory(self, n_samples, itemsize):
        n_scratch = self._n_steps * min(n_samples, BLOCK_ROWS[self.order])
        n_numbers = n_samples * self.n_output_features_ + n_scratch
        check_products_fit_in_memory(self, n_samples, n_numbers, itemsize)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_plan")


class Level(NamedTuple):
    """How to make the monomials of one degree from those of the degree below.

    A lifter stores only a list of levels, from degree 1 on. Lifting, names, powers and all other
    forms are derived from it. It has two slices for each variable and degree, for any number of
    monomials.

    Attributes
    ----------
    n_monomials : int
    kept : bool
        Whether these monomials are observables, or only needed for higher degrees.
    products : tuple of (slice, slice)
        For each variable: the monomials of the degree below that it multiplies, and the resulting
        monomials of this degree.
    """

    n_monomials: int
    kept: bool
    products: tuple[tuple[slice, slice], ...]


def monomial_plan(p, min_degree, max_degree, distinct):
    """List the products that make the monomials of each degree from those of the degree below.

    Monomials of one degree are sorted by their first variable, so those from variable i on
    are the last ones, as many as there are monomials in the last p - i variables.
    """
    plan = []
    lower_starts = [0] * (p + 1)  # the only monomial of degree 0 is a factor of all
    for degree in range(1, max_degree + 1):
        n_from = [_count(p - i, degree, distinct) for i in range(p + 1)]
        starts = [n_from[0] - n for n in n_from]
        factors = lower_starts[1:] if distinct else lower_starts[:-1]
        products = tuple(
            (slice(factor, None), slice(*target))
            for factor, target in zip(factors, pairwise(starts), strict=True)
        )
        plan.append(Level(n_from[0], degree >= min_degree, products))
        lower_starts = starts
    return plan


def _count(p, degree, distinct):
    """Count the monomials of one degree >= 1 in p variables."""
    return comb(p, degree) if distinct else comb(p + degree - 1, degree)


def _count_range(p, min_degree, max_degree, distinct):
    """Count the monomials of degrees min_degree, ..., max_degree in p variables."""
    if distinct:
        return sum(comb(p, degree) for degree in range(min_degree, max_degree + 1))
    return comb(p + max_degree, max_degree) - comb(p + min_degree - 1, min_degree - 1)


def _lift_feature_major(plan, ZT, out):
    """Lift samples that are columns.

    Parameters
    ----------
    plan : list of Level
        The plan of a fitted lifter.

    ZT : ndarray of shape (n_features, n_samples)
        The samples.

    out : ndarray of shape (n_output_features, n_samples)
        Array for their observables, with the dtype of `ZT`.
    """
    n_samples = ZT.shape[1]
    variables = lower = np.ascontiguousarray(ZT)
    stop = len(out) - sum(level.n_monomials for level in plan if level.kept)
    out[:stop] = 1  # the constant, if it is wanted
    for degree, (n_monomials, kept, products) in enumerate(plan, start=1):
        if kept:
            start, stop = stop, stop + n_monomials
            monomials = out[start:stop]
        else:  # only needed for higher degrees
            monomials = np.empty((n_monomials, n_samples), out.dtype)
        if degree == 1:
            monomials[...] = variables
        else:
            for variable, (source, target) in zip(variables, products, strict=True):
                np.multiply(lower[source], variable, out=monomials[target])
        lower = monomials


def products_of_plan(plan):
    """Return the products of a plan one by one.

    Parameters
    ----------
    plan : list of Level

    Returns
    -------
    degrees : list of Products
        Products of the degrees 1, 2, ... Products of degree 1 have the factor 1, and zeros as
        `factors`.
    """
    degrees, n_lower = [], 1
    for level in plan:
        variables = np.empty(level.n_monomials, dtype=np.int64)
        factors = np.empty(level.n_monomials, dtype=np.int64)
        for variable, (source, target) in enumerate(level.products):
            variables[target] = variable
            factors[target] = np.arange(source.start, n_lower)
        degrees.append(Products(variables, factors, level.kept))
        n_lower = level.n_monomials
    return degrees


def monomials_like(features):
    """Return the fitted `MonomialLifter` that is equivalent to a fitted PolynomialFeatures."""
    lifter = MonomialLifter(
        features.degree,
        interaction_only=features.interaction_only,
        include_bias=features.include_bias,
    )
    return lifter.fit(np.zeros((1, features.n_features_in_)))


def _monomial_name(names, variables):
    """Name a product, for example ``"x0^2 x1"`` for the variables (0, 0, 1)."""
    if not variables:
        return "1"
    runs = [(names[i], len(list(run))) for i, run in groupby(variables)]
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in runs)
