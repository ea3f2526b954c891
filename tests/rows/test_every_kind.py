"""Every kind of blocks, through every method, against plain numpy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context

from sklearn_koopman.lifting import MonomialLifter, as_layer
from sklearn_koopman.linear import BlockLoss, DistillationLoss, SquaredNorms
from sklearn_koopman.rows import (
    Blocks,
    DiagonalMoments,
    EnlargedRows,
    GramMoments,
    LiftedRows,
    RowBlocks,
    Total,
    TriangularMoments,
    accumulated,
    as_numpy,
    lifted_blocks,
    row_blocks,
    stored,
)

N_ROWS, N_CLASSES = 150, 3
X = np.random.default_rng(0).normal(size=(N_ROWS, 4))
LIFTER = MonomialLifter(2).fit(X)
PSI = LIFTER.transform(X)
SHAPE = {"n_observables": PSI.shape[1]}
PRODUCTS = {"products": LIFTER.pair_products()}
WEIGHT = np.random.default_rng(1).uniform(0.5, 1.5, size=N_ROWS)
CHOICE = np.random.default_rng(2).permutation(N_ROWS)[:101]


def in_memory():
    return RowBlocks(X, LIFTER.transform, block_rows=40, **SHAPE), np.arange(N_ROWS)


def of_products():
    blocks = RowBlocks(X, LIFTER.transform, block_rows=40, **SHAPE, **PRODUCTS)
    return blocks, np.arange(N_ROWS)


def on_disk(tmp_path):
    mapped = np.memmap(tmp_path / "X", dtype=np.float64, mode="w+", shape=X.shape)
    mapped[...] = X
    return RowBlocks(mapped, LIFTER.transform, block_rows=64, **SHAPE), np.arange(N_ROWS)


def made():
    rows = EnlargedRows(X[:50], [lambda block, rng: X[50:100], lambda block, rng: X[100:]], 0)
    return RowBlocks(rows, LIFTER.transform, block_rows=30, **SHAPE), np.arange(N_ROWS)


def lifted_before():
    return lifted_blocks(None, LiftedRows(X, [LIFTER])), np.arange(N_ROWS)


def kept_on_disk():
    blocks = RowBlocks(X, LIFTER.transform, block_rows=40, is_costly=True, **SHAPE)
    with config_context(working_memory=1e-3):
        return stored(blocks), np.arange(N_ROWS)


def of_dask(chunk):
    da = pytest.importorskip("dask.array")
    array = da.from_array(X, chunks=(chunk, 4))
    return row_blocks(array, LIFTER.transform, **SHAPE, **PRODUCTS), np.arange(N_ROWS)


def on_a_device():
    torch = pytest.importorskip("torch")
    layer = as_layer(LIFTER)
    blocks = row_blocks(X, layer.to(torch.float64), device=torch.device("cpu"), **SHAPE)
    return blocks, np.arange(N_ROWS)


def chosen(kind):
    blocks, _ = kind()
    return blocks.at(CHOICE), CHOICE


def held(kind, tile_rows=16):
    blocks, _ = kind()
    return blocks.held(CHOICE, tile_rows), CHOICE


KINDS = {
    "in memory": in_memory,
    "of products": of_products,
    "made": made,
    "lifted by a pipeline": lifted_before,
    "kept on disk": kept_on_disk,
    "dask, one chunk": lambda: of_dask(N_ROWS),
    "dask, many chunks": lambda: of_dask(37),
    "on a device": on_a_device,
    "chosen": lambda: chosen(in_memory),
    "chosen, kept on disk": lambda: chosen(kept_on_disk),
    "chosen, of products": lambda: chosen(of_products),
    "chosen, of dask": lambda: chosen(lambda: of_dask(37)),
    "chosen, on a device": lambda: chosen(on_a_device),
    "held": lambda: held(in_memory),
    "held, one tile": lambda: held(in_memory, 128),
    "held, of products": lambda: held(of_products),
    "held, of dask": lambda: held(lambda: of_dask(37)),
    "held, on a device": lambda: held(on_a_device),
}


def row_sums(psi, weight, nothing, out):
    assert nothing is None
    assert psi.ndim == 2
    out[...] = psi.sum(axis=1)
    return len(psi), psi.T @ weight


def assert_are(blocks, rows):
    """Compare blocks with the expected rows of observables."""
    psi = PSI[rows]
    assert isinstance(blocks, Blocks)
    assert (blocks.n_samples, blocks.n_observables) == psi.shape
    assert blocks.dtype == psi.dtype
    assert_allclose(as_numpy(blocks.map(np.negative)), -psi, rtol=1e-13)
    out = np.empty(len(psi))
    n_rows, total = blocks.sum(row_sums, WEIGHT[rows], None, out=out)
    assert n_rows == len(psi)
    assert_allclose(total, psi.T @ WEIGHT[rows], rtol=1e-11)
    assert_allclose(out, psi.sum(axis=1), rtol=1e-11, atol=1e-11)


@pytest.fixture(autouse=True)
def _dask_in_this_thread():
    try:
        import dask
    except ImportError:
        yield
        return
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(params=[*KINDS, "on disk"])
def kind(request, tmp_path):
    return on_disk(tmp_path) if request.param == "on disk" else KINDS[request.param]()


class TestEveryKind:
    def test_rows_are_those_of_numpy(self, kind):
        assert_are(*kind)

    @pytest.mark.parametrize(
        "some",
        [
            slice(None),
            slice(0, 1),
            slice(3, 70),
            slice(95, None),
            slice(5, 90, 7),
            np.array([100, 0, 17, 17, 64, 96]),
        ],
        ids=str,
    )
    def test_lifted(self, kind, some):
        blocks, rows = kind
        assert_allclose(blocks.lifted(some), PSI[rows][some], rtol=1e-13)

    @pytest.mark.parametrize("some", [slice(10, 80), np.array([90, 3, 64, 30])], ids=str)
    @pytest.mark.parametrize("method", ["at", "held", "taken"])
    def test_some_rows(self, kind, method, some):
        blocks, rows = kind
        fewer = getattr(blocks, method)(some)
        assert_are(fewer, rows[some])
        for again in ("at", "held", "taken"):
            assert_are(getattr(fewer, again)(np.array([2, 0])), rows[some][[2, 0]])

    @pytest.mark.parametrize("method", ["kept_if_few", "taken_if_few"])
    def test_few_rows(self, kind, method):
        blocks, rows = kind
        assert_are(getattr(blocks, method)(), rows)

    def test_wider_blocks(self, kind):
        blocks, rows = kind
        wider = blocks.with_rows_at_least(128)
        assert wider.block_rows >= 128
        assert_are(wider, rows)

    def test_plain_totals(self, kind):
        blocks, rows = kind
        try:
            total = blocks.map_reduce(
                lambda total, psi, w: total + psi.T @ w, 0.0, WEIGHT[rows]
            )
        except TypeError as error:
            assert "Total" in str(error)  # noqa: PT017  only dask refuses
            assert "dask" in type(blocks).__module__ or isinstance(blocks, Blocks)
            return
        assert_allclose(total, PSI[rows].T @ WEIGHT[rows], rtol=1e-11)

    @pytest.mark.parametrize("moments_class", [DiagonalMoments, GramMoments, TriangularMoments])
    @pytest.mark.parametrize("n_targets", [0, 2])
    def test_moments(self, kind, moments_class, n_targets):
        blocks, rows = kind
        targets = [np.cos(X[rows, :n_targets])] if n_targets else []
        moments = moments_class(blocks.n_observables, n_targets)
        assert isinstance(moments, Total)
        accumulated(moments, blocks, *targets, WEIGHT[rows])
        mean = np.average(PSI[rows], axis=0, weights=WEIGHT[rows])
        variance = np.average((PSI[rows] - mean) ** 2, axis=0, weights=WEIGHT[rows])
        assert_allclose(moments.weight, WEIGHT[rows].sum())
        assert_allclose(moments.mean[: len(mean)], mean, rtol=1e-11, atol=1e-13)
        assert_allclose(moments.scale.deviation[1:], np.sqrt(variance[1:]), rtol=1e-9)

    def test_norms(self, kind):
        blocks, rows = kind
        mean, rate = np.linspace(-1, 1, 2 * PSI.shape[1]).reshape(2, -1)
        expected = np.square((PSI[rows] - mean) * rate).sum(axis=1)
        assert_allclose(as_numpy(blocks.map(SquaredNorms(mean, rate))), expected, rtol=1e-10)

    @pytest.mark.parametrize("is_centred", [False, True])
    @pytest.mark.parametrize("soft", [False, True])
    def test_loss(self, kind, soft, is_centred):
        blocks, rows = kind
        rng = np.random.default_rng(3)
        weights, intercept = rng.normal(size=(N_CLASSES, PSI.shape[1])), rng.normal(size=3)
        offset = PSI.mean(axis=0) if is_centred else None
        labels = rng.integers(-1, N_CLASSES, len(rows))
        hard = WEIGHT[rows] * (labels >= 0)
        softened = rng.dirichlet(np.ones(N_CLASSES), len(rows)) if soft else None
        aligned = labels, hard, WEIGHT[rows] * soft, softened
        loss = DistillationLoss(2.0)
        curvature = np.empty(len(rows))
        found = blocks.sum(
            BlockLoss(weights, intercept[:, None], offset, loss), *aligned, out=curvature
        )
        psi = PSI[rows] - (offset if is_centred else 0.0)
        terms = loss(weights @ psi.T + intercept[:, None], *aligned, with_curvature=True)
        assert_allclose(found[0], terms.losses.sum(), rtol=1e-11)
        assert_allclose(found[1], psi.T @ terms.residual.T, atol=1e-9)
        assert_allclose(found[2], terms.residual.sum(axis=1), atol=1e-10)
        assert_allclose(curvature, terms.curvature, atol=1e-11)

    def test_a_consumer_that_does_not_declare_what_it_takes(self, kind):
        blocks, _ = kind

        class Undeclared:
            takes_factors = True

            def __call__(self, psi):
                return (psi.sum(axis=0),)

        for method in (blocks.map, blocks.sum):
            with pytest.raises(
                TypeError, match=r"has takes_factors, but .*rows\.BlockFunction"
            ):
                method(Undeclared())
        with pytest.raises(TypeError, match="Total"):
            blocks.map_reduce(lambda total, psi: total, Undeclared())


def test_whoever_does_not_ask_for_factors_gets_blocks():
    blocks, _ = of_products()

    def is_array(psi):
        return (float(isinstance(psi, np.ndarray)),)

    assert blocks.sum(is_array) == [4.0]
    assert_array_equal(blocks.map(is_array), 1.0)


def test_a_total_has_to_say_all_that_a_total_says():
    class Incomplete(Total):
        def merge(self, other):
            return self

    with pytest.raises(TypeError, match="abstract"):
        Incomplete()
