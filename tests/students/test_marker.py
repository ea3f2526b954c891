"""The marker of "no label" in y is not a class, neither for steps nor for teachers."""

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler, TargetEncoder

from sklearn_koopman import (
    ActiveSubspace,
    DistilledTreeClassifier,
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    ObservableSelector,
    TensorTrainClassifier,
)
from sklearn_koopman.pipeline import make_pipeline as make_koopman_pipeline

from ..classification.helpers import CountingClassifier

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 6))
Y = (X[:, 0] + 0.7 * X[:, 1] > 0).astype(int)
KNOWN = rng.random(200) < 0.5
X[KNOWN, 5] += 3  # it tells which rows have labels, but not the labels
LOGITS = X[:, :2] @ [[-1.0, 1.0], [-0.7, 0.7]]

MARKERS = {
    "-1": (-1, np.where(KNOWN, Y, -1)),
    "NaN": (np.nan, np.where(KNOWN, Y, np.nan)),
    "text": ("?", np.where(KNOWN, np.array(["no", "yes"])[Y], "?")),
    "other type": ("?", np.where(KNOWN, Y.astype(object), "?")),
    "None": (np.nan, np.where(KNOWN, Y.astype(object), None)),
    "NA": (np.nan, pandas.Series(Y, dtype="Int64").where(KNOWN)),
}
SUPERVISED = {
    "selector": SelectKBest(k=2),
    "selector by regression": SelectKBest(f_regression, k=2),
    "selector by a model": SelectFromModel(LogisticRegression(), max_features=2),
    "selector by elimination": RFE(LogisticRegression(), n_features_to_select=2),
    "observables": ObservableSelector(MonomialLifter(1), max_observables=2),
    "discriminants": LinearDiscriminantAnalysis(),
    "targets": TargetEncoder(cv=2, random_state=0),
    "columns": make_column_transformer((SelectKBest(k=1), [0, 1]), (SelectKBest(k=1), [4, 5])),
    "union": make_union(SelectKBest(k=1), make_pipeline(SelectKBest(k=3), MonomialLifter(1))),
    "subspace": ActiveSubspace(LogisticRegression(), 2),
}
STUDENTS = [
    EDMDClassifier(),
    EDMDClassifierCV(),
    KoopmanDistilledClassifier(),
    KoopmanDistilledClassifierCV(ridges=[1e-3], temperatures=[2.0], soft_weights=[0.5], cv=2),
    TensorTrainClassifier(rank=2, max_iter=2, tol=1),
]
every_marker = pytest.mark.parametrize("marker", MARKERS)
every_student = pytest.mark.parametrize("student", STUDENTS, ids=lambda s: type(s).__name__)


class Recorder(TransformerMixin, BaseEstimator):
    """Changes nothing, and keeps the training rows of its clones."""

    fits = []  # noqa: RUF012 - shared by all clones on purpose

    def fit(self, X, y=None):
        type(self).fits.append((X, y))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.asarray(X)


class SupervisedRecorder(Recorder):
    fits = []  # noqa: RUF012

    def fit(self, X, y):
        return super().fit(X, y)


def semi(student, marker, **parameters):
    return clone(student).set_params(unlabeled_value=MARKERS[marker][0], **parameters)


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("step", SUPERVISED.values(), ids=SUPERVISED)
def test_what_learns_from_labels_learns_from_labelled_rows(step, in_pipeline):
    student = semi(EDMDClassifier(), "-1")
    y = MARKERS["-1"][1]
    if in_pipeline:
        pipeline = make_koopman_pipeline(StandardScaler(), clone(step), student)
        scaled, fitted = StandardScaler().fit_transform(X), pipeline.fit(X, y, **soft())[1]
    else:
        lifter = make_pipeline(StandardScaler(), clone(step))
        scaled = StandardScaler().fit_transform(X)
        fitted = student.set_params(lifter=lifter).fit(X, y, soft_labels=LOGITS).lifter_[1]
    # The scaler has seen all rows. Steps that learn from labels have seen the labelled ones.
    oracle = clone(step).fit(scaled[KNOWN], Y[KNOWN])
    assert_allclose(fitted.transform(scaled), oracle.transform(scaled), atol=1e-9)


def soft(name="edmdclassifier"):
    return {f"{name}__soft_labels": LOGITS}


@every_marker
@every_student
def test_no_step_and_no_teacher_is_taught_the_marker(student, marker):
    CountingClassifier.fits.clear()
    y = MARKERS[marker][1]
    student = semi(student, marker, teacher=CountingClassifier())
    if isinstance(student, EDMDClassifierCV):
        student.set_params(cv=2)
    for in_pipeline in (False, True):
        Recorder.fits.clear()
        SupervisedRecorder.fits.clear()
        steps = Recorder(), SupervisedRecorder()
        if in_pipeline:
            model = make_koopman_pipeline(*steps, clone(student)).fit(X, y)
        else:
            model = clone(student).set_params(lifter=make_pipeline(*steps)).fit(X, y)
        assert len(model.classes_) == 2
        for rows, labels in Recorder.fits:
            assert labels is None
            assert len(rows) == len(X)
        for rows, labels in SupervisedRecorder.fits:
            assert_array_equal(np.unique(labels), model.classes_)
            assert len(rows) == KNOWN.sum()
        assert Recorder.fits
        assert SupervisedRecorder.fits
    for _, labels, _ in CountingClassifier.fits:
        assert_array_equal(np.unique(labels), model.classes_)


@every_marker
def test_a_tree_in_a_pipeline(marker):
    value, y = MARKERS[marker]
    pipeline = make_koopman_pipeline(
        SelectKBest(k=2), DistilledTreeClassifier(unlabeled_value=value, random_state=0)
    ).fit(X, y, distilledtreeclassifier__soft_labels=LOGITS)
    assert_array_equal(pipeline[0].get_support(indices=True), [0, 1])


def test_where_all_rows_are_labelled_nothing_is_different():
    lifter = make_pipeline(PCA(4), SelectKBest(k=2), MonomialLifter(2))
    marked = EDMDClassifier(lifter=lifter, unlabeled_value=-1).fit(X, Y)
    assert_array_equal(marked.coef_, EDMDClassifier(lifter=lifter).fit(X, Y).coef_)


def test_a_step_with_a_marker_of_its_own_sees_all_rows():
    y = MARKERS["-1"][1]
    selector = ObservableSelector(
        make_pipeline(StandardScaler(), MonomialLifter(1)),
        max_observables=2,
        unlabeled_value=-1,
    )
    student = EDMDClassifier(lifter=selector, unlabeled_value=-1).fit(X, y)
    assert_allclose(student.lifter_.lifter_[0].mean_, X.mean(axis=0))
    assert_array_equal(student.lifter_.get_feature_names_out(), ["x0", "x1"])


def test_a_step_that_is_frozen_stays_as_it_is():
    selector = SelectKBest(k=1).fit(X, X[:, 4])
    lifter = make_pipeline(FrozenEstimator(selector), MonomialLifter(1))
    student = EDMDClassifier(lifter=lifter, unlabeled_value=-1).fit(X, MARKERS["-1"][1])
    assert_array_equal(student.lifter_[0].get_support(), selector.get_support())


def test_an_error_where_no_row_has_a_label():
    student = EDMDClassifier(
        lifter=SelectKBest(k=2), unlabeled_value=-1, teacher_classes=[0, 1]
    )
    with pytest.raises(ValueError, match=r"SelectKBest\(k=2\) learns from labels"):
        student.fit(X, np.full(len(X), -1), soft_labels=LOGITS)


def test_parameters_of_fit_go_with_the_rows():
    seen = []

    class Weighted(SelectKBest):
        def fit(self, X, y, sample_weight=None):
            seen.append(sample_weight)
            return super().fit(X, y)

    weight = np.arange(len(X), dtype=float)
    pipeline = make_koopman_pipeline(Weighted(k=2), semi(EDMDClassifier(), "-1"))
    pipeline.fit(X, MARKERS["-1"][1], **soft(), weighted__sample_weight=weight)
    assert_array_equal(seen[0], weight[KNOWN])


def test_sparse_rows_may_have_markers_too():
    lifter = RBFSampler(n_components=5, random_state=0)
    pipeline = make_koopman_pipeline(lifter, EDMDClassifier(unlabeled_value=-1))
    fit = {"y": MARKERS["-1"][1], "edmdclassifier__soft_labels": LOGITS}
    dense = clone(pipeline).fit(X, **fit)
    assert_allclose(pipeline.fit(csr_array(X), **fit)[-1].coef_, dense[-1].coef_, rtol=1e-6)


def test_a_selector_by_another_model():
    selector = SelectFromModel(ExtraTreesClassifier(5, random_state=0), max_features=2)
    student = EDMDClassifier(lifter=selector, unlabeled_value=-1)
    student.fit(X, MARKERS["-1"][1], soft_labels=LOGITS)
    oracle = clone(selector).fit(X[KNOWN], Y[KNOWN])
    assert_array_equal(student.lifter_.get_support(), oracle.get_support())
