import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_koopman import ActiveSubspace, EDMDClassifier
from sklearn_koopman.teachers import (
    CallableTeacher,
    EstimatorTeacher,
    Teacher,
    TorchTeacher,
    as_teacher,
    share_or_clone,
)

X, Y = load_iris(return_X_y=True)


def three_columns(X):
    return X[:, :3]


class CallableObject:
    classes_ = np.array([2, 0, 1])

    def __call__(self, X):
        return three_columns(X)


def test_a_teacher_stays_itself():
    teacher = as_teacher(three_columns)
    assert as_teacher(teacher) is teacher
    assert teacher.fit(X, Y) is teacher
    assert clone(teacher) is teacher


def test_classes_override_without_touching_the_teacher():
    teacher = as_teacher(three_columns, classes=[0, 1, 2])
    other = as_teacher(teacher, classes=["a", "b", "c"])
    assert_array_equal(teacher.classes_, [0, 1, 2])
    assert_array_equal(other.classes_, ["a", "b", "c"])
    assert other.function is teacher.function


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=500),
        SVC(),
        FrozenEstimator(GaussianNB().fit(X, Y)),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
)
def test_estimators(estimator):
    teacher = as_teacher(estimator)
    assert isinstance(teacher, EstimatorTeacher)
    assert teacher.fit(X, Y)(X).shape == (150, 3)


@pytest.mark.parametrize(
    "function", [three_columns, functools.partial(three_columns), CallableObject()]
)
def test_callables(function):
    teacher = as_teacher(function)
    assert isinstance(teacher, CallableTeacher)
    assert teacher.output == "auto"
    assert_array_equal(teacher(X), X[:, :3])


def test_what_the_outputs_are_may_be_said():
    teacher = as_teacher(three_columns, output="sigmoid", classes=[2, 1, 0])
    assert (teacher.output, list(teacher.classes_)) == ("sigmoid", [2, 1, 0])
    assert as_teacher(as_teacher(three_columns), output="logits").output == "logits"
    with pytest.raises(ValueError, match="output='odds': must be 'auto', 'proba'"):
        as_teacher(three_columns, output="odds")


def test_an_active_subspace_of_sigmoids_says_where_to_say_so():
    def sigmoids(X):
        return 1 / (1 + np.exp(-X[:, :3]))

    with pytest.raises(ValueError, match=r"set as_teacher's output='sigmoid'"):
        ActiveSubspace(sigmoids, 2).fit(X)
    found = ActiveSubspace(as_teacher(sigmoids, output="sigmoid"), 2).fit(X)
    expected = ActiveSubspace(three_columns, 2).fit(X)
    assert_allclose(found.components_, expected.components_, atol=1e-6)


def test_classes_of_callables():
    assert as_teacher(three_columns).classes_ is None
    assert_array_equal(as_teacher(CallableObject()).classes_, [2, 0, 1])
    assert_array_equal(as_teacher(CallableObject(), classes=[7, 8, 9]).classes_, [7, 8, 9])


@pytest.mark.parametrize(
    ("method", "output"),
    [
        ("predict_proba", "proba"),
        ("decision_function", "logits"),
        ("predict_log_proba", "logits"),
    ],
)
def test_bound_methods_bring_their_classes(method, output):
    clf = LogisticRegression(max_iter=500).fit(X[50:], Y[50:])
    teacher = as_teacher(getattr(clf, method))
    assert isinstance(teacher, CallableTeacher)
    assert_array_equal(teacher.classes_, [1, 2])
    assert teacher.output == output
    assert len(teacher(X)) == 150


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_log_of_probability_zero_is_a_finite_logit():
    tree = DecisionTreeClassifier().fit(X, Y)
    outputs = as_teacher(tree.predict_log_proba)(X)
    assert np.isfinite(outputs).all()
    assert_allclose(np.exp(outputs), tree.predict_proba(X), atol=1e-300)


def test_reprs():
    assert repr(as_teacher(three_columns)) == "CallableTeacher(three_columns)"
    assert repr(as_teacher(CallableObject())) == "CallableTeacher(CallableObject)"
    assert "LogisticRegression" in repr(as_teacher(LogisticRegression().predict_proba))


def test_outputs_of_a_callable_are_checked():
    with pytest.raises(
        ValueError, match=r"teacher CallableTeacher\(.*\): NaN .* in 150 of 150"
    ):
        as_teacher(lambda X: X * np.nan)(X)
    with pytest.raises(ValueError, match="got 3 rows for 150 samples"):
        as_teacher(lambda X: X[:3])(X)
    assert as_teacher(lambda X: [[1, 2]] * len(X))([[0.0], [1.0]]).shape == (2, 2)


@pytest.mark.parametrize("teacher", [None, "net.pt", 3, {"a": 1}])
def test_what_is_no_teacher(teacher):
    with pytest.raises(
        TypeError, match=r"must be a scikit-learn or skorch classifier .* torch"
    ):
        as_teacher(teacher)


def test_a_class_is_no_teacher():
    with pytest.raises(
        TypeError, match="teacher is the class LogisticRegression, pass an inst"
    ):
        as_teacher(LogisticRegression)


def test_a_regressor_is_no_teacher():
    with pytest.raises(TypeError, match="LinearRegression has neither predict_proba nor"):
        as_teacher(LinearRegression())


@pytest.mark.parametrize("final", [None, GaussianNB(), SVC()])
def test_what_a_stack_gives_is_known_when_it_is_fitted(final):
    stack = StackingClassifier([("bayes", GaussianNB())], final, cv=3)
    teacher = as_teacher(stack).fit(X, Y)
    alone = clone(stack).fit(X, Y)
    gives = "decision_function" if isinstance(final, SVC) else "predict_proba"
    assert_allclose(teacher(X), getattr(alone, gives)(X))
    assert teacher.output == ("logits" if isinstance(final, SVC) else "proba")
    student = EDMDClassifier(stack).fit(X, Y)
    assert_allclose(
        student.decision_function(X), EDMDClassifier(teacher).fit(X, Y).decision_function(X)
    )


def test_a_vote_that_is_counted_is_no_teacher():
    vote = VotingClassifier([("bayes", GaussianNB())], voting="hard")
    with pytest.raises(TypeError, match="VotingClassifier has neither predict_proba nor"):
        EDMDClassifier(vote).fit(X, Y)


def test_a_subclass_defines_evaluate():
    with pytest.raises(NotImplementedError, match="Teacher must define _evaluate"):
        Teacher()(X)


def test_share_or_clone():
    clf = LogisticRegression(C=2.0).fit(X, Y)
    with pytest.warns(UserWarning, match="fitted already"):
        copy = share_or_clone(clf)
    assert copy is not clf
    assert copy.C == 2.0
    assert not hasattr(copy, "coef_")

    wrapped = EstimatorTeacher(clf)
    with pytest.warns(UserWarning, match="fitted already"):
        assert share_or_clone(wrapped).estimator is not clf

    method = clf.predict_proba
    for shared in (
        None,
        three_columns,
        method,
        FrozenEstimator(clf),
        as_teacher(three_columns),
        LogisticRegression,
        TorchTeacher(None),
    ):
        assert share_or_clone(shared) is shared


def test_torch_modules():
    helpers = pytest.importorskip("tests.teachers.helpers")
    module = helpers.Counting()
    teacher = as_teacher(module, classes=["x", "y", "z"])
    assert isinstance(teacher, TorchTeacher)
    assert_array_equal(teacher.classes_, ["x", "y", "z"])
    assert teacher(X).shape == (150, 3)
    assert share_or_clone(module) is module


def test_a_callable_may_return_a_tensor_that_needs_gradients():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(4, 3)
    teacher = as_teacher(lambda X: layer(torch.as_tensor(X, dtype=torch.float32)))
    assert teacher(X).dtype == np.float32
