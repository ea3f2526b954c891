import pickle
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.polynomial import chebyshev, hermite_e, legendre
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from sklearn_koopman import (
    EDMDClassifier,
    MonomialLifter,
    OrthogonalPolynomialLifter,
)

VANDERMONDE = {
    "hermite": hermite_e.hermevander,
    "legendre": legendre.legvander,
    "chebyshev": chebyshev.chebvander,
}
QUADRATURE = {
    "hermite": hermite_e.hermegauss,
    "legendre": legendre.leggauss,
    "chebyshev": chebyshev.chebgauss,
}
families = pytest.mark.parametrize("family", VANDERMONDE)


def samples(n_samples, n_features, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features)).astype(dtype)


def oracle(U, powers, family, degree):
    """Return products of numpy's polynomials with the given powers."""
    values = VANDERMONDE[family](U, degree)  # (n_samples, n_features, degree + 1)
    features = np.arange(U.shape[1])
    return np.stack([values[:, features, power].prod(axis=1) for power in powers], axis=1)


@families
@pytest.mark.parametrize(("n_features", "degree"), list(product(range(1, 6), range(1, 6))))
@pytest.mark.parametrize("include_bias", [False, True])
def test_equals_products_of_numpys_polynomials(family, n_features, degree, include_bias):
    X = samples(7, n_features)
    lifter = OrthogonalPolynomialLifter(
        degree, family=family, scale_inputs=False, include_bias=include_bias
    ).fit(X)
    powers = MonomialLifter(degree, include_bias=include_bias).fit(X).powers_
    assert_array_equal(lifter.powers_, powers)
    assert_allclose(lifter.transform(X), oracle(X, powers, family, degree), atol=1e-11)
    assert lifter.n_output_features_ == len(powers)


@families
def test_scaled_into_the_domain(family):
    X = samples(200, 3) * [1, 5, 0.1] + [0, -3, 7]
    lifter = OrthogonalPolynomialLifter(3, family=family).fit(X)
    U = (X - lifter.center_) / lifter.scale_
    if family == "hermite":
        assert_allclose(U.mean(axis=0), 0, atol=1e-12)
        assert_allclose(U.std(axis=0), 1)
    else:
        assert_allclose([U.min(axis=0), U.max(axis=0)], [[-1] * 3, [1] * 3])
    assert_allclose(lifter.transform(X), oracle(U, lifter.powers_, family, 3), atol=1e-9)
    # Outside the range of the fit, they are the same polynomials.
    far = 3 * X[:5]
    U = (far - lifter.center_) / lifter.scale_
    assert_allclose(lifter.transform(far), oracle(U, lifter.powers_, family, 3), rtol=1e-9)


@families
def test_a_constant_feature_is_only_moved(family):
    X = np.column_stack([samples(9, 1)[:, 0], np.full(9, 1 / 3)])
    lifter = OrthogonalPolynomialLifter(family=family).fit(X)
    assert lifter.scale_[1] == 1
    assert_allclose(lifter.transform(X)[:, 2], 0, atol=1e-15)


@families
def test_orthogonal_under_the_measure_of_the_family(family):
    nodes, weights = QUADRATURE[family](8)
    grid = np.array(list(product(nodes, repeat=2)))
    weight = np.array([a * b for a, b in product(weights, repeat=2)])
    lifter = OrthogonalPolynomialLifter(4, family=family, scale_inputs=False)
    psi = lifter.fit_transform(grid)
    gram = psi.T @ (weight[:, None] * psi)
    assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-11 * gram.max())
    assert (np.diag(gram) > 0).all()


@families
def test_less_correlated_than_monomials(family):
    rng = np.random.default_rng(0)
    shape = 2000, 4
    X = rng.normal(size=shape) if family == "hermite" else rng.uniform(1, 3, size=shape)

    def condition(lifter):
        return np.linalg.cond(np.corrcoef(lifter.fit_transform(X), rowvar=False))

    orthogonal = condition(OrthogonalPolynomialLifter(3, family=family, include_bias=False))
    assert orthogonal < condition(MonomialLifter(3, include_bias=False)) / 5


@families
def test_they_span_what_monomials_span(family):
    X = samples(120, 3)
    y = (X[:, 0] * X[:, 1] > X[:, 2]).astype(int)
    students = [
        EDMDClassifier(ridge=0, solver="svd", lifter=lifter).fit(X, y)
        for lifter in (OrthogonalPolynomialLifter(3, family=family), MonomialLifter(3))
    ]
    new = samples(50, 3, seed=1)
    first, second = (student.decision_function(new) for student in students)
    assert_allclose(first, second, atol=1e-8)


few_examples = settings(max_examples=25)
lifters = st.builds(
    OrthogonalPolynomialLifter,
    degree=st.integers(1, 4),
    family=st.sampled_from(sorted(VANDERMONDE)),
    include_bias=st.booleans(),
    order=st.sampled_from(["C", "F"]),
)
seeds = st.integers(0, 2**32 - 1)


@few_examples
@given(lifters, seeds, st.floats(0.01, 100), st.floats(-10, 10))
def test_units_and_origin_of_the_features_do_not_matter(lifter, seed, unit, origin):
    X = samples(15, 3, seed=seed)
    lifted = lifter.fit_transform(X)
    assert_allclose(lifter.fit_transform(unit * X + origin), lifted, rtol=1e-6, atol=1e-6)


@few_examples
@given(lifters, seeds)
def test_rows_are_lifted_independently(lifter, seed):
    X = samples(12, 3, seed=seed)
    order = np.random.default_rng(seed).permutation(len(X))
    assert_array_equal(lifter.fit(X).transform(X[order]), lifter.transform(X)[order])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_samples", [1, 2**10, 3 * 2**10 + 5, 2**14 + 1, 2 * 2**14 + 7])
def test_blocks_of_rows(order, n_samples):
    """Rows are lifted in blocks of 2^10 in C order, and of 2^14 in Fortran order."""
    X = samples(n_samples, 4)
    lifter = OrthogonalPolynomialLifter(3, order=order).fit(X)
    few_at_a_time = [
        lifter.transform(X[start : start + 500]) for start in range(0, len(X), 500)
    ]
    lifted = lifter.transform(X)
    assert_array_equal(lifted, np.vstack(few_at_a_time))
    assert lifted.flags[f"{order}_CONTIGUOUS"]


@families
def test_single_precision(family):
    X = samples(50, 4)
    lifter = OrthogonalPolynomialLifter(3, family=family)
    lifted = lifter.fit_transform(X.astype(np.float32))
    assert lifted.dtype == np.float32
    assert_allclose(lifted, lifter.fit_transform(X), rtol=1e-4, atol=1e-4)
    # Fitted in one precision, used in the other.
    assert lifter.transform(X.astype(np.float32)).dtype == np.float32


def test_names():
    X = samples(3, 2)
    names = OrthogonalPolynomialLifter(family="chebyshev").fit(X).get_feature_names_out([*"uv"])
    assert list(names) == ["1", "T1(u)", "T1(v)", "T2(u)", "T1(u) T1(v)", "T2(v)"]
    names = OrthogonalPolynomialLifter(1).fit(X).get_feature_names_out()
    assert list(names) == ["1", "He1(x0)", "He1(x1)"]


def test_pickled():
    X = samples(4, 3)
    lifter = OrthogonalPolynomialLifter(3).fit(X)
    assert_array_equal(pickle.loads(pickle.dumps(lifter)).transform(X), lifter.transform(X))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("degree", value) for value in (0, -1, 1.5, "2", None, (1, 2), True)),
        *(("family", value) for value in ("Hermite", "monomial", None)),
        *(("scale_inputs", 1), ("include_bias", "no"), ("order", "A")),
    ],
)
def test_invalid_parameters(name, value):
    X = samples(4, 3)
    lifter = OrthogonalPolynomialLifter().fit(X)
    lifted = lifter.transform(X)
    match = f"The '{name}' parameter of OrthogonalPolynomialLifter must be"
    with pytest.raises(ValueError, match=match):
        lifter.set_params(**{name: value}).fit(samples(4, 2))
    lifter.set_params(**{name: OrthogonalPolynomialLifter().get_params()[name]})
    assert_array_equal(lifter.transform(X), lifted)  # the failed fit left it as it was


def test_what_cannot_fit_in_memory(has_memory):
    X = samples(1000, 10)
    lifter = OrthogonalPolynomialLifter(2).fit(X)  # 66 observables
    has_memory(1000 * 66 * 8 - 1)
    with pytest.raises(MemoryError, match=r"66 observables.*GB.*make_pipeline"):
        lifter.transform(X)
    has_memory(10**12)
    with pytest.raises(MemoryError, match="Lower the degree"):
        OrthogonalPolynomialLifter(10**4).fit(X)
    assert lifter.transform(X).shape == (1000, 66)  # still the old fit


def test_not_fitted():
    lifter = OrthogonalPolynomialLifter()
    for use in (
        lambda: lifter.transform(samples(2, 2)),
        lambda: lifter.powers_,
        lifter.get_feature_names_out,
    ):
        with pytest.raises(NotFittedError):
            use()
