"""Students on all products of local features of the variables, in the tensor-train format.

`__all__` is for users; the other names are what the folders above use of this one.
"""

from ._classifier import TensorTrainClassifier
from ._compression import CompressedStudent
from ._train import TensorTrain as TensorTrain

__all__ = ["CompressedStudent", "TensorTrainClassifier"]
