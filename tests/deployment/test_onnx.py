import os
import subprocess
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline as sklearn_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from sklearn_koopman import (
    DistilledTreeClassifier,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
    OrthogonalPolynomialLifter,
    RBFLifter,
)
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.deployment import register_onnx_converters, to_onnx
from sklearn_koopman.lifting import DelayLifter
from sklearn_koopman.networks import LinearizedNetworkClassifier
from sklearn_koopman.pipeline import make_pipeline

from .helpers import TEACHER, UNION, X, names, y


def run(model, rows):
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": rows})


def scores(estimator, rows):
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(rows)
    return estimator.decision_function(rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_labels_and_scores_are_those_of_the_student(student, dtype):
    model = to_onnx(student, X[:1].astype(dtype))
    assert [output.name for output in model.graph.output] == ["label", "probabilities"]
    label, found = run(model, X.astype(dtype))
    assert_array_equal(label, student.predict(X))
    assert label.dtype == np.int64
    assert found.dtype == dtype
    assert_allclose(found, scores(student, X), atol=1e-5)
    assert_allclose(run(model, X[:1].astype(dtype))[1], found[:1], atol=1e-6)  # any row count


@pytest.mark.parametrize(
    "settings",
    [
        {"degree": 1},
        {"degree": 1, "include_bias": False},
        {"degree": 4},
        {"degree": (3, 4), "interaction_only": True},
        {"degree": (1, 3), "order": "C"},
    ],
    ids=str,
)
def test_monomials_are_few_nodes(settings):
    lifter = MonomialLifter(**settings).fit(X[:, 18:28])
    model = to_onnx(lifter, X[:1, 18:28])
    (found,) = run(model, X[:, 18:28])
    assert_allclose(found, lifter.transform(X[:, 18:28]), rtol=1e-5, atol=1e-7)
    top = settings["degree"] if np.ndim(settings["degree"]) == 0 else settings["degree"][1]
    assert len(model.graph.node) <= 3 * (top - 1) + 3


LIFTERS = [
    OrthogonalPolynomialLifter(3),
    OrthogonalPolynomialLifter(1, include_bias=False),
    OrthogonalPolynomialLifter(4, family="legendre"),
    OrthogonalPolynomialLifter(3, family="chebyshev", scale_inputs=False, include_bias=False),
    RBFLifter(20, random_state=0),
    DelayLifter(2, state_size=5),
    DelayLifter(1),
    FeatureUnion(
        [("a", MonomialLifter(3)), ("b", "passthrough")], transformer_weights={"a": 2}
    ),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "lifter",
    [
        *LIFTERS,
        *(
            ObservableSelector(lifter, max_observables=12)
            for lifter in (
                None,
                MonomialLifter(1),
                MonomialLifter((2, 3), include_bias=False),
                FrozenEstimator(MonomialLifter(3).fit(X[:, 18:28])),
                sklearn_pipeline(PCA(4), MonomialLifter(2)),
                UNION,
                clone(UNION).set_params(transformer_weights=None),
                *LIFTERS,
            )
        ),
    ],
    ids=repr,
)
def test_every_dictionary(lifter, dtype):
    rows = X[:, 18:28].astype(dtype)
    lifter.fit(rows, y)
    model = to_onnx(sklearn_pipeline(lifter), rows[:1])
    (found,) = run(model, rows)
    assert found.dtype == dtype
    atol = 1e-12 if dtype == np.float64 else 1e-5
    assert_allclose(found, lifter.transform(rows), rtol=atol, atol=atol)


@pytest.mark.parametrize("kind", [MonomialLifter, OrthogonalPolynomialLifter])
def test_only_chosen_products_are_computed(kind):
    lifter = kind(4).fit(X[:, 18:28])
    selector = ObservableSelector(FrozenEstimator(lifter), max_observables=12)
    selector.fit(X[:, 18:28], y)
    model = to_onnx(selector, X[:1, 18:28])
    assert len(model.graph.node) < 30
    integers = onnx.TensorProto.INT64
    tables = [array.dims for array in model.graph.initializer if array.data_type == integers]
    # Two factors of each product, the places of the chosen products, and a few numbers for ones.
    of_features = 0 if kind is MonomialLifter else 10 * 3  # coefficients of the polynomials
    n_products = selector.operations().nonlinear - of_features
    assert n_products < 40 < lifter.n_output_features_ / 20
    assert sum(np.prod(dims) for dims in tables) <= 2 * n_products + 12 + 10


def test_gaussians_far_from_the_origin_in_single_precision():
    rows = X + np.float32(1000)
    lifter = RBFLifter(20, random_state=0).fit(rows)
    (found,) = run(to_onnx(lifter, rows), rows)
    assert_allclose(found, lifter.transform(rows), atol=1e-3)


def test_logits_on_request():
    student = KoopmanDistilledClassifier(TEACHER).fit(X, y)
    for estimator in (student, sklearn_pipeline("passthrough", student)):
        _, logits = run(to_onnx(estimator, X, raw_scores=True), X)
        assert_allclose(logits, student.decision_function(X), atol=1e-5)


@pytest.mark.parametrize("kind", [EDMDClassifier(), KoopmanDistilledClassifier(soft_weight=0)])
def test_two_classes_have_two_columns(kind):
    student = kind.fit(X, y > 4)
    label, found = run(to_onnx(student, X, raw_scores=True), X)
    assert_array_equal(label.astype(bool), student.predict(X))
    assert_allclose(found[:, 1] - found[:, 0], student.decision_function(X), atol=1e-5)


def test_string_labels():
    student = make_pipeline(PCA(5), EDMDClassifier(lifter=MonomialLifter(2))).fit(X, names)
    label, _ = run(to_onnx(student, X), X)
    assert_array_equal(label, student.predict(X))
    floats = EDMDClassifier().fit(X, y.astype(float))
    with pytest.raises(TypeError, match="Classes of dtype float64 have no form in ONNX"):
        to_onnx(floats, X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distilled_tree(dtype):
    tree = DistilledTreeClassifier(TEACHER, max_depth=3, beam_width=20, random_state=0)
    tree.fit(X, y)
    for estimator in (tree, sklearn_pipeline("passthrough", tree)):
        label, found = run(to_onnx(estimator, X.astype(dtype)), X.astype(dtype))
        assert_array_equal(label, tree.predict(X))
        assert_allclose(found, tree.predict_proba(X), atol=1e-6)


def test_what_is_not_of_this_package_is_left_to_skl2onnx():
    model = sklearn_pipeline(
        FrozenEstimator(PCA(5).fit(X)), MonomialLifter(2), LogisticRegression(max_iter=1000)
    ).fit(X, y)
    label, found = run(to_onnx(model, X), X)
    assert np.mean(label == model.predict(X)) > 0.999
    assert_allclose(found, model.predict_proba(X), atol=1e-5)


def test_skl2onnx_itself_knows_the_students():
    student = make_pipeline(PCA(5), MonomialLifter(2), EDMDClassifier()).fit(X, y)
    register_onnx_converters()
    register_onnx_converters()
    model = skl2onnx.to_onnx(student, X[:1], options={"zipmap": False}, target_opset=18)
    assert_array_equal(run(model, X)[0], student.predict(X))


def test_a_teacher_is_no_part_of_the_graph():
    student = KoopmanDistilledClassifier(lambda rows: 4 * rows[:, :10]).fit(X, y)
    assert len(to_onnx(student, X).SerializeToString()) < 10 * student.coef_.nbytes


def test_errors():
    student = EDMDClassifier()
    with pytest.raises(NotFittedError):
        to_onnx(student, X)
    with pytest.raises(TypeError, match=r"X_sample has dtype int64, .*astype\(np.float32\)"):
        to_onnx(student.fit(X, y), np.zeros((1, 64), dtype=int))

    class Mine(Nystroem):
        pass

    unknown = sklearn_pipeline(Mine(n_components=5), EDMDClassifier()).fit(X, y)
    with pytest.raises(RuntimeError, match="Mine"):
        to_onnx(unknown, X)


def test_a_linearised_network_is_exported_by_torch(tmp_path):
    torch = pytest.importorskip("torch")
    teacher = MLPClassifier((16, 16), max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = LinearizedNetworkClassifier(
            teacher, "activation1", lifter=MonomialLifter(2), ridge=1e-3
        ).fit(X, y)
    for estimator in (network, sklearn_pipeline("passthrough", network)):
        with pytest.raises(TypeError, match=r"to_onnx: .* to_module\(\) .*torch.onnx.export"):
            to_onnx(estimator, X)
    # The advice of the message works.
    module, rows = network.to_module(), torch.from_numpy(X)
    file = tmp_path / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(module, (rows,), file, input_names=["X"], dynamo=False)
    (found,) = run(onnx.load(file), X)
    assert_allclose(found, network.decision_function(X), atol=1e-4)


def test_without_skl2onnx_the_extra_is_named():
    code = (
        "import sys; sys.modules['skl2onnx'] = None\n"
        "from sklearn_koopman.deployment import to_onnx\n"
        "try: to_onnx(None, None)\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "sklearn-koopman[onnx]"' in done.stdout


@pytest.mark.parametrize("degree", [2, 3])
def test_ten_thousand_digits(degree):
    if not os.environ.get("SKLEARN_KOOPMAN_DATA"):
        pytest.skip("SKLEARN_KOOPMAN_DATA, the folder of image data, is not set")
    train, labels = fetch_mnist("train", return_X_y=True, download_if_missing=False)
    rows, _ = fetch_mnist("test", return_X_y=True, download_if_missing=False)
    student = KoopmanDistilledClassifier(
        soft_weight=0.0,
        max_iter=20,
        tol=1e-3,
        lifter=sklearn_pipeline(PCA(15, random_state=0), MonomialLifter(degree)),
    ).fit(train[:5000], labels[:5000])
    label, found = run(to_onnx(student, rows[:1]), rows)
    assert_array_equal(label, student.predict(rows))
    assert_allclose(found, student.predict_proba(rows), atol=1e-5)


COLUMNS = {
    "lists": [("a", StandardScaler(), [0, 2]), ("b", "passthrough", [1]), ("c", "drop", [3])],
    "slices": [("a", StandardScaler(), slice(1, 3)), ("b", "passthrough", slice(-1, None))],
    "masks": [("a", PCA(1), np.arange(64) < 3), ("none", StandardScaler(), [])],
    "negative": [("a", StandardScaler(), [-1, 0]), ("one", "passthrough", [5])],
    "nested": [("a", sklearn_pipeline(StandardScaler(), MonomialLifter(2)), [0, 1])],
}


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("settings", [{}, {"transformer_weights": {"a": 2.0}}])
@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
def test_columns_of_a_lifter(columns, settings, remainder):
    rows = X[:200, 20:26].astype(np.float64)
    columns = [
        (name, step, place[:6] if isinstance(place, np.ndarray) else place)
        for name, step, place in columns
    ]
    transformer = ColumnTransformer(columns, remainder=remainder, **settings)
    student = EDMDClassifier(lifter=sklearn_pipeline(transformer, MonomialLifter(1)))
    student.fit(rows, y[:200])
    _, found = run(to_onnx(student, rows[:1]), rows)
    assert_allclose(found, student.decision_function(rows), atol=1e-9)


def test_a_step_without_a_converter_is_named():
    student = EDMDClassifier(lifter=SplineTransformer(n_knots=3)).fit(X[:, 20:23], y)
    with pytest.raises(RuntimeError, match=r"one of SplineTransformer.*add_to_graph"):
        to_onnx(student, X[:1, 20:23])
