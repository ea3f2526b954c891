"""ResNet-18 of torchvision for images of one channel, even where torchvision does not import."""

import importlib
import sys

import torch
from torch import nn


def import_torchvision():
    """Return torchvision, also beside a torch without CUDA, where its wheel from PyPI fails.

    The wheel raises RuntimeError there, as its detection operators do not exist. Networks and
    transforms need none of these. If their signatures are defined, torchvision imports.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define(
            "qnms(Tensor dets, Tensor scores, float dets_scale, int dets_zero_point, "
            "float iou_threshold) -> Tensor"
        )
        _KEPT.append(library)  # the definitions live as long as the library
        return importlib.import_module("torchvision")


_KEPT: list[torch.library.Library] = []


def make_resnet18():
    """Return torchvision's ResNet-18 that takes flat 28 x 28 images.

    The stem is a 3 x 3 convolution of stride 2. The original 7 x 7 one is meant for images with
    eight times as many pixels a side.
    """
    import_torchvision()
    resnet18 = importlib.import_module("torchvision.models").resnet18
    module = resnet18(num_classes=10)
    module.conv1 = nn.Conv2d(1, 64, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(nn.Unflatten(1, (1, 28, 28)), module)
