"""Random calls of the compiled kernel, with arrays that fit and arrays that do not.

``make sanitize`` runs it where the kernels are compiled with the sanitizers of addresses and of
undefined behaviour, which end the process at the first finding. The calls that fits make are
recorded and made again with something changed in them: this goes through private modules, as it
looks for what no public door lets through.
"""

import sys
import warnings
from types import SimpleNamespace

import numpy as np

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.lifting import ConvolutionalLifter
from sklearn_koopman.rows import _factors, _kernel, _power_sums  # type: ignore[attr-defined]

FUNCTIONS = [
    name
    for name in dir(_kernel)
    if name.startswith(("add_", "set_")) and callable(getattr(_kernel, name))
]


def fit(rng):
    """Fit students whose rows are multiplied, summed and pooled by the kernels."""
    n_samples, n_features = int(rng.integers(2, 700)), int(rng.integers(1, 7))
    dtype = (np.float32, np.float64)[int(rng.integers(2))]
    X = rng.normal(size=(n_samples, n_features)).astype(dtype)
    y = np.arange(n_samples) % int(rng.integers(2, 12))
    lifter = MonomialLifter(int(rng.integers(1, 4)), interaction_only=bool(rng.integers(2)))
    EDMDClassifier(lifter=lifter, ridge=1e-2).fit(X, y).predict(X)
    student = KoopmanDistilledClassifier(soft_weight=0.5, lifter=lifter, max_iter=3, tol=1.0)
    student.fit(X, y, soft_labels=np.eye(int(y.max()) + 1)[y]).predict_proba(X)
    images = rng.normal(size=(5, 49)).astype(dtype)
    filters = ConvolutionalLifter((7, 7), filters="random", n_filters=3, random_state=0)
    filters.fit_transform(images)


def recorded(rng, n_fits):
    """Return copies of the arguments that the kernel receives in fits."""
    calls: list = []

    def record(name):
        def call(*args):
            calls.append((name, [copied(arg) for arg in args]))
            return getattr(_kernel, name)(*args)

        return call

    recorder = SimpleNamespace(**{name: getattr(_kernel, name) for name in dir(_kernel)})
    vars(recorder).update({name: record(name) for name in FUNCTIONS})
    modules = [module for module in (_factors, _power_sums) if hasattr(module, "_kernel")]
    for module in modules:
        module._kernel = recorder
    try:
        for _ in range(n_fits):
            fit(rng)
        powers = rng.normal(size=(2000, 10))  # so many that sums of powers are cheaper
        EDMDClassifier(lifter=MonomialLifter(3)).fit(powers, np.arange(2000) % 3)
    finally:
        for module in modules:
            module._kernel = _kernel
    return calls


def copied(arg):
    return arg.copy(order="K") if isinstance(arg, np.ndarray) else arg


def changed(rng, arg):
    """Return an argument that is odd: another form, or values out of range."""
    if not isinstance(arg, np.ndarray):
        return (None, -1, 0, 2**62, 1e300, np.nan)[int(rng.integers(6))]
    kind, axis = int(rng.integers(6)), int(rng.integers(max(arg.ndim, 1)))
    if kind == 0:
        return arg.astype((np.float32, np.float64, np.int32, np.int64)[int(rng.integers(4))])
    if kind == 1:
        return np.ascontiguousarray(np.take(arg, np.arange(arg.shape[axis] // 2), axis=axis))
    if kind == 2:
        return np.concatenate([arg, arg], axis=axis)
    if kind == 3:
        return arg[(slice(None),) * axis + (slice(None, None, 2),)]
    if kind == 4 and arg.size:
        largest = np.iinfo(arg.dtype).max if arg.dtype.kind == "i" else np.inf
        arg.flat[rng.integers(arg.size)] = (-2, -1, 10**6, largest)[int(rng.integers(4))]
    return arg


def main(n_fits=30, n_calls=20_000):
    """Make calls that are right, then as many that may be wrong, with vectors of each width."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    refused = 0
    calls = recorded(rng, n_fits)
    assert {name for name, _ in calls} == set(FUNCTIONS), {name for name, _ in calls}
    by_name = [[args for name, args in calls if name == each] for each in FUNCTIONS]
    for n_bytes in (16, 32, 64):
        if not _kernel.use_vectors(n_bytes):
            continue
        for _ in range(n_fits):
            fit(rng)
        for number in range(n_calls):
            which = number % len(FUNCTIONS)
            known = by_name[which]
            args = [copied(arg) for arg in known[int(rng.integers(len(known)))]]
            for place in rng.integers(len(args), size=int(rng.integers(1, 3))):
                args[place] = changed(rng, args[place])
            try:
                getattr(_kernel, FUNCTIONS[which])(*args)
            except (ValueError, TypeError, OverflowError, MemoryError):
                refused += 1
    print(
        f"{_kernel.__file__}: {n_calls} odd calls of each width, {refused} refused; no finding"
    )


if __name__ == "__main__":
    sys.exit(main())
