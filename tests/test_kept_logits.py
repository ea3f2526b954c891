"""The logits in experiments/data, and the teacher that experiments make from them."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from experiments import kept_logits
from experiments.images import images as images_of
from experiments.runner import read
from sklearn_koopman import EDMDClassifier

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
RESNET = EXPERIMENTS / "data" / "mnist-resnet18-held-out.npz"
needs_data = pytest.mark.skipif(
    not RESNET.exists(), reason="experiments/data is not in the source distribution"
)
# The number of images of each digit in MNIST.
DIGITS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}


def images(part):
    """Three blobs, with rows for training and rows for testing."""
    rng = np.random.default_rng(len(part))
    y = np.arange(len(part) * 6) % 3
    return np.eye(3, 5)[y] + 0.1 * rng.normal(size=(len(y), 5)), y


def network(X):
    return 7.0 * X[:, :3]


def forbidden(X):
    raise AssertionError("the network was asked")


def test_a_student_of_kept_logits_needs_no_network(tmp_path):
    kept_logits.save(tmp_path / "kept.npz", network, images)
    teacher = kept_logits.load(tmp_path / "kept.npz", images, forbidden)
    X, y = images("train")
    X_test, _ = images("test")
    assert_allclose(teacher(X[::-3]), network(X[::-3]), rtol=1e-3)
    assert_allclose(teacher(X_test), network(X_test), rtol=1e-3)
    of_file = EDMDClassifier(teacher).fit(X, y)
    of_network = EDMDClassifier(network).fit(X, y)
    assert_allclose(of_file.coef_, of_network.coef_, rtol=1e-2, atol=1e-2)


def test_the_network_is_asked_about_other_images(tmp_path):
    kept_logits.save(tmp_path / "kept.npz", network, images)
    teacher = kept_logits.load(tmp_path / "kept.npz", images, network)
    X, _ = images("train")
    X[2] += 1
    assert_array_equal(teacher(X), network(X))


@pytest.mark.parametrize("change", ["order", "number", "part"])
def test_a_file_of_other_images_is_refused(tmp_path, change):
    file = tmp_path / "kept.npz"
    logits = {part: network(images(part)[0]) for part in ("train", "test")}
    if change == "order":
        logits["test"] = np.roll(logits["test"], 1, axis=0)
    elif change == "number":
        logits["test"] = logits["test"][:-1]
    else:
        del logits["test"]
    np.savez(file, **logits)
    with pytest.raises(ValueError, match=r"kept\.npz does not fit the test images"):
        kept_logits.load(file, images, forbidden)


@needs_data
@pytest.mark.parametrize("part", DIGITS)
def test_what_is_kept_of_the_resnet_looks_like_mnist(part):
    with np.load(RESNET) as kept:
        logits = kept[part]
    assert logits.shape == (sum(DIGITS[part]), 10)
    assert np.isfinite(logits).all()
    found = np.bincount(logits.argmax(axis=1), minlength=10)
    assert_allclose(found, DIGITS[part], rtol=0.02)


@needs_data
@pytest.mark.parametrize(("part", "n_images"), [("train", 50_000), ("test", 10_000)])
def test_what_is_kept_of_the_network_in_colour_looks_like_cifar10(part, n_images):
    with np.load(EXPERIMENTS / "data" / "cifar10-colour-held-out.npz") as kept:
        logits = kept[part]
    assert logits.shape == (n_images, 10)
    assert np.isfinite(logits).all()
    found = np.bincount(logits.argmax(axis=1), minlength=10)
    assert_allclose(found, n_images / 10, rtol=0.1)


@needs_data
@pytest.mark.slow
def test_what_is_kept_of_the_resnet_fits_mnist_and_the_table():
    if not os.environ.get("SKLEARN_KOOPMAN_DATA"):
        pytest.skip("SKLEARN_KOOPMAN_DATA, the folder of image data, is not set")
    teacher = kept_logits.load(RESNET, partial(images_of, "mnist"), forbidden)
    X_test, y_test = images_of("mnist", "test")
    accuracy = np.mean(teacher(X_test).argmax(axis=1) == y_test)
    assert accuracy == 0.9935
    rows = read(EXPERIMENTS / "results" / "table.csv")
    resnet = [row for row in rows if (row["dataset"], row["teacher"]) == ("mnist", "resnet18")]
    assert {float(row["teacher_accuracy"]) for row in resnet} == {accuracy}


@needs_data
@pytest.mark.slow
def test_what_is_kept_of_the_network_in_colour_fits_cifar10_and_the_table():
    root = os.environ.get("SKLEARN_KOOPMAN_DATA")
    if not root or not any(Path(root).glob("[Cc][Ii][Ff][Aa][Rr]*")):
        pytest.skip("CIFAR-10 is not in the folder of image data, SKLEARN_KOOPMAN_DATA")
    file = EXPERIMENTS / "data" / "cifar10-colour-held-out.npz"
    teacher = kept_logits.load(file, partial(images_of, "cifar10"), forbidden)
    X_test, y_test = images_of("cifar10", "test")
    accuracy = np.mean(teacher(X_test).argmax(axis=1) == y_test)
    assert accuracy == 0.9295
    rows = read(EXPERIMENTS / "results" / "convolutional.csv")
    found = {float(row["teacher_accuracy"]) for row in rows if row["dataset"] == "cifar10"}
    assert found == {accuracy}
