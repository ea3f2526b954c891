"""Which dictionary of about 1,000 observables is best, and how correlated polynomials are.

    python experiments/dictionaries.py
    python experiments/dictionaries.py --conditioning

All dictionaries take 40 PCA coordinates of all of MNIST. The student is distilled from a perceptron
(soft weight 0.9, T = 2). The ridge, and the width of dictionaries that have one, are chosen without
the test images. 10,000 training images are held out, a perceptron is trained on the other 50,000,
candidates are fitted on these, and the most accurate one on the 10,000 wins. Then teacher,
dictionary and student are fitted to all 60,000.

`condition` is the condition number of the correlations of the observables on all 60,000 images.
`lift_seconds` is the median of three runs that lift them. Writes
experiments/results/dictionaries.csv.

The second command shows how correlated monomials and orthogonal polynomials of the same space are.
It computes condition numbers (of the Gram matrix that the solvers factorise, without a ridge) on
10,000 images: for 10 PCA coordinates, and for 16 pixels (means of 7 x 7 squares, between 0 and 1).
Writes experiments/results/conditioning.csv.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from statistics import median

import numpy as np
from scipy.linalg import eigvalsh
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler

from experiments import runner
from experiments.images import images, split
from experiments.teachers import teacher
from sklearn_koopman import (
    KoopmanDistilledClassifier,
    MonomialLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
)
from sklearn_koopman.solvers import GramMoments, RowBlocks, correlation

RIDGES = [1e-5, 1e-4, 1e-3]
WIDTHS = [0.5, 1.0, 2.0, 4.0]  # times the gamma of the median heuristic
FAMILIES = ("hermite", "legendre", "chebyshev")


def dictionaries():
    """Return the unfitted dictionaries and their names."""
    n_columns = runner.full_or_quick(1000, 50)
    return {
        "MonomialLifter(2)": MonomialLifter(2),
        **{
            f"OrthogonalPolynomialLifter(2, family={family!r})": OrthogonalPolynomialLifter(
                2, family=family
            )
            for family in FAMILIES
        },
        "RBFLifter(1000)": RBFLifter(n_columns, random_state=0),
        "RBFLifter(1000, centers='random')": RBFLifter(
            n_columns, centers="random", random_state=0
        ),
        "Nystroem(n_components=1000)": Nystroem(n_components=n_columns, random_state=0),
        "RBFSampler(n_components=1000)": RBFSampler(n_components=n_columns, random_state=0),
    }


@dataclass(frozen=True)
class Dictionary:
    """One dictionary of observables."""

    dictionary: str


@dataclass(frozen=True)
class Polynomials:
    """All polynomials of some inputs up to a degree."""

    inputs: str
    degree: int


def fitted(lifter, Z, y, logits, ridge, tol):
    """Return a student of a fitted dictionary."""
    student = KoopmanDistilledClassifier(
        soft_weight=0.9, temperature=2.0, ridge=ridge, lifter=FrozenEstimator(lifter), tol=tol
    )
    return student.fit(Z, y, soft_labels=logits)


@cache
def all_rows():
    """Return coordinates, labels and logits of training rows, and coordinates of test rows."""
    X, y = images("mnist", "train")
    X_test, y_test = images("mnist", "test")
    pca = PCA(40, random_state=0).fit(X)
    return pca.transform(X), y, teacher("mnist", "mlp")(X), pca.transform(X_test), y_test


@cache
def rows_to_choose_on():
    """Return the same for the choice of settings: held-out images replace the test images."""
    X, y = images("mnist", "train")
    rows, held = split(y)
    logits = teacher("mnist", "mlp", held_out=True)(X[rows])
    pca = PCA(40, random_state=0).fit(X[rows])
    return pca.transform(X[rows]), y[rows], logits, pca.transform(X[held]), y[held]


def measure(spec):
    """Return the row of a dictionary."""
    lifter = dictionaries()[spec.dictionary]
    Z, y, logits, Z_test, y_test = all_rows()
    gammas = [np.nan]
    if "gamma" in lifter.get_params():
        typical = RBFLifter(2, centers="random", random_state=0).fit(Z).gamma_
        gammas = [width * typical for width in WIDTHS]
    score, gamma, ridge = choose(lifter, gammas)
    lifter = of_width(lifter, gamma).fit(Z)
    student, fit_seconds = runner.timed(fitted, lifter, Z, y, logits, ridge, 1e-5)
    return {
        "observables": student.coef_.shape[1],
        "gamma": gamma,
        "ridge": ridge,
        "validation_accuracy": score,
        "accuracy": student.score(Z_test, y_test),
        "condition": float(condition_number(lifter, Z)),
        "iterations": student.n_iter_,
        "lift_seconds": median(runner.timed(lifter.transform, Z)[1] for _ in range(3)),
        "fit_seconds": fit_seconds,
    }


def of_width(lifter, gamma):
    """Return an unfitted lifter with Gaussians of some width; other lifters have no width."""
    lifter = clone(lifter)
    return lifter if np.isnan(gamma) else lifter.set_params(gamma=gamma)


def choose(unfitted, gammas):
    """Return the accuracy on held-out images, gamma and ridge of the best candidate."""
    Z, y, logits, Z_held, y_held = rows_to_choose_on()
    found = []
    for gamma in gammas:
        lifter = of_width(unfitted, gamma).fit(Z)
        for ridge in RIDGES:
            student = fitted(lifter, Z, y, logits, ridge, 1e-4)
            found.append((student.score(Z_held, y_held), gamma, ridge))
            print("   validation", *found[-1], student.n_iter_, flush=True)
    return max(found)


def condition_number(lifter, Z):
    """Return the condition number of the correlations; infinite if rounding decides."""
    n_observables = lifter.transform(Z[:1]).shape[1]
    blocks = RowBlocks(Z.astype(np.float64), lifter.transform, n_observables=n_observables)
    moments = blocks.with_rows_at_least(GramMoments.block_rows).map_reduce(
        GramMoments.update, GramMoments(n_observables), np.ones(len(Z))
    )
    varies = ~moments.scale.constant
    values = eigvalsh(correlation(moments)[np.ix_(varies, varies)], lower=False)
    return values[-1] / values[0] if values[0] > len(values) * 2.2e-16 * values[-1] else np.inf


def measure_conditioning(spec):
    """Return condition numbers of monomials and of each family."""
    X = images("mnist", "train")[0][:10_000].astype(np.float64)
    if spec.inputs == "16 pixels":
        Z = X.reshape(-1, 4, 7, 4, 7).mean(axis=(2, 4)).reshape(-1, 16) / X.max()
    else:
        Z = PCA(10, random_state=0).fit_transform(X)
    lifters = {"monomials": MonomialLifter(spec.degree, include_bias=False)} | {
        family: OrthogonalPolynomialLifter(spec.degree, family=family, include_bias=False)
        for family in FAMILIES
    }
    numbers = {
        name: f"{condition_number(lifter.fit(Z), Z):.2g}" for name, lifter in lifters.items()
    }
    return {"observables": lifters["monomials"].n_output_features_, **numbers}


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--conditioning", action="store_true", help="only condition numbers")
    return made


def main():
    """Measure or show one of the tables."""
    options = runner.parse(parser())
    warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter_ is in the table
    if options.conditioning:
        results = runner.Results("conditioning.csv", ["inputs", "degree"])
        of_pca = [Polynomials("10 PCA coordinates", degree) for degree in (2, 3, 4)]
        of_pixels = [Polynomials("16 pixels", degree) for degree in (2, 3)]
        runner.carry_out(options, results, [*of_pca, *of_pixels], measure_conditioning)
    else:
        results = runner.Results("dictionaries.csv", ["dictionary"])
        runner.carry_out(
            options, results, [Dictionary(name) for name in dictionaries()], measure
        )


if __name__ == "__main__":
    main()
