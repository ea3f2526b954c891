"""Versions, a self-test and a first student: ``python -m sklearn_koopman``.

::

    python -m sklearn_koopman            # all three
    python -m sklearn_koopman versions   # for the report of a problem
    python -m sklearn_koopman check      # the same answers as scikit-learn
    python -m sklearn_koopman demo       # distil a network on scikit-learn's digits
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from ._versions import show_versions
from .classification import EDMDClassifier, KoopmanDistilledClassifier
from .inspection import distillation_report
from .lifting import MonomialLifter
from .pipeline import make_pipeline

# Largest difference of values, relative to the largest value.
TOLERANCE = 1e-4


def check():
    """Compare both solvers with scikit-learn's on the same observables.

    Returns
    -------
    is_right : bool
    """
    X, y = load_digits(return_X_y=True)
    X = PCA(8, random_state=0).fit_transform(X / 16)
    lifted = PolynomialFeatures(2, include_bias=False).fit_transform(X)
    scaled = StandardScaler().fit_transform(lifted)
    indicators = np.eye(10)[y]
    ridge = Ridge(alpha=len(X) * 1e-3).fit(scaled, indicators)
    logistic = LogisticRegression(C=1 / (len(X) * 1e-3), tol=1e-8, max_iter=1000).fit(scaled, y)
    edmd = EDMDClassifier(ridge=1e-3, lifter=MonomialLifter(2)).fit(X, y)
    distilled = KoopmanDistilledClassifier(
        soft_weight=0, ridge=1e-3, tol=1e-8, lifter=MonomialLifter(2)
    ).fit(X, y)
    pairs = {
        "least squares": (edmd.decision_function(X), ridge.predict(scaled)),
        "cross-entropy": (distilled.predict_proba(X), logistic.predict_proba(scaled)),
    }
    print("\nCompared with scikit-learn:")
    errors = {}
    for name, (ours, theirs) in pairs.items():
        errors[name] = np.abs(ours - theirs).max() / np.abs(theirs).max()
        verdict = "the same" if errors[name] < TOLERANCE else "NOT THE SAME"
        print(f"{name:>17}: {verdict}, to {errors[name]:.0e}")
    return max(errors.values()) < TOLERANCE


def demo():
    """Distil a network on scikit-learn's digits, and print the report."""
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    teacher = MLPClassifier(max_iter=1000, random_state=0)
    student = make_pipeline(
        PCA(20, random_state=0), MonomialLifter(2), KoopmanDistilledClassifier(teacher)
    )
    print("\nA network on digits, distilled into one matrix:")
    print(distillation_report(student, X=X, y=y, X_test=X_test, y_test=y_test))


def main(arguments=None):
    """Run what the command line asks for.

    Parameters
    ----------
    arguments : list of str, default=None
        None: the arguments of the command line.

    Returns
    -------
    code : int
        1 if a result differs from scikit-learn's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_koopman",
        description="What is installed, whether it computes right, and a first student.",
    )
    parser.add_argument("what", nargs="?", choices=["versions", "check", "demo"])
    what = parser.parse_args(arguments).what
    is_right = True
    if what in {"versions", None}:
        show_versions()
    if what in {"check", None}:
        is_right = check()
    if what in {"demo", None}:
        demo()
    return int(not is_right)


if __name__ == "__main__":
    raise SystemExit(main())
