"""A choice of products equals the columns of the whole dictionary, and costs less."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from sklearn_koopman import MonomialLifter, OrthogonalPolynomialLifter, RBFLifter
from sklearn_koopman.lifting import ChosenProducts

X = np.random.default_rng(0).normal(size=(30, 4))
LIFTERS = [
    MonomialLifter(4),
    MonomialLifter((2, 3), include_bias=False),
    MonomialLifter(3, interaction_only=True, order="C"),
    OrthogonalPolynomialLifter(3),
    OrthogonalPolynomialLifter(4, family="legendre", include_bias=False),
    RBFLifter(12, random_state=0),
]


@settings(max_examples=80)
@given(st.sampled_from(LIFTERS), st.data())
def test_equals_the_columns_of_all(lifter, data):
    all_columns = lifter.fit_transform(X)
    indices = st.lists(
        st.integers(0, all_columns.shape[1] - 1), min_size=1, max_size=20, unique=True
    )
    chosen = data.draw(indices)
    some = lifter.chosen(np.array(chosen))
    assert_allclose(some.transform(X), all_columns[:, chosen], rtol=1e-12, atol=1e-12)
    again = pickle.loads(pickle.dumps(some))
    assert_allclose(again.transform(X), some.transform(X), rtol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dtype_and_memory_layout(dtype, order):
    lifter = MonomialLifter(3, order=order).fit(X)
    some = lifter.chosen(np.array([0, 3, 20, 34])).transform(X.astype(dtype))
    assert some.dtype == dtype
    assert some.flags[f"{order}_CONTIGUOUS"]


@pytest.mark.parametrize(
    ("terms", "n_products"),
    [
        ([(), (0,), (3,)], 0),
        ([(0, 1)], 1),
        ([(0, 1, 2)], 2),  # a pair on the way
        ([(0, 1, 2), (1, 2)], 2),  # the pair itself is chosen
        ([(0, 1, 2), (0, 1, 3), (0, 1, 4)], 4),  # one pair serves all three
        ([(0, 0, 1), (0, 1, 1), (0, 1)], 3),
        ([(0, 1, 2, 3)], 3),
        ([(0, 0, 0, 0)], 3),
    ],
)
def test_products_are_shared(terms, n_products):
    assert ChosenProducts(terms, "F").n_products == n_products


def test_all_products_cost_what_the_dictionary_costs():
    lifter = MonomialLifter(3).fit(X)
    everything = lifter.chosen(np.arange(lifter.n_output_features_))
    assert everything.n_products == lifter.n_output_features_ - 1 - 4
