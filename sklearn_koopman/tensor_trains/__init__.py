"""Students on all products of local features of the variables, in the tensor-train format.

`__all__` is for users; the other names are what the folders above use of this one, and the parts
of a fit, which tests take one by one.
"""

from ._classifier import TensorTrainClassifier
from ._compression import CompressedStudent
from ._descent import (
    LONGEST_STEP as LONGEST_STEP,
    constant_loss as constant_loss,
    descend as descend,
    warn_of_breakdown as warn_of_breakdown,
)
from ._losses import SquaredLoss as SquaredLoss, distillation_loss as distillation_loss
from ._sweep import Environments as Environments, Sweeper as Sweeper
from ._train import (
    TensorTrain as TensorTrain,
    linear_start as linear_start,
    mirrored as mirrored,
    roots as roots,
    start_of_linear_model as start_of_linear_model,
)

__all__ = ["CompressedStudent", "TensorTrainClassifier"]
