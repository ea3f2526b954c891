import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    ActiveSubspace,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    SquaredProjectionLifter,
)
from sklearn_koopman.deployment import (
    detach_teacher,
    load_student,
    save_student,
    to_module,
    to_onnx,
)
from sklearn_koopman.inspection import cost
from sklearn_koopman.selection import principal_squares

X, y = load_digits(return_X_y=True)
X = X / 16
TEACHER = LogisticRegression(max_iter=1000).fit(X, y)


def student_of(lifter, **settings):
    settings = {"teacher": FrozenEstimator(TEACHER), "ridge": 1e-3} | settings
    return KoopmanDistilledClassifier(lifter=lifter, **settings).fit(X, y)


@pytest.fixture(scope="module")
def student():
    return student_of(make_pipeline(PCA(12, random_state=0), MonomialLifter(2)))


@pytest.mark.parametrize(
    "monomials",
    [
        MonomialLifter(2),
        MonomialLifter(2, include_bias=False),
        MonomialLifter(2, interaction_only=True),
        MonomialLifter((2, 2)),
    ],
    ids=repr,
)
def test_logits_stay_the_same(monomials):
    larger = EDMDClassifier(
        lifter=make_pipeline(PCA(9, random_state=0), monomials), ridge=1e-3
    ).fit(X, y)
    same = principal_squares(larger, X[:300])
    assert_allclose(same.decision_function(X), larger.decision_function(X), atol=1e-9)
    assert_array_equal(same.predict(X), larger.predict(X))
    assert same.coef_.shape == (10, 9 + same.lifter_[-1].components_.shape[0])
    assert same.lifter_[-1].components_.shape[0] <= 90


def test_a_student_of_the_features_themselves():
    features, labels = load_iris(return_X_y=True)
    for classes in ([0, 1], [0, 1, 2]):
        rows = np.isin(labels, classes)
        larger = EDMDClassifier(lifter=MonomialLifter(2), ridge=1e-3)
        larger.fit(features[rows], labels[rows])
        same = principal_squares(larger, features)
        assert isinstance(same.lifter_, SquaredProjectionLifter)
        assert_allclose(
            same.decision_function(features), larger.decision_function(features), atol=1e-10
        )


def test_the_student_is_left_as_it_is(student):
    before = dict(vars(student))
    principal_squares(student, X, max_observables=40)
    assert all(vars(student)[name] is value for name, value in before.items())


def test_coordinates_without_variance(student):
    lifter = make_pipeline(PCA(12, random_state=0), MonomialLifter(2))
    rows = np.repeat(X[:1], 5, axis=0)
    same = principal_squares(student_of(lifter), rows)
    assert_allclose(
        same.decision_function(X), student_of(lifter).decision_function(X), atol=1e-6
    )


def test_float32_stays_float32():
    lifter = make_pipeline(PCA(12, random_state=0), MonomialLifter(2))
    single = X.astype(np.float32)
    larger = EDMDClassifier(lifter=lifter, ridge=1e-3).fit(single, y)
    same = principal_squares(larger, single)
    assert same.coef_.dtype == same.intercept_.dtype == np.float32
    assert same.decision_function(single).dtype == np.float32
    assert_allclose(same.decision_function(single), larger.decision_function(single), atol=1e-3)


def test_fewer_squares_change_less_the_more_they_are(student):
    logits = student.decision_function(X)
    changes = []
    for max_observables in (20, 60, 100, 132):
        smaller = principal_squares(student, X, max_observables=max_observables)
        assert smaller.coef_.shape == (10, max_observables)
        changes.append(np.abs(smaller.decision_function(X) - logits).mean())
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < 1e-9


def test_distilling_once_more_repairs_a_smaller_student(student):
    smaller = principal_squares(student, X, max_observables=24)
    again = clone(smaller).fit(X, y)
    assert again.coef_.shape == (10, 24)
    assert again.score(X, y) > smaller.score(X, y)
    linear = student_of(make_pipeline(PCA(12, random_state=0), MonomialLifter(1)))
    assert again.objective_ < linear.objective_


def test_pipelines():
    whole = make_pipeline(
        StandardScaler(),
        KoopmanDistilledClassifier(lifter=MonomialLifter(2), soft_weight=0.0, ridge=1e-2),
    )
    features, labels = load_iris(return_X_y=True)
    whole.fit(features, labels)
    same = principal_squares(whole, features)
    assert_allclose(same.predict_proba(features), whole.predict_proba(features), atol=1e-10)
    alone = make_pipeline(whole[-1])
    assert principal_squares(alone, whole[:-1].transform(features))[-1].coef_.shape == (3, 16)


def test_ships_without_its_teacher(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    torch = pytest.importorskip("torch")
    pytest.importorskip("skl2onnx")
    pytest.importorskip("skops")
    subspace = ActiveSubspace(FrozenEstimator(TEACHER), 5, n_preliminary=20)
    larger = student_of(make_pipeline(subspace, MonomialLifter(2)))
    same = principal_squares(larger, X, max_observables=30)
    shipped = detach_teacher(same)
    assert shipped.lifter_[0].teacher is None
    assert_array_equal(shipped.predict(X), same.predict(X))
    save_student(same, tmp_path / "student.skops")
    assert_array_equal(load_student(tmp_path / "student.skops").predict(X), same.predict(X))
    with torch.no_grad():
        logits = to_module(same)(torch.as_tensor(X)).numpy()
    assert_allclose(logits, same.decision_function(X), atol=1e-9)
    session = runtime.InferenceSession(
        to_onnx(same, X[:1]).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    labels, probabilities = session.run(None, {session.get_inputs()[0].name: X})
    assert_array_equal(labels, same.predict(X))
    assert_allclose(probabilities, same.predict_proba(X), atol=1e-5)


def test_price(student):
    smaller = principal_squares(student, X, max_observables=42)
    coordinates = 12 * 64
    operations = cost(smaller, X[:1])
    assert operations.multiplications == coordinates + 30 * 12 + 30 + 42 * 10


def test_refuses_other_students(student):
    with pytest.raises(NotFittedError):
        principal_squares(EDMDClassifier(lifter=MonomialLifter(2)), X)
    with pytest.raises(TypeError, match="does not have monomials as observables"):
        principal_squares(EDMDClassifier().fit(X, y), X)
    with pytest.raises(TypeError, match="does not have monomials as observables"):
        principal_squares(EDMDClassifier(lifter=PCA(3)).fit(X, y), X)
    with pytest.raises(TypeError, match="does not have monomials as observables"):
        principal_squares(TEACHER, X)
    for degree in (1, 3):
        lifter = make_pipeline(PCA(4, random_state=0), MonomialLifter(degree))
        with pytest.raises(ValueError, match="Set degree=2"):
            principal_squares(EDMDClassifier(lifter=lifter).fit(X, y), X)
    with pytest.raises(ValueError, match="NaN"):
        principal_squares(student, np.full_like(X, np.nan))
    with pytest.raises(ValueError, match="3 features"):
        principal_squares(student, X[:, :3])
    for max_observables in (12, 3, 20.5, True):
        with pytest.raises(ValueError, match=r"max_observables=.* must be an int above 12"):
            principal_squares(student, X, max_observables=max_observables)
