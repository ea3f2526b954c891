"""The distillation loss minimised over mini-batches, with torch and skorch."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .._devices import resolve_device
from .._progress import Steps, progress
from .._validation import check_random_state
from ._loss import LogitLoss


def train_minibatches(
    problem,
    coef,
    intercept,
    *,
    max_epochs,
    batch_size,
    learning_rate,
    device="cpu",
    callbacks=None,
    random_state,
    verbose=0,
    anneal=True,
    net=None,
):
    """Minimise the distillation loss by Adam, in float32 on any torch device.

    Rows are read, lifted and standardised batch by batch, so at most `batch_size` lifted rows are
    in memory.

    Parameters
    ----------
    problem : DistillationProblem
    coef : ndarray of shape (n_observables, n_classes)
        Initial coefficients of the standardised observables.
    intercept : ndarray of shape (n_classes,)
    max_epochs : int
        Largest number of passes over the rows.
    batch_size : int
        Largest number of rows in a batch. The batches of an epoch have about the same size.
    learning_rate : float
    device : str or torch.device, default="cpu"
        Device of a new net.
    callbacks : list of skorch callbacks, default=None
        Checkpoints, early stopping, progress bars and the like.
    random_state : int, RandomState instance or None
        Seeds the order of the rows. torch's global generator is not used.
    verbose : int, default=0
        From 2 on, skorch prints a line for each epoch.
    anneal : bool, default=True
        Whether to lower the learning rate along half a cosine, to zero after the last batch.
    net : DistillationNet, default=None
        Net from an earlier call, to train further from `coef` and `intercept`. It keeps its device,
        its history and the state of Adam. None makes a new net.

    Returns
    -------
    coef : ndarray of shape (n_observables, n_classes)
        Coefficients, which are zero for constant observables.
    intercept : ndarray of shape (n_classes,)
    net : DistillationNet
        A skorch net. `net.history` has the losses, on the scale of `problem`.

    Notes
    -----
    As in skorch, a KeyboardInterrupt from one of the `callbacks` ends the training early without an
    error. Any other one, such as from Ctrl-C, is raised.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.linear import DistillationProblem, train_minibatches
    >>> from sklearn_koopman.rows import RowBlocks, Scale
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> labels = (X @ [1.0, -2.0] > 0).astype(int)
    >>> problem = DistillationProblem(
    ...     RowBlocks(X), Scale.from_scatter(X.mean(axis=0), X.var(axis=0)),
    ...     labels, None, np.ones(200),
    ...     n_classes=2, soft_weight=0.0, temperature=1.0, ridge=1e-4,
    ... )
    >>> coef, intercept, net = train_minibatches(
    ...     problem, np.zeros((2, 2)), np.zeros(2),
    ...     max_epochs=20, batch_size=50, learning_rate=0.1, random_state=0,
    ... )
    >>> float(np.mean((X @ coef + intercept).argmax(axis=1) == labels)) > 0.95
    True
    """
    torch, skorch = import_torch()
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    if net is None:
        net = _new_net(torch, coef.shape, device)
    rows = ProblemRows(problem)
    net.set_params(
        max_epochs=max_epochs,
        batch_size=batch_size,
        lr=learning_rate,
        verbose=int(verbose > 1),
    )
    net.iterator_train__random_state = seed
    net.batch_loss = BatchLoss(problem.loss, problem.ridge, problem.constant)
    _set_weights(torch, net, np.where(problem.scale.constant[:, None], 0.0, coef), intercept)

    for group in net.optimizer_.param_groups:
        group.pop("initial_lr", None)  # set by the annealing of an earlier call
    n_batches = max_epochs * len(net.get_iterator(rows, training=True))
    annealing = skorch.callbacks.LRScheduler(
        torch.optim.lr_scheduler.CosineAnnealingLR,
        step_every="batch",
        T_max=n_batches,
        last_epoch=-1,
    )
    net.callbacks = [("annealing", annealing if anneal else None), *(callbacks or [])]
    net.initialize_callbacks()

    net.interrupt, net.has_callbacks = None, bool(callbacks)
    with progress("mini-batches", n_batches, "batch") as rows.steps:
        net.partial_fit(rows)
    if net.interrupt is not None:
        raise net.interrupt
    annealing.initialize()  # drops the optimiser, which only skorch can pickle
    return *_weights(net), net


class ProblemRows:
    """The rows of a distillation problem, standardised batch by batch.

    Parameters
    ----------
    problem : DistillationProblem

    Attributes
    ----------
    steps : Steps
        Progress, which is updated after every batch.
    """

    def __init__(self, problem):
        self.problem = problem
        self.steps = Steps()

    def __len__(self):
        return self.problem.blocks.n_samples

    def batch(self, rows):
        """Return standardised observables of some rows, and the targets that the loss needs.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)

        Returns
        -------
        phi : ndarray of float32, shape (n_rows, n_observables)
        targets : ndarray of float32, shape (n_rows, 3 + n_classes) or (n_rows, 3)
            Label, hard weight and soft weight, and softened probabilities if there is a teacher.
            Weights are multiplied by the number of rows of the problem, so that the mean over a
            batch estimates the sum over all rows.
        """
        problem = self.problem
        scale = problem.scale
        psi = np.asarray(problem.blocks.lifted(rows))
        phi = (psi - scale.mean) / scale.deviation
        phi[:, scale.constant] = 0.0
        weights = problem.hard_weight[rows], problem.soft_weight[rows]
        targets = [problem.labels[rows], *(len(self) * weight for weight in weights)]
        if problem.softened is not None:
            targets.append(problem.softened[rows])
        self.steps.done()
        return phi.astype(np.float32), np.column_stack(targets).astype(np.float32)


class BatchIterator:
    """Batches of lifted rows of about the same size, in a new order in every epoch.

    A short last batch would count as much as a full one, and its gradient would be mostly noise.

    Parameters
    ----------
    dataset : ProblemRows
    batch_size : int
        Largest number of rows in a batch.
    random_state : int, default=None
        Seed of the order. None keeps the rows in order.
    """

    def __init__(self, dataset, batch_size, random_state=None):
        self.dataset = dataset
        self.batch_size = batch_size
        self._rng = None if random_state is None else np.random.default_rng(random_state)

    def __len__(self):
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self):
        n_rows = len(self.dataset)
        order = np.arange(n_rows) if self._rng is None else self._rng.permutation(n_rows)
        for rows in np.array_split(order, len(self)):
            rows.sort()  # so that a memmap is read in one direction
            yield self.dataset.batch(rows)


@dataclass(frozen=True)
class BatchLoss:
    """Unbiased estimate of the distillation loss from a batch.

    Parameters
    ----------
    loss : LogitLoss
    ridge : float
    constant : float
        Part of the loss that does not depend on the coefficients.
    """

    loss: LogitLoss
    ridge: float
    constant: float

    def __call__(self, logits, targets, coef):
        """Return the loss. The targets come from `ProblemRows.batch`."""
        labels, hard, soft = targets[:, :3].to(logits).T
        softened = targets[:, 3:].to(logits) if targets.shape[1] > 3 else None
        known = logits.detach()
        terms = self.loss(known.T, labels, hard, soft, softened)
        # Its value is zero, and its gradient is the known gradient by the logits, which autograd
        # need not find.
        value = terms.losses.sum() + (terms.residual.T * (logits - known)).sum()
        return value / len(logits) + 0.5 * self.ridge * coef.square().sum() + self.constant


def import_torch():
    try:
        import skorch
        import skorch.callbacks
        import torch
    except ImportError as error:
        raise ImportError(
            "Training on mini-batches needs torch and skorch: pip install "
            '"sklearn-koopman[torch]"',
            name=error.name,
        ) from error
    return torch, skorch


@cache
def _net_class():
    from skorch import NeuralNet
    from skorch.utils import to_tensor

    class DistillationNet(NeuralNet):
        """A linear map under the distillation loss and its ridge penalty."""

        def get_loss(self, y_pred, y_true, X=None, training=False):
            targets = to_tensor(y_true, device=self.device)
            return self.batch_loss(y_pred, targets, self.module_.weight)

        def fit_loop(self, *args, **kwargs):
            self.is_stopped = False
            try:
                return super().fit_loop(*args, **kwargs)
            except (
                KeyboardInterrupt
            ) as interrupt:  # skorch would treat every interrupt as the end
                if not self.is_stopped:
                    self.interrupt = interrupt
                raise

        def notify(self, method_name, **kwargs):
            try:
                super().notify(method_name, **kwargs)
            except KeyboardInterrupt:  # one of the user's callbacks stops the training
                self.is_stopped = self.has_callbacks
                raise

    DistillationNet.__qualname__ = DistillationNet.__name__
    return DistillationNet


def __getattr__(name):
    # Pickle looks for the net's class here, but it cannot be defined before skorch is imported.
    if name == "DistillationNet":
        return _net_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _new_net(torch, shape, device):
    n_observables, n_classes = shape
    net = _net_class()(
        # Random initial weights would advance torch's global generator.
        torch.nn.utils.skip_init,
        module__module_cls=torch.nn.Linear,
        module__in_features=n_observables,
        module__out_features=n_classes,
        criterion=torch.nn.Identity,  # unused, but checkpoints need a module
        optimizer=torch.optim.Adam,
        dataset=_as_given,
        iterator_train=BatchIterator,
        iterator_train__random_state=0,
        iterator_valid=BatchIterator,
        train_split=None,
        predict_nonlinearity=None,
        device=str(resolve_device(device or "cpu")),
        verbose=0,
    )
    return net.initialize()


def _as_given(rows, y=None):
    """Return the rows unchanged, which skorch would wrap in a data set."""
    return rows


def _set_weights(torch, net, coef, intercept):
    linear = net.module_
    if linear.weight.shape != coef.T.shape:
        raise ValueError(
            f"net maps {linear.in_features} observables to {linear.out_features} classes, but "
            f"coef has shape {coef.shape}."
        )
    with torch.no_grad():
        linear.weight.copy_(torch.as_tensor(coef.T))
        linear.bias.copy_(torch.as_tensor(intercept))


def _weights(net):
    linear = net.module_
    coef, intercept = (
        tensor.detach().cpu().numpy().astype(np.float64)
        for tensor in (linear.weight.T, linear.bias)
    )
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        raise ValueError(f"learning_rate={net.lr!r}: training diverged; choose a smaller one.")
    return coef, intercept
