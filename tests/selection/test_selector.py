import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import SplineTransformer

from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
    OrthogonalPolynomialLifter,
    RBFLifter,
)
from sklearn_koopman.inspection import cost

X, Y = load_digits(return_X_y=True)
X = PCA(8, whiten=True, random_state=0).fit_transform(X)
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(X, Y, random_state=0)

LIFTERS = {
    "monomials": MonomialLifter(3),
    "Hermite": OrthogonalPolynomialLifter(2),
    "Gaussians": RBFLifter(50, random_state=0),
    "Nystroem": Nystroem(gamma=0.1, n_components=50, random_state=0),
    "sparse splines": SplineTransformer(4, sparse_output=True),
    "union": FeatureUnion([("rows", "passthrough"), ("monomials", MonomialLifter(2))]),
    "union of dictionaries": FeatureUnion(
        [
            ("nothing", "drop"),
            ("polynomials", OrthogonalPolynomialLifter(2)),
            ("Gaussians", RBFLifter(20, random_state=0)),
            ("splines", SplineTransformer(4)),
        ]
    ),
    "weighted union": FeatureUnion(
        [("rows", "passthrough"), ("monomials", MonomialLifter(2))],
        transformer_weights={"rows": 2},
    ),
    "frozen": FrozenEstimator(MonomialLifter(2).fit(X)),
}


@pytest.mark.parametrize("lifter", LIFTERS.values(), ids=LIFTERS.keys())
def test_lifts_to_columns_of_the_dictionary(lifter):
    selector = ObservableSelector(lifter, max_observables=12).fit(X, Y)
    psi = selector.lifter_.transform(X)
    psi = psi.toarray() if sparse.issparse(psi) else psi
    assert selector.support_.sum() == len(selector.order_) == selector.n_output_features_ == 12
    assert_allclose(selector.transform(X), psi[:, selector.support_], atol=1e-9)
    assert_array_equal(selector.get_support(indices=True), np.sort(selector.order_))
    assert_array_equal(selector.get_support(), selector.support_)
    assert (selector.gains_ > 0).all()
    names = selector.lifter_.get_feature_names_out()
    assert_array_equal(selector.get_feature_names_out(), names[selector.support_])


def test_without_a_lifter_it_selects_features():
    informative = (X[:, 3] > 0).astype(int)
    selector = ObservableSelector(max_observables=1).fit(X, informative)
    assert_array_equal(selector.transform(X), X[:, [3]])
    assert list(selector.get_feature_names_out()) == ["x3"]


def test_finds_the_observables_that_the_labels_are_made_of():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 6))
    y = rows[:, 0] * rows[:, 1] - 2 * rows[:, 4] ** 2 + 0.5 * rows[:, 2] * rows[:, 3] ** 2
    selector = ObservableSelector(MonomialLifter(3), max_observables=3).fit(rows, y)
    assert set(selector.get_feature_names_out()) == {"x0 x1", "x4^2", "x2 x3^2"}


def test_targets_of_several_columns():
    logits = LogisticRegression().fit(X, Y).decision_function(X)
    selector = ObservableSelector(max_observables=4).fit(X, logits)
    one_hot = ObservableSelector(max_observables=4).fit(X, np.eye(10)[Y])
    by_labels = ObservableSelector(max_observables=4).fit(X, Y)
    assert_array_equal(one_hot.order_, by_labels.order_)
    assert_allclose(one_hot.gains_, by_labels.gains_)
    assert not np.allclose(selector.gains_, by_labels.gains_)


def test_the_first_m_are_what_a_fit_for_m_chooses():
    selector = ObservableSelector(MonomialLifter(2), max_observables=30).fit(X, Y)
    fewer = ObservableSelector(MonomialLifter(2), max_observables=7).fit(X, Y)
    first = selector.first(7)
    assert_array_equal(first.order_, fewer.order_)
    assert_array_equal(first.transform(X), fewer.transform(X))
    assert first.get_params()["max_observables"] == 7
    assert selector.transform(X).shape[1] == 30  # unchanged


@pytest.mark.parametrize("n_observables", [0, 31, 2.0, None])
def test_first_of_a_wrong_number(n_observables):
    selector = ObservableSelector(MonomialLifter(2), max_observables=30).fit(X, Y)
    with pytest.raises(ValueError, match=r"must be an int in the range \[1, 30\]"):
        selector.first(n_observables)


def test_fewer_candidates_than_asked_for():
    selector = ObservableSelector(MonomialLifter(2)).fit(X, Y)
    assert selector.n_output_features_ == 44  # all 45 but the constant


STUDENTS = [EDMDClassifier(ridge=1e-3), KoopmanDistilledClassifier(soft_weight=0, ridge=1e-3)]


@pytest.mark.parametrize("student", STUDENTS, ids=lambda student: type(student).__name__)
def test_inside_a_student_is_a_step_before_it(student):
    selector = ObservableSelector(MonomialLifter(3), max_observables=40)
    pipeline = make_pipeline(selector, clone(student)).fit(X_TRAIN, Y_TRAIN)
    student = clone(student).set_params(lifter=selector).fit(X_TRAIN, Y_TRAIN)
    assert student.coef_.shape == (10, 40)
    assert_array_equal(student.predict(X_TEST), pipeline.predict(X_TEST))


def test_better_than_the_first_and_than_random_observables():
    def score(psi_of):
        student = EDMDClassifier(ridge=1e-4).fit(psi_of(X_TRAIN), Y_TRAIN)
        return student.score(psi_of(X_TEST), Y_TEST)

    lifter = MonomialLifter(3).fit(X)
    chosen = ObservableSelector(lifter, max_observables=40).fit(X_TRAIN, Y_TRAIN)
    drawn = [
        np.random.default_rng(seed).choice(165, size=40, replace=False) for seed in range(5)
    ]
    scores = [score(lambda rows, j=j: lifter.transform(rows)[:, j]) for j in drawn]
    assert score(chosen.transform) > max(scores) + 0.02
    assert score(chosen.transform) > score(lambda rows: lifter.transform(rows)[:, 1:41])


def test_distilled_student_in_a_grid_search():
    teacher = FrozenEstimator(LogisticRegression(max_iter=1000).fit(X_TRAIN, Y_TRAIN))
    student = KoopmanDistilledClassifier(
        teacher, lifter=ObservableSelector(MonomialLifter(2)), tol=1e-4
    )
    search = GridSearchCV(student, {"lifter__max_observables": [3, 30]}, cv=3)
    search.fit(X_TRAIN, Y_TRAIN)
    assert search.best_params_ == {"lifter__max_observables": 30}
    assert search.best_estimator_.coef_.shape == (10, 30)


def test_what_is_not_chosen_is_not_computed():
    dictionary = MonomialLifter(3)
    selector = ObservableSelector(dictionary, max_observables=20)
    small = EDMDClassifier(lifter=selector).fit(X, Y)
    large = EDMDClassifier(lifter=dictionary).fit(X, Y)
    saved, all_of_it = (cost(student, X[:1]) for student in (small, large))
    assert saved.linear == 10 * 20
    assert saved.parameters == 10 * 21
    # There is at most one product on the way to each chosen one.
    assert 0 < saved.nonlinear <= 40 < all_of_it.nonlinear == 156
    gaussians = ObservableSelector(RBFLifter(50, random_state=0), max_observables=5).fit(X, Y)
    assert cost(gaussians, X[:1]).nonlinear == 5 * 8
    features = ObservableSelector(max_observables=2).fit(X, Y)
    assert cost(features, X[:1]).multiplications == 0


def test_of_a_union_what_is_not_chosen_is_not_computed():
    union = FeatureUnion(
        [
            ("rows", "passthrough"),
            ("monomials", MonomialLifter((2, 2), include_bias=False)),
            ("Gaussians", RBFLifter(50, random_state=0)),
        ]
    )
    selector = ObservableSelector(union, max_observables=20).fit(X, Y)
    n_features, n_products, n_gaussians = (
        selector.support_[part].sum() for part in (slice(0, 8), slice(8, 44), slice(44, None))
    )
    assert min(n_features, n_products, n_gaussians) > 0
    found = cost(selector, X[:1])
    assert found.nonlinear == n_products + 8 * n_gaussians
    assert found.linear == n_gaussians


def test_rows_without_a_label():
    hidden = np.where(np.arange(len(Y)) % 3 == 0, -1, Y)
    selector = ObservableSelector(MonomialLifter(2), max_observables=9, unlabeled_value=-1).fit(
        X, hidden
    )
    labelled = ObservableSelector(MonomialLifter(2), max_observables=9)
    labelled.fit(X[hidden >= 0], Y[hidden >= 0])
    assert_array_equal(selector.order_, labelled.order_)
    with_nan = np.where(hidden < 0, np.nan, hidden)
    selector.set_params(unlabeled_value=np.nan).fit(X, with_nan)
    assert_array_equal(selector.order_, labelled.order_)


def test_a_weight_is_a_repetition():
    weight = np.random.default_rng(0).integers(0, 3, size=len(X))
    weighted = ObservableSelector(MonomialLifter(2), max_observables=9)
    weighted.fit(X, Y, sample_weight=weight)
    repeated = ObservableSelector(MonomialLifter(2), max_observables=9)
    repeated.fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight))
    assert_array_equal(weighted.order_, repeated.order_)
    assert_allclose(weighted.gains_, repeated.gains_)


def test_single_precision():
    selector = ObservableSelector(MonomialLifter(2), max_observables=9)
    single = selector.fit(X.astype(np.float32), Y)
    assert single.transform(X.astype(np.float32)).dtype == np.float32
    double = ObservableSelector(MonomialLifter(2), max_observables=9).fit(X, Y)
    assert_array_equal(single.order_, double.order_)


def test_string_labels_and_data_frames():
    frame = pd.DataFrame(X, columns=[*"abcdefgh"])
    names = np.array(["zero", "one", "two", *"3456789"])
    selector = ObservableSelector(MonomialLifter(2), max_observables=3).fit(frame, names[Y])
    assert_array_equal(
        selector.order_,
        ObservableSelector(MonomialLifter(2), max_observables=3).fit(X, Y).order_,
    )
    lifted = selector.set_output(transform="pandas").transform(frame)
    assert list(lifted.columns) == list(selector.get_feature_names_out())
    assert set("".join(lifted.columns)) <= set("abcdefgh ^2")


def test_pickled():
    for lifter in LIFTERS.values():
        selector = ObservableSelector(lifter, max_observables=5).fit(X, Y)
        again = pickle.loads(pickle.dumps(selector))
        assert_array_equal(again.transform(X), selector.transform(X))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_observables", value) for value in (0, -3, 2.0, None, "all")),
        *(("ridge", value) for value in (-1e-9, np.nan, None, "auto")),
    ],
)
def test_invalid_parameters(name, value):
    selector = ObservableSelector(max_observables=3).fit(X, Y)
    lifted, before = selector.transform(X), getattr(selector, name)
    match = f"The '{name}' parameter of ObservableSelector must be"
    with pytest.raises(ValueError, match=match):
        selector.set_params(**{name: value}).fit(X[:, :5], Y)
    selector.set_params(**{name: before})
    assert_array_equal(selector.transform(X), lifted)  # the failed fit left it as it was


def test_no_targets():
    with pytest.raises(ValueError, match="requires y to be passed"):
        ObservableSelector().fit(X, None)


@pytest.mark.parametrize(
    ("rows", "y"),
    [(np.ones_like(X), Y), (X, np.full(len(X), 0.5))],
    ids=["observables", "targets"],
)
def test_nothing_varies(rows, y):
    with pytest.raises(ValueError, match="None of the 8 observables explains any part of y"):
        ObservableSelector().fit(rows, y)


def test_no_labels():
    with pytest.raises(ValueError, match="no row of positive weight has a label"):
        ObservableSelector(unlabeled_value=-1).fit(X, np.full(len(X), -1))


def test_one_class():
    with pytest.raises(ValueError, match="only one class"):
        ObservableSelector().fit(X, np.zeros(len(X), dtype=int))


def test_targets_that_are_no_numbers():
    targets = np.eye(10)[Y]
    targets[3, 3] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        ObservableSelector().fit(X, targets)


def test_observables_that_overflow():
    with pytest.raises(ValueError, match="not finite"):
        ObservableSelector(MonomialLifter(4)).fit((1e30 * X).astype(np.float32), Y)


def test_a_lifter_that_is_none():
    with pytest.raises(TypeError, match="is not a transformer"):
        ObservableSelector(MonomialLifter).fit(X, Y)


def test_what_cannot_fit_in_memory(has_memory):
    selector = ObservableSelector(MonomialLifter(2), max_observables=10).fit(X, Y)
    has_memory(len(X) * 10 * 8 - 1)
    with pytest.raises(MemoryError, match=r"10 observables needs .* GB"):
        selector.transform(X)
    has_memory(10 * 45 * 8)
    with pytest.raises(MemoryError, match="45 x 45 Gram matrix"):
        selector.fit(X, Y)


def test_progress_bars(capsys, without):
    ObservableSelector(MonomialLifter(2), verbose=1).fit(X, Y)
    without("tqdm.auto")
    ObservableSelector(MonomialLifter(2), verbose=1).fit(X, Y)
    assert "Traceback" not in capsys.readouterr().err
