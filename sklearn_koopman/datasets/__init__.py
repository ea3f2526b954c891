"""Data sets of the literature on distilled and Koopman-operator networks."""

from ._cifar10 import fetch_cifar10
from ._image_sets import fetch_fashion_mnist, fetch_mnist
from ._yin_yang import make_yin_yang

__all__ = ["fetch_cifar10", "fetch_fashion_mnist", "fetch_mnist", "make_yin_yang"]
