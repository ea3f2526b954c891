import numpy as np
import pytest

from sklearn_koopman.inspection import fidelity_score


def test_labels_of_any_type():
    assert fidelity_score([1, 2, 3, 3], np.array([1, 2, 3, 4])) == 0.75
    assert fidelity_score(["a", "b"], np.array(["a", "b"], dtype=object)) == 1.0
    assert fidelity_score([0.0, 1.0], [0, 1]) == 1.0
    assert isinstance(fidelity_score([1], [2]), float)


def test_scores_are_compared_by_their_largest():
    teacher = np.array([[5.0, -1.0, 0.0], [0.0, 0.1, 0.2]])
    assert fidelity_score(teacher, teacher * 10) == 1.0
    assert fidelity_score(teacher, -teacher) == 0.0


def test_weights_are_repetitions():
    teacher, student = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    weight = np.array([1, 0, 3, 2])
    repeated = fidelity_score(teacher.repeat(weight), student.repeat(weight))
    assert fidelity_score(teacher, student, sample_weight=weight) == pytest.approx(repeated)


def test_data_frames_and_series():
    pd = pytest.importorskip("pandas")
    assert fidelity_score(pd.Series(["a", "b"]), ["a", "c"]) == 0.5
    scores = pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 0.0]})
    assert fidelity_score(scores, scores.to_numpy()) == 1.0


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        ([0, 1], [0, 1, 1], "inconsistent numbers of samples"),
        ([], [], "0 sample"),
        ([0, 1], [[0.1, 0.9], [0.4, 0.6]], "labels cannot be compared with scores"),
        ([[0.1, 0.9], [0.4, 0.6]], [0, 1], "labels cannot be compared with scores"),
        (np.ones((2, 3)), np.ones((2, 2)), "3 columns and y_student has 2"),
        (np.ones((2, 1)), np.ones((2, 1)), "minimum of 2 is required"),
        ([0.3, 0.7], [0, 1], "are not labels"),
        ([0, 1], ["0", "1"], "'1' is not 1"),
        (["0", "1"], [0, 1], "'1' is not 1"),
        ([[np.nan, 1.0]], [[0.0, 1.0]], "y_teacher contains NaN"),
        ([0.0, np.inf], [0, 1], "infinity"),
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), "dim 3"),
    ],
)
def test_refuses(teacher, student, message):
    with pytest.raises(ValueError, match=message):
        fidelity_score(teacher, student)


def test_refuses_a_scalar():
    with pytest.raises(TypeError, match="scalar"):
        fidelity_score(1, 1)


@pytest.mark.parametrize("weight", [[0, 0], [-1, 1], [1, 1, 1]])
def test_refuses_weights(weight):
    with pytest.raises(ValueError, match="weight"):
        fidelity_score([0, 1], [0, 1], sample_weight=weight)
