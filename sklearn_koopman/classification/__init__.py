"""Classifiers whose logits are linear in the observables: one matrix, or a tensor train."""

from ..students import TransferSet
from ..tensor_trains import CompressedStudent, TensorTrainClassifier
from ._distilled import KoopmanDistilledClassifier
from ._distilled_cv import KoopmanDistilledClassifierCV
from ._edmd import EDMDClassifier
from ._edmd_cv import EDMDClassifierCV

__all__ = [
    "CompressedStudent",
    "EDMDClassifier",
    "EDMDClassifierCV",
    "KoopmanDistilledClassifier",
    "KoopmanDistilledClassifierCV",
    "TensorTrainClassifier",
    "TransferSet",
]
