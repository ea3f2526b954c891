"""Whether delay coordinates can replace a layer: the procedure as published, and corrected.

    python experiments/delay_dmd.py

This follows Aswani, Jabari and Shafique (2024), arXiv:2409.01308. The network is the MNIST network
784-256-128-64-32-10 of `experiments/teachers.py`, stopped at the published accuracy ("deep-short").
The layer is 64 -> 32. Ten square ReLU layers are put before it and everything else is frozen. They
are trained (Huber loss) so that the layer gives the same output as before. An input then has a
trajectory of 12 states: the input of the new layers, the output of each of them, and the output of
the layer, padded with zeros to 64 numbers. (The paper does not describe the padding and the
training; they are choices made here.) DMD with h delays acts on windows of h + 1 states, 64 (h + 1)
numbers, and is truncated to a rank. At inference the network computes a window of the first h + 1
states, and the matrix is applied 11 - h times. The last state of the last window goes to the next
layer. The procedures are:

- published: snapshots come from 500 inputs whose trajectories are laid end to end, so that windows
  cross from one to the next; the fit takes pixels from 0 to 255, the use pixels from 0 to 1
- own windows: no window crosses, and the pixels are the same in both
- closed: the same, but at inference nothing is left of the new layers: the first window has only
  the input (the states after it are zero), and one matrix leads to the last state. This is an
  affine map of the input, which least squares finds better:
- affine: `LinearizedNetworkClassifier` without a lifter, from the same 500 inputs, and from all

`layers_left` counts the ReLU layers that still run. The spread is over five draws of 500 inputs.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import nn

from experiments import runner
from experiments.images import images
from experiments.teachers import network
from sklearn_koopman.networks import LinearizedNetworkClassifier

N_INSERTED, WIDTH, N_OUTPUTS = 10, 64, 32
RANK, N_TRAJECTORIES, N_DRAWS = 500, 500, 5
DELAYS = [1, 5, 7, 10]


@dataclass(frozen=True)
class Spec:
    """A way to replace the layer."""

    procedure: str
    delays: str
    layers_left: str


def inserted_layers(entering, layer, n_epochs):
    """Return ten square ReLU layers, trained so that the layer after them gives the same output."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()) for _ in range(N_INSERTED)]
    inserted = nn.Sequential(*layers)
    with torch.no_grad():
        wanted = layer(entering)
        for linear, _ in inserted:
            nn.init.eye_(linear.weight)
            linear.weight += 0.02 * torch.randn(WIDTH, WIDTH)
            linear.bias.zero_()
    optimizer = torch.optim.Adam(inserted.parameters())
    generator = torch.Generator().manual_seed(0)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(entering), generator=generator).split(256):
            optimizer.zero_grad()
            nn.functional.huber_loss(layer(inserted(entering[rows])), wanted[rows]).backward()
            optimizer.step()
    return inserted


def trajectories(entering, inserted, layer):
    """Return the states of every input, (n_inputs, 12, 64)."""
    with torch.no_grad():
        states = [entering]
        for step in inserted:
            states.append(step(states[-1]))
        last = layer(states[-1])
        states.append(nn.functional.pad(last, (0, WIDTH - N_OUTPUTS)))
    return torch.stack(states, dim=1).double().numpy()


def windows(states, delays):
    """Return the windows along trajectories, (..., n_windows, (delays + 1) * 64)."""
    n_windows = states.shape[-2] - delays
    shifted = [states[..., lag : lag + n_windows, :] for lag in range(delays + 1)]
    return np.concatenate(shifted, axis=-1)


def own_pairs(states, delays):
    """Return windows and the windows one step later; none crosses two trajectories."""
    own = windows(states, delays)
    return [part.reshape(-1, part.shape[-1]) for part in (own[:, :-1], own[:, 1:])]


def dmd(before, behind, rank):
    """Return the matrix A of rank at most ``rank`` with ``behind = before @ A``."""
    left, singular, right = np.linalg.svd(before, full_matrices=False)
    kept = min(rank, int(np.sum(singular > singular[0] * 1e-10)))
    projected = (left[:, :kept].T @ behind) / singular[:kept, None]
    return right[:kept].T @ projected


class Bench:
    """The network, the states at its layer, and draws of training rows."""

    def __init__(self):
        self.X, self.y = images("mnist", "train")
        self.X_test, self.y_test = images("mnist", "test")
        self.module = network("mnist", "deep-short")
        self.head, layer, self.tail = self.module[:7], self.module[7:9], self.module[9:]
        with torch.no_grad():
            entering, entering_255, entering_test = (
                self.head(torch.as_tensor(pixels))
                for pixels in (self.X, 255 * self.X, self.X_test)
            )
            said = self.module(torch.as_tensor(self.X_test)).argmax(1).numpy()
        self.teacher_accuracy = float(np.mean(said == self.y_test))
        inserted = inserted_layers(entering, layer, n_epochs=runner.full_or_quick(10, 1))
        self.states, self.states_255, self.states_test = (
            trajectories(each, inserted, layer)
            for each in (entering, entering_255, entering_test)
        )
        self.draws = [
            np.random.default_rng(seed).choice(len(self.X), N_TRAJECTORIES, replace=False)
            for seed in range(N_DRAWS)
        ]

    def accuracies(self, spec):
        """Return the accuracy of a procedure with every draw."""
        if spec.procedure == "inserted layers, nothing replaced":
            return [self.accuracy_of(self.states_test[:, -1])]
        if spec.procedure == "closed":
            steps = [dmd(each[:, 0], each[:, -1], RANK) for each in self.drawn(self.states)]
            return [self.accuracy_of(self.states_test[:, 0] @ step) for step in steps]
        if spec.procedure.startswith("affine"):
            student = LinearizedNetworkClassifier(self.module, ("7", "8"))
            rows = [slice(None)] if spec.procedure == "affine, all inputs" else self.draws
            fits = (student.fit(self.X[some], self.y[some]) for some in rows)
            return [fitted.score(self.X_test, self.y_test) for fitted in fits]
        return self.with_windows(spec.procedure, int(spec.delays))

    def with_windows(self, procedure, delays):
        """Return the accuracies of DMD on windows, one for each draw."""
        if procedure == "published":
            laid = (
                windows(each.reshape(-1, WIDTH), delays) for each in self.drawn(self.states_255)
            )
            pairs = [(each[:-1], each[1:]) for each in laid]
        else:
            pairs = [own_pairs(each, delays) for each in self.drawn(self.states)]
        first = windows(self.states_test, delays)[:, 0]
        n_steps = N_INSERTED + 1 - delays
        lasts = (
            first @ np.linalg.matrix_power(dmd(before, behind, RANK), n_steps)
            for before, behind in pairs
        )
        return [self.accuracy_of(last[:, -WIDTH:]) for last in lasts]

    def drawn(self, states):
        """Return the trajectories of every draw."""
        return [states[chosen] for chosen in self.draws]

    def accuracy_of(self, last):
        """Return the accuracy of the layers that follow, given the last states."""
        with torch.no_grad():
            logits = self.tail(torch.as_tensor(last[:, :N_OUTPUTS]).float())
        return float(np.mean(logits.argmax(1).numpy() == self.y_test))


bench = cache(Bench)


def measure(spec):
    """Return the row of a procedure."""
    mean, std = runner.mean_and_std(bench().accuracies(spec), digits=4)
    teacher = round(bench().teacher_accuracy, 4)
    return {"accuracy": mean, "std": std, "teacher": teacher}


def specs():
    """Return all procedures."""
    of_windows = [
        Spec(procedure, str(delays), str(delays))
        for delays in DELAYS
        for procedure in ("published", "own windows")
    ]
    return [
        Spec("inserted layers, nothing replaced", "", str(N_INSERTED)),
        *of_windows,
        Spec("closed", "0", "0"),
        Spec("affine, 500 inputs", "0", "0"),
        Spec("affine, all inputs", "0", "0"),
    ]


def parser():
    """Return the parser of the command line."""
    return runner.experiment_parser(__doc__)


def main():
    """Measure the missing rows, or show the table."""
    results = runner.Results("delay_dmd.csv", ["procedure", "delays"])
    runner.carry_out(runner.parse(parser()), results, specs(), measure)


if __name__ == "__main__":
    main()
