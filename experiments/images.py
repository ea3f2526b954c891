"""The images of the experiments; with ``--quick``, scikit-learn's digits replace them."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from experiments import runner
from sklearn_koopman.datasets import fetch_cifar10, fetch_fashion_mnist, fetch_mnist

FETCH = {"mnist": fetch_mnist, "fashion_mnist": fetch_fashion_mnist, "cifar10": fetch_cifar10}
SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (3, 32, 32)}
DATASETS = ("mnist", "fashion_mnist")  # of most tables


def images(dataset, part):
    """Return flat images and labels of the part "train" or "test"."""
    if runner.is_quick():
        return _enlarged_digits(SHAPES[dataset])[part]
    return FETCH[dataset](part, return_X_y=True)


@cache
def _enlarged_digits(shape):
    """Return digits of 8 x 8 pixels as larger images. They need no download."""
    *channels, height, width = shape
    X, y = load_digits(return_X_y=True)
    X = np.kron(X.reshape(-1, 8, 8) / 16, np.ones((1, 3, 3)))
    margins = [((n - 24) // 2,) * 2 for n in (height, width)]
    X = np.pad(X, ((0, 0), *margins)).reshape(len(X), -1).astype(np.float32)
    X = np.tile(X, (1, *channels))
    X, X_test, y, y_test = train_test_split(X, y, test_size=600, random_state=0)
    return {"train": (X, y), "test": (X_test, y_test)}


def split(y):
    """Return the rows for training, five out of six, and those for choosing settings."""
    return train_test_split(
        np.arange(len(y)), test_size=len(y) // 6, stratify=y, random_state=0
    )


def coordinates(n_components, X, *others):
    """Return float32 PCA coordinates of images, and of others in the same coordinates."""
    pca = PCA(n_components, random_state=0).fit(X)
    return [pca.transform(each).astype(np.float32) for each in (X, *others)]
