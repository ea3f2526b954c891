"""A new student and a new teacher need little code."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestCentroid
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.lifting import transformed
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.students import LiftedStudent, OneHotRows
from sklearn_koopman.teachers import Teacher

from ..classification.helpers import samples

X, Y = samples()


class NearestMeans(LiftedStudent):
    """Predicts the class with the nearest mean observables."""

    def __init__(
        self,
        teacher=None,
        *,
        lifter=None,
        teacher_output="auto",
        teacher_classes=None,
        unlabeled_value=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.lifter = lifter
        self.teacher_output = teacher_output
        self.teacher_classes = teacher_classes
        self.unlabeled_value = unlabeled_value
        self.verbose = verbose

    def _solve(self, task):
        one_hot = OneHotRows(task.labels.codes, len(task.labels.classes))
        sums, weights = task.blocks.sum(_class_sums, one_hot, task.sample_weight)
        return {"means_": sums / np.maximum(weights, 1e-300)[:, None]}

    def _logit_function(self):
        means = self.means_
        return lambda psi: psi @ means.T - np.square(means).sum(axis=1) / 2


def _class_sums(psi, one_hot, weight):
    mass = one_hot * weight[:, None]
    return mass.T @ psi, mass.sum(axis=0)


@parametrize_with_checks([NearestMeans()])
def test_a_new_student_has_scikit_learns_manners(estimator, check):
    check(estimator)


@pytest.mark.parametrize("unlabeled", [None, -1])
def test_a_new_student_is_right_in_and_out_of_a_pipeline(unlabeled):
    steps = PCA(3, random_state=0), MonomialLifter(2)
    y = np.where(np.arange(len(Y)) % 5 == 0, -1, Y) if unlabeled else Y
    student = NearestMeans(unlabeled_value=unlabeled)
    within = clone(student).set_params(lifter=make_pipeline(*map(clone, steps))).fit(X, y)
    before = make_pipeline(*steps, student).fit(X, y)
    observables = transformed(within.lifter_, X)
    oracle = NearestCentroid().fit(observables[y != unlabeled], y[y != unlabeled])
    assert_array_equal(within.predict(X), oracle.predict(observables))
    assert_array_equal(before.predict(X), oracle.predict(observables))


class Halves(Teacher):
    """A teacher that knows the sign of a column."""

    def _evaluate(self, X):
        return np.stack([-X[:, 0], X[:, 0]], axis=1)


def test_a_new_teacher():
    y = (X[:, 0] > 0).astype(int)
    student = EDMDClassifier(Halves(output="logits")).fit(X, y)
    assert clone(student).teacher is student.teacher
    assert student.score(X, y) == 1.0
