"""Mini-batches: all cores of a tensor train at once, by Adam."""

import math

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from .._progress import Steps
from .._warnings import warn_user
from ._train import TensorTrain

# Decay of the running means of gradient and squared gradient. The second forgets soon, because an
# epoch has only a few hundred steps.
DECAY, SQUARE_DECAY = 0.9, 0.99
EPSILON = 1e-8
# Largest sum of Frobenius norms of a step's changes of the cores. The logits are products of all
# cores, which start near the identity, so they change by a factor of about the exponential of that
# sum. Adam's first steps have full length in every entry, however small the gradient: in 784 cores
# of rank 16, at a rate of 3e-3, they add up to 39.
LONGEST_STEP = 1.0
# Rises of the loss that count as a breakdown of the descent, in units of the loss of the best
# constant logits: on the way, and at the end.
EXPLODED, ROSE = 1.0, 0.05


def descend(
    train,
    intercept,
    batch_features,
    loss,
    n_samples,
    *,
    ridge,
    n_epochs,
    batch_size,
    learning_rate,
    random_state,
    steps=None,
):
    """Yield a train after every epoch of mini-batches.

    The learning rate falls to zero along a cosine. It is lowered for steps that would otherwise
    change the product of all cores by orders of magnitude. The penalty is ``ridge / 2`` times the
    squared distance of the cores from the initial ones.

    Parameters
    ----------
    train : TensorTrain
        Initial train. All products have its dtype.
    intercept : ndarray of shape (n_classes,)
    batch_features : callable
        Function of indices of samples that returns their local features at all sites.
    loss : callable
        Function of logits (n_classes, n_rows) and indices of samples. It returns the sum of the
        losses and its gradient by the logits.
    n_samples : int
    ridge : float
    n_epochs, batch_size : int
    learning_rate : float
    random_state : numpy.random.RandomState
    steps : Steps, default=None
        Progress, which is updated after every mini-batch.

    Yields
    ------
    train : TensorTrain
        The train. Its arrays are updated in place.
    intercept : ndarray of shape (n_classes,)
    objective : float
        Mean loss of the epoch, with the loss of each batch before its step. Infinite if a squared
        gradient was infinite.
    """
    steps = steps or Steps()
    start = train
    train = TensorTrain([core.copy() for core in start.cores], start.centre)
    parameters = [*train.cores, intercept.astype(train.cores[0].dtype)]
    origins = [*start.cores, np.zeros_like(parameters[-1])]
    adam = _Adam(parameters, n_epochs * n_batches(n_samples, batch_size), learning_rate)
    for _ in range(n_epochs):
        order, total = random_state.permutation(n_samples), 0.0
        for batch in gen_batches(n_samples, batch_size):
            rows = order[batch]
            forward = train.forward(batch_features(rows))
            value, slope = loss(forward.logits + parameters[-1][:, None], rows)
            slope /= len(rows)
            gradient = [*forward.gradient(slope), slope.sum(axis=1)]
            if ridge > 0:
                for change, core, origin in zip(gradient, parameters, origins, strict=True):
                    change += ridge * (core - origin)
            adam.step(gradient)
            total += value
            steps.done()
        # A gradient whose square overflows would freeze its core forever.
        overflows = not all(np.isfinite(square).all() for square in adam.squares)
        yield train, parameters[-1], np.inf if overflows else total / n_samples


def n_batches(n_samples, batch_size):
    """Return the number of mini-batches in an epoch."""
    return -(-n_samples // batch_size)


class _Adam:
    """Adam with a cosine schedule and steps of bounded length, in place.

    The last of the parameters is not a core.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR (2015).
    """

    def __init__(self, parameters, n_steps, learning_rate):
        self.parameters, self.n_cores = parameters, len(parameters) - 1
        self.means = [np.zeros_like(each) for each in parameters]
        self.squares = [np.zeros_like(each) for each in parameters]
        self.n_steps, self.n_done = n_steps, 0
        self.learning_rate = learning_rate

    def step(self, gradient):
        annealed = (1 + math.cos(math.pi * self.n_done / self.n_steps)) / 2
        self.n_done += 1
        correction = 1 / math.sqrt(1 - SQUARE_DECAY**self.n_done)
        steps = []
        for mean, square, slope in zip(self.means, self.squares, gradient, strict=True):
            mean *= DECAY
            mean += (1 - DECAY) * slope
            square *= SQUARE_DECAY
            square += (1 - SQUARE_DECAY) * np.square(slope)
            step = mean / (correction * np.sqrt(square) + EPSILON)
            steps.append(step / (1 - DECAY**self.n_done))
        length = sum(float(np.linalg.norm(step)) for step in steps[: self.n_cores])
        rate = annealed * min(self.learning_rate, LONGEST_STEP / max(length, EPSILON))
        for parameter, step in zip(self.parameters, steps, strict=True):
            parameter -= rate * step


def mean_loss(loss, logits):
    """Return the mean loss of the logits (n_classes, n_samples) of all samples."""
    n_samples = logits.shape[1]
    return loss(logits, np.arange(n_samples))[0] / n_samples


def constant_loss(loss, shape):
    """Return the mean loss of the best logits that are the same for all samples.

    Parameters
    ----------
    loss : callable
        As for `descend`.
    shape : tuple of int
        Numbers of classes and samples.
    """
    n_samples = shape[1]

    def objective(logits):
        value, slope = loss(np.broadcast_to(logits[:, None], shape), np.arange(n_samples))
        return value / n_samples, slope.sum(axis=1) / n_samples

    return minimize(objective, np.zeros(shape[0]), jac=True, method="L-BFGS-B").fun


def warn_of_breakdown(losses, constant, learning_rate):
    """Warn the user if the losses of epochs show that the descent broke down.

    Parameters
    ----------
    losses : list of float
        Mean loss at the start, and of the epochs up to the one that is kept.
    constant : float
        See `constant_loss`.
    learning_rate : float
    """
    lowest = np.minimum.accumulate(losses)
    rises = np.subtract(losses, lowest)
    last, worst = len(losses) - 1, int(np.argmax(rises))
    if losses[-1] >= constant:
        what = f"epoch {last}, the one kept, is no better with {losses[-1]:.3g}"
    elif rises[worst] > EXPLODED * constant:
        what = (
            f"the loss rose from {lowest[worst]:.3g} to {losses[worst]:.3g} in epoch {worst}, and "
            "the descent does not always recover from that"
        )
    elif rises[-1] > ROSE * constant:
        what = f"the loss rose from {lowest[-1]:.3g} to {losses[-1]:.3g} in epoch {last}"
    else:
        return
    warn_user(
        f"The best loss of logits that are the same for all rows is {constant:.3g}; {what}. "
        f"Lower learning_rate={learning_rate}, or raise max_iter if the loss still falls.",
        ConvergenceWarning,
    )
