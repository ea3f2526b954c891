import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_koopman import ActiveSubspace, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.deployment import (
    detach_teacher,
    load_student,
    save_student,
    to_module,
    to_onnx,
)
from sklearn_koopman.inspection import cost

from ..extra_checks import EXTRA_TRANSFORMER_CHECKS

X = np.random.default_rng(0).normal(size=(400, 8)) * np.arange(1, 9)
W = np.random.default_rng(1).normal(size=(8, 3))


def linear(X):
    """Logits that are linear in X."""
    return X @ W


class OfAnyWidth:
    """A teacher with the same name in all processes that collect the tests."""

    def __call__(self, X):
        X = np.asarray(X, dtype=np.float64)
        return np.column_stack([X.sum(axis=1), np.tanh(X[:, 0])])

    def __repr__(self):
        return "OfAnyWidth()"


of_any_width = OfAnyWidth()
SUBSPACES = [
    ActiveSubspace(of_any_width, 2),
    ActiveSubspace(LogisticRegression(), 2, n_preliminary=5, n_samples=20),
]


@parametrize_with_checks(SUBSPACES)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("check", EXTRA_TRANSFORMER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", SUBSPACES[:1], ids=repr)
def test_extra_check(estimator, check):
    check(type(estimator).__name__, estimator)


def test_is_the_eigenbasis_of_the_fisher_information():
    temperature = 3.0
    subspace = ActiveSubspace(linear, 8, temperature=temperature).fit(X)
    # The Jacobian of a linear teacher is known, and the same everywhere.
    q = softmax(linear(X) / temperature, axis=1)
    fisher = (np.einsum("ic,cd->cd", q, np.eye(3)) - q.T @ q) / len(X)
    pca = PCA(8).fit(X)
    whitened = pca.components_ * np.sqrt(pca.explained_variance_)[:, None]
    G = whitened @ W @ fisher @ W.T @ whitened.T
    expected = np.linalg.eigvalsh(G)[::-1]
    assert_allclose(subspace.sensitivities_, expected, rtol=1e-6, atol=1e-9 * expected[0])
    # Two differences of logits matter for three classes, so there are only two directions.
    assert (subspace.sensitivities_[2:] < 1e-9 * expected[0]).all()
    span = np.linalg.lstsq(subspace.components_[:2].T, W - W.mean(1, keepdims=True))
    assert_allclose(span[1], 0, atol=1e-12)


def test_coordinates_are_white():
    Z = ActiveSubspace(linear, 5).fit_transform(X)
    assert_allclose(np.cov(Z.T), np.eye(5), atol=1e-10)
    assert_allclose(Z.mean(axis=0), 0, atol=1e-12)


def test_does_not_depend_on_the_basis_or_units_of_the_inputs():
    subspace = ActiveSubspace(linear, 2).fit(X)
    mixed = np.random.default_rng(2).normal(size=(8, 8))
    other = ActiveSubspace(lambda X: linear(X @ np.linalg.inv(mixed)), 2).fit(X @ mixed)
    Z, Z_other = subspace.transform(X), other.transform(X @ mixed)
    assert_allclose(np.abs(Z), np.abs(Z_other), atol=1e-6)


def test_difference_quotients_of_a_curved_teacher():
    def curved(X):
        return np.column_stack([np.sin(X[:, 0]), np.zeros(len(X))])

    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 2))
    subspace = ActiveSubspace(curved, 2, temperature=1.0, step=1e-3).fit(X)
    q = softmax(curved(X), axis=1)[:, 0]
    # The gradient is (cos x0, 0), whitened by the deviations of X.
    gradients = np.column_stack([np.cos(X[:, 0]), np.zeros(len(X))])
    G = (gradients * (q * (1 - q))[:, None]).T @ gradients / len(X)
    expected = np.linalg.eigvals(np.cov(X.T) @ G).max()
    assert_allclose(subspace.sensitivities_[0], expected, rtol=1e-5)


def test_probabilities_are_as_good_as_logits():
    by_logits = ActiveSubspace(linear, 2).fit(X / 10)
    by_probabilities = ActiveSubspace(lambda X: softmax(linear(X), axis=1), 2).fit(X / 10)
    assert_allclose(by_logits.sensitivities_, by_probabilities.sensitivities_, rtol=1e-6)
    assert_allclose(by_logits.components_, by_probabilities.components_, atol=1e-6)


def test_finds_what_pca_cuts_off():
    # Noise of large variance, and two quiet features that decide.
    X, y = make_classification(
        600,
        4,
        n_informative=2,
        n_redundant=0,
        n_clusters_per_class=1,
        class_sep=2.0,
        shuffle=False,
        random_state=0,
    )
    noise = 20 * np.random.default_rng(0).normal(size=(600, 10))
    X = np.hstack([X, noise])
    scores = {}
    for kind in (PCA(2), ActiveSubspace(LogisticRegression(), 2)):
        student = KoopmanDistilledClassifier(
            lifter=make_pipeline(kind, MonomialLifter(2)), soft_weight=0
        )
        scores[type(kind)] = cross_val_score(student, X, y, cv=3).mean()
    assert scores[ActiveSubspace] > 0.85
    assert scores[PCA] < 0.65


def test_a_student_needs_fewer_coordinates():
    X, y = load_digits(return_X_y=True)
    teacher = FrozenEstimator(SVC(gamma=0.001, C=10).fit(X[::2], y[::2]))
    scores = []
    for kind in (PCA(8, random_state=0), ActiveSubspace(teacher, 8, n_preliminary=40)):
        lifter = make_pipeline(kind, MonomialLifter(2))
        student = KoopmanDistilledClassifier(teacher, lifter=lifter, tol=1e-4)
        scores.append(student.fit(X[::2], y[::2]).score(X[1::2], y[1::2]))
    assert scores[1] > scores[0] + 0.005


def test_takes_no_more_coordinates_than_there_are():
    assert ActiveSubspace(linear, 20).fit(X).components_.shape == (8, 8)
    assert ActiveSubspace(linear, 20, n_preliminary=5).fit(X).components_.shape == (5, 8)
    constant = np.column_stack([X[:, :7], np.ones(len(X))])
    subspace = ActiveSubspace(linear, 20).fit(constant)
    assert subspace.components_.shape == (7, 8)
    assert np.isfinite(subspace.transform(constant)).all()


def test_draws_samples_repeatably():
    some = ActiveSubspace(linear, 2, n_samples=50)
    assert_array_equal(some.fit(X).components_, clone(some).fit(X).components_)
    other = clone(some).set_params(random_state=1).fit(X)
    assert not np.array_equal(some.components_, other.components_)


def test_float32_stays_float32():
    subspace = ActiveSubspace(linear, 3).fit(X.astype(np.float32))
    assert subspace.components_.dtype == np.float32
    assert subspace.transform(X.astype(np.float32)).dtype == np.float32


def test_clones_share_a_network():
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(8, 3)
    subspace = ActiveSubspace(net, 2)
    assert clone(subspace).teacher is net
    fitted = subspace.fit(X.astype(np.float32))
    weights = net.weight.detach().numpy()
    span = np.linalg.lstsq(fitted.components_.T, (weights - weights.mean(axis=0)).T)
    assert_allclose(span[1], 0, atol=1e-9)


@pytest.fixture(scope="module")
def student():
    lifter = make_pipeline(ActiveSubspace(linear, 3), MonomialLifter(2))
    return KoopmanDistilledClassifier(linear, lifter=lifter).fit(X, linear(X).argmax(axis=1))


def test_exports_to_torch(student):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        logits = to_module(student)(torch.as_tensor(X)).numpy()
    assert_allclose(logits, student.decision_function(X), atol=1e-9)


def test_exports_to_onnx(student):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    model = to_onnx(student, X[:1])
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    labels, probabilities = session.run(None, {session.get_inputs()[0].name: X})
    assert_array_equal(labels, student.predict(X))
    assert_allclose(probabilities, student.predict_proba(X), atol=1e-6)


def test_is_shipped_without_its_teacher(student, tmp_path):
    shipped = detach_teacher(student)
    assert shipped.lifter_[0].teacher is None
    assert shipped.lifter[0].teacher is None
    assert_array_equal(shipped.predict(X), student.predict(X))
    repr(shipped), get_tags(shipped)
    pytest.importorskip("skops")
    save_student(student, tmp_path / "student.skops")
    loaded = load_student(tmp_path / "student.skops")
    assert_array_equal(loaded.predict(X), student.predict(X))


def test_costs_one_matrix(student):
    lifter = make_pipeline(PCA(3), MonomialLifter(2))
    with_pca = clone(student).set_params(lifter=lifter).fit(X, linear(X).argmax(axis=1))
    assert cost(student, X[:1]).multiplications == cost(with_pca, X[:1]).multiplications


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"teacher": None}, "teacher"),
        ({"n_components": 0}, "n_components"),
        ({"n_preliminary": 2.5}, "n_preliminary"),
        ({"temperature": 0.0}, "temperature"),
        ({"n_samples": 0}, "n_samples"),
        ({"step": -1.0}, "step"),
    ],
)
def test_refuses_what_makes_no_sense(parameters, message):
    subspace = ActiveSubspace(linear, 2).fit(X)
    before = subspace.components_
    with pytest.raises(ValueError, match=message):
        subspace.set_params(**parameters).fit(X)
    assert subspace.components_ is before


def test_refuses_samples_that_are_all_the_same():
    with pytest.raises(ValueError, match="All samples are the same"):
        ActiveSubspace(linear, 2).fit(np.ones((20, 8)))


def test_a_teacher_of_other_inputs_is_refused_by_its_own_words():
    X, y = load_iris(return_X_y=True)
    teacher = FrozenEstimator(LogisticRegression(max_iter=1000).fit(X, y))
    with pytest.raises(ValueError, match="features"):
        ActiveSubspace(teacher, 2).fit(X[:, :3])
