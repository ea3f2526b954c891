"""The matrix of one span by one library. `benchmarks/bench_rivals.py` runs this script.

    python benchmarks/rivals/spans.py LIBRARY TASK RANK SNAPSHOTS

Imports only this library, reads the snapshots (an .npz file: rows `a` enter the span, rows `b`
leave it, both of the same width) and prints one line of JSON: the median of three times from the
arrays to the fitted matrix, and the relative error of its predictions for the first rows. The tasks
are:

- linear: b from a
- quadratic: from all monomials of a up to degree 2 to those of b

RANK is the rank of the matrix, 0 for full rank. Ours restricts the outputs of the matrix
(reduced-rank regression), the others restrict its inputs (singular values of a).
"""

import json
import sys
import warnings
from statistics import median
from time import perf_counter

import numpy as np


def sklearn_koopman(task, rank, a, b):
    """`fit_operator`, which `LinearizedNetworkClassifier` calls for each span."""
    from sklearn_koopman import MonomialLifter
    from sklearn_koopman.networks._fit import fit_operator

    lifter = MonomialLifter(2) if task == "quadratic" else None
    weight = np.ones(len(a))
    operator = fit_operator(
        lambda: iter([(a, b, weight)]),
        (a, b),
        lifter,
        ridge=0.0,
        rank=rank or None,
        lift_output=lifter is not None,
    )
    coef, intercept = operator.scale.unscale(*operator.to_outputs)
    lift = (lambda rows: rows) if lifter is None else operator.lifter.transform
    return lambda rows: lift(rows) @ coef + intercept


def pydmd(task, rank, a, b):
    """`DMD`; it has no dictionary of monomials, so scikit-learn makes them."""
    from pydmd import DMD
    from sklearn.preprocessing import PolynomialFeatures

    lifter = PolynomialFeatures(2 if task == "quadratic" else 1, include_bias=task != "linear")
    model = DMD(svd_rank=rank or -1).fit(lifter.fit_transform(a).T, lifter.transform(b).T)
    states = slice(1, None) if task == "quadratic" else slice(None)
    width = a.shape[1]
    return lambda rows: np.real(model.predict(lifter.transform(rows).T))[states][:width].T


def pykoopman(task, rank, a, b):
    """`Koopman` with `observables.Polynomial` or `Identity` and `regression.EDMD`."""
    from pykoopman import Koopman
    from pykoopman.observables import Identity, Polynomial
    from pykoopman.regression import EDMD

    observables = Polynomial(2) if task == "quadratic" else Identity()
    regressor = EDMD(svd_rank=rank) if rank else EDMD()
    return Koopman(observables, regressor, quiet=True).fit(a, b).predict


def main():
    """Fit three times and print the results."""
    warnings.simplefilter("ignore")
    library, task, rank, file = sys.argv[1:]
    with np.load(file) as snapshots:
        a, b = snapshots["a"], snapshots["b"]
    fit = globals()[library]
    fit(task, int(rank), a[:2000], b[:2000])  # imports, and other work that is done once
    seconds = []
    for _ in range(3):
        start = perf_counter()
        predict = fit(task, int(rank), a, b)
        seconds.append(perf_counter() - start)
    predicted = predict(a[:2000])
    error = float(np.linalg.norm(predicted - b[:2000]) / np.linalg.norm(b[:2000]))
    print(json.dumps({"seconds": round(median(seconds), 3), "error": round(error, 5)}))


if __name__ == "__main__":
    main()
