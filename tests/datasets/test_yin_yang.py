import math
import os
from pathlib import Path

import numpy as np
import pytest

from sklearn_koopman.datasets import make_yin_yang

# First points of the published training set (seed 42).
FIRST_POINTS = [
    ("0x1.5c51450ae9de0p-1", "0x1.cd4fad08539c4p-2", 2),
    ("0x1.9010a27637b70p-4", "0x1.5e53ca8f6cf61p-1", 1),
    ("0x1.82bebb13f3130p-1", "0x1.b35c0fc29196cp-2", 2),
    ("0x1.321ff22e8b9fdp-1", "0x1.d7ffe654e60b4p-1", 1),
    ("0x1.4d2364ec19af6p-2", "0x1.8e016b5fa82f6p-2", 1),
]


@pytest.mark.parametrize(
    ("part", "n_samples", "seed"), [("train", 5000, 42), ("val", 1000, 41), ("test", 1000, 40)]
)
def test_equals_the_published_arrays_bit_for_bit(part, n_samples, seed):
    root = os.environ.get("SKLEARN_KOOPMAN_DATA")
    if not root:
        pytest.skip("SKLEARN_KOOPMAN_DATA, the folder of reference data, is not set")
    path = Path(root, "yin_yang", "reference.npz")
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    reference = np.load(path)

    X, y = make_yin_yang(n_samples, random_state=seed)

    assert X.tobytes() == reference[f"x_{part}"].tobytes()
    np.testing.assert_array_equal(y, reference[f"y_{part}"])


def test_first_published_points():
    X, y = make_yin_yang(5, random_state=42)

    assert [(a.hex(), b.hex()) for a, b in X[:, :2].tolist()] == [p[:2] for p in FIRST_POINTS]
    assert y.tolist() == [p[2] for p in FIRST_POINTS]


def test_shapes_types_and_complements():
    X, y = make_yin_yang(20, random_state=0)

    assert X.shape == (20, 4)
    assert X.dtype == np.float64
    assert y.shape == (20,)
    assert y.dtype == np.int64
    np.testing.assert_array_equal(X[:, 2:], 1 - X[:, :2])


def test_random_state():
    X, y = make_yin_yang(30, random_state=np.random.RandomState(3))
    X_again, y_again = make_yin_yang(30, random_state=3)
    X_other, _ = make_yin_yang(30, random_state=4)

    np.testing.assert_array_equal(X, X_again)
    np.testing.assert_array_equal(y, y_again)
    assert not np.array_equal(X, X_other)


@pytest.mark.parametrize(("r_small", "r_big"), [(0.1, 0.5), (0.4, 1.0), (2, 10)])
def test_points_lie_in_the_disc_and_dots_in_the_dots(r_small, r_big):
    X, y = make_yin_yang(600, random_state=0, r_small=r_small, r_big=r_big)
    to_dot = np.minimum(
        np.hypot(X[:, 0] - 1.5 * r_big, X[:, 1] - r_big),
        np.hypot(X[:, 0] - 0.5 * r_big, X[:, 1] - r_big),
    )

    assert np.all(np.hypot(X[:, 0] - r_big, X[:, 1] - r_big) <= r_big)
    np.testing.assert_array_equal(to_dot < r_small, y == 2)
    assert np.bincount(y).min() > 150


def test_the_halves_are_those_of_the_symbol():
    """Two discs of half the radius belong to one half each. The rest is above or below."""
    X, y = make_yin_yang(2000, random_state=1)
    in_left_disc = np.hypot(X[:, 0] - 0.25, X[:, 1] - 0.5) <= 0.25
    in_right_disc = np.hypot(X[:, 0] - 0.75, X[:, 1] - 0.5) <= 0.25
    is_above = in_left_disc | ((X[:, 1] > 0.5) & ~in_right_disc)

    halves = y < 2
    np.testing.assert_array_equal(y[halves], is_above[halves])
    for part in (in_left_disc, in_right_disc, ~in_left_disc & ~in_right_disc):
        assert part[halves].sum() > 50


@pytest.mark.parametrize("n_samples", [0, -1, 10.0, "10", None, True])
def test_bad_n_samples(n_samples):
    with pytest.raises(ValueError, match=f"'n_samples' parameter .* Got {n_samples!r} instead"):
        make_yin_yang(n_samples)


@pytest.mark.parametrize("r_big", [0, -1.0, math.inf, math.nan, "0.5"])
def test_bad_r_big(r_big):
    with pytest.raises(ValueError, match=f"'r_big' parameter .* Got {r_big!r} instead"):
        make_yin_yang(5, r_big=r_big)


@pytest.mark.parametrize("r_small", [0.0, -0.1, 0.25, math.nan, None])
def test_bad_r_small(r_small):
    with pytest.raises(ValueError, match=rf"\(0, 0.25\). Got {r_small!r} instead"):
        make_yin_yang(5, r_small=r_small)


def test_bad_random_state():
    with pytest.raises(ValueError, match="random_state='seed': must be an int"):
        make_yin_yang(5, random_state="seed")
