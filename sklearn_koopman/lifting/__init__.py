"""Dictionaries of observables, as transformers.

`__all__` is for users; the other names are what the folders above use of this one.
"""

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
    transformed as transformed,
)
from ._chosen import (
    ChosenColumns as ChosenColumns,
    ChosenUnion as ChosenUnion,
    choose_observables as choose_observables,
)
from ._delay import DelayLifter
from ._local_features import FEATURE_MAPS as FEATURE_MAPS, LocalFeatures as LocalFeatures
from ._monomial import Level as Level, MonomialLifter, monomial_products as monomial_products
from ._onnx_nodes import FLOAT as FLOAT, Nodes as Nodes, labels as labels
from ._optical import OpticalLifter
from ._orthogonal import (
    RECURRENCES as RECURRENCES,
    OrthogonalPolynomialLifter,
    UnivariatePolynomials as UnivariatePolynomials,
)
from ._product_kernel import ProductKernelLifter
from ._products import (
    CONSTANT as CONSTANT,
    ChosenProducts as ChosenProducts,
    PairProducts as PairProducts,
    Step as Step,
    of_columns as of_columns,
    products_by_degree as products_by_degree,
    united as united,
    variables_alone as variables_alone,
)
from ._rbf import RBFLifter
from ._squares import SquaredProjectionLifter

__all__ = [
    "DelayLifter",
    "MonomialLifter",
    "OpticalLifter",
    "OrthogonalPolynomialLifter",
    "ProductKernelLifter",
    "RBFLifter",
    "SquaredProjectionLifter",
]
