import sys

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, f1_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
)
from sklearn_koopman.inspection import DistillationReport, distillation_report, fidelity_score
from sklearn_koopman.pipeline import make_pipeline

X, y = load_iris(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
DATA = {"X": X, "y": y, "X_test": X_test, "y_test": y_test}
MODELS = [
    "teacher",
    "distilled student",
    "student without teacher",
    "EDMD on labels",
    "EDMD on teacher logits",
]


def rows_of(report):
    return {row.model: row for row in report.rows}


def fixed_teacher():
    return FrozenEstimator(LogisticRegression(max_iter=1000).fit(X, y))


class Counting:
    """A callable teacher that counts its rows."""

    def __init__(self):
        self.n_rows = 0

    def __call__(self, X):
        self.n_rows += len(X)
        assert X.shape[1] == 4, "the teacher must see the raw rows"
        return np.eye(3)[np.digitize(X[:, 2], [2.5, 4.9])] * 4


@pytest.fixture(scope="module")
def rows():
    student = make_pipeline(
        PCA(3),
        MonomialLifter(2),
        KoopmanDistilledClassifier(fixed_teacher(), temperature=3.0, ridge=1e-3),
    )
    report = distillation_report(student, edmd_ridge=1e-2, **DATA)
    assert (report.n_train, report.n_test, report.random_states) == (90, 60, (0,))
    return rows_of(report)


class TestNumbers:
    """Every row equals the result of fitting by hand."""

    teacher = fixed_teacher()

    def by_hand(self, last):
        return make_pipeline(PCA(3), MonomialLifter(2), last).fit(X, y)

    def test_models(self, rows):
        assert list(rows) == MODELS

    @pytest.mark.parametrize(
        ("model", "last"),
        [
            (
                "distilled student",
                KoopmanDistilledClassifier(teacher, temperature=3.0, ridge=1e-3),
            ),
            ("student without teacher", KoopmanDistilledClassifier(soft_weight=0, ridge=1e-3)),
            ("EDMD on labels", EDMDClassifier(ridge=1e-2)),
            ("EDMD on teacher logits", EDMDClassifier(teacher, ridge=1e-2)),
        ],
    )
    def test_students(self, rows, model, last):
        expected = self.by_hand(last)
        labels = expected.predict(X_test)
        row = rows[model]
        assert row.accuracy == expected.score(X_test, y_test)
        assert row.fidelity == fidelity_score(self.teacher.predict(X_test), labels)
        assert row.parameters == 3 * 4 + 4 + 3 * 10 + 3
        assert row.multiplications == 3 * 4 + 6 + 3 * 10
        assert row.nonlinear_multiplications == 6
        assert row.accuracy_std == row.fidelity_std == row.fit_time_std == 0
        assert row.fit_time > 0
        assert row.predict_time > 0

    def test_teacher(self, rows):
        row = rows["teacher"]
        assert row.accuracy == self.teacher.score(X_test, y_test)
        assert row.fidelity == 1
        assert (row.parameters, row.multiplications, row.nonlinear_multiplications) == (
            15,
            12,
            0,
        )
        assert np.isnan(row.fit_time)
        assert row.predict_time > 0


def test_a_fixed_teacher_is_asked_once():
    teacher = Counting()
    student = make_pipeline(PCA(2), MonomialLifter(2), KoopmanDistilledClassifier(teacher))
    distillation_report(student, random_states=(0, 1, 2), **DATA)
    assert teacher.n_rows == len(X) + len(X_test)


@pytest.mark.parametrize(
    "student",
    [
        sklearn_pipeline(PCA(2), MonomialLifter(2), KoopmanDistilledClassifier(Counting())),
        sklearn_pipeline(
            PCA(2), sklearn_pipeline(MonomialLifter(2), KoopmanDistilledClassifier(Counting()))
        ),
        KoopmanDistilledClassifier(
            Counting(), lifter=sklearn_pipeline(PCA(2), MonomialLifter(2))
        ),
    ],
)
@pytest.mark.parametrize("routing", [False, True])
def test_every_form_of_a_student_is_the_same(student, routing):
    form = make_pipeline(PCA(2), MonomialLifter(2), KoopmanDistilledClassifier(Counting()))
    expected = rows_of(distillation_report(form, **DATA))
    with sklearn.config_context(enable_metadata_routing=routing):
        found = rows_of(distillation_report(student, **DATA))
    for model in MODELS:
        assert found[model].accuracy == expected[model].accuracy
        assert found[model].fidelity == expected[model].fidelity
        assert found[model].multiplications == expected[model].multiplications


def test_seeds_reach_the_teacher_and_the_steps():
    student = make_pipeline(
        PCA(2, svd_solver="randomized"),
        MonomialLifter(2),
        KoopmanDistilledClassifier(RandomForestClassifier(2, max_depth=2)),
    )
    report = distillation_report(student, random_states=range(5), **DATA)
    again = distillation_report(student, random_states=range(5), **DATA)
    for row, same in zip(report.rows, again.rows, strict=True):
        assert (row.accuracy, row.fidelity_std) == (same.accuracy, same.fidelity_std)
    by_hand = [
        RandomForestClassifier(2, max_depth=2, random_state=seed)
        .fit(X, y)
        .score(X_test, y_test)
        for seed in range(5)
    ]
    teacher = report.rows[0]
    assert teacher.accuracy == pytest.approx(np.mean(by_hand))
    assert teacher.accuracy_std == pytest.approx(np.std(by_hand))
    assert teacher.accuracy_std > 0
    assert teacher.fit_time > 0
    assert teacher.parameters is None
    assert " ± " in str(report)
    assert "5 seeds" in str(report)


def test_the_estimator_is_left_as_it_was():
    teacher = RandomForestClassifier(3, random_state=7)
    student = make_pipeline(PCA(2), MonomialLifter(2), KoopmanDistilledClassifier(teacher))
    student.fit(X, y)
    before, coef = repr(student.get_params()), student[-1].coef_.copy()
    distillation_report(student, random_states=3, **DATA)
    assert repr(student.get_params()) == before
    np.testing.assert_array_equal(student[-1].coef_, coef)


def test_string_labels_in_another_order_and_a_class_that_only_the_teacher_knows():
    names = np.array(["setosa", "versicolor", "virginica"])
    data = {**DATA, "y": names[y], "y_test": names[y_test]}
    four = ["virginica", "tulip", "setosa", "versicolor"]

    def teacher(rows):
        return (np.eye(3)[np.digitize(rows[:, 2], [2.5, 4.9])] * 4)[:, [2, 0, 0, 1]] - [
            0,
            9,
            0,
            0,
        ]

    student = KoopmanDistilledClassifier(
        teacher, teacher_classes=four, lifter=MonomialLifter(2)
    )
    expected = rows_of(
        distillation_report(
            clone(student).set_params(teacher=Counting(), teacher_classes=None), **DATA
        )
    )
    found = rows_of(distillation_report(student, **data))
    for model in MODELS:
        assert found[model].accuracy == expected[model].accuracy
        assert found[model].fidelity == expected[model].fidelity


def test_two_classes_and_one_column():
    two = {
        "X": X[y > 0],
        "y": y[y > 0],
        "X_test": X_test[y_test > 0],
        "y_test": y_test[y_test > 0],
    }
    teacher = LogisticRegression(max_iter=1000).fit(two["X"], two["y"])
    student = KoopmanDistilledClassifier(
        teacher.decision_function, lifter=MonomialLifter(2), ridge=1e-3
    )
    rows = rows_of(distillation_report(student, **two))
    assert rows["teacher"].accuracy == teacher.score(two["X_test"], two["y_test"])
    assert rows["distilled student"].fidelity > 0.9
    assert rows["teacher"].parameters == 5


def test_rows_without_a_label():
    student = KoopmanDistilledClassifier(
        RandomForestClassifier(5), lifter=MonomialLifter(2), unlabeled_value=-1
    )
    some = np.where(np.arange(len(y)) % 3 == 0, y, -1)
    report = distillation_report(student, **{**DATA, "y": some})
    assert [row.model for row in report.rows] == MODELS
    assert min(row.accuracy for row in report.rows) > 0.8

    student.set_params(teacher=Counting(), teacher_classes=[0, 1, 2], soft_weight=1.0)
    report = distillation_report(student, **{**DATA, "y": np.full(len(y), -1)})
    assert [row.model for row in report.rows] == [
        "teacher",
        "distilled student",
        "EDMD on teacher logits",
    ]


def test_lists_and_data_frames():
    student = KoopmanDistilledClassifier(RandomForestClassifier(3), lifter=MonomialLifter(2))
    expected = rows_of(distillation_report(student, **DATA))
    lists = {key: value.tolist() for key, value in DATA.items()}
    assert rows_of(distillation_report(student, **lists))["teacher"].accuracy == (
        expected["teacher"].accuracy
    )
    pd = pytest.importorskip("pandas")
    names = list("abcd")
    frames = {
        "X": pd.DataFrame(X, columns=names),
        "y": pd.Series(y),
        "X_test": pd.DataFrame(X_test, columns=names),
        "y_test": pd.Series(y_test),
    }
    found = rows_of(distillation_report(student, **frames))
    assert found["distilled student"].accuracy == expected["distilled student"].accuracy


def test_skorch_teacher_is_seeded_and_the_global_generator_is_not_touched():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")

    def teacher():
        return skorch.NeuralNetClassifier(
            torch.nn.Linear,
            module__in_features=4,
            module__out_features=3,
            criterion=torch.nn.CrossEntropyLoss,
            max_epochs=3,
            verbose=0,
        )

    state = torch.random.get_rng_state()
    accuracies = []
    for _ in range(2):
        student = KoopmanDistilledClassifier(teacher(), lifter=MonomialLifter(2))
        report = distillation_report(student, random_states=(0, 1), **DATA)
        accuracies.append((report.rows[0].accuracy, report.rows[0].accuracy_std))
    assert accuracies[0] == accuracies[1]
    assert report.rows[0].parameters == 15
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_device_that_nobody_has_used_is_seeded_too(torch_devices):
    torch = pytest.importorskip("torch")
    cuda, _ = torch_devices

    def unsure(rows):
        return Counting()(rows) + 4 * torch.rand(len(rows), 3, generator=cuda).numpy()

    student = KoopmanDistilledClassifier(unsure, teacher_output="logits")
    state = cuda.get_state()
    first = distillation_report(student, random_states=(3,), **DATA)
    assert torch.equal(cuda.get_state(), state)
    cuda.manual_seed(7)
    again = distillation_report(student, random_states=(3,), **DATA)
    other = distillation_report(student, random_states=(4,), **DATA)
    fidelities = [[row.fidelity for row in report.rows] for report in (first, again, other)]
    assert fidelities[0] == fidelities[1] != fidelities[2]


def test_without_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.delitem(sys.modules, "skorch", raising=False)
    report = distillation_report(KoopmanDistilledClassifier(fixed_teacher()), **DATA)
    assert len(report.rows) == 5
    assert "torch" not in sys.modules


@pytest.fixture(scope="module")
def report():
    student = KoopmanDistilledClassifier(RandomForestClassifier(3), lifter=MonomialLifter(2))
    return distillation_report(student, **DATA)


class TestPresentation:
    def test_text(self, report):
        assert repr(report) == str(report)
        models, classes = str(report).split("\n\n")
        head, rule, *rows, caption = models.splitlines()
        assert head.split()[:3] == ["model", "accuracy", "fidelity"]
        assert rule == "-" * len(head)
        assert {len(row) for row in rows} == {len(head)}
        assert [row.split("  ")[0] for row in rows] == MODELS
        assert rows[0].count("n/a") == 3  # a forest has no multiplications
        assert "90 training rows, 60 test rows, 1 seed;" in caption
        assert caption.endswith("n/a: The operations of RandomForestClassifier are not known")
        head, rule, *rows = classes.splitlines()
        assert head.startswith("F1 of class")
        assert len(rows) == len(report.classes)

    def test_time_that_there_is_not(self):
        report = distillation_report(KoopmanDistilledClassifier(fixed_teacher()), **DATA)
        assert str(report).splitlines()[2].split()[-2] == "-"

    def test_html(self, report):
        html = report._repr_html_()
        models, classes = html.split("</table>")[:2]
        assert models.count("<tr>") == 6
        assert classes.count("<tr>") == 1 + len(report.classes)
        assert "distilled student</th>" in html
        odd = DistillationReport([report.rows[0]], 1, 1, (0,))
        object.__setattr__(odd.rows[0], "model", "<b>")
        assert "&lt;b&gt;" in odd._repr_html_()
        object.__setattr__(odd.rows[0], "model", "teacher")

    def test_frame(self, report):
        pytest.importorskip("pandas")
        frame = report.to_frame()
        assert list(frame.index) == MODELS
        assert frame.loc["distilled student", "accuracy"] == report.rows[1].accuracy
        assert frame.shape == (5, 11)

    def test_no_pandas(self, report, without):
        without("pandas")
        with pytest.raises(ImportError, match="to_frame needs pandas"):
            report.to_frame()


class TestClasses:
    """The figures of classes equal those of scikit-learn for the same predictions."""

    def predicted(self, name):
        student = KoopmanDistilledClassifier(fixed_teacher())
        if name == "teacher":
            return fixed_teacher().predict(X_test)
        return student.fit(X, y).predict(X_test)

    @pytest.fixture(scope="class")
    def found(self):
        return distillation_report(KoopmanDistilledClassifier(fixed_teacher()), **DATA)

    @pytest.mark.parametrize("name", ["teacher", "distilled student"])
    def test_scores_and_confusion(self, found, name):
        pytest.importorskip("pandas")
        labels = self.predicted(name)
        frame = found.classes_to_frame()
        assert_array_equal(frame.index, np.unique(y_test))
        assert_array_equal(frame["n_test"], np.bincount(y_test))
        assert_allclose(frame[name], f1_score(y_test, labels, average=None))
        assert_array_equal(found.confusion[name], confusion_matrix(y_test, labels))

    def test_mean_over_seeds(self):
        student = KoopmanDistilledClassifier(RandomForestClassifier(1, max_depth=2))
        twice = distillation_report(student, **DATA, random_states=(0, 1))
        once = [
            distillation_report(student, **DATA, random_states=seed).confusion
            for seed in (0, 1)
        ]
        for name, confusion in twice.confusion.items():
            assert_allclose(confusion, (once[0][name] + once[1][name]) / 2)

    def test_picture(self, found):
        pytest.importorskip("matplotlib")
        teacher, student = found.plot_confusion()
        assert_array_equal(teacher.confusion_matrix, found.confusion["teacher"])
        assert student.ax_.get_title() == "distilled student"
        (display,) = found.plot_confusion(["EDMD on labels"])
        assert display.ax_.get_title() == "EDMD on labels"
        with pytest.raises(ValueError, match="must be of"):
            found.plot_confusion(["EDMD"])

    def test_only_the_lowest_of_many_are_printed(self):
        rng = np.random.default_rng(0)
        rows, labels = rng.normal(size=(300, 20)), np.arange(300) % 15
        rows[:, :15] += 4 * np.eye(15)[labels]
        many = distillation_report(
            KoopmanDistilledClassifier(lambda rows: rows[:, :15]),
            rows[:150],
            labels[:150],
            X_test=rows[150:],
            y_test=labels[150:],
        )
        table = str(many).split("\n\n")[1].splitlines()[2:]
        scores = [float(line.split()[3]) for line in table]
        assert len(scores) == 10
        assert scores == sorted(scores)


def chooser(teacher, **settings):
    return KoopmanDistilledClassifierCV(
        teacher,
        ridges=[1e-4, 1e-1],
        soft_weights=[0.3, 1.0],
        temperatures=[1.0],
        cv=3,
        **settings,
    )


def report_by_hand(model, settings):
    """Return the rows of a report for a student with settings chosen by hand."""
    student = KoopmanDistilledClassifier(Counting(), **settings)
    return rows_of(distillation_report(make_pipeline(*model, student), **DATA))


@pytest.mark.parametrize("maker", [make_pipeline, sklearn_pipeline])
@pytest.mark.parametrize("routing", [False, True])
def test_the_report_of_a_student_that_chooses_is_that_of_the_chosen_one(maker, routing):
    steps = PCA(2), MonomialLifter(2)
    alone = make_pipeline(*steps, chooser(Counting())).fit(X, y)[-1]
    settings = {
        "ridge": alone.ridge_,
        "temperature": alone.temperature_,
        "soft_weight": alone.soft_weight_,
    }
    model = maker(*steps, chooser(Counting()))
    with sklearn.config_context(enable_metadata_routing=routing):
        report = distillation_report(model, **DATA)
    assert report.chosen == (settings,)
    found, expected = rows_of(report), report_by_hand(steps, settings)
    assert list(found) == MODELS
    for name in MODELS:
        assert found[name].accuracy == expected[name].accuracy
        assert found[name].fidelity == expected[name].fidelity
    assert f"chosen on the training rows: ridge={alone.ridge_!r}" in str(report)
    assert not hasattr(model[-1], "ridge_")


def test_the_report_of_a_search_is_that_of_what_it_chooses():
    steps = PCA(2), MonomialLifter()
    pipeline = make_pipeline(*steps, KoopmanDistilledClassifier(Counting()))
    grid = {
        "monomiallifter__degree": [1, 2],
        "koopmandistilledclassifier__ridge": [1e-3, 10.0],
    }
    search = GridSearchCV(pipeline, grid, cv=3)
    best = clone(search).fit(X, y).best_params_
    report = distillation_report(search, random_states=(0, 1), **DATA)
    assert report.chosen == (best, best)
    lifter = MonomialLifter(best["monomiallifter__degree"])
    expected = report_by_hand(
        (PCA(2), lifter), {"ridge": best["koopmandistilledclassifier__ridge"]}
    )
    for name, row in rows_of(report).items():
        assert row.accuracy == expected[name].accuracy


def test_a_search_at_the_end_of_a_pipeline_over_students_that_choose():
    search = GridSearchCV(chooser(RandomForestClassifier(3)), {"lifter__degree": [1, 2]}, cv=2)
    search.estimator.set_params(lifter=MonomialLifter())
    report = distillation_report(make_pipeline(StandardScaler(), search), **DATA)
    (settings,) = report.chosen
    assert set(settings) == {"lifter__degree", "ridge", "temperature", "soft_weight"}
    assert rows_of(report)["distilled student"].accuracy > 0.8


def test_verbose(capsys):
    student = KoopmanDistilledClassifier(fixed_teacher())
    distillation_report(student, **DATA)
    assert capsys.readouterr().out == ""
    distillation_report(student, random_states=(4,), verbose=2, **DATA)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("seed 4: distilled student: accuracy 0.")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"estimator": EDMDClassifier()}, TypeError, "got EDMDClassifier"),
        ({"estimator": KoopmanDistilledClassifierCV()}, ValueError, "has no teacher"),
        (
            {"estimator": EDMDClassifierCV(Counting())},
            TypeError,
            "got EDMDClassifierCV.*edmd_ri",
        ),
        (
            {"estimator": KoopmanDistilledClassifierCV(Counting(), soft_weights=[0.0])},
            ValueError,
            r"soft_weights=\[0.0\] learns nothing from the teacher",
        ),
        ({"estimator": make_pipeline(PCA(), LogisticRegression())}, TypeError, "got Logistic"),
        ({"estimator": KoopmanDistilledClassifier()}, ValueError, "has no teacher"),
        (
            {"estimator": KoopmanDistilledClassifier(Counting(), soft_weight=0)},
            ValueError,
            "learns nothing from the teacher",
        ),
        ({"estimator": KoopmanDistilledClassifier(7)}, TypeError, "teacher=7"),
        ({"random_states": ()}, ValueError, "at least one seed"),
        ({"y": y[1:]}, ValueError, "inconsistent numbers of samples"),
        ({"y_test": y_test[1:]}, ValueError, "inconsistent numbers of samples"),
        ({"edmd_ridge": -1}, ValueError, "'ridge' parameter of EDMDClassifier"),
        (
            {"estimator": KoopmanDistilledClassifier(lambda rows: rows)},
            ValueError,
            "gave 4 columns, but y has 3 classes",
        ),
    ],
)
def test_refuses(changes, error, message):
    arguments = {"estimator": KoopmanDistilledClassifier(Counting()), **DATA, **changes}
    with pytest.raises(error, match=message):
        distillation_report(**arguments)


# Without labels, and with weights


def test_a_report_without_labels():
    names = np.array(["ant", "bat", "cat"])
    teacher = FrozenEstimator(LogisticRegression(max_iter=1000).fit(X, names[y]))
    student = KoopmanDistilledClassifier(teacher, lifter=MonomialLifter(2))
    report = distillation_report(student, X, X_test=X_test)
    rows = rows_of(report)
    assert list(rows) == ["teacher", "distilled student", "EDMD on teacher logits"]
    expected = clone(student).fit(X).predict(X_test)
    found = rows["distilled student"]
    assert found.fidelity == fidelity_score(teacher.predict(X_test), expected)
    assert np.isnan(found.accuracy)
    assert len(report.classes) == 0
    assert "accuracy" not in str(report)
    assert "F1" not in str(report)
    assert "fidelity" in report._repr_html_()
    # Labels of test rows count. Training rows may all have the marker for "no label".
    marked = clone(student).set_params(unlabeled_value="")
    empty = np.full(len(X), "")
    for model, given in ((student, None), (marked, empty)):
        told = rows_of(
            distillation_report(model, X, given, X_test=X_test, y_test=names[y_test])
        )
        assert told["distilled student"].fidelity == found.fidelity
        assert told["distilled student"].accuracy == np.mean(expected == names[y_test])


@pytest.mark.parametrize("unlabeled", [None, -1])
def test_a_report_of_columns_without_names(unlabeled):
    student = KoopmanDistilledClassifier(Counting(), unlabeled_value=unlabeled)
    given = None if unlabeled is None else np.full(len(X), -1)
    report = distillation_report(student, X, given, X_test=X_test, y_test=y_test)
    assert rows_of(report)["distilled student"].accuracy > 0.8
    assert_array_equal(report.classes, [0, 1, 2])
    with pytest.raises(ValueError, match=r"y_test has the labels \[3, 4\].*teacher_classes="):
        distillation_report(student, X, given, X_test=X_test, y_test=y_test + 2)
    unfitted = KoopmanDistilledClassifier(LogisticRegression(), unlabeled_value=unlabeled)
    with pytest.raises(ValueError, match="would have to be fitted on labels"):
        distillation_report(unfitted, X, given, X_test=X_test)


def test_weights_reach_all_that_is_fitted():
    weights = np.where(y == 2, 5.0, 1.0)
    last = KoopmanDistilledClassifier(LogisticRegression(), ridge=1e-3)
    student = make_pipeline(PCA(3), MonomialLifter(2), last)
    rows = rows_of(distillation_report(student, sample_weight=weights, edmd_ridge=1e-2, **DATA))
    prefix = "koopmandistilledclassifier__"
    fitted = clone(student).fit(X, y, **{f"{prefix}sample_weight": weights})
    assert rows["distilled student"].accuracy == fitted.score(X_test, y_test)
    weighted = fitted[-1].teacher_.estimator
    assert rows["teacher"].accuracy == weighted.score(X_test, y_test)
    # Weights equal repetitions. With y as it is, the least squares differ.
    repeated = X.repeat(weights.astype(int), axis=0), y.repeat(weights.astype(int))
    pca = PCA(3).fit(X)
    edmd = EDMDClassifier(ridge=1e-2, lifter=MonomialLifter(2))
    edmd.fit(pca.transform(repeated[0]), repeated[1])
    assert rows["EDMD on labels"].accuracy == edmd.score(pca.transform(X_test), y_test)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        distillation_report(student, sample_weight=weights[1:], **DATA)


def test_weights_count_where_settings_are_chosen():
    weights = np.where(y == 2, 5.0, 1.0)
    last = KoopmanDistilledClassifier(fixed_teacher(), lifter=MonomialLifter(2))
    search = GridSearchCV(last, {"ridge": [1e-3, 1.0], "soft_weight": [0.0]}, cv=3)
    report = distillation_report(search, sample_weight=weights, **DATA)
    assert (
        report.chosen[0]["ridge"]
        == search.fit(X, y, sample_weight=weights).best_params_["ridge"]
    )
    assert "with a soft weight of 0 nothing is learned from the teacher" in str(report)
    found = rows_of(report)
    same = found["distilled student"].accuracy, found["student without teacher"].accuracy
    assert same[0] == same[1] == search.score(X_test, y_test)
