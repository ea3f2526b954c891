import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.teachers import TorchTeacher, as_teacher
from sklearn_koopman.trees import internal_features

rng = np.random.default_rng(0)
X = rng.normal(size=(30, 4)).astype(np.float32)
Y = rng.integers(0, 3, 30)


def features_of(model, rows=X):
    return internal_features(model, rows, len(rows))


# Torch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def linear(torch, n_in, n_out, seed=0):
    layer = torch.nn.Linear(n_in, n_out)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return layer


def by_hand(layer, inputs):
    return inputs @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("batch_size", [7, 1024])
def test_before_and_after_each_nonlinearity(torch, inplace, batch_size):
    first, last = linear(torch, 4, 5), linear(torch, 5, 3, seed=1)
    relu = torch.nn.ReLU(inplace=inplace)
    net = torch.nn.Sequential(torch.nn.Flatten(), first, relu, torch.nn.Dropout(), last)
    net.train()
    features = features_of(TorchTeacher(net, batch_size=batch_size))

    before = by_hand(first, X)
    after = np.maximum(before, 0)
    assert_allclose(features, np.hstack([before, after, by_hand(last, after)]), rtol=1e-4)
    assert features.dtype == np.float32
    assert net.training
    assert not first._forward_hooks
    assert not first._forward_pre_hooks


def test_what_forward_computes_itself(torch):
    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = linear(torch, 4, 4), linear(torch, 4, 3, seed=1)

        def forward(self, x):
            return self.last(x + torch.relu(self.first(x)))

    net = Residual()
    before = by_hand(net.first, X)
    inner = X + np.maximum(before, 0)
    desired = np.hstack([before, inner, by_hand(net.last, inner)])
    assert_allclose(features_of(net), desired, rtol=1e-4, atol=1e-5)


def test_images_and_layers_with_several_outputs(torch):
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv1d(1, 2, 3, padding=1)
            self.recurrent = torch.nn.GRU(4, 3, batch_first=True)

        def forward(self, x):
            states, _ = self.recurrent(self.convolution(x))
            return states[:, -1]

    features = features_of(TorchTeacher(Recurrent(), input_shape=(1, 4)))
    assert features.shape == (30, 2 * 4 + 2 * 3)


def test_a_module_without_layers_has_no_features(torch):
    class Sum(torch.nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(ValueError, match=r"Sum\(\) has no layer .* pass features="):
        features_of(Sum())


def test_skorch_nets(torch):
    skorch = pytest.importorskip("skorch")
    net = skorch.NeuralNetClassifier(
        torch.nn.Sequential(linear(torch, 4, 5), torch.nn.ReLU(), linear(torch, 5, 3)),
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=1,
        train_split=None,
        verbose=0,
    )
    assert features_of(net) is None  # not fitted
    net.fit(X, Y)
    assert_array_equal(features_of(net, X.astype(float)), features_of(net.module_))
    assert_array_equal(features_of(as_teacher(FrozenEstimator(net))), features_of(net))


# Estimators


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_perceptrons(activation):
    net = MLPClassifier((5, 6), activation=activation, solver="lbfgs", max_iter=20)
    net.fit(X, Y)
    features = features_of(net)
    assert features.shape == (30, 5 + 5 + 6 + 6 + 3)
    exponentials = np.exp(features[:, -3:])
    assert_allclose(
        exponentials / exponentials.sum(axis=1, keepdims=True),
        net.predict_proba(X),
        rtol=1e-4,
    )
    assert_array_equal(features_of(as_teacher(net.predict_proba)), features)
    assert_array_equal(features_of(as_teacher(FrozenEstimator(net))), features)


def test_observables_of_students_and_pipelines():
    student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, Y)
    assert_allclose(features_of(student), MonomialLifter(2).fit_transform(X))
    assert_allclose(features_of(make_pipeline(student)), features_of(student))
    assert_allclose(features_of(EDMDClassifier().fit(X, Y)), X)
    pipeline = make_pipeline(StandardScaler(), PCA(2), student).fit(X, Y)
    desired = MonomialLifter(2).fit_transform(pipeline[:-1].transform(X))
    assert_allclose(features_of(pipeline), desired, rtol=1e-5, atol=1e-6)
    with pytest.raises(NotFittedError):
        features_of(EDMDClassifier())


def test_callables():
    assert_array_equal(features_of(lambda rows: rows * 2), X * 2)
    with pytest.raises(ValueError, match=r"features .* NaN"):
        features_of(lambda rows: rows * np.nan)
    with pytest.raises(ValueError, match="got 29 rows for 30 samples"):
        features_of(lambda rows: rows[1:])


def test_of_others_nothing_is_known():
    forest = RandomForestClassifier(5).fit(X, Y)
    for model in (forest, as_teacher(forest.predict_proba), make_pipeline(PCA(2), forest), 3):
        assert features_of(model) is None
