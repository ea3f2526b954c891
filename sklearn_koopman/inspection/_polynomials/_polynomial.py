"""A student as polynomials: products of coordinates, and their coefficients in each output."""

from dataclasses import dataclass
from functools import singledispatch
from itertools import product

import numpy as np
from numpy.polynomial.chebyshev import cheb2poly
from numpy.polynomial.hermite_e import herme2poly
from numpy.polynomial.legendre import leg2poly
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils import gen_batches

from ..._memory import check_fits_in_memory
from ...lifting import (
    AffineMap,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    SquaredProjectionLifter,
    SupportsProducts,
    split_columns,
    steps_of,
)
from ...selection import ObservableSelector
from ...students import flat_steps

# Largest number of products of rows that are in memory at once.
N_PRODUCTS = 2**22
_AS_MONOMIALS = {"hermite": herme2poly, "legendre": leg2poly, "chebyshev": cheb2poly}


@dataclass(frozen=True)
class Polynomials:
    """Polynomials of the same variables.

    Attributes
    ----------
    terms : ndarray of int, shape (n_terms, degree)
        The variables that each product multiplies, in ascending order, repeated for powers.
        Products of fewer factors begin with -1. No product appears twice, and none has only zero
        coefficients.
    coefficients : ndarray of shape (n_terms, n_polynomials)
    n_variables : int
    """

    terms: np.ndarray
    coefficients: np.ndarray
    n_variables: int

    @classmethod
    def collected(cls, terms, coefficients, n_variables):
        """Return the polynomials of products that may appear several times.

        Parameters
        ----------
        terms : sequence of sequences of int, or ndarray padded with -1
        coefficients : ndarray of shape (n_terms, n_polynomials)
        n_variables : int
        """
        terms, place = distinct(np.sort(padded(terms), axis=1), n_variables)
        sums = np.zeros((len(terms), coefficients.shape[1]))
        np.add.at(sums, place, coefficients)
        # Remove products with zero coefficients, except the constant, and columns of -1.
        kept = sums.any(axis=1) | (terms < 0).all(axis=1)
        terms, sums = terms[kept], sums[kept]
        return cls(terms[:, (terms >= 0).any(axis=0)], sums, n_variables)

    @classmethod
    def quadratic(cls, constant, linear, forms):
        """Return the polynomials ``constant + linear z + z^T forms z``.

        Parameters
        ----------
        constant : ndarray of shape (n_polynomials,)
        linear : ndarray of shape (n_polynomials, n_variables)
        forms : ndarray of shape (n_polynomials, n_variables, n_variables)
            Symmetric matrices.
        """
        p = linear.shape[1]
        i, j = np.triu_indices(p)
        terms = [(), *((v,) for v in range(p)), *zip(i.tolist(), j.tolist(), strict=True)]
        products = forms[:, i, j] * np.where(i == j, 1.0, 2.0)
        coefficients = np.hstack([constant[:, None], linear, products]).T
        return cls.collected(terms, coefficients, p)

    @property
    def degree(self):
        """Largest number of factors in a product."""
        return self.terms.shape[1]

    def tuples(self):
        """Return the products as tuples of variables."""
        return [tuple(v for v in term if v >= 0) for term in self.terms.tolist()]

    def products(self, Z):
        """Return the products of rows, (n_rows, n_terms)."""
        return products_of_rows(self.terms, Z)

    def __call__(self, Z):
        """Return the polynomials of rows, (n_rows, n_polynomials)."""
        return self.products(Z) @ self.coefficients

    def plus(self, other):
        """Return the sums of these polynomials and others of the same variables."""
        terms = [*self.tuples(), *other.tuples()]
        both = np.concatenate([self.coefficients, other.coefficients])
        return Polynomials.collected(terms, both, self.n_variables)

    def shifted(self, constants):
        """Return these polynomials plus a constant for each of them."""
        constant = Polynomials.collected([()], constants[None], self.n_variables)
        return self.plus(constant)

    def forms(self):
        """Return constants, linear parts and symmetric matrices. The degree must be at most 2."""
        p, n = self.n_variables, self.coefficients.shape[1]
        constant, linear, forms = np.zeros(n), np.zeros((n, p)), np.zeros((n, p, p))
        for term, coefficients in zip(self.tuples(), self.coefficients, strict=True):
            if len(term) == 0:
                constant = coefficients
            elif len(term) == 1:
                linear[:, term[0]] = coefficients
            else:
                i, j = term
                forms[:, i, j] += coefficients / 2
                forms[:, j, i] += coefficients / 2
        return constant, linear, forms

    def of(self, inner):
        """Return the same functions as polynomials of the inputs of an affine map.

        Parameters
        ----------
        inner : AffineMap
            Map that makes the variables.
        """
        if inner.is_identity:
            return self
        n_outer, n_inner = inner.matrix.shape
        q, n = max(self.degree, 1), self.coefficients.shape[1]
        check_fits_in_memory(
            3 * 8 * n * (1 + max(n_outer, n_inner)) ** q,
            f"Polynomials of degree {q} in {n_inner} columns",
            "Use the student's coordinates (of='coordinates'), fewer columns, or a student of "
            "degree 2.",
        )
        # With a constant 1 as a further variable, all products have q factors.
        homogeneous = np.zeros((1 + n_outer, 1 + n_inner))
        homogeneous[0, 0] = 1
        homogeneous[1:, 0], homogeneous[1:, 1:] = inner.offset, inner.matrix
        tensor = np.zeros((*[1 + n_outer] * q, n))
        tensor[tuple(padded(self.tuples(), q).T + 1)] = self.coefficients
        # Each step contracts the first axis, and its successor becomes the last of the q axes.
        for _ in range(q):
            tensor = np.moveaxis(np.tensordot(homogeneous, tensor, axes=(0, 0)), 0, q - 1)
        terms = np.indices(tensor.shape[:q]).reshape(q, -1).T - 1
        return Polynomials.collected(terms, tensor.reshape(-1, n), n_inner)


def padded(terms, degree=None):
    """Return products as an array. Shorter ones have -1 in front."""
    if isinstance(terms, np.ndarray):
        return terms
    degree = max(map(len, terms)) if degree is None else degree
    return np.array(
        [[-1] * (degree - len(term)) + list(term) for term in terms], dtype=int
    ).reshape(len(terms), degree)


def distinct(terms, n_variables):
    """Return the distinct products of sorted ones, and the index of each product among them.

    Parameters
    ----------
    terms : ndarray of int, shape (n_terms, degree)
    n_variables : int

    Returns
    -------
    terms : ndarray of int, shape (n_distinct, degree)
    place : ndarray of int, shape (n_terms,)
    """
    degree = terms.shape[1]
    if (n_variables + 1) ** degree < 2**62:  # one number encodes a product, and sorts faster
        digits = (n_variables + 1) ** np.arange(degree)[::-1]
        _, first, place = np.unique(
            (terms + 1) @ digits, return_index=True, return_inverse=True
        )
        return terms[first], place
    terms, place = np.unique(terms, axis=0, return_inverse=True)
    return terms, place.reshape(-1)


def blocks_of_rows(n_rows, n_terms):
    """Return slices of rows whose products are in memory at once."""
    return gen_batches(n_rows, max(N_PRODUCTS // max(n_terms, 1), 1))


def products_of_rows(terms, Z):
    """Return products of the columns of rows, (n_rows, n_terms), in float64.

    Parameters
    ----------
    terms : ndarray of int, shape (n_terms, degree)
        Padded with -1.
    Z : ndarray of shape (n_rows, n_variables)
    """
    factors = np.column_stack([Z, np.ones(len(Z))])  # index -1 is the constant 1
    products = np.ones((len(Z), len(terms)))
    for column in terms.T:
        products *= factors[:, column]
    return products


def polynomials_of(steps, coefficients):
    """Return weighted sums of the last step's outputs, as polynomials of affine functions.

    Parameters
    ----------
    steps : list of fitted transformers
        As `flat_steps` gives them.
    coefficients : ndarray of shape (n_observables, n_polynomials)
        Weights of the observables in each sum.

    Returns
    -------
    head : list of fitted transformers
        The steps before the polynomial ones.
    front : AffineMap
        Map from the outputs of the head to the variables of the polynomials.
    polynomials : Polynomials
    """
    steps = [part for step in steps for part in steps_of(step)]  # without steps that do nothing
    constant = np.zeros(coefficients.shape[1])
    while steps:  # after the dictionary
        last = AffineMap.of(steps[-1])
        if last is None:
            break
        constant = constant + last.offset @ coefficients
        coefficients = last.matrix.T @ coefficients
        steps.pop()
    found = _pulled_back(steps[-1], coefficients) if steps else None
    if found is None:
        n_inputs = len(coefficients)
        terms = [(), *((v,) for v in range(n_inputs))]
        linear = np.concatenate([constant[None], coefficients])
        linear_polynomials = Polynomials.collected(terms, linear, n_inputs)
        steps, front = _split_last(steps, AffineMap.identity(n_inputs))
        return steps, front, linear_polynomials
    steps.pop()
    front, polynomials = found
    while steps:
        before = AffineMap.of(steps[-1])
        if before is None:
            break
        front = front.after(before)
        steps.pop()
    steps, front = _split_last(steps, front)
    return steps, front, polynomials.shifted(constant)


def _split_last(steps, front):
    """Return the steps without the scaling in the last one, and the scaling as a map."""
    if not steps:
        return steps, front
    last, before = split_columns(steps[-1])
    return [*steps[:-1], last], front if before is None else front.after(before)


def _pulled_back(step, coefficients):
    """Return sums of a step's observables as affine map and polynomials, or else None."""
    if isinstance(step, ObservableSelector):
        of_all = np.zeros((len(step.get_support()), coefficients.shape[1]))
        of_all[step.get_support()] = coefficients
        return _of_part(flat_steps(getattr(step, "lifter_", None)), of_all)
    if isinstance(step, SupportsProducts):
        pairs = step.pair_products()
        if pairs is not None:
            n_features = step.n_features_in_  # type: ignore[attr-defined]
            terms = _terms_of_pairs(pairs, n_features)
            polynomials = Polynomials.collected(terms, coefficients, n_features)
            return AffineMap.identity(n_features), polynomials
    return _known(step, coefficients)


@singledispatch
def _known(step, coefficients):
    """Do what `_pulled_back` does, for dictionaries whose observables are not products."""


@_known.register
def _of_features(step: PolynomialFeatures, coefficients):
    terms = [tuple(np.repeat(np.arange(len(powers)), powers)) for powers in step.powers_]
    n_features = step.n_features_in_
    polynomials = Polynomials.collected(terms, coefficients, n_features)
    return AffineMap.identity(n_features), polynomials


@_known.register
def _of_squares(step: SquaredProjectionLifter, coefficients):
    p = step.n_features_in_
    linear, squares = coefficients[:p], coefficients[p:]
    forms = _forms(step.components_, squares)
    constant = np.zeros(coefficients.shape[1])
    return AffineMap.identity(p), Polynomials.quadratic(constant, linear.T, forms)


@_known.register
def _of_intensities(step: OpticalLifter, coefficients):
    if step.nonlinearity != "intensity":
        return None
    p, n = step.n_features_in_, coefficients.shape[1]
    constant, linear, forms = np.zeros(n), np.zeros((n, p)), np.zeros((n, p, p))
    for part in (np.real, np.imag):
        mixing = part(step.mixing_).T.astype(float)
        offset = part(step.offset_).astype(float)
        constant += np.square(offset) @ coefficients
        linear += 2 * (coefficients.T * offset) @ mixing
        forms += _forms(mixing, coefficients)
    return AffineMap.identity(p), Polynomials.quadratic(constant, linear, forms)


@_known.register
def _of_orthogonal(step: OrthogonalPolynomialLifter, coefficients):
    """Expand each product of polynomials of scaled variables."""
    to_monomials = _AS_MONOMIALS[step.family]
    scale = step.scale_.astype(float)
    univariate = [to_monomials([0.0] * k + [1.0]) for k in range(step.degree + 1)]
    terms, sources, factors = [], [], []
    for observable, powers in enumerate(step.powers_):
        variables = np.flatnonzero(powers)
        parts = [univariate[powers[v]] for v in variables]
        for exponents in product(*(np.flatnonzero(part) for part in parts)):
            terms.append(tuple(np.repeat(variables, np.array(exponents, dtype=int))))
            sources.append(observable)
            factors.append(np.prod([part[k] for part, k in zip(parts, exponents, strict=True)]))
    expanded = coefficients[sources] * np.array(factors)[:, None]
    front = AffineMap(np.diag(1 / scale), -step.center_.astype(float) / scale)
    return front, Polynomials.collected(terms, expanded, step.n_features_in_)


@_known.register
def _of_union(union: FeatureUnion, coefficients):
    weights = union.transformer_weights or {}
    total, start, n_inputs = None, 0, union.n_features_in_
    for name, part in union.transformer_list:
        if part == "drop":
            continue
        steps = flat_steps(part)
        row = np.zeros((1, n_inputs))
        for step in steps:
            row = step.transform(row)
        stop = start + row.shape[1]
        found = _of_part(steps, weights.get(name, 1.0) * coefficients[start:stop])
        if found is None:
            return None
        front, polynomials = found
        polynomials = polynomials.of(front)
        total = polynomials if total is None else total.plus(polynomials)
        start = stop
    return AffineMap.identity(n_inputs), total


def _of_part(steps, coefficients):
    """Do what `_pulled_back` does for several steps; None if they are not polynomials."""
    head, front, polynomials = polynomials_of(steps, coefficients)
    return None if head else (front, polynomials)


def _forms(projections, coefficients):
    """Return the symmetric matrices of sums of squares of projections."""
    projections = projections.astype(float)
    return np.einsum("mk,mi,mj->kij", coefficients, projections, projections, optimize=True)


def _terms_of_pairs(pairs, n_features):
    """Return products as tuples of variables. They are given as pairs of rows of a table."""
    table = [(), *((v,) for v in range(n_features))]
    for first, second in pairs.lower.tolist():
        table.append(table[first] + table[second])
    return [table[first] + table[second] for first, second in pairs.observables.tolist()]
