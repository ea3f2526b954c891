"""Training the matrices on the network's outputs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from scipy.special import log_softmax  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402

from sklearn_koopman import MonomialLifter  # noqa: E402
from sklearn_koopman.networks import LinearizedNetworkClassifier  # noqa: E402

from .helpers import labelled, nn, perceptron  # noqa: E402


@pytest.fixture(scope="module")
def net():
    return perceptron()


@pytest.fixture(scope="module")
def data(net):
    return labelled(net, (6,), n_rows=500)


@pytest.fixture
def student(net):
    return LinearizedNetworkClassifier(
        net,
        ("1", "5"),
        lifter=MonomialLifter(2),
        ridge=1e-4,
        epochs=10,
        batch_size=50,
        random_state=0,
        learning_rate=1e-2,
    )


def divergence(student, net, X, temperature=1.0):
    """Return the mean KL divergence from the network to a student."""
    with torch.no_grad():
        logits = net(torch.from_numpy(X)).detach().numpy()
    t = log_softmax(logits / temperature, axis=1)
    s = log_softmax(student.decision_function(X) / temperature, axis=1)
    return (np.exp(t) * (t - s)).sum(axis=1).mean()


@pytest.mark.parametrize(("soft_weight", "temperature"), [(0.0, 1.0), (0.7, 3.0), (1.0, 2.0)])
def test_loss_is_that_of_the_formula(student, net, data, soft_weight, temperature):
    X, y = data
    weight = np.linspace(0.5, 1.5, len(X))
    student.set_params(epochs=1, batch_size=len(X), learning_rate=1e-12)
    student.set_params(soft_weight=soft_weight, temperature=temperature)
    student.fit(X, y, sample_weight=weight)
    with torch.no_grad():
        t = net(torch.from_numpy(X)).numpy()
    s = student.decision_function(X)
    codes = np.searchsorted(student.classes_, y)
    ce = -log_softmax(s, axis=1)[np.arange(len(X)), codes]
    log_p, log_q = log_softmax(t / temperature, axis=1), log_softmax(s / temperature, axis=1)
    kl = (np.exp(log_p) * (log_p - log_q)).sum(axis=1)
    losses = (1 - soft_weight) * ce + soft_weight * temperature**2 * kl
    assert_allclose(student.loss_curve_, np.average(losses, weights=weight), rtol=1e-4)


@pytest.mark.parametrize("rank", [None, 3])
def test_training_comes_closer_to_the_network(student, net, data, rank):
    X, y = data
    student.set_params(rank=rank, ridge=0.3, soft_weight=1.0, temperature=1.0)
    least_squares = clone(student).set_params(epochs=0).fit(X, y)
    student.fit(X, y)
    assert divergence(student, net, X) < 0.95 * divergence(least_squares, net, X)
    assert len(student.loss_curve_) == 10
    assert student.loss_curve_[-1] < student.loss_curve_[0]
    # the attributes of the least-squares solution do not change
    assert_array_equal(student.operators_[0].coef, least_squares.operators_[0].coef)
    sizes = [parameter.shape for parameter in student.linearized_.koopman_0.parameters()]
    expected = least_squares.linearized_.koopman_0.parameters()
    assert sizes == [parameter.shape for parameter in expected]


def test_no_step_leaves_the_least_squares_solution(student, data):
    X, y = data
    trained = clone(student).set_params(epochs=1, learning_rate=1e-300, rank=4).fit(X, y)
    untrained = clone(student).set_params(epochs=0, rank=4).fit(X, y)
    assert_allclose(trained.decision_function(X), untrained.decision_function(X), atol=1e-9)


def test_training_is_reproducible(student, data):
    X, y = data
    first, again = (clone(student).fit(X, y).decision_function(X) for _ in range(2))
    assert_array_equal(first, again)
    other = clone(student).set_params(random_state=1).fit(X, y).decision_function(X)
    assert np.abs(first - other).max() > 1e-6


def test_tail_is_trained_in_a_copy(student, net, data):
    X, y = data
    before = [parameter.detach().clone() for parameter in net.parameters()]
    student.set_params(soft_weight=1.0, temperature=1.0)
    matrix = clone(student).fit(X, y)
    tail = clone(student).set_params(trained="tail").fit(X, y)
    assert divergence(tail, net, X) < divergence(matrix, net, X)
    for parameter, value in zip(net.parameters(), before, strict=True):
        assert_array_equal(parameter.detach(), value)
    trained = tail.linearized_.get_submodule("6")
    assert trained is not net[6]
    assert not torch.equal(trained.weight, net[6].weight)
    assert torch.equal(tail.linearized_.get_submodule("0").weight, net[0].weight)
    assert matrix.linearized_.get_submodule("6") is net[6]


def test_pruned_entries_stay_zero(student, data):
    X, y = data
    student.set_params(density=0.2)
    pruned = clone(student).set_params(epochs=0).fit(X, y).linearized_.koopman_0.readout.weight
    trained = student.fit(X, y).linearized_.koopman_0.readout.weight
    assert_array_equal(trained == 0, pruned == 0)
    assert not torch.allclose(trained, pruned)


def test_several_spans_are_trained_together(student, net, data):
    X, y = data
    student.set_params(span=["1", "3"], soft_weight=1.0, temperature=1.0, lifter=None)
    least_squares = clone(student).set_params(epochs=0).fit(X, y)
    trained = student.fit(X, y)
    assert divergence(trained, net, X) < divergence(least_squares, net, X)
    for name in ("koopman_0", "koopman_1"):
        assert not torch.allclose(
            trained.linearized_.get_submodule(name).readout.weight,
            least_squares.linearized_.get_submodule(name).readout.weight,
        )


def test_full_batches_weigh_rows_as_repeating_them_does(student, data):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    student.set_params(batch_size=2000, epochs=5)
    weighted = clone(student).fit(X, y, sample_weight=weight)
    repeated = clone(student).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(weighted.decision_function(X), repeated.decision_function(X), atol=1e-7)


def test_probabilities_are_distilled_too(student, net, data):
    X, y = data
    student.set_params(
        module=nn.Sequential(*net, nn.Softmax(1)), soft_weight=1.0, temperature=1.0
    )
    least_squares = clone(student).set_params(epochs=0).fit(X, y)
    assert divergence(student.fit(X, y), net, X) < divergence(least_squares, net, X)


def test_transformers_without_torch_train_in_one_span_only(student, data):
    X, y = data
    student.set_params(lifter=FunctionTransformer(np.tanh))
    assert len(student.fit(X, y).loss_curve_) == 10
    with pytest.raises(TypeError, match="gradients cannot pass lifter=FunctionTransformer"):
        student.set_params(span=["1", "3"]).fit(X, y)


def test_divergence_is_an_error(student, data):
    X, y = data
    with pytest.raises(ValueError, match="learning_rate=1e\\+308: training diverged"):
        student.set_params(learning_rate=1e308).fit(X, y)
