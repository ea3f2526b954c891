import pickle
from itertools import product
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman.lifting import MonomialLifter
from tests.extra_checks import EXTRA_TRANSFORMER_CHECKS

DEGREES = [1, 2, 3, 4, (0, 2), (1, 3), (2, 2), (2, 4), (3, 3), [2, 3], np.int64(2)]


@parametrize_with_checks(
    [MonomialLifter(), MonomialLifter(degree=3, order="C", include_bias=False)]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("check", EXTRA_TRANSFORMER_CHECKS)
@pytest.mark.parametrize(
    "lifter", [MonomialLifter(), MonomialLifter((2, 3), order="C", interaction_only=True)]
)
def test_more_sklearn_checks(lifter, check):
    check("MonomialLifter", lifter)


def samples(n_samples, n_features, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features)).astype(dtype)


def oracle_and_lifter(**params):
    return PolynomialFeatures(**params), MonomialLifter(**params)


def has_observables(n_features, degree, interaction_only):
    min_degree = 0 if np.ndim(degree) == 0 else degree[0]
    return min_degree <= n_features or not interaction_only


@pytest.mark.parametrize(
    ("n_features", "degree", "interaction_only"),
    [case for case in product(range(1, 7), DEGREES, [False, True]) if has_observables(*case)],
)
@pytest.mark.parametrize("include_bias", [False, True])
def test_equals_polynomial_features(n_features, degree, interaction_only, include_bias):
    oracle, lifter = oracle_and_lifter(
        degree=degree, interaction_only=interaction_only, include_bias=include_bias
    )
    X = samples(5, n_features)
    np.testing.assert_array_equal(lifter.fit_transform(X), oracle.fit_transform(X))
    assert lifter.n_output_features_ == oracle.n_output_features_
    np.testing.assert_array_equal(lifter.powers_, oracle.powers_)
    assert lifter.powers_.dtype == oracle.powers_.dtype
    np.testing.assert_array_equal(
        lifter.get_feature_names_out(), oracle.get_feature_names_out()
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, bool])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("input_order", ["C", "F"])
def test_dtype_and_memory_layout(dtype, order, input_order):
    oracle, lifter = oracle_and_lifter(degree=3, order=order)
    X = np.asarray(samples(9, 4) * 3 + 9, dtype=dtype, order=input_order)
    expected, lifted = oracle.fit_transform(X), lifter.fit_transform(X)
    np.testing.assert_array_equal(lifted, expected)
    assert lifted.dtype == expected.dtype
    assert lifted.flags.c_contiguous == expected.flags.c_contiguous
    assert lifted.flags.f_contiguous == expected.flags.f_contiguous


def test_half_precision_becomes_double():
    assert MonomialLifter().fit_transform(samples(3, 2, np.float16)).dtype == np.float64


# Rows are lifted in blocks of 2^10 in C order, and of 2^14 in Fortran order.
@pytest.mark.parametrize(
    "n_samples", [1, 2**10, 2**10 + 1, 3 * 2**10 + 5, 2**14, 2**14 + 1, 2 * 2**14 + 7]
)
@pytest.mark.parametrize("degree", [3, (2, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_of_rows(n_samples, degree, order):
    oracle, lifter = oracle_and_lifter(degree=degree, order=order)
    X = samples(n_samples, 4)
    np.testing.assert_array_equal(lifter.fit_transform(X), oracle.fit_transform(X))


def test_strided_input():
    X = samples(20, 9)[::2, ::3]
    np.testing.assert_array_equal(
        MonomialLifter(3).fit_transform(X), PolynomialFeatures(3).fit_transform(X)
    )


shapes = st.tuples(st.integers(1, 12), st.integers(1, 5))
lifters = st.builds(
    MonomialLifter,
    degree=st.integers(1, 4)
    | st.tuples(st.integers(0, 4), st.integers(1, 4)).map(sorted).map(tuple),
    include_bias=st.booleans(),
    order=st.sampled_from(["C", "F"]),
)
seeds = st.integers(0, 2**32 - 1)
few_examples = settings(max_examples=40)


@few_examples
@given(lifters, shapes, seeds)
def test_any_lifter_equals_polynomial_features(lifter, shape, seed):
    X = samples(*shape, seed=seed)
    oracle = PolynomialFeatures(**lifter.get_params())
    np.testing.assert_array_equal(lifter.fit_transform(X), oracle.fit_transform(X))


@few_examples
@given(lifters, shapes, seeds)
def test_rows_are_lifted_independently(lifter, shape, seed):
    X = samples(*shape, seed=seed)
    order = np.random.default_rng(seed).permutation(len(X))
    np.testing.assert_array_equal(lifter.fit(X).transform(X[order]), lifter.transform(X)[order])


@few_examples
@given(lifters, shapes, seeds, st.sampled_from([-2.0, 0.0, 0.5, 4.0]))
def test_an_observable_is_homogeneous_in_its_degree(lifter, shape, seed, scale):
    X = samples(*shape, seed=seed)
    lifted = lifter.fit_transform(X)
    degrees = lifter.powers_.sum(axis=1)
    # Scaling by powers of two is exact.
    np.testing.assert_array_equal(lifter.transform(scale * X), lifted * scale**degrees)


@few_examples
@given(lifters, shapes, seeds)
def test_an_observable_is_the_product_that_powers_say(lifter, shape, seed):
    X = samples(*shape, seed=seed)
    lifted = lifter.fit_transform(X)
    expected = np.prod(X[:, np.newaxis, :] ** lifter.powers_, axis=2)
    np.testing.assert_allclose(lifted, expected, rtol=1e-12)


def test_names_of_named_features():
    lifter = MonomialLifter(3).fit(samples(2, 2))
    assert list(lifter.get_feature_names_out(["u", "v"])) == [
        *("1", "u", "v", "u^2", "u v", "v^2", "u^3", "u^2 v", "u v^2", "v^3")
    ]
    with pytest.raises(ValueError, match="input_features should have length equal"):
        lifter.get_feature_names_out(["u"])


def test_pickled_and_cloned():
    X = samples(4, 3)
    lifter = MonomialLifter(3).fit(X)
    restored = pickle.loads(pickle.dumps(lifter))
    np.testing.assert_array_equal(restored.transform(X), lifter.transform(X))
    assert clone(lifter).get_params() == lifter.get_params()


@pytest.mark.parametrize(
    "degree",
    [
        *(0, -1, 1.5, 2.0, True, "2", None, np.nan),
        *((0, 0), (2, 1), (-1, 2), (1, 2.0), (False, 2), (1, 2, 3), (1,), ()),
    ],
    ids=str,
)
def test_invalid_degree(degree):
    with pytest.raises(ValueError, match="'degree' parameter of MonomialLifter must be an int"):
        MonomialLifter(degree).fit(samples(2, 2))


@pytest.mark.parametrize(
    ("name", "value"), [("order", "A"), ("interaction_only", 1), ("include_bias", "no")]
)
def test_invalid_parameters(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of MonomialLifter must be"):
        MonomialLifter(**{name: value}).fit(samples(2, 2))


@pytest.mark.parametrize("include_bias", [False, True])
def test_no_monomials_at_all(include_bias):
    lifter = MonomialLifter((3, 4), interaction_only=True, include_bias=include_bias)
    with pytest.raises(ValueError, match="has no monomials of 2 feature"):
        lifter.fit(samples(2, 2))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_input(bad):
    X = samples(3, 2)
    lifter = MonomialLifter().fit(X)
    X[1, 1] = bad
    for method in (lifter.transform, lifter.fit):
        with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
            method(X)


def test_sparse_input():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        MonomialLifter().fit(sparse.csr_array(samples(3, 2)))


def test_not_fitted():
    lifter = MonomialLifter()
    for use in (
        lambda: lifter.transform(samples(2, 2)),
        lambda: lifter.powers_,
        lifter.get_feature_names_out,
    ):
        with pytest.raises(NotFittedError):
            use()


def test_wrong_number_of_features():
    with pytest.raises(ValueError, match="3 features, but MonomialLifter is expecting 2"):
        MonomialLifter().fit(samples(2, 2)).transform(samples(2, 3))


def test_more_samples_than_fit_in_memory(has_memory):
    X = samples(1000, 10)
    lifter = MonomialLifter(2).fit(X)  # 66 observables
    has_memory(1000 * 66 * 8)
    assert lifter.transform(X).nbytes == 1000 * 66 * 8
    has_memory(1000 * 66 * 8 - 1)
    with pytest.raises(MemoryError) as error:
        lifter.transform(X)
    for part in ("degree=2", "10 feature", "66 observables", "GB", "PCA", "make_pipeline"):
        assert part in str(error.value)
    assert lifter.transform(X.astype(np.float32)).nbytes == 1000 * 66 * 4


@pytest.mark.parametrize("degree", [8, 10**4, (10**3, 10**4)], ids=str)
def test_a_degree_of_which_not_even_one_row_fits_is_refused_at_once(degree, has_memory):
    has_memory(10**12)
    X = samples(2, 784)
    start = perf_counter()
    with pytest.raises(MemoryError, match=r"needs .* GB of memory, but there are"):
        MonomialLifter(degree).fit(X)
    assert perf_counter() - start < 1


def test_steps_to_high_degrees_count_as_memory(has_memory):
    has_memory(10**12)
    # One observable, but 60 over 30 others on the way to it.
    with pytest.raises(MemoryError):
        MonomialLifter((60, 60), interaction_only=True).fit(samples(1, 60))
