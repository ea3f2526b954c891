"""The displays draw their data, on given axes or on new ones."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.audit import (
    CertifiedAccuracyDisplay,
    ConfusionPairDisplay,
    CounterfactualDisplay,
    GroupAccuracyDisplay,
    LeadingTermsDisplay,
    ReliabilityDisplay,
)
from sklearn_koopman.pipeline import make_pipeline

X, Y = load_iris(return_X_y=True, as_frame=True)


@pytest.fixture(autouse=True)
def pyplot():
    """Return matplotlib without a screen; close all figures afterwards."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.fixture(scope="module")
def student():
    last = KoopmanDistilledClassifier(soft_weight=0, ridge=1e-2)
    return make_pipeline(StandardScaler(), MonomialLifter(2), last).fit(X, Y)


def test_certified_accuracy(student, pyplot):
    ax = pyplot.subplots()[1]
    display = CertifiedAccuracyDisplay.from_estimator(
        student, X, Y, scale="std", ax=ax, name="student"
    )
    assert display.ax_ is ax
    distances, values = display.line_.get_data()
    assert values[0] == student.score(X, Y)
    assert values[60] == display.certified.at(distances[60]).value
    assert ax.get_legend().get_texts()[0].get_text() == "student"
    assert CertifiedAccuracyDisplay(display.certified).plot().ax_ is not ax


def test_reliability(student):
    display = ReliabilityDisplay.from_estimator(student, X, Y, n_bins=5)
    x, y = display.points_[0].get_data(orig=False)
    bins = display.calibration.bins
    assert_allclose(x, [each.confidence for each in bins])
    assert_allclose(y, [each.accuracy.value for each in bins])


def test_confusions(student, pyplot):
    said = student.predict(X)
    both = ConfusionPairDisplay.from_predictions(Y, said, Y)
    assert [ax.get_title() for ax in both.axes_] == ["teacher", "student"]
    assert np.trace(both.teacher) == 150
    assert np.trace(both.student) == (said == Y).sum()
    one = ConfusionPairDisplay.from_predictions(Y, said)
    assert len(one.axes_) == 1
    with pytest.raises(ValueError, match=r"shape \(2,\) is needed, got an array of shape \(\)"):
        ConfusionPairDisplay.from_predictions(Y, said, Y, axes=pyplot.subplots()[1])


def test_groups(student):
    flowers = np.where(X["sepal length (cm)"] > 6, "long", "short")
    display = GroupAccuracyDisplay.from_predictions(Y, student.predict(X), flowers)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["long (61)", "short (89)"]


def test_leading_terms(student):
    display = LeadingTermsDisplay.from_estimator(student, X, n_shown=4)
    shares = [bar.get_width() for bar in display.bars_]
    assert np.abs(shares).tolist() == sorted(np.abs(shares), reverse=True)
    assert len(shares) == 4


def test_counterfactuals_of_columns(student):
    rows = X.iloc[[0, 60]]
    display = CounterfactualDisplay.from_estimator(
        student, rows, Y.iloc[[0, 60]], scale=np.ones(4)
    )
    assert display.axes_.shape == (2, 1)
    assert "→" in display.axes_[0, 0].get_title()
    row = display.rows[0]
    widths = [bar.get_width() for bar in display.axes_[0, 0].patches]
    changes = row.counterfactual - row.values
    assert_allclose(widths, changes[np.argsort(-np.abs(changes), kind="stable")])
    assert student.predict(X[:1] * 0 + row.counterfactual)[0] == row.counterfactual_class


def test_counterfactuals_of_images():
    images, digits = load_digits(return_X_y=True)
    student = make_pipeline(PCA(8, random_state=0), MonomialLifter(2), EDMDClassifier())
    student.fit(images, digits)
    display = CounterfactualDisplay.from_estimator(
        student, images[:2], digits[:2], image_shape=(8, 8, 1)
    )
    assert display.axes_.shape == (2, 3)
    shown = [ax.images[0].get_array() for ax in display.axes_[0]]
    assert_allclose(shown[1] - shown[0], shown[2].reshape(shown[0].shape), atol=1e-12)
    tree = DecisionTreeClassifier().fit(images, digits)
    with pytest.raises(TypeError, match="No radii are known"):
        CounterfactualDisplay.from_estimator(tree, images[:2], digits[:2])
