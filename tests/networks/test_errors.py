"""Errors name the problem and a way out; a failed fit leaves the old one."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from numpy.testing import assert_array_equal  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from sklearn_koopman import MonomialLifter  # noqa: E402
from sklearn_koopman.networks import LinearizedNetworkClassifier  # noqa: E402
from sklearn_koopman.teachers import TorchTeacher  # noqa: E402

from .helpers import (  # noqa: E402
    ConvolutionalNetwork,
    Transformer,
    labelled,
    nn,
    perceptron,
    seeded,
)


@pytest.fixture(scope="module")
def net():
    return perceptron()


@pytest.fixture(scope="module")
def data(net):
    return labelled(net, (6,))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"span": 3}, "'span' parameter .* must be the name of a submodule"),
        ({"span": ("1", "2", "3")}, "'span' parameter .* must be the name of a submodule"),
        ({"span": []}, "'span' parameter .* must be the name of a submodule"),
        ({"span": ["1", 2]}, "'span' parameter .* must be the name of a submodule"),
        ({"rank": 0}, r"'rank' parameter .* an int in the range \[1, inf\) or None"),
        ({"rank": 1.5}, r"'rank' parameter .* an int in the range \[1, inf\) or None"),
        ({"rank": [1, 2]}, "'rank' parameter .* a list of 1, one for each"),
        ({"lifter": [None, None]}, "'lifter' parameter .* a list of 1, one for each"),
        ({"ridge": -1.0}, "'ridge' parameter"),
        ({"density": 0.0}, r"'density' parameter .* \(0.0, 1.0\] or None"),
        ({"density": 2.0}, r"'density' parameter .* \(0.0, 1.0\] or None"),
        ({"lift_output": 1}, "'lift_output' parameter .* a bool"),
        ({"layout": "nchw"}, "'layout' parameter .* among {'whole', 'channels_first'"),
        ({"kernel_size": 0}, "'kernel_size' parameter"),
        ({"kernel_size": 3}, "'kernel_size' parameter .* 1 unless layout='channels_first'"),
        ({"epochs": -1}, "'epochs' parameter"),
        ({"trained": "head"}, "'trained' parameter .* among {'matrix', 'tail'}"),
        ({"soft_weight": 1.1}, "'soft_weight' parameter"),
        ({"temperature": 0.0}, "'temperature' parameter"),
        ({"learning_rate": 0.0}, "'learning_rate' parameter"),
        ({"random_state": "first"}, "random_state='first'"),
        ({"batch_size": 0}, "'batch_size' parameter"),
    ],
    ids=str,
)
def test_parameters(net, data, settings, message):
    student = LinearizedNetworkClassifier(net, "1").set_params(**settings)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        student.fit(*data)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ("9", "span='9' is not a submodule of Sequential; its submodules are '0', '1'"),
        ("", "span='' is not a submodule"),
        (("3", "1"), "the output of '1' does not depend on that of '3'"),
        (["3", "1"], "in the order in which they run"),
        ([("1", "3"), ("2", "4")], "overlaps another span"),
        ([("1", "3"), "3"], "overlaps another span"),
    ],
)
def test_spans(net, data, span, message):
    with pytest.raises(ValueError, match=message):
        LinearizedNetworkClassifier(net, span).fit(*data)


class Odd(nn.Module):
    """Calls submodules in ways with which no span can begin or end."""

    def __init__(self):
        super().__init__()
        self.twice = nn.Linear(6, 6)
        self.unused = nn.Linear(6, 6)
        self.bilinear = nn.Bilinear(6, 6, 6)
        self.recurrent = nn.LSTM(6, 6, batch_first=True)
        self.flat = nn.Flatten(0)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        x = self.twice(torch.tanh(self.twice(x)))
        x = self.bilinear(x, torch.sin(x))
        h, _ = self.recurrent(x[:, None])
        return self.last(self.flat(h).reshape(-1, 6))


@pytest.mark.parametrize(
    ("span", "error", "message"),
    [
        ("twice", ValueError, "span='twice' is called 2 times"),
        ("unused", ValueError, "span='unused' is called 0 times"),
        ("bilinear", ValueError, "'bilinear' is called with 2 different tensors"),
        ("recurrent", TypeError, "what leaves it is tuple, not a tensor"),
        ("flat", ValueError, "activations need one row per sample, got shapes"),
    ],
)
def test_odd_ends(span, error, message):
    net = seeded(Odd)
    X, y = labelled(net, (6,))
    with pytest.raises(error, match=message):
        LinearizedNetworkClassifier(net, span).fit(X, y)


class Deciding(nn.Module):
    """Takes other paths for other data."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        if x.sum() > 0:
            x = self.inner(x)
        return self.last(x)


def test_network_that_cannot_be_traced():
    net = seeded(Deciding)
    X, y = labelled(net, (6,))
    with pytest.raises(ValueError, match=r"Deciding could not be traced by torch\.fx"):
        LinearizedNetworkClassifier(net, "inner").fit(X, y)
    # one level up, no submodule has to be traced
    wrapped = seeded(lambda: nn.Sequential(Deciding(), nn.ReLU(), nn.Linear(3, 3)))
    X, y = labelled(wrapped, (6,))
    LinearizedNetworkClassifier(wrapped, "1").fit(X, y)


def test_layouts():
    conv = seeded(ConvolutionalNetwork, (1, 8, 8))
    X, y = labelled(conv, (1, 8, 8))
    images = X.reshape(-1, 1, 8, 8)
    student = LinearizedNetworkClassifier(conv, "second", layout="channels_last")
    with pytest.raises(ValueError, match="needs as many positions before span="):
        student.fit(images, y)
    student.set_params(layout="channels_first", span=("second", "head"))
    with pytest.raises(ValueError, match=r"needs \(channels, height, width\) before and after"):
        student.fit(images, y)
    student.set_params(span="first", kernel_size=2)
    with pytest.raises(ValueError, match="kernel_size=2: no stride and padding leads from"):
        student.fit(images, y)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("resnet", "module='resnet': must be a torch nn.Module"),
        (np.tanh, "must be a torch nn.Module"),
        (nn.Linear, "must be a torch nn.Module"),
        (LogisticRegression(), r"module=LogisticRegression\(\): must be a torch nn.Module"),
    ],
    ids=str,
)
def test_modules(data, module, message):
    with pytest.raises(TypeError, match=f"(?s){message}"):
        LinearizedNetworkClassifier(module, "1").fit(*data)


def test_classes(net, data):
    X, y = data
    with pytest.raises(ValueError, match="gave 3 columns, but y has 2 classes"):
        LinearizedNetworkClassifier(net, "1").fit(X[y < 2], y[y < 2])
    # a teacher that knows its classes allows some of them to be missing
    teacher = TorchTeacher(net, classes=[0, 1, 2])
    student = LinearizedNetworkClassifier(teacher, "2", ridge=0.0).fit(X[y < 2], y[y < 2])
    assert_array_equal(student.predict(X), y)
    with pytest.raises(ValueError, match=r"labels \[5\] that are not in classes"):
        student.fit(X, np.where(y == 2, 5, y))
    with pytest.raises(ValueError, match="only one class"):
        LinearizedNetworkClassifier(net, "1").fit(X, np.zeros(len(X)))


def test_lifters(net, data):
    with pytest.raises(TypeError, match="lifter=3 is not a transformer"):
        LinearizedNetworkClassifier(net, "1", lifter=3).fit(*data)
    X, y = data
    student = LinearizedNetworkClassifier(net, "0", lifter=MonomialLifter(9))
    with pytest.raises(ValueError, match="lifted observables are not finite"):
        student.fit(X * 1e40, y)


def test_samples(net, data):
    X, y = data
    student = LinearizedNetworkClassifier(net, "1")
    with pytest.raises(NotFittedError):
        student.predict(X)
    with pytest.raises(NotFittedError):
        student.to_module()
    with pytest.raises(ValueError, match="sample_weight sums to 0"):
        student.fit(X, y, sample_weight=np.zeros(len(X)))
    student.fit(X, y)
    with pytest.raises(ValueError, match="X has 5 features"):
        student.predict(X[:, :5])


def test_failed_fit_leaves_the_old_one(net, data):
    X, y = data
    student = LinearizedNetworkClassifier(net, "1").fit(X, y)
    before = student.decision_function(X)
    for settings in ({"span": "9"}, {"span": ("0", "3"), "epochs": 3, "learning_rate": 1e308}):
        with pytest.raises(ValueError):
            student.set_params(**settings).fit(X, y)
        assert_array_equal(student.decision_function(X), before)


def test_a_step_beyond_single_precision_is_a_learning_rate_that_is_too_large(net, data):
    X, y = data
    student = LinearizedNetworkClassifier(net.float(), "1", epochs=2, learning_rate=1e200)
    with pytest.raises(ValueError, match=r"learning_rate=1e\+200: training diverged"):
        student.fit(X.astype(np.float32), y)


def test_without_torch(net, data, without):
    student = LinearizedNetworkClassifier(net, "1")
    without("torch")
    message = r'LinearizedNetworkClassifier needs torch: pip install "sklearn-koopman\[torch\]"'
    with pytest.raises(ImportError, match=message):
        student.fit(*data)


def test_tokens_need_their_shape():
    net = seeded(Transformer, (5, 4))
    X, y = labelled(net, (5, 4))
    with pytest.raises(ValueError, match="failed on input of shape"):
        LinearizedNetworkClassifier(net, "blocks.1").fit(X, y)
