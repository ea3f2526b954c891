import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_koopman import SquaredProjectionLifter

X = np.random.default_rng(0).normal(size=(20, 3))
COMPONENTS = np.random.default_rng(1).normal(size=(5, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_and_squares(dtype):
    lifter = SquaredProjectionLifter(COMPONENTS).fit(X.astype(dtype))
    lifted = lifter.transform(X.astype(dtype))
    assert lifted.dtype == lifter.components_.dtype == dtype
    expected = np.hstack([X, np.einsum("jp,ip->ij", COMPONENTS, X) ** 2])
    assert_allclose(lifted, expected, rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-6)
    assert lifter.n_output_features_ == 8
    assert list(lifter.get_feature_names_out())[2:4] == ["x2", "square0"]


def test_squares_of_the_features_without_components():
    assert_array_equal(SquaredProjectionLifter().fit_transform(X), np.hstack([X, X**2]))


def test_components_are_copied():
    components = COMPONENTS.copy()
    lifter = SquaredProjectionLifter(components).fit(X)
    components[:] = 0.0
    assert_array_equal(lifter.components_, COMPONENTS)


@pytest.mark.parametrize(
    ("components", "message"),
    [
        (np.ones((2, 4)), r"components has the shape \(2, 4\), and X has 3 features"),
        (np.ones(3), r"components has the shape \(3,\)"),
        ([[1.0, np.nan, 0.0]], "components contains NaN"),
    ],
)
def test_components_that_do_not_fit(components, message):
    with pytest.raises(ValueError, match=message):
        SquaredProjectionLifter(components).fit(X)
