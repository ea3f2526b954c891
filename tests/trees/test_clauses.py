import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal
from sklearn.tree import DecisionTreeClassifier

from sklearn_koopman.trees import Literals

from .helpers import binary_rows, grow, hidden_features, hidden_tree, samples

# Thresholds


def test_thresholds_of_few_values_are_all_midpoints():
    X = np.array([[0, 3, -1], [1, 3, 1], [0, 3, 5], [4, 3, 1]], dtype=np.float32)
    literals = Literals.from_quantiles(X, 16)
    assert_array_equal(literals.feature, [0, 0, 2, 2])
    assert_array_equal(literals.threshold, [0.5, 2.5, 0, 3])
    assert_array_equal(literals.holds(X)[:, 1], [True, True, True, False])


@given(
    values=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=60),
    most=st.integers(1, 20),
)
def test_thresholds_cut_between_values(values, most):
    values = np.array(values, dtype=np.float32)
    n_distinct = len(np.unique(values))
    threshold = Literals.from_quantiles(values[:, None], most).threshold
    assert len(threshold) <= most
    assert (np.diff(threshold) > 0).all()
    # all cut differently, and each has rows on both sides
    below = np.count_nonzero(values[:, None] <= threshold, axis=0)
    assert (np.diff(below) > 0).all()
    assert ((below > 0) & (below < len(values))).all()
    if n_distinct <= most + 1:
        assert len(threshold) == n_distinct - 1


@pytest.mark.parametrize("most", [1, 3, 9])
def test_many_values_are_cut_into_equal_parts(most):
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    threshold = Literals.from_quantiles(values[:, None], most).threshold
    below = np.count_nonzero(values[:, None] <= threshold, axis=0)
    np.testing.assert_allclose(below, np.arange(1, most + 1) * 1000 / (most + 1), atol=1)


# Growth


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    beam_width=st.sampled_from([2, 5, 30, None]),
    min_samples_leaf=st.integers(1, 8),
    greedy=st.booleans(),
)
def test_what_every_beam_keeps(seed, beam_width, min_samples_leaf, greedy):
    X, labels = samples(seed, n_rows=40)
    levels, n_probes = grow(
        X,
        labels,
        max_thresholds=3,
        max_depth=2,
        beam_width=beam_width,
        min_samples_leaf=min_samples_leaf,
        greedy=greedy,
    )
    assert len(levels[0]) == 1
    assert levels[0][0].rows.all()
    assert n_probes >= 2 * 4
    for level, below in zip(levels, [*levels[1:], []], strict=True):
        assert beam_width is None or len(level) <= max(beam_width, 1)
        assert len({clause.rows.tobytes() for clause in level}) == len(level)
        for clause in level:
            assert clause.rows.sum() >= min_samples_leaf
            assert_array_equal(clause.counts, np.bincount(labels[clause.rows], minlength=3))
            assert -1e-9 <= clause.error <= 1 + 1e-9
            for split in clause.splits:
                low = X[:, split.feature] <= split.threshold
                assert_array_equal(split.left.rows, clause.rows & low)
                assert_array_equal(split.right.rows, clause.rows & ~low)
                assert split.left in below
                assert split.right in below


def test_a_narrow_beam_follows_what_the_features_represent():
    X = binary_rows(400, 20)
    levels, _ = grow(X, hidden_tree(X), hidden_features(X), beam_width=8)
    assert {split.feature for split in levels[0][0].splits[:3]} == {0, 1, 2}
    assert {split.feature for clause in levels[1] for split in clause.splits} == {0, 1, 2}


def test_cuts_are_kept_in_order_of_the_worse_half():
    X, labels = samples()
    levels, _ = grow(X, labels, max_depth=1, beam_width=6)
    splits = levels[0][0].splits
    errors = [max(split.left.error, split.right.error) for split in splits]
    assert errors == sorted(errors)
    # only one threshold for each feature
    assert len({split.feature for split in splits}) == len(splits) == 3


def test_the_greedy_tree_is_among_the_clauses():
    rng = np.random.default_rng(0)
    X = binary_rows(300, 12)
    labels = ((X[:, :5].sum(axis=1) > 0) + (X[:, 5] > 0) * (rng.random(300) < 0.8)).astype(int)
    uninformative = rng.normal(size=(300, 3))
    levels, _ = grow(X, labels, uninformative, beam_width=30, greedy=True)
    clauses = {clause.rows.tobytes() for level in levels for clause in level}
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, labels)
    passes = tree.decision_path(X).toarray().astype(bool)
    assert all(rows.tobytes() in clauses for rows in passes.T)

    levels, _ = grow(X, labels, uninformative, beam_width=30, greedy=False)
    clauses = {clause.rows.tobytes() for level in levels for clause in level}
    assert not all(rows.tobytes() in clauses for rows in passes.T)


def test_pure_clauses_are_not_probed():
    X = binary_rows(100, 6)
    labels = (X[:, 0] > 0).astype(int)
    levels, n_probes = grow(X, labels, max_depth=5, beam_width=2)
    assert len(levels) == 2
    assert n_probes == 2 * 6


def test_without_conditions_there_is_only_the_root():
    X, labels = np.ones((10, 2), dtype=np.float32), np.arange(10) % 2
    levels, n_probes = grow(X, labels, np.random.default_rng(0).normal(size=(10, 2)))
    assert [len(level) for level in levels] == [1]
    assert n_probes == 0
