"""Teachers: objects that map samples to logits or probabilities that a student learns from.

`__all__` is for users; the other names are what the folders above use of this one.
"""

from ._base import CallableTeacher as CallableTeacher, Teacher as Teacher
from ._dispatch import (
    as_teacher,
    is_onnx as is_onnx,
    is_torch_module as is_torch_module,
    share_or_clone as share_or_clone,
    teacher_of as teacher_of,
)
from ._estimator import EstimatorTeacher as EstimatorTeacher, warn_of_refit as warn_of_refit
from ._onnx import OnnxTeacher
from ._outputs import (
    OUTPUT_KINDS as OUTPUT_KINDS,
    UnusableTeacherError as UnusableTeacherError,
    align_columns as align_columns,
    check_n_columns as check_n_columns,
    check_outputs as check_outputs,
    column_classes as column_classes,
    column_names as column_names,
    columns_of as columns_of,
    output_kind as output_kind,
    shortened as shortened,
    teacher_logits as teacher_logits,
    to_numpy as to_numpy,
)
from ._skorch import is_skorch as is_skorch, skorch_input as skorch_input
from ._torch import (
    FORWARD_LOCK as FORWARD_LOCK,
    TorchTeacher,
    evaluating as evaluating,
    floating_dtype as floating_dtype,
    home_of as home_of,
    import_torch as import_torch,
)
from ._weights import fit_weighted as fit_weighted

__all__ = ["OnnxTeacher", "TorchTeacher", "as_teacher"]
