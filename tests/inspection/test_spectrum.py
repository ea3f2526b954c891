"""The spectrum of a span's matrix, against systems with known spectra."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from numpy.testing import assert_allclose  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402

from sklearn_koopman import EDMDRegressor, MonomialLifter  # noqa: E402
from sklearn_koopman.inspection import SpanSpectrumDisplay, span_spectrum  # noqa: E402
from sklearn_koopman.networks import LinearizedNetworkClassifier  # noqa: E402


class LinearStep(torch.nn.Module):
    """One step of a linear system."""

    def forward(self, x):
        return x @ torch.tensor([[0.9, 0.1], [0.0, 0.5]], dtype=x.dtype).T + 0.3


class QuadraticStep(torch.nn.Module):
    """x' = a x, y' = b y + c x^2: with the observable x^2 it is linear."""

    def forward(self, x):
        return torch.stack([0.9 * x[:, 0], 0.5 * x[:, 1] + 0.3 * x[:, 0] ** 2], dim=1)


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(500, 2))
    return X, (X[:, 0] > 0).astype(int)


def fitted(step, data, **settings):
    net = torch.nn.Sequential(step, torch.nn.Linear(2, 2).double())
    return LinearizedNetworkClassifier(net, "0", ridge=0.0, **settings).fit(*data)


def test_linear_system(data):
    spectrum = span_spectrum(fitted(LinearStep(), data))
    assert_allclose(spectrum.eigenvalues, [0.9, 0.5], atol=1e-12)
    ratio = spectrum.modes[1] / spectrum.modes[0]
    assert_allclose(ratio, [0.0, -4.0], atol=1e-9)
    b = LinearStep()(torch.from_numpy(data[0])).numpy()
    singular = np.linalg.svd(b - b.mean(0), compute_uv=False) / np.sqrt(len(b))
    assert_allclose(spectrum.singular_values, singular)


def test_eigenvalues_of_products_are_products_of_eigenvalues(data):
    student = fitted(LinearStep(), data, lifter=MonomialLifter(2), lift_output=True)
    spectrum = span_spectrum(student)
    expected = [0.9, 0.9**2, 0.9 * 0.5, 0.5, 0.5**2]
    assert_allclose(np.sort(spectrum.eigenvalues.real), np.sort(expected), atol=1e-9)
    assert spectrum.modes.shape == (2, 5)
    # modes of products are zero in the coordinates themselves, apart from the shift
    slow = spectrum.modes[:, np.argmin(np.abs(spectrum.eigenvalues - 0.9))]
    assert_allclose(slow[1] / slow[0], 0.0, atol=1e-9)


def test_koopman_eigenvalues_of_a_nonlinear_system(data):
    lifter = MonomialLifter((1, 2))
    spectrum = span_spectrum(fitted(QuadraticStep(), data, lifter=lifter, lift_output=True))
    for eigenvalue in (0.9, 0.81, 0.5):
        assert np.abs(spectrum.eigenvalues - eigenvalue).min() < 0.05


def test_other_matrices_have_singular_values_only(data):
    direct = span_spectrum(fitted(QuadraticStep(), data, lifter=MonomialLifter(2)))
    assert direct.eigenvalues is None
    assert direct.modes is None
    assert direct.singular_values.shape == (2,)
    with pytest.raises(NotFittedError):
        span_spectrum(LinearizedNetworkClassifier(torch.nn.Linear(2, 2), "0"))


def test_display(data, pyplot):
    square = fitted(LinearStep(), data)
    display = SpanSpectrumDisplay.from_estimator(square)
    assert_allclose(display.singular_values_.get_ydata(), display.spectrum.singular_values)
    assert_allclose(display.eigenvalues_.get_offsets(), [[0.9, 0.0], [0.5, 0.0]], atol=1e-9)
    direct = fitted(QuadraticStep(), data, lifter=MonomialLifter(2))
    display = SpanSpectrumDisplay.from_estimator(direct)
    assert len(display.axes_) == 1
    assert display.eigenvalues_ is None
    _, axes = pyplot.subplots(1, 1)
    with pytest.raises(
        ValueError, match=r"shape \(2,\) is needed, got an array of shape \(1,\)"
    ):
        SpanSpectrumDisplay.from_estimator(square, axes=[axes])
    assert SpanSpectrumDisplay.from_estimator(direct, axes=[axes]).axes_ == [axes]


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def test_a_regressor_has_another_spectrum(data):
    X, _ = data
    with pytest.raises(TypeError, match=r"koopman_spectrum\(regressor\)"):
        span_spectrum(EDMDRegressor().fit(X, X))
