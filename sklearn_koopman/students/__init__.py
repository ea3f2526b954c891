"""What every student has: labels, a teacher's soft targets, more rows, and lifted rows."""

from ._koopman import KoopmanClassifier
from ._lifted import LiftedStudent, Task, margin
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
from ._transfer import TransferSet, check_transfer_set

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
    "check_transfer_set",
    "check_weights",
    "encode_labels",
    "has_label",
    "margin",
    "regression_targets",
    "soft_targets",
    "some_rows",
    "weighs_soft_targets",
]
