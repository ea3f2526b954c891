"""What is tried: estimators and functions, with parameters and inputs in and out of range."""

import io
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from skops.io import get_untrusted_types

import sklearn_koopman as sk
from sklearn_koopman import deployment, inspection, lifting, selection
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.datasets import make_yin_yang

# Parameters that take whatever there is, or what only a later call can judge.
TAKE_ANYTHING = {"unlabeled_value", "teacher_classes", "classes"}
VALUES = (
    *(None, True, False, -1, 0, 1, 2, 3, 7, 0.5, -0.5, 1e-300, 1e-9, 1e9, 1e200, 1e308),
    *(
        np.nan,
        np.inf,
        "x",
        "",
        (),
        [],
        [1],
        [0.5, "x"],
        [np.nan],
        {},
        np.int64(2),
        np.float32(0.5),
    ),
)
ROW_KINDS = (
    *("scaled", "scaled", "offset", "constant", "twice", "limits", "int8", "float16", "bool"),
    *("float32", "float32huge", "nan", "inf", "strings", "objects", "none", "ragged", "flat"),
)
LABEL_KINDS = "strings", "large", "floats", "nan", "mixed", "none", "short", "one", "two"


def good(rows):
    return np.tanh(np.asarray(rows, dtype=np.float64)[:, [0, -1, 0]]) * [1, 2, -1]


def wrong_shape(rows):
    return np.ones((len(rows) + 1, 3))


def one_column(rows):
    return np.ones(len(rows))


def not_finite(rows):
    return np.full((len(rows), 3), np.nan)


def huge(rows):
    return 1e300 * good(rows)


def strings(rows):
    return np.full((len(rows), 3), "a")


def ragged(rows):
    return [[1.0] * (1 + i % 2) for i in range(len(rows))]


def failing(rows):
    raise ValueError("the teacher is out of order, and says so")


TEACHERS = (
    good,
    good,
    wrong_shape,
    one_column,
    not_finite,
    huge,
    strings,
    ragged,
    failing,
    None,
    3,
)


def squares_student(rng):
    """Return a fitted student of monomials, for what is made of one."""
    X = rng.normal(size=(20, 2))
    return sk.EDMDClassifier(lifter=sk.MonomialLifter(2)).fit(X, np.arange(20) % 3)


def students(rng):
    """Return students with small settings; lifters are drawn."""
    lifter = pick(
        rng, (None, sk.MonomialLifter(2), make_pipeline(PCA(1), sk.MonomialLifter(2)), PCA(1))
    )
    teacher = good if rng.uniform() < 0.6 else pick(rng, TEACHERS)
    return (
        sk.EDMDClassifier(teacher, lifter=lifter),
        sk.EDMDClassifierCV(teacher, lifter=lifter, cv=pick(rng, (None, 2))),
        sk.KoopmanDistilledClassifier(teacher, lifter=lifter, max_iter=9, tol=1e-2),
        sk.KoopmanDistilledClassifier(lifter=lifter, soft_weight=0, max_iter=9, tol=1e-2),
        sk.KoopmanDistilledClassifierCV(
            teacher, ridges=[1e-2], temperatures=[2.0], soft_weights=[0.5], cv=2, max_iter=5
        ),
        sk.TensorTrainClassifier(teacher, soft_weight=0.5 * (teacher is not None), max_iter=2),
        sk.DistilledTreeClassifier(teacher, max_depth=2, beam_width=3),
        CompressedStudent(squares_student(rng), rank=2, max_iter=1),
    )


def transformers(rng):
    """Return dictionaries and selections with small settings."""
    return (
        sk.MonomialLifter(int(rng.integers(1, 4))),
        sk.OrthogonalPolynomialLifter(int(rng.integers(1, 4))),
        sk.RBFLifter(2),
        sk.DelayLifter(),
        lifting.OpticalLifter(3),
        lifting.ProductKernelLifter(2),
        sk.ActiveSubspace(pick(rng, TEACHERS), n_components=1),
        selection.ObservableSelector(sk.MonomialLifter(2), max_observables=3),
    )


def pick(rng, values):
    """Draw one of some values, as it is."""
    return values[int(rng.integers(len(values)))]


def pick_odd(rng, share, kinds):
    """Draw one of some kinds in a share of the cases, else "plain"."""
    return pick(rng, kinds) if rng.uniform() < share else "plain"


def rows(rng, n_samples, n_features):
    """Draw rows, most of them odd; return them, and whether any method has to refuse them."""
    X = rng.normal(size=(n_samples, n_features))
    kind = pick_odd(rng, 0.4, ROW_KINDS)
    if kind == "scaled":
        X *= 10.0 ** rng.uniform(-300, 300)
    elif kind == "offset":
        X += 10.0 ** rng.uniform(0, 12)
    elif kind == "constant":
        X[:] = X[0, 0]
    elif kind == "twice":
        X[:, -1] = X[:, 0]
    elif kind == "limits":
        X = np.finfo(float).max * np.sign(X)
    elif kind in ("int8", "float16", "bool", "float32"):
        X = (3 * X).astype(kind)
    elif kind == "float32huge":
        X = (10.0 ** rng.uniform(-40, 38) * X).clip(-3e38, 3e38).astype(np.float32)
    elif kind in ("nan", "inf"):
        X.flat[rng.integers(X.size)] = float(kind)
    elif kind == "strings":
        X = np.full(X.shape, "a")
    elif kind == "objects":
        X = X.astype(object)
    elif kind == "none":
        X = None
    elif kind == "ragged":
        X = [[1.0] * (1 + i % 2) for i in range(n_samples + 1)]
    elif kind == "flat":
        X = X[:, 0]
    return X, kind in ("nan", "inf", "strings", "none", "flat", "ragged")


def labels(rng, n_samples):
    """Draw labels; return them, and whether they have to be refused."""
    kind = pick_odd(rng, 0.3, LABEL_KINDS)
    codes = rng.integers({"one": 1, "two": 2}.get(kind, 3), size=n_samples)
    y = {
        "strings": np.array(["a", "b", "c"])[codes],
        "large": codes + 2**62,
        "floats": codes + 0.25,
        "nan": np.where(codes == codes[0], np.nan, codes),
        "mixed": np.array([1, "a"] * n_samples, dtype=object)[:n_samples],
        "none": None,
        "short": codes[1:],
    }.get(kind, codes)
    must = kind in ("nan", "short", "floats") or (kind == "mixed" and n_samples > 1)
    return y, must


def weights(rng, n_samples):
    """Draw weights; return them, and whether they have to be refused."""
    kind = pick_odd(rng, 0.3, ["none", "zeros", "huge", "tiny", "negative", "nan", "short"])
    plain = rng.uniform(size=n_samples)
    return {
        "none": (None, False),
        "plain": (plain * (plain > 0.3) + (np.arange(n_samples) == 0), False),
        "zeros": (np.zeros(n_samples), True),
        "huge": (1e300 * (plain + 0.1), False),
        "tiny": (1e-300 * (plain + 0.1), False),
        "negative": (-plain - 0.1, True),
        "nan": (plain + np.nan, True),
        "short": (np.ones(n_samples + 1), True),
    }[kind]


def with_odd_parameters(rng, estimator):
    """Set some parameters to odd values; say whether one of them has to be refused."""
    names = sorted(set(estimator.get_params(deep=False)) - {"teacher", "lifter", "student"})
    must = False
    for name in rng.permutation(names)[: pick(rng, (0, 0, 0, 1, 2))]:
        value = pick(rng, (*VALUES, object()))
        estimator.set_params(**{str(name): value})
        must |= type(value) is object and name not in TAKE_ANYTHING
    return must


@dataclass
class Outcome:
    """What calls gave: arrays by name, and what the case is about."""

    what: str
    must_refuse: bool = False
    found: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)


def try_estimator(rng, outcome):
    """Fit an estimator, refit it, use it, save it."""
    is_student = rng.uniform() < 0.6
    pool = students(rng) if is_student else transformers(rng)
    estimator = pick(rng, pool)
    n_samples, n_features = int(rng.integers(1, 25)), int(rng.integers(1, 4))
    outcome.what = type(estimator).__name__
    fitted_before = rng.uniform() < 0.4
    if fitted_before:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plain = rng.normal(size=(20, 2)), np.arange(20) % 3
                estimator.fit(*plain)
            except (ValueError, TypeError):  # of a teacher; what it says is judged elsewhere
                fitted_before = False
    must = with_odd_parameters(rng, estimator)
    X, must_X = rows(rng, n_samples, n_features)
    (y, must_y), (weight, must_weight) = labels(rng, n_samples), weights(rng, n_samples)
    takes_labels = is_student and outcome.what != "CompressedStudent"
    arguments = {"sample_weight": weight} if takes_labels and _takes_weights(estimator) else {}
    must_y |= y is None and getattr(estimator, "teacher", None) is None  # nothing to learn from
    outcome.must_refuse = must | must_X | (takes_labels and must_y)
    outcome.must_refuse |= bool(arguments) and must_weight
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
    rows_again = (
        X if rng.uniform() < 0.5 else 10.0 ** rng.uniform(-200, 200) * np.asarray(X, float)
    )
    for method in ("decision_function", "predict_proba", "predict", "transform"):
        if hasattr(estimator, method):
            outcome.found[method] = getattr(estimator, method)(rows_again)
    if outcome.what.endswith(("Classifier", "CV", "Student")) and rng.uniform() < 0.3:
        file = io.BytesIO()
        deployment.save_student(estimator, file)
        trusted = get_untrusted_types(file=file)  # those of trees
        restored = deployment.load_student(file, trusted=trusted)
        if not np.array_equal(restored.predict(rows_again), outcome.found["predict"]):
            outcome.problems.append("another student comes back from a file")
    if hasattr(estimator, "get_params"):
        clone(estimator)


def _takes_weights(estimator):
    return not isinstance(estimator, sk.DistilledTreeClassifier)


def try_function(rng, outcome):
    """Call a function with whatever there is."""
    value, other = pick(rng, VALUES), pick(rng, VALUES)
    n = int(rng.integers(1, 9))
    matrix, _ = rows(rng, n, 2)
    y, _ = labels(rng, n)
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
        "make_yin_yang": lambda: make_yin_yang(n, random_state=value)[0],
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
    """Say whether two arrays have the same values, NaN among them."""
    if array.dtype.kind in "fc":
        return np.array_equal(array, other, equal_nan=True)
    return np.array_equal(array, other)


def run(seed):
    """Try the case of a seed; return what came out, and the exception that ended it, or None."""
    rng = np.random.default_rng(seed)
    outcome = Outcome("nothing yet")
    np.random.seed(seed % 2**32)  # what has random_state=None draws from it  # noqa: NPY002
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            (try_estimator if rng.uniform() < 0.8 else try_function)(rng, outcome)
        except Exception as error:
            return outcome, error
    return outcome, None
