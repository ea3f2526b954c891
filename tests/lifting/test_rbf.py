import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist, pdist
from sklearn.cluster import KMeans
from sklearn.datasets import make_circles
from sklearn.metrics.pairwise import rbf_kernel

from sklearn_koopman import EDMDClassifier, RBFLifter

X = np.random.default_rng(0).normal(size=(300, 4))


@pytest.mark.parametrize("centers", ["kmeans", "random"])
@pytest.mark.parametrize("gamma", ["median", 0.3])
def test_equals_the_rbf_kernel_of_scikit_learn(centers, gamma):
    lifter = RBFLifter(20, centers=centers, gamma=gamma, random_state=0)
    lifted = lifter.fit_transform(X)
    assert_allclose(lifted, rbf_kernel(X, lifter.centers_, gamma=lifter.gamma_))
    explicit = np.exp(-lifter.gamma_ * cdist(X, lifter.centers_, "sqeuclidean"))
    assert_allclose(lifted, explicit)
    assert lifted.shape == (300, 20)
    assert lifter.n_output_features_ == 20


def test_the_width_is_the_median_distance():
    lifter = RBFLifter(5, random_state=0).fit(X)
    assert_allclose(lifter.gamma_, 0.5 / np.median(pdist(X)) ** 2)
    # Pairs of equal rows are not pairs of different samples.
    twice = RBFLifter(5, random_state=0).fit(np.repeat(X, 3, axis=0))
    assert_allclose(twice.gamma_, lifter.gamma_)


def test_the_median_of_many_rows_is_that_of_some_of_them():
    many = np.random.default_rng(1).normal(size=(5000, 4))
    lifter = RBFLifter(5, centers="random", random_state=0).fit(many)
    assert_allclose(lifter.gamma_, 0.5 / np.median(pdist(many[:2000])) ** 2, rtol=0.1)
    assert lifter.gamma_ == RBFLifter(7, centers="random", random_state=0).fit(many).gamma_


def test_a_number_is_taken_as_gamma():
    assert RBFLifter(5, gamma=2).fit(X).gamma_ == 2.0


def test_landmarks_are_different_rows():
    centers = RBFLifter(40, centers="random", random_state=0).fit(X).centers_
    assert len(np.unique(centers, axis=0)) == 40
    assert (cdist(centers, X).min(axis=1) == 0).all()


def test_centers_are_those_of_k_means():
    lifter = RBFLifter(6, random_state=3).fit(X)
    oracle = KMeans(6, n_init=1, random_state=np.random.RandomState(3)).fit(X)
    assert_array_equal(lifter.centers_, oracle.cluster_centers_)


@pytest.mark.parametrize("centers", ["kmeans", "random"])
def test_random_state(centers):
    def fitted(seed):
        return RBFLifter(10, centers=centers, random_state=seed).fit(X).centers_

    assert_array_equal(fitted(0), fitted(0))
    assert not np.array_equal(fitted(0), fitted(1))


@pytest.mark.parametrize("centers", ["kmeans", "random"])
def test_single_precision(centers):
    lifter = RBFLifter(10, centers=centers, random_state=0)
    single = lifter.fit_transform(X.astype(np.float32))
    assert single.dtype == lifter.centers_.dtype == np.float32
    assert lifter.transform(X).dtype == np.float64
    assert lifter.fit(X).transform(X.astype(np.float32)).dtype == np.float32


def test_more_centers_than_samples():
    with pytest.warns(UserWarning, match="n_centers=100 is more than the 9 samples"):
        lifter = RBFLifter().fit(X[:9])
    assert_array_equal(lifter.centers_, X[:9])
    assert list(lifter.get_feature_names_out())[-1] == "rbf8"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RBFLifter(9).fit(X[:9])


def test_samples_that_are_all_the_same():
    lifter = RBFLifter(2, centers="random").fit(np.ones((5, 3)))
    assert_array_equal(lifter.transform(np.ones((5, 3))), np.ones((5, 2)))


def test_circles_are_linear_in_gaussians():
    circles, y = make_circles(400, noise=0.05, factor=0.5, random_state=0)
    assert EDMDClassifier().fit(circles, y).score(circles, y) < 0.7
    student = EDMDClassifier(lifter=RBFLifter(30, random_state=0)).fit(circles, y)
    assert student.score(circles, y) > 0.99


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n_centers", value) for value in (0, -1, 2.0, None, "all")),
        *(("centers", value) for value in ("k-means", None)),
        *(("gamma", value) for value in (0, -1.0, np.nan, np.inf, None, "scale")),
    ],
)
def test_invalid_parameters(name, value):
    lifter = RBFLifter(5, random_state=0).fit(X)
    lifted, before = lifter.transform(X), getattr(lifter, name)
    with pytest.raises(ValueError, match=f"The '{name}' parameter of RBFLifter must be"):
        lifter.set_params(**{name: value}).fit(X[:, :2])
    lifter.set_params(**{name: before})
    assert_array_equal(lifter.transform(X), lifted)  # the failed fit left it as it was


def test_what_cannot_fit_in_memory(has_memory):
    lifter = RBFLifter(10, random_state=0).fit(X)
    has_memory(300 * 10 * 8 - 1)
    with pytest.raises(MemoryError, match=r"to 10 observables needs .* GB.*n_centers"):
        lifter.transform(X)
