"""Students on all products of local features of the variables, in the tensor-train format."""

from ._classifier import TensorTrainClassifier
from ._compression import CompressedStudent
from ._train import TensorTrain

__all__ = ["CompressedStudent", "TensorTrain", "TensorTrainClassifier"]
