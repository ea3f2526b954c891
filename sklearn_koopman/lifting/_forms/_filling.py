"""What a fitted SimpleImputer fills in, where that is a number for each column."""

import numpy as np


def values_filled_in(imputer):
    """Return what a fitted SimpleImputer puts in the place of missing values.

    Parameters
    ----------
    imputer : SimpleImputer

    Returns
    -------
    values : ndarray of shape (n_features,), or None
        None where the imputer does more than that: it adds indicators, leaves out columns, or
        fills in texts.
    """
    values = np.asarray(imputer.statistics_)
    if imputer.add_indicator or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        return None
    return values.astype(np.float64)


NOT_FILLING = (
    "SimpleImputer has this form where it fills each column with a number, without indicators "
    "(add_indicator=False) and without columns that have no values."
)
