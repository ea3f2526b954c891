"""Data, networks and parts of the tree that the tests share.

The parts of `DistilledTreeClassifier` are tested one by one, as each part has an oracle (a trial of
all trees, or scikit-learn's tree) and the whole has none.
"""

import numpy as np

from sklearn_koopman.solvers import LinearProbes
from sklearn_koopman.trees import Literals, grow_clauses


def samples(seed=0, n_rows=60):
    """Return float32 rows with repetitions, and labels that do not depend on them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4)).astype(np.float32).round(1)
    return X, rng.integers(0, 3, n_rows)


def grow(X, labels, features=None, max_thresholds=16, **settings):
    """Return the clauses that the beam keeps at each depth, and how many it probed."""
    probes = LinearProbes(X if features is None else features, 1e-3)
    defaults = {"max_depth": 3, "beam_width": 20, "min_samples_leaf": 1, "greedy": False}
    literals = Literals.from_quantiles(X, max_thresholds)
    one_hot = np.eye(labels.max() + 1, dtype=int)[labels]
    return grow_clauses(
        X, one_hot, literals, probes, np.arange(len(X)), **(defaults | settings)
    )


def binary_rows(n_rows, n_features, seed=0):
    """Return float32 rows of -1 and +1."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([-1, 1], dtype=np.float32), (n_rows, n_features))


def hidden_tree(X):
    """Return 1 where an odd number of the first three inputs is positive, else 0.

    This is a tree of 8 leaves. No input alone, and no two inputs, give a hint of it.
    """
    return (X[:, :3] > 0).sum(axis=1) % 2


def hidden_logits(X):
    return 10.0 * np.eye(2)[hidden_tree(np.asarray(X))]


def hidden_features(X):
    """Return mixtures of the clauses of `hidden_tree` and of another function of X."""
    X = np.asarray(X)
    x = (X[:, :3] > 0).astype(int)
    leaves = np.eye(8)[x @ [4, 2, 1]]
    rng = np.random.default_rng(0)
    other = np.sin(X @ rng.normal(size=(X.shape[1], 30)) * 3)
    return leaves @ rng.normal(size=(8, 30)) + 0.1 * other
