"""Classifiers whose logits are linear in the observables: one matrix, or a tensor train.

`__all__` is for users; the other names are what the folders above use of this one.
"""

from ..students import TransferSet
from ..tensor_trains import CompressedStudent, TensorTrainClassifier
from ._distilled import KoopmanDistilledClassifier
from ._distilled_cv import SCORINGS as SCORINGS, KoopmanDistilledClassifierCV
from ._edmd import EDMDClassifier
from ._edmd_cv import EDMDClassifierCV
from ._folds import (
    judged as judged,
    make_splits as make_splits,
    split_tasks as split_tasks,
)
from ._paths import SharedPaths as SharedPaths
from ._scoring import held_out_scores as held_out_scores, scoring_of as scoring_of

__all__ = [
    "CompressedStudent",
    "EDMDClassifier",
    "EDMDClassifierCV",
    "KoopmanDistilledClassifier",
    "KoopmanDistilledClassifierCV",
    "TensorTrainClassifier",
    "TransferSet",
]
