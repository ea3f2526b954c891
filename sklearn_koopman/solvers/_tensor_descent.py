"""Mini-batches: all cores of a tensor train at once, by Adam."""

import numpy as np
from sklearn.utils import gen_batches

from ._tensor_train import TensorTrain

# Of the running means of gradient and squared gradient; the second forgets soon, as an epoch has
# only some hundred steps.
DECAY, SQUARE_DECAY = 0.9, 0.99
EPSILON = 1e-8


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
):
    """Yield a train after every epoch of mini-batches.

    The learning rate falls to zero along a cosine. The penalty is ``ridge / 2`` times the squared
    distance of the cores from those of the start.

    Parameters
    ----------
    train : TensorTrain
        Where to start; its dtype is that of all products.
    intercept : ndarray of shape (n_classes,)
    batch_features : callable
        Takes indices of samples; returns their local features at all sites.
    loss : callable
        Takes logits (n_classes, n_rows) and the indices of the samples; returns the sum of
        their losses and its gradient by the logits.
    n_samples : int
    ridge : float
    n_epochs, batch_size : int
    learning_rate : float
    random_state : numpy.random.RandomState

    Yields
    ------
    train : TensorTrain
        The same arrays every time, updated in place.
    intercept : ndarray of shape (n_classes,)
    objective : float
        Mean loss of the epoch, each batch as it was met; infinite where a squared gradient was.
    """
    start = train
    train = TensorTrain([core.copy() for core in start.cores], start.centre)
    parameters = [*train.cores, intercept.astype(train.cores[0].dtype)]
    origins = [*start.cores, np.zeros_like(parameters[-1])]
    adam = _Adam(parameters, n_epochs * -(-n_samples // batch_size), learning_rate)
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
        # A gradient whose square overflows would freeze its core for good.
        overflows = not all(np.isfinite(square).all() for square in adam.squares)
        yield train, parameters[-1], np.inf if overflows else total / n_samples


class _Adam:
    """Adam with a cosine schedule, in place.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR (2015).
    """

    def __init__(self, parameters, n_steps, learning_rate):
        self.parameters = parameters
        self.means = [np.zeros_like(each) for each in parameters]
        self.squares = [np.zeros_like(each) for each in parameters]
        self.n_steps, self.n_done = n_steps, 0
        self.learning_rate = learning_rate

    def step(self, gradient):
        self.n_done += 1
        rate = self.learning_rate * (1 + np.cos(np.pi * self.n_done / self.n_steps)) / 2
        rate /= 1 - DECAY**self.n_done
        correction = 1 / np.sqrt(1 - SQUARE_DECAY**self.n_done)
        for parameter, mean, square, slope in zip(
            self.parameters, self.means, self.squares, gradient, strict=True
        ):
            mean *= DECAY
            mean += (1 - DECAY) * slope
            square *= SQUARE_DECAY
            square += (1 - SQUARE_DECAY) * np.square(slope)
            parameter -= rate * mean / (correction * np.sqrt(square) + EPSILON)
