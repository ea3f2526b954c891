"""Rows of any kind before a lifter: its first step decides what it takes."""

import tracemalloc

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    Flatten,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    TensorTrainClassifier,
    TransferSet,
)
from sklearn_koopman.pipeline import make_pipeline as make_koopman_pipeline

N = 60
rng = np.random.default_rng(0)
Y = np.arange(N) % 2
SIGNAL = np.where(Y == 1, 1.0, -1.0) + 0.5 * rng.normal(size=N)
WORDS = np.array([["bad", "night"], ["good", "day"]])
TEXTS = [f"{WORDS[y, 0]} {WORDS[rng.integers(2), 1]}" for y in Y]
IMAGES = rng.integers(0, 100, size=(N, 3, 4, 4)).astype(np.uint8)
IMAGES[:, 0] += (60 * Y)[:, None, None].astype(np.uint8)
TOKENS = np.stack([Y, rng.integers(2, 5, size=N)], axis=1)
EMBEDDING = np.random.default_rng(1).normal(size=(5, 3))
TABLE = np.c_[np.where(rng.random(N) < 0.3, np.nan, SIGNAL), rng.normal(size=N)]
FRAME = {
    "signal": TABLE[:, 0],
    "colour": np.array(["red", "blue"])[Y],
    "other": TABLE[:, 1],
}
WAVES = [SIGNAL[i] + rng.normal(size=rng.integers(5, 9)) for i in range(N)]  # of unequal length


def flattened(X):
    return X.reshape(len(X), -1) / 100


def looked_up(X):
    return EMBEDDING[X].mean(axis=1)


def mean_and_range(waves):
    return np.array([[np.mean(wave), np.ptp(wave)] for wave in waves])


def columns():
    return make_column_transformer(
        (SimpleImputer(), ["signal", "other"]), (OneHotEncoder(sparse_output=False), ["colour"])
    )


def polars_frame():
    return pytest.importorskip("polars").DataFrame(FRAME)


TEXT_STEPS = [HashingVectorizer(n_features=2**12), TruncatedSVD(3, random_state=0)]
KINDS = {
    "list of texts": (lambda: TEXTS, TEXT_STEPS),
    "array of texts": (lambda: np.array(TEXTS), TEXT_STEPS),
    "series of texts": (lambda: pandas.Series(TEXTS), TEXT_STEPS),
    "images": (lambda: IMAGES, [FunctionTransformer(flattened), PCA(4, random_state=0)]),
    "images of floats": (
        lambda: IMAGES.astype(np.float32),
        [FunctionTransformer(flattened), MonomialLifter(1)],
    ),
    "token ids": (lambda: TOKENS, [FunctionTransformer(looked_up)]),
    "table with missing values": (lambda: TABLE, [SimpleImputer(), MonomialLifter(2)]),
    "pandas": (lambda: pandas.DataFrame(FRAME), [columns(), MonomialLifter(2)]),
    "polars": (polars_frame, [columns(), MonomialLifter(2)]),
    "sparse": (
        lambda: HashingVectorizer(n_features=64).fit_transform(TEXTS),
        [TruncatedSVD(3, random_state=0)],
    ),
    "audio": (lambda: WAVES, [FunctionTransformer(mean_and_range), MonomialLifter(2)]),
}
STUDENTS = [
    EDMDClassifier(),
    EDMDClassifierCV(ridges=[1e-3, 1e-1], cv=3),
    KoopmanDistilledClassifier(soft_weight=0.5),
    KoopmanDistilledClassifierCV(ridges=[1e-2], temperatures=[2.0], soft_weights=[0.5], cv=2),
    TensorTrainClassifier(rank=2, max_iter=2, tol=1),
]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_student = pytest.mark.parametrize("student", STUDENTS, ids=lambda s: type(s).__name__)
TARGETS = 2 * SIGNAL[:, None] * [-1.0, 1.0]


class Teacher:
    """Knows each row by its content, in any number of rows; keeps their types."""

    def __init__(self, X):
        self.of_row = {_key(row): TARGETS[i] for i, row in enumerate(_rows(X))}
        self.types = set()

    def __call__(self, X):
        self.types.add(type(X))
        return np.array([self.of_row[_key(row)] for row in _rows(X)])


def _rows(X):
    if issparse(X):
        return list(X.toarray())
    if hasattr(X, "iter_rows"):
        return list(X.iter_rows())
    return list(X.itertuples(index=False)) if hasattr(X, "itertuples") else list(X)


def _key(row):
    return repr(np.asarray(row).tolist())


@every_kind
@every_student
def test_a_lifter_gets_them_as_a_pipeline_does(student, kind):
    make, steps = KINDS[kind]
    X = make()
    targets = Teacher(X)(X)
    # The oracle gets rows that are lifted beforehand.
    way = make_pipeline(*map(clone, steps))
    lifted = np.asarray(way.fit_transform(X))
    oracle = clone(student).fit(lifted, Y, soft_labels=targets)
    inside = clone(student).set_params(lifter=make_pipeline(*map(clone, steps)))
    inside.fit(X, Y, soft_labels=targets)
    expected = oracle.decision_function(lifted)
    assert_allclose(inside.decision_function(X), expected, rtol=1e-4, atol=1e-4)
    assert inside.score(X, Y) == oracle.score(lifted, Y)
    assert inside.predict(X[:3]).shape == (3,)
    pipeline = make_koopman_pipeline(
        *map(clone, steps), clone(student).set_params(teacher=Teacher(X))
    )
    pipeline.fit(X, Y)
    assert_allclose(pipeline.decision_function(X), expected, rtol=1e-4, atol=1e-4)
    assert pipeline[-1].teacher.types == {type(X)}


def copied(X):
    return X[:] if isinstance(X, list) else X


@every_kind
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_transfer_sets_make_rows_of_them(kind, in_pipeline):
    """The made rows equal the rows, so the fit is that of rows repeated three times."""
    make, steps = KINDS[kind]
    X = make()
    teacher = Teacher(X)
    student = EDMDClassifier(teacher, ridge=1e-3, transfer_set=TransferSet(copied, n_copies=2))
    lifted = np.asarray(make_pipeline(*map(clone, steps)).fit_transform(X))
    oracle = EDMDClassifier(ridge=1e-3).fit(
        np.tile(lifted, (3, 1)), np.tile(Y, 3), soft_labels=np.tile(teacher(X), (3, 1))
    )
    if in_pipeline:
        model = make_koopman_pipeline(*map(clone, steps), student).fit(X, Y)
    else:
        model = student.set_params(lifter=make_pipeline(*map(clone, steps))).fit(X, Y)
    expected = oracle.decision_function(lifted)
    assert_allclose(model.decision_function(X), expected, rtol=1e-4, atol=1e-5)


def test_made_texts_may_be_longer_and_made_images_brighter():
    seen = []

    def teacher(X):
        seen.extend(np.ravel(X).tolist())
        return np.tile([-3.0, 2.0], (len(X), 1))

    def longer(texts):
        return np.array([text + " and so on" for text in texts])

    lifter = make_pipeline(*TEXT_STEPS)
    settings = {"lifter": lifter, "transfer_set": TransferSet(longer)}
    EDMDClassifier(teacher, **settings).fit(np.array(TEXTS), Y)
    assert sum(text.endswith(" and so on") for text in seen) == N
    seen.clear()
    settings = {
        "lifter": make_pipeline(FunctionTransformer(flattened), PCA(2)),
        "transfer_set": TransferSet(lambda X: X + 1000.5),
    }
    EDMDClassifier(teacher, **settings).fit(IMAGES, Y)
    assert max(seen) > 1000


def test_only_the_number_of_rows_must_match():
    student = EDMDClassifier(lifter=make_pipeline(*TEXT_STEPS))
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 59\]"):
        student.fit(TEXTS, Y[1:])
    assert not hasattr(student, "coef_")


def test_an_estimator_that_takes_frames_learns_from_labelled_rows():
    frame = pandas.DataFrame(FRAME)
    teacher = make_pipeline(columns(), LogisticRegression())
    marked = np.where(np.arange(N) < 40, Y, -1)
    student = EDMDClassifier(teacher, lifter=columns(), unlabeled_value=-1).fit(frame, marked)
    expected = clone(teacher).fit(frame[:40], Y[:40]).predict_proba(frame)
    assert_allclose(student.teacher_(frame), expected)


def test_names_and_numbers_of_features_are_noted():
    frame = pandas.DataFrame(FRAME)
    student = EDMDClassifier(lifter=columns()).fit(frame, Y)
    assert_array_equal(student.feature_names_in_, frame.columns)
    assert student.n_features_in_ == 3
    with pytest.raises(ValueError, match="feature names should match"):
        student.predict(frame.rename(columns={"other": "else"}))
    assert not hasattr(
        EDMDClassifier(lifter=make_pipeline(*TEXT_STEPS)).fit(TEXTS, Y), "n_features_in_"
    )


@pytest.mark.parametrize(
    "lifter",
    [
        None,
        MonomialLifter(1),
        make_pipeline(PCA(2), MonomialLifter(1)),
        FrozenEstimator(PCA(2).fit(flattened(IMAGES))),
    ],
    ids=["none", "dictionary", "reduction", "frozen"],
)
@every_student
def test_images_that_nobody_flattens(student, lifter):
    student = clone(student).set_params(lifter=lifter)
    message = (
        r"shape \(60, 3, 4, 4\)\. Flatten.*X\.reshape\(len\(X\), -1\).*sklearn_koopman.Flatten"
    )
    with pytest.raises(ValueError, match=message):
        student.fit(IMAGES.astype(float), Y, soft_labels=TARGETS)
    if lifter is not None and not isinstance(lifter, FrozenEstimator):
        with pytest.raises(ValueError, match=message):
            make_koopman_pipeline(lifter, EDMDClassifier()).fit(IMAGES, Y)
        fitted = [
            make_koopman_pipeline(lifter, EDMDClassifier()).fit(flattened(IMAGES), Y),
            EDMDClassifier(lifter=lifter).fit(flattened(IMAGES), Y),
        ]
        for student in fitted:
            for method in (student.predict, student.decision_function):
                with pytest.raises(ValueError, match=message):
                    method(IMAGES.astype(float))


@pytest.mark.parametrize("rows", [None, 3.0, "a text"])
@pytest.mark.parametrize("lifter", [PCA(1), make_pipeline(*TEXT_STEPS)], ids=["PCA", "texts"])
def test_what_has_no_rows(lifter, rows):
    with pytest.raises(ValueError, match=f"X={rows!r} has no rows"):
        EDMDClassifier(lifter=lifter).fit(rows, Y)


@pytest.mark.parametrize("rows", [None, 3.0, "a text", np.array(3.0)])
def test_what_has_no_rows_is_not_predicted(rows):
    student = EDMDClassifier(lifter=make_pipeline(*TEXT_STEPS)).fit(TEXTS, Y)
    with pytest.raises(ValueError, match="has no rows"):
        student.predict(rows)


def test_what_the_message_says_works():
    lifter = make_pipeline(Flatten(), PCA(4, random_state=0))
    student = EDMDClassifier(lifter=lifter).fit(IMAGES, Y)
    expected = EDMDClassifier(lifter=PCA(4, random_state=0)).fit(IMAGES.reshape(N, -1), Y)
    assert_allclose(student.coef_, expected.coef_, atol=1e-9)


@pytest.mark.parametrize(
    "lifter",
    [FunctionTransformer(), make_pipeline(FunctionTransformer(np.copy), MonomialLifter(1))],
)
def test_what_is_missing_is_found_behind_steps_that_do_not_look(lifter):
    with pytest.raises(ValueError, match="NaN"):
        EDMDClassifier(lifter=lifter).fit(TABLE, Y)
    filled = np.nan_to_num(TABLE)
    student = EDMDClassifier(lifter=lifter).fit(filled, Y)
    for method in (student.predict, student.decision_function):
        with pytest.raises(ValueError, match="NaN"):
            method(TABLE)


# Whole numbers


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, bool])
@pytest.mark.parametrize(
    "lifter",
    [
        None,
        MonomialLifter(2),
        make_pipeline(StandardScaler(), MonomialLifter(2)),
    ],
)
@every_student
def test_whole_numbers_are_floats(student, lifter, dtype):
    X = (rng.integers(0, 100, size=(N, 4)) > 50).astype(dtype) * (1 if dtype is bool else 3)
    student = clone(student).set_params(lifter=lifter)
    whole = clone(student).fit(X, Y, soft_labels=TARGETS)
    floats = clone(student).fit(X.astype(float), Y, soft_labels=TARGETS)
    assert_allclose(whole.decision_function(X), floats.decision_function(X), atol=1e-8)
    assert whole.decision_function(X).dtype == np.float64


def test_a_transfer_set_makes_floats_of_whole_numbers():
    X = rng.integers(0, 9, size=(N, 4))
    transfer_set = TransferSet(lambda X, rng: X + rng.normal(size=X.shape))
    student = EDMDClassifier(lambda X: np.sin(X[:, :2]), transfer_set=transfer_set)
    assert_allclose(clone(student).fit(X, Y).coef_, clone(student).fit(X * 1.0, Y).coef_)


@pytest.mark.parametrize(
    "lifter", [MonomialLifter(1), make_pipeline(StandardScaler(), MonomialLifter(1))]
)
def test_a_file_of_bytes_is_read_block_by_block(tmp_path, lifter):

    X = np.lib.format.open_memmap(
        tmp_path / "X.npy", mode="w+", dtype="u1", shape=(100_000, 20)
    )
    X[:] = np.random.default_rng(0).integers(0, 255, size=X.shape, dtype=np.uint8)
    y = X[:, 0] > X[:, 1]
    if not isinstance(lifter, MonomialLifter):
        # Steps that learn from rows convert them themselves. Here the step has learned.
        lifter = FrozenEstimator(clone(lifter).fit(X[:100]))
    students = [EDMDClassifier(lifter=lifter)]
    if isinstance(lifter, MonomialLifter):  # a step of scikit-learn transforms all rows at once
        students.append(make_koopman_pipeline(lifter, EDMDClassifier()))
    for student in students:
        tracemalloc.start()
        student.fit(X, y).predict(X)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * X.size / 2
