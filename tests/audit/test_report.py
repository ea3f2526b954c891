"""The report: its numbers computed in other ways, its gaps, and the parts of its page."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
)
from sklearn_koopman.audit import GroupAccuracyDisplay, audit_report
from sklearn_koopman.inspection import formula, robust_radius, shapley_values
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.regression import EDMDRegressor

CELLS, DIAGNOSES = load_breast_cancer(return_X_y=True, as_frame=True)
DIAGNOSES = np.where(DIAGNOSES == 1, "benign", "malign & <b>bad</b>")
LEARNT, FRESH = slice(0, 300), slice(300, None)
IMAGES, DIGITS = load_digits(return_X_y=True)
IMAGES = IMAGES / 16
SIZES = np.where(CELLS["mean radius"][FRESH] > 14, "large", "small")


@pytest.fixture(scope="module")
def forest():
    forest = RandomForestClassifier(20, random_state=0)
    return forest.fit(CELLS[LEARNT], DIAGNOSES[LEARNT])


@pytest.fixture(scope="module")
def student(forest):
    last = KoopmanDistilledClassifier(FrozenEstimator(forest), ridge=1e-2)
    student = make_pipeline(StandardScaler(), MonomialLifter(2), last)
    return student.fit(CELLS[LEARNT], DIAGNOSES[LEARNT])


@pytest.fixture(scope="module")
def report(student, forest):
    return audit_report(
        student,
        CELLS[FRESH],
        DIAGNOSES[FRESH],
        teacher=forest,
        groups={"size": SIZES, "even": np.arange(269) % 2 == 0},
        title="Is it <script>alert(1)</script>?",
    )


@pytest.fixture(scope="module")
def digits():
    student = make_pipeline(
        PCA(10, random_state=0), MonomialLifter(2), EDMDClassifier(ridge=1e-2)
    ).fit(IMAGES[:900], DIGITS[:900])
    return student, audit_report(
        student, IMAGES[900:], DIGITS[900:], image_shape=(8, 8), n_rows=2, max_rows=100
    )


class Elements(HTMLParser):
    """Collects the tags, attributes and text of a page, and checks that tags are nested."""

    EMPTY = ("meta", "img", "line", "circle", "polyline", "polygon", "br")

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self._open = [], [], [], []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self._open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, text):
        self.texts.append(text)


def exact(k, n, level=0.95):
    return tuple(binomtest(int(k), n).proportion_ci(level, "exact"))


def test_accuracies_and_their_intervals(report, student, forest):
    rows, labels = CELLS[FRESH], DIAGNOSES[FRESH]
    said, taught = student.predict(rows), forest.predict(rows)
    for found, right in (
        (report.accuracy, said == labels),
        (report.teacher_accuracy, taught == labels),
        (report.groups[0].accuracy, (said == labels)[SIZES == "large"]),
        (report.groups[0].fidelity, (said == taught)[SIZES == "large"]),
    ):
        assert found.value == right.mean()
        assert_allclose((found.low, found.high), exact(right.sum(), len(right)), rtol=1e-9)
    assert report.fidelity.disagreement == np.mean(said != taught)
    assert report.n_samples == 269
    expected = [confusion_matrix(labels, each) for each in (taught, said)]
    assert_array_equal(report.confusion.teacher, expected[0])
    assert_array_equal(report.confusion.student, expected[1])


def test_intervals_have_the_level_that_is_asked_for(student):
    found = audit_report(student, CELLS[FRESH], DIAGNOSES[FRESH], delta=0.01).accuracy
    assert_allclose((found.low, found.high), exact(found.count, 269, 0.99), rtol=1e-9)


def test_groups(report):
    names = [(group.attribute, str(group.name)) for group in report.groups]
    assert names == [("size", "large"), ("size", "small"), ("even", "False"), ("even", "True")]


def test_how_often_each_class_is_said_of_each_group(report, student):
    said = student.predict(CELLS[FRESH])[SIZES == "large"]
    found = report.groups[0].said
    for label in np.unique(DIAGNOSES):
        assert_allclose(found[label].value, np.mean(said == label))
        low, high = exact(np.sum(said == label), len(said))
        assert_allclose((found[label].low, found[label].high), (low, high), rtol=1e-6)
    html, share = report.to_html(), found["benign"]
    assert f"{share.value:.2%} ({share.low:.2%} to {share.high:.2%})" in html
    assert "said benign" in html
    assert "of the row as it is" in html


def test_groups_of_other_rows_are_refused(student):
    rows, labels = CELLS[FRESH], DIAGNOSES[FRESH]
    sizes = (rows["mean radius"] > 14).rename("size")
    found = audit_report(student, rows, labels, groups=sizes, n_rows=0).groups
    assert [group.accuracy.n_samples for group in found] == [(~sizes).sum(), sizes.sum()]
    for groups, what in (
        (sizes[::-1], "the labels of the rows in another order"),
        ({"size": sizes.reset_index(drop=True)}, "other labels"),
    ):
        message = rf"groups\['size'\].*{what}.*frame.loc\[X.index, 'size'\]"
        with pytest.raises(ValueError, match=message):
            audit_report(student, rows, labels, groups=groups)
    with pytest.raises(ValueError, match="another order"):
        GroupAccuracyDisplay.from_predictions(sizes, ~sizes, groups=sizes[::-1])


def test_calibration(report, student):
    confidence = student.predict_proba(CELLS[FRESH]).max(axis=1)
    right = student.predict(CELLS[FRESH]) == DIAGNOSES[FRESH]
    bins = report.calibration.bins
    assert sum(each.accuracy.n_samples for each in bins) == 269
    error = 0
    for low in np.arange(0, 1, 0.1):
        rows = (confidence >= low) & (confidence < low + 0.1 + 1e-9 * (low > 0.85))
        error += abs(confidence[rows].sum() - right[rows].sum()) / 269
    assert_allclose(report.calibration.expected_error, error, rtol=1e-6)


def test_radii_are_in_units_of_the_columns(report, student):
    """Radii are in deviations: the same student of columns divided by these has the same radii."""
    rows = CELLS[FRESH].to_numpy()
    scale = rows.std(axis=0)
    scaled = make_pipeline(StandardScaler(), MonomialLifter(2), student[-1])
    scaled[0].fit(CELLS[LEARNT].to_numpy() / scale)
    scaled[1].fit(rows)
    radii = robust_radius(scaled, rows / scale)
    assert_allclose(report.certified.lower, radii, rtol=1e-6)
    assert report.certified.is_exact.all()
    right = student.predict(CELLS[FRESH]) == DIAGNOSES[FRESH]
    assert report.certified.at(1.0).count == np.sum(right & (radii > 1.0))
    assert_allclose(report.certified.median_radius, np.median(np.where(right, radii, 0)))
    as_they_are = audit_report(student, CELLS[FRESH], DIAGNOSES[FRESH], scale=None)
    assert_allclose(as_they_are.certified.lower, robust_radius(student, rows), rtol=1e-9)
    within = audit_report(student, CELLS[FRESH], DIAGNOSES[FRESH], bounds=(0, 1e4), n_rows=0)
    assert_allclose(within.certified.scale, scale)
    assert_allclose(within.certified.lower, radii, rtol=1e-6)
    assert "in standard deviations" in within.to_html()
    distances, values, low, high = report.certified.curve()
    assert distances[0] == 0
    assert values[0] == report.accuracy.value
    assert (np.diff(values) <= 0).all()
    assert ((low <= values) & (values <= high)).all()


def test_single_rows(report, student):
    rows, labels = CELLS[FRESH], DIAGNOSES[FRESH]
    right = student.predict(rows) == labels
    assert len(report.least_robust) == 6
    radii = [row.radius for row in report.least_robust]
    assert_allclose(radii, np.sort(report.certified.lower[right])[:6])
    for row in report.least_robust:
        assert row.predicted == row.label
        assert row.counterfactual_class != row.label
        scale = report.certified.scale
        distance = np.linalg.norm((row.counterfactual - row.values) / scale)
        assert_allclose(distance, row.radius, rtol=1e-6)
        names = [name for name, _, _ in row.changes(report.column_names, scale)]
        assert set(names) <= set(rows.columns)
    typical = np.median(report.certified.lower[right])
    assert len(report.typical) == 3
    assert_allclose([row.radius for row in report.typical], typical, rtol=0.1)
    margins = [row.margin for row in report.hardest]
    assert margins == sorted(margins)
    assert max(margins) < 0
    one = report.hardest[0]
    logits = student.decision_function(rows)
    sign = 1 if one.label == student.classes_[1] else -1
    assert_allclose(one.margin, sign * logits[one.index])
    assert len(one.contributions) == 5
    values = shapley_values(student, rows.iloc[[one.index]], rows).values[0]
    name, contribution = one.contributions[0]
    assert_allclose(contribution, -sign * values[list(rows.columns).index(name)])


def test_the_page_needs_nothing_else(report, digits):
    for html in (report.to_html(), digits[1].to_html()):
        page = Elements(html)
        assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
        addresses = [value for _, name, value in page.attributes if name in ("src", "href")]
        assert all(address.startswith("data:image/png;base64,") for address in addresses)
        assert not re.search(r"https?:|@import|url\(", html)
        assert "prefers-color-scheme: dark" in html
        assert html.startswith("<!doctype html>")
        assert "nan" not in " ".join(page.texts).lower().split()


def test_names_are_escaped(report):
    html = report.to_html()
    assert "<script" not in html
    assert "<b>bad</b>" not in html
    assert "malign &amp; &lt;b&gt;bad&lt;/b&gt;" in html
    assert "Is it <script>alert(1)</script>?" in Elements(html).texts


def test_in_a_notebook_and_as_a_file(report, tmp_path):
    fragment = report._repr_html_()
    assert fragment.startswith("<style>")
    assert all(
        line.startswith((".koopman-audit", "@media", " ", "}")) for line in style_of(fragment)
    )
    report.save(tmp_path / "audit.html")
    assert (tmp_path / "audit.html").read_text(encoding="utf-8") == report.to_html()
    assert "accuracy" in str(report)
    assert repr(report) == str(report)
    assert "teacher" in str(report)


def style_of(fragment):
    style = fragment[len("<style>") : fragment.index("</style>")]
    return [line for line in style.split("\n") if line]


def test_images_are_pictures(digits):
    student, report = digits
    html = report.to_html()
    assert html.count("data:image/png") >= 2 * 3 + 2 * 2
    assert len(report.certified.rows) == 100
    assert report.certified.scale is None
    one = report.hardest[0]
    assert one.contribution_map.shape == (64,)
    classes = list(student.classes_)
    values = shapley_values(student, IMAGES[900:][[one.index]], IMAGES[900:]).values[0]
    expected = values[:, classes.index(one.predicted)] - values[:, classes.index(one.label)]
    assert np.corrcoef(one.contribution_map, expected)[0, 1] > 0.98
    assert report.fidelity is None
    assert "Fidelity" not in html


@pytest.mark.parametrize("kind", ["labels", "scores", "list", "callable", "estimator"])
def test_teachers(student, forest, kind, report):
    rows = CELLS[FRESH]
    teacher = {
        "labels": forest.predict(rows),
        "scores": forest.predict_proba(rows),
        "list": list(forest.predict(rows)),
        "callable": forest.predict_proba,
        "estimator": FrozenEstimator(forest),
    }[kind]
    found = audit_report(student, rows, DIAGNOSES[FRESH], teacher=teacher, n_rows=1)
    assert found.teacher_accuracy == report.teacher_accuracy


def test_what_is_not_known_is_left_out():
    """Any classifier can be audited. For a forest, neither radii nor a formula are known."""
    forest = RandomForestClassifier(5, random_state=0).fit(IMAGES[:300], DIGITS[:300])
    found = audit_report(forest, IMAGES[300:500], DIGITS[300:500], image_shape=(8, 8), n_rows=1)
    assert found.certified is None
    assert found.formula is None
    assert found.least_robust == []
    assert found.student.cost is None
    html = found.to_html()
    assert "No radii are known." in html
    assert "What it computes" not in html
    assert len(found.hardest) == 1


def test_columns_of_words():
    rows = CELLS.copy()
    rows["ward"] = np.where(np.arange(len(rows)) % 3, "north", "south")
    encode = make_column_transformer(
        (OneHotEncoder(), ["ward"]), remainder=StandardScaler(), verbose_feature_names_out=False
    )
    student = make_pipeline(encode, MonomialLifter(1), EDMDClassifier(ridge=1e-2))
    student.fit(rows[LEARNT], DIAGNOSES[LEARNT])
    found = audit_report(student, rows[FRESH], DIAGNOSES[FRESH])
    assert found.certified is None
    names = {name for row in found.hardest for name, _ in row.contributions}
    assert names <= {*rows.columns, "ward_north", "ward_south"}
    assert "worst radius" in found.to_html()


def test_columns_of_names_are_scaled_columns():
    """A student whose first step finds columns by name equals the student of an array."""
    columns = ["mean radius", "worst texture", "worst area"]
    front = make_column_transformer(
        (StandardScaler(), columns), verbose_feature_names_out=False
    )
    student = make_pipeline(front, MonomialLifter(2), EDMDClassifier(ridge=0.1))
    student.fit(CELLS[LEARNT], DIAGNOSES[LEARNT])
    plain = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier(ridge=0.1))
    plain.fit(CELLS[LEARNT][columns], DIAGNOSES[LEARNT])
    found = audit_report(student, CELLS[FRESH], DIAGNOSES[FRESH])
    expected = audit_report(plain, CELLS[FRESH][columns], DIAGNOSES[FRESH])
    assert_allclose(found.certified.lower, expected.certified.lower, rtol=1e-6)
    assert str(found.formula) == str(expected.formula)
    assert "where" in str(found.formula)
    assert found.student.cost.parameters == expected.student.cost.parameters


def test_formulas_of_columns_and_words_are_of_the_columns_as_they_are():
    rows = CELLS[["mean radius", "worst texture"]].copy()
    rows["ward"] = np.where(np.arange(len(rows)) % 3, "north", "south")
    front = make_column_transformer(
        (OneHotEncoder(), ["ward"]), remainder=StandardScaler(), verbose_feature_names_out=False
    )
    student = make_pipeline(front, MonomialLifter(2), EDMDClassifier(ridge=0.1))
    student.fit(rows, DIAGNOSES)
    found = formula(student, rows)
    text = str(found)
    assert "[mean radius]' = (mean radius - 14.13) / 3.521" in text
    values = shapley_values(student, rows[:5], rows)
    assert values.feature_names == ["ward_north", "ward_south", "mean radius", "worst texture"]
    assert_allclose(values.data[:, 2:], rows.iloc[:5, :2])
    logits = values.values.sum(axis=1) + values.base_values
    assert_allclose(logits, student.decision_function(rows[:5]))
    dropped = make_column_transformer((StandardScaler(), ["mean radius"]))
    student = make_pipeline(dropped, MonomialLifter(2), EDMDClassifier(ridge=0.1))
    student.fit(rows, DIAGNOSES)
    assert "(mean radius - 14.13)" in str(formula(student, rows))
    report = audit_report(student, rows, DIAGNOSES)
    assert report.certified is None
    assert "No radii are known. X has columns that are not numbers, &#x27;ward&#x27;" in (
        report.to_html()
    )


def test_columns_of_two_values_are_held_fixed():
    rows = CELLS[["mean radius", "mean texture"]].copy()
    rows["old"] = (np.arange(len(rows)) % 7 == 0).astype(float)
    student = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier(ridge=0.1))
    student.fit(rows[LEARNT], DIAGNOSES[LEARNT])
    fresh, labels = rows[FRESH], DIAGNOSES[FRESH]
    found = audit_report(student, fresh, labels)
    assert found.fixed == ["old"]
    assert_array_equal(found.certified.counterfactuals[:, 2], fresh["old"])
    expected = robust_radius(student, fresh, scale="std", fixed=["old"])
    assert_allclose(found.certified.lower, expected)
    assert "Held fixed: old." in found.to_html()
    assert "held fixed: old" in str(found)
    free = audit_report(student, fresh, labels, fixed=None)
    assert free.fixed == []
    assert np.all(free.certified.lower <= found.certified.lower * (1 + 1e-9))
    assert audit_report(student, fresh, labels, fixed=[0, "old"]).fixed == [
        "mean radius",
        "old",
    ]


def test_rows_that_are_asked_for(student):
    found = audit_report(
        student, CELLS[FRESH], DIAGNOSES[FRESH], rows=[5, 17], max_rows=3, n_rows=1
    )
    assert [row.index for row in found.chosen] == [5, 17]
    radii = robust_radius(student, CELLS[FRESH], scale="std")
    assert_allclose([row.radius for row in found.chosen], radii[[5, 17]])
    assert found.chosen[0].contributions
    html = found.to_html()
    assert "Chosen rows" in html
    assert "Row 17" in html
    assert "may disagree about the changed row" in html
    for rows in ([269], [-1], [0.5], "first"):
        with pytest.raises(ValueError, match="pass indices of rows of X"):
            audit_report(student, CELLS[FRESH], DIAGNOSES[FRESH], rows=rows)


def test_many_classes_and_no_errors():
    labels = np.arange(200) % 25
    student = EDMDClassifier().fit(np.eye(25)[labels], labels)
    found = audit_report(student, np.eye(25)[labels], labels, n_rows=1)
    assert found.accuracy.value == 1
    html = found.to_html()
    assert "right on all rows" in html
    assert "class='confusion'" not in html


def test_refusals(student):
    rows, labels = CELLS[FRESH], DIAGNOSES[FRESH]
    with pytest.raises(ValueError, match=r"groups\['size'\] has 2 rows, and X has 269"):
        audit_report(student, rows, labels, groups={"size": ["a", "b"]})
    with pytest.raises(
        ValueError, match=r"groups='ward': pass the group of each row, for example X\['ward'\]"
    ):
        audit_report(student, rows, labels, groups="ward")
    for missing in (np.nan, None):
        with pytest.raises(ValueError, match=r"groups\['size'\] has no value for 1 rows"):
            audit_report(student, rows, labels, groups={"size": [missing, *SIZES[1:]]})
    with pytest.raises(
        TypeError, match=r"groups\['size'\] has values of several types, int, str"
    ):
        audit_report(student, rows, labels, groups={"size": [1, *SIZES[1:]]})
    with pytest.warns(UserWarning, match=r"groups has 2\d\d values.*Cut numbers into ranges"):
        audit_report(student, rows, labels, groups=rows["mean radius"].to_numpy(), n_rows=1)
    with pytest.raises(ValueError, match="scale='inches': must be 'std', an array or None"):
        audit_report(student, rows, labels, scale="inches")
    with pytest.raises(ValueError, match="30 positive numbers"):
        audit_report(student, rows, labels, scale=np.ones(3))
    with pytest.raises(ValueError, match=r"teacher gives classes of shape \(2,\) for the 269"):
        audit_report(student, rows, labels, teacher=["benign", "benign"])
    with pytest.raises(ValueError, match="y has none of the student's classes, 'benign'"):
        audit_report(student, rows, labels == "benign")
    with pytest.raises(TypeError, match="y has labels of several types, int, str"):
        audit_report(student, rows, np.array([1, *labels[1:]], dtype=object))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        audit_report(student, rows, labels[:5])
    with pytest.raises(ValueError, match="y should be a 1d array"):
        audit_report(student, rows, None)
    with pytest.raises(TypeError, match="an audit needs a fitted classifier"):
        audit_report(EDMDRegressor().fit(rows, rows["mean area"]), rows, labels)
    with pytest.raises(TypeError, match="an audit needs a fitted classifier"):
        audit_report(LogisticRegression(), rows, labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_rows": -1}, r"n_rows=-1: must be an int in the range \[0, inf\)"),
        ({"max_rows": 0.5}, r"max_rows=0.5: must be an int in the range \[1, inf\)"),
        ({"image_shape": 5}, r"image_shape=5: must be None, \(height, width\) or"),
        ({"image_shape": (5, 5)}, r"image_shape=\(5, 5\): .* of the 30 features of X"),
        ({"bounds": 0.5}, r"bounds=0.5 must be None or a pair"),
    ],
)
def test_settings_that_are_refused(student, settings, message):
    with pytest.raises(ValueError, match=message):
        audit_report(student, CELLS[FRESH], DIAGNOSES[FRESH], **settings)


def test_radii_that_are_only_bounded_are_said_to_be():
    student = make_pipeline(
        PCA(4, random_state=0), MonomialLifter(3), EDMDClassifier(ridge=1e-2)
    )
    student.fit(IMAGES[:900], DIGITS[:900])
    rows = slice(900, 920)
    found = audit_report(student, IMAGES[rows], DIGITS[rows], image_shape=(8, 8), n_rows=2)
    assert not found.certified.is_exact.any()
    assert (found.certified.lower <= found.certified.upper).all()
    html = found.to_html()
    assert "certified lower bounds" in html
    assert "smallest change found" in html
