"""How good every estimator is with its default settings, beside logistic regression with its own.

    python experiments/defaults.py

Estimators are made without arguments, apart from those that they need: a teacher (or
``soft_weight=0`` without one) and a seed. The data are five sets that come with scikit-learn, as
they are ("raw") and after a `StandardScaler`. There are three folds, repeated three times (once for
digits). On the four sets with classes, the score is accuracy and the reference is
`LogisticRegression`. On diabetes they are R2 and `LinearRegression`. The teacher is an
`MLPClassifier` on standardised features, or a `RandomForestRegressor`. It is fitted only to the
rows of the student.

"lead" is the mean score minus that of the reference in the same folds. "error" is the standard
error of the lead, corrected for folds that share rows (Nadeau and Bengio 2003). "below" marks a
lead that is less than minus one error.

Least squares and trees have their own counterparts in scikit-learn. These are in the table too.
Dictionaries that need images, series or the slopes of a teacher are left out. Defaults were chosen
on other folds than those of the table.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from experiments import runner
from sklearn_koopman import (
    DistilledTreeClassifier,
    EDMDClassifier,
    EDMDClassifierCV,
    EDMDRegressor,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    KoopmanDistilledRegressor,
    MonomialLifter,
    ObservableSelector,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
    TensorTrainClassifier,
)
from sklearn_koopman.networks import LinearizedNetworkClassifier
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.search import KoopmanSearchCV

SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
N_FOLDS = 3
# How often all rows are split; digits has enough rows for one time.
REPEATS = {"digits": 1}


def network():
    """Return the teacher of classifiers."""
    return make_pipeline(StandardScaler(), MLPClassifier(random_state=0))


def alone():
    """Return a student without a teacher."""
    return KoopmanDistilledClassifier(soft_weight=0)


CLASSIFIERS = {
    "LogisticRegression": LogisticRegression(),
    "KoopmanDistilledClassifier": alone(),
    "KoopmanDistilledClassifierCV": KoopmanDistilledClassifierCV(soft_weights=[0.0]),
    "TensorTrainClassifier": TensorTrainClassifier(soft_weight=0, random_state=0),
    "KoopmanSearchCV": KoopmanSearchCV(random_state=0),
    "KoopmanDistilledClassifier, teacher": KoopmanDistilledClassifier(network()),
    "KoopmanDistilledClassifierCV, teacher": KoopmanDistilledClassifierCV(network()),
    "TensorTrainClassifier, teacher": TensorTrainClassifier(network(), random_state=0),
    "KoopmanSearchCV, teacher": KoopmanSearchCV(network(), random_state=0),
    "LinearizedNetworkClassifier": LinearizedNetworkClassifier(
        MLPClassifier((64, 64), random_state=0), ("activation0", "linear1"), random_state=0
    ),
    "MLPClassifier, the teacher": network(),
    "MonomialLifter, KoopmanDistilledClassifier": make_pipeline(MonomialLifter(), alone()),
    "OrthogonalPolynomialLifter, KoopmanDistilledClassifier": make_pipeline(
        OrthogonalPolynomialLifter(), alone()
    ),
    "RBFLifter, KoopmanDistilledClassifier": make_pipeline(RBFLifter(random_state=0), alone()),
    "OpticalLifter, KoopmanDistilledClassifier": make_pipeline(
        OpticalLifter(random_state=0), alone()
    ),
    "ObservableSelector, KoopmanDistilledClassifier": make_pipeline(
        ObservableSelector(), alone()
    ),
    "EDMDClassifier": EDMDClassifier(),
    "EDMDClassifier, teacher": EDMDClassifier(network()),
    "EDMDClassifierCV": EDMDClassifierCV(),
    "MonomialLifter, EDMDClassifier": make_pipeline(MonomialLifter(), EDMDClassifier()),
    "MonomialLifter, EDMDClassifierCV": make_pipeline(MonomialLifter(), EDMDClassifierCV()),
    "RidgeClassifier": RidgeClassifier(),
    "DistilledTreeClassifier, teacher": DistilledTreeClassifier(network(), random_state=0),
    "DecisionTreeClassifier, depth 4": DecisionTreeClassifier(max_depth=4, random_state=0),
}
REGRESSORS = {
    "LinearRegression": LinearRegression(),
    "EDMDRegressor": EDMDRegressor(),
    "KoopmanDistilledRegressor, teacher": KoopmanDistilledRegressor(
        RandomForestRegressor(random_state=0)
    ),
    "MonomialLifter, EDMDRegressor": make_pipeline(MonomialLifter(), EDMDRegressor()),
    "Ridge": Ridge(),
    "RandomForestRegressor, the teacher": RandomForestRegressor(random_state=0),
}


@dataclass(frozen=True)
class Spec:
    """One estimator on one set."""

    dataset: str
    features: str
    estimator: str


def estimators_of(dataset):
    """Return the estimators for a set; the first is the reference."""
    return REGRESSORS if dataset == "diabetes" else CLASSIFIERS


@cache
def scores(dataset, features, name):
    """Return the scores of an estimator in all folds."""
    X, y = SETS[dataset](return_X_y=True)
    kind = RepeatedKFold if dataset == "diabetes" else RepeatedStratifiedKFold
    repeats = runner.full_or_quick(REPEATS.get(dataset, 3), 1)
    folds = kind(n_splits=N_FOLDS, n_repeats=repeats, random_state=0).split(X, y)
    made = estimators_of(dataset)[name]
    if features == "standardised":
        made = make_pipeline(StandardScaler(), made)
    found = []
    with warnings.catch_warnings():
        # Networks stop after 200 epochs, and logistic regression after 100 steps on raw features.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for rows, held_out in folds:
            found.append(clone(made).fit(X[rows], y[rows]).score(X[held_out], y[held_out]))
    return np.array(found)


def lead_and_error(differences):
    """Return the mean of differences in repeated folds, and its corrected standard error."""
    shares_rows = 1 / (N_FOLDS - 1)  # rows of a test, divided by those of the fit
    variance = differences.var(ddof=1) * (1 / len(differences) + shares_rows)
    return float(differences.mean()), float(np.sqrt(variance))


def measure(spec):
    """Return the row of an estimator."""
    reference = next(iter(estimators_of(spec.dataset)))
    found = scores(spec.dataset, spec.features, spec.estimator)
    lead, error = lead_and_error(found - scores(spec.dataset, spec.features, reference))
    return {
        "score": round(float(found.mean()), 4),
        "lead": round(lead, 4),
        "error": round(error, 4),
        "below": "below" if lead < -error else "",
    }


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--datasets", nargs="+", choices=SETS, default=list(SETS))
    return made


def main():
    """Measure the estimators that have no rows yet, or show the table."""
    options = runner.parse(parser())
    specs = [
        Spec(dataset, features, name)
        for dataset, features in product(
            runner.full_or_quick(options.datasets, ["iris", "diabetes"]),
            ("standardised", "raw"),
        )
        for name in estimators_of(dataset)
    ]
    results = runner.Results("defaults.csv", ["dataset", "features", "estimator"])
    with threadpool_limits(1):
        runner.carry_out(options, results, specs, measure)


if __name__ == "__main__":
    main()
