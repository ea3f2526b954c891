"""Dictionaries of observables, as transformers, with their other forms.

`__all__` is for users; the other names are what the folders above use of this one.
"""

from ._affine import (
    AffineMap as AffineMap,
    split_columns as split_columns,
    split_linear as split_linear,
)
from ._base import BlockLifter as BlockLifter
from ._chain import (
    are_floats as are_floats,
    arrays_between_steps as arrays_between_steps,
    block_lift as block_lift,
    can_lift_later as can_lift_later,
    learns_nothing as learns_nothing,
    products_of_chain as products_of_chain,
    split_at_narrowest as split_at_narrowest,
    steps_of as steps_of,
    takes_floats_alone as takes_floats_alone,
    taking_arrays as taking_arrays,
    transformed as transformed,
)
from ._chosen import (
    ChosenColumns as ChosenColumns,
    ChosenUnion as ChosenUnion,
    choose_observables as choose_observables,
)
from ._columns import ColumnParts as ColumnParts, is_numeric as is_numeric
from ._convolution import ConvolutionalLifter
from ._delay import DelayLifter
from ._filtering._filters import PATCH_BATCH as PATCH_BATCH
from ._flatten import Flatten
from ._forms._as_function import NoFunctionError as NoFunctionError, as_function as as_function
from ._forms._as_layer import (
    WITH_LAYERS as WITH_LAYERS,
    NoLayerError as NoLayerError,
    as_layer as as_layer,
)
from ._forms._costs import operations_of as operations_of
from ._forms._degrees import degree_of as degree_of
from ._forms._filling import values_filled_in as values_filled_in
from ._forms._functions import affine as affine, in_turn as in_turn
from ._forms._onnx_nodes import Nodes
from ._forms._operations import Operations, UncountableError as UncountableError
from ._forms._protocols import (
    WAY_OUT as WAY_OUT,
    SupportsC,
    SupportsChoice,
    SupportsCost,
    SupportsCurvature,
    SupportsDegree,
    SupportsFunction,
    SupportsOnnx,
    SupportsProducts,
    SupportsSlopes,
    SupportsTorch,
)
from ._forms._slopes import Slopes, slopes_of as slopes_of
from ._forms._torch_layers import linear_layer as linear_layer
from ._local_features import FEATURE_MAPS as FEATURE_MAPS, LocalFeatures as LocalFeatures
from ._monomial import Level as Level, MonomialLifter, monomials_like as monomials_like
from ._optical import OpticalLifter
from ._orthogonal import (
    OrthogonalPolynomialLifter,
    UnivariatePolynomials as UnivariatePolynomials,
)
from ._product_kernel import ProductKernelLifter
from ._products import (
    CONSTANT as CONSTANT,
    ChosenProducts as ChosenProducts,
    PairProducts,
    Step as Step,
)
from ._rbf import RBFLifter
from ._squares import SquaredProjectionLifter

__all__ = [
    "ConvolutionalLifter",
    "DelayLifter",
    "Flatten",
    "MonomialLifter",
    "Nodes",
    "Operations",
    "OpticalLifter",
    "OrthogonalPolynomialLifter",
    "PairProducts",
    "ProductKernelLifter",
    "RBFLifter",
    "Slopes",
    "SquaredProjectionLifter",
    "SupportsC",
    "SupportsChoice",
    "SupportsCost",
    "SupportsCurvature",
    "SupportsDegree",
    "SupportsFunction",
    "SupportsOnnx",
    "SupportsProducts",
    "SupportsSlopes",
    "SupportsTorch",
]
