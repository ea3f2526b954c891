"""Problems whose labels and teacher are known, for the tests of the minimisers."""

import numpy as np

from sklearn_koopman.solvers import DiagonalMoments, DistillationProblem, RowBlocks


def make_rows(n_samples, n_observables, n_classes, *, clarity=1.0, noise=1.0):
    """Return rows, labels that depend on them, and logits of a teacher.

    The larger `clarity` is, the surer the teacher is. Without noise, its choices are the labels.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_observables))
    logits = clarity * X @ rng.normal(size=(n_observables, n_classes))
    labels = np.argmax(logits + noise * rng.gumbel(size=logits.shape), axis=1)
    return X, labels, logits


def problem_of(X, labels, logits, *, soft_weight=0.5, ridge=1e-4):
    """Return the problem of distilling such a teacher, with random weights of the rows."""
    weight = np.random.default_rng(1).uniform(0.5, 1.5, size=len(X))
    blocks = RowBlocks(X, block_rows=128)
    moments = blocks.map_reduce(DiagonalMoments.update, DiagonalMoments(X.shape[1]), weight)
    return DistillationProblem(
        blocks,
        moments.scale,
        labels,
        logits,
        weight,
        n_classes=logits.shape[1],
        soft_weight=soft_weight,
        temperature=2.0,
        ridge=ridge,
    )


def start_of(problem):
    """Return coefficients and intercepts of zero."""
    shape = problem.blocks.n_observables, problem.n_classes
    return np.zeros(shape), np.zeros(shape[1])
