"""Students on all products of local features of the variables, in the tensor-train format.

`__all__` is for users; the other names are what the folders above use of this one.
"""

from ._classifier import TensorTrainClassifier
from ._compression import CompressedStudent
from ._onnx import (
    add_compressed_logits as add_compressed_logits,
    add_train_logits as add_train_logits,
    convert_product_kernel as convert_product_kernel,
)
from ._train import TensorTrain as TensorTrain

__all__ = ["CompressedStudent", "TensorTrainClassifier"]
