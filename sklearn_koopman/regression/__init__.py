"""Regressors that are linear in the observables: one matrix for several targets."""

from ._distilled import KoopmanDistilledRegressor
from ._edmd import EDMDRegressor
from ._regressor import KoopmanRegressor as KoopmanRegressor

__all__ = ["EDMDRegressor", "KoopmanDistilledRegressor"]
