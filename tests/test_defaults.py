"""No estimator is worse than a linear model of scikit-learn, both as they come.

All of them, and larger ones, are in the table of `experiments/defaults.py`.
"""

import warnings
from itertools import product

import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    EDMDRegressor,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    KoopmanDistilledRegressor,
    MonomialLifter,
    TensorTrainClassifier,
)
from sklearn_koopman.pipeline import make_pipeline

SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}
STUDENTS = {
    "distilled": KoopmanDistilledClassifier(soft_weight=0),
    "distilled, with a teacher": KoopmanDistilledClassifier(
        make_pipeline(StandardScaler(), MLPClassifier(random_state=0))
    ),
    "distilled, settings by folds": KoopmanDistilledClassifierCV(soft_weights=[0.0]),
    "train": TensorTrainClassifier(soft_weight=0, random_state=0),
}
# Least squares on labels has a counterpart of its own.
LEAST_SQUARES = {"least squares": EDMDClassifier(), "ridge by folds": EDMDClassifierCV()}


def predictions(model, X, y):
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of the teacher, in 200 epochs
        return cross_val_predict(make_pipeline(StandardScaler(), model), X, y, cv=folds)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        *product(["iris", "wine", "breast cancer"], STUDENTS),
        ("digits", "distilled"),
        pytest.param("digits", "train", marks=pytest.mark.slow),
    ],
)
def test_classifiers_are_not_worse_than_logistic_regression(dataset, name):
    assert_not_worse(STUDENTS[name], LogisticRegression(), dataset)


@pytest.mark.parametrize("name", LEAST_SQUARES)
@pytest.mark.parametrize("dataset", SETS)
def test_least_squares_is_not_worse_than_ridge_classification(dataset, name):
    assert_not_worse(LEAST_SQUARES[name], RidgeClassifier(), dataset)


def test_products_of_digits_are_better_than_digits():
    student = make_pipeline(MonomialLifter(), EDMDClassifier())
    assert_not_worse(student, LogisticRegression(), "digits")


def assert_not_worse(model, linear, dataset):
    X, y = SETS[dataset](return_X_y=True)
    right, of_linear = predictions(model, X, y) == y, predictions(linear, X, y) == y
    lost, differ = np.sum(of_linear) - np.sum(right), np.sum(of_linear != right)
    # Where both are as good, a row on which they differ goes to either with equal chances.
    assert lost <= 2 * np.sqrt(differ)


@pytest.mark.parametrize(
    "student",
    [EDMDRegressor(), KoopmanDistilledRegressor(RandomForestRegressor(20, random_state=0))],
    ids=["least squares", "distilled"],
)
def test_regressors_are_not_worse_than_linear_regression(student):
    X, y = load_diabetes(return_X_y=True)
    score, of_linear = (
        cross_val_score(model, X, y, cv=3).mean() for model in (student, LinearRegression())
    )
    assert score > of_linear - 0.005
