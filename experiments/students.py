"""The students of the tables, and how their settings are chosen without the test images."""

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline, make_union

from experiments import runner
from experiments.transfer_sets import as_transfer_set
from sklearn_koopman import (
    ActiveSubspace,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
)

PRELIMINARY = 200  # number of PCA coordinates in which an active subspace is sought
LEADING = 32  # number of active coordinates whose triples are all taken
SMALL = 1000  # number of observables of the students "RBF" and "sparse"

# (soft weight, temperature) are tried at the first ridge, and then the other ridges.
SOFT = {
    "mnist": [(0.5, 2.0), (1.0, 2.0), (1.0, 4.0)],
    "fashion_mnist": [(0.1, 2.0), (0.5, 1.0), (0.5, 2.0), (1.0, 2.0)],
}
RIDGES = {"mnist": (1e-4, 1e-3, 1e-5), "fashion_mnist": (1e-3, 1e-2, 3e-3, 3e-4)}
TOL = 1e-4
EDMD_RIDGES = (1e-5, 1e-4, 1e-3, 1e-2)
# The paper does not give its settings. These are one guess, not tuned.
ADAM = {"soft_weight": 0.5, "temperature": 2.0, "ridge": 1e-4}
WITH_TRANSFER_SETS = ("exact", "active", "active, triples", "squares", "RBF", "sparse")
METHODS = ("EDMD, labels", "EDMD, logits", "Adam", "no teacher", *WITH_TRANSFER_SETS)


def make_student(method, teacher, components, degree, made="none", gamma=None):
    """Return a student that takes pixels, with the settings still to be chosen."""
    few = runner.full_or_quick(SMALL, 20)
    pca = PCA(components, random_state=0)
    if method in ("active", "active, triples", "squares"):
        products = MonomialLifter(degree)
        if method.endswith("triples"):
            triples = MonomialLifter((3, degree), include_bias=False)
            triples = make_pipeline(LeadingColumns(LEADING), triples)
            products = make_union(MonomialLifter(2), triples)
        subspace = ActiveSubspace(
            teacher, components, n_preliminary=runner.full_or_quick(PRELIMINARY, 40)
        )
        lifter = make_pipeline(subspace, products)
    elif method == "RBF":
        lifter = make_pipeline(pca, Nystroem(gamma=gamma, n_components=few, random_state=0))
    elif method == "sparse":
        lifter = make_pipeline(
            pca, ObservableSelector(MonomialLifter(degree), max_observables=few)
        )
    else:
        lifter = make_pipeline(pca, MonomialLifter(degree))
    learns_from_labels = method in ("no teacher", "EDMD, labels")
    common = {
        "teacher": None if learns_from_labels else teacher,
        "lifter": lifter,
        "transfer_set": as_transfer_set(made, keep_labels=learns_from_labels),
    }
    if method.startswith("EDMD"):
        return EDMDClassifier(**common)
    if method == "Adam":
        return KoopmanDistilledClassifier(**common, solver="adam", max_iter=10, **ADAM)
    return KoopmanDistilledClassifier(**common, tol=TOL)


def rounds(dataset, method):
    """Return a function for each round, from the best settings so far to the next trials."""
    if method.startswith("EDMD"):
        return [lambda best: [{"ridge": ridge} for ridge in EDMD_RIDGES]]
    first, *others = RIDGES[dataset]
    soft = [(0.0, 1.0)] if method == "no teacher" else SOFT[dataset]
    return [
        lambda best: [
            {"soft_weight": weight, "temperature": temperature, "ridge": first}
            for weight, temperature in soft
        ],
        lambda best: [best | {"ridge": ridge} for ridge in others],
    ]


def choose(student, trials, X, y, X_held, y_held):
    """Return (validation accuracy, settings) of the best candidate on held-out rows.

    All candidates share a lifter, and each one starts where the last one ended.
    """
    lifter = FrozenEstimator(clone(student.lifter).fit(X, y))
    student = clone(student).set_params(lifter=lifter)
    if isinstance(student, KoopmanDistilledClassifier):
        student.set_params(warm_start=True)
    best = (-1.0, {})
    for trial in trials:
        for settings in trial(best[1]):
            score = student.set_params(**settings).fit(X, y).score(X_held, y_held)
            print("   validation", settings, f"{score:.4f}", flush=True)
            best = max(best, (score, settings), key=lambda found: found[0])
    return best


class LeadingColumns(SelectorMixin, BaseEstimator):
    """Keeps the first columns."""

    def __init__(self, n_columns):
        self.n_columns = n_columns

    def fit(self, X, y=None):
        """Note how many columns there are."""
        self.n_features_in_ = X.shape[1]
        return self

    def _get_support_mask(self):
        return np.arange(self.n_features_in_) < self.n_columns
