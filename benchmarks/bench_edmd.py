"""How close least squares at degree 3 is to the limit of BLAS, beside scikit-learn's pieces.

    python benchmarks/bench_edmd.py

All sides start from 30 PCA coordinates of MNIST's 60,000 training rows (5,456 observables). Two of
them solve the same least squares: ours (which lifts inside), and PolynomialFeatures +
Ridge(solver="cholesky") on one-hot labels. The third side is the limit: the time that BLAS takes
for the symmetric product of as many rows, block after block, without any lifting. Every run is a
process of its own. Peak memory is what the run needs beyond its imports and the coordinates.
Writes benchmarks/results/edmd.csv.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.linalg import blas
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from benchmarks import runner
from experiments.images import images
from sklearn_koopman import EDMDClassifier, MonomialLifter

DEGREE, RIDGE, BLOCK = 3, 1e-3, 2048
SIDES = [
    (side, dtype)
    for dtype in ("float32", "float64")
    for side in ("ours", "scikit-learn", "BLAS")
]


def save_coordinates(path):
    """Save PCA coordinates of unit variance, and labels."""
    X, y = images("mnist", "train")
    pca = PCA(runner.full_or_quick(30, 6), whiten=True, random_state=0)
    np.savez(path, Z=pca.fit_transform(X), y=np.asarray(y, dtype=int))


def symmetric_products(n_samples, n_observables, dtype):
    """Multiply as many rows as there are with themselves, a block at a time."""
    product = blas.ssyrk if dtype == np.float32 else blas.dsyrk
    rows = np.random.default_rng(0).normal(size=(BLOCK, n_observables))
    rows = np.asfortranarray(rows, dtype)
    total = np.zeros((n_observables, n_observables), dtype, order="F")
    for _ in range(n_samples // BLOCK + 1):
        total = product(1.0, rows, beta=1.0, c=total, trans=1, overwrite_c=1)


def run_alone(side, dtype, path):
    """Run one side in this process; tell its seconds and its peak memory."""
    with np.load(path) as data:
        Z, y = data["Z"].astype(dtype), data["y"]
    lifter = MonomialLifter(DEGREE)
    if side == "ours":
        runner.tell_cost(EDMDClassifier(ridge=RIDGE, lifter=lifter).fit, Z, y)
    elif side == "scikit-learn":
        model = make_pipeline(
            PolynomialFeatures(DEGREE, include_bias=False),
            Ridge(alpha=RIDGE * len(Z), solver="cholesky"),
        )
        runner.tell_cost(model.fit, Z, np.eye(10, dtype=Z.dtype)[y])
    else:
        n_observables = lifter.fit(Z[:1]).n_output_features_
        runner.tell_cost(symmetric_products, len(Z), n_observables, Z.dtype)


def parser():
    """Return the parser of the command line."""
    return runner.benchmark_parser(__doc__, repeats=3, runs_alone=True)


def main():
    """Run all sides in turn and write the table."""
    options = runner.parse(parser())
    if options.alone:
        run_alone(*options.alone)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "coordinates.npz"
        save_coordinates(path)
        turns = {side: lambda side=side: runner.alone(__file__, *side, path) for side in SIDES}
        found = runner.in_turns(turns, options.repeats)
    results = runner.Measurements("edmd.csv", ["side", "dtype"])
    for (side, dtype), runs in found.items():
        results.add(
            {
                "side": side,
                "dtype": dtype,
                "seconds": runner.median_of((run["seconds"] for run in runs), 2),
                "peak MB": round(runner.median_of(run["megabytes"] for run in runs)),
                "runs": len(runs),
            }
        )


if __name__ == "__main__":
    main()
