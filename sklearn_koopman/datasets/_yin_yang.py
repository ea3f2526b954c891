"""The Yin-Yang data set: three classes in a disc, for small networks and small hardware."""

import math
from numbers import Integral, Real

import numpy as np

from .._validation import check_random_state


def make_yin_yang(n_samples=5000, *, random_state=None, r_small=0.1, r_big=0.5):
    """Generate the Yin-Yang classification data set.

    The points of a disc are in one of its two interlocked halves or in one of the two dots. The
    features are the coordinates and their complements, `(x, y, 1 - x, 1 - y)`, so that networks
    without biases can be used. The three classes are equally likely. The points of a class are
    spread evenly over its area.

    Parameters
    ----------
    n_samples : int, default=5000
        Number of points.

    random_state : int, RandomState instance or None, default=None
        Determines the points. Pass an int for reproducible output across calls. The values
        42, 41 and 40 with 5000, 1000 and 1000 samples give the training, validation and test
        sets of the published generator [1]_, bit for bit.

    r_small : float, default=0.1
        Radius of the two dots. The time to find points in them grows as
        `(r_big / r_small) ** 2`.

    r_big : float, default=0.5
        Radius of the disc, whose centre is `(r_big, r_big)`.

    Returns
    -------
    X : ndarray of shape (n_samples, 4)
        The points.

    y : ndarray of shape (n_samples,)
        The classes: 0 for the half below, 1 for the half above, 2 for the dots.

    See Also
    --------
    sklearn.datasets.make_moons : Two classes that no line separates either.

    References
    ----------
    .. [1] L. Kriener, J. Göltz and M. A. Petrovici, "The Yin-Yang dataset", 2021.
       `arXiv:2102.08211 <https://arxiv.org/abs/2102.08211>`_

    Examples
    --------
    >>> from sklearn_koopman.datasets import make_yin_yang
    >>> X, y = make_yin_yang(1000, random_state=0)
    >>> X.shape
    (1000, 4)
    >>> sorted(set(y.tolist()))
    [0, 1, 2]
    """
    _check_parameters(n_samples, r_small, r_big)
    rng = check_random_state(random_state)

    points = np.empty((n_samples, 2))
    y = np.empty(n_samples, dtype=np.int64)
    # One draw after the other: the published points depend on the order of the draws.
    for i in range(n_samples):
        y[i] = rng.randint(3)
        points[i] = _draw_point(y[i], rng, r_small, r_big)
    return np.hstack([points, 1.0 - points]), y


def _draw_point(goal, rng, r_small, r_big):
    """Draw points from the square around the disc until one is of the class `goal`."""
    while True:
        x, y = (rng.rand(2) * 2.0 * r_big).tolist()
        in_disc = math.hypot(x - r_big, y - r_big) <= r_big
        if in_disc and _classify(x, y, r_small, r_big) == goal:
            return x, y


def _classify(x, y, r_small, r_big):
    """Return the class of a point of the disc."""
    to_right_dot = math.hypot(x - 1.5 * r_big, y - r_big)
    to_left_dot = math.hypot(x - 0.5 * r_big, y - r_big)
    if min(to_right_dot, to_left_dot) < r_small:
        return 2
    # The rim of the right dot belongs to the half above, that of the left dot to the other.
    is_above = (
        to_right_dot <= r_small
        or r_small < to_left_dot <= 0.5 * r_big
        or (y > r_big and to_right_dot > 0.5 * r_big)
    )
    return int(is_above)


def _check_parameters(n_samples, r_small, r_big):
    """Raise a ValueError that names the parameter out of its range."""
    is_int = isinstance(n_samples, Integral) and not isinstance(n_samples, bool)
    if not is_int or n_samples < 1:
        raise ValueError(
            "The 'n_samples' parameter of make_yin_yang must be an int in the range [1, inf). "
            f"Got {n_samples!r} instead."
        )
    if not isinstance(r_big, Real) or not 0 < float(r_big) < math.inf:
        raise ValueError(
            "The 'r_big' parameter of make_yin_yang must be a float in the range (0, inf). "
            f"Got {r_big!r} instead."
        )
    limit = float(r_big) / 2
    if not isinstance(r_small, Real) or not 0 < float(r_small) < limit:
        raise ValueError(
            "The 'r_small' parameter of make_yin_yang must be a float in the range "
            f"(0, r_big / 2) = (0, {limit}). Got {r_small!r} instead."
        )
