"""Random calls of the compiled kernels, with arrays that fit and arrays that do not.

``make sanitize`` runs this script with kernels that are compiled with the sanitizers of addresses
and of undefined behaviour, which end the process at the first finding. The script records the calls
that fits make, changes something in them, and makes them again. It uses private modules, because
the public functions would refuse many of these calls.
"""

import sys
import warnings
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.lifting import ConvolutionalLifter
from sklearn_koopman.lifting._filtering import (  # type: ignore[attr-defined]
    _pooling,
    _responses,
)
from sklearn_koopman.rows import _factors, _kernel  # type: ignore[attr-defined]
from sklearn_koopman.rows._sums import _power_sums


@dataclass(frozen=True)
class Kernel:
    """A compiled module, the modules that call it, and its name in these modules."""

    module: ModuleType
    callers: tuple
    name: str

    @property
    def functions(self):
        """The names of the functions that compute."""
        begin = "add_", "set_", "lift"
        return [name for name in dir(self.module) if name.startswith(begin)]


KERNELS = (
    Kernel(_kernel, (_factors, _power_sums), "_kernel"),
    Kernel(_pooling, (_responses,), "_pooling"),
)
FUNCTIONS = [(kernel.module, name) for kernel in KERNELS for name in kernel.functions]
ODD: tuple[Any, ...] = (
    *(None, -1, 0, 2**62, 1e300, np.nan, "x", "intensity", "proportion", True),
    *((0, -1), (-1, 0), (2**62, 2**62), (1, 2**40), (0, 0), (1, 1, 1)),
)


def fit(rng):
    """Fit students for whose rows the kernels multiply, sum and pool."""
    n_samples, n_features = int(rng.integers(2, 700)), int(rng.integers(1, 7))
    dtype = (np.float32, np.float64)[int(rng.integers(2))]
    X = rng.normal(size=(n_samples, n_features)).astype(dtype)
    y = np.arange(n_samples) % int(rng.integers(2, 12))
    lifter = MonomialLifter(int(rng.integers(1, 4)), interaction_only=bool(rng.integers(2)))
    EDMDClassifier(lifter=lifter, ridge=1e-2).fit(X, y).predict(X)
    student = KoopmanDistilledClassifier(soft_weight=0.5, lifter=lifter, max_iter=3, tol=1.0)
    student.fit(X, y, soft_labels=np.eye(int(y.max()) + 1)[y]).predict_proba(X)
    shape = tuple(int(size) for size in rng.integers(1, 9, size=3))
    images = rng.normal(size=(5, np.prod(shape))).astype(dtype)
    filters = ConvolutionalLifter(
        shape,
        filters="random",
        n_filters=int(rng.integers(1, 40)),
        filter_size=(int(rng.integers(1, shape[1] + 1)), int(rng.integers(1, shape[2] + 1))),
        nonlinearity=("threshold", "proportion", "intensity", "magnitude")[
            int(rng.integers(4))
        ],
        padding=int(rng.integers(2)),
        grid=1,
        mirror=bool(rng.integers(2)),
        random_state=0,
    )
    filters.fit_transform(images)


def recorded(rng, n_fits):
    """Return copies of the arguments that the kernels receive in fits, by function."""
    calls: dict = {function: [] for function in FUNCTIONS}

    def record(module, name):
        def call(*args):
            calls[module, name].append([copied(arg) for arg in args])
            return getattr(module, name)(*args)

        return call

    for kernel in KERNELS:
        recorder = SimpleNamespace(**vars(kernel.module))
        vars(recorder).update({name: record(kernel.module, name) for name in kernel.functions})
        for caller in kernel.callers:
            setattr(caller, kernel.name, recorder)
    try:
        for _ in range(n_fits):
            fit(rng)
        powers = rng.normal(size=(2000, 10))  # enough rows to make sums of powers cheaper
        EDMDClassifier(lifter=MonomialLifter(3)).fit(powers, np.arange(2000) % 3)
    finally:
        for kernel in KERNELS:
            for caller in kernel.callers:
                setattr(caller, kernel.name, kernel.module)
    return calls


def copied(arg):
    return arg.copy(order="K") if isinstance(arg, np.ndarray) else arg


def changed(rng, arg):
    """Return an odd argument: of another form, or with values out of range."""
    if not isinstance(arg, np.ndarray):
        return ODD[int(rng.integers(len(ODD)))]
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
    """Make correct calls, then as many that may be wrong, with vectors of each width."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    refused = 0
    calls = recorded(rng, n_fits)
    assert all(calls.values()), [name for name, known in calls.items() if not known]
    for n_bytes in (16, 32, 64):
        if not all(kernel.module.use_vectors(n_bytes) for kernel in KERNELS):
            continue
        for _ in range(n_fits):
            fit(rng)
        for number in range(n_calls):
            module, name = FUNCTIONS[number % len(FUNCTIONS)]
            known = calls[module, name]
            args = [copied(arg) for arg in known[int(rng.integers(len(known)))]]
            for place in rng.integers(len(args), size=int(rng.integers(1, 3))):
                args[place] = changed(rng, args[place])
            try:
                getattr(module, name)(*args)
            except (ValueError, TypeError, OverflowError, MemoryError, KeyError):
                refused += 1
    files = ", ".join(str(kernel.module.__file__) for kernel in KERNELS)
    print(f"{files}: {n_calls} odd calls of each width, {refused} refused; no finding")


if __name__ == "__main__":
    sys.exit(main())
