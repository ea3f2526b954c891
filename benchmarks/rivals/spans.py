"""The matrix of one span by one library: what `benchmarks/bench_spans.py` runs by itself.

    python benchmarks/rivals/spans.py LIBRARY TASK SNAPSHOTS

Imports that library alone, reads the snapshots (an .npz file: rows `a` enter the span, rows `b`
leave it, both of the same width) and prints one line of JSON: the median of three times from the
arrays to the fitted matrix, and the relative error of what it predicts for the rows themselves.

- linear: b from a
- quadratic: from all monomials of a up to degree 2 to those of b
"""

import json
import sys
import warnings
from statistics import median
from time import perf_counter

import numpy as np


def sklearn_koopman(task, a, b):
    from sklearn_koopman import MonomialLifter
    from sklearn_koopman.networks._fit import fit_operator

    lifter = MonomialLifter(2) if task == "quadratic" else None
    weight = np.ones(len(a))
    operator = fit_operator(
        lambda: iter([(a, b, weight)]),
        (a, b),
        lifter,
        ridge=0.0,
        rank=None,
        lift_output=lifter is not None,
    )
    coef, intercept = operator.scale.unscale(*operator.to_outputs)
    lift = (lambda rows: rows) if lifter is None else operator.lifter.transform
    return lambda rows: lift(rows) @ coef + intercept


def pydmd(task, a, b):
    from pydmd import DMD

    model = DMD(svd_rank=-1).fit(a.T, b.T)
    return lambda rows: np.real(model.predict(rows.T)).T


def pykoopman(task, a, b):
    import pykoopman

    observables = (
        pykoopman.observables.Polynomial(2)
        if task == "quadratic"
        else pykoopman.observables.Identity()
    )
    model = pykoopman.Koopman(observables=observables, regressor=pykoopman.regression.EDMD())
    return model.fit(a, b).predict


def main():
    warnings.simplefilter("ignore")
    library, task, file = sys.argv[1:]
    with np.load(file) as snapshots:
        a, b = snapshots["a"], snapshots["b"]
    fit = globals()[library]
    fit(task, a[:200], b[:200])  # imports, and whatever is done once
    seconds = []
    for _ in range(3):
        start = perf_counter()
        predict = fit(task, a, b)
        seconds.append(perf_counter() - start)
    predicted = predict(a[:2000])
    error = float(np.linalg.norm(predicted - b[:2000]) / np.linalg.norm(b[:2000]))
    print(json.dumps({"seconds": round(median(seconds), 3), "error": round(error, 5)}))


if __name__ == "__main__":
    main()
