import re
from ast import literal_eval

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sklearn_koopman import EDMDClassifier
from sklearn_koopman.teachers import (
    CallableTeacher,
    align_columns,
    check_outputs,
    column_classes,
    teacher_logits,
)

PROBA = np.array([[0.1, 0.9], [0.75, 0.25]])


@pytest.mark.parametrize(
    ("given_dtype", "kept"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.int32, np.float64),
        (bool, np.float64),
    ],
)
def test_check_outputs_dtype(given_dtype, kept):
    assert check_outputs(np.ones((2, 2), given_dtype), "teacher").dtype == kept


def test_check_outputs_takes_one_dimension_as_one_column():
    assert check_outputs([1.0, 2.0, 3.0], "teacher", 3).shape == (3, 1)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (np.ones((2, 2, 2)), r"one column per class, got an array of shape \(2, 2, 2\)"),
        (np.ones((2, 0)), r"shape \(2, 0\)"),
        (3.0, r"shape \(\)"),
        (np.ones((3, 2)), "got 3 rows for 2 samples"),
        ([["a", "b"]] * 2, "expected real numbers, got dtype <U1"),
        (np.ones((2, 2), complex), "got dtype complex128"),
        ([[0.0, np.nan], [1.0, 2.0]], "NaN or infinity in 1 of 2 rows"),
        ([[0.0, -np.inf], [np.inf, 2.0]], "NaN or infinity in 2 of 2 rows"),
    ],
)
def test_check_outputs_refuses(outputs, message):
    with pytest.raises(ValueError, match=f"^soft_labels: .*{message}"):
        check_outputs(outputs, "soft_labels", 2)


@pytest.mark.parametrize("kind", ["auto", "proba"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_become_their_logarithm(kind, dtype):
    logits = teacher_logits(PROBA.astype(dtype), kind)
    assert logits.dtype == np.float64
    assert_allclose(softmax(logits, axis=1), PROBA, rtol=1e-6)


def test_probability_zero_is_floored():
    assert np.isfinite(teacher_logits([[0.0, 1.0]])).all()
    assert_allclose(teacher_logits([[0.0, 1.0]], floor=1e-9)[0], [np.log(1e-9), 0.0])


@pytest.mark.parametrize(
    "outputs", [[[-1.0, 3.0]], [[0.5, 1.6]], [[0.25, 0.75], [3.0, -1.0], [0.5, 0.6]]]
)
def test_auto_takes_anything_else_as_logits(outputs):
    assert_array_equal(teacher_logits(outputs), outputs)


@pytest.mark.parametrize(
    "outputs",
    [
        [[0.25, 0.75], [3.0, -1.0]],
        [[0.25, 0.75], [0.5, 0.5], [0.5, 0.6]],
        [[-0.1, 1.1], [1.2, -0.2]],
    ],
    ids=["half are logits", "a sum is wrong", "negative"],
)
def test_auto_refuses_what_is_neither(outputs):
    with pytest.raises(ValueError, match=r"soft_labels: \d of \d rows .* set teacher_output="):
        teacher_logits(outputs, source="soft_labels")


def test_logits_within_the_unit_interval_can_be_declared():
    assert_array_equal(teacher_logits(PROBA, "logits"), PROBA)


def test_auto_forgives_rounding():
    p = np.array([[1 + 2e-7, -1e-7], [0.5004, 0.5]])
    assert_allclose(softmax(teacher_logits(p), axis=1), [[1, 0], [0.5, 0.5]], atol=1e-3)


def test_one_column_belongs_to_the_second_class():
    z = np.array([[-1.0], [2.0]])
    assert_array_equal(teacher_logits(z), [[0, -1], [0, 2]])
    assert_array_equal(teacher_logits(z.ravel(), "logits"), [[0, -1], [0, 2]])
    p = softmax(teacher_logits([[0.2], [1.0]], "proba"), axis=1)
    assert_allclose(p, [[0.8, 0.2], [0, 1]], atol=1e-12)


def test_one_column_in_the_unit_interval_is_ambiguous():
    with pytest.raises(
        ValueError, match=r"soft_labels: a single column .*teacher_output='proba'"
    ):
        teacher_logits([[0.2], [0.7]], source="soft_labels")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([[-0.1, 1.1]], r"values in \[0, 1\], got values from -0.1 to 1.1"),
        ([[0.5, 0.5], [0.5, 0.6]], "rows that sum to 1, 1 of 2 rows do not"),
        ([[1.5]], "got values from -0.5 to 1.5"),
    ],
)
def test_bad_probabilities_are_refused(outputs, message):
    with pytest.raises(
        ValueError, match=f"soft_labels: teacher_output='proba' needs .*{message}"
    ):
        teacher_logits(outputs, "proba", source="soft_labels")


def test_unknown_kind():
    with pytest.raises(ValueError, match="teacher_output='prob': must be 'auto'"):
        teacher_logits(PROBA, "prob")


def test_non_finite_logits_are_refused():
    with pytest.raises(ValueError, match="teacher: NaN or infinity in 1 of 1 rows"):
        teacher_logits([[0.0, np.inf]])


@settings(max_examples=50)
@given(
    hnp.arrays(
        np.float64, st.tuples(st.integers(1, 5), st.integers(2, 5)), elements=st.floats(-30, 30)
    )
)
def test_logits_and_their_softmax_mean_the_same(logits):
    p = softmax(logits, axis=1)
    from_proba = softmax(teacher_logits(p, "proba") / 2.0, axis=1)
    assert_allclose(from_proba, softmax(logits / 2.0, axis=1), atol=1e-9)


LABELS = st.one_of(
    st.lists(st.integers(-50, 50), min_size=2, max_size=8, unique=True),
    st.lists(st.text("abc", max_size=3), min_size=2, max_size=8, unique=True),
)


@settings(max_examples=50)
@given(LABELS, st.data())
def test_alignment_follows_the_labels(known, data):
    """Each class gets its own column, in any order, and if y lacks some classes."""
    classes = sorted(data.draw(st.sets(st.sampled_from(known), min_size=1)))
    logits = np.random.default_rng(0).normal(size=(3, len(known)))
    aligned = align_columns(logits, np.array(known), np.array(classes))
    assert aligned.shape == (3, len(classes))
    for column, label in enumerate(classes):
        assert_array_equal(aligned[:, column], logits[:, known.index(label)])


def test_dropping_classes_is_conditioning():
    logits = teacher_logits([[0.2, 0.3, 0.5]])
    aligned = align_columns(logits, [0, 1, 2], [0, 2])
    assert_allclose(softmax(aligned, axis=1), [[2 / 7, 5 / 7]])


@pytest.mark.parametrize("outputs", [[[0.5, 0.6]], [[0.0, 0.0], [0.9, 0.8]]])
def test_what_lies_in_the_unit_interval_without_summing_to_1_is_not_guessed(outputs):
    message = r"soft_labels: all values are in \[0, 1\].*output='sigmoid'.*output='logits'"
    with pytest.raises(ValueError, match=message):
        teacher_logits(outputs, source="soft_labels", parameter="output")
    assert_array_equal(teacher_logits(outputs, "logits"), outputs)


@settings(max_examples=50)
@given(
    hnp.arrays(
        np.float64, st.tuples(st.integers(1, 3), st.integers(2, 5)), elements=st.floats(-5, 5)
    )
)
def test_sigmoids_are_independent_answers_of_which_one_is_yes(log_odds):
    """The oracle: every combination of answers, weighted by its probability."""
    sigmoids = 1 / (1 + np.exp(-log_odds))
    n_classes = log_odds.shape[1]
    combinations = (np.arange(2**n_classes)[:, None] >> np.arange(n_classes)) & 1
    weights = np.where(combinations, sigmoids[:, None], 1 - sigmoids[:, None]).prod(axis=2)
    one_yes = combinations.sum(axis=1) == 1
    expected = weights[:, one_yes] @ combinations[one_yes]
    expected /= expected.sum(axis=1, keepdims=True)
    logits = teacher_logits(sigmoids, "sigmoid")
    assert_allclose(softmax(logits, axis=1), expected, atol=1e-9)
    assert_allclose(logits, log_odds, atol=1e-6)


def test_sigmoids_of_one_column_and_at_the_ends():
    found = teacher_logits(np.array([0.25, 1.0, 0.0], np.float32), "sigmoid")
    assert_array_equal(found[:, 0], 0)
    assert_allclose(softmax(found, axis=1)[0], [0.75, 0.25])
    assert_allclose(found[1:, 1], [16.6, -16.6], atol=0.1)
    message = r"output='sigmoid' needs values in \[0, 1\], got .* to 3; .*output='logits'"
    with pytest.raises(ValueError, match=message):
        teacher_logits([[-1.0, 3.0]], "sigmoid")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (
            (np.ones((2, 3)), np.ones((2, 4))),
            r"a tuple of 2 arrays of shapes \(2, 3\), \(2, 4\)",
        ),
        ([np.ones((2, 2))] * 3, r"a list of 3 arrays of shapes .*lambda X: f\(X\)\[0\]"),
        (
            {"scores": np.ones((2, 3)), "aux": 1},
            r"a dict of 'scores', 'aux'.*f\(X\)\['scores'\]",
        ),
    ],
)
def test_several_outputs_are_named(outputs, message):
    with pytest.raises(TypeError, match=f"teacher: expected one array, got {message}"):
        check_outputs(outputs, "teacher")


def test_columns_of_the_same_class_are_added():
    proba = np.array([[0.2, 0.3, 0.1, 0.4], [0.0, 0.5, 0.25, 0.25]])
    aligned = align_columns(teacher_logits(proba), ["b", "a", "b", "c"], ["a", "b", "c"])
    expected = [[0.3, 0.3, 0.4], [0.5, 0.25, 0.25]]
    assert_allclose(softmax(aligned, axis=1), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("names", "teacher_classes", "classes", "expected"),
    [
        (None, [1, 0], [0, 1], [1, 0]),
        ([1, 0], None, [0, 1], [1, 0]),
        (["1", "0"], None, [0, 1], [1, 0]),  # column names are often texts
        (["b", "c", "a", "b"], None, ["a", "b"], ["b", "c", "a", "b"]),
        ([0, 1], None, ["a", "b"], None),  # pandas numbers columns without names
        ([0, 1], None, [1, 2], None),
        ([0, 1, 2], None, [1, 2], [0, 1, 2]),
        (["p0", "p1"], ["b", "a"], ["a", "b"], ["b", "a"]),
        (["a", "b"], ["a", "b"], ["a", "b"], ["a", "b"]),
    ],
)
def test_which_names_of_columns_count(names, teacher_classes, classes, expected):
    assert column_classes(names, teacher_classes, np.array(classes)) == expected


@pytest.mark.parametrize(
    ("names", "teacher_classes", "message"),
    [
        (["a", "x"], None, r"columns named \['a', 'x'\], but none for the classes \['b'\]"),
        (["a", "b"], ["b", "a"], r"named \['a', 'b'\], but teacher_classes .* \['b', 'a'\]"),
    ],
)
def test_names_that_contradict(names, teacher_classes, message):
    with pytest.raises(ValueError, match=message):
        column_classes(names, teacher_classes, np.array(["a", "b"]))


def test_integers_match_across_dtypes():
    logits = np.array([[1.0, 2.0]])
    aligned = align_columns(logits, np.array([1.0, 0.0]), np.array([0, 1], np.uint8))
    assert_array_equal(aligned, [[2, 1]])


def test_without_teacher_classes_columns_are_in_order():
    logits = np.ones((2, 3))
    assert align_columns(logits, None, ["a", "b", "c"]) is logits


@pytest.mark.parametrize(
    ("teacher_classes", "classes", "message"),
    [
        (
            None,
            [0, 1],
            r"teacher gave 3 columns, but y has 2 classes \[0, 1\]; pass teacher_classes=",
        ),
        ([0, 1], [0, 1], r"gave 3 columns, but teacher_classes names 2 classes \[0, 1\]"),
        (
            [0, 1, 2],
            [0, 3],
            r"does not know the classes \[3\] of y; its columns are \[0, 1, 2\]",
        ),
        (["0", "1", "2"], [0, 1], "only look alike"),
    ],
)
def test_misalignment_is_refused(teacher_classes, classes, message):
    with pytest.raises(ValueError, match=message):
        align_columns(np.ones((2, 3)), teacher_classes, classes)


def test_long_lists_of_classes_are_shortened():
    with pytest.raises(
        ValueError, match=r"y has 99 classes \[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, \.\.\.\]"
    ):
        align_columns(np.ones((2, 3)), None, np.arange(99))


META_ESTIMATORS = {
    "voting": lambda student: VotingClassifier([("student", student)]),
    "stacking": lambda student: StackingClassifier([("student", student)], cv=2),
    "bagging": lambda student: BaggingClassifier(student, n_estimators=2, random_state=0),
}


@pytest.mark.parametrize("inside", META_ESTIMATORS.values(), ids=META_ESTIMATORS.keys())
@pytest.mark.parametrize(
    ("columns", "passed"),
    [
        (["cat", "dog", "eel"], "range(3)"),
        (["0", "1", "2"], "range(3)"),
        ([7, 8, 9], "range(3)"),
        (["dog", "cat", "dog"], "[1, 0, 1]"),
    ],
)
def test_labels_that_a_meta_estimator_numbers(columns, passed, inside):
    """The error says what to pass. With this, the student learns from the teacher."""
    X = np.tile(np.eye(3), (20, 1)) + np.random.default_rng(0).normal(scale=0.1, size=(60, 3))
    y = np.array(columns)[X.argmax(axis=1)]
    teacher = CallableTeacher(lambda X: 9 * X, columns)
    assert EDMDClassifier(teacher, ridge=1e-3).fit(X, y).score(X, y) == 1.0
    message = re.escape(f"pass teacher_classes={passed}, the number of each column's class")
    with pytest.raises(ValueError, match=message):
        inside(EDMDClassifier(teacher)).fit(X, y)
    values = literal_eval(passed) if "[" in passed else range(3)
    student = EDMDClassifier(teacher, ridge=1e-3, teacher_classes=values)
    assert inside(student).fit(X, y).score(X, y) == 1.0


def test_other_labels_that_the_teacher_does_not_know_are_not_taken_for_numbers():
    with pytest.raises(ValueError, match=r"does not know the classes \['owl'\]") as raised:
        align_columns(np.ones((2, 2)), ["cat", "dog"], ["cat", "owl"])
    assert "numbered" not in str(raised.value)


@pytest.mark.parametrize("classes", [0.5, float("nan"), "ab", [["a"], ["b"]]])
@pytest.mark.parametrize(
    "teacher", [lambda X: X[:, :2], LogisticRegression()], ids=["function", "estimator"]
)
def test_teacher_classes_are_a_list(teacher, classes):
    with pytest.raises(ValueError, match="must be a list with the class of each column"):
        EDMDClassifier(teacher, teacher_classes=classes).fit(np.eye(4), [0, 1, 0, 1])


def test_a_teacher_that_fails_on_texts_is_told_how_many_there_were():
    def fails(texts):
        raise RuntimeError("out of order")

    student = EDMDClassifier(fails, lifter=TfidfVectorizer())
    with pytest.raises(
        ValueError, match=r"out of order\nThe teacher was given the \(4,\) array"
    ):
        student.fit(["a text", "another", "more", "words"], [0, 1, 0, 1])
