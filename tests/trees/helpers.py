"""Data and networks that the tests of the trees share."""

import numpy as np


def binary_rows(n_rows, n_features, seed=0):
    """Return float32 rows of -1 and +1."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([-1, 1], dtype=np.float32), (n_rows, n_features))


def hidden_tree(X):
    """Return 1 where an odd number of the first three inputs is positive, else 0.

    A tree of 8 leaves that no input alone, nor any two, gives a hint of.
    """
    return (X[:, :3] > 0).sum(axis=1) % 2


def hidden_logits(X):
    return 10.0 * np.eye(2)[hidden_tree(np.asarray(X))]


def hidden_features(X):
    """Return mixtures of the clauses of `hidden_tree`, and something else that X decides."""
    X = np.asarray(X)
    x = (X[:, :3] > 0).astype(int)
    leaves = np.eye(8)[x @ [4, 2, 1]]
    rng = np.random.default_rng(0)
    other = np.sin(X @ rng.normal(size=(X.shape[1], 30)) * 3)
    return leaves @ rng.normal(size=(8, 30)) + 0.1 * other
