"""Teachers: whatever maps samples to logits or probabilities that a student learns from."""

from ._dispatch import as_teacher
from ._onnx import OnnxTeacher
from ._torch import TorchTeacher

__all__ = ["OnnxTeacher", "TorchTeacher", "as_teacher"]
