"""A tensor cut into a train by one library. `benchmarks/bench_rivals.py` runs this script.

    python benchmarks/rivals/tensors.py LIBRARY RANK TENSOR

Imports only this library, reads the tensor (an .npy file) and prints one line of JSON: the median
of five times from the array to the cores; the number of parameters; and the relative error of the
tensor that one gets by multiplying the cores out.
"""

import json
import sys
from statistics import median
from time import perf_counter

import numpy as np


def sklearn_koopman(tensor, rank):
    """The cut of `CompressedStudent`; the last axis of the last core is that of the classes."""
    from sklearn_koopman.tensor_trains._compression import _cut

    *others, last = _cut(tensor, rank).cores
    return [*others, last.reshape(len(last), -1, 1)]


def tensorly(tensor, rank):
    """`decomposition.tensor_train`; the last variable and the classes are one axis."""
    from tensorly.decomposition import tensor_train

    merged = tensor.reshape(*tensor.shape[:-2], -1)
    return tensor_train(merged, rank=[1, *[rank] * (merged.ndim - 1), 1]).factors


def torchtt(tensor, rank):
    """`TT`; the last variable and the classes are one axis."""
    import torch
    import torchtt

    merged = torch.from_numpy(tensor.reshape(*tensor.shape[:-2], -1))
    return [core.numpy() for core in torchtt.TT(merged, eps=0.0, rmax=rank).cores]


def multiplied_out(cores):
    """Return the tensor of a train."""
    product = np.ones((1, 1))
    for core in cores:
        product = product.reshape(-1, len(core)) @ core.reshape(len(core), -1)
    return product.ravel()


def main():
    """Cut five times and print the results."""
    library, rank, file = sys.argv[1:]
    tensor, cut = np.load(file), globals()[library]
    cut(tensor, int(rank))  # imports, and other work that is done once
    seconds = []
    for _ in range(5):
        start = perf_counter()
        cores = cut(tensor, int(rank))
        seconds.append(perf_counter() - start)
    gap = multiplied_out(cores) - tensor.ravel()
    found = {
        "seconds": median(seconds),
        "parameters": sum(core.size for core in cores),
        "error": float(np.linalg.norm(gap) / np.linalg.norm(tensor)),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
