"""The results of the search, their costs, and its arguments."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_sample_weight

from sklearn_koopman import ConvolutionalLifter, MonomialLifter, RBFLifter, TransferSet
from sklearn_koopman.deployment import to_c
from sklearn_koopman.inspection import cost
from sklearn_koopman.search import KoopmanSearchCV

DIGITS, DIGIT_LABELS = load_digits(return_X_y=True)
DIGITS = (DIGITS / 16).astype(np.float32)[:600]
DIGIT_LABELS = DIGIT_LABELS[:600]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5))
Y = (X[:, 0] * X[:, 1] + 0.3 * X[:, 2] > 0).astype(int)
PRODUCTS = make_pipeline(MonomialLifter(2), StandardScaler(), LogisticRegression())
TEACHER = FrozenEstimator(PRODUCTS.fit(X, Y))
FEW = {"ridges": [1e-3], "soft_weights": [0.5], "temperatures": [2.0], "random_state": 0}


@pytest.fixture(scope="module")
def on_digits():
    """A search with images, with the teacher's outputs as soft labels."""
    soft_labels = GaussianNB(var_smoothing=0.1).fit(DIGITS, DIGIT_LABELS).predict_proba(DIGITS)
    search = KoopmanSearchCV(budget=[1000, 6000], input_shape=(8, 8), **FEW)
    return search.fit(DIGITS, DIGIT_LABELS, soft_labels=soft_labels)


@pytest.fixture(scope="module")
def on_rows():
    return KoopmanSearchCV(TEACHER, **FEW).fit(X, Y)


def test_no_student_costs_more_than_its_price(on_digits):
    assert on_digits.prices_ == [1000, 6000]
    assert len(on_digits.frontier_estimators_) == 2
    for student, of_search, price in zip(
        on_digits.frontier_estimators_, on_digits.frontier_costs_, (1000, 6000), strict=True
    ):
        counted = cost(student, DIGITS[:1], n_repeats=1).multiplications
        assert counted == of_search <= price
    assert (on_digits.results_["cost"] <= 6000).all()


@pytest.mark.slow
def test_tables_in_c_are_those_that_the_budget_pays_for():
    pytest.importorskip("matplotlib")
    settings = {"number": "integer", "bits": 4, "byte_range": (0.0, 1.0)}
    dictionaries = [
        make_pipeline(PCA(6, random_state=0), MonomialLifter(2)),
        ConvolutionalLifter((8, 8), n_filters=4, filter_size=3, grid=2, random_state=0),
        ConvolutionalLifter((8, 8), n_filters=20, filter_size=3, grid=2, random_state=0),
    ]
    costs = []
    for dtype in (np.float32, np.float64):
        rows = DIGITS.astype(dtype)
        search = KoopmanSearchCV(
            budget=[350, 1300],
            cost="tables",
            c_settings=settings,
            dictionaries=dictionaries,
            **FEW,
        ).fit(rows, DIGIT_LABELS, soft_labels=np.eye(10)[DIGIT_LABELS])
        for student, most, price in zip(
            search.frontier_estimators_, search.frontier_costs_, (350, 1300), strict=True
        ):
            small = to_c(student, X=rows, **settings)
            assert most - 60 < small.tables <= most <= price
        of_search = to_c(search, X=rows)
        assert (of_search.number, of_search.byte_range) == ("integer", (0.0, 1.0))
        assert of_search.tables <= search.best_cost_ < to_c(search, X=rows, bits=8).tables
        in_pipeline = to_c(make_pipeline(FrozenEstimator(search)), X=rows)
        assert in_pipeline.source == of_search.source
        assert to_c(search, number="float32").byte_range == (0.0, 1.0)
        with pytest.raises(ValueError, match="number='integer' needs X"):
            to_c(search)
        costs.append(search.frontier_costs_)
    np.testing.assert_array_equal(*costs)
    assert search.plot().ax_.get_xlabel() == "bytes of tables in C"


def test_the_search_predicts_as_its_best_student(on_digits):
    best = on_digits.best_estimator_
    assert on_digits.score(DIGITS, DIGIT_LABELS) > 0.95
    for method in ("predict", "predict_proba", "decision_function"):
        found, expected = (getattr(each, method)(DIGITS[:50]) for each in (on_digits, best))
        np.testing.assert_array_equal(found, expected)
    assert best.predict_proba(DIGITS[:1]).dtype == np.float32
    assert on_digits.best_score_ == on_digits.frontier_scores_.max()


def test_what_filters_and_pixels_share_is_searched(on_digits):
    names = " ".join(on_digits.results_["candidate"])
    for part in ("filters", "means", "PCA, degree 2", ", and "):
        assert part in names


def test_the_best_student_is_what_a_fit_of_its_own_finds(on_rows):
    alone = clone(on_rows.best_estimator_).fit(X, Y)
    # Both fits end within tol of the same minimum.
    np.testing.assert_allclose(
        alone.predict_proba(X), on_rows.predict_proba(X), atol=20 * alone.tol
    )


def test_it_finds_products_where_classes_are_products(on_rows):
    assert "degree 1" not in on_rows.best_candidate_
    assert on_rows.score(X, Y) > 0.95


def test_the_twin_learned_from_labels_alone(on_rows):
    twin = on_rows.no_teacher_
    assert twin.soft_weight == 0
    assert twin.teacher is None
    assert 0.9 < on_rows.no_teacher_score_ <= 1
    assert twin.coef_.shape == on_rows.coef_.shape


def test_without_a_teacher_there_is_no_twin():
    search = KoopmanSearchCV(**FEW).fit(X, Y)
    assert search.no_teacher_ is None
    assert search.no_teacher_score_ is None
    assert search.best_estimator_.soft_weight == 0
    assert not hasattr(search, "teacher_")


def test_the_same_seed_gives_the_same_students(on_rows):
    again = clone(on_rows).fit(X, Y)
    np.testing.assert_array_equal(again.coef_, on_rows.coef_)
    for name, column in on_rows.results_.items():
        np.testing.assert_array_equal(column, again.results_[name])


def test_another_budget_needs_no_search(on_digits):
    cheap, dear = on_digits.student(1000), on_digits.student(np.inf)
    assert cheap is on_digits.frontier_estimators_[0]
    assert dear is on_digits.best_estimator_
    with pytest.raises(
        ValueError, match=r"budget=3 pays for no student: the cheapest costs \d+"
    ):
        on_digits.student(3)


def test_the_frontier_rises(on_digits):
    costs, scores = (
        on_digits.results_[name][on_digits.frontier_] for name in ("cost", "score")
    )
    assert (np.diff(costs) > 0).all()
    assert (np.diff(scores) > 0).all()


def test_plot(on_digits):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    display = on_digits.plot()
    assert len(display.costs) == on_digits.results_["is_latest"].sum()
    drawn = display.costs[display.frontier]
    np.testing.assert_array_equal(drawn, on_digits.results_["cost"][on_digits.frontier_])
    pyplot.close("all")


@pytest.mark.parametrize("kind", ["bytes", "seconds"])
def test_other_costs(kind):
    pytest.importorskip("matplotlib")
    search = KoopmanSearchCV(budget=2000, cost=kind, **FEW).fit(X, Y)
    assert search.prices_[-1] == 2000
    assert search.best_cost_ <= 2000
    if kind == "bytes":
        assert search.best_cost_ == cost(search.best_estimator_, X[:1], n_repeats=1).bytes
    assert search.plot().cost == kind


def test_a_time_limit_cuts_the_plan_and_says_what():
    search = KoopmanSearchCV(time=1e-9, **FEW)
    with pytest.warns(UserWarning, match=r"time=1e-09 ended .*features, degree 2 "):
        search.fit(X, Y)
    assert search.results_["candidate"].tolist() == ["features, degree 1"]
    assert "features, degree 2 (round 1)" in search.cut_
    assert search.predict(X[:3]).shape == (3,)


def test_rounds_have_more_rows_and_fewer_candidates():
    many = RNG.normal(size=(5000, 6))
    labels = (many[:, 0] * many[:, 1] > 0).astype(int)
    sizes = [(width, degree) for width in range(2, 7) for degree in (1, 2)]
    dictionaries = [make_pipeline(PCA(width), MonomialLifter(d)) for width, d in sizes]
    search = KoopmanSearchCV(budget=[1e5], dictionaries=dictionaries, **FEW)
    table = search.fit(many, labels).results_
    n_rows = {
        number: set(table["n_rows"][table["round"] == number].tolist()) for number in range(3)
    }
    assert n_rows == {0: {260}, 1: {1041}, 2: {4167}}
    first, second, third = (
        set(table["candidate"][table["round"] == number]) for number in range(3)
    )
    assert third < second < first


def test_dictionaries_of_ones_own():
    dictionaries = [RBFLifter(20, random_state=0), make_pipeline(PCA(3), MonomialLifter(2))]
    search = KoopmanSearchCV(dictionaries=dictionaries, **FEW).fit(X, Y)
    names = sorted(set(search.results_["candidate"]))
    assert [name.split("(")[0] for name in names] == [
        "dictionary 0: RBFLifter",
        "dictionary 1: Pipeline",
    ]
    assert max(map(len, names)) <= len("dictionary 1: ") + 120
    assert sorted(search.results_["n_observables"]) == [10, 20]


def test_a_transfer_set_is_tried_with_what_the_teacher_says_of_its_rows():
    asked = []

    def teacher(rows):
        asked.append(len(rows))
        return TEACHER.predict_proba(rows)

    mirrored = TransferSet(np.negative)
    search = KoopmanSearchCV(teacher, transfer_set=mirrored, **FEW).fit(X, Y)
    assert 0 in search.results_["transfer_set"]
    assert sum(asked) >= 2 * len(X)  # the rows, and the rows made from them


class TellsWhatItLearned(ClassifierMixin, BaseEstimator):
    """A teacher that knows the labels of its rows by heart, and notes the number of rows."""

    n_rows: list = []  # noqa: RUF012

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_rows.append(len(X))
        self.known_ = {row.tobytes(): label for row, label in zip(X, y, strict=True)}
        return self

    def predict_proba(self, X):
        shares = np.full((len(X), len(self.classes_)), 0.5)
        for share, row in zip(shares, X, strict=True):
            if row.tobytes() in self.known_:
                share[:] = np.eye(2)[self.known_[row.tobytes()]] * 0.98 + 0.01
        return shares


def test_a_teacher_that_learns_sees_no_rows_that_judge():
    TellsWhatItLearned.n_rows.clear()
    KoopmanSearchCV(TellsWhatItLearned(), **FEW).fit(X, Y)
    assert sorted(TellsWhatItLearned.n_rows) == [333, 400]


def test_a_teacher_alone():
    search = KoopmanSearchCV(TEACHER, **FEW).fit(X)
    assert (search.predict(X) == TEACHER.predict(X)).mean() > 0.9
    assert search.no_teacher_ is None


def test_rows_without_a_label_have_the_teacher_alone():
    y = np.where(np.arange(len(Y)) % 3 == 0, Y, -1)
    search = KoopmanSearchCV(TEACHER, unlabeled_value=-1, **FEW).fit(X, y)
    assert search.classes_.tolist() == [0, 1]
    assert search.score(X, Y) > 0.9


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0}], ids=str)
def test_a_class_counts_as_its_rows_do(class_weight):
    logits = np.log(TEACHER.predict_proba(X))
    settings = FEW | {"class_weight": class_weight, "teacher_output": "logits", "tol": 1e-6}
    search = KoopmanSearchCV(**settings).fit(X, Y, soft_labels=logits)
    rows = compute_sample_weight(class_weight, Y)
    raised = logits + np.log([rows[label == Y][0] for label in (0, 1)])
    for student in (*search.frontier_estimators_, search.no_teacher_):
        alone = clone(student).set_params(class_weight=None)
        alone.fit(X, Y, rows, soft_labels=raised)
        expected = alone.predict_proba(X)
        np.testing.assert_allclose(student.predict_proba(X), expected, atol=1e-4)


@pytest.mark.parametrize("keep_labels", [False, True])
def test_rows_that_are_made_count_as_their_classes_do(keep_labels):
    settings = FEW | {
        "dictionaries": [MonomialLifter(1)],  # without products, so that weights matter
        "transfer_set": TransferSet(np.negative, keep_labels=keep_labels),
        "class_weight": {0: 3.0},
        "scoring": "neg_log_loss",
    }
    student = KoopmanSearchCV(TEACHER, **settings).fit(X, Y).best_estimator_
    assert student.transfer_set is not None
    alone, unweighted = clone(student).fit(X, Y), clone(student).set_params(class_weight=None)
    found, expected = student.predict_proba(X), alone.predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=20 * alone.tol)
    assert np.abs(unweighted.fit(X, Y).predict_proba(X) - expected).max() > 0.1


def test_scores_are_those_of_rows_whatever_their_classes_count():
    settings = FEW | {"dictionaries": [MonomialLifter(1)], "class_weight": {0: 3.0}}
    cv = [(np.arange(300), np.arange(300, 400))]
    search = KoopmanSearchCV(cv=cv, tol=1e-6, **settings).fit(X, Y)
    alone = clone(search.best_estimator_).fit(X[:300], Y[:300])
    assert search.best_score_ == pytest.approx(alone.score(X[300:], Y[300:]), abs=0.01)
    with pytest.raises(ValueError, match="class_weight='even' must be a dict"):
        search.set_params(class_weight="even").fit(X, Y)


def test_several_splits():
    search = KoopmanSearchCV(cv=3, **FEW).fit(X, Y)
    assert search.results_["n_rows"].max() < 300
    assert search.score(X, Y) > 0.9


def test_a_search_can_be_pickled(on_digits):
    again = pickle.loads(pickle.dumps(on_digits))
    np.testing.assert_array_equal(again.predict(DIGITS[:9]), on_digits.predict(DIGITS[:9]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budget": -1.0}, r"'budget' parameter .* range \(0.*Got -1"),
        ({"budget": [10.0, np.nan]}, "'budget' parameter"),
        ({"budget": 3}, r"budget=3 pays for no candidate: the cheapest costs \d+"),
        ({"cost": "tables", "budget": 3}, r"the cheapest costs \d+ bytes of tables\."),
        ({"cost": "watts"}, "'cost' parameter .* 'watts'"),
        ({"c_settings": {"bits": 4}}, "is for cost='tables', and cost='multiplications'"),
        (
            {"cost": "tables", "c_settings": {"bit": 4}},
            "'c_settings' parameter .* keys of bits",
        ),
        ({"cost": "tables", "c_settings": {"bits": 1}}, "bits=1: must be an int in the range"),
        ({"cost": "tables", "c_settings": {"number": "float32"}}, "number='float32': only the"),
        ({"time": 0}, "'time' parameter"),
        ({"input_shape": (2, 2)}, r"input_shape=\(2, 2\) has 4 numbers, but X has 5"),
        (
            {"input_shape": (5,)},
            r"of series, .* Leave input_shape out, .*=\[ConvolutionalLifter\(\(5,\)",
        ),
        ({"input_shape": 5}, "'input_shape' parameter .* tuple of 2 or 3 positive ints"),
        ({"dictionaries": []}, "'dictionaries' parameter .* list of transformers"),
        ({"transfer_set": [np.negative]}, "'transfer_set' parameter .* TransferSet"),
        ({"max_observables": 0}, "'max_observables' parameter"),
        ({"scoring": "speed"}, "'scoring' parameter"),
    ],
)
def test_what_cannot_be_searched_is_said(settings, message):
    with pytest.raises(ValueError, match=message):
        KoopmanSearchCV(**(FEW | settings)).fit(X, Y)
