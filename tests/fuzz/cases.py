"""The cases: estimators and functions, with parameters and inputs in and out of range."""

import io
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass, field

import dask
import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone, is_regressor
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from skops.io import get_untrusted_types

import sklearn_koopman as sk
from sklearn_koopman import deployment, inspection, lifting, selection
from sklearn_koopman.audit import audit_report
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.datasets import make_yin_yang
from sklearn_koopman.networks import LinearizedNetworkClassifier
from sklearn_koopman.rows import as_numpy
from sklearn_koopman.search import KoopmanSearchCV

from .draws import (
    VALUES,
    as_sparse,
    as_targets,
    in_chunks,
    labels,
    pick,
    rows,
    soft_labels,
    weights,
    with_odd_parameters,
)
from .oracles import try_oracle
from .teachers import good, network, teachers

SAVED = (
    *("EDMDClassifier", "EDMDClassifierCV", "TensorTrainClassifier", "CompressedStudent"),
    *("KoopmanDistilledClassifier", "KoopmanDistilledClassifierCV", "DistilledTreeClassifier"),
    *("EDMDRegressor", "KoopmanDistilledRegressor"),
)
OF_C = (
    *("number", "bits", "filter_bits", "reducer_bits", "activation_bits", "byte_range"),
    *("softmax", "name", "board"),
)
OF_AUDIT = (
    *("groups", "image_shape", "bounds", "scale", "title", "delta", "n_rows", "max_rows"),
    "random_state",
)
# Filters on rows that may be images of four pixels.
FILTERS = {"n_filters": 2, "filter_size": 1, "n_patches": 20, "random_state": 0}


def squares_student(rng):
    """Return a fitted student of monomials, for code that takes a fitted student."""
    X = rng.normal(size=(20, 2))
    return sk.EDMDClassifier(lifter=sk.MonomialLifter(2)).fit(X, np.arange(20) % 3)


def student(rng, n_features):
    """Return a student with small settings, and with a random lifter and teacher."""
    lifter = pick(
        rng,
        (
            *(None, sk.MonomialLifter(2), PCA(1)),
            make_pipeline(PCA(1), sk.MonomialLifter(2)),
            sk.ConvolutionalLifter(filters="random", **FILTERS),
        ),
    )
    teacher = teachers(rng, n_features)
    makers = (
        lambda: sk.EDMDClassifier(teacher, lifter=lifter),
        lambda: sk.EDMDClassifierCV(teacher, lifter=lifter, cv=pick(rng, (None, 2))),
        lambda: sk.KoopmanDistilledClassifier(teacher, lifter=lifter, max_iter=9, tol=1e-2),
        lambda: sk.KoopmanDistilledClassifier(
            lifter=lifter, soft_weight=0, max_iter=9, tol=1e-2
        ),
        lambda: sk.KoopmanDistilledClassifierCV(
            teacher, ridges=[1e-2], temperatures=[2.0], soft_weights=[0.5], cv=2, max_iter=5
        ),
        lambda: sk.TensorTrainClassifier(
            teacher, soft_weight=0.5 * (teacher is not None), max_iter=2
        ),
        lambda: sk.DistilledTreeClassifier(teacher, max_depth=2, beam_width=3),
        lambda: CompressedStudent(squares_student(rng), rank=2, max_iter=1),
        lambda: KoopmanSearchCV(
            teacher,
            dictionaries=[sk.MonomialLifter(1), lifter or sk.MonomialLifter(2)],
            ridges=[1e-2],
            random_state=0,
        ),
        lambda: sk.EDMDRegressor(lifter=lifter),
        lambda: sk.KoopmanDistilledRegressor(teacher or good, lifter=lifter),
        lambda: LinearizedNetworkClassifier(
            network(n_features), span=("0", "1"), lifter=lifter, epochs=int(rng.integers(2))
        ),
    )
    return pick(rng, makers)()


def transformer(rng, n_features):
    """Return a dictionary or a selection with small settings."""
    makers = (
        lambda: sk.MonomialLifter(int(rng.integers(1, 4))),
        lambda: sk.OrthogonalPolynomialLifter(int(rng.integers(1, 4))),
        lambda: sk.RBFLifter(2),
        lambda: sk.DelayLifter(),
        lambda: lifting.OpticalLifter(3),
        lambda: lifting.ProductKernelLifter(n_landmarks=2),
        lambda: sk.ConvolutionalLifter(
            pick(rng, (None, None, (n_features,), (1, n_features), (2, 2), (1, 2, 2))),
            filters=pick(rng, ("kmeans", "random", "pca", np.ones((2, 1, 1)))),
            nonlinearity=pick(rng, ("threshold", "proportion", "intensity", "magnitude")),
            mirror=bool(rng.integers(2)),
            **FILTERS,
        ),
        lambda: sk.ActiveSubspace(teachers(rng, n_features), n_components=1),
        lambda: selection.ObservableSelector(sk.MonomialLifter(2), max_observables=3),
    )
    return pick(rng, makers)()


@dataclass
class Outcome:
    """The outcome of calls: arrays by name, and the name of the case."""

    what: str
    must_refuse: bool = False
    must_accept: bool = False
    found: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)


def try_estimator(rng, outcome):
    """Fit an estimator, refit it, use it, save it."""
    is_student = rng.uniform() < 0.6
    n_samples, n_features = int(rng.integers(1, 25)), int(rng.integers(1, 5))
    estimator = (student if is_student else transformer)(rng, n_features)
    outcome.what = type(estimator).__name__
    fitted_before = rng.uniform() < 0.4
    if fitted_before:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plain = rng.normal(size=(20, n_features)), np.arange(20) % 3
                estimator.fit(*plain)
            except (ValueError, TypeError):  # from a teacher; other code judges the message
                fitted_before = False
    must = with_odd_parameters(rng, estimator)
    X, must_X = rows(rng, n_samples, n_features)
    (y, must_y), (weight, must_weight) = labels(rng, n_samples), weights(rng, n_samples)
    if is_regressor(estimator):
        y, must_y = as_targets(rng, y, must_y)
    takes_labels = is_student and outcome.what != "CompressedStudent"
    arguments = {"sample_weight": weight} if takes_labels and _takes_weights(estimator) else {}
    outcome.must_refuse = must | must_X | (bool(arguments) and must_weight)
    is_taught = _has_soft_targets(estimator)
    if takes_labels and hasattr(estimator, "teacher"):
        soft, must_soft = soft_labels(rng, n_samples)
        if soft is not None:
            arguments["soft_labels"], is_taught = soft, True
            outcome.must_refuse |= must_soft and not _has_soft_weight(estimator)
    must_y |= y is None and not is_taught
    outcome.must_refuse |= takes_labels and must_y
    if rng.uniform() < 0.05:
        X = in_chunks(rng, X)
    elif rng.uniform() < 0.1:
        X = as_sparse(rng, X)
    before, kept = vars(estimator).copy(), X.copy() if isinstance(X, np.ndarray) else X
    method = (
        "partial_fit" if hasattr(estimator, "partial_fit") and rng.uniform() < 0.2 else "fit"
    )
    if method == "partial_fit" and not fitted_before:
        arguments["classes"] = pick(rng, ([0, 1, 2], [0, 1], [], [0], ["a", "b", "c"], None))
    try:
        getattr(estimator, method)(X, y, **arguments)
    except BaseException:
        if not same(vars(estimator), before):
            outcome.problems.append("a failed fit has changed the estimator")
        raise
    finally:
        if isinstance(X, np.ndarray) and not same_array(X, kept):
            outcome.problems.append("fit has changed its input")
    for name, value in vars(estimator).items():
        if name.endswith("_") and isinstance(value, np.ndarray):
            outcome.found[name] = value
    outcome.must_refuse, was = False, outcome.must_refuse
    if was:
        outcome.problems.append("accepted what must be refused")
    use(rng, estimator, X, outcome)


def use(rng, estimator, X, outcome):
    """Predict, or transform, rows of the fit and others; save and load."""
    rows_again, factor = X, 10.0 ** rng.uniform(-200, 200)
    if rng.uniform() < 0.5:
        rows_again = factor * (X if issparse(X) else np.asarray(X, float))
    for method in ("decision_function", "predict_proba", "predict", "transform"):
        if hasattr(estimator, method):
            outcome.found[method] = as_numpy(getattr(estimator, method)(rows_again))
    if outcome.what in SAVED and rng.uniform() < 0.3:
        file = io.BytesIO()
        deployment.save_student(estimator, file)
        trusted = get_untrusted_types(file=file)  # types of trees
        restored = deployment.load_student(file, trusted=trusted)
        again = as_numpy(restored.predict(rows_again))
        if not np.array_equal(again, outcome.found["predict"]):
            outcome.problems.append("another student comes back from a file")
    if hasattr(estimator, "get_params"):
        clone(estimator)
    if hasattr(estimator, "predict") and rng.uniform() < 0.2:
        ship = pick(rng, (deployment.compile, deployment.to_c))
        outcome.found[ship.__name__] = np.asarray(ship(estimator).predict(rows_again))


def _takes_weights(estimator):
    return not isinstance(estimator, sk.DistilledTreeClassifier)


def _has_soft_targets(estimator):
    """Say whether a student can learn without labels."""
    return getattr(estimator, "teacher", None) is not None or hasattr(estimator, "module")


def _has_soft_weight(estimator):
    return hasattr(estimator, "soft_weight") or hasattr(estimator, "soft_weights")


def try_function(rng, outcome):
    """Call a function with all arguments that it takes."""
    value, other = pick(rng, VALUES), pick(rng, VALUES)
    n = int(rng.integers(1, 9))
    matrix, _ = rows(rng, n, 2)
    y, _ = labels(rng, n)
    X = rng.normal(size=(n, 2))
    calls = {
        "fidelity_score": lambda: inspection.fidelity_score(
            pick(rng, (y, matrix)), pick(rng, (y, matrix, value))
        ),
        "fidelity_certificate": lambda: (
            inspection.fidelity_certificate(y, y, delta=value).bound
        ),
        "disagreement_bound": lambda: inspection.disagreement_bound(value, other),
        "certificate_sample_size": lambda: inspection.certificate_sample_size(
            value, n_disagreements=other
        ),
        "quantise_matrix": lambda: deployment.quantise_matrix(matrix, value, scale=other),
        "unit_levels": lambda: deployment.unit_levels(value),
        "Hardware": lambda: (
            deployment.SimulatedChip(
                squares_student(rng),
                deployment.Hardware(
                    **{
                        pick(
                            rng, ("weight_bits", "levels", "additive_noise", "drift_decades")
                        ): value
                    }
                ),
                rng.normal(size=(5, 2)),
                random_state=other,
            ).coef_
        ),
        "to_c": lambda: deployment.to_c(
            squares_student(rng),
            X=pick(rng, (X, X, matrix, None)),
            **{"number": pick(rng, ("float32", "integer")), pick(rng, OF_C): value},
        ).decision_function(pick(rng, (X, matrix))),
        "compile": lambda: deployment.compile(
            pick(rng, (squares_student(rng), squares_student(rng), value))
        ).decision_function(pick(rng, (X, X[0], matrix, value))),
        "audit_report": lambda: (
            audit_report(
                squares_student(rng),
                pick(rng, (X, matrix)),
                y,
                teacher=pick(rng, (None, y, matrix, other)),
                **{"max_rows": 3, "n_rows": 2, pick(rng, OF_AUDIT): value},
            ).accuracy.value
        ),
        "make_yin_yang": lambda: make_yin_yang(n, random_state=value)[0],
        "robust_radius": lambda: np.nan_to_num(  # infinite if no change changes the class
            inspection.robust_radius(
                squares_student(rng), matrix, bounds=pick(rng, (None, (value, other)))
            ),
            nan=np.nan,
            posinf=0.0,
        ),
        "shapley_values": lambda: (
            inspection.shapley_values(
                squares_student(rng), matrix, pick(rng, (X, matrix))
            ).values
        ),
        "formula": lambda: (
            inspection.formula(squares_student(rng), pick(rng, (X, matrix))).shares
        ),
        "principal_squares": lambda: (
            selection.principal_squares(
                squares_student(rng), matrix, max_observables=value
            ).coef_
        ),
    }
    outcome.what = pick(rng, tuple(calls))
    outcome.found["result"] = np.asarray(calls[outcome.what]())


def same(after, before):
    """Say whether attributes are the same objects."""
    return after.keys() == before.keys() and all(after[name] is before[name] for name in before)


def same_array(array, other):
    """Say whether two arrays have the same values; NaN equals NaN."""
    if array.dtype.kind in "fc":
        return np.array_equal(array, other, equal_nan=True)
    return np.array_equal(array, other)


def run(seed):
    """Try the case of a seed; return its outcome, and the exception that ended it, or None."""
    rng = np.random.default_rng(seed)
    outcome = Outcome("nothing yet")
    np.random.seed(seed % 2**32)  # what has random_state=None draws from it  # noqa: NPY002
    in_one_thread = dask.config.set(scheduler="synchronous")
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), in_one_thread:
        warnings.simplefilter("ignore")
        kind = rng.uniform()
        try:
            if kind < 0.6:
                try_estimator(rng, outcome)
            elif kind < 0.75:
                try_function(rng, outcome)
            else:
                try_oracle(rng, outcome)
        except Exception as error:
            return outcome, error
    return outcome, None
