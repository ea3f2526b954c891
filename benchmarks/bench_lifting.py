"""How long lifting takes: monomials against PolynomialFeatures, filters against torch.

    python benchmarks/bench_lifting.py
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 python benchmarks/bench_lifting.py

All contestants take turns within one run, so that other work of the machine slows them alike. The
system hands out the memory of a new array page by page, when the page is written for the first
time. This takes up to several times as long as filling the array, for all contestants alike. With
the second command, glibc keeps freed memory and hands it out again ("kept" in the column "memory").
Writes benchmarks/results/lifting.csv.

    python benchmarks/bench_lifting.py convolution

This command lifts 60,000 images of 28 x 28 pixels with 128 filters of 5 x 5. `ConvolutionalLifter`
does all of its work: contrasts, both sides of a threshold, means on a 4 x 4 grid and their roots.
torch only convolves with these filters, in batches of several sizes. Both run on one thread, and on
as many as there are cores. "relative" is the time divided by that of torch's best batch. Writes
benchmarks/results/convolution.csv.
"""

import os

import numpy as np
from sklearn.preprocessing import PolynomialFeatures
from threadpoolctl import threadpool_limits

from benchmarks import runner
from sklearn_koopman.lifting import ConvolutionalLifter, MonomialLifter

SHAPES = [(60_000, 40, 2), (60_000, 30, 3)]  # n, p, degree
CONTESTANTS = [(PolynomialFeatures, "C"), (PolynomialFeatures, "F")]
CONTESTANTS += [(MonomialLifter, "C"), (MonomialLifter, "F")]
COPY = "copy of the result", "F"
MEMORY = "kept" if os.environ.get("MALLOC_MMAP_MAX_") == "0" else "new"
BATCHES = 16, 32, 64, 128, 256
OURS = "ConvolutionalLifter"
KEY = ("n_samples", "n_features", "degree", "dtype", "lifter", "order", "memory")


def race(X, degree, repeats):
    """Return the median time of each contestant with its order, and of a copy of the result."""
    sides = {}
    for contestant, order in CONTESTANTS:
        lifter = contestant(degree, order=order).fit(X)
        sides[contestant.__name__, order] = lambda lift=lifter.transform: runner.seconds(
            lift, X
        )
    result = lifter.transform(X)
    sides[COPY] = lambda: runner.seconds(result.copy, order="F")
    found = runner.in_turns(sides, repeats, warm_up=1)
    return {side: runner.median_of(times) for side, times in found.items()}


def monomials(options):
    """Race the lifters of monomials and write their table."""
    results = runner.Measurements("lifting.csv", KEY, anew=False)
    for n_samples, n_features, degree in SHAPES:
        n_samples = runner.full_or_quick(n_samples, 500)
        for dtype in ("float64", "float32"):
            rng = np.random.default_rng(0)
            X = rng.normal(size=(n_samples, n_features)).astype(dtype)
            times = race(X, degree, options.repeats)
            first = next(iter(times.values()))
            for (name, order), time in times.items():
                results.add(
                    {
                        "n_samples": n_samples,
                        "n_features": n_features,
                        "degree": degree,
                        "dtype": dtype,
                        "lifter": name,
                        "order": order,
                        "memory": MEMORY,
                        "milliseconds": round(1e3 * time, 2),
                        "relative": round(time / first, 3),
                    }
                )


def convolution(options):
    """Race filters against torch's convolution and write the table."""
    import torch

    results = runner.Measurements("convolution.csv", ("threads", "side"))
    rng = np.random.default_rng(0)
    X = rng.random((runner.full_or_quick(60_000, 200), 784), dtype=np.float32)
    lifter = ConvolutionalLifter(
        (28, 28), n_filters=128, n_patches=runner.full_or_quick(20_000, 200), random_state=0
    ).fit(X)
    layer = torch.nn.Conv2d(1, len(lifter.filters_), lifter.filters_.shape[2:], bias=False)
    layer.weight.data = torch.tensor(lifter.filters_)
    images = torch.tensor(X).reshape(-1, 1, 28, 28)

    def convolve(size):
        with torch.inference_mode():
            for batch in images.split(size):
                layer(batch)

    sides = {
        f"torch, {size}": lambda size=size: runner.seconds(convolve, size) for size in BATCHES
    }
    sides[OURS] = lambda: runner.seconds(lifter.transform, X)
    for n_threads in sorted({1, os.cpu_count()}):
        torch.set_num_threads(n_threads)
        with threadpool_limits(n_threads):
            found = runner.in_turns(sides, options.repeats, warm_up=1)
        seconds = {side: runner.median_of(times) for side, times in found.items()}
        best = min(time for side, time in seconds.items() if side != OURS)
        for side, time in seconds.items():
            results.add(
                {
                    "threads": n_threads,
                    "side": side,
                    "seconds": round(time, 3),
                    "relative": round(time / best, 3),
                }
            )


PARTS = {"monomials": monomials, "convolution": convolution}


def parser():
    """Return the parser of the command line."""
    made = runner.benchmark_parser(__doc__, repeats=5)
    made.add_argument("part", nargs="?", choices=PARTS, default="monomials")
    return made


def main():
    """Run one part."""
    options = runner.parse(parser())
    PARTS[options.part](options)


if __name__ == "__main__":
    main()
