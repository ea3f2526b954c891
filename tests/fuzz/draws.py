"""Random rows, labels, weights, soft labels and parameters, in and out of range."""

import dask.array as dask_array
import numpy as np
from scipy.sparse import csr_array

# Parameters that take any value, or a value that only a later call can judge.
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
SOFT_KINDS = (
    *(
        "logits",
        "proba",
        "float32",
        "certain",
        "list",
        "one column",
        "one number",
        "two columns",
    ),
    *("short", "nan", "inf", "huge", "strings", "objects", "deep"),
)
# The parts of an estimator, which are drawn with it.
NOT_ODD = {"teacher", "lifter", "student", "module", "span"}
LABEL_KINDS = "strings", "large", "floats", "nan", "mixed", "none", "short", "one", "two"


def pick(rng, values):
    """Draw one of some values without converting it."""
    return values[int(rng.integers(len(values)))]


def pick_odd(rng, share, kinds):
    """Draw one of some kinds in a share of the cases, and "plain" in the others."""
    return pick(rng, kinds) if rng.uniform() < share else "plain"


def rows(rng, n_samples, n_features):
    """Draw rows, mostly odd ones; return them, and whether every method has to refuse them."""
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


def as_targets(rng, y, must):
    """Return labels as the targets of a regressor, and whether they have to be refused."""
    if y is None or y.dtype.kind not in "iuf":
        return y, must
    must &= y.dtype.kind != "f" or not np.isfinite(y).all()  # fractions are allowed
    return (y if rng.uniform() < 0.5 else np.column_stack([y, -y, y])), must


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


def soft_labels(rng, n_samples):
    """Draw soft labels, mostly None; return them, and whether they have to be refused."""
    kind = pick_odd(rng, 0.3, SOFT_KINDS)
    logits = rng.normal(size=(n_samples, 3))
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = {
        "plain": None,
        "logits": logits,
        "proba": proba,
        "float32": proba.astype(np.float32),
        "certain": np.eye(3)[rng.integers(3, size=n_samples)],
        "list": logits.tolist(),
        "one column": logits[:, :1],
        "one number": logits[:, 0],
        "two columns": logits[:, :2],
        "short": logits[1:],
        "nan": logits + np.nan,
        "inf": np.where(logits == logits.max(), np.inf, logits),
        "huge": 1e300 * logits,
        "strings": np.full(logits.shape, "a"),
        "objects": logits.astype(object),
        "deep": logits[..., None],
    }[kind]
    return found, kind in ("short", "nan", "inf", "strings", "deep")


def in_chunks(rng, X):
    """Return rows as a dask array, if possible."""
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "fiu":
        return X
    return dask_array.from_array(X, chunks=(int(rng.integers(1, len(X) + 1)), -1))


def as_sparse(rng, X):
    """Return rows in CSR, sometimes with many columns, if possible."""
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "fiu":
        return X
    n_more = pick(rng, (0, 1500))
    return csr_array(np.pad(X.astype(np.result_type(X, np.float32)), ((0, 0), (0, n_more))))


def with_odd_parameters(rng, estimator):
    """Set some parameters to odd values; say whether one of them has to be refused."""
    names = sorted(set(estimator.get_params(deep=False)) - NOT_ODD)
    must = False
    for name in rng.permutation(names)[: pick(rng, (0, 0, 0, 1, 2))]:
        value = pick(rng, (*VALUES, object()))
        estimator.set_params(**{str(name): value})
        must |= type(value) is object and name not in TAKE_ANYTHING
    return must
