import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline as sklearn_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC

from sklearn_koopman import (
    DelayLifter,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
    SquaredProjectionLifter,
    TensorTrainClassifier,
)
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.inspection import UncountableError, cost
from sklearn_koopman.lifting import Operations, ProductKernelLifter
from sklearn_koopman.networks import LinearizedNetworkClassifier
from sklearn_koopman.pipeline import Pipeline, make_pipeline
from sklearn_koopman.teachers import TorchTeacher, as_teacher

X, y = load_iris(return_X_y=True)


def operations(estimator, row):
    found = cost(estimator, row, n_repeats=1)
    return Operations(found.parameters, found.linear, found.nonlinear, found.bytes)


def count(estimator):
    return operations(estimator.fit(X, y), X[:1])


def test_operations_add_up():
    total = Operations(1, 2, 3) + Operations(10, 20, 30)
    assert total == Operations(11, 22, 33)
    assert total.multiplications == 55


def test_tensor_train():
    train = TensorTrainClassifier(loss="squared_error", rank=3, degree=2, max_iter=1)
    # cores (1, 3, 3), (3, 3, 3), (3, 3, 3, 3), (3, 3, 1)
    cores = 9 + 27 + 81 + 9
    products = 3 + 9 + 9 + 3  # of environments and features
    classes = 3 * 3
    assert count(train) == Operations(cores + 3 + 8, cores + 4, products + classes + 4)
    reduced = train.set_params(lifter=PCA(4))
    expected = count(PCA(4)) + Operations(cores + 3 + 8, cores + 4, products + classes + 4)
    assert count(reduced) == expected


def test_compressed_student():
    student = EDMDClassifier(lifter=sklearn_pipeline(PCA(3), MonomialLifter(2))).fit(X, y)
    train = CompressedStudent(student, rank=2)
    cores = 4 * 2 + 2 * 4 * 3
    nonlinear = 4 + 2 * 4 + 3  # products with features, and the classes with the empty right
    assert count(train) == count(PCA(3)) + Operations(cores + 3 + 3, cores + 3, nonlinear)


@pytest.mark.parametrize(
    ("estimator", "parameters", "linear"),
    [
        (PCA(2), 2 * 4 + 4, 8),
        (PCA(2, whiten=True), 2 * 4 + 4 + 2, 10),
        (IncrementalPCA(3), 3 * 4 + 4, 12),
        (TruncatedSVD(2, random_state=0), 8, 8),
        (StandardScaler(), 8, 4),
        (StandardScaler(with_mean=False), 4, 4),
        (StandardScaler(with_std=False), 4, 0),
        (RobustScaler(), 8, 4),
        (RobustScaler(with_centering=False), 4, 4),
        (MinMaxScaler(), 8, 4),
        (MaxAbsScaler(), 4, 4),
        (VarianceThreshold(), 0, 0),
        (RBFSampler(n_components=6, random_state=0), 4 * 6 + 6, 4 * 6),
        (LogisticRegression(max_iter=1000), 15, 12),
        (FrozenEstimator(LogisticRegression(max_iter=1000).fit(X, y)), 15, 12),
        (EDMDClassifier(), 15, 12),
        (KoopmanDistilledClassifier(soft_weight=0), 15, 12),
        (
            MLPClassifier((5, 7), max_iter=1, random_state=0),
            4 * 5 + 5 + 5 * 7 + 7 + 7 * 3 + 3,
            4 * 5 + 5 * 7 + 7 * 3,
        ),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_linear_parts(estimator, parameters, linear):
    assert count(estimator) == Operations(parameters, linear, 0)


@pytest.mark.parametrize("lifter_of", [MonomialLifter, PolynomialFeatures])
@pytest.mark.parametrize(
    ("settings", "nonlinear"),
    [
        ({"degree": 1}, 0),
        ({"degree": 2}, 10),
        ({"degree": 3}, 10 + 20),
        ({"degree": (3, 3)}, 10 + 20),  # products of degree 2 are computed on the way
        ({"degree": 2, "include_bias": False}, 10),
        ({"degree": 2, "interaction_only": True}, 6),
        ({"degree": 9, "interaction_only": True}, 6 + 4 + 1),
    ],
)
def test_every_monomial_is_one_product(lifter_of, settings, nonlinear):
    assert count(lifter_of(**settings)) == Operations(0, 0, nonlinear)


def test_a_constant_costs_nothing():
    assert count(PolynomialFeatures(0)) == Operations()


def test_monomials_are_those_of_the_lifter_of_the_students():
    lifter = MonomialLifter(4).fit(X)
    assert count(lifter).nonlinear == (lifter.powers_.sum(axis=1) >= 2).sum()


@pytest.mark.parametrize(
    ("lifter", "parameters", "linear", "nonlinear"),
    [
        # 4 features to scale; polynomials of degree 2 and 3 for each; products of two or three.
        (OrthogonalPolynomialLifter(1), 8, 4, 0),
        (OrthogonalPolynomialLifter(2), 8, 4 + 8, 4 + 6),
        (OrthogonalPolynomialLifter(3, include_bias=False), 8, 4 + 16, 8 + 6 + 12 + 4),
        (RBFLifter(5, random_state=0), 5 * 4 + 1, 5, 5 * 4),
        (DelayLifter(2), 0, 0, 0),
    ],
    ids=repr,
)
def test_dictionaries(lifter, parameters, linear, nonlinear):
    assert count(lifter) == Operations(parameters, linear, nonlinear)


def test_a_selector_costs_what_its_choice_costs():
    rows = np.random.default_rng(0).normal(size=(200, 4))
    targets = np.column_stack([rows[:, 0] * rows[:, 1], rows[:, 0] * rows[:, 1] * rows[:, 2]])
    selector = ObservableSelector(MonomialLifter(3), max_observables=2).fit(rows, targets)
    assert set(selector.get_feature_names_out()) == {"x0 x1", "x0 x1 x2"}
    assert operations(selector, rows[:1]) == Operations(0, 0, 2)
    # Other transformers compute all observables.
    selector.set_params(lifter=PolynomialFeatures(3)).fit(rows, targets)
    assert operations(selector, rows[:1]) == Operations(0, 0, 10 + 20)
    orthogonal = OrthogonalPolynomialLifter(3, scale_inputs=False)
    selector.set_params(lifter=orthogonal).fit(rows, targets)
    assert operations(selector, rows[:1]) == Operations(8, 4 + 16, 8 + 2)
    selector = ObservableSelector(max_observables=2).fit(X, y)
    assert operations(selector, X[:1]) == Operations()


def test_lifter_inside_and_pipeline_outside_cost_the_same():
    inside = EDMDClassifier(lifter=sklearn_pipeline(PCA(3), MonomialLifter(2)))
    outside = make_pipeline(PCA(3), MonomialLifter(2), EDMDClassifier())
    nested = make_pipeline(
        sklearn_pipeline("passthrough", PCA(3)),
        "passthrough",
        sklearn_pipeline(MonomialLifter(2), EDMDClassifier()),
    )
    expected = Operations(3 * 4 + 4 + 3 * 10 + 3, 3 * 4 + 3 * 10, 6)
    assert count(inside) == count(outside) == count(nested) == expected


def test_rows_of_a_pipeline_are_transformed_on_the_way():
    torch = pytest.importorskip("torch")
    # The wide module would fail on the four features of the raw row.
    teacher = FrozenEstimator(LogisticRegression(max_iter=1000).fit(PCA(2).fit_transform(X), y))
    assert count(sklearn_pipeline(PCA(2), teacher)).linear == 8 + 6
    assert operations(torch.nn.Linear(2, 3), PCA(2).fit_transform(X)[:1]).linear == 6


def test_data_frames_and_searches():
    pytest.importorskip("pandas")
    frame = load_iris(as_frame=True).data
    model = make_pipeline(PCA(2), MonomialLifter(2), EDMDClassifier())
    search = GridSearchCV(model, {"edmdclassifier__ridge": [1e-3]}).fit(frame, y)
    assert operations(search, frame[:1]) == Operations(12 + 21, 8 + 18, 3)


class TestTorch:
    torch = pytest.importorskip("torch")

    def test_linear_layers(self):
        module = self.torch.nn.Sequential(
            self.torch.nn.Linear(4, 5),
            self.torch.nn.ReLU(),
            self.torch.nn.Linear(5, 3, bias=False),
        )
        expected = Operations(4 * 5 + 5 + 5 * 3, 4 * 5 + 5 * 3, 0)
        assert operations(module, X[:1]) == expected
        assert operations(as_teacher(module), X[:1]) == expected
        assert operations(module, X) == expected  # for one row, however many there are
        assert not any(layer._forward_hooks for layer in module.modules())

    def test_convolutions(self):
        nn = self.torch.nn
        module = nn.Sequential(
            nn.Conv2d(2, 6, 3, groups=2), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(6 * 4, 3)
        ).train()
        teacher = TorchTeacher(module, input_shape=(2, 4, 4))
        found = operations(teacher, np.zeros((1, 32)))
        convolution = 6 * 2 * 2 * (1 * 3 * 3)
        assert found.linear == convolution + 24 * 3
        assert found.parameters == (6 * 9 + 6) + 2 * 6 + (24 * 3 + 3)
        assert module.training

    def test_a_layer_that_runs_twice_multiplies_twice(self):
        layer = self.torch.nn.Linear(4, 4)
        module = self.torch.nn.Sequential(layer, layer)
        assert operations(module, X[:1]) == Operations(20, 32, 0)

    def test_products_outside_of_layers_count(self):
        torch = self.torch

        class Attention(torch.nn.Module):
            def forward(self, x):
                tokens = x.reshape(-1, 1, 2, 2)
                mixed = torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
                return mixed.reshape(-1, 4) @ torch.ones(4, 3)

        assert operations(Attention(), X[:1]).linear == 2 * 2 * 2 * 2 + 12

    def test_an_error_of_the_module_is_raised(self):
        module = self.torch.nn.Sequential(self.torch.nn.Linear(5, 3))
        with pytest.raises(ValueError, match="failed on input"):
            operations(module, X[:1])

    def test_cached_teacher_is_counted(self, tmp_path):
        teacher = TorchTeacher(self.torch.nn.Linear(4, 3), memory=tmp_path)
        teacher(X[:1])
        assert operations(teacher, X[:1]) == Operations(15, 12, 0)
        assert teacher.memory == tmp_path

    def test_skorch_net(self):
        skorch = pytest.importorskip("skorch")
        net = skorch.NeuralNetClassifier(
            self.torch.nn.Linear(4, 3),
            criterion=self.torch.nn.CrossEntropyLoss,
            max_epochs=1,
            train_split=None,
            verbose=0,
        ).fit(X.astype(np.float32), y)
        assert operations(net, X[:1]) == Operations(15, 12, 0)
        assert operations(as_teacher(FrozenEstimator(net)), X[:1]).linear == 12


def test_teachers_are_counted_by_what_they_hold():
    model = LogisticRegression(max_iter=1000).fit(X, y)
    for teacher in (as_teacher(model).fit(X, y), as_teacher(model.predict_proba)):
        assert operations(teacher, X[:1]) == Operations(15, 12, 0)


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5),
        SVC(kernel="linear"),
        make_pipeline(PCA(2), RandomForestClassifier(5)),
    ],
    ids=repr,
)
def test_what_is_not_known_is_said(estimator):
    with pytest.raises(UncountableError, match=r"(Forest.*|SVC) are not known"):
        count(estimator)


def test_functions_are_not_known():
    with pytest.raises(UncountableError, match="function are not known"):
        operations(as_teacher(lambda rows: rows[:, :3]), X[:1])


@pytest.mark.parametrize("estimator", [EDMDClassifier(), PCA(), Pipeline([("pca", PCA())])])
def test_needs_a_fitted_model(estimator):
    with pytest.raises(NotFittedError):
        operations(estimator, X[:1])


@pytest.mark.parametrize(
    ("nonlinearity", "expected"),
    [
        ("cosine", Operations(4 * 7 + 7, 4 * 7, 0)),
        ("intensity", Operations(2 * (4 * 7 + 7), 2 * 4 * 7, 2 * 7)),
        ("saturable_absorption", Operations(2 * (4 * 7 + 7), 2 * 4 * 7, 3 * 7)),
    ],
)
def test_optical_observables(nonlinearity, expected):
    assert count(OpticalLifter(7, nonlinearity=nonlinearity)) == expected


def test_squares_of_projections():
    assert count(SquaredProjectionLifter(np.ones((7, 4)))) == Operations(4 * 7, 4 * 7, 7)


def test_gaussians_of_landmarks():
    landmarks = Nystroem(gamma=0.1, n_components=5, random_state=0)
    assert count(landmarks) == Operations(5 * 4 + 1 + 5 * 5, 5 + 5 * 5, 5 * 4)
    with pytest.raises(UncountableError, match="kernel='poly'"):
        count(Nystroem(kernel="poly", n_components=5, random_state=0))


@pytest.mark.parametrize(("degree", "n_features"), [(1, 2), (2, 4)])
def test_product_kernel(degree, n_features):
    lifter = ProductKernelLifter(degree=degree, n_landmarks=6, random_state=0)
    expected = Operations(
        parameters=2 * 4 + 6 * 4 + 6 * 6,
        linear=4 + 6 * 4 * n_features + 6 * 6,
        nonlinear=4 * (degree - 1) + 6 * 3,
    )
    assert count(lifter) == expected


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(2, whiten=True),
        StandardScaler(),
        RBFLifter(5, random_state=0),
        Nystroem(gamma=0.1, n_components=5, random_state=0),
        ProductKernelLifter(n_landmarks=6, random_state=0),
        EDMDClassifier(lifter=MonomialLifter(2)),
        TensorTrainClassifier(loss="squared_error", rank=3, max_iter=1),
        CompressedStudent(EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y), rank=2),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_every_number_that_was_fitted_takes_eight_bytes(estimator):
    found = count(estimator)
    assert found.bytes == 8 * found.parameters > 0


def test_union_counts_its_parts():
    pca, scaler = PCA(2), StandardScaler()
    union = FeatureUnion([("pca", pca), ("dropped", "drop"), ("scaler", scaler)])
    assert count(union) == count(pca) + count(scaler)


class TestCost:
    def test_bytes_are_those_of_the_dtype(self):
        model = make_pipeline(PCA(3), MonomialLifter(2), EDMDClassifier())
        found = cost(model.fit(X, y), X)
        assert (found.parameters, found.bytes) == (16 + 33, 8 * (16 + 33))
        assert (found.linear, found.nonlinear, found.multiplications) == (42, 6, 48)
        assert found.latency > 0
        narrow = X.astype(np.float32)
        assert cost(model.fit(narrow, y), narrow).bytes == 4 * (16 + 33)

    def test_what_is_timed(self):
        assert cost(PCA(2).fit(X), X).latency > 0
        calls = []
        model = LogisticRegression(max_iter=1000).fit(X, y)
        predict = model.predict
        model.predict = lambda rows: calls.append(len(rows)) or predict(rows)
        cost(model, X, n_repeats=3)
        assert calls == [1] * 4
        with pytest.raises(ValueError, match="n_repeats=0"):
            cost(model, X, n_repeats=0)

    def test_teachers(self):
        torch = pytest.importorskip("torch")
        module = torch.nn.Linear(4, 3).half()
        found = cost(module, X)
        assert (found.parameters, found.bytes, found.linear) == (15, 30, 12)
        assert cost(as_teacher(torch.nn.Linear(4, 3)), X).bytes == 60


class TestLinearizedNetworks:
    torch = pytest.importorskip("torch")

    def perceptron(self):
        nn = self.torch.nn
        with self.torch.random.fork_rng():
            self.torch.manual_seed(0)
            return nn.Sequential(
                nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)
            )

    outside = Operations(4 * 6 + 6 + 5 * 3 + 3, 4 * 6 + 5 * 3, 0)

    @pytest.mark.parametrize(
        ("settings", "span"),
        [
            ({}, Operations(6 * 5 + 5, 6 * 5, 0)),
            ({"rank": 2}, Operations(2 * (6 + 5) + 5, 2 * (6 + 5), 0)),
            ({"density": 0.5}, Operations(15 + 5, 15, 0)),
            # the constant has no coefficient
            ({"lifter": MonomialLifter(2)}, Operations(27 * 5 + 5, 27 * 5, 21)),
            (
                {"lifter": sklearn_pipeline(PCA(2), MonomialLifter(2)), "epochs": 1},
                Operations(12 + 6, 12, 3) + Operations(5 * 5 + 5, 5 * 5, 0),
            ),
        ],
    )
    def test_span_of_a_perceptron(self, settings, span):
        student = LinearizedNetworkClassifier(self.perceptron(), ("2", "3"), **settings)
        student.fit(X, y)
        assert operations(student, X) == self.outside + span
        found = cost(student, X)
        assert found.bytes == 4 * (self.outside + span).parameters or settings.get("lifter")
        assert found.latency > 0

    def test_every_position_multiplies(self):
        nn = self.torch.nn
        with self.torch.random.fork_rng():
            self.torch.manual_seed(0)
            module = nn.Sequential(
                nn.Unflatten(1, (1, 8, 8)),
                nn.Conv2d(1, 3, 3, padding=1),
                nn.Tanh(),
                nn.Conv2d(3, 2, 3, stride=2, padding=1),
                nn.Flatten(),
                nn.Linear(2 * 4 * 4, 3),
            )
        rows = np.random.default_rng(0).normal(size=(60, 64)).astype(np.float32)
        student = LinearizedNetworkClassifier(
            module,
            ["1", "3"],
            lifter=[MonomialLifter(2), None],
            layout="channels_first",
            kernel_size=3,
        ).fit(rows, np.arange(60) % 3)
        first = Operations(54 * 3 + 3, 64 * 54 * 3, 64 * 45)
        second = Operations(27 * 2 + 2, 16 * 27 * 2, 0)
        assert operations(student, rows) == first + second + Operations(99, 96, 0)

    def test_an_unknown_lifter_is_said(self):
        from sklearn.preprocessing import KBinsDiscretizer

        lifter = KBinsDiscretizer(3, encode="onehot-dense", random_state=0)
        student = LinearizedNetworkClassifier(self.perceptron(), ("2", "3"), lifter=lifter)
        with pytest.raises(UncountableError, match="KBinsDiscretizer are not known"):
            count(student)
