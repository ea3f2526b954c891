"""No wrong answer without a word, no bare error: kinds of faults that random inputs found.

Each kind is tried on every estimator that can have it.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline

import sklearn_koopman as sk
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.datasets import make_yin_yang
from sklearn_koopman.deployment import Hardware, SimulatedChip, quantise_matrix
from sklearn_koopman.inspection import (
    certificate_sample_size,
    disagreement_bound,
    distillation_report,
    fidelity_certificate,
    fidelity_score,
)
from sklearn_koopman.lifting import OpticalLifter, ProductKernelLifter
from sklearn_koopman.pipeline import make_pipeline as ours
from sklearn_koopman.selection import principal_squares
from sklearn_koopman.teachers import as_teacher

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
y = np.arange(40) % 3
P = np.eye(3)[y]
MONOMIALS = sk.MonomialLifter(2)
SQUARES = sk.EDMDClassifier(lifter=MONOMIALS).fit(X, y)


def linear_teacher(rows):
    return np.asarray(rows)[:, :3]


STUDENTS = [
    sk.EDMDClassifier(lifter=MONOMIALS),
    sk.EDMDClassifierCV(lifter=MONOMIALS),
    sk.KoopmanDistilledClassifier(soft_weight=0, lifter=MONOMIALS, tol=1e-2),
    sk.KoopmanDistilledClassifierCV(
        soft_weights=[0], ridges=[1e-2], cv=2, lifter=MONOMIALS, tol=1e-2
    ),
    sk.TensorTrainClassifier(soft_weight=0, rank=2, max_iter=1, random_state=0),
    CompressedStudent(SQUARES),
]


def fresh(student):
    """Return an unfitted student. If it is a compressed one, the student inside stays fitted."""
    return type(student)(**student.get_params(deep=False))


def raised_by(function, *args):
    """Return the message of the ValueError that a call raises, None if it raises none."""
    try:
        function(*args)
    except ValueError as error:
        return str(error)
    return None


by_name = {"ids": lambda case: type(case).__name__}
every_student = pytest.mark.parametrize("student", STUDENTS, **by_name)
huge = pytest.mark.filterwarnings("ignore:(overflow|invalid|divide):RuntimeWarning")


@huge
@every_student
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["decision_function", "predict_proba", "predict"])
def test_rows_whose_logits_overflow_are_refused(student, dtype, method):
    student = fresh(student).fit(X.astype(dtype), y)
    if not hasattr(student, method):
        pytest.skip("has no probabilities")
    rows = X[:4].astype(dtype)
    rows[1:3] *= np.finfo(dtype).max / 10
    with pytest.raises(
        ValueError, match=r"not finite: .* 2 of 4 rows, for example row 1.*Scale the feat"
    ):
        getattr(student, method)(rows)
    assert np.isfinite(student.decision_function(rows[[0, 3]])).all()


@huge
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_student
@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_to_rows_of_any_size_is_finite_or_refused(student, scale, dtype):
    rows = (X * min(scale, 1e38 if dtype == np.float32 else np.inf)).astype(dtype)
    student = fresh(student).fit(X, y)
    before = vars(student).copy()
    error = raised_by(student.fit, rows, y)
    if error is not None:
        assert len(error) > 60  # long enough to say what to do
        assert vars(student) == before
    else:
        for name in ("coef_", "intercept_"):
            assert np.isfinite(getattr(student, name, 0.0)).all()
        assert np.isfinite(student.decision_function(rows)).all()


@huge
@pytest.mark.parametrize("size", [1e100, 1e200])
def test_huge_soft_labels_in_float32(size):
    student = sk.EDMDClassifier(teacher_output="logits")
    with pytest.raises(ValueError, match=r"coef_.* is not finite.*soft_labels"):
        student.fit(X.astype(np.float32), y, soft_labels=size * P)
    assert not hasattr(student, "coef_")


LIFTERS = [
    OpticalLifter(5, scale=1e200, random_state=0),
    sk.MonomialLifter(9),
    sk.OrthogonalPolynomialLifter(9),
]


@huge
@pytest.mark.parametrize("lifter", LIFTERS, **by_name)
def test_observables_that_overflow_are_refused(lifter):
    lifter = clone(lifter).fit(X)
    with pytest.raises(ValueError, match="observables are not finite"):
        lifter.transform(1e100 * X)


@huge
def test_what_a_lifter_learns_is_finite():
    with pytest.raises(ValueError, match="not finite"):
        sk.RBFLifter(3, random_state=0).fit(1e-160 * X)
    rows = (1e-30 * X).astype(np.float32)
    with pytest.raises(ValueError, match="not finite"):
        sk.RBFLifter(3, random_state=0).fit_transform(rows)


NOISY = [
    sk.EDMDClassifier(),
    sk.KoopmanDistilledClassifier(soft_weight=0),
    sk.KoopmanDistilledClassifier(soft_weight=0, solver="adam", max_iter=1),
]


@pytest.mark.parametrize("student", NOISY, **by_name)
@pytest.mark.parametrize("noise", ["multiplicative_noise", "additive_noise"])
def test_noise_that_overflows_is_named(student, noise):
    with pytest.raises(ValueError, match=rf"{noise}=1e\+200.*overflows"):
        clone(student).set_params(**{noise: 1e200}).fit(X, y)


RANDOM = [
    lambda seed: ProductKernelLifter(random_state=seed).fit(X),
    lambda seed: sk.RBFLifter(2, random_state=seed).fit(X),
    lambda seed: OpticalLifter(2, random_state=seed).fit(X),
    lambda seed: sk.ActiveSubspace(linear_teacher, random_state=seed).fit(X),
    lambda seed: sk.DistilledTreeClassifier(linear_teacher, random_state=seed).fit(X, y),
    lambda seed: sk.TensorTrainClassifier(soft_weight=0, random_state=seed).fit(X, y),
    lambda seed: CompressedStudent(SQUARES, loss="distillation", random_state=seed).fit(X),
    lambda seed: CompressedStudent(SQUARES, random_state=seed).fit(X),  # draws nothing
    lambda seed: sk.KoopmanDistilledClassifier(soft_weight=0, random_state=seed).fit(X, y),
    lambda seed: make_yin_yang(10, random_state=seed),
    lambda seed: SimulatedChip(SQUARES, Hardware(), X, random_state=seed),
]


@pytest.mark.parametrize("seed", [-1, 2**32, "x", 0.5])
@pytest.mark.parametrize("draw", RANDOM)
def test_a_bad_seed_is_named(draw, seed):
    with pytest.raises(
        ValueError, match=rf"random_state={seed!r}: must be an int in the range"
    ):
        draw(seed)


@pytest.mark.parametrize("seeds", ["x", None, -1, [0, -1], [0.5], []])
def test_seeds_of_a_report(seeds):
    student = sk.KoopmanDistilledClassifier(linear_teacher)
    with pytest.raises(ValueError, match="random_states"):
        distillation_report(student, X, y, X_test=X, y_test=y, random_states=seeds)


def test_failed_refits_of_a_compressed_student():
    small = CompressedStudent(SQUARES).fit(X)
    before = small.predict(X)
    with pytest.raises(ValueError, match=r"X has 4 features, but .* expecting 3"):
        small.fit(np.ones((5, 4)))
    assert small.n_features_in_ == 3
    assert_array_equal(small.predict(X), before)


@pytest.mark.parametrize(
    ("eps", "k"), [(1e-9, 3), (1e-9, 0), (1e-12, 100), (0.5, 10**12), (0.01, 3), (0.9, 1)]
)
def test_sample_sizes_are_the_least_by_their_own_bound(eps, k):
    n = certificate_sample_size(eps, n_disagreements=k)
    assert disagreement_bound(k, n) <= eps * (1 + 1e-9)
    assert disagreement_bound(k, n - 1) > eps * (1 - 1e-9)


def test_a_count_without_an_exact_float_is_refused():
    with pytest.raises(ValueError, match="n_disagreements=10000000000000000000"):
        certificate_sample_size(0.5, n_disagreements=10**19)


LABELS = {
    "types": (
        np.array([1, "a"] * 20, dtype=object),
        "labels of different types, for example 1 and 'a'",
    ),
    "None": (np.array([None, "a", "b", "b"] * 10, dtype=object), "missing values|NaN|None"),
}


@pytest.mark.parametrize(("labels", "message"), LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(
    "student", [*STUDENTS[:5], sk.DistilledTreeClassifier(linear_teacher)], **by_name
)
def test_labels_that_cannot_be_sorted_are_refused(student, labels, message):
    with pytest.raises(ValueError, match=message):
        clone(student).fit(X, labels)


def test_missing_labels_of_pandas():
    pandas = pytest.importorskip("pandas")
    labels = pandas.Series([pandas.NA, "a", "b", "b"] * 10, dtype=object)
    with pytest.raises(ValueError, match=r"missing values|NaN"):
        sk.EDMDClassifier().fit(X, labels)


@pytest.mark.parametrize("function", [fidelity_score, fidelity_certificate])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[1, 2], [3]], "y_teacher has rows of different lengths"),
        ([None] * 5, "y_teacher has missing values"),
        (np.array([1, "a"], dtype=object), "y_teacher has labels of different types"),
    ],
)
def test_labels_that_cannot_be_compared(function, labels, message):
    with pytest.raises(ValueError, match=message):
        function(labels, labels)


@pytest.mark.parametrize(
    "settings",
    [
        {"multiplicative_noise": "x"},
        {"multiplicative_noise": True},
        {"drift_decades": None},
        {"feedback": "x"},
        {"levels": "x"},
        {"scale": "x"},
        {"scale": ["row"]},
        {"photoelectrons": "x"},
    ],
)
def test_hardware_that_there_is_not(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=rf"{name}=.*: must be"):
        Hardware(**settings)
    if name in ("feedback", "levels", "scale"):
        with pytest.raises(ValueError, match=rf"{name}=.*: must be"):
            quantise_matrix(np.eye(2), 4, **{name: value})


@pytest.mark.parametrize("cv", [None, 2])
def test_constant_observables_leave_the_intercept(cv):
    labels = np.array([0, 1, 1, 1] * 5)
    student = sk.EDMDClassifierCV(cv=cv).fit(np.ones((20, 2)), labels)
    assert_array_equal(student.coef_, 0)
    assert_allclose(student.intercept_, [0.25, 0.75])


@huge
@pytest.mark.parametrize(
    "fit",
    [
        lambda rows: sk.ActiveSubspace(lambda Z: np.tanh(Z[:, :2])).fit(rows),
        lambda rows: principal_squares(SQUARES, rows),
        lambda rows: sk.EDMDClassifier(lifter=make_pipeline(PCA(1), MONOMIALS)).fit(rows, y),
        lambda rows: sk.EDMDClassifier(rank=1).fit(rows, y),
        lambda rows: sk.EDMDClassifier(rank=1, solver="svd").fit(rows, y),
        lambda rows: CompressedStudent(SQUARES).fit(rows),
    ],
)
@pytest.mark.parametrize("scale", [1e160, 1e300])
def test_linear_algebra_that_fails_says_what_to_do(fit, scale):
    with pytest.raises(ValueError, match="Scale the features"):
        fit(scale * X)


def test_an_active_subspace_of_rows_without_digits():
    with pytest.raises(ValueError, match=r"vanish in float64.*Scale the features"):
        sk.ActiveSubspace(linear_teacher).fit(1e-200 * X)


@pytest.mark.parametrize("student", STUDENTS[:5], **by_name)
@pytest.mark.parametrize("teacher", [3, {}, "a teacher"])
def test_a_teacher_that_is_none_is_refused_where_it_is_not_needed(student, teacher):
    with pytest.raises(TypeError, match=r"teacher=.*must be"):
        clone(student).set_params(teacher=teacher).fit(X, y)
    with pytest.raises(TypeError, match=r"teacher=.*must be"):
        clone(student).set_params(teacher=teacher).fit(X, y, soft_labels=P)


def test_what_a_teacher_cannot_take_or_give():
    with pytest.raises(ValueError, match="expected rows, got the scalar"):
        as_teacher(lambda rows: rows)(3.0)
    ragged = as_teacher(lambda rows: [[1, 2], [3]])
    with pytest.raises(ValueError, match="one shape for all rows"):
        ragged(X[:2])


@pytest.mark.parametrize("student", [STUDENTS[1], STUDENTS[3]], **by_name)
def test_groups_stay_together(student):
    groups = np.arange(40) // 4
    seen = []

    class Watched(GroupKFold):
        def split(self, X, y=None, groups=None):
            for train, test in super().split(X, y, groups):
                seen.append((train, test))
                yield train, test

    clone(student).set_params(cv=Watched(2)).fit(X, y, groups=groups)
    assert len(seen) == 2
    assert all(not set(groups[train]) & set(groups[test]) for train, test in seen)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clone(student).set_params(cv=GroupKFold(2)).fit(X, y, groups=groups[1:])


@pytest.mark.parametrize("make", [lambda student: student, make_pipeline, ours])
@pytest.mark.parametrize("student", [STUDENTS[1], STUDENTS[3]], **by_name)
def test_groups_are_routed(student, make):
    """Metadata routing passes them through pipelines and other folds without a request."""
    groups, folds = np.arange(40) // 4, [(np.arange(20), np.arange(20, 40))]
    seen = []

    class Watched(GroupKFold):
        def split(self, X, y=None, groups=None):
            seen.append(groups)
            return super().split(X, y, groups)

    model = make(clone(student).set_params(cv=Watched(2)))
    with config_context(enable_metadata_routing=True):
        model.fit(X, y, groups=groups)
        cross_validate(model, X, y, cv=folds, params={"groups": groups}, error_score="raise")
    assert len(seen) == 2
    assert_array_equal(seen[0], groups)
    assert_array_equal(seen[1], groups[:20])


def test_groups_need_a_splitter():
    with pytest.raises(ValueError, match=r"cv=None leaves one row out.*GroupKFold"):
        sk.EDMDClassifierCV().fit(X, y, groups=y)


@pytest.mark.parametrize("chunks", [(20, 19, 1), (1, 39), (1,) * 40])
def test_chunks_of_one_row(chunks):
    dask_array = pytest.importorskip("dask.array")
    student = sk.EDMDClassifier(lifter=sk.MonomialLifter(3), ridge=1e-2)
    rows = dask_array.from_array(X, chunks=(chunks, 3))
    assert_allclose(student.fit(rows, y).coef_, clone(student).fit(X, y).coef_, atol=1e-9)


WEIGHTED = [
    *(sk.EDMDClassifier(ridge=1e-2), sk.EDMDClassifier(ridge=1e-2, lifter=MONOMIALS)),
    sk.EDMDClassifierCV(lifter=MONOMIALS, cv=2),
    sk.KoopmanDistilledClassifier(soft_weight=0, lifter=MONOMIALS, ridge=1e-2),
    sk.TensorTrainClassifier(soft_weight=0, rank=2, max_iter=2, random_state=0),
    sk.ObservableSelector(MONOMIALS, max_observables=3),
]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("model", WEIGHTED, **by_name)
def test_only_ratios_of_weights_matter(model, dtype):
    """Weights that single precision cannot hold, or whose squares overflow, are valid too."""
    rows, weight = X.astype(dtype), np.arange(40) % 3 + 0.1

    def found(scale):
        fitted = clone(model).fit(rows, y, sample_weight=scale * weight)
        if hasattr(fitted, "transform"):
            return fitted.transform(rows)
        return fitted.predict_proba(rows) if hasattr(fitted, "predict_proba") else fitted.coef_

    for power in (-960, -140, 130, 960):
        assert_allclose(found(2.0**power), found(1.0), atol=1e-3)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize(
    "student",
    [sk.EDMDClassifier(), sk.KoopmanDistilledClassifier(soft_weight=0, solver="adam")],
    **by_name,
)
def test_weights_that_later_ones_are_compared_with_are_not_scaled(student, scale):
    with pytest.raises(ValueError, match=r"Rows of later calls are compared .* in the range"):
        student.partial_fit(X, y, classes=np.unique(y), sample_weight=np.full(40, scale))


def test_arrays_of_dask_come_into_memory_where_rows_are_not_summed():
    dask_array = pytest.importorskip("dask.array")
    rows = dask_array.from_array(X, chunks=(15, 3))
    tree = sk.DistilledTreeClassifier(linear_teacher, max_depth=2, random_state=0)
    lazy = clone(tree).fit(rows, dask_array.from_array(y, chunks=7), teacher_X=rows)
    assert_array_equal(lazy.predict(X), tree.fit(X, y).predict(X))
