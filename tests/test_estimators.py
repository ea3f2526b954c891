"""Rules for every estimator of the package."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

import sklearn_koopman
from sklearn_koopman import (
    DistilledTreeClassifier,
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    ObservableSelector,
    TensorTrainClassifier,
    classification,
    deployment,
    lifting,
    networks,
    search,
    selection,
    teachers,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] + X[:, 1] ** 2 > 1).astype(int)
TEACHER = FrozenEstimator(LogisticRegression().fit(X, Y))

MODULES = [
    sklearn_koopman,
    classification,
    deployment,
    lifting,
    networks,
    search,
    selection,
    teachers,
]
ESTIMATORS = {
    kind
    for module in MODULES
    for kind in (getattr(module, name) for name in module.__all__)
    if inspect.isclass(kind) and issubclass(kind, BaseEstimator)
}


@pytest.mark.parametrize("kind", sorted(ESTIMATORS, key=lambda kind: kind.__name__))
def test_no_class_has_a_value_for_a_constructor_parameter(kind):
    for parameter in inspect.signature(kind).parameters:
        assert not hasattr(kind, parameter)


def test_what_chooses_its_settings_is_no_kind_of_what_is_given_them():
    assert not issubclass(KoopmanDistilledClassifierCV, KoopmanDistilledClassifier)
    assert not issubclass(EDMDClassifierCV, EDMDClassifier)


def train_by_parts(student):
    return student.partial_fit(X[:30], Y[:30], classes=[0, 1]).partial_fit(X[30:], Y[30:])


def fit(estimator):
    return estimator.fit(X, Y)


LIFTER = MonomialLifter(2)
NO_TEACHER = {"teacher": None, "lifter": None}
LABELS = {**NO_TEACHER, "soft_weight": 0.0}


@pytest.mark.parametrize(
    ("estimator", "first", "then"),
    [
        (EDMDClassifier(TEACHER, lifter=LIFTER), train_by_parts, NO_TEACHER),
        (
            KoopmanDistilledClassifier(TEACHER, lifter=LIFTER, solver="adam", max_iter=2),
            train_by_parts,
            {**LABELS, "solver": "lbfgs", "max_iter": 300},
        ),
        (
            KoopmanDistilledClassifier(TEACHER, lifter=LIFTER, solver="adam", max_iter=2),
            fit,
            {**LABELS, "solver": "lbfgs", "max_iter": 300},
        ),
        (
            KoopmanDistilledClassifierCV(TEACHER, ridges=[0.1], lifter=LIFTER, cv=2),
            fit,
            {**NO_TEACHER, "soft_weights": [0.0]},
        ),
        (EDMDClassifierCV(TEACHER, lifter=LIFTER), fit, NO_TEACHER),
        (TensorTrainClassifier(TEACHER, rank=2, lifter=LIFTER, max_iter=1), fit, LABELS),
        (ObservableSelector(LIFTER, max_observables=2), fit, {"lifter": None}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseEstimator) else "",
)
def test_nothing_is_left_of_an_earlier_fit(estimator, first, then):
    if getattr(estimator, "solver", None) == "adam":
        pytest.importorskip("skorch")
    fresh = fit(clone(estimator).set_params(**then))
    again = first(clone(estimator))
    assert vars(again).keys() - vars(fresh).keys()
    fit(again.set_params(**then))
    assert vars(again).keys() == vars(fresh).keys()


def test_nothing_is_left_of_the_teacher_of_a_tree():
    tree = DistilledTreeClassifier(TEACHER, max_depth=2, beam_width=4).fit(X, Y)
    assert tree.teacher_.classes_.tolist() == [0, 1]
    told = tree.set_params(teacher=None).fit(X, Y, soft_labels=np.eye(2)[Y])
    assert not hasattr(told, "teacher_")
