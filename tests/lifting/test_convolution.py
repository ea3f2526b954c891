import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import (
    ConvolutionalLifter,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
)
from sklearn_koopman.deployment import load_student, save_student, to_module, to_onnx
from sklearn_koopman.inspection import cost, distillation_report
from sklearn_koopman.lifting import PATCH_BATCH
from sklearn_koopman.pipeline import make_pipeline

from ..extra_checks import EXTRA_TRANSFORMER_CHECKS

RNG = np.random.default_rng(0)
IMAGES = RNG.gamma(1.0, size=(40, 2 * 9 * 8))
DIGITS, Y = load_digits(return_X_y=True)

LIFTERS = [
    ConvolutionalLifter(n_filters=3, filter_size=2, random_state=0),
    ConvolutionalLifter(
        n_filters=2, filters="random", nonlinearity="intensity", random_state=0, root=False
    ),
    ConvolutionalLifter(
        filters=[[[1.0]]], normalization="brightness", nonlinearity="magnitude"
    ),
]


@parametrize_with_checks(LIFTERS)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:n_filters=:UserWarning")
@pytest.mark.parametrize("check", EXTRA_TRANSFORMER_CHECKS)
@pytest.mark.parametrize("estimator", LIFTERS, ids=lambda each: each.nonlinearity)
def test_more_sklearn_checks(estimator, check):
    check("ConvolutionalLifter", estimator)


@pytest.mark.parametrize("shape", [(9, 8, 3), (8, 9, 1), (6, 5, 4)])
def test_channels_last_are_not_taken_for_channels_first_without_a_warning(shape):
    lifter = ConvolutionalLifter(shape, n_filters=2, filter_size=1, random_state=0)
    first = (shape[2], *shape[:2])
    with pytest.warns(UserWarning, match=rf"channels come first: input_shape=\({first[0]}, "):
        lifter.fit(RNG.normal(size=(20, np.prod(shape))))
    for right in (first, (9, 3, 3), (2, 9, 4)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lifter.set_params(input_shape=right).fit(RNG.normal(size=(20, np.prod(right))))


def small(shape=(2, 9, 8), **settings):
    settings = {"n_filters": 4, "filter_size": 3, "grid": 2, "random_state": 0} | settings
    return ConvolutionalLifter(shape, **settings)


def by_definition(lifter, X):
    """Return the observables as the docstring defines them, patch by patch."""
    channels, height, width = lifter.input_shape_
    kernel = lifter.filters_.shape[2:]
    stride, dilation = (
        value if isinstance(value, tuple) else (value,) * 2
        for value in (lifter.stride, lifter.dilation)
    )
    down, across = (
        [slice(i, i + reach, apart) for i in range(0, n - reach + 1, step)]
        for n, reach, step, apart in zip(
            (height, width),
            [(k - 1) * apart + 1 for k, apart in zip(kernel, dilation, strict=True)],
            stride,
            dilation,
            strict=True,
        )
    )
    lifted = []
    for row in X.reshape(-1, channels, height, width):
        responses = np.empty((len(lifter.filters_), len(down), len(across)))
        for i, lines in enumerate(down):
            for j, columns in enumerate(across):
                patch = row[:, lines, columns]
                if lifter.normalization_ != "none":
                    patch = patch - patch.mean()
                if lifter.normalization_ == "contrast":
                    patch = patch / np.sqrt(patch.var() + lifter.contrast_)
                products = lifter.filters_ * patch
                responses[:, i, j] = products.sum(axis=(1, 2, 3)) + lifter.offsets_
        t = lifter.threshold
        detected = {
            "threshold": [np.maximum(responses - t, 0), np.maximum(-responses - t, 0)],
            "proportion": [responses > t, -responses > t],
            "intensity": [responses**2],
            "magnitude": [np.abs(responses)],
        }[lifter.nonlinearity]
        cells = [
            [part.mean(axis=(-2, -1)) for lines in np.array_split(values, lifter.grid_[0], 1)
             for part in np.array_split(lines, lifter.grid_[1], 2)]
            for values in detected
        ]  # fmt: skip
        lifted.append(np.moveaxis(cells, -1, 0).ravel())
    return np.sqrt(lifted) if lifter.root else np.array(lifted)


@pytest.mark.parametrize("filters", ["kmeans", np.ones((1, 2, 3, 3))], ids=["found", "given"])
@pytest.mark.parametrize("padding", [2, (1, 0), (0, 2)])
def test_padded_rows_are_rows_with_zeros_around_them(filters, padding):
    down, across = np.broadcast_to(padding, 2)
    X = np.random.default_rng(0).gamma(1.0, size=(12, 2, 9, 8))
    around = np.pad(X, [(0, 0), (0, 0), (down, down), (across, across)])
    settings = {"filters": filters, "normalization": "contrast", "stride": (1, 2)}
    padded = small(padding=padding, **settings).fit_transform(X.reshape(12, -1))
    outside = small(around.shape[1:], **settings).fit_transform(around.reshape(12, -1))
    assert_allclose(padded, outside)


def test_padded_series():
    X = np.random.default_rng(0).gamma(1.0, size=(12, 5))
    settings = {"n_filters": 2, "filter_size": 3, "grid": 2, "random_state": 0}
    padded = ConvolutionalLifter(padding=2, **settings).fit_transform(X)
    outside = ConvolutionalLifter(**settings).fit_transform(np.pad(X, [(0, 0), (2, 2)]))
    assert_allclose(padded, outside)


@given(st.data())
@settings(max_examples=30)
def test_equals_the_formula_for_all_shapes(data):
    is_series = data.draw(st.booleans())
    sizes = data.draw(st.tuples(*[st.integers(1, 9)] * (1 if is_series else 2)))
    channels = data.draw(st.sampled_from([(), (1,), (3,)]))
    filter_size = tuple(data.draw(st.integers(1, n)) for n in sizes)
    stride = data.draw(st.integers(1, 3))
    dilation = tuple(
        data.draw(st.integers(1, 3 if size == 1 else min(3, (n - 1) // (size - 1))))
        for n, size in zip(sizes, filter_size, strict=True)
    )
    places = [
        (n - (size - 1) * apart - 1) // stride + 1
        for n, size, apart in zip(sizes, filter_size, dilation, strict=True)
    ]
    # All cells have the same number of places: numpy deals a remainder out in another order.
    grid = tuple(
        data.draw(st.sampled_from([g for g in range(1, n + 1) if n % g == 0])) for n in places
    )
    lifter = ConvolutionalLifter(
        (*channels, *sizes),
        kind="series" if is_series else "image",
        n_filters=2,
        filters="random",
        filter_size=filter_size,
        stride=stride,
        dilation=dilation,
        grid=grid,
        normalization=data.draw(st.sampled_from(["contrast", "brightness", "none"])),
        nonlinearity=data.draw(
            st.sampled_from(["threshold", "proportion", "intensity", "magnitude"])
        ),
        threshold=data.draw(st.floats(0, 1)),
        root=data.draw(st.booleans()),
        random_state=0,
    )
    X = np.random.default_rng(data.draw(st.integers(0, 99))).gamma(
        1.0, size=(7, np.prod((*channels, *sizes)))
    )
    with warnings.catch_warnings(action="ignore"):  # there are few different patches
        lifted = lifter.fit_transform(X)
    lifter.stride = (1, stride) if is_series else (stride, stride)
    lifter.dilation = (1, *dilation) if is_series else dilation
    assert_allclose(lifted, by_definition(lifter, X), atol=1e-7)
    assert lifted.shape == (7, lifter.n_output_features_)


@pytest.mark.parametrize("nonlinearity", ["threshold", "intensity"])
@pytest.mark.parametrize("root", [True, False])
def test_mirrored_observables_are_means_of_both_images(nonlinearity, root):
    lifter = small(nonlinearity=nonlinearity, root=root, grid=(1, 3), mirror=True).fit(IMAGES)
    flipped = IMAGES.reshape(-1, 2, 9, 8)[..., ::-1].reshape(IMAGES.shape)
    power = 2 if root else 1

    means = (
        by_definition(lifter, IMAGES) ** power + by_definition(lifter, flipped) ** power
    ) / 2

    assert_allclose(lifter.transform(IMAGES), means ** (1 / power), atol=1e-7)
    assert_allclose(lifter.transform(flipped), lifter.transform(IMAGES), atol=1e-12)


def test_a_mirrored_series_runs_backwards():
    X = RNG.normal(size=(5, 2 * 12))
    lifter = small((2, 12), kind="series", mirror=True, grid=3).fit(X)
    backwards = X.reshape(5, 2, 12)[..., ::-1].reshape(X.shape)
    assert_allclose(lifter.transform(backwards), lifter.transform(X), atol=1e-12)
    assert np.ptp(lifter.transform(X), axis=0).min() > 0


def test_a_mirror_costs_a_second_image():
    once, twice = (small(mirror=mirror).fit(IMAGES) for mirror in (False, True))
    assert twice.operations().parameters == once.operations().parameters
    assert twice.operations().nonlinear == 2 * once.operations().nonlinear
    extra = twice.operations().linear - 2 * once.operations().linear
    assert extra == once.n_output_features_


@given(st.integers(1, 12), st.integers(1, 12))
def test_cells_share_the_places_as_evenly_as_possible(n_places, n_cells):
    n_cells = min(n_places, n_cells)
    X = RNG.normal(size=(1, n_places))
    identity = ConvolutionalLifter(
        filters=[[[1.0]]], grid=n_cells, threshold=0.0, root=False
    ).fit(X)
    positive, negative = identity.transform(X).reshape(2, n_cells)
    cells = [
        X[0, i * n_places // n_cells : (i + 1) * n_places // n_cells] for i in range(n_cells)
    ]
    assert_allclose(positive - negative, [cell.mean() for cell in cells])
    assert np.ptp([len(cell) for cell in cells]) <= 1


def test_responses_are_correlations():
    filters = RNG.normal(size=(3, 2, 4, 3))
    lifter = ConvolutionalLifter(
        (2, 9, 8), filters=filters, grid=1, nonlinearity="intensity", root=False
    ).fit(IMAGES)
    expected = [
        [(correlate(row, each, mode="valid") ** 2).mean() for each in filters]
        for row in IMAGES.reshape(-1, 2, 9, 8)
    ]
    assert_allclose(lifter.transform(IMAGES), expected)
    assert_array_equal(lifter.filters_, filters)


def test_the_first_convolution_of_a_network():
    torch = pytest.importorskip("torch")
    rows = torch.from_numpy(IMAGES)
    for kind, shape, series in (
        (torch.nn.Conv2d, (2, 9, 8), False),
        (torch.nn.Conv1d, (2, 72), True),
    ):
        torch.manual_seed(0)
        convolution = kind(2, 5, 3, stride=2, padding=1).double()
        network = torch.nn.Sequential(torch.nn.Identity(), convolution, kind(5, 5, 3))
        lifter = ConvolutionalLifter(
            shape,
            kind="series" if series else "auto",
            filters=network,
            stride=2,
            threshold=0.0,
            root=False,
            grid=1,
        ).fit(IMAGES)
        convolution.padding = (0,) * len(convolution.padding)
        with torch.no_grad():
            responses = convolution(rows.reshape(-1, *shape)).flatten(2)
        expected = torch.stack([responses.relu(), (-responses).relu()], 2).mean(-1).flatten(1)
        assert_allclose(lifter.transform(IMAGES), expected.numpy(), atol=1e-12)
        assert clone(lifter).filters is not network
        without = torch.nn.Sequential(kind(2, 5, 3, bias=False))
        assert not clone(lifter).set_params(filters=without).fit(IMAGES).offsets_.any()


@pytest.mark.parametrize("kind", ["kmeans", "random", "pca"])
@pytest.mark.parametrize("normalization", ["contrast", "brightness", "none"])
def test_found_filters(kind, normalization):
    lifter = small(filters=kind, normalization=normalization, nonlinearity="intensity", grid=1)
    lifter.set_params(root=False).fit(IMAGES)
    # The fit sees all patches, so that the scale is exact.
    assert_allclose(lifter.transform(IMAGES).mean(axis=0), 1)
    assert lifter.filters_.shape == (4, 2, 3, 3)
    if normalization != "none":
        assert_allclose(lifter.filters_.mean(axis=(1, 2, 3)), 0, atol=1e-12)
        # Filters ignore brightness, and also contrast if it is normalised.
        assert_allclose(lifter.transform(IMAGES + 100), lifter.transform(IMAGES))
    again = clone(lifter).fit(2.5 * IMAGES)
    assert_allclose(again.transform(2.5 * IMAGES), lifter.transform(IMAGES))


def all_patches(lifter, X):
    patches = np.lib.stride_tricks.sliding_window_view(X.reshape(-1, 9, 8), (3, 3), axis=(1, 2))
    return patches.reshape(-1, 9)


def directions(filters):
    flat = filters.reshape(len(filters), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def test_filters_are_what_they_are_called():
    X = IMAGES[:, :72]
    settings = {"shape": (9, 8), "normalization": "none", "whitening": None, "n_filters": 5}
    patches = all_patches(small(**settings), X)
    found = directions(small(**settings, filters="pca").fit(X).filters_)
    assert_allclose(np.abs(found @ PCA(5).fit(patches).components_.T), np.eye(5), atol=1e-8)
    found = directions(small(**settings, filters="random").fit(X).filters_)
    of_patches = directions(patches - patches.mean(axis=0))
    assert_allclose((found @ of_patches.T).max(axis=1), 1)
    found = directions(small(**settings).fit(X).filters_)
    centres = MiniBatchKMeans(
        5, n_init=1, batch_size=PATCH_BATCH, random_state=np.random.RandomState(0)
    ).fit(patches - patches.mean(axis=0)).cluster_centers_  # fmt: skip
    assert_allclose(found, directions(centres), atol=1e-8)


def test_whitening():
    X = IMAGES[:, :72]
    settings = {"shape": (9, 8), "normalization": "none", "filters": "random", "n_filters": 9}
    filters = small(**settings, whitening=0.0).fit(X).filters_.reshape(9, 9)
    patches = all_patches(None, X)
    covariance = np.cov(patches.T, bias=True)
    # Whitened patches times the whitening matrix: patches times the inverse of the covariance.
    differences = directions(filters @ covariance)
    assert_allclose((differences @ directions(patches - patches.mean(axis=0)).T).max(axis=1), 1)


def test_an_empty_background_teaches_nothing():
    X = np.zeros((30, 81))
    X[:, 40] = 1.0
    for filters in ("random", "pca"):
        lifter = ConvolutionalLifter(
            (9, 9), n_filters=8, filter_size=3, filters=filters, random_state=0
        ).fit(X)
        assert np.abs(lifter.filters_).max(axis=(1, 2, 3)).min() > 0
    for X in (np.zeros((5, 81)), np.full((5, 81), 3.0)):
        lifted = small((9, 9), filters="random").fit_transform(X)
        assert_array_equal(lifted, 0)


def test_single_precision():
    lifter = small().fit(IMAGES)
    narrow = lifter.transform(IMAGES.astype(np.float32))
    assert narrow.dtype == np.float32
    assert_allclose(narrow, lifter.transform(IMAGES), atol=1e-5)
    bright = lifter.transform((IMAGES + 1000).astype(np.float32))
    assert_allclose(bright, narrow, atol=1e-2)
    assert clone(lifter).fit(IMAGES.astype(np.float32)).filters_.dtype == np.float32


def test_random_state():
    for kind in ("kmeans", "random", "pca"):
        lifter = small(filters=kind, n_patches=200)
        first, second = (clone(lifter).fit(IMAGES).filters_ for _ in range(2))
        assert_array_equal(first, second)
        assert (first != clone(lifter).set_params(random_state=1).fit(IMAGES).filters_).all()


def test_blocks_of_rows_change_nothing(small_blocks, no_pooling):
    no_pooling()
    lifter = small().fit(IMAGES)
    expected = lifter.transform(IMAGES)
    small_blocks()
    assert_allclose(lifter.transform(IMAGES), expected, rtol=1e-12, atol=1e-12)


@pytest.fixture(params=[16, 32, 64])
def pooling(request):
    """Return the kernel, set to vectors of some width."""
    kernel = pytest.importorskip(
        "sklearn_koopman.lifting._filtering._pooling", reason="not compiled"
    )
    widest = kernel.vector_bytes()
    if not kernel.use_vectors(request.param):
        pytest.skip("this processor has no such vectors")
    yield kernel
    kernel.use_vectors(widest)


# One place; fewer places than are multiplied together; as many; more.
PLACES = {
    "one place": {"shape": (2, 9, 8), "filter_size": (9, 8), "grid": 1},
    "few": {"shape": (2, 9, 8), "filter_size": (2, 5), "grid": (4, 3)},
    "six across": {"shape": (2, 9, 8), "grid": (2, 3)},
    "not a multiple": {"shape": (9, 16), "filter_size": (3, 4), "grid": (3, 5)},
    "steps": {"shape": (9, 16), "stride": (3, 2)},
    "zeros around": {"shape": (2, 9, 8), "padding": (1, 2), "dilation": (2, 1)},
    "series": {"shape": (144,), "filter_size": 7, "grid": 5, "stride": 3},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("nonlinearity", ["threshold", "proportion", "intensity", "magnitude"])
@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES.keys())
def test_the_kernel_computes_what_numpy_does(places, nonlinearity, dtype, pooling, no_pooling):
    X = IMAGES.astype(dtype)
    # Not a whole number of vectors of any width.
    lifter = small(**places, n_filters=37, filters="random", nonlinearity=nonlinearity).fit(X)
    expected = lifter.transform(X)
    no_pooling()
    found = lifter.transform(X)
    tol = 1e-5 if dtype == np.float32 else 1e-12
    assert_allclose(found, expected, rtol=tol, atol=tol * np.abs(found).max())


def test_the_kernel_refuses_what_does_not_belong_together(pooling):
    good = {
        "images": np.ones((2, 12)),
        "filters": np.ones((2, 8)),
        "offsets": np.ones(8),
        "n_filters": 3,
        "steps": (4, 1),
        "at": np.array([0, 5]),
        "cell_of_line": np.array([0, 1]),
        "cell_of_column": np.array([0, 0, 1]),
        "cell_weights": np.ones((2, 2)),
        "contrast": -1.0,
        "width": 1.0,
        "function": "intensity",
        "is_centred": False,
        "root": False,
        "observables": np.empty((2, 12)),
    }
    pooling.lift(*good.values())
    # Three filters see two numbers, each 1, at one or two columns of a line.
    assert_array_equal(good["observables"][0], np.tile([18.0, 9.0, 18.0, 9.0], 3))
    wrong = {
        "images": np.ones((2, 11)),
        "filters": np.ones((3, 8)),
        "offsets": np.ones(9),
        "n_filters": 9,
        "steps": (-1, 1),
        "at": np.array([0, 6]),
        "cell_of_line": np.array([0, 2]),
        "cell_of_column": np.array([0, -1, 1]),
        "cell_weights": np.ones((2, 1)),
        "function": "threshold",
        "observables": np.empty((2, 13)),
    }
    for name, value in wrong.items():
        with pytest.raises(ValueError):
            pooling.lift(*(good | {name: value}).values())
    with pytest.raises(TypeError):
        pooling.lift(*(good | {"images": np.ones((2, 12), "f2")}).values())


def test_a_student_streams_what_transform_gives():
    X, y = np.tile(DIGITS, (3, 1)), np.tile(Y, 3)
    lifter = small((8, 8), n_filters=16).fit(X)
    expected = EDMDClassifier().fit(lifter.transform(X), y).coef_
    pipeline = make_pipeline(clone(lifter), EDMDClassifier()).fit(X, y)
    assert_allclose(pipeline[-1].coef_, expected, rtol=1e-6, atol=1e-9)
    inside = EDMDClassifier(lifter=clone(lifter)).fit(X, y)
    assert_allclose(inside.coef_, expected, rtol=1e-6, atol=1e-9)


def test_names_say_filter_and_place():
    def names(**settings):
        return list(small(**settings).fit(IMAGES).get_feature_names_out())

    assert names(n_filters=1) == [
        f"f0{s}_{i}_{j}" for s in "+-" for i in (0, 1) for j in (0, 1)
    ]
    series = names(shape=(2, 72), kind="series", n_filters=2, nonlinearity="magnitude")
    assert series == ["f0_0", "f0_1", "f1_0", "f1_1"]


def test_where_nothing_is_given_small_rows_have_small_filters():
    for n_features, size, n_cells in ((3, 3, 1), (6, 5, 2), (40, 5, 4)):
        X = RNG.normal(size=(50, n_features))
        lifter = ConvolutionalLifter(n_filters=2, random_state=0).fit(X)
        assert lifter.filters_.shape == (2, 1, 1, size)
        assert lifter.grid_ == (1, n_cells)
        assert lifter.input_shape_ == (1, 1, n_features)


def test_a_search_over_its_settings_and_products_after_it():
    filters = np.random.default_rng(0).normal(size=(4, 1, 3, 3))
    model = make_pipeline(
        small((8, 8), n_filters=6), PCA(6, random_state=0), MonomialLifter(2), EDMDClassifier()
    )
    grid = {
        "convolutionallifter__filters": ["random", filters],
        "convolutionallifter__grid": [1, (2, 2)],
    }
    search = GridSearchCV(model, grid, cv=2).fit(DIGITS[:500], Y[:500])
    assert search.best_params_["convolutionallifter__grid"] == (2, 2)
    assert search.score(DIGITS[500:], Y[500:]) > 0.75


def test_files_and_forms_on_images():
    pytest.importorskip("skl2onnx")
    torch = pytest.importorskip("torch")
    ort = pytest.importorskip("onnxruntime")
    X = DIGITS.astype(np.float32)
    student = EDMDClassifier(lifter=ConvolutionalLifter((8, 8), random_state=0)).fit(X, Y)
    expected = student.decision_function(X)
    assert_array_equal(pickle.loads(pickle.dumps(student)).decision_function(X), expected)
    graph = to_onnx(student, X[:1])
    assert "Conv" in {node.op_type for node in graph.graph.node}
    session = ort.InferenceSession(graph.SerializeToString())
    label, logits = session.run(None, {"X": X})
    assert_allclose(logits, expected, atol=1e-3)
    assert (label == student.predict(X)).mean() > 0.999
    with torch.no_grad():
        assert_allclose(to_module(student).float()(torch.from_numpy(X)), expected, atol=1e-3)


def test_a_file_of_skops(tmp_path):
    pytest.importorskip("skops")
    student = EDMDClassifier(lifter=small((8, 8))).fit(DIGITS, Y)
    save_student(student, tmp_path / "student.skops")
    loaded = load_student(tmp_path / "student.skops")
    assert_array_equal(loaded.predict(DIGITS), student.predict(DIGITS))


def test_operations():
    X = DIGITS[:50]
    settings = {"shape": (8, 8), "filters": np.ones((3, 1, 3, 3)), "grid": 2}
    found = small(**settings, nonlinearity="intensity").fit(X).operations()
    # 3 filters of 9 numbers at 36 places, and a mean for each of 12 observables
    assert (found.linear, found.nonlinear) == (3 * 9 * 36 + 12, 3 * 36)
    assert found.parameters == 27 + 3
    found = small(**settings).fit(X).operations()
    assert (found.linear, found.nonlinear) == (3 * 9 * 36 + 24, 0)
    found = small(**settings, normalization="contrast").fit(X).operations()
    assert found.nonlinear == 64 + 36 * 10
    assert found.parameters == 31


def test_only_the_filters_that_are_needed_are_computed():
    lifter = small().fit(IMAGES)  # 8 observables for each of 4 filters
    expected = lifter.transform(IMAGES)
    for indices in ([3, 9, 10], list(range(8, 16)), [0, 31], list(range(32))):
        chosen = lifter.chosen(np.array(indices))
        assert_allclose(chosen.transform(IMAGES), expected[:, indices], rtol=1e-12)
        n_filters = len({index // 8 for index in indices})
        convolutions = 18 * 42 * n_filters
        means = 8 * n_filters
        assert chosen.operations().linear == convolutions + means + 2 * 42


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("input_shape", value)
            for value in (72, (0, 144), (2, 9.0, 8), (1, 2, 9, 8), "image")
        ),
        *(("kind", value) for value in ("video", None)),
        *(("n_filters", value) for value in (0, 2.0, None)),
        *(("filters", value) for value in ("patches", None, 3)),
        *(("filter_size", value) for value in (0, (3,), (3, 3, 3), 2.5, "all")),
        *(("stride", value) for value in (0, None, (1, 1, 1))),
        *(("dilation", value) for value in (0, None, (1, 1, 1), 1.5)),
        *(("normalization", value) for value in ("mean", None, True)),
        *(("contrast_floor", value) for value in (0, -1.0, None, np.nan)),
        *(("whitening", value) for value in (-0.1, "zca", np.inf)),
        *(("nonlinearity", value) for value in ("relu", None)),
        *(("threshold", value) for value in (-0.1, None)),
        *(("grid", value) for value in (0, (2, 2, 2), -1)),
        *(("root", value) for value in (1, None)),
        *(("n_patches", value) for value in (0, 1.5)),
    ],
)
def test_invalid_parameters(name, value):
    lifter = small().fit(IMAGES)
    expected, before = lifter.transform(IMAGES), getattr(lifter, name)
    message = f"The '{name}' parameter of ConvolutionalLifter must be"
    with pytest.raises(ValueError, match=message):
        lifter.set_params(**{name: value}).fit(IMAGES)
    lifter.set_params(**{name: before})
    assert_array_equal(lifter.transform(IMAGES), expected)  # the failed fit left it as it was


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (9, 8)}, r"input_shape=\(9, 8\) has 72 numbers, but X has 144 feature"),
        ({"filter_size": (3, 9)}, r"Filters of 3 x 9 are larger than rows of 9 x 8"),
        (
            {"dilation": (1, 4)},
            r"Filters of 3 x 3, dilated to 3 x 9, are .* lower filter_size or dilation",
        ),
        ({"grid": (8, 2)}, r"grid of 8 x 2 has more cells than filters have places, 7 x 6"),
        ({"filters": np.ones((3, 4))}, r"filters of shape \(3, 4\).*channels, height, width"),
        ({"filters": np.full((1, 2, 3, 3), np.nan)}, "finite numbers"),
        ({"filters": np.ones((3, 1, 3, 3))}, r"filters are for 1 channel.*has 2"),
        ({"kind": "image", "shape": None}, "'input_shape' parameter .* a tuple of 2 or 3"),
        ({"kind": "series"}, "'input_shape' parameter .* a tuple of 1 or 2"),
    ],
)
def test_what_does_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings).fit(IMAGES)


def test_networks_without_such_a_convolution():
    torch = pytest.importorskip("torch")
    for layers in (
        [torch.nn.Linear(2, 2)],
        [torch.nn.Conv1d(2, 3, 3), torch.nn.Conv2d(2, 3, 3)],
        [torch.nn.Conv2d(2, 4, 3, groups=2)],
        [torch.nn.Conv2d(2, 4, 3, dilation=2)],
    ):
        with pytest.raises(ValueError, match=r"filters=Sequential: the first convolution must"):
            small(filters=torch.nn.Sequential(*layers)).fit(IMAGES)


def test_more_filters_than_there_are():
    with pytest.warns(UserWarning, match="n_filters=19 is more than the 18 numbers of a patch"):
        assert len(small(n_filters=19, filters="pca").fit(IMAGES).filters_) == 18
    with pytest.warns(
        UserWarning, match="n_filters=50 is more than the 42 patches that are no"
    ):
        assert len(small(n_filters=50, filters="random").fit(IMAGES[:1]).filters_) == 42


def test_what_cannot_fit_in_memory(has_memory):
    with pytest.raises(MemoryError, match=r"n_filters=100000000000000 of n_patches=20000"):
        small(n_filters=10**14).fit(IMAGES)
    lifter = small().fit(IMAGES)
    has_memory(40 * 32 * 8 - 1)
    with pytest.raises(MemoryError, match=r"to 32 observables needs .* GB.*n_filters or grid"):
        lifter.transform(IMAGES)
    with pytest.raises(NotFittedError):
        small().transform(IMAGES)


def test_cost():
    found = cost(small().fit(IMAGES), IMAGES[:1], n_repeats=1)
    assert found.linear == 18 * 42 * 4 + 32 + 2 * 42


def test_a_convolution_costs_what_it_costs_in_a_network():
    torch = pytest.importorskip("torch")
    for convolution, shape, stride in (
        (torch.nn.Conv2d(2, 5, 3), (2, 9, 8), 1),
        (torch.nn.Conv2d(2, 4, (2, 3), stride=(2, 1)), (2, 9, 8), (2, 1)),
        (torch.nn.Conv1d(2, 3, 7, stride=3), (2, 72), 3),
    ):
        network = torch.nn.Sequential(
            torch.nn.Unflatten(1, shape), convolution, torch.nn.Flatten()
        ).double()
        lifter = ConvolutionalLifter(
            shape,
            kind="series" if len(shape) == 2 else "image",
            filters=network,
            stride=stride,
            grid=1,
        ).fit(IMAGES)
        found, of_network = (cost(each, IMAGES[:1], n_repeats=1) for each in (lifter, network))
        # Beside this, the lifter has a factor for each mean.
        assert found.linear - lifter.n_output_features_ == of_network.linear
        assert found.parameters == of_network.parameters
        assert found.nonlinear == 0


def test_a_report_counts_the_convolution_beside_the_teachers():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    X = DIGITS.astype(np.float32) / 16
    teacher = torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, 8, 8)), torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(108, 10),
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):  # the lifter has learnt nothing
        student = make_pipeline(
            small((8, 8), n_filters=6, normalization="none"),
            KoopmanDistilledClassifier(teacher, soft_weight=0.1),
        )
        report = distillation_report(student, X[:300], Y[:300], X_test=X[300:], y_test=Y[300:])
    rows = {row.model: row for row in report.rows}
    assert rows["teacher"].multiplications == 3 * 9 * 36 + 10 * 108
    # Six filters of nine numbers at 36 places, 48 means, and the matrix
    (of_student,) = (row for name, row in rows.items() if "distilled" in name)
    assert of_student.multiplications == 6 * 9 * 36 + 48 + 10 * 48
    assert of_student.nonlinear_multiplications == 0


def test_a_selector_pays_for_the_filters_it_needs():
    lifter = small((8, 8), n_filters=12, normalization="none")
    selector = ObservableSelector(lifter, max_observables=8).fit(DIGITS, Y)
    everything = selector.lifter_.transform(DIGITS)
    for n in (1, 3, 8):
        some = selector.first(n)
        assert_allclose(some.transform(DIGITS), everything[:, some.support_])
        n_filters = some.support_.reshape(12, -1).any(axis=1).sum()
        assert n_filters < 12
        student = make_pipeline(some, EDMDClassifier()).fit(DIGITS, Y)
        found = cost(student, DIGITS[:1], n_repeats=1)
        # All means of a filter are taken.
        assert found.linear == n_filters * (9 * 36 + 8) + 10 * n
        assert found.parameters == n_filters * 10 + 10 * n + 10
    names = selector.get_feature_names_out()
    assert list(names) == list(selector.lifter_.get_feature_names_out()[selector.support_])


@pytest.mark.parametrize(
    ("classifier", "tolerance"),
    [(EDMDClassifier(), 1e-6), (KoopmanDistilledClassifier(soft_weight=0, tol=1e-6), 2e-2)],
)
def test_products_of_pooled_responses_stream(classifier, tolerance):
    steps = [small((8, 8), n_filters=6), PCA(6, random_state=0), MonomialLifter(2)]
    rows = DIGITS
    for step in steps:
        rows = clone(step).fit_transform(rows)
    expected = clone(classifier).fit(rows, Y).decision_function(rows)
    pipeline = make_pipeline(*map(clone, steps), clone(classifier))
    inside = clone(classifier).set_params(lifter=sklearn_pipeline(*map(clone, steps)))
    for student in (pipeline, inside):
        found = student.fit(DIGITS, Y).decision_function(DIGITS)
        assert_allclose(found, expected, atol=tolerance)
    of_steps = [
        cost(step, row, n_repeats=1).multiplications
        for step, row in zip(pipeline, rows_between(pipeline), strict=True)
    ]
    assert cost(pipeline, DIGITS[:1], n_repeats=1).multiplications == sum(of_steps)


def rows_between(pipeline):
    """Return one row in the form that each step of a pipeline takes."""
    rows = [DIGITS[:1]]
    for step in pipeline[:-1]:
        rows.append(step.transform(rows[-1]))
    return rows


# In scikit-learn's pictures: all parameters, or only those that are not the defaults.
SHOWS_PARAMETERS = hasattr(ConvolutionalLifter(), "_get_params_html")

VALUES = {
    "input_shape": [(8, 8), [8, 8], (64,), (1, 8, 8)],
    "kind": ["image", "series"],
    "n_filters": [2, np.int64(3)],
    "filters": [
        "kmeans",
        "pca",
        np.ones((2, 1, 3, 3)),
        [[[[1.0, -1.0]]]],
        np.ones((1, 1, 2, 2), dtype=np.float32),
    ],
    "filter_size": [3, (2, 3), [3, 2], None],
    "stride": [1, (2, 1)],
    "dilation": [1, (1, 1)],
    "padding": [0, (1, 2)],
    "normalization": ["contrast", "none"],
    "contrast_floor": [0.01, 1.0],
    "whitening": [None, 0.0],
    "nonlinearity": ["threshold", "proportion", "intensity", "magnitude"],
    "threshold": [0, 0.5],
    "grid": [1, (2, 3), [3, 2], None],
    "root": [True, np.False_],
    "mirror": [False, True],
    "n_patches": [50, 10**6],
    "random_state": [0, None],
}


def test_every_parameter_has_values():
    assert VALUES.keys() == ConvolutionalLifter().get_params().keys()


@pytest.mark.parametrize("name", VALUES)
def test_searches_and_clones_and_pictures_of_every_parameter(name):
    values = VALUES[name]
    if name == "filters":
        torch = pytest.importorskip("torch")
        values = [*values, torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3))]
    lifter = small((8, 8), n_filters=3, filter_size=None, grid=None)
    search = GridSearchCV(
        make_pipeline(lifter, EDMDClassifier(ridge=0.1)),
        {f"convolutionallifter__{name}": values},
        cv=2,
        error_score="raise",
    ).fit(DIGITS[:60], Y[:60] % 2)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search._repr_html_()
    for value in values:
        again = clone(lifter.set_params(**{name: value}))
        assert repr(again) == repr(lifter)
        assert name in again._repr_html_() or not SHOWS_PARAMETERS
        names = again.fit(DIGITS[:60]).get_feature_names_out()
        assert len(set(names)) == len(names) == again.n_output_features_
        assert again._repr_html_()


def test_data_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(DIGITS[:100], columns=[f"pixel {i}" for i in range(64)])
    lifter = small((8, 8)).set_output(transform="pandas").fit(frame)
    lifted = lifter.transform(frame)
    assert list(lifted.columns) == list(lifter.get_feature_names_out())
    assert_array_equal(lifted, small((8, 8)).fit(DIGITS[:100]).transform(DIGITS[:100]))
    student = EDMDClassifier(lifter=small((8, 8))).fit(frame, Y[:100])
    assert list(student.lifter_.get_feature_names_out()) == list(lifted.columns)
