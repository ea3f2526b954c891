"""Networks of other people: flags, more arguments, long kernels, more outputs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
nn = torch.nn

from sklearn_koopman.networks import LinearizedNetworkClassifier, drop_span  # noqa: E402
from sklearn_koopman.teachers import TorchTeacher  # noqa: E402

from .helpers import seeded  # noqa: E402

X = np.random.default_rng(0).normal(size=(120, 6))


class Flagged(nn.Module):
    """Branches on a flag with a default, and takes a mask and more arguments."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.last = nn.Linear(8, 3)

    def forward(self, x, embed=False, *, mask=None, **more):
        hidden = torch.tanh(self.first(x if mask is None else x * mask))
        if embed:
            return hidden
        return self.last(hidden)


class Needing(Flagged):
    """Takes two arguments, and returns more than logits."""

    def forward(self, x, mask):
        return {"logits": super().forward(x, mask=mask), "mask": mask}


def said(teacher):
    return teacher(X).argmax(axis=1)


def test_flags_have_their_defaults():
    net = seeded(Flagged)
    student = LinearizedNetworkClassifier(net, "first", ridge=0.0)
    y = said(TorchTeacher(net))
    student.fit(X, y)  # the matrix of a linear layer is that layer
    assert_allclose(student.decision_function(X), TorchTeacher(net)(X), atol=1e-6)
    x = torch.as_tensor(X)
    assert_allclose(student.to_module()(x).detach(), net(x).detach(), atol=1e-6)
    assert_allclose(drop_span(net, ("last", "last"))(x).detach(), net(x, True).detach())


def test_what_forward_needs_besides_is_given_by_call():
    net = seeded(Flagged)
    net.__class__ = Needing
    with pytest.raises(ValueError, match=r"missing 1 required.*TorchTeacher\(module, call="):
        LinearizedNetworkClassifier(net, "first").fit(X, np.arange(120) % 3)
    teacher = TorchTeacher(net, call=lambda module, x: module(x, mask=x > 0))
    student = LinearizedNetworkClassifier(teacher, "first", ridge=0.0).fit(X, said(teacher))
    assert_allclose(student.decision_function(X), teacher(X), atol=1e-6)
    trained = LinearizedNetworkClassifier(teacher, "first", epochs=1, random_state=0)
    assert trained.fit(X, said(teacher)).score(X, said(teacher)) > 0.9


@pytest.mark.parametrize("names", ["sorted", "backwards", "groups"])
def test_classes_that_y_lacks(names):
    net = seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)))
    classes = np.array(
        {"sorted": range(5), "backwards": range(4, -1, -1)}.get(names, [0, 0, 1, 2, 3])
    )
    y = classes[said(TorchTeacher(net))]
    y[y == 3] = 2
    student = LinearizedNetworkClassifier(net, "0", ridge=0.0)
    with pytest.raises(
        ValueError, match=r"gave 5 columns, but y has . classes.*teacher_classes="
    ):
        student.fit(X, y)
    student.set_params(teacher_classes=classes)
    if names == "groups":
        with pytest.raises(ValueError, match=r"classes of its outputs, .* must be different"):
            student.fit(X, y)
        return
    student.fit(X, y)
    assert_array_equal(student.classes_, range(5))
    assert_allclose(student.decision_function(X), TorchTeacher(net)(X)[:, classes], atol=1e-6)


@pytest.mark.parametrize("n_columns", [1, 3])
def test_sigmoids(n_columns):
    layers = nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, n_columns)
    net = nn.Sequential(seeded(lambda: nn.Sequential(*layers)), nn.Sigmoid()).double()
    logits = TorchTeacher(net[0])(X)
    y = logits.argmax(axis=1) if n_columns > 1 else (logits[:, 0] > 0).astype(int)
    student = LinearizedNetworkClassifier(net, "0.0", ridge=0.0)
    with pytest.raises(ValueError, match="teacher_output='"):
        student.fit(X, y)
    student.set_params(teacher_output="sigmoid").fit(X, y)
    assert_allclose(student.decision_function(X), np.squeeze(logits), atol=1e-6)


@pytest.mark.parametrize(
    ("kernel_size", "stride", "padding"),
    [((4, 1), 1, 0), ((1, 3), 1, (0, 1)), ((5, 1), (2, 1), (2, 0)), ((3, 2), (1, 2), (1, 0))],
)
def test_patches_that_are_not_square(kernel_size, stride, padding):
    convolution = nn.Conv2d(2, 3, kernel_size, stride, padding)
    images = np.random.default_rng(1).normal(size=(40, 2, 12, 6))
    n_outputs = convolution(torch.zeros(1, 2, 12, 6)).numel()
    net = nn.Sequential(convolution, nn.Tanh(), nn.Flatten(), nn.Linear(n_outputs, 3)).double()
    teacher = TorchTeacher(net)
    student = LinearizedNetworkClassifier(
        teacher, "0", ridge=0.0, layout="channels_first", kernel_size=kernel_size
    ).fit(images, np.arange(40) % 3)
    assert_allclose(student.decision_function(images), teacher(images), atol=1e-6)


@pytest.mark.parametrize("kernel_size", [(3,), (3, 0), (1, 2, 3), "33", 2.5])
def test_bad_kernel_sizes(kernel_size):
    student = LinearizedNetworkClassifier(
        nn.Linear(6, 3), "0", layout="channels_first", kernel_size=kernel_size
    )
    with pytest.raises(ValueError, match=r"'kernel_size' parameter .* or a tuple of two"):
        student.fit(X, np.arange(120) % 3)
