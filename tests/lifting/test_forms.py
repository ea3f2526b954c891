"""Every form of every dictionary agrees with `transform`, also for a user's own dictionary."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import (
    FeatureUnion,
    make_pipeline as sklearn_pipeline,
    make_union,
)
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_koopman import (
    ActiveSubspace,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    ObservableSelector,
    lifting,
)
from sklearn_koopman.deployment import register_onnx_converters, to_module, to_onnx
from sklearn_koopman.inspection import UncountableError, cost
from sklearn_koopman.lifting import (
    ConvolutionalLifter,
    DelayLifter,
    MonomialLifter,
    Operations,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    PairProducts,
    ProductKernelLifter,
    RBFLifter,
    SupportsChoice,
    SupportsCost,
    SupportsFunction,
    SupportsOnnx,
    SupportsProducts,
    SupportsTorch,
)
from sklearn_koopman.networks import LinearizedNetworkClassifier
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.rows import can_multiply

X = np.random.default_rng(0).normal([0, 1, 2, 3], size=(60, 4))
y = (X[:, 0] * X[:, 1] + X[:, 2] ** 2 > 4).astype(int)


class Neighbours(TransformerMixin, BaseEstimator):
    """Features and products of neighbours: a dictionary as a user may write it."""

    def fit(self, X, y=None):
        validate_data(self, X, dtype=[np.float64, np.float32])
        return self

    def transform(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return np.hstack([X, X[:, :-1] * X[:, 1:]])

    def to_layer(self):
        import torch

        class Layer(torch.nn.Module):
            def forward(self, rows):
                return torch.cat([rows, rows[:, :-1] * rows[:, 1:]], dim=1)

        return Layer()

    def add_to_graph(self, nodes, rows):
        last = self.n_features_in_ - 1
        left = nodes.add("Gather", rows, np.arange(last), axis=1)
        right = nodes.add("Gather", rows, np.arange(1, last + 1), axis=1)
        return nodes.add("Concat", rows, nodes.add("Mul", left, right), axis=1)

    def operations(self):
        return Operations(nonlinear=self.n_features_in_ - 1)

    def pair_products(self):
        p = self.n_features_in_
        terms = [*((i,) for i in range(p)), *((i, i + 1) for i in range(p - 1))]
        return PairProducts.of_terms(terms, p)

    def chosen(self, indices):
        return lifting.ChosenColumns(self, indices)


SETTINGS = {
    MonomialLifter: [{}, {"degree": (2, 3), "include_bias": False}, {"interaction_only": True}],
    OrthogonalPolynomialLifter: [{"degree": 3}, {"family": "legendre", "include_bias": False}],
    RBFLifter: [{"n_centers": 7, "random_state": 0}],
    ConvolutionalLifter: [
        {"filter_size": 2, "n_filters": 3, "random_state": 0, **settings}
        for settings in (
            {},
            {"input_shape": (2, 2), "filters": "pca"},
            {"input_shape": (2, 2), "nonlinearity": "intensity", "root": False, "n_filters": 5},
            {"input_shape": (2, 2), "kind": "series", "grid": 1, "n_filters": 5},
            {"input_shape": (2, 2), "filter_size": (2, 1), "grid": (1, 2), "mirror": True},
            {"input_shape": (2, 2), "padding": (1, 2), "stride": 2, "mirror": True},
            {"nonlinearity": "magnitude", "normalization": "brightness", "filters": "random"},
            {"filters": np.array([[[1.0, -2.0]], [[0.5, 1.0]]]), "threshold": 0.1},
            {"dilation": 2, "nonlinearity": "proportion", "threshold": 0.1},
        )
    ],
    DelayLifter: [{}, {"n_delays": 1}, {"n_delays": 2, "state_size": 2}],
    OpticalLifter: [
        {"n_components": 6, "random_state": 0, "nonlinearity": nonlinearity}
        for nonlinearity in ("intensity", "cosine", "saturable_absorption")
    ],
    ProductKernelLifter: [
        {"n_landmarks": 9, "random_state": 0, "feature_map": kind, "degree": degree}
        for kind, degree in (("monomial", 1), ("monomial", 3), ("legendre", 3))
    ]
    + [{"n_landmarks": 9, "random_state": 0, "degree": 2}],
}
OWN = [
    getattr(lifting, name)
    for name in lifting.__all__
    if issubclass(getattr(lifting, name), BaseEstimator)
]
DICTIONARIES = [kind(**settings) for kind in OWN for settings in SETTINGS.get(kind, [{}])]
OTHERS = [
    ActiveSubspace(FrozenEstimator(LogisticRegression().fit(X, y)), 3),
    ObservableSelector(max_observables=3),
    ObservableSelector(MonomialLifter(3), max_observables=8),
    ObservableSelector(sklearn_pipeline(PCA(3), MonomialLifter(2)), max_observables=5),
    ObservableSelector(make_union(MonomialLifter(2), RBFLifter(9)), max_observables=9),
    ObservableSelector(Neighbours(), max_observables=3),
    Neighbours(),
]
EVERYTHING = [*DICTIONARIES, *OTHERS]


def fitted(transformer):
    return clone(transformer).fit(X, y)


def multiplied(X, products):
    """Return the observables of rows, computed through the table of their products."""
    rows = [np.ones(len(X)), *X.T]
    for left, right in products.lower:
        rows.append(rows[left] * rows[right])
    left, right = products.observables.T
    table = np.array(rows)
    return (table[left] * table[right]).T


def run_onnx(model, rows):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": rows})


def run_torch(module, rows):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return module(torch.from_numpy(rows)).numpy()


def of_protocol(protocol):
    claim = [each for each in EVERYTHING if isinstance(each, protocol)]
    return pytest.mark.parametrize("transformer", claim, ids=repr)


def test_every_dictionary_of_this_package_has_the_forms_that_students_are_deployed_in():
    for dictionary in DICTIONARIES:
        assert isinstance(dictionary, SupportsTorch)
        assert isinstance(dictionary, SupportsOnnx)
        assert isinstance(dictionary, SupportsCost)
        assert isinstance(dictionary, SupportsFunction)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@of_protocol(SupportsFunction)
def test_function(transformer, dtype):
    transformer = fitted(transformer)
    rows = X.astype(dtype)
    found = transformer.to_function(np.dtype(dtype))(rows)
    assert found.dtype == dtype
    assert_array_equal(rows, X.astype(dtype))
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    assert_allclose(found, transformer.transform(rows), rtol=tolerance, atol=tolerance)


@of_protocol(SupportsTorch)
def test_layer(transformer):
    pytest.importorskip("torch")
    transformer = fitted(transformer)
    found = run_torch(transformer.to_layer(), X)
    assert found.dtype == np.float64
    assert_allclose(found, transformer.transform(X), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@of_protocol(SupportsOnnx)
def test_graph(transformer, dtype):
    pytest.importorskip("skl2onnx")
    transformer = fitted(transformer)
    (found,) = run_onnx(to_onnx(transformer, X[:1].astype(dtype)), X.astype(dtype))
    assert found.dtype == dtype
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    assert_allclose(found, transformer.transform(X), rtol=tolerance, atol=tolerance)


@of_protocol(SupportsProducts)
def test_products(transformer):
    transformer = fitted(transformer)
    products = transformer.pair_products()
    if products is not None:  # a selector knows them after its choice
        assert_allclose(multiplied(X, products), transformer.transform(X), rtol=1e-12)


@of_protocol(SupportsChoice)
def test_choice(transformer):
    transformer = fitted(transformer)
    expected = transformer.transform(X)
    for indices in ([0], [1, 4], range(expected.shape[1])):
        indices = np.array(indices)
        some = transformer.chosen(indices)
        assert_allclose(some.transform(X), expected[:, indices], rtol=1e-10, atol=1e-10)
        assert some.operations().nonlinear <= transformer.operations().nonlinear


@of_protocol(SupportsCost)
def test_cost(transformer):
    transformer = fitted(transformer)
    operations, found = transformer.operations(), cost(transformer, X[:1], n_repeats=1)
    assert isinstance(operations, Operations)
    assert (found.parameters, found.bytes, found.linear, found.nonlinear) == (
        operations.parameters,
        operations.bytes,
        operations.linear,
        operations.nonlinear,
    )
    assert operations.bytes == 8 * operations.parameters  # all were fitted to float64


@pytest.mark.parametrize("form", ["to_layer", "add_to_graph", "operations", "pair_products"])
@pytest.mark.parametrize("transformer", DICTIONARIES + OTHERS[:2], ids=repr)
def test_an_unfitted_one_has_no_form(transformer, form):
    pytest.importorskip("torch")
    if hasattr(transformer, form):
        with pytest.raises(NotFittedError):
            getattr(transformer, form)(*(None, None) if form == "add_to_graph" else ())


class TestOwnDictionary:
    """A user's own dictionary works wherever one of this package does."""

    lifters = pytest.mark.parametrize(
        "lifter",
        [
            Neighbours(),
            sklearn_pipeline(PCA(3), Neighbours()),
            sklearn_pipeline(
                FrozenEstimator(PCA(3).fit(X)), FrozenEstimator(Neighbours().fit(X[:, :3]))
            ),
            make_union(Neighbours(), RBFLifter(5, random_state=0)),
            FeatureUnion(
                [("a", Neighbours()), ("b", sklearn_pipeline(PCA(3), Neighbours()))],
                transformer_weights={"a": 0.5},
            ),
            ObservableSelector(Neighbours(), max_observables=4),
            ObservableSelector(make_union(Neighbours(), MonomialLifter(2)), max_observables=9),
        ],
        ids=repr,
    )

    @lifters
    def test_inside_of_a_student(self, lifter):
        pytest.importorskip("torch")
        pytest.importorskip("skl2onnx")
        student = EDMDClassifier(lifter=lifter).fit(X, y)
        expected = student.decision_function(X)
        logits = run_onnx(to_onnx(student, X[:1]), X)[1]
        assert_allclose(logits[:, 1] - logits[:, 0], expected, atol=1e-10)
        logits = run_torch(to_module(student), X)
        assert_allclose(logits[:, 1] - logits[:, 0], expected, atol=1e-10)
        assert cost(student, X[:1], n_repeats=1).nonlinear > 0

    @pytest.mark.parametrize("last", [EDMDClassifier(), LogisticRegression()], ids=repr)
    @pytest.mark.parametrize(
        "steps",
        [[Neighbours()], [PCA(3), Neighbours()], [make_union(Neighbours(), PCA(2))]],
        ids=repr,
    )
    def test_as_steps_of_a_pipeline(self, steps, last):
        pytest.importorskip("skl2onnx")
        for make in (make_pipeline, sklearn_pipeline):
            model = make(*(clone(step) for step in steps), clone(last)).fit(X, y)
            label, _ = run_onnx(to_onnx(model, X[:1]), X)
            assert_array_equal(label, model.predict(X))

    def test_skl2onnx_itself_knows_it_when_told(self):
        skl2onnx = pytest.importorskip("skl2onnx")
        model = sklearn_pipeline(Neighbours(), LogisticRegression()).fit(X, y)
        register_onnx_converters(Neighbours)
        graph = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False}, target_opset=18)
        assert_array_equal(run_onnx(graph, X)[0], model.predict(X))

    def test_on_a_device(self):
        pytest.importorskip("torch")
        settings = {"soft_weight": 0, "lifter": sklearn_pipeline(PCA(3), Neighbours())}
        here = KoopmanDistilledClassifier(**settings).fit(X, y)
        there = KoopmanDistilledClassifier(**settings, device="cpu").fit(X, y)
        assert_allclose(there.coef_, here.coef_, rtol=1e-5, atol=1e-8)

    def test_within_a_network(self):
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)
        ).double()
        student = LinearizedNetworkClassifier(net, "1", lifter=Neighbours()).fit(X, y)
        found = run_torch(student.to_module(), X)
        assert_allclose(found.argmax(axis=1), student.predict(X))
        assert cost(student, X[:1], n_repeats=1).nonlinear == 4

    def test_its_products_are_multiplied_where_they_are_summed(self):
        if not can_multiply():
            pytest.skip("the kernel has not been compiled")
        lifted = []

        class Watched(Neighbours):
            def transform(self, X):
                lifted.append(len(X))
                return super().transform(X)

        rows, labels = np.tile(X, (20, 1)), np.tile(y, 20)
        by_function = FunctionTransformer(Neighbours().fit(X).transform)
        expected = EDMDClassifier(lifter=by_function).fit(rows, labels).coef_
        student = EDMDClassifier(lifter=Watched()).fit(rows, labels)
        assert_allclose(student.coef_, expected, rtol=1e-8)
        pipeline = make_pipeline(Watched(), EDMDClassifier()).fit(rows, labels)
        assert_allclose(pipeline[-1].coef_, expected, rtol=1e-8)
        assert sum(lifted) < len(X)


def test_products_of_terms():
    terms = [(2, 0), (), (1,), (0, 0, 3), (0, 2), (3, 3, 3, 3)]
    expected = np.column_stack([X[:, list(term)].prod(axis=1) for term in terms])
    found = multiplied(X, PairProducts.of_terms(terms, n_features=4))
    assert_allclose(found, expected, rtol=1e-12)


def test_a_dictionary_may_be_made_of_others():
    pytest.importorskip("skl2onnx")

    class Scores(Neighbours):
        def fit(self, X, y=None):
            self.pca_ = PCA(2).fit(X)
            return super().fit(X)

        def transform(self, X):
            return self.pca_.transform(X)

        def add_to_graph(self, nodes, rows):
            return nodes.add_transformer(self.pca_, rows)

    transformer = Scores().fit(X)
    (found,) = run_onnx(to_onnx(transformer, X[:1]), X)
    assert_allclose(found, transformer.transform(X), atol=1e-10)


def test_without_methods_there_are_no_forms():
    class Plain(TransformerMixin, BaseEstimator):
        fit, transform = Neighbours.fit, Neighbours.transform

    student = EDMDClassifier(lifter=Plain()).fit(X, y)
    assert not isinstance(Plain(), SupportsTorch | SupportsOnnx | SupportsCost)
    with pytest.raises(TypeError, match=r"Plain has no form in torch.*method to_layer"):
        to_module(student)
    with pytest.raises(RuntimeError, match="Plain"):
        to_onnx(student, X[:1])
    with pytest.raises(UncountableError, match=r"Plain are not known.*method operations"):
        cost(student, X[:1])


def test_a_fault_in_a_layer_is_no_lack_of_one():
    class Faulty(Neighbours):
        def to_layer(self):
            raise TypeError("a fault of the user's")

    with pytest.raises(TypeError, match="a fault of the user's"):
        KoopmanDistilledClassifier(soft_weight=0, lifter=Faulty(), device="cpu").fit(X, y)
