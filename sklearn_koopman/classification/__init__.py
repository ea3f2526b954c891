"""Classifiers whose logits are linear in the observables: one matrix, or a tensor train."""

from ._compression import CompressedStudent
from ._distilled import KoopmanDistilledClassifier
from ._distilled_cv import KoopmanDistilledClassifierCV
from ._edmd import EDMDClassifier
from ._edmd_cv import EDMDClassifierCV
from ._tensor_train import TensorTrainClassifier
from ._transfer import TransferSet

__all__ = [
    "CompressedStudent",
    "EDMDClassifier",
    "EDMDClassifierCV",
    "KoopmanDistilledClassifier",
    "KoopmanDistilledClassifierCV",
    "TensorTrainClassifier",
    "TransferSet",
]
