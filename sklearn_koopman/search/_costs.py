"""What candidates cost, before they are fitted to many rows."""

from ..inspection import cost
from ..lifting import Operations, operations_of

COSTS = ("multiplications", "bytes", "seconds")
# Predictions that are timed.
N_TIMED = 20


def cost_of(kind, student, X_row):
    """Return what a fitted student costs for one sample.

    Parameters
    ----------
    kind : {"multiplications", "bytes", "seconds"}
    student : KoopmanDistilledClassifier
    X_row : ndarray of shape (1, n_features)

    Returns
    -------
    cost : float
    """
    if kind == "seconds":
        return cost(student, X_row, n_repeats=N_TIMED).latency
    operations = operations_of(student.lifter_)
    operations += Operations.of_matrix(student.coef_, student.intercept_)
    return float(getattr(operations, kind))
