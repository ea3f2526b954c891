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
    try:
        values = np.asarray(imputer.statistics_, dtype=np.float64)
    except ValueError:  # texts
        return None
    return None if imputer.add_indicator or not np.isfinite(values).all() else values


NOT_FILLING = (
    "SimpleImputer has this form where it fills each column with a number, without indicators "
    "(add_indicator=False) and without columns that have no values."
)
