"""Students on all products of local features of the variables, in the tensor-train format."""

from ._classifier import TensorTrainClassifier
from ._compression import CompressedStudent
from ._onnx import add_compressed_logits, add_train_logits, convert_product_kernel
from ._train import TensorTrain

__all__ = [
    "CompressedStudent",
    "TensorTrain",
    "TensorTrainClassifier",
    "add_compressed_logits",
    "add_train_logits",
    "convert_product_kernel",
]
