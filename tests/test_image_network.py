"""The small network of the experiments: altered images, and kept weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")

from experiments import image_network  # noqa: E402  (it needs torch)

GREY = image_network.Kind((1, 28, 28), (4, 8, 8), image_network.bent, True, 0.0)


def network():
    torch.manual_seed(0)
    made = image_network.make_network(GREY)
    made(torch.rand(64, 784))  # moves the means and variances of its normalisations
    return made.eval()


def test_a_kept_network_says_what_it_said(tmp_path):
    rows = torch.rand(50, 784)
    said = network()
    image_network.save(tmp_path / "kept.npz", said)
    kept = image_network.load(tmp_path / "kept.npz", GREY).eval()
    with torch.no_grad():
        # Filters are rounded to 11 bits, and then to 8 bits, in which the network always computes.
        assert_allclose(kept(rows), said(rows), atol=0.02 * said(rows).abs().max())
    for name, value in said.state_dict().items():
        assert_allclose(kept.state_dict()[name], value, rtol=1e-3, atol=1e-7)


def test_mirror_images_are_asked_about_too():
    rows = torch.rand(5, 784)
    mirrored = rows.view(-1, 28, 28).flip(2).flatten(1)
    with torch.no_grad():
        assert_allclose(network()(rows), network()(mirrored), rtol=1e-6, atol=1e-7)


def test_images_are_moved_flipped_and_erased():
    image = torch.arange(1.0, 785).view(1, 1, 28, 28)
    generator = torch.Generator().manual_seed(0)
    middle = image_network.moved(image.repeat(200, 1, 1, 1), generator)[:, 0, 14, 14]
    steps = middle - image[0, 0, 14, 14]
    wanted = {28.0 * down + right for down in range(-2, 3) for right in range(-2, 3)}
    assert set(steps.tolist()) == wanted
    both = image_network.moved_and_flipped(image.repeat(200, 1, 1, 1), generator)
    rises = (both[:, 0, 14, 15] > both[:, 0, 14, 14]).float().mean()
    assert 0.35 < rises < 0.65
    holes = image_network.erased(image.repeat(200, 1, 1, 1), generator) == 0
    sizes = holes.flatten(1).sum(1)
    assert sizes.max() == 64
    assert (sizes == 64).float().mean() > 0.3  # other squares reach over an edge
    assert holes.any(0).all()


def test_bends_are_as_strong_as_asked():
    image = torch.zeros(1, 1, 28, 28)
    image[..., 10:18, 10:18] = 1
    images = image.repeat(100, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    assert_allclose(image_network.bent(images, generator, strength=0.0), images, atol=1e-4)
    half, whole = (
        (image_network.bent(images, generator, strength) - images).square().mean()
        for strength in (0.5, 1.0)
    )
    assert 0 < half < whole


def test_the_same_seed_gives_the_same_network():
    rng = np.random.default_rng(0)
    X, y = rng.random((96, 784), np.float32), np.arange(96) % 10
    first, second = (
        image_network.train(GREY, X, y, n_epochs=1, batch_size=32).state_dict()
        for _ in range(2)
    )
    for name, value in first.items():
        assert_array_equal(value, second[name])
