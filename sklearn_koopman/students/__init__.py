"""What every student has: labels, a teacher's soft targets, more rows, and lifted rows."""

from ._koopman import KoopmanClassifier, koopman_attributes
from ._lifted import LiftedStudent, margin
from ._student import SharingEstimator, Student
from ._targets import (
    PROBABILITY_FLOOR,
    Labels,
    OneHotRows,
    check_weights,
    encode_labels,
    has_label,
    regression_targets,
    soft_targets,
    some_rows,
    weighs_soft_targets,
)
from ._task import Task
from ._transfer import TransferSet, check_transfer_set
from ._transferring import TransferringStudent

__all__ = [
    "PROBABILITY_FLOOR",
    "KoopmanClassifier",
    "Labels",
    "LiftedStudent",
    "OneHotRows",
    "SharingEstimator",
    "Student",
    "Task",
    "TransferSet",
    "TransferringStudent",
    "check_transfer_set",
    "check_weights",
    "encode_labels",
    "has_label",
    "koopman_attributes",
    "margin",
    "regression_targets",
    "soft_targets",
    "some_rows",
    "weighs_soft_targets",
]
