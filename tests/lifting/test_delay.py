import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import hankel

from sklearn_koopman import DelayLifter

MATRIX = np.array([[0.9, -0.4], [0.4, 0.9]])


def trajectories(n_samples, n_steps, seed=0):
    """Return rows of states x, MATRIX x, MATRIX^2 x, ... of two features each."""
    states = [np.random.default_rng(seed).normal(size=(n_samples, 2))]
    for _ in range(n_steps - 1):
        states.append(states[-1] @ MATRIX.T)
    return np.hstack(states)


@pytest.mark.parametrize("n_steps", [1, 2, 5, 8])
@pytest.mark.parametrize("n_delays", [1, 2, 3, 5])
def test_equals_the_hankel_matrix_of_each_row(n_steps, n_delays):
    X = np.random.default_rng(0).normal(size=(4, n_steps))
    lifter = DelayLifter(n_delays)
    if n_delays > n_steps:
        with pytest.raises(ValueError, match=f"needs rows of {n_delays} states or more"):
            lifter.fit(X)
        return
    windows = lifter.fit(X).windows(X)
    for row, of_row in zip(X, windows, strict=True):
        assert_array_equal(of_row.T, hankel(row[:n_delays], row[n_delays - 1 :]))
    assert_array_equal(lifter.transform(X), windows.reshape(4, -1))
    assert lifter.n_windows_ == n_steps - n_delays + 1
    assert lifter.n_output_features_ == lifter.n_windows_ * n_delays


def test_states_of_several_features():
    X = np.arange(24.0).reshape(2, 12)  # four states of three features
    windows = DelayLifter(2, state_size=3).fit(X).windows(X)
    assert windows.shape == (2, 3, 6)
    assert_array_equal(windows[0], [range(6), range(3, 9), range(6, 12)])
    assert_array_equal(windows[1], windows[0] + 12)


def test_no_window_crosses_from_one_trajectory_to_the_next():
    X = trajectories(40, 6)
    lifter = DelayLifter(3, state_size=2).fit(X)
    W = lifter.windows(X)
    before, after = W[:, :-1].reshape(-1, 6), W[:, 1:].reshape(-1, 6)
    step = np.linalg.lstsq(before, after, rcond=1e-10)[0].T
    assert_allclose(before @ step.T, after, atol=1e-9)  # the dynamics are linear
    assert_allclose(after[:, 4:], before[:, 4:] @ MATRIX.T, atol=1e-12)
    # Windows from the stack of all trajectories do not follow the dynamics.
    stacked = X.reshape(-1, 2)
    across = np.stack([stacked[i : i + 3].ravel() for i in range(len(stacked) - 2)])
    residual = across[1:, 4:] - across[:-1, 4:] @ MATRIX.T
    assert np.abs(residual).max() > 1


def test_names():
    lifter = DelayLifter(2, state_size=2).fit(np.zeros((1, 6)))
    assert list(lifter.get_feature_names_out([*"abcdef"])) == [
        *("w0:a", "w0:b", "w0:c", "w0:d", "w1:c", "w1:d", "w1:e", "w1:f")
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision(dtype):
    X = trajectories(3, 4).astype(dtype)
    assert DelayLifter().fit_transform(X).dtype == dtype


def test_the_result_is_a_copy():
    X = trajectories(3, 4)
    kept = X.copy()
    DelayLifter(1, state_size=2).fit_transform(X)[:] = 0
    assert_array_equal(X, kept)


def test_rows_that_are_no_whole_states():
    X = trajectories(3, 4)
    lifter = DelayLifter(2, state_size=2).fit(X)
    with pytest.raises(ValueError, match="state_size=3 needs rows of 2 states or more"):
        lifter.set_params(state_size=3).fit(X)
    lifter.set_params(state_size=2)
    assert lifter.windows(X).shape == (3, 3, 4)  # the failed fit left it as it was


@pytest.mark.parametrize("name", ["n_delays", "state_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None, "2"])
def test_invalid_parameters(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of DelayLifter must be"):
        DelayLifter(**{name: value}).fit(np.zeros((2, 4)))


def test_what_cannot_fit_in_memory(has_memory):
    X = np.zeros((10, 8))
    lifter = DelayLifter(4).fit(X)
    has_memory(10 * 20 * 8 - 1)
    with pytest.raises(MemoryError, match=r"to 20 observables needs .* GB.*n_delays"):
        lifter.transform(X)


def test_a_trajectory_is_a_row():
    path = np.arange(5.0)
    lifter = DelayLifter(2).fit(path[None])
    for call in (DelayLifter(2).fit, lifter.transform, lifter.windows):
        with pytest.raises(ValueError, match=r"A row is a whole trajectory.*reshape\(1, -1\)"):
            call(path)
    paths = np.arange(24.0).reshape(2, 4, 3)
    with pytest.raises(ValueError, match=r"reshape\(len\(X\), -1\), with state_size=3"):
        DelayLifter(2).fit(paths)
    joined = DelayLifter(2, state_size=3).fit_transform(paths.reshape(len(paths), -1))
    assert joined.shape == (2, 18)
