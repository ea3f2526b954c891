r"""Alternating sweeps: one core of a tensor train at a time, each a convex problem.

With all cores but one fixed, the logits are linear in that core: in the products K of its left
environment and local features, and in what stands behind it, E:

.. math:: s_c = b_c + \sum_r (A^T K)_r \, E_{cr} .

So the core is the minimiser of a convex problem, like a Koopman matrix.
It is solved in coordinates :math:`A = P B Q^T` in which K and E have unit second moments over the
rows. There the problem is well conditioned, and a penalty does not depend on how the train is
scaled. What is penalised is how far B moves from where it was, so the loss never rises. (A penalty
on B itself would pull all logits to zero, sweep by sweep, the simple ones as much as the products.)

References
----------
S. Holtz, T. Rohwedder and R. Schneider, "The alternating linear scheme for tensor optimization in
the tensor train format", SIAM Journal on Scientific Computing 34, A683-A713 (2012).
"""

from math import isqrt

import numpy as np
from scipy.optimize import minimize

from .._progress import Steps
from ..rows import RowBlocks
from ._train import TensorTrain, left_matrix, mirrored, products, roots

# Steps on one core: the next sweep comes back to it.
CORE_STEPS = 10
# Share of the mean variance that is added in all directions: those that the rows hardly show are
# not blown up to unit variance.
SHIFT = 1e-1


class Sweeper:
    """Sweeps over the cores of a train.

    Parameters
    ----------
    train : TensorTrain
        Where to start.
    intercept : ndarray of shape (n_classes,)
    features : callable
        Returns the local features of all samples at a site, shape (n_features, n_samples).
    loss : callable
        Takes logits (n_classes, n_rows) and the indices of the samples; returns the sum of their
        losses and its gradient by the logits.
    sample_weight : ndarray of shape (n_samples,)
    ridge : float
        Penalty on the squared distance of a core from where it was before it is solved.
    steps : Steps, default=None
        It is told of every core that is solved.

    Attributes
    ----------
    intercept : ndarray of shape (n_classes,)
    objective : float
        Mean loss after the core that was solved last.
    """

    def __init__(self, train, intercept, features, loss, sample_weight, ridge, steps=None):
        self.cores, self.centre = list(train.cores), train.centre
        self.intercept = intercept
        self.features = features
        self.loss = loss
        self.share = sample_weight / sample_weight.sum()
        self.ridge = ridge
        self.steps = steps or Steps()
        self.objective = np.inf
        self._is_mirrored = False

    @staticmethod
    def n_steps(n_cores):
        """Return how many cores a sweep solves: that of the classes twice."""
        return n_cores + 1

    @property
    def train(self):
        """The train as it is now."""
        return TensorTrain(list(self.cores), self.centre)

    def sweep(self):
        """Solve the class core and those to its left, outwards; then so to the right."""
        for _ in range(2):
            self._sweep_left()
            self._mirror()

    def _mirror(self):
        """Exchange left and right."""
        self.cores = [mirrored(core) for core in reversed(self.cores)]
        self.centre = len(self.cores) - 1 - self.centre
        self._is_mirrored = not self._is_mirrored

    def _sweep_left(self):
        ones = np.ones_like(self._site(0)[:1])
        left = Environments(ones, self._pass, self.centre)
        entering = left[self.centre]  # scales the cores on its way
        right = ones
        for k in range(len(self.cores) - 1, self.centre, -1):
            right = passed(mirrored(self.cores[k]), right, self._site(k))
        features = self._site(self.centre)
        self._solve(self.centre, products(entering, features), right[None], by_class=True)
        core = self.cores[self.centre].astype(right.dtype)
        # By class and left rank: what stands behind the core that is solved next.
        behind = np.stack(
            [passed(mirrored(each), right, features) for each in core.transpose(2, 0, 1, 3)]
        )
        for k in range(self.centre - 1, -1, -1):
            features = self._site(k)
            self._solve(k, products(left[k], features), behind)
            core = mirrored(self.cores[k])
            behind = np.stack([passed(core, each, features) for each in behind])

    def _site(self, k):
        """Return the local features of all samples at a core."""
        return self.features(len(self.cores) - 1 - k if self._is_mirrored else k)

    def _pass(self, k, environment):
        """Return the environment behind a core, its rows scaled to unit mean square.

        A diagonal between neighbouring cores changes nothing, but keeps hundreds of them from
        overflowing or vanishing.
        """
        environment = passed(self.cores[k], environment, self._site(k))
        size = np.sqrt(np.square(environment, dtype=np.float64) @ self.share)
        size = np.where(size > 0, size, 1.0)
        self.cores[k] = self.cores[k] / size
        following = self.cores[k + 1]
        self.cores[k + 1] = following * size.reshape(-1, *(1,) * (following.ndim - 1))
        return environment / size.astype(environment.dtype)[:, None]

    def _solve(self, k, entering, behind, *, by_class=False):
        """Solve the convex problem of one core.

        Parameters
        ----------
        k : int
        entering : ndarray of shape (left rank * n_features, n_samples)
        behind : ndarray of shape (n_classes, right rank, n_samples)
            Without classes, (1, right rank, n_samples), for the class core, which has its own.
        by_class : bool, default=False
            Whether this is the class core.
        """
        shape = self.cores[k].shape
        core = _CoreProblem(entering, behind, self.share, len(self.intercept), by_class)
        x = core.coordinates(left_matrix(self.cores[k]), self.intercept)
        start = x[: -len(self.intercept)].copy()
        blocks = RowBlocks(core.rows)
        n_samples, samples = len(core.rows), np.arange(len(core.rows))

        def objective(x):
            matrix, intercept = core.matrix(x)
            value, slope, offset = blocks.sum(
                core.block_loss(matrix, intercept, self.loss), samples
            )
            gradient = core.gradient(slope / n_samples, offset / n_samples)
            moved = x[: len(start)] - start
            gradient[: len(start)] += self.ridge * moved
            return float(value) / n_samples + self.ridge / 2 * (moved @ moved), gradient

        found = minimize(
            objective,
            x,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": CORE_STEPS, "ftol": 1e-8, "gtol": 1e-8},
        )
        matrix, self.intercept = core.matrix(found.x)
        self.cores[k] = matrix.reshape(shape)
        moved = found.x[: len(start)] - start
        self.objective = float(found.fun) - self.ridge / 2 * float(moved @ moved)
        self.steps.done()


class _CoreProblem:
    """Logits as a function of one core, in its well-conditioned coordinates.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_entering + n_behind)
        For each sample what enters the core and what stands behind it.
    """

    def __init__(self, entering, behind, share, n_classes, by_class):
        self.n_classes, self.by_class = n_classes, by_class
        self.n_entering, self.rank = len(entering), behind.shape[1]
        self.rows = np.concatenate([entering, behind.reshape(-1, entering.shape[1])]).T
        self.entering_root, self.entering_inverse = roots(
            second_moments(entering, share), SHIFT
        )
        self.behind_root, self.behind_inverse = roots(
            sum(second_moments(each, share) for each in behind), SHIFT
        )

    def coordinates(self, matrix, intercept):
        """Return the coordinates of a core and the intercepts, in one vector."""
        inner = (self.entering_root @ matrix).reshape(-1, self.rank) @ self.behind_root.T
        return np.concatenate([inner.ravel(), intercept])

    def matrix(self, x):
        """Return the core, as a matrix of its left axes by the others, and the intercepts."""
        inner = x[: -self.n_classes].reshape(-1, self.behind_inverse.shape[1])
        inner = inner @ self.behind_inverse.T
        n_inner = self.entering_inverse.shape[1]
        return self.entering_inverse @ inner.reshape(n_inner, -1), x[-self.n_classes :]

    def gradient(self, slope, offset):
        """Return the gradient by the coordinates from that by core and intercepts."""
        inner = (self.entering_inverse.T @ slope).reshape(-1, self.rank) @ self.behind_inverse
        return np.concatenate([inner.ravel(), offset])

    def block_loss(self, matrix, intercept, loss):
        """Return the function that sums loss and gradients over a block of rows."""
        dtype = self.rows.dtype
        matrix, intercept = matrix.astype(dtype), intercept.astype(dtype)[:, None]

        def sums(rows, samples):
            entering = rows[:, : self.n_entering].T
            behind = rows[:, self.n_entering :].T.reshape(-1, self.rank, len(rows))
            outputs = (matrix.T @ entering).reshape(-1, self.rank, len(rows))
            value, slope = loss((outputs * behind).sum(axis=1) + intercept, samples)
            above = slope[:, None] * behind
            if not self.by_class:
                above = above.sum(axis=0)
            return value, entering @ above.reshape(-1, len(rows)).T, slope.sum(axis=1)

        return sums


class Environments:
    """Left environments of the cores, of which no more than some 2 sqrt(n) are held at a time.

    Parameters
    ----------
    first : ndarray of shape (1, n_samples)
        That of the first core.
    advance : callable
        Takes a core and its left environment; returns that of the next core.
    n_cores : int
    """

    def __init__(self, first, advance, n_cores):
        self._held = {0: first}
        self._advance = advance
        self._stride = isqrt(n_cores) + 1

    def __getitem__(self, k):
        if k not in self._held:
            last = max(each for each in self._held if each < k)
            environment = self._held[last]
            for each in range(last, k):
                environment = self._advance(each, environment)
                if (each + 1) % self._stride == 0 or each + self._stride >= k:
                    self._held[each + 1] = environment
        # They are asked for from the last to the first.
        self._held = {each: held for each, held in self._held.items() if each <= k}
        return self._held[k]


def passed(core, environment, features):
    """Return the environment behind a core, from that before it."""
    return left_matrix(core).T.astype(environment.dtype) @ products(environment, features)


def second_moments(rows, share):
    """Return the second moments of rows, one sample a column, in float64."""
    return ((rows * share.astype(rows.dtype)) @ rows.T).astype(np.float64)
