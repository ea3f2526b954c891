"""Data sets of the literature on distilled and Koopman-operator networks."""

from ._image_sets import fetch_fashion_mnist, fetch_mnist
from ._yin_yang import make_yin_yang

__all__ = ["fetch_fashion_mnist", "fetch_mnist", "make_yin_yang"]
