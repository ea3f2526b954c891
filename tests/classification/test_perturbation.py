"""Students of perturbed rows: the objective, its gradient, and its use."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_koopman import (
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    RBFLifter,
    SquaredProjectionLifter,
    TransferSet,
)
from sklearn_koopman.inspection import robust_radius
from sklearn_koopman.lifting import slopes_of
from sklearn_koopman.linear import DistillationProblem, LogitSlopes
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.rows import DiagonalMoments, RowBlocks, accumulated

X, y = load_digits(n_class=4, return_X_y=True)
X, y = X[:400] / 16, y[:400]
TEACHER = np.random.default_rng(0).normal(size=(400, 4)) + 3 * np.eye(4)[y]
EPSILON, TAU = 0.7, 0.01
DICTIONARIES = {
    "degree 1": MonomialLifter(1),
    "degree 2": MonomialLifter(2),
    "degree 3": MonomialLifter(3, include_bias=False),
    "squares": SquaredProjectionLifter([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]]),
    "of scikit-learn": PolynomialFeatures(2),
}


def problem(lifter, factor, *, dtype=np.float64, soft_weight=0.6):
    """Return the problem of some rows, and these rows."""
    draw = np.random.default_rng(1)
    Z = draw.normal(size=(30, 3)).astype(dtype)
    lifter.fit(Z)
    blocks = RowBlocks(Z, lifter.transform, n_observables=lifter.transform(Z[:1]).shape[1])
    weight = draw.uniform(0.5, 1.5, 30)
    moments = accumulated(DiagonalMoments(blocks.n_observables), blocks, weight)
    labels = np.where(np.arange(30) < 5, -1, y[:30])
    made = DistillationProblem(
        blocks,
        moments.scale,
        labels,
        TEACHER[:30],
        weight,
        n_classes=4,
        soft_weight=soft_weight,
        temperature=2.0,
        ridge=0.1,
        perturbation=EPSILON,
        slopes=LogitSlopes(slopes_of(lifter, 3), factor, blocks.n_observables),
    )
    return made, Z, labels, weight


def formula(
    coef, intercept, lifter, factor, Z, labels, weight, soft_weight=0.6, temperature=2.0
):
    """Return the objective by its formula, with slopes by finite differences."""

    def logits(Z):
        psi = lifter.transform(Z)
        mean, deviation = lifted.mean(axis=0), 1.0
        mean = np.average(lifted, axis=0, weights=weight)
        deviation = np.sqrt(np.average((lifted - mean) ** 2, axis=0, weights=weight))
        deviation[deviation < 1e-9] = np.inf
        return (psi - mean) / deviation @ coef + intercept

    lifted = lifter.transform(Z)
    steps = 1e-5 * factor  # of orthonormal coordinates
    slopes = np.stack([(logits(Z + s) - logits(Z - s)) / 2e-5 for s in steps], axis=2)
    s = logits(Z)
    own = np.where(labels < 0, TEACHER[: len(Z)].argmax(axis=1), labels)
    each = np.arange(len(Z))
    length = np.linalg.norm(slopes - slopes[each, own][:, None], axis=2)
    raised = s + np.sqrt((EPSILON * length) ** 2 + TAU**2) - TAU
    p = softmax(TEACHER[: len(Z)] / temperature, axis=1)
    hard = logsumexp(raised, axis=1) - s[each, labels]
    soft = logsumexp(raised / temperature, axis=1) - (p * (s / temperature - np.log(p))).sum(
        axis=1
    )
    has_label = labels >= 0
    return (
        (1 - soft_weight) * np.average(hard[has_label], weights=weight[has_label])
        + soft_weight * temperature**2 * np.average(soft, weights=weight)
        + 0.05 * (coef**2).sum()
    )


@pytest.mark.parametrize("name", DICTIONARIES)
def test_the_objective_is_the_formula_and_its_gradient_its_own(name):
    lifter = clone(DICTIONARIES[name])
    draw = np.random.default_rng(2)
    factor = draw.normal(size=(5, 3))
    made, *rows = problem(lifter, factor)
    shape = made.blocks.n_observables + 1, 4
    x = draw.normal(size=shape)
    x[:-1][made.scale.constant] = 0.0
    value, gradient = made.evaluate(x)
    assert_allclose(value, formula(x[:-1], x[-1], lifter, factor, *rows), rtol=1e-7)
    gradient[:-1][made.scale.constant] = 0.0

    def value_of(flat):
        return made.evaluate(flat.reshape(shape))[0]

    def gradient_of(flat):
        return made.evaluate(flat.reshape(shape))[1].ravel()

    error = check_grad(value_of, gradient_of, x.ravel(), seed=0)
    assert error < 1e-5 * np.linalg.norm(gradient)


def test_single_precision_and_centred_rows_have_the_same_objective():
    factor = np.eye(3)
    values = []
    for dtype in (np.float64, np.float32):
        made, *_ = problem(MonomialLifter(2), factor, dtype=dtype)
        x = np.random.default_rng(3).normal(size=(made.blocks.n_observables + 1, 4))
        values.append(made.evaluate(x)[0])
        made.is_centred = True
        values.append(made.evaluate(x)[0])
    assert_allclose(values, values[0], rtol=1e-5)


def student(perturbation, **settings):
    """Return a pipeline with a student that expects perturbed rows."""
    settings = {"soft_weight": 0.0, "ridge": 1e-3, "tol": 1e-5} | settings
    last = KoopmanDistilledClassifier(perturbation=perturbation, **settings)
    return make_pipeline(PCA(10, random_state=0), MonomialLifter(2), last)


def test_radii_grow():
    radii = [np.median(robust_radius(student(by).fit(X, y), X)) for by in (0.0, 0.5)]
    assert radii[1] > 1.1 * radii[0]


def test_of_a_linear_student_it_is_the_largest_loss_within_the_distance():
    settings = {"soft_weight": 0.0, "ridge": 1e-2}
    moved = KoopmanDistilledClassifier(perturbation=0.5, tol=1e-8, **settings).fit(X, y)
    logits = moved.decision_function(X)
    normals = moved.coef_[y][:, None] - moved.coef_
    lengths = np.sqrt((0.5 * np.linalg.norm(normals, axis=2)) ** 2 + TAU**2) - TAU
    each = np.arange(len(X))
    losses = logsumexp(logits + lengths, axis=1) - logits[each, y]
    penalty = 0.005 * ((moved.coef_ * X.std(axis=0)) ** 2).sum()
    assert_allclose(moved.objective_, losses.mean() + penalty, rtol=1e-8)


def test_units_are_those_of_what_enters_the_pipeline():
    """Apart from the ridge, any step before the monomials gives a student of the same slopes."""
    settings = {"soft_weight": 0.0, "ridge": 1e-8, "tol": 1e-5, "perturbation": 0.4}
    last = KoopmanDistilledClassifier(**settings)
    plain = make_pipeline(PCA(4, random_state=0), MonomialLifter(2), last).fit(X, y)
    whitened = make_pipeline(
        StandardScaler(with_std=False),
        PCA(4, whiten=True, random_state=0),
        MonomialLifter(2),
        last,
    )
    inside = clone(last).set_params(
        lifter=make_pipeline(PCA(4, whiten=True, random_state=0), MonomialLifter(2))
    )
    expected = plain.predict_proba(X)
    for other in (clone(whitened), inside):
        assert_allclose(other.fit(X, y).predict_proba(X), expected, atol=0.02)


def test_weights_are_repetitions():
    weight = np.arange(len(X)) % 3
    rows = np.repeat(np.arange(len(X)), weight)
    Z = PCA(6, random_state=0).fit_transform(X)
    moved = KoopmanDistilledClassifier(
        lifter=MonomialLifter(2), perturbation=0.3, soft_weight=0.0, ridge=1e-2, tol=1e-8
    )
    weighted = clone(moved).fit(Z, y, weight).decision_function(Z)
    assert_allclose(moved.fit(Z[rows], y[rows]).decision_function(Z), weighted, atol=1e-5)


def test_with_a_teacher_and_rows_that_it_labels():
    def teacher(rows):
        return 8 * rows[:, [10, 20, 30, 40]]

    made = student(
        0.2,
        teacher=teacher,
        soft_weight=1.0,
        transfer_set=TransferSet(lambda rows, rng: rows + rng.normal(0, 0.1, rows.shape)),
    )
    fitted = made.fit(X)
    assert np.isfinite(fitted.decision_function(X)).all()
    plain = clone(made).set_params(koopmandistilledclassifier__perturbation=0.0).fit(X)
    assert np.median(robust_radius(fitted, X)) > np.median(robust_radius(plain, X))


def test_cross_validation_takes_it():
    lifter = make_pipeline(PCA(6, random_state=0), MonomialLifter(2))
    settings = {"lifter": lifter, "perturbation": 0.3}
    chosen = KoopmanDistilledClassifierCV(
        ridges=[1e-2, 1e-3], soft_weights=[0.0], cv=3, tol=1e-6, **settings
    ).fit(X, y)
    again = KoopmanDistilledClassifier(soft_weight=0.0, ridge=chosen.ridge_, **settings).fit(
        X, y
    )
    assert_allclose(chosen.decision_function(X), again.decision_function(X), atol=1e-2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lifter": RBFLifter(5, random_state=0)}, "needs the slopes of the observables"),
        ({"lifter": MonomialLifter((2, 2))}, "lacks observables"),
        ({"lifter": MonomialLifter(2), "solver": "adam"}, "Set solver='lbfgs'"),
        ({"perturbation": -1.0}, "'perturbation' parameter"),
        ({"perturbation": 1e200}, r"'perturbation' parameter .* range \[0(.0)?, 1e\+100\]"),
    ],
)
def test_what_cannot_move_rows_says_so(settings, message):
    made = KoopmanDistilledClassifier(**({"perturbation": 0.1, "soft_weight": 0.0} | settings))
    with pytest.raises(ValueError, match=message):
        made.fit(X, y)


def test_in_a_pipeline_of_scikit_learn_rows_are_what_the_student_is_given():
    behind = sklearn_pipeline(PCA(6, random_state=0), student(0.3)[-1]).fit(X, y)
    Z = behind[0].transform(X)
    alone = clone(behind[-1]).fit(Z, y)
    assert_allclose(behind.decision_function(X), alone.decision_function(Z), atol=1e-6)
