"""The regressors keep scikit-learn's manners: no expected failures."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import (
    EDMDRegressor,
    KoopmanDistilledRegressor,
    MonomialLifter,
    TransferSet,
)

from ..extra_checks import EXTRA_ESTIMATOR_CHECKS

REGRESSORS = [
    EDMDRegressor(),
    EDMDRegressor(lifter=MonomialLifter(), ridge=1e-3, rank=1, additive_noise=0.1),
    KoopmanDistilledRegressor(soft_weight=0.0, solver="svd"),
    KoopmanDistilledRegressor(LinearRegression(), lifter=MonomialLifter()),
    KoopmanDistilledRegressor(LinearRegression(), transfer_set=TransferSet(np.arcsinh)),
]


@parametrize_with_checks(REGRESSORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", EXTRA_ESTIMATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", REGRESSORS, ids=repr)
def test_extra_check(estimator, check):
    check(type(estimator).__name__, estimator)
