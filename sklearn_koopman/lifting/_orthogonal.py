"""Products of orthogonal polynomials as observables."""

from dataclasses import dataclass
from itertools import groupby
from math import comb

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._validation import check_boolean, check_choice, check_integer
from ._base import Dictionary, check_products_fit_in_memory, lifted_by_columns
from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers
from ._monomial import monomial_plan, products_of_plan
from ._products import ChosenProducts, powers_of, terms_of

# P_{k + 1}(u) = slope(k) u P_k(u) - drop(k) P_{k - 1}(u), and the names of the polynomials.
RECURRENCES = {
    "hermite": (lambda k: 1, lambda k: k, "He"),
    "legendre": (lambda k: (2 * k + 1) / (k + 1), lambda k: k / (k + 1), "P"),
    "chebyshev": (lambda k: 2 if k else 1, lambda k: 1, "T"),
}


class OrthogonalPolynomialLifter(Dictionary):
    r"""Lift samples to products of orthogonal polynomials of their features.

    Every feature is moved and scaled into the domain of the family,
    :math:`u_i = (x_i - center_i) / scale_i`, and a sample is lifted to

    .. math::

        \psi(x) = \left(P_{a_1}(u_1) P_{a_2}(u_2) \cdots P_{a_p}(u_p)
        \;:\; a_1 + a_2 + \dots + a_p \le q\right),
        \qquad D = \binom{p + q}{q},

    where :math:`P_0 = 1, P_1(u) = u, P_2, \dots` are the polynomials of the family and :math:`q`
    is the degree. They span the same functions as the monomials of degree at most q. Where the
    features have the distribution of the family, the observables are less correlated: least squares
    loses fewer digits, and a ridge penalty treats functions more evenly.

    Parameters
    ----------
    degree : int, default=2
        The largest total degree :math:`q \ge 1`.

    family : {"hermite", "legendre", "chebyshev"}, default="hermite"
        "hermite" are the probabilists' polynomials, orthogonal if features are independent and
        normal; "legendre" if they are independent and uniform between -1 and 1; "chebyshev", of
        the first kind, if they are cosines of uniform angles. The last two are worse than
        monomials where most values lie in a small part of the range. The polynomials are not
        normalised: their leading coefficients are those of :mod:`numpy.polynomial`.

    scale_inputs : bool, default=True
        Whether `fit` learns how to scale each feature: to mean 0 and variance 1 for "hermite", to
        the range from -1 to 1 for the others. Values outside of that range are not clipped: the
        polynomials grow there, as monomials do. False takes features as they are.

    include_bias : bool, default=True
        Whether the first observable is the constant 1.

    order : {"F", "C"}, default="F"
        Memory layout of the lifted array; "F" is faster to compute.

    Attributes
    ----------
    center_ : ndarray of shape (`n_features_in_`,)
        Number that is subtracted from each feature; 0 with ``scale_inputs=False``.

    scale_ : ndarray of shape (`n_features_in_`,)
        Number by which each feature is then divided; 1 for constant features.

    powers_ : ndarray of shape (`n_output_features_`, `n_features_in_`)
        `powers_[i, j]` is the degree of the polynomial of feature j in observable i. Computed anew
        at each access.

    n_output_features_ : int
        The number of observables :math:`D`.

    n_features_in_ : int
        Number of features seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit`. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    MonomialLifter : The same space of functions, with monomials as its basis.
    sklearn.preprocessing.SplineTransformer : Piecewise polynomials of single features.

    Notes
    -----
    Polynomials of one variable follow from a three-term recurrence [1]_. Each observable of several
    variables is one product: a polynomial of the first variable times an observable of the later
    ones. The latter are neighbours, so one call of :func:`numpy.multiply` makes all products with
    the same polynomial. The observables have the order of :class:`MonomialLifter`.

    References
    ----------
    .. [1] M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964), 22.7.

    .. [2] M. O. Williams, I. G. Kevrekidis and C. W. Rowley, "A data-driven approximation
       of the Koopman operator: extending dynamic mode decomposition", Journal of Nonlinear
       Science 25, 1307-1346 (2015) (Hermite polynomials as observables).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.lifting import OrthogonalPolynomialLifter
    >>> lifter = OrthogonalPolynomialLifter(degree=2, family="legendre", scale_inputs=False)
    >>> lifter.fit_transform(np.array([[1.0, 0.5]]))
    array([[ 1.   ,  1.   ,  0.5  ,  1.   ,  0.5  , -0.125]])
    >>> lifter.get_feature_names_out()
    array(['1', 'P1(x0)', 'P1(x1)', 'P2(x0)', 'P1(x0) P1(x1)', 'P2(x1)'],
          dtype=object)
    """

    def __init__(
        self, degree=2, *, family="hermite", scale_inputs=True, include_bias=True, order="F"
    ):
        self.degree = degree
        self.family = family
        self.scale_inputs = scale_inputs
        self.include_bias = include_bias
        self.order = order

    def _check_parameters(self):
        check_integer(self, "degree", minimum=1)
        check_choice(self, "family", tuple(RECURRENCES))
        check_boolean(self, "scale_inputs")
        check_boolean(self, "include_bias")
        check_choice(self, "order", ("C", "F"))

    def _fit(self, X):
        p = self.n_features_in_
        self.n_output_features_ = comb(p + self.degree, self.degree) - (not self.include_bias)
        self._check_memory(n_samples=1, itemsize=X.dtype.itemsize)
        self.center_, self.scale_ = self._domain(X)
        self._factors = UnivariatePolynomials(
            self.family, self.degree, self.center_, self.scale_
        )

    def _observable_names(self, names):
        letter = RECURRENCES[self.family][-1]
        return [
            " ".join(f"{letter}{degree}({names[i]})" for i, degree in _runs(variables)) or "1"
            for variables in self._terms()
        ]

    @property
    def powers_(self):
        """Degree of the polynomial of each feature in each observable."""
        check_is_fitted(self)
        powers = powers_of(self._monomials(), self.n_features_in_)
        return np.pad(powers, ((int(self.include_bias), 0), (0, 0)))

    def _domain(self, X):
        """Return the numbers to subtract from the features, and the numbers to divide them by."""
        if not self.scale_inputs:
            return np.zeros(X.shape[1], X.dtype), np.ones(X.shape[1], X.dtype)
        if self.family == "hermite":
            center = X.mean(axis=0, dtype=np.float64)
            scale = X.std(axis=0, dtype=np.float64)
        else:
            low, high = (end.astype(np.float64) for end in (X.min(axis=0), X.max(axis=0)))
            center, scale = low / 2 + high / 2, high / 2 - low / 2
        is_constant = scale <= 10 * np.finfo(X.dtype).eps * np.abs(center)
        return center.astype(X.dtype), np.where(is_constant, 1.0, scale).astype(X.dtype)

    def _lift(self, X):
        return lifted_by_columns(self._lift_columns, X, self.n_output_features_, self.order)

    def to_function(self, dtype):
        """Return the products of polynomials as a plain function of rows."""
        return self._all_chosen().to_function(dtype)

    def to_layer(self):
        """Return the products of polynomials as a torch layer."""
        return self._all_chosen().to_layer()

    def add_to_graph(self, nodes, rows):
        """Add the polynomials of each feature, and the products of them, to an ONNX graph."""
        return self._all_chosen().add_to_graph(nodes, rows)

    def add_to_program(self, program, rows):
        """Add the polynomials of each feature, and the products of them, to a program."""
        return self._all_chosen().add_to_program(program, rows)

    def operations(self):
        """Return the operations of the polynomials of each feature, and of their products."""
        check_is_fitted(self)
        n_others = self.include_bias + self.degree * self.n_features_in_
        products = Operations(nonlinear=self.n_output_features_ - n_others)
        return self._factors.operations() + products

    def polynomial_degree(self):
        """Return the degree."""
        check_is_fitted(self)
        return int(self.degree)

    def chosen(self, indices):
        """Return a transformer to some of the observables, with the products that these need."""
        check_is_fitted(self)
        p = self.n_features_in_
        factors = [
            tuple((degree - 1) * p + i for i, degree in _runs(variables))
            for variables in self._terms()
        ]
        return ChosenProducts([factors[i] for i in indices], self.order, self._factors)

    def _all_chosen(self):
        """Return all of the observables as products of univariate polynomials."""
        check_is_fitted(self)
        return self.chosen(range(self.n_output_features_))

    def _lift_columns(self, ZT, out):
        p = len(ZT)
        polynomials = self._factors(ZT).reshape(self.degree, *ZT.shape)
        stop = int(self.include_bias)
        out[:stop] = 1
        lower: list[np.ndarray] = []  # observables of all degrees so far
        for degree in range(1, self.degree + 1):
            start, stop = stop, stop + comb(p + degree - 1, degree)
            at = start
            for i in range(p):
                # The first variable is i: alone, or times observables of the remaining degree.
                out[at] = polynomials[degree - 1, i]
                at += 1
                for power in range(degree - 1, 0, -1):
                    rest = degree - power
                    n_later = comb(p - i - 1 + rest - 1, rest) if i + 1 < p else 0
                    later = lower[rest - 1][len(lower[rest - 1]) - n_later :]
                    np.multiply(later, polynomials[power - 1, i], out=out[at : at + n_later])
                    at += n_later
            lower.append(out[start:stop])

    def _check_memory(self, n_samples, itemsize):
        n_numbers = n_samples * self.n_output_features_
        check_products_fit_in_memory(self, n_samples, n_numbers, itemsize)

    def _terms(self):
        """Return each observable as the ascending tuple of its variables, repeated by degree."""
        constant = [()] if self.include_bias else []
        return constant + terms_of(self._monomials())

    def _monomials(self):
        """Return the leading terms of the observables as products."""
        return products_of_plan(monomial_plan(self.n_features_in_, 1, self.degree, False))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_factors")


@dataclass(frozen=True)
class UnivariatePolynomials:
    """The polynomials of single features, computed by their recurrence.

    Attributes
    ----------
    family : {"hermite", "legendre", "chebyshev"}
    degree : int
    center : ndarray of shape (n_features,)
    scale : ndarray of shape (n_features,)
    """

    family: str
    degree: int
    center: np.ndarray
    scale: np.ndarray

    def __call__(self, ZT):
        """Return all of degree 1, then all of degree 2, ..., (degree * n_features, n_samples)."""
        slope, drop, _ = RECURRENCES[self.family]
        center, scale = (array[:, None].astype(ZT.dtype) for array in (self.center, self.scale))
        polynomials = np.empty((self.degree, *ZT.shape), ZT.dtype)
        u = np.divide(ZT - center, scale, out=polynomials[0])
        for k in range(1, self.degree):
            np.multiply(u, polynomials[k - 1], out=polynomials[k])
            polynomials[k] *= slope(k)
            polynomials[k] -= drop(k) * (polynomials[k - 2] if k > 1 else 1)
        return polynomials.reshape(-1, ZT.shape[1])

    def to_layer(self):
        """Return the polynomials as a torch layer."""
        slope, drop, _ = RECURRENCES[self.family]
        degrees = range(1, self.degree)
        slopes, drops = [[float(part(k)) for k in degrees] for part in (slope, drop)]
        return torch_layers().OrthogonalPolynomials(self.center, self.scale, slopes, drops)

    def add_to_graph(self, nodes, rows):
        """Add the polynomials to an ONNX graph."""
        u = nodes.add_scaled(rows, self.center, self.scale)
        polynomials = nodes.add_polynomials(u, self.family, self.degree)
        return nodes.add("Concat", *polynomials, axis=1)

    def add_to_program(self, program, rows):
        """Add the polynomials to a program for microcontrollers."""
        slope, drop, _ = RECURRENCES[self.family]
        u = program.scaled(rows, 1 / self.scale, -self.center / self.scale)
        polynomials = [u]
        for k in range(1, self.degree):
            raised = program.product(u, polynomials[-1])
            if k == 1:
                raised = program.scaled(raised, slope(k), -drop(k))
            else:
                before = program.scaled(polynomials[-2], -drop(k))
                raised = program.sum(program.scaled(raised, slope(k)), before)
            polynomials.append(raised)
        return program.beside(*polynomials)

    def operations(self):
        """Return the operations of scaling, and of one product and two factors per degree."""
        p, further = len(self.scale), self.degree - 1
        scaling = Operations.of_matrix(self.scale, self.center)
        return scaling + Operations(linear=2 * p * further, nonlinear=p * further)


def _runs(variables):
    """Return pairs of variables and their numbers of repetitions."""
    return [(i, len(list(run))) for i, run in groupby(variables)]
