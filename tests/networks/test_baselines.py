"""Other ways to replace a span."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402

from sklearn_koopman.networks import drop_span, low_rank_span, pruned_span  # noqa: E402

from .helpers import ConvolutionalNetwork, nn, perceptron, seeded  # noqa: E402

SPAN = ("2", "5")  # weights of 12 x 12 and 8 x 12


@pytest.fixture
def net():
    return perceptron()


def test_dropped_span(net):
    x = torch.randn(5, 6, dtype=torch.float64)
    shorter = drop_span(net, ("2", "3"))
    assert torch.equal(shorter(x), nn.Sequential(*net[:2], *net[4:])(x))
    assert shorter.get_submodule("4") is net[4]


@pytest.mark.parametrize(
    ("budget", "rank"), [(10_000, 8), (44 * 4, 4), (44 * 4 - 1, 3), (20, 0)]
)
def test_low_rank_is_the_best_within_the_budget(net, budget, rank):
    before = copy.deepcopy(net.state_dict())
    compressed, found = low_rank_span(net, SPAN, budget)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    if budget == 10_000:
        assert_array_equal(compressed[2].weight.detach(), net[2].weight.detach())
        return
    assert found == rank
    for layer in (2, 4):
        weight = net[layer].weight.detach().numpy()
        singular = np.linalg.svd(weight, compute_uv=False)
        gap = np.linalg.norm(weight - compressed[layer].weight.detach().numpy())
        assert_allclose(gap, np.linalg.norm(singular[rank:]))
        assert torch.equal(compressed[layer].bias, net[layer].bias)
    assert torch.equal(compressed[0].weight, net[0].weight)


def test_low_rank_of_a_convolution():
    net = seeded(ConvolutionalNetwork, (1, 8, 8))
    compressed, rank = low_rank_span(net, ("second", "second"), 2 * (4 + 27))
    assert rank == 2
    assert np.linalg.matrix_rank(compressed.second.weight.detach().flatten(1).numpy()) == 2


@pytest.mark.parametrize("budget", [1, 30, 240, 1000])
def test_pruning_keeps_the_largest_weights_of_all(net, budget):
    compressed = pruned_span(net, SPAN, budget)
    before, after = (
        np.concatenate([module[layer].weight.detach().flatten() for layer in (2, 4)])
        for module in (net, compressed)
    )
    kept = after != 0
    assert kept.sum() == min(budget, 240)
    assert_array_equal(after[kept], before[kept])
    if budget < 240:
        assert np.abs(before[kept]).min() > np.abs(before[~kept]).max()
    assert torch.equal(compressed[0].weight, net[0].weight)


@pytest.mark.parametrize("compress", [low_rank_span, pruned_span])
def test_span_without_weights(net, compress):
    with pytest.raises(ValueError, match="has no linear or convolutional layer"):
        compress(net, ("1", "1"), 10)
