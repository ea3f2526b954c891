"""Products that are multiplied while they are summed, against rows that are lifted first."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    ObservableSelector,
    OrthogonalPolynomialLifter,
)
from sklearn_koopman.lifting import products_of_chain
from sklearn_koopman.linear import (
    BlockLoss,
    DistillationLoss,
    DistillationProblem,
    SquaredNorms,
)
from sklearn_koopman.rows import (
    DiagonalMoments,
    Factors,
    GramMoments,
    RowBlocks,
    can_multiply,
    lifted_blocks,
)

from .helpers import kernel

needs_kernel = pytest.mark.skipif(not can_multiply(), reason="the kernel has not been compiled")


@pytest.fixture(params=[16, 32, 64])
def vectors(request):
    """Use vectors of some width, and afterwards the best width for the processor."""
    if not kernel.use_vectors(request.param):
        pytest.skip(f"this processor has no vectors of {request.param} bytes")
    yield request.param
    for n_bytes in (16, 32, 64):
        kernel.use_vectors(n_bytes)


def table(X, products):
    """Return the rows of the table to which products refer."""
    rows = [np.ones_like(X[:, 0]), *X.T]
    for left, right in products.lower:
        rows.append(rows[left] * rows[right])
    return np.array(rows)


def multiplied(X, products):
    """Return the observables of rows, computed through the table."""
    rows = table(X, products)
    left, right = products.observables.T
    return (rows[left] * rows[right]).T


def normal(n_rows, n_columns, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_columns)).astype(dtype)


@pytest.mark.parametrize("include_bias", [True, False])
@pytest.mark.parametrize("interaction_only", [True, False])
@pytest.mark.parametrize("degree", [1, 2, 3, 4, (2, 3), (3, 4), (0, 2)])
def test_pairs_make_the_monomials(degree, interaction_only, include_bias):
    X = normal(7, 5)
    lifter = MonomialLifter(
        degree, interaction_only=interaction_only, include_bias=include_bias
    ).fit(X)
    assert_array_equal(multiplied(X, lifter.pair_products()), lifter.transform(X))


@pytest.mark.parametrize("max_observables", [1, 4, 15])
@pytest.mark.parametrize("degree", [1, 2, 4])
def test_pairs_make_the_chosen_monomials(degree, max_observables):
    X = normal(60, 4)
    y = np.sign(X[:, 0] * X[:, 1] * X[:, 2] + X[:, 3] + 0.3 * X[:, 1])
    selector = ObservableSelector(MonomialLifter(degree), max_observables=max_observables)
    selector.fit(X, y)
    assert_allclose(multiplied(X, selector.pair_products()), selector.transform(X), rtol=1e-14)


def test_nothing_is_the_variables():
    products = products_of_chain(None, 3)
    assert products.lower.shape == (0, 2)
    assert_array_equal(products.observables, [[0, 1], [0, 2], [0, 3]])


UNIONS = {
    "monomials of two degrees": make_union(
        MonomialLifter(2), MonomialLifter((3, 3), include_bias=False)
    ),
    "all variables and some products": make_union("passthrough", MonomialLifter(3)),
    "products of some variables": make_union(
        MonomialLifter(2), make_pipeline(SelectKBest(k=3), MonomialLifter(4)), SelectKBest(k=2)
    ),
    "of one": make_union(MonomialLifter(2)),
    "with a dropped part": FeatureUnion(
        [("none", "drop"), ("some", MonomialLifter(2)), ("all", MonomialLifter(3))]
    ),
    "in a union": make_union(
        MonomialLifter(1), make_pipeline(SelectKBest(k=4), make_union(MonomialLifter(3)))
    ),
    "after a choice": make_pipeline(SelectKBest(k=3), MonomialLifter(3)),
    "frozen": FrozenEstimator(make_pipeline(None, MonomialLifter(3)).fit(normal(9, 5))),
}


@pytest.mark.parametrize("lifter", UNIONS.values(), ids=UNIONS.keys())
def test_pairs_make_the_products_of_unions(lifter):
    X = normal(60, 5)
    lifter = lifter.fit(X, np.sign(X[:, 0] * X[:, 1] + X[:, 4]))
    blocks = lifted_blocks(lifter, X)
    assert_array_equal(multiplied(blocks.X, blocks.products), lifter.transform(X))


def test_a_frozen_lifter_is_as_good_as_its_steps():
    X = normal(60, 5)
    steps = PCA(3).fit(X), MonomialLifter(2)
    frozen = FrozenEstimator(make_pipeline(*steps).fit(X))
    nested = make_pipeline(make_pipeline(FrozenEstimator(steps[0])), steps[1]).fit(X)
    for lifter in (frozen, nested, make_pipeline(frozen, None)):
        blocks = lifted_blocks(lifter, X)
        assert blocks.X.shape == (60, 3)
        assert blocks.makes_products == can_multiply()


def test_blocks_know_their_products():
    X = normal(30, 3)
    lifter = MonomialLifter(2).fit(X)
    wide = np.hstack([X, X])
    whole = make_pipeline(PCA(3), StandardScaler(), lifter).fit(wide)
    for blocks in (lifted_blocks(lifter, X), lifted_blocks(whole, wide)):
        assert_array_equal(blocks.products.observables, lifter.pair_products().observables)
    for other in (
        OrthogonalPolynomialLifter(2).fit(X),
        make_pipeline(lifter, StandardScaler()).fit(X),
        make_pipeline(StandardScaler(), lifter).fit(X),  # there may be too many rows to scale
        ObservableSelector(OrthogonalPolynomialLifter(2)).fit(X, X[:, 0]),
        ObservableSelector(StandardScaler()).fit(X, X[:, 0]),
        make_union(MonomialLifter(1), StandardScaler()).fit(X),
        FeatureUnion([("weighed", lifter)], transformer_weights={"weighed": 2.0}).fit(X),
        StandardScaler().fit(X),
        None,
    ):
        assert lifted_blocks(other, X).products is None
    assert lifted_blocks(lifter, X.astype(np.int32)).products is None


def loss_and_rows(n_rows, n_classes, dtype, *, degree, temperature, soft, n_variables=4):
    """Return a loss, rows with their products, the lifted rows, and arrays aligned with them."""
    rng = np.random.default_rng(n_rows + n_classes)
    X = normal(n_rows, n_variables, dtype)
    lifter = MonomialLifter(degree).fit(X)
    n_observables = lifter.n_output_features_
    loss = BlockLoss(
        rng.normal(size=(n_classes, n_observables)).astype(dtype),
        rng.normal(size=(n_classes, 1)).astype(dtype),
        None,
        DistillationLoss(temperature),
    )
    labels = rng.integers(-1, n_classes, n_rows)
    hard = rng.uniform(size=n_rows) * (labels >= 0)
    weight = rng.uniform(size=n_rows) if soft else np.zeros(n_rows)
    softened = rng.dirichlet(np.ones(n_classes), n_rows).astype(dtype) if soft else None
    factors = Factors(X, lifter.pair_products())
    return loss, factors, lifter.transform(X), (labels, hard, weight, softened)


@needs_kernel
@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 3, 4, 10, 11, 23])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_is_that_of_lifted_rows(vectors, dtype, n_classes, temperature, soft):
    rtol = 1e-12 if dtype == np.float64 else 2e-5
    for n_rows, degree in ((1, 2), (37, 1), (600, 2), (1200, 3)):
        loss, factors, psi, aligned = loss_and_rows(
            n_rows, n_classes, dtype, degree=degree, temperature=temperature, soft=soft
        )
        exact = BlockLoss(
            loss.weights.astype(float), loss.intercept.astype(float), None, loss.loss
        )
        expected_curvature, curvature = np.empty(n_rows), np.empty(n_rows, dtype)
        expected = exact(psi.astype(float), *aligned, expected_curvature)
        found = loss(factors, *aligned, curvature)
        assert_allclose(found[0], expected[0], rtol=rtol)
        for part, of_lifted in zip(found[1:], expected[1:], strict=True):
            assert_allclose(part, of_lifted, atol=rtol * np.abs(of_lifted).max())
        assert_allclose(curvature, expected_curvature, atol=rtol)


@needs_kernel
@given(
    n_rows=st.integers(1, 70),
    n_variables=st.integers(1, 6),
    degree=st.integers(1, 4),
    n_classes=st.integers(2, 13),
    layout=st.sampled_from(["C", "F", "every other", "reversed", "float32"]),
)
@settings(max_examples=60, deadline=None)
def test_loss_of_rows_of_any_form(n_rows, n_variables, degree, n_classes, layout):
    loss, factors, psi, aligned = loss_and_rows(
        n_rows,
        n_classes,
        np.float64,
        degree=degree,
        temperature=2.0,
        soft=True,
        n_variables=n_variables,
    )
    rtol = 1e-11
    if layout == "F":
        factors = factors._replace(X=np.asfortranarray(factors.X))
    elif layout == "every other":
        factors = factors._replace(X=np.repeat(np.repeat(factors.X, 2, 0), 3, 1)[::2, ::3])
    elif layout == "reversed":
        factors = factors._replace(X=factors.X[::-1].copy()[::-1])
    elif layout == "float32":
        factors, rtol = factors._replace(X=factors.X.astype(np.float32)), 1e-4
    value, gradient, sums = loss(factors, *aligned)
    expected_value, expected_gradient, expected_sums = loss(psi, *aligned)
    assert_allclose(value, expected_value, rtol=rtol)
    assert_allclose(gradient, expected_gradient, atol=rtol * np.abs(expected_gradient).max())
    assert_allclose(sums, expected_sums, atol=rtol * np.abs(expected_sums).max())


@needs_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e8])
def test_extreme_logits(vectors, size, dtype):
    X = np.linspace(-1, 1, 50, dtype=dtype)[:, None]
    products = MonomialLifter(1, include_bias=False).fit(X).pair_products()
    weights, intercept = np.array([[size], [-size]], dtype), np.zeros((2, 1), dtype)
    loss = BlockLoss(weights, intercept, None, DistillationLoss(1.0))
    aligned = np.zeros(50, dtype=int), np.full(50, 0.02), np.zeros(50), None
    curvature = np.empty(50, dtype)
    with np.errstate(all="raise"):
        found = loss(Factors(X, products), *aligned, curvature)
    expected = loss(X, *aligned)
    for part, of_lifted in zip(found, expected, strict=True):
        assert_allclose(part, of_lifted, rtol=1e-5)
    assert curvature.min() >= 0.0


@needs_kernel
def test_not_a_number_is_no_silence():
    loss, factors, _, aligned = loss_and_rows(
        40, 3, np.float64, degree=2, temperature=1.0, soft=False
    )
    loss.weights[1, 2] = np.nan
    value, gradient, _ = loss(factors, *aligned)
    assert np.isnan(value)
    assert np.isnan(gradient).any()


@needs_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_moments_are_those_of_lifted_rows(vectors, offset, dtype):
    X = normal(1500, 4, dtype) + dtype(offset)
    X[:, 1] = 1 / 3
    weight = np.random.default_rng(1).uniform(size=1500)
    weight[::5] = 0.0
    lifter = MonomialLifter(2).fit(X)
    psi = lifter.transform(X.astype(float))
    found = DiagonalMoments(psi.shape[1])
    for rows in (slice(0, 700), slice(700, 1500)):
        found.update(Factors(X[rows], lifter.pair_products()), weight[rows])
    mean = np.average(psi, axis=0, weights=weight)
    variance = np.average((psi - mean) ** 2, axis=0, weights=weight)
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    assert found.weight == pytest.approx(weight.sum(), rel=rtol)
    scale = found.scale
    constant = np.ptp(psi, axis=0) == 0
    assert constant.sum() == 3  # 1, x1 and x1^2
    assert_array_equal(scale.constant, constant)
    assert_allclose(scale.mean, mean, rtol=rtol, atol=rtol)
    rounding = np.finfo(dtype).eps * np.abs(psi).max(axis=0)  # rounding of the products
    assert_allclose(
        scale.deviation[~constant],
        np.sqrt(variance[~constant]),
        rtol=10 * rtol,
        atol=rounding.max(),
    )


@needs_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 50.0])
@pytest.mark.parametrize("n_rows", [5, 531, 1400])
def test_gram_moments_are_those_of_lifted_rows(vectors, n_rows, offset, dtype):
    X = normal(n_rows, 4, dtype) + dtype(offset)
    X[:, 1] = 1 / 3
    rng = np.random.default_rng(1)
    targets, weight = rng.normal(size=(n_rows, 2)), rng.uniform(size=n_rows)
    weight[::3] = 0.0
    lifter = MonomialLifter(2).fit(X)
    psi = lifter.transform(X)
    found, expected = (GramMoments(psi.shape[1], 2) for _ in range(2))
    for rows in (slice(0, n_rows // 2), slice(n_rows // 2, n_rows)):
        found.update(
            Factors(X[rows], lifter.pair_products()), targets[rows].astype(dtype), weight[rows]
        )
        expected.update(psi[rows], targets[rows].astype(dtype), weight[rows])
    rtol = 1e-11 if dtype == np.float64 else 1e-4
    assert_array_equal(found.scale.constant, expected.scale.constant)
    assert_allclose(found.mean, expected.mean, rtol=rtol, atol=rtol)
    assert_allclose(found.gram, expected.gram, rtol=rtol, atol=rtol * expected.gram.max())
    assert_allclose(found.cross, expected.cross, atol=rtol * np.abs(expected.cross).max())


@needs_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_least_squares_is_the_same_without_the_kernel(no_kernel, dtype):
    X, y, _ = labelled_rows(4000, dtype)
    student = EDMDClassifier(lifter=MonomialLifter(3), ridge=1e-4)
    with_kernel = student.fit(X, y).decision_function(X)
    no_kernel()
    without = student.fit(X, y).decision_function(X)
    assert_allclose(with_kernel, without, atol=1e-9 if dtype == np.float64 else 1e-3)


@needs_kernel
def test_moments_of_rows_without_weight():
    X = normal(20, 2)
    factors = Factors(X, MonomialLifter(2).fit(X).pair_products())
    moments = DiagonalMoments(6)
    assert moments.update(factors, np.zeros(20)).weight == 0.0
    moments.update(factors, np.ones(20))
    assert_allclose(moments.update(factors, np.zeros(20)).scale.mean[1:3], X.mean(axis=0))


@needs_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_squared_norms_are_those_of_lifted_rows(vectors, dtype):
    X = normal(800, 5, dtype)
    lifter = MonomialLifter(3).fit(X)
    rng = np.random.default_rng(2)
    norms = SquaredNorms(*rng.uniform(size=(2, lifter.n_output_features_)))
    assert_allclose(
        norms(Factors(X, lifter.pair_products())),
        norms(lifter.transform(X)),
        rtol=1e-5 if dtype == np.float32 else 1e-12,
    )


def labelled_rows(n_samples=3000, dtype=np.float64):
    X = normal(n_samples, 5, dtype)
    logits = np.column_stack([X[:, 0] * X[:, 1], X[:, 2] ** 2 - 1, X[:, 3]])
    noise = np.random.default_rng(3).gumbel(size=logits.shape)
    return X, np.argmax(2 * logits + noise, axis=1), 3 * logits


@needs_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 2000], ids=["around zero", "far from zero"])
def test_a_student_is_the_same_without_the_kernel(no_kernel, dtype, offset):
    X, y, logits = labelled_rows(dtype=dtype)
    X = X + dtype(offset)
    student = KoopmanDistilledClassifier(lifter=MonomialLifter(2), soft_weight=0.5, ridge=1e-2)
    fitted = student.fit(X, y, soft_labels=logits).decision_function(X)
    no_kernel()
    without = student.fit(X, y, soft_labels=logits).decision_function(X)
    assert_allclose(fitted, without, rtol=1e-3, atol=2e-3)


@needs_kernel
def test_rows_are_not_lifted_for_the_loss():
    # There are enough rows for steps on samples.
    X, y, _ = labelled_rows(n_samples=60_000)
    lifter = MonomialLifter(2).fit(X)
    n_lifted = 0

    def lift(X):
        nonlocal n_lifted
        n_lifted += len(X)
        return lifter._lift(X)

    blocks = RowBlocks(
        X, lift, n_observables=lifter.n_output_features_, products=lifter.pair_products()
    )
    moments = blocks.map_reduce(
        DiagonalMoments.update, DiagonalMoments(blocks.n_observables), np.ones(len(X))
    )
    problem = DistillationProblem(
        blocks,
        moments.scale,
        y,
        None,
        np.ones(len(X)),
        n_classes=3,
        soft_weight=0.0,
        temperature=1.0,
        ridge=1e-3,
    ).keeping_few_rows()
    problem.leverage()
    problem.restricted(np.arange(0, 60_000, 7), np.ones(8572)).evaluate(np.zeros((22, 3)))
    assert n_lifted <= 2  # rows that were lifted to see the dtype


@needs_kernel
def test_cross_validation_is_the_same_without_the_kernel(no_kernel):
    X, y, logits = labelled_rows(400)
    student = KoopmanDistilledClassifierCV(
        lifter=MonomialLifter(2), ridges=[1e-2, 1e-1], soft_weights=[0, 1], temperatures=[2.0]
    )
    with_kernel = student.fit(X, y, soft_labels=logits)
    scores, coef = with_kernel.scores_, with_kernel.coef_
    no_kernel()
    student.fit(X, y, soft_labels=logits)
    assert_allclose(student.scores_, scores, atol=1e-3)
    assert_allclose(student.coef_, coef, atol=1e-3)


@needs_kernel
class TestArraysThatDoNotBelongTogether:
    """The kernel refuses every array of the wrong form."""

    def arguments(self):
        X = normal(6, 2)
        products = MonomialLifter(3).fit(X).pair_products()
        D = len(products.observables)
        return {
            "X": X,
            "lower": products.lower,
            "products": products.observables,
            "weights": np.zeros((3, D)),
            "intercept": np.zeros(3),
            "labels": np.zeros(6, dtype=np.int64),
            "hard_weight": np.ones(6),
            "soft_weight": np.ones(6),
            "softened": np.full((6, 3), 1 / 3),
            "temperature": 1.0,
            "gradient": np.zeros((D, 3)),
            "sums": np.zeros(3),
            "curvature": np.zeros(6),
        }

    def call(self, **changes):
        return kernel.add_loss(*(self.arguments() | changes).values())

    def test_those_that_do(self):
        assert self.call() == pytest.approx(12 * np.log(3))
        assert self.call(softened=None, curvature=None) == pytest.approx(12 * np.log(3))

    ARRAYS = tuple(name for name in arguments(None) if name != "temperature")

    @pytest.mark.parametrize("name", [name for name in ARRAYS if name != "lower"])
    def test_one_row_too_many(self, name):
        array = self.arguments()[name]
        with pytest.raises(ValueError, match="do not belong together"):
            self.call(**{name: np.concatenate([array, array[:1]])})

    @pytest.mark.parametrize("dtype", [np.int8, np.float16, np.complex128, object, ">f8"])
    @pytest.mark.parametrize("name", ARRAYS)
    def test_wrong_type(self, name, dtype):
        with pytest.raises((TypeError, ValueError), match=r"[Bb]uffer|ambiguous"):
            self.call(**{name: self.arguments()[name].astype(dtype)})

    @pytest.mark.parametrize("name", ARRAYS)
    def test_wrong_dimensions(self, name):
        with pytest.raises((TypeError, ValueError), match=r"dimensions|ambiguous"):
            self.call(**{name: self.arguments()[name][None]})

    @pytest.mark.parametrize("name", [n for n in ARRAYS if n not in ("softened", "curvature")])
    def test_nothing(self, name):
        with pytest.raises(TypeError, match=r"None|ambiguous"):
            self.call(**{name: None})

    @pytest.mark.parametrize("name", [name for name in ARRAYS if name != "X"])
    def test_rows_apart(self, name):
        apart = np.repeat(self.arguments()[name], 2, axis=0)[::2]
        with pytest.raises(ValueError, match="contiguous"):
            self.call(**{name: apart})

    @pytest.mark.parametrize("name", ARRAYS)
    def test_numbers_at_odd_places(self, name):
        array = self.arguments()[name]
        memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
        with pytest.raises(ValueError, match="do not belong together"):
            self.call(**{name: memory.view(array.dtype).reshape(array.shape)})

    @pytest.mark.parametrize("name", ["softened", "intercept", "curvature"])
    def test_other_number_type_than_the_weights(self, name):
        with pytest.raises(ValueError, match="mismatch"):
            self.call(**{name: self.arguments()[name].astype(np.float32)})

    @pytest.mark.parametrize("name", ["lower", "products"])
    @pytest.mark.parametrize("row", [-1, 6, 2**31 - 1])
    def test_rows_that_the_table_does_not_have(self, name, row):
        array = self.arguments()[name].copy()
        array[0, 1] = row
        with pytest.raises(ValueError, match="do not belong together"):
            self.call(**{name: array})

    def test_no_classes(self):
        none = {"weights": np.zeros((0, 10)), "gradient": np.zeros((10, 0))}
        none |= {"intercept": np.zeros(0), "sums": np.zeros(0), "softened": None}
        with pytest.raises(ValueError, match="do not belong together"):
            self.call(labels=np.full(6, -1), **none)

    def test_labels_beyond_the_classes(self):
        with pytest.raises(ValueError, match="do not belong together"):
            self.call(labels=np.full(6, 3))

    def test_outputs_that_cannot_be_written_to(self):
        gradient = self.arguments()["gradient"]
        gradient.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            self.call(gradient=gradient)

    def test_too_few_arguments(self):
        with pytest.raises(TypeError, match="positional arguments"):
            kernel.add_loss(*list(self.arguments().values())[:-1])

    def test_moments_and_norms(self):
        X, lower, products = list(self.arguments().values())[:3]
        D = len(products)
        good = np.ones(6), np.zeros(D), np.zeros(D)
        assert kernel.add_moments(X, lower, products, *good) == 6.0
        for i in range(3):
            bad = [array[:-1] if i == j else array for j, array in enumerate(good)]
            with pytest.raises(ValueError, match="do not belong together"):
                kernel.add_moments(X, lower, products, *bad)
            with pytest.raises(ValueError, match="do not belong together"):
                kernel.set_norms(X, lower, products, *(bad[1:] + bad[:1]))
        good = np.zeros(D), np.zeros(D), np.ones(6), np.zeros((6, D), order="F")
        kernel.set_centred(X, lower, products, *good)
        for i in range(4):
            bad = [array[:-1] if i == j else array for j, array in enumerate(good)]
            with pytest.raises(ValueError, match="do not belong together"):
                kernel.set_centred(X, lower, products, *bad)
        with pytest.raises(ValueError, match="do not belong together"):
            kernel.set_centred(X, lower, products, *good[:3], np.zeros((6, D)))

    def test_vectors_that_no_processor_has(self):
        assert not kernel.use_vectors(24)
        with pytest.raises(TypeError):
            kernel.use_vectors("wide")
