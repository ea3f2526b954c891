"""The values of a fitted SimpleImputer that fills each column with a number."""

import numpy as np


def values_filled_in(imputer):
    """Return the values that a fitted SimpleImputer puts in place of missing ones.

    Parameters
    ----------
    imputer : SimpleImputer

    Returns
    -------
    values : ndarray of shape (n_features,), or None
        Values. None if the imputer also adds indicators, leaves out columns, or fills in texts.
    """
    try:
        values = np.asarray(imputer.statistics_, dtype=np.float64)
    except ValueError:  # texts
        return None
    return None if imputer.add_indicator or not np.isfinite(values).all() else values


NOT_FILLING = (
    "SimpleImputer has this form only if it fills each column with a number, without indicators "
    "(add_indicator=False) and without columns that have no values."
)
