"""Gram matrices from sums of powers, against symmetric products of the rows."""

import pickle
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import PolynomialFeatures

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.rows import (
    GramMoments,
    PackedTriangle,
    RowBlocks,
    accumulated,
    can_multiply,
    lifted_blocks,
)

from .helpers import Layout, PowerSums, add_product, kernel, layout_of, power_sums_of

pytestmark = pytest.mark.skipif(not can_multiply(), reason="the kernel has not been compiled")


def problem(n_rows=4000, n_variables=6, degree=3, *, dtype=np.float64, bias=True, shift=0.0):
    """Return blocks of monomials, targets far from zero, and weights, some of them zero."""
    rng = np.random.default_rng(n_rows + n_variables)
    X = shift + rng.normal(size=(n_rows, n_variables)) * np.linspace(0.1, 3, n_variables)
    targets = 1e3 + rng.normal(size=(n_rows, 2))
    weight = rng.random(n_rows) * (rng.random(n_rows) < 0.8)
    X = X.astype(dtype)
    lifter = MonomialLifter(degree, include_bias=bias).fit(X)
    return lifted_blocks(lifter, X), targets, weight


def from_symmetric_products(blocks, targets, weight):
    """Return moments of the lifted rows."""
    lifted = RowBlocks(blocks.lifted(slice(None)))
    return accumulated(
        GramMoments(lifted.n_observables, targets.shape[1]), lifted, targets, weight
    )


def assert_same(moments, other, rtol):
    """Compare moments of the same rows, on the scale of the observables."""
    deviation = np.sqrt(np.where(other.packed.diagonal == 0, 1.0, other.packed.diagonal))
    assert_allclose(moments.weight, other.weight, rtol=rtol)
    scale = np.append(deviation / np.sqrt(other.weight), [1.0, 1.0])
    assert_allclose(moments.mean / scale, other.mean / scale, rtol=rtol, atol=10 * rtol)
    gram = (m.gram / deviation / deviation[:, None] for m in (moments, other))
    assert_allclose(*gram, rtol=0, atol=10 * rtol)
    cross = [m.cross / deviation[:, None] for m in (moments, other)]
    assert_allclose(*cross, rtol=0, atol=10 * rtol * np.abs(cross[1]).max())
    assert_array_equal(moments.scale.constant, other.scale.constant)


def places_of(layout):
    """Return where a layout keeps the sum of the product of each pair of terms."""
    n = layout.n_terms
    matrix = PackedTriangle(n)
    numbers = np.arange(float(layout.n_sums))
    ranks = layout.head_rank, layout.tail_rank
    kernel.add_scatter(
        numbers, layout.start, *ranks, layout.terms, np.zeros(n), matrix.columns, 0, 1.0
    )
    return matrix.full().astype(int)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 7), st.integers(2, 4))
def test_a_monomial_has_one_place_whatever_it_is_a_product_of(n_variables, degree):
    layout = Layout(n_variables, degree)
    assert layout.n_terms == comb(n_variables + degree, degree)
    place_of = {}
    for (i, j), place in np.ndenumerate(places_of(layout)):
        factors = tuple(sorted([*layout.terms[i], *layout.terms[j]]))
        assert place_of.setdefault(factors, place) == place
    assert len(place_of) == comb(n_variables + 2 * degree, 2 * degree)
    assert len(set(place_of.values())) == len(place_of)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 7), st.integers(2, 4))
def test_blocks_put_every_sum_where_it_is_looked_for(n_variables, degree):
    layout = Layout(n_variables, degree)
    made = {}
    for block in layout.blocks:
        for head in range(block.heads.start, block.heads.stop):
            for tail in range(block.tails.start, block.tails.stop):
                factors = sorted([*layout.terms[layout.heads[head]], *layout.terms[tail]])
                made[layout.start[head] + tail] = factors
    assert sorted(made) == list(range(layout.n_sums))
    for (i, j), place in np.ndenumerate(places_of(layout)):
        assert made[place] == sorted([*layout.terms[i], *layout.terms[j]])


def test_most_sums_are_made_once():
    layout = layout_of(30, 3)
    assert layout.n_terms == 5456
    assert comb(36, 6) <= layout.n_sums < 1.3 * comb(36, 6)
    assert 6 * layout.n_sums < 5456 * 5457 / 2
    assert layout_of(30, 3) is layout


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-13), (np.float32, 1e-6)])
@pytest.mark.parametrize(("n_variables", "degree"), [(14, 2), (7, 3), (6, 4)])
def test_moments_are_those_of_symmetric_products(n_variables, degree, dtype, rtol, bias):
    rows = problem(6000, n_variables, degree, dtype=dtype, bias=bias)
    assert isinstance(power_sums_of(*rows), PowerSums)
    moments = accumulated(GramMoments(rows[0].n_observables, 2), *rows)
    assert_same(moments, from_symmetric_products(*rows), rtol)


def test_moments_go_on_from_other_rows():
    blocks, targets, weight = problem()
    start = GramMoments(blocks.n_observables, 2)
    first, others = np.arange(3200), np.arange(3200, 4000)
    for rows in (first, others):  # for the few other rows, a symmetric product is faster
        start = accumulated(start, blocks.at(rows), targets[rows], weight[rows])
    assert_same(start, from_symmetric_products(blocks, targets, weight), 1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_many_sums_are_shared_by_all_threads(dtype, shared_sums):
    rows = problem(dtype=dtype)
    expected = accumulated(GramMoments(rows[0].n_observables, 2), *rows)
    shared_sums()
    assert not power_sums_of(*rows).is_small
    moments = accumulated(GramMoments(rows[0].n_observables, 2), *rows)
    assert_same(moments, expected, 1e-13 if dtype == np.float64 else 1e-6)


def test_sums_of_parts_merge_and_travel():
    blocks, targets, weight = problem(dtype=np.float32)
    sums = power_sums_of(blocks, targets, weight)
    parts = []
    for rows in (slice(0, 700), slice(700, 4000)):
        part = blocks.taken(rows).map_reduce(
            PowerSums.update, sums.blank(), targets[rows], weight[rows]
        )
        parts.append(pickle.loads(pickle.dumps(part)))
    total = parts[0].merge(parts[1])
    moments = GramMoments(blocks.n_observables, 2).merge(total)
    assert_same(moments, from_symmetric_products(blocks, targets, weight), 1e-6)


def test_rows_without_weight_change_nothing():
    blocks, targets, _ = problem()
    sums = power_sums_of(blocks, targets, np.ones(4000))
    blocks.map_reduce(PowerSums.update, sums, targets, np.zeros(4000))
    moments = GramMoments(blocks.n_observables, 2)
    assert moments.merge(sums) is moments
    assert moments.weight == 0
    assert power_sums_of(blocks, targets, np.zeros(4000)) is None


@pytest.mark.parametrize(
    ("shift", "dtype", "rtol"), [(1e3, np.float64, 1e-11), (10, np.float32, 1e-6)]
)
def test_rows_far_from_zero_are_centred_first(shift, dtype, rtol):
    rows = problem(shift=shift, dtype=dtype)
    assert power_sums_of(*rows) is None
    moments = accumulated(GramMoments(rows[0].n_observables, 2), *rows)
    assert_same(moments, from_symmetric_products(*rows), rtol)


def test_observables_that_do_not_vary_are_constant():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(3000, 5)), rng.choice([-1.0, 1.0], size=3000)])
    blocks = lifted_blocks(MonomialLifter(3).fit(X), X)
    weight = rng.random(3000)
    moments = accumulated(GramMoments(blocks.n_observables), blocks, weight)
    assert_array_equal(moments.scale.constant, np.ptp(blocks.lifted(slice(None)), axis=0) == 0)
    assert moments.scale.constant.sum() == 2  # 1 and x5^2


def test_zeros_are_constant_and_near_zero():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(3000, 6)), np.zeros(3000)])
    blocks = lifted_blocks(MonomialLifter(3).fit(X), X)
    weight = rng.random(3000)
    assert power_sums_of(blocks, weight) is not None
    moments = accumulated(GramMoments(blocks.n_observables), blocks, weight)
    assert_array_equal(moments.scale.constant, np.ptp(blocks.lifted(slice(None)), axis=0) == 0)


def test_numbers_that_hardly_are_ones_are_not_split():
    X = np.random.default_rng(0).normal(size=(3000, 6)).astype(np.float32)
    X[:, 0] *= 1e-14  # its cube has lost digits, but not its products with other columns
    blocks = lifted_blocks(MonomialLifter(3).fit(X), X)
    assert power_sums_of(blocks, np.ones(3000)) is None
    wide = lifted_blocks(MonomialLifter(3).fit(X), X.astype(np.float64))
    assert power_sums_of(wide, np.ones(3000)) is not None


@pytest.mark.parametrize(
    "lifter",
    [
        MonomialLifter(1),
        MonomialLifter(3, interaction_only=True),
        MonomialLifter((2, 3)),
    ],
)
def test_other_dictionaries_are_multiplied_as_they_are(lifter):
    X = np.random.default_rng(0).normal(size=(3000, 8))
    blocks = lifted_blocks(lifter.fit(X), X)
    assert power_sums_of(blocks, np.ones(3000)) is None


def test_few_rows_are_multiplied_as_they_are():
    assert power_sums_of(*problem(1500)) is None


def test_overflow_is_no_sum():
    X = np.random.default_rng(0).normal(size=(3000, 8))
    X[5] = 1e200
    blocks = lifted_blocks(MonomialLifter(3).fit(X), X)
    with np.errstate(over="ignore", invalid="ignore"):
        assert power_sums_of(blocks, np.ones(3000)) is None


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 2e-3)])
def test_edmd_is_the_same(dtype, rtol):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 8)).astype(dtype)
    y = (X[:, 0] * X[:, 1] > 0.3 * X[:, 2]).astype(int)
    model = EDMDClassifier(lifter=MonomialLifter(3), ridge=1e-3).fit(X, y)
    plain = EDMDClassifier(ridge=1e-3).fit(MonomialLifter(3).fit_transform(X), y)
    assert_allclose(model.coef_, plain.coef_, rtol=rtol, atol=rtol * np.abs(plain.coef_).max())
    assert_allclose(model.intercept_, plain.intercept_, rtol=rtol, atol=rtol)


# Strides along an axis of length 1 may have any value, and numpy does not keep them.
FORMS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every other": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
}


def labelled(n_rows, n_features):
    """Return rows, two classes, and coefficients on all lifted monomials up to degree 3."""
    X = np.random.default_rng(n_rows).normal(size=(n_rows, n_features))
    y = (np.arange(n_rows) + (X[:, 0] * X[:, -1] > 0.3)) % 2
    return X, y, EDMDClassifier().fit(PolynomialFeatures(3).fit_transform(X), y).coef_


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("chunks", [(2000, 1), (1, 2000), (1, 1999, 1), (1000, 0, 1001)])
@pytest.mark.parametrize("n_features", [1, 2, 10])
def test_chunks_of_one_row_or_none(n_features, chunks, form):
    da = pytest.importorskip("dask.array", reason="dask is not installed")
    X, y, expected = labelled(2001, n_features)
    rows = da.from_array(form(X), chunks=(chunks, n_features))
    coef = EDMDClassifier(lifter=MonomialLifter(3)).fit(rows, y).coef_
    assert_allclose(coef, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("shape", [(2, 1), (2, 3), (2113, 1), (2113, 10)])
def test_few_rows_and_few_columns(shape, form):
    X, y, expected = labelled(*shape)
    model = EDMDClassifier(lifter=MonomialLifter(3)).fit(form(X), y)
    assert_allclose(model.coef_, expected, atol=1e-8 * np.abs(expected).max())
    one_row = form(X[:1])
    assert_allclose(model.decision_function(one_row), model.decision_function(X)[:1])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("n_features", [1, 4])
def test_rows_one_by_one(n_features, form):
    X, y, expected = labelled(60, n_features)
    model = EDMDClassifier(lifter=MonomialLifter(3))
    for i in range(60):
        model.partial_fit(form(X[i : i + 1]), y[i : i + 1], classes=[0, 1])
    assert_allclose(model.coef_, expected, atol=1e-8 * np.abs(expected).max())


def test_arrays_that_do_not_belong_together():
    layout = Layout(3, 2)
    start, head_rank, tail_rank, terms = (
        layout.start,
        layout.head_rank,
        layout.tail_rank,
        layout.terms,
    )
    sums, mean = np.zeros(layout.n_sums), np.zeros(10)
    columns = PackedTriangle(10).columns
    where = start, head_rank, tail_rank
    for wrong in (
        (sums[:-9], *where, terms, mean, columns, 0, 1.0),
        (sums, start[:3], head_rank, tail_rank, terms, mean, columns, 0, 1.0),
        (sums, start, head_rank[:1], tail_rank, terms, mean, columns, 0, 1.0),
        (sums, start, head_rank, tail_rank[:1], terms, mean, columns, 0, 1.0),
        (sums, *where, terms + 4, mean, columns, 0, 1.0),
        (sums, *where, terms - 1, mean, columns, 0, 1.0),
        (sums, *where, terms[:9], mean, columns, 0, 1.0),
        (sums, *where, terms, mean[:9], columns, 0, 1.0),
        (sums, *where, terms, mean, columns, 1, 1.0),
        (sums, *where, terms, mean, columns, -1, 1.0),
        (sums, *where, terms, mean, columns, 2**63 - 1, 1.0),
        # Their sums overflow the integers in which they are summed.
        (sums, np.full_like(start, 2**63 - 1), *where[1:], terms, mean, columns, 0, 1.0),
        (sums, start, head_rank + 2**61, tail_rank, terms, mean, columns, 0, 1.0),
        (sums, start, head_rank, tail_rank + 2**61, terms, mean, columns, 0, 1.0),
    ):
        with pytest.raises(ValueError, match="do not belong together"):
            kernel.add_scatter(*wrong)
    with pytest.raises(TypeError):
        kernel.add_scatter(sums, *where, terms, mean, columns, None, 1.0)
    with pytest.raises(TypeError):
        kernel.add_scatter(sums, *where, terms, mean, columns, 0)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_add_product_adds_to_a_part(dtype, rtol):
    rng = np.random.default_rng(0)
    left, right, out = (
        np.asfortranarray(rng.normal(size=shape).astype(dtype))
        for shape in ((50, 7), (50, 9), (6, 5))
    )
    expected = out + left[:, 1:].T @ right[:, 4:]
    add_product(left[:, 1:], right[:, 4:], out)
    assert_allclose(out, expected, rtol=rtol, atol=rtol)


def test_add_product_takes_single_columns():
    left, right, out = (
        np.lib.stride_tricks.as_strided(np.full(n, 2.0), (n, 1), (8, 8)) for n in (5, 5, 1)
    )
    add_product(left, right, out)
    assert out == 22.0


def test_float32_rows_can_be_multiplied_in_float64():
    blocks, targets, weight = problem(dtype=np.float32)
    moments = accumulated(
        GramMoments(blocks.n_observables, 2, exact=True), blocks, targets, weight
    )
    assert not moments.is_single
    wide = lifted_blocks(MonomialLifter(3).fit(blocks.X), blocks.X.astype(np.float64))
    assert_same(moments, from_symmetric_products(wide, targets, weight), 1e-13)
    assert moments.blank().exact
    single = accumulated(GramMoments(blocks.n_observables, 2), blocks, targets, weight)
    assert single.is_single
    assert moments.merge(single).is_single
