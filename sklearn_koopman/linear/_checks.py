"""Checks that refuse unsolvable problems before anything is summed."""

import numpy as np

from .._memory import check_fits_in_memory

LOWER_THE_DEGREE = (
    "Lower the degree of the lifter or the number of PCA components, or use "
    "KoopmanDistilledClassifier(solver='adam'), which needs no Gram matrix."
)


def has_few_rows(blocks):
    """Return whether lifted rows take no more memory than a triangle of their Gram matrix.

    Then problems have only as many unknowns as there are rows.

    Parameters
    ----------
    blocks : RowBlocks
        The rows. For sparse rows the answer is False, because lifted ones would take far more
        memory.
    """
    return not blocks.is_sparse and 2 * blocks.n_samples <= blocks.n_observables


def has_few_sparse_rows(blocks):
    """Return whether rows are sparse, and fewer than their observables.

    Then a number for each row and class takes less memory than the coefficients.

    Parameters
    ----------
    blocks : RowBlocks
    """
    return blocks.is_sparse and blocks.n_samples <= blocks.n_observables


def check_moments_fit_in_memory(blocks):
    """Raise MemoryError when neither the lifted rows nor their Gram matrix fit in memory.

    Sparse rows need neither.
    """
    if blocks.is_sparse:
        return
    n_samples, n_observables = blocks.n_samples, blocks.n_observables
    if not has_few_rows(blocks):
        check_gram_fits_in_memory(n_observables)
        return
    check_fits_in_memory(
        8 * n_samples * n_observables,
        f"The {n_samples} lifted rows of {n_observables} observables",
        "Lower the degree of the lifter or the number of PCA components, or use "
        "KoopmanDistilledClassifier(solver='adam'), which keeps no lifted rows.",
    )


def check_gram_fits_in_memory(n_observables, advice=LOWER_THE_DEGREE):
    """Raise MemoryError when the Gram matrix of the observables is larger than the memory."""
    check_fits_in_memory(
        8 * n_observables**2,
        f"The {n_observables} x {n_observables} Gram matrix of the observables",
        advice,
    )


def check_finite_moments(scale):
    """Raise ValueError if lifted rows have overflown or are NaN."""
    if not (np.isfinite(scale.mean).all() and np.isfinite(scale.deviation).all()):
        raise ValueError(
            "The lifted observables are not finite: their values or squares overflow. Scale the "
            "features first (PCA(whiten=True), StandardScaler), lower the degree, or use float64."
        )


def over(tol, gradient_norm):
    """Return a gradient in units of the tolerance, or infinity if the tolerance is zero."""
    return gradient_norm / tol if tol > 0 else np.inf
