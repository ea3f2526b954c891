"""Costs of candidates before they are fitted to many rows."""

from ..deployment import tables_at_most
from ..inspection import cost
from ..lifting import Operations, operations_of

COSTS = ("multiplications", "bytes", "tables", "seconds")
# #: Unit of a cost for messages, if it is not the name of the cost.
UNITS = {"tables": "bytes of tables"}
# #: Arguments of `to_c` that determine the size of tables.
C_SETTINGS = ("bits", "filter_bits", "reducer_bits", "activation_bits", "byte_range", "number")
# Number of predictions that are timed.
N_TIMED = 20


def cost_of(kind, student, X_row, c_settings):
    """Return the cost of a fitted student for one sample.

    Parameters
    ----------
    kind : {"multiplications", "bytes", "tables", "seconds"}
    student : KoopmanDistilledClassifier
    X_row : ndarray of shape (1, n_features)
    c_settings : dict or None
        Settings of tables.

    Returns
    -------
    cost : float
    """
    if kind == "seconds":
        return cost(student, X_row, n_repeats=N_TIMED).latency
    if kind == "tables":
        return float(tables_at_most(student, **(c_settings or {})))
    operations = operations_of(student.lifter_)
    operations += Operations.of_matrix(student.coef_, student.intercept_)
    return float(getattr(operations, kind))
