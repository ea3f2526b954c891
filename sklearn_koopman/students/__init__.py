"""What every student has: labels, a teacher's soft targets, more rows, and lifted rows.

`__all__` is for users; the other names are what the folders above use of this one.
"""

from ._koopman import (
    Affine as Affine,
    KoopmanClassifier,
    KoopmanMatrix as KoopmanMatrix,
    koopman_attributes as koopman_attributes,
)
from ._labels import (
    Labels,
    OneHotRows as OneHotRows,
    check_labels as check_labels,
    check_weights as check_weights,
    encode_labels as encode_labels,
    has_label as has_label,
)
from ._least_squares import LeastSquares as LeastSquares
from ._lifted import LiftedStudent, margin as margin
from ._lifted_rows import (
    LiftedEstimator as LiftedEstimator,
    dtype_of_coefficients as dtype_of_coefficients,
)
from ._parts import (
    check_is_no_regressor as check_is_no_regressor,
    flat_steps as flat_steps,
    observable_names as observable_names,
    split_student as split_student,
)
from ._slopes import logit_slopes as logit_slopes
from ._student import SharingEstimator as SharingEstimator, Student
from ._targets import (
    PROBABILITY_FLOOR as PROBABILITY_FLOOR,
    check_needs_no_labels as check_needs_no_labels,
    labels_of_columns as labels_of_columns,
    regression_targets as regression_targets,
    said_by_teacher as said_by_teacher,
    soft_targets as soft_targets,
    some_rows as some_rows,
    weighs_soft_targets as weighs_soft_targets,
)
from ._task import Task
from ._transfer import TransferSet, check_transfer_set as check_transfer_set
from ._transferring import TransferringStudent

__all__ = [
    "KoopmanClassifier",
    "Labels",
    "LiftedStudent",
    "Student",
    "Task",
    "TransferSet",
    "TransferringStudent",
]
