"""Compiled students give the answers of the students that they come from."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_koopman import (
    EDMDClassifier,
    EDMDRegressor,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    ObservableSelector,
    RBFLifter,
    TensorTrainClassifier,
)
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.deployment import compile
from sklearn_koopman.pipeline import make_pipeline

rng = np.random.default_rng(0)
X = rng.normal([0, 1, 2, 3, 0, 0], [1, 2, 1, 1, 1, 1], size=(120, 6))
y = np.array(["no", "perhaps", "yes"])[
    np.searchsorted([1.0, 5.0], X[:, 0] * X[:, 1] + X[:, 2] ** 2)
]


def check_same_answers(student, X=X, rtol=1e-9):
    """Compare all answers, for many rows and for one."""
    compiled = compile(student)
    assert_array_equal(compiled.predict(X), student.predict(X))
    assert compiled.predict(X).dtype == student.predict(X).dtype
    for name in ("decision_function", "predict_proba"):
        assert hasattr(compiled, name) == hasattr(student, name)
        if hasattr(student, name):
            expected = getattr(student, name)(X)
            found = getattr(compiled, name)
            assert found(X).dtype == expected.dtype
            assert_allclose(found(X), expected, rtol=rtol, atol=rtol)
            assert_allclose(found(X[7]), expected[7], rtol=rtol, atol=rtol)
    assert_array_equal(compiled.predict(X[5:6]), student.predict(X[5:6]))
    assert compiled.predict(X[5]) == student.predict(X[5:6])[0]
    return compiled


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_pipelines(degree, dtype):
    student = make_pipeline(
        StandardScaler(),
        PCA(4),
        MonomialLifter(degree),
        KoopmanDistilledClassifier(soft_weight=0),
    ).fit(X.astype(dtype), y)
    rtol = 1e-9 if dtype == np.float64 else 2e-4
    assert check_same_answers(student, X.astype(dtype), rtol).dtype == dtype


@pytest.mark.parametrize(
    "step",
    [
        FrozenEstimator(PCA(3).fit(X)),
        FunctionTransformer(),
        IncrementalPCA(3),
        MaxAbsScaler(),
        MinMaxScaler(),
        MinMaxScaler((-1, 2), clip=True),
        Normalizer(),
        Normalizer("l1"),
        Normalizer("max"),
        Nystroem(n_components=9, random_state=0),
        PCA(3, whiten=True),
        PolynomialFeatures(2),
        RBFSampler(n_components=9, random_state=0),
        RobustScaler(),
        RobustScaler(with_centering=False),
        RobustScaler(with_scaling=False),
        SelectKBest(k=3),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        TruncatedSVD(3),
        VarianceThreshold(1.1),
        make_union(PCA(2), MonomialLifter(2)),
        FeatureUnion(
            [("a", PCA(2)), ("b", "passthrough"), ("c", "drop")], transformer_weights={"a": 0.5}
        ),
        ObservableSelector(MonomialLifter(3), max_observables=8),
        ObservableSelector(make_union(MonomialLifter(2), RBFLifter(9)), max_observables=9),
        "passthrough",
    ],
    ids=repr,
)
def test_steps_of_pipelines(step):
    check_same_answers(make_pipeline(step, EDMDClassifier()).fit(X, y))


@pytest.mark.parametrize(
    "student",
    [
        EDMDClassifier(),
        EDMDClassifier(lifter=make_pipeline(PCA(3), MonomialLifter(2))),
        GridSearchCV(EDMDClassifier(lifter=MonomialLifter(2)), {"ridge": [1e-3, 1e-1]}, cv=2),
        KoopmanDistilledClassifierCV(
            LogisticRegression(), ridges=[1e-2], temperatures=[2.0], soft_weights=[0.5], cv=2
        ),
        TensorTrainClassifier(rank=2, soft_weight=0, max_iter=2),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:als has not settled")
def test_students(student):
    check_same_answers(student.fit(X, y))


def test_two_classes():
    student = KoopmanDistilledClassifier(soft_weight=0, lifter=MonomialLifter(2))
    check_same_answers(student.fit(X, y == "yes"))


def test_compressed_students():
    student = EDMDClassifier(lifter=make_pipeline(PCA(4), MonomialLifter(3))).fit(X, y)
    check_same_answers(CompressedStudent(student, rank=3).fit(X))
    student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    check_same_answers(CompressedStudent(student, rank=2).fit(X))


@pytest.mark.parametrize("targets", [X[:, 0] ** 2, X[:, :2] ** 2])
def test_regressors(targets):
    student = make_pipeline(PCA(4), MonomialLifter(2), EDMDRegressor()).fit(X, targets)
    compiled = compile(student)
    assert_allclose(compiled.predict(X), student.predict(X), rtol=1e-9)
    assert_allclose(compiled.predict(X[3]), student.predict(X[3:4])[0], rtol=1e-9)
    assert not hasattr(compiled, "decision_function")
    assert not hasattr(compiled, "predict_proba")


def test_rows_as_they_come():
    student = make_pipeline(PCA(3), EDMDClassifier()).fit(np.round(X), y)
    compiled = compile(student)
    expected = student.predict(np.round(X[:2]))
    for rows in (
        np.round(X[:2]).tolist(),
        np.round(X[:2]).astype(int),
        np.round(X[:2]).T.copy().T,
    ):
        assert_array_equal(compiled.predict(rows), expected)
    before = X.copy()
    compiled.predict(X)
    assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (X[:, :5], ValueError, "X has 5 features, but the compiled student is expecting 6"),
        (X[0, :5], ValueError, "X has 5 features"),
        (X[:0], ValueError, "0 sample"),
        (X[None], ValueError, r"shape \(1, 120, 6\)"),
        (np.where(np.eye(120, 6), np.nan, X), ValueError, "NaN or infinity"),
        (np.where(np.eye(120, 6), np.inf, X), ValueError, "NaN or infinity"),
        (1e200 * X, ValueError, "The logits are not finite"),
        (X + 1j, ValueError, "Complex data"),
        ([[1.0, 2.0], [3.0]], ValueError, "X has rows of unequal lengths"),
        (csr_array(X), TypeError, "X is sparse"),
        ([["a"] * 6], ValueError, "could not convert"),
    ],
)
def test_rows_that_are_none(rows, error, message):
    compiled = compile(EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y))
    with pytest.raises(error, match=message):
        compiled.predict(rows)


def test_rows_too_large_for_the_student():
    compiled = compile(EDMDClassifier().fit(X.astype(np.float32), y))
    with pytest.raises(ValueError, match="too large for float32"):
        compiled.predict(1e60 * X)


class Doubled(TransformerMixin, BaseEstimator):
    """A user's own step."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return 2 * X


class DoubledAndTold(Doubled):
    """The same step with a function of its own."""

    def to_function(self, dtype):
        return lambda rows: 2 * rows


def test_steps_of_your_own():
    student = make_pipeline(DoubledAndTold(), MonomialLifter(2), EDMDClassifier())
    check_same_answers(student.fit(X, y))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Doubled(), "Doubled has no form as a plain function here. Supported are PCA"),
        (FunctionTransformer(np.abs), "func=<ufunc 'absolute'>"),
        (Nystroem("poly", n_components=5), "kernel='poly'"),
        (QuantileTransformer(n_quantiles=9), "QuantileTransformer has no form"),
    ],
    ids=repr,
)
def test_unknown_steps_are_named(step, message):
    student = make_pipeline(step, EDMDClassifier()).fit(X, y)
    with pytest.raises(TypeError, match=message):
        compile(student)


def test_pickles_say_what_to_ship_instead():
    compiled = compile(EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y))
    with pytest.raises(TypeError, match=r"cannot be pickled.* call deployment\.compile where"):
        pickle.dumps(compiled)
    with pytest.raises(TypeError, match="Ship the student, by pickle"):
        joblib.dump(compiled, io.BytesIO())
    for again in (copy.copy(compiled), copy.deepcopy({"inside": compiled})["inside"]):
        assert_array_equal(again.predict(X), compiled.predict(X))


def test_what_is_no_student():
    for model in (Ridge().fit(X, X[:, 0]), PCA(2).fit(X), MonomialLifter(2).fit(X)):
        with pytest.raises(TypeError, match=f"ends in {type(model).__name__}"):
            compile(model)
    with pytest.raises(NotFittedError):
        compile(EDMDClassifier())
    with pytest.raises(NotFittedError):
        compile(make_pipeline(PCA(2), clone(EDMDClassifier())))
