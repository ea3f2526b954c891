"""Sparse rows of observables: the same students as for dense rows, without a dense copy."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.sparse.linalg import ArpackError
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    TransferSet,
)
from sklearn_koopman.pipeline import make_pipeline

# Few columns; as many equations as rows; conjugate gradients with coefficients of all columns.
SHAPES = {"narrow": (90, 30), "few rows": (120, 1100), "many rows": (2100, 1050)}


def rows(shape, seed=0):
    """Return sparse rows (some columns are empty, one is constant), labels and logits."""
    rng = np.random.default_rng(seed)
    X = sparse.lil_array(np.where(rng.random(shape) < 0.03, rng.random(shape), 0.0))
    X[:, 5] = 2.0
    X[:, 6] = 0.0
    truth = rng.normal(size=(shape[1], 3))
    truth[5] = 0.0
    X = sparse.csr_array(X)
    logits = X @ truth + 0.3 * rng.normal(size=(shape[0], 3))
    return X, logits.argmax(axis=1), logits


def edmd(teacher=None, **parameters):
    return EDMDClassifier(teacher, **{"ridge": 1e-2} | parameters)


def distilled(teacher=None, **parameters):
    return KoopmanDistilledClassifier(teacher, **{"ridge": 1e-2, "tol": 1e-8} | parameters)


STUDENTS = {
    "EDMD": edmd(),
    "EDMD, noise and rank": edmd(additive_noise=0.1, rank=1),
    "distilled": distilled(),
    "distilled, noise": distilled(soft_weight=0.9, multiplicative_noise=0.2),
}


@pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_same_as_dense_rows(shape, student):
    X, y, logits = rows(shape)
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    expected = student.fit(X.toarray(), y, weight, soft_labels=logits)
    coef, answers = expected.coef_, expected.decision_function(X.toarray())
    found = student.fit(X, y, weight, soft_labels=logits)
    assert_allclose(found.coef_, coef, atol=1e-5 * np.abs(coef).max())
    assert_allclose(found.decision_function(X), answers, atol=1e-5 * np.abs(answers).max())
    assert_array_equal(found.coef_[:, [5, 6]], 0.0)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_noise_is_the_penalty_of_ridge_and_of_logistic_regression(shape):
    X, y, _ = rows(shape)
    ridge = Ridge(alpha=0.04 * len(y)).fit(X.toarray(), np.eye(3)[y])
    found = edmd(ridge=0.0, additive_noise=0.2).fit(X, y)
    assert_allclose(found.coef_, ridge.coef_, atol=1e-6)
    regression = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(X, y)
    noise = np.sqrt(2 / len(y))
    found = distilled(soft_weight=0.0, ridge=0.0, additive_noise=noise).fit(X, y)
    assert_allclose(found.predict_proba(X), regression.predict_proba(X), atol=1e-4)


def test_without_a_ridge_it_is_the_solution_of_least_norm():
    X, y, _ = rows((60, 1500))
    expected = edmd(ridge=0.0, solver="svd").fit(X.toarray(), y).coef_
    found = edmd(ridge=0.0).fit(X, y)
    assert found.solver_ == "cg"
    assert_allclose(found.coef_, expected, atol=1e-7)


def test_a_warm_start_goes_on():
    X, y, logits = rows(SHAPES["few rows"])
    student = distilled(warm_start=True, tol=1e-5).fit(X, y, soft_labels=logits)
    objective = student.objective_
    student.set_params(tol=1e-7).fit(X, y, soft_labels=logits)
    assert student.objective_ <= objective
    expected = distilled().fit(X, y, soft_labels=logits)
    assert student.objective_ == pytest.approx(expected.objective_, abs=1e-8)


def unsorted(X):
    X = X.copy()
    for start, end in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:end] = X.indices[start:end][::-1].copy()
        X.data[start:end] = X.data[start:end][::-1].copy()
    X.has_sorted_indices = False
    return X


def in_two_parts(X):
    """Return rows in which every number is the sum of two entries at the same place."""
    parts = np.repeat(X.data / 2, 2)
    return sparse.csr_array((parts, np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)


def with_zeros(X):
    """Return rows with stored zeros in the last one."""
    empty = np.flatnonzero(X[[-1]].toarray()[0] == 0)[:3]
    return sparse.csr_array(
        (
            np.append(X.data, np.zeros(3)),
            np.append(X.indices, empty),
            np.append(X.indptr[:-1], X.nnz + 3),
        ),
        shape=X.shape,
    )


def of_long_indices(X):
    X = X.copy()
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


FORMS = {
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "matrix": sparse.csr_matrix,
    "unsorted": unsorted,
    "in two parts": in_two_parts,
    "stored zeros": with_zeros,
    "long indices": of_long_indices,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("student", [edmd(), distilled(tol=1e-6)], ids=["EDMD", "distilled"])
def test_every_form(student, form):
    X, y, logits = rows(SHAPES["few rows"])
    expected = student.fit(X, y, soft_labels=logits).decision_function(X)
    given = form(X)
    before = given.copy()
    found = student.fit(given, y, soft_labels=logits).decision_function(given)
    assert type(found) is np.ndarray
    assert_allclose(found, expected, atol=1e-6)
    assert (given != before).nnz == 0
    assert len(before.data) == len(given.data)


@pytest.mark.parametrize("student", [edmd(), distilled()], ids=["EDMD", "distilled"])
def test_dtypes(student):
    X, y, logits = rows(SHAPES["few rows"])
    exact = student.fit(X, y, soft_labels=logits).decision_function(X)
    student.set_params(**({"tol": 1e-5} if "tol" in student.get_params() else {}))
    X32 = X.astype(np.float32)
    found = student.fit(X32, y, soft_labels=logits)
    assert found.coef_.dtype == found.decision_function(X32).dtype == np.float32
    assert_allclose(found.decision_function(X32), exact, atol=2e-2 * np.abs(exact).max())
    assert student.fit((X > 0).astype(int), y, soft_labels=logits).coef_.dtype == np.float64


LARGE = 300, 60_000
WITHOUT_DENSE_ROWS = {
    "EDMD": edmd(),
    "distilled": distilled(tol=1e-3),
    "distilled, weak": distilled(tol=1e-3, additive_noise=0.1, ridge=0.0),
    "chosen by folds": KoopmanDistilledClassifierCV(
        ridges=[1e-2], temperatures=[1.0], soft_weights=[0.5], cv=2, tol=1e-2, cv_tol=1e-2
    ),
}


@pytest.mark.parametrize("student", WITHOUT_DENSE_ROWS.values(), ids=list(WITHOUT_DENSE_ROWS))
def test_rows_are_never_made_dense(student):
    X, y, logits = rows((300, 2000))
    X = sparse.csr_array((X.data, 30 * X.indices, X.indptr), shape=LARGE)
    tracemalloc.start()
    try:
        student.fit(X, y, soft_labels=logits).predict(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A few dozen arrays as large as the coefficients, in a search of many candidates.
    assert peak < 8 * LARGE[0] * LARGE[1] / 2
    if "chosen" not in repr(student):
        assert student.score(X, y) > 0.9


@pytest.mark.parametrize("student", [edmd(), distilled()], ids=["EDMD", "distilled"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(student, bad):
    X, y, logits = rows(SHAPES["few rows"])
    X.data[3] = bad
    with pytest.raises(ValueError, match="Input X contains"):
        student.fit(X, y, soft_labels=logits)


def test_what_makes_no_sense_is_refused():
    X, y, _ = rows(SHAPES["few rows"])
    with pytest.raises(TypeError, match="device='cpu' takes no sparse X"):
        distilled(soft_weight=0.0, device="cpu").fit(X, y)
    with pytest.raises(TypeError, match=r"transfer_set takes no sparse X.*texts"):
        edmd(LogisticRegression(), transfer_set=TransferSet(np.negative)).fit(X, y)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        edmd(lifter=MonomialLifter(2)).fit(X, y)
    wide = sparse.csr_array((X.data, X.indices, X.indptr), shape=(len(y), 1_000_000))
    with pytest.raises(MemoryError, match=r"Gram matrix.*KoopmanDistilledClassifierCV"):
        EDMDClassifierCV().fit(wide, y)
    with pytest.raises(MemoryError, match="Gram matrix"):
        edmd().partial_fit(wide, y, classes=[0, 1, 2])


def test_ways_that_read_dense_blocks():
    X, y, logits = rows(SHAPES["few rows"])
    for student in (edmd(solver="svd"), edmd(solver="cholesky")):
        expected = edmd().fit(X, y).coef_
        assert_allclose(student.fit(X, y).coef_, expected, atol=1e-8)
    first, second = slice(0, 60), slice(60, None)
    stream = edmd().partial_fit(X[first], y[first], [0, 1, 2]).partial_fit(X[second], y[second])
    assert_allclose(stream.coef_, edmd().fit(X, y).coef_, atol=1e-8)
    pytest.importorskip("skorch")
    adam = distilled(solver="adam", max_iter=2, random_state=0)
    expected = adam.fit(X.toarray(), y, soft_labels=logits).coef_
    assert_allclose(adam.fit(X, y, soft_labels=logits).coef_, expected, atol=1e-6)


def test_chosen_by_folds_as_of_dense_rows():
    X, y, logits = rows(SHAPES["few rows"])
    for student in (
        EDMDClassifierCV(cv=3, ridges=[1e-3, 1e-1]),
        KoopmanDistilledClassifierCV(
            cv=3, ridges=[1e-2, 1e-1], temperatures=[1.0], soft_weights=[0.5], cv_tol=1e-5
        ),
    ):
        expected = student.fit(X.toarray(), y, soft_labels=logits).cv_results_[
            "mean_test_score"
        ]
        found = student.fit(X, y, soft_labels=logits).cv_results_["mean_test_score"]
        assert_allclose(found, expected, atol=1e-6)


def texts():
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"word{i}" for i in range(2400)])
    y = rng.integers(0, 3, 300)
    return [" ".join(rng.choice(vocabulary[600 * c : 600 * c + 1200], 30)) for c in y], y


@pytest.mark.parametrize("make", [edmd, distilled], ids=["EDMD", "distilled"])
def test_texts_whose_teacher_reads_them(make):
    documents, y = texts()

    def teacher(documents):
        numbers = [[int(word[4:]) for word in text.split()] for text in documents]
        return np.array(
            [-((np.mean(n) - 600 - 600 * np.arange(3)) ** 2) / 1e4 for n in numbers]
        )

    student = make(teacher, teacher_output="logits", additive_noise=0.05)
    pipeline = make_pipeline(TfidfVectorizer(), student).fit(documents, y)
    assert pipeline[-1].coef_.shape[1] > 2000
    assert pipeline.score(documents, y) > 0.95
    assert_array_equal(pipeline.predict(documents[:2]), pipeline.predict(documents)[:2])


def test_categories_beside_numbers_in_a_search():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.integers(0, 900, 900), rng.integers(0, 900, 900), rng.normal(size=900)]
    )
    y = np.where(X[:, 0] % 2 + X[:, 2] > 0.5, "yes", "no")
    encoded = ColumnTransformer(
        [("one-hot", OneHotEncoder(handle_unknown="ignore"), [0, 1])],
        remainder=StandardScaler(),
        sparse_threshold=1.0,
    )
    pipeline = make_pipeline(encoded, distilled(soft_weight=0.0, tol=1e-4))
    grid = {"koopmandistilledclassifier__ridge": [1e-2, 1e3]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_ == {"koopmandistilledclassifier__ridge": 1e-2}
    assert search.best_estimator_[-1].coef_.shape[1] > 1024
    assert search.best_score_ > 0.65


class NoReduction(PCA):
    """A step of another library that fails like ARPACK."""

    def fit(self, X, y=None):
        raise ArpackError(-9)


def test_a_reduction_that_fails_says_what_to_do():
    with pytest.raises(
        np.linalg.LinAlgError, match=r"fails in linear algebra \(ARPACK error -9"
    ):
        EDMDClassifier(lifter=NoReduction()).fit(*rows((20, 30))[:2])


def test_a_teacher_that_fails_on_sparse_rows_is_told_what_they_were():
    def fails(rows):
        raise RuntimeError("out of order")

    with pytest.raises(ValueError, match=r"out of order\nThe teacher was given the \(20, 30\)"):
        EDMDClassifier(fails).fit(*rows((20, 30))[:2])
