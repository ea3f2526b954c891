"""The same work by one library. `benchmarks/bench_rivals.py` runs this script as a process.

    python benchmarks/rivals/sides.py LIBRARY TASK N P DEGREE DTYPE REFERENCE

Imports only this library and prints one line of JSON. The data are snapshot pairs (x, x') of a
known system: x is standard normal, and x' is one explicit Euler step of the Lorenz-96 model,

    x'_i = x_i + 0.05 ((x_{i+1} - x_{i-2}) x_{i-1} - x_i + 8)    (indices modulo p).

This is a polynomial of degree 2, so least squares must find it exactly. Each library lifts with its
own dictionary of all monomials up to the degree, the constant included, and fits without ridge:

- lift: the n x D matrix of monomials of x (pykoop's has no constant: D - 1 columns)
- operator: from x, x' to the matrix K that minimises ||psi(x') - psi(x) K||, lifting both
- state: the same with x' itself as target, as in SINDy: p columns
- labels: the same with 10 classes as one-hot targets: which of x'_1, ..., x'_10 is the largest?

The time counts from the arrays x, x' (or labels) to the fitted model, whatever the library does on
the way. The memory is the rise of the largest resident memory of the process during that work; data
and imports are counted before it. Fits are compared by their predictions for 1,000 new states,
column by column. The order in which a library lists its monomials does not matter: the value at one
point identifies a column of the dictionary.
"""

import json
import resource
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from threadpoolctl import threadpool_info

MOST_RUNS, ENOUGH_SECONDS = 5, 10
N_CLASSES = 10


class SklearnKoopman:
    """`MonomialLifter`, `GramMoments` with `solve_gram`, `EDMDClassifier`; all work in blocks."""

    def __init__(self, degree):
        from sklearn_koopman import EDMDClassifier, MonomialLifter, solvers

        self.solvers = solvers
        self.lifter = MonomialLifter(degree)
        self.observables = MonomialLifter(degree, include_bias=False)
        self.classifier = EDMDClassifier(ridge=0.0, lifter=self.observables)

    def lift(self, X):
        return self.lifter.fit_transform(X)

    def operator(self, X, Y):
        lifted = LiftedRows(Y, self.observables.fit(X).transform)
        predict = self._regress(X, lifted, self.observables.n_output_features_)
        # The intercept stands for the constant observable, which stays 1.
        return lambda Z: np.column_stack([np.ones(len(Z)), predict(Z)])

    def state(self, X, Y):
        return self._regress(X, Y, Y.shape[1])

    def labels(self, X, y):
        return self.classifier.fit(X, y).decision_function

    def _regress(self, X, targets, n_targets):
        lift = self.observables.fit(X).transform
        n_observables = self.observables.n_output_features_
        blocks = self.solvers.RowBlocks(
            X, lift, n_observables=n_observables, products=self.observables.pair_products()
        )
        moments = self.solvers.GramMoments(n_observables, n_targets)
        moments = self.solvers.accumulated(moments, blocks, targets, np.ones(len(X)))
        coef = self.solvers.solve_gram(moments, ridge=0.0)
        coef, intercept = moments.scale.unscale(coef, moments.target_mean)
        return lambda Z: lift(Z) @ coef + intercept


class LiftedRows:
    """Rows that are lifted when they are read."""

    def __init__(self, rows, lift):
        self.rows = rows
        self.lift = lift

    def __getitem__(self, part):
        return self.lift(self.rows[part])


class ScikitLearn:
    """`PolynomialFeatures`, `Ridge` and `RidgeClassifier`, solver="cholesky"."""

    def __init__(self, degree):
        from sklearn.linear_model import Ridge, RidgeClassifier
        from sklearn.preprocessing import PolynomialFeatures

        settings = {"alpha": 0.0, "fit_intercept": False, "copy_X": False, "solver": "cholesky"}
        self.lifter = PolynomialFeatures(degree, order="F")
        self.ridge = Ridge(**settings)
        self.classifier = RidgeClassifier(**settings)

    def lift(self, X):
        return self.lifter.fit_transform(X)

    def operator(self, X, Y):
        self.ridge.fit(self.lift(X), self.lift(Y))
        return lambda Z: self.ridge.predict(self.lift(Z))

    def state(self, X, Y):
        self.ridge.fit(self.lift(X), Y)
        return lambda Z: self.ridge.predict(self.lift(Z))

    def labels(self, X, y):
        self.classifier.fit(self.lift(X), y)
        # RidgeClassifier regresses on -1 and 1, the others on 0 and 1.
        return lambda Z: (self.classifier.decision_function(self.lift(Z)) + 1) / 2


class PyKoopman:
    """`Koopman` with `observables.Polynomial` and `regression.EDMD`, at full rank."""

    def __init__(self, degree):
        from pykoopman import Koopman
        from pykoopman.observables import Polynomial
        from pykoopman.regression import EDMD

        self.lifter = Polynomial(degree, order="F")
        self.regressor = EDMD()
        self.koopman = Koopman(self.lifter, self.regressor, quiet=True)

    def lift(self, X):
        return self.lifter.fit_transform(X)

    def operator(self, X, Y):
        self.koopman.fit(X, Y)
        regressor = self.koopman._pipeline.steps[-1][1]
        return lambda Z: regressor.predict(self.lift(Z))

    def state(self, X, Y):
        self.regressor.fit(self.lift(X), Y)
        return lambda Z: self.regressor.predict(self.lift(Z))

    def labels(self, X, y):
        return self.state(X, one_hot(y))


class Deeptime:
    """`EDMD` over `basis.Monomials`."""

    def __init__(self, degree):
        from deeptime.basis import Monomials
        from deeptime.decomposition import EDMD

        self.degree = degree
        self.monomials, self.edmd = Monomials, EDMD

    def lift(self, X):
        return self.monomials(self.degree, X.shape[1])(X)

    def operator(self, X, Y):
        # One eigenpair: it does not offer the operator alone.
        model = self.edmd(self.lift, n_eigs=1).fit((X, Y)).fetch_model()
        return lambda Z: self.lift(Z) @ model.operator

    def state(self, X, Y):
        model = self.edmd(lambda rows: rows, n_eigs=1).fit((self.lift(X), Y)).fetch_model()
        return lambda Z: self.lift(Z) @ model.operator

    def labels(self, X, y):
        return self.state(X, one_hot(y))


class DeeptimeOverPolynomialFeatures(Deeptime):
    """deeptime's `EDMD` over scikit-learn's `PolynomialFeatures`; it takes any callable."""

    def __init__(self, degree):
        from sklearn.preprocessing import PolynomialFeatures

        super().__init__(degree)
        self.lift = PolynomialFeatures(degree, order="F").fit_transform


class Pykoop:
    """`PolynomialLiftingFn`, `ConstantLiftingFn` (float64 always) and `Edmd`; no validation."""

    def __init__(self, degree):
        import pykoop

        pykoop.set_config(skip_validation=True)
        self.lifter = pykoop.PolynomialLiftingFn(degree)
        self.constant = pykoop.ConstantLiftingFn()
        self.regressor = pykoop.Edmd()

    def lift(self, X):
        return self.lifter.fit_transform(X)

    def operator(self, X, Y):
        return self._regress(X, self.lift_with_constant(Y))

    def state(self, X, Y):
        return self._regress(X, Y)

    def labels(self, X, y):
        return self._regress(X, one_hot(y))

    def lift_with_constant(self, X):
        return self.constant.fit_transform(self.lift(X))

    def _regress(self, X, targets):
        self.regressor.fit(self.lift_with_constant(X), targets)
        return lambda Z: self.lift_with_constant(Z) @ self.regressor.coef_


class Pysindy:
    """`PolynomialLibrary` and `STLSQ` without threshold, penalty or unneeded first fits."""

    def __init__(self, degree):
        from pysindy import STLSQ, DiscreteSINDy, PolynomialLibrary

        self.library = PolynomialLibrary(degree, order="F")
        self.optimizer = STLSQ
        self.sindy = DiscreteSINDy

    def lift(self, X):
        return np.asarray(self.library.fit_transform(X))

    def operator(self, X, Y):
        return self._regress(X, self.lift(Y))

    def state(self, X, Y):
        optimizer = self._least_squares(X, Y.shape[1])
        model = self.sindy(optimizer, self.library).fit(X, t=1, x_next=Y)
        return lambda Z: np.asarray(model.predict(Z))

    def labels(self, X, y):
        return self._regress(X, one_hot(y))

    def _least_squares(self, X, n_targets):
        """Return STLSQ without the work that only sparse fits need."""
        n_observables = self.library.fit(X).n_output_features_
        return self.optimizer(
            threshold=0.0,
            alpha=0.0,
            ridge_kw={"solver": "cholesky"},
            copy_X=False,
            initial_guess=np.zeros((n_targets, n_observables)),
            unbias=False,
        )

    def _regress(self, X, targets):
        optimizer = self._least_squares(X, targets.shape[1]).fit(self.lift(X), targets)
        return lambda Z: self.lift(Z) @ optimizer.coef_.T


SIDES = {
    "sklearn_koopman": SklearnKoopman,
    "scikit-learn": ScikitLearn,
    "pykoopman": PyKoopman,
    "deeptime": Deeptime,
    "deeptime, PolynomialFeatures": DeeptimeOverPolynomialFeatures,
    "pykoop": Pykoop,
    "pysindy": Pysindy,
}


def one_hot(y):
    return np.eye(N_CLASSES)[y]


def step(X):
    """Return the next states of the Lorenz-96 model."""
    ahead, behind, behind_2 = (np.roll(X, shift, axis=1) for shift in (-1, 1, 2))
    return X + 0.05 * ((ahead - behind_2) * behind - X + 8)


def snapshots(n, p, dtype, seed):
    """Return n states and the next ones."""
    X = np.random.default_rng(seed).normal(size=(n, p))
    Y = np.empty_like(X)
    for start in range(0, n, 1000):  # little memory, so that the work needs the most
        Y[start : start + 1000] = step(X[start : start + 1000])
    return X.astype(dtype, copy=False), Y.astype(dtype, copy=False)


def peak_MB():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work):
    """Return the last result of the work, the seconds of each run, the rise of peak memory."""
    before = peak_MB()
    seconds = []
    result = None
    while not seconds or (len(seconds) < MOST_RUNS and sum(seconds) < ENOUGH_SECONDS):
        result = None  # frees memory for the next run
        start = perf_counter()
        result = work()
        seconds.append(perf_counter() - start)
    return result, seconds, peak_MB() - before


def relative_error(found, expected):
    """Return the largest difference, relative to the largest value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def built_with():
    """Return the versions of the libraries that did the arithmetic."""
    packages = [f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn")]
    blas = {
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture')}"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    return ", ".join([*packages, *sorted(blas)])


def main():
    """Do one task with one library and print the results."""
    warnings.simplefilter("ignore")
    library, task, n, p, degree, dtype, reference = sys.argv[1:]
    n, p, degree = int(n), int(p), int(degree)
    side = SIDES[library](degree)
    X, Y = snapshots(n, p, dtype, seed=0)
    Z, Z_next = snapshots(1000, p, "float64", seed=1)

    if task == "lift":
        _, seconds, rise = timed(lambda: side.lift(X))
        prediction = side.lift(Z.astype(dtype))
        dictionary = side.lift
    else:
        targets = Y[:, :N_CLASSES].argmax(axis=1) if task == "labels" else Y
        predict, seconds, rise = timed(lambda: getattr(side, task)(X, targets))
        prediction = predict(Z)
        dictionary = getattr(side, "lift_with_constant", side.lift)
    found = {
        "seconds": median(seconds),
        "runs": len(seconds),
        "peak_MB": rise,
        "built_with": built_with(),
    }

    if task in ("lift", "operator"):
        # The dictionary's values at one point, with coordinates above 1, identify its columns.
        point = np.random.default_rng(2).uniform(1.1, 1.9, size=(1, p))
        values = dictionary(point)[0]
        states = [np.abs(values - coordinate).argmin() for coordinate in point[0]]
        truth = Z.astype(dtype) if task == "lift" else Z_next
        found["error"] = relative_error(prediction[:, states], truth)
        prediction = prediction[:, np.argsort(values)]  # the constant comes first
    elif task == "state":
        found["error"] = relative_error(prediction, Z_next)

    if library == "sklearn_koopman":
        np.save(reference, prediction)
    elif Path(reference).exists():
        ours = np.load(reference)[:, -prediction.shape[1] :]
        found["disagreement"] = relative_error(prediction, ours)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
