"""Regressors: against Ridge, with a teacher, and in exports and other tools."""

import io
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline as make_plain_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_koopman import (
    EDMDRegressor,
    KoopmanDistilledRegressor,
    MonomialLifter,
    RBFLifter,
    TransferSet,
)
from sklearn_koopman.deployment import (
    Hardware,
    SimulatedChip,
    detach_teacher,
    load_student,
    quantise_student,
    save_student,
    to_c,
    to_mesh,
    to_module,
    to_onnx,
)
from sklearn_koopman.inspection import cost
from sklearn_koopman.pipeline import make_pipeline

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = np.column_stack([X[:, 0] * X[:, 1], np.sin(X[:, 2]), X[:, 3]])
Y += 0.1 * RNG.normal(size=Y.shape)
WEIGHT = RNG.integers(0, 4, len(X)).astype(float)


def teacher(rows):
    """Return the targets without noise."""
    return np.column_stack([rows[:, 0] * rows[:, 1], np.sin(rows[:, 2]), rows[:, 3]])


def ridge_on_monomials(targets, weight, ridge):
    """Return Ridge with the students' penalty, on standardised monomials."""
    oracle = make_plain_pipeline(
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        Ridge(alpha=ridge * weight.sum()),
    )
    weights = {"standardscaler__sample_weight": weight, "ridge__sample_weight": weight}
    return oracle.fit(X, targets, **weights)


@pytest.mark.parametrize("targets", [Y, Y[:, 0], Y[:, :1]], ids=["three", "flat", "one column"])
def test_edmd_is_ridge(targets):
    expected = ridge_on_monomials(targets, WEIGHT, 0.01).predict(X).reshape(targets.shape)
    student = EDMDRegressor(lifter=MonomialLifter(2), ridge=0.01).fit(X, targets, WEIGHT)
    found = student.predict(X)
    assert found.shape == targets.shape
    assert_allclose(found, expected, atol=1e-9)
    assert student.coef_.shape == (targets[0].size, 15)
    lifted = MonomialLifter(2).fit_transform(X)
    matrix = student.koopman_matrix_
    assert_allclose((lifted @ matrix.T).reshape(targets.shape), expected, atol=1e-9)


@pytest.mark.parametrize("soft_weight", [0.0, 0.3, 1.0])
def test_distilled_is_ridge_on_rows_of_both_kinds(soft_weight):
    repeated = np.tile(np.arange(len(X)), 2)
    lifted = PolynomialFeatures(2, include_bias=False).fit_transform(X)
    scaler = StandardScaler().fit(lifted, sample_weight=WEIGHT)
    weights = np.concatenate([(1 - soft_weight) * WEIGHT, soft_weight * WEIGHT])
    oracle = Ridge(alpha=0.01 * WEIGHT.sum()).fit(
        scaler.transform(lifted)[repeated], np.vstack([Y, teacher(X)]), weights
    )
    student = KoopmanDistilledRegressor(
        teacher, soft_weight=soft_weight, lifter=MonomialLifter(2), ridge=0.01
    ).fit(X, Y, WEIGHT)
    expected = oracle.predict(scaler.transform(lifted))
    assert_allclose(student.predict(X), expected, atol=1e-9)


def test_given_predictions_are_those_of_the_teacher():
    asked = KoopmanDistilledRegressor(teacher, ridge=0.01).fit(X, Y)
    given = KoopmanDistilledRegressor(ridge=0.01).fit(X, Y, soft_labels=teacher(X))
    assert_array_equal(given.coef_, asked.coef_)
    alone = KoopmanDistilledRegressor(teacher, ridge=0.01).fit(X)
    expected = EDMDRegressor(ridge=0.01).fit(X, teacher(X))
    assert_allclose(alone.coef_, expected.coef_, atol=1e-12)
    flat = KoopmanDistilledRegressor(lambda rows: rows[:, 0]).fit(X)
    assert flat.predict(X).shape == (len(X),)


def test_no_ridge_and_few_rows_are_said_to_be_ill_posed():
    few = X[:9, :2], X[:9, 2:]
    with pytest.warns(
        UserWarning, match="ridge=0 with 9 rows of 14 obs.*ill-posed.*Raise ridge"
    ):
        EDMDRegressor(ridge=0, lifter=MonomialLifter(4, include_bias=False)).fit(
            X[:9, :2], X[:9, 2:]
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EDMDRegressor(lifter=MonomialLifter(4)).fit(*few)
        EDMDRegressor(ridge=0, lifter=MonomialLifter(1)).fit(*few)


def test_rank():
    student = EDMDRegressor(lifter=MonomialLifter(2), rank=1, ridge=0.01).fit(X, Y)
    assert np.linalg.matrix_rank(student.coef_, tol=1e-8) == 1
    full = EDMDRegressor(lifter=MonomialLifter(2), rank=3, ridge=0.01).fit(X, Y)
    assert student.score(X, Y) < full.score(X, Y)


def test_the_operator_beside_the_next_states():
    lifter = RBFLifter(15)
    edmd = EDMDRegressor(lifter=lifter, ridge=0.01, with_operator=True).fit(
        X[:-1], X[1:], WEIGHT[1:]
    )
    psi, psi_next = edmd.lifter_.transform(X[:-1]), edmd.lifter_.transform(X[1:])
    expected = EDMDRegressor(ridge=0.01).fit(psi, np.hstack([psi_next, X[1:]]), WEIGHT[1:])
    assert_allclose(edmd.operator_, expected.coef_[:15], atol=1e-9)
    assert_allclose(edmd.operator_intercept_, expected.intercept_[:15], atol=1e-9)
    assert_allclose(edmd.predict(X[:-1]), expected.predict(psi)[:, 15:], atol=1e-9)
    assert edmd.coef_.shape == (4, 15)
    assert not hasattr(edmd.set_params(with_operator=False).fit(X, Y), "operator_")


def test_the_operator_of_one_column_and_of_data_frames():
    pandas = pytest.importorskip("pandas")
    column = X[:, :1]
    flat = EDMDRegressor(
        ridge=0, lifter=MonomialLifter(2, include_bias=False), with_operator=True
    )
    flat.fit(column, 0.5 * column[:, 0])
    assert_allclose(flat.operator_, np.diag([0.5, 0.25]), atol=1e-9)
    assert flat.predict(column).shape == (len(X),)
    frame = pandas.DataFrame(X, columns=[*"abcd"])
    named = clone(flat).fit(frame[:-1], frame[1:])
    assert_allclose(named.operator_, clone(flat).fit(X[:-1], X[1:]).operator_)


@pytest.mark.parametrize(
    "student",
    [
        EDMDRegressor(lifter=MonomialLifter(2), ridge=0.01),
        EDMDRegressor(lifter=MonomialLifter(2), ridge=0.01, with_operator=True),
        EDMDRegressor(ridge=0.0, solver="svd"),
    ],
    ids=["states", "operator", "svd"],
)
def test_partial_fit_is_fit_on_all_rows(student):
    targets = teacher(X)[:, [0, 1, 2, 2]]
    whole = clone(student).fit(X, targets, WEIGHT)
    for rows in (slice(50), slice(50, 60), slice(60, None)):
        student.partial_fit(X[rows], targets[rows], WEIGHT[rows])
    for name in ("coef_", "intercept_", *(["operator_"] if student.with_operator else [])):
        assert_allclose(getattr(student, name), getattr(whole, name), atol=1e-9)
    with pytest.raises(ValueError, match=r"moments cannot be added|next states"):
        student.partial_fit(X, targets[:, :3])
    assert_allclose(student.coef_, whole.coef_, atol=1e-9)
    with pytest.warns(UserWarning, match="partial_fit after fit starts anew"):
        whole.partial_fit(X, targets)


def test_a_regressor_is_fitted_on_training_rows_unless_it_is_frozen():
    tree = DecisionTreeRegressor(max_depth=4, random_state=0)
    student = KoopmanDistilledRegressor(tree, soft_weight=1.0).fit(X, Y, WEIGHT)
    expected = clone(tree).fit(X, Y, WEIGHT).predict(X)
    assert_allclose(student.teacher_(X), expected)
    frozen = FrozenEstimator(clone(tree).fit(X[:40], Y[:40]))
    student = KoopmanDistilledRegressor(frozen, soft_weight=1.0, ridge=0.01).fit(X)
    expected = EDMDRegressor(ridge=0.01).fit(X, frozen.predict(X))
    assert_allclose(student.coef_, expected.coef_, atol=1e-12)
    with pytest.warns(UserWarning, match="fitted already.*FrozenEstimator"):
        KoopmanDistilledRegressor(tree.fit(X, Y)).fit(X, Y)


def test_a_torch_module():
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(4, 3)
    student = KoopmanDistilledRegressor(module, soft_weight=1.0, ridge=0.0).fit(X)
    assert_allclose(student.coef_, module.weight.detach().numpy(), atol=1e-5)
    assert clone(student).teacher is module


def test_the_teacher_of_a_pipeline_sees_what_entered():
    student = KoopmanDistilledRegressor(teacher, soft_weight=1.0, ridge=1e-3)
    pipeline = make_pipeline(PCA(4), MonomialLifter(2), student).fit(X, Y)
    inside = make_plain_pipeline(PCA(4), MonomialLifter(2))
    expected = KoopmanDistilledRegressor(teacher, soft_weight=1.0, ridge=1e-3, lifter=inside)
    assert_allclose(pipeline.predict(X), expected.fit(X, Y).predict(X), atol=1e-9)
    assert pipeline.score(X, Y) > 0.9
    search = GridSearchCV(
        pipeline, {"koopmandistilledregressor__ridge": [1e-3, 1e3]}, cv=3, error_score="raise"
    ).fit(X, Y)
    assert search.best_params_ == {"koopmandistilledregressor__ridge": 1e-3}
    plain = make_plain_pipeline(PCA(2), KoopmanDistilledRegressor(teacher))
    with pytest.raises(ValueError, match="three ways out"):
        plain.fit(X, Y)


@pytest.mark.parametrize("keep_labels", [False, True])
def test_rows_of_a_transfer_set(keep_labels):
    student = KoopmanDistilledRegressor(
        teacher,
        soft_weight=0.4,
        ridge=0.0,
        transfer_set=TransferSet(np.negative, keep_labels=keep_labels),
    ).fit(X, Y, WEIGHT)
    rows = np.vstack([X, -X])
    weight = np.tile(WEIGHT, 2)
    has_target = np.repeat([1.0, float(keep_labels)], len(X))
    hard, soft = 0.6 * weight * has_target, 0.4 * weight
    hard, soft = hard / (weight * has_target).sum(), soft / weight.sum()
    oracle = LinearRegression().fit(
        np.vstack([rows, rows]),
        np.vstack([Y, Y, teacher(rows)]),
        np.concatenate([hard, soft]),
    )
    assert_allclose(student.coef_, oracle.coef_, atol=1e-9)


def test_sparse_rows():
    rows = np.where(np.abs(X) > 1, X, 0.0)
    wide = csr_array(np.hstack([rows, np.zeros((120, 1996))]))
    for student in (
        EDMDRegressor(ridge=0.01),
        KoopmanDistilledRegressor(ridge=0.01, soft_weight=0.0),
    ):
        expected = student.fit(rows, Y).predict(rows)
        assert_allclose(student.fit(csr_array(rows), Y).predict(csr_array(rows)), expected)
        assert_allclose(student.fit(wide, Y).predict(wide), expected, atol=1e-7)


def test_dtypes():
    for dtype in (np.float32, np.float64):
        student = EDMDRegressor(lifter=MonomialLifter(2), ridge=1e-3)
        student.fit(X.astype(dtype), Y)
        assert student.coef_.dtype == student.predict(X.astype(dtype)).dtype == dtype
    assert student.fit(X, Y.astype(int)).coef_.dtype == np.float64


STUDENT = make_pipeline(
    PCA(4), MonomialLifter(2), KoopmanDistilledRegressor(teacher, ridge=1e-3)
)


def test_files_and_pickles():
    student = clone(STUDENT).fit(X, Y)
    for given in (student, EDMDRegressor().fit(X, Y[:, 0])):
        bare = detach_teacher(given)
        assert_array_equal(pickle.loads(pickle.dumps(bare)).predict(X), given.predict(X))
    pytest.importorskip("skops")
    for given in (
        student,
        EDMDRegressor(lifter=MonomialLifter()).fit(X, Y[:, 0]),
        EDMDRegressor(lifter=RBFLifter(5), with_operator=True).fit(X[1:], X[:-1]),
    ):
        file = io.BytesIO()
        save_student(given, file)
        assert_array_equal(load_student(file).predict(X), given.predict(X))


def test_forms():
    student = clone(STUDENT).fit(X, Y)
    assert cost(student, X[:1]).parameters == 4 * 4 + 4 + 3 * 15 + 3
    for refuses in (to_c, quantise_student, to_mesh):
        with pytest.raises(
            TypeError, match=r"Regressor is a regressor, .* classifiers only: .* C"
        ):
            refuses(student, X=X) if refuses is to_c else refuses(student, X)
    with pytest.raises(TypeError, match=r"classifiers only: .* no mesh, no simulated chip"):
        SimulatedChip(student, Hardware(multiplicative_noise=0.1))
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        assert_allclose(to_module(student)(torch.from_numpy(X)), student.predict(X), atol=1e-9)


@pytest.mark.parametrize("targets", [Y, Y[:, 0]], ids=["three", "flat"])
def test_onnx(targets):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    for student in (
        make_pipeline(PCA(4), MonomialLifter(2), EDMDRegressor()),
        EDMDRegressor(lifter=MonomialLifter(2)),
    ):
        student.fit(X, targets)
        session = runtime.InferenceSession(to_onnx(student, X[:1]).SerializeToString())
        (found,) = session.run(["variable"], {"X": X})
        assert_allclose(found.reshape(targets.shape), student.predict(X), atol=1e-9)


def test_a_fit_that_fails_leaves_the_regressor_as_it_was():
    student = KoopmanDistilledRegressor(teacher).fit(X, Y)
    before = student.predict(X)
    with pytest.raises(ValueError, match="The teacher predicts 3 numbers"):
        student.fit(X, Y[:, :2])
    assert_array_equal(student.predict(X), before)


@pytest.mark.parametrize(
    ("student", "given", "error", "message"),
    [
        (KoopmanDistilledRegressor(), {}, ValueError, "soft_weight=0.5 needs soft targets"),
        (KoopmanDistilledRegressor(soft_weight=2.0), {}, ValueError, "'soft_weight' parameter"),
        (
            KoopmanDistilledRegressor(teacher),
            {"y": Y[:, :2]},
            ValueError,
            "The teacher predicts 3 numbers for a row, and y has 2",
        ),
        (
            KoopmanDistilledRegressor(soft_weight=0.0),
            {"y": None},
            ValueError,
            "requires y to be passed",
        ),
        (
            KoopmanDistilledRegressor(DummyRegressor()),
            {"y": None},
            ValueError,
            "would have to be fitted on targets",
        ),
        (
            KoopmanDistilledRegressor(LogisticRegression()),
            {},
            TypeError,
            "LogisticRegression does not predict numbers.*KoopmanDistilledClassifier",
        ),
        (KoopmanDistilledRegressor(KMeans), {}, TypeError, "is the class KMeans"),
        (
            KoopmanDistilledRegressor(FrozenEstimator(Ridge())),
            {},
            (ValueError, NotFittedError),
            "not fitted yet",
        ),
        (
            KoopmanDistilledRegressor(),
            {"soft_labels": teacher(X)[:5]},
            ValueError,
            "inconsistent numbers of samples",
        ),
        (
            KoopmanDistilledRegressor(),
            {"soft_labels": np.full((120, 3), np.nan)},
            ValueError,
            "soft_labels contains NaN",
        ),
        (
            KoopmanDistilledRegressor(teacher, transfer_set=TransferSet(np.negative)),
            {"soft_labels": teacher(X)},
            ValueError,
            "transfer_set makes more rows",
        ),
        (EDMDRegressor(), {"y": Y[None]}, ValueError, "dim 3|shape"),
        (EDMDRegressor(), {"y": Y[:, :0]}, ValueError, "0 feature|shape"),
        (
            EDMDRegressor(with_operator=True),
            {},
            ValueError,
            "needs the next states as y, with the same columns as X: X has 4 columns, but y has 3",
        ),
        (
            make_pipeline(MonomialLifter(2), EDMDRegressor(with_operator=True)),
            {"y": X},
            ValueError,
            r"Put them into the regressor: EDMDRegressor\(lifter=make_pipeline",
        ),
        (
            EDMDRegressor(),
            {"X": X.reshape(6, 20, 4), "y": X.reshape(6, 20, 4)},
            ValueError,
            r"Join the states of all trajectories: X.reshape\(-1, 4\)",
        ),
        (EDMDRegressor(with_operator=1), {}, ValueError, "'with_operator' parameter"),
        (EDMDRegressor(ridge=-1.0), {}, ValueError, "'ridge' parameter of EDMDRegressor"),
    ],
    ids=lambda value: None if isinstance(value, dict | type) else str(value)[:40],
)
def test_errors(student, given, error, message):
    with pytest.raises(error, match=message):
        student.fit(**({"X": X, "y": Y} | given))


def test_dask_arrays_are_refused():
    array = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="EDMDRegressor takes no dask arrays"):
        EDMDRegressor().fit(array.from_array(X, chunks=(40, 4)), Y)
