"""From a fitted model to what is shipped."""

from ._detach import detach_teacher
from ._files import load_student, save_student
from ._module import to_module
from ._onnx import register_onnx_converters, to_onnx

__all__ = [
    "detach_teacher",
    "load_student",
    "register_onnx_converters",
    "save_student",
    "to_module",
    "to_onnx",
]
