import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_koopman.teachers import EstimatorTeacher, as_teacher

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]


def test_an_estimator_is_cloned_and_fitted():
    estimator = LogisticRegression(max_iter=500)
    teacher = EstimatorTeacher(estimator)
    fitted = teacher.fit(X, NAMES)
    assert fitted is not teacher
    assert not hasattr(estimator, "coef_")
    assert fitted.output == "proba"
    assert_array_equal(fitted.classes_, np.unique(NAMES))
    expected = LogisticRegression(max_iter=500).fit(X, NAMES).predict_proba(X)
    assert_array_equal(fitted(X), expected)


def test_decision_function_is_the_second_choice():
    binary = Y < 1
    teacher = EstimatorTeacher(LinearSVC()).fit(X, binary)
    assert teacher.output == "logits"
    assert teacher(X).shape == (150, 1)


def test_sample_weight_reaches_estimators_that_take_it():
    weight = np.where(Y == 0, 5.0, 1.0)
    tree = LogisticRegression(max_iter=500)
    fitted = EstimatorTeacher(tree).fit(X, Y, weight)
    assert_array_equal(fitted.estimator.coef_, clone(tree).fit(X, Y, weight).coef_)
    with pytest.warns(UserWarning, match="takes no sample_weight"):
        neighbours = EstimatorTeacher(KNeighborsClassifier()).fit(X, Y, weight)
    assert neighbours(X).shape == (150, 3)


def test_a_frozen_estimator_is_used_as_it_is():
    frozen = FrozenEstimator(LogisticRegression(max_iter=500).fit(X[50:], Y[50:]))
    teacher = EstimatorTeacher(frozen)
    assert teacher.fit(X, Y) is teacher
    assert clone(teacher) is teacher
    assert_array_equal(teacher.classes_, [1, 2])
    assert teacher(X).shape == (150, 2)
    assert repr(teacher) == "EstimatorTeacher(frozen LogisticRegression)"


def test_clone_gives_an_unfitted_teacher_with_its_own_estimator():
    teacher = EstimatorTeacher(LogisticRegression(C=3.0).fit(X, Y), classes=[2, 1, 0])
    with pytest.warns(UserWarning, match="fitted already"):
        copy = clone(teacher)
    assert copy.estimator is not teacher.estimator
    assert copy.estimator.C == 3.0
    assert_array_equal(copy.classes_, [2, 1, 0])
    assert repr(copy) == "EstimatorTeacher(LogisticRegression)"
    with pytest.raises(NotFittedError):
        copy(X)


def test_a_fitted_teacher_is_fixed():
    fitted = EstimatorTeacher(LogisticRegression(max_iter=500)).fit(X, Y)
    assert fitted.is_fixed
    assert fitted.fit(X[:60], Y[:60]) is fitted


def test_unfitted_teachers_say_what_to_do():
    with pytest.raises(NotFittedError, match="LogisticRegression is not fitted yet"):
        EstimatorTeacher(LogisticRegression())(X)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        EstimatorTeacher(FrozenEstimator(LogisticRegression())).fit(X, Y)(X)


def test_a_fitted_teacher_pickles_and_keeps_its_hash():
    teacher = EstimatorTeacher(DecisionTreeClassifier(max_depth=2)).fit(X, Y)
    before = joblib.hash(teacher)
    expected = teacher(X)
    assert joblib.hash(teacher) == before
    assert_array_equal(pickle.loads(pickle.dumps(teacher))(X), expected)


class TestSkorch:
    @pytest.fixture
    def net(self):
        helpers = pytest.importorskip("tests.teachers.helpers")
        return helpers.skorch_net

    def test_float64_and_string_labels(self, net):
        teacher = EstimatorTeacher(net()).fit(X, NAMES, np.ones(150))
        assert_array_equal(teacher.classes_, np.unique(NAMES))
        outputs = teacher(X)
        assert outputs.dtype == np.float32
        assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
        assert np.mean(teacher.classes_[outputs.argmax(axis=1)] == NAMES) > 0.6

    def test_columns_without_a_class_are_dropped(self, net):
        rows = Y != 1
        teacher = EstimatorTeacher(net(n_columns=10)).fit(X[rows], Y[rows])
        assert_array_equal(teacher.classes_, [0, 2])
        outputs = teacher(X)
        assert outputs.shape == (150, 2)
        assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)

    def test_binary_net(self, net):
        import torch

        binary = net("NeuralNetBinaryClassifier", 1, criterion=torch.nn.BCEWithLogitsLoss)
        teacher = EstimatorTeacher(binary).fit(X, np.where(Y == 0, "yes", "no"))
        assert_array_equal(teacher.classes_, ["no", "yes"])
        assert teacher(X).shape == (150, 2)

    def test_frozen_net_keeps_its_classes_if_they_match_its_columns(self, net):
        fitted = net().fit(X.astype(np.float32), Y)
        teacher = as_teacher(FrozenEstimator(fitted)).fit(X, Y)
        assert teacher(X).shape == (150, 3)  # skorch leaves the module in eval mode
        before = joblib.hash(teacher)
        teacher(X)
        assert_array_equal(teacher.classes_, [0, 1, 2])
        assert joblib.hash(teacher) == before

    def test_frozen_net_with_more_columns_than_classes(self, net):
        fitted = net(n_columns=5).fit(X.astype(np.float32), Y)
        teacher = as_teacher(FrozenEstimator(fitted))
        assert teacher(X).shape == (150, 5)
        assert teacher.classes_ is None

    def test_bound_method(self, net):
        fitted = net().fit(X.astype(np.float32), Y)
        teacher = as_teacher(fitted.predict_proba)
        assert teacher(X).shape == (150, 3)
        assert teacher.output == "proba"
