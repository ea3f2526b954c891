"""`lifter=` of a classifier equals a pipeline step before it, in less memory."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem, PolynomialCountSketch, RBFSampler
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler

from sklearn_koopman import (
    DelayLifter,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
)
from sklearn_koopman.lifting import Operations

from ..classification.helpers import LinearTeacher, RecordingTransformer, samples

X, Y = samples(n_samples=300, n_features=8)
LOGITS = LinearTeacher(8).logits(X)

CLASSIFIERS = [
    EDMDClassifier(ridge=1e-3),
    EDMDClassifier(ridge=1e-3, solver="svd"),
    KoopmanDistilledClassifier(ridge=1e-2, tol=1e-8),
]
both_classifiers = pytest.mark.parametrize(
    "classifier", [CLASSIFIERS[0], CLASSIFIERS[2]], ids=lambda c: type(c).__name__
)

LIFTERS = {
    "monomials": MonomialLifter(2),
    "PCA, monomials": make_pipeline(PCA(3, random_state=0), MonomialLifter(3)),
    "scaler, Nystroem": make_pipeline(
        StandardScaler(), Nystroem(gamma=0.1, n_components=30, random_state=0)
    ),
    "union": FeatureUnion([("rows", "passthrough"), ("monomials", MonomialLifter(2))]),
    "splines": SplineTransformer(4),
    "random cosines": RBFSampler(gamma=0.1, n_components=40, random_state=0),
    "count sketch": PolynomialCountSketch(degree=3, n_components=40, random_state=0),
    "Hermite": OrthogonalPolynomialLifter(2),
    "Gaussians": RBFLifter(20, random_state=0),
    "delay coordinates": make_pipeline(DelayLifter(2, state_size=2), MonomialLifter(1)),
    "union of dictionaries": FeatureUnion(
        [
            ("polynomials", OrthogonalPolynomialLifter(2, family="legendre")),
            ("Gaussians", RBFLifter(20, centers="random", random_state=0)),
            ("splines", SplineTransformer(4)),
        ]
    ),
    "nothing": make_pipeline("passthrough"),
}


def with_lifter(classifier, lifter):
    """Return an unfitted copy of the classifier with this lifter."""
    return sklearn.clone(classifier).set_params(lifter=lifter)


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=repr)
@pytest.mark.parametrize("lifter", LIFTERS.values(), ids=LIFTERS.keys())
def test_inside_is_outside(classifier, lifter):
    inside = with_lifter(classifier, lifter).fit(X, Y, soft_labels=LOGITS)
    psi = sklearn.clone(lifter).fit_transform(X)
    outside = sklearn.clone(classifier).fit(psi, Y, soft_labels=LOGITS)
    assert_allclose(inside.decision_function(X), outside.decision_function(psi), atol=1e-5)
    assert_array_equal(inside.predict(X), outside.predict(psi))
    assert inside.coef_.shape == (3, psi.shape[1])
    assert inside.n_features_in_ == 8


@both_classifiers
def test_sparse_observables(classifier):
    sparse, dense = (
        with_lifter(classifier, SplineTransformer(4, sparse_output=is_sparse))
        for is_sparse in (True, False)
    )
    for model in (sparse, dense):
        model.fit(X, Y, soft_labels=LOGITS)
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-10)


@both_classifiers
def test_the_lifter_is_fitted_as_a_clone(classifier):
    lifter = MonomialLifter(2)
    model = with_lifter(classifier, lifter).fit(X, Y, soft_labels=LOGITS)
    assert not hasattr(lifter, "n_output_features_")
    assert model.lifter_.n_output_features_ == model.coef_.shape[1]
    model.set_params(lifter=None).fit(X, Y, soft_labels=LOGITS)
    assert not hasattr(model, "lifter_")


@both_classifiers
def test_rows_are_transformed_once_up_to_where_they_are_narrowest(classifier):
    before, behind = RecordingTransformer(), RecordingTransformer()
    lifter = make_pipeline(before, PCA(2), MonomialLifter(2), behind)
    model = with_lifter(classifier, lifter).fit(X, Y, soft_labels=LOGITS)
    # Once to fit the PCA, once to learn the widths from one row, and once for all passes together.
    assert model.lifter_[0].n_rows_ == [300, 1, 300]
    assert np.sum(model.lifter_[-1].n_rows_) // 300 == 1


class CheapTransformer(RecordingTransformer):
    """Says that it multiplies nothing."""

    def operations(self):
        return Operations()


@both_classifiers
def test_few_rows_that_are_cheap_to_lift_are_kept_by_the_solver(classifier):
    lifter = make_pipeline(MonomialLifter(2), CheapTransformer())
    model = with_lifter(classifier, lifter).fit(X, Y, soft_labels=LOGITS)
    # Once for the moments; once more to keep them, as they are few, and for the metric.
    n_passes = np.sum(model.lifter_[-1].n_rows_) // 300
    assert n_passes == (1 if isinstance(model, EDMDClassifier) else 3)


@pytest.mark.usefixtures("every_pass_lifts")
def test_many_rows_that_are_cheap_to_lift_are_lifted_in_every_pass():
    lifter = make_pipeline(MonomialLifter(2), CheapTransformer())
    model = KoopmanDistilledClassifier(lifter=lifter).fit(X, Y, soft_labels=LOGITS)
    assert np.sum(model.lifter_[-1].n_rows_) // 300 > 5


@both_classifiers
def test_global_pandas_output(classifier):
    lifter = make_pipeline(PCA(3, random_state=0), StandardScaler(), MonomialLifter(2))
    expected = with_lifter(classifier, lifter).fit(X, Y, soft_labels=LOGITS)
    with sklearn.config_context(transform_output="pandas"), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "soft_labels: the first choice")  # they are random
        model = with_lifter(classifier, lifter).fit(X, Y, soft_labels=LOGITS)
        assert_allclose(model.decision_function(X), expected.decision_function(X))
    assert_array_equal(model.coef_, expected.coef_)


@both_classifiers
def test_data_frame(classifier):
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    model = with_lifter(classifier, LIFTERS["PCA, monomials"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "soft_labels: the first choice")  # they are random
        model.fit(frame, Y, soft_labels=LOGITS)
        predicted = model.predict(frame)
    assert_array_equal(model.feature_names_in_, list("abcdefgh"))
    array = sklearn.clone(model).fit(X, Y, soft_labels=LOGITS)
    assert_array_equal(predicted, array.predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("hgfedcba")])


@both_classifiers
def test_memmap(classifier, tmp_path):
    on_disk = np.memmap(tmp_path / "rows", dtype=np.float64, mode="w+", shape=X.shape)
    on_disk[:] = X
    model = with_lifter(classifier, MonomialLifter(2)).fit(on_disk, Y, soft_labels=LOGITS)
    expected = with_lifter(classifier, MonomialLifter(2)).fit(X, Y, soft_labels=LOGITS)
    assert_array_equal(model.coef_, expected.coef_)
    assert_array_equal(model.predict(on_disk), expected.predict(X))


@both_classifiers
@pytest.mark.parametrize("verbose", [0, 1])
def test_progress_bar(classifier, verbose, bars):
    model = with_lifter(classifier, MonomialLifter(2)).set_params(verbose=verbose)
    model.fit(X, Y, soft_labels=LOGITS)
    titles = ["pass over the rows"]
    if not isinstance(model, EDMDClassifier):
        titles += ["distillation"]  # it includes the passes of its steps
    assert [bar.desc for bar in bars] == (titles if verbose else [])


def test_without_tqdm_there_is_no_bar(without):
    without("tqdm.auto")
    model = EDMDClassifier(verbose=1).fit(X, Y)
    assert_array_equal(model.coef_, EDMDClassifier().fit(X, Y).coef_)


@pytest.mark.filterwarnings("ignore:lbfgs stopped")
@pytest.mark.parametrize(
    "model",
    [
        EDMDClassifier(lifter=MonomialLifter(2)),
        KoopmanDistilledClassifier(lifter=MonomialLifter(2), soft_weight=0.0, max_iter=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_lifted_rows_are_never_all_in_memory(model):
    n_samples, n_observables = 60_000, 1035
    X = np.random.default_rng(0).normal(size=(n_samples, 44))
    y = (X[:, 0] > X[:, 1] * X[:, 2]).astype(int)
    tracemalloc.start()
    try:
        model.fit(X, y)
        model.predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.coef_.shape == (2, n_observables)
    assert peak < 8 * n_samples * n_observables / 3


@both_classifiers
@pytest.mark.parametrize("lifter", [MonomialLifter, "monomials", EDMDClassifier(), 3])
def test_what_is_no_lifter(classifier, lifter):
    with pytest.raises(TypeError, match=r"is not a transformer: .* MonomialLifter\(degree=2\)"):
        with_lifter(classifier, lifter).fit(X, Y, soft_labels=LOGITS)


def test_integers_between_the_steps_of_a_lifter_do_not_overflow():
    """A head that returns small integers, in which their products have no room."""
    as_bytes = FunctionTransformer(lambda X: (20 * X[:, :4]).clip(-100, 100).astype(np.int8))
    lifter = make_pipeline(as_bytes, MonomialLifter(2))
    inside = EDMDClassifier(lifter=lifter).fit(X, Y)
    outside = EDMDClassifier().fit(lifter.fit_transform(X), Y)
    assert_allclose(inside.coef_, outside.coef_, rtol=1e-9, atol=1e-12)


@both_classifiers
@pytest.mark.parametrize(
    ("lifter", "error", "message"),
    [
        (
            np.square,
            TypeError,
            r"wrap a function as sklearn\.preprocessing\.FunctionTransformer",
        ),
        (
            FunctionTransformer(lambda X: X.sum(axis=1)),
            ValueError,
            r"made an array of shape \(1,\) from one of shape \(1, 8\).*of two dimensions",
        ),
        (
            FunctionTransformer(lambda X: X[:10]),
            ValueError,
            r"made an array of shape \(10, 8\) from one of shape \(300, 8\).*from each row",
        ),
    ],
    ids=["function", "one dimension", "fewer rows"],
)
def test_what_makes_no_rows(classifier, lifter, error, message):
    with pytest.raises(error, match=message):
        with_lifter(classifier, lifter).fit(X, Y, soft_labels=LOGITS)
