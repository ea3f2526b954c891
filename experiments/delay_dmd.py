"""A layer as dynamic mode decomposition with delay coordinates: as published, and put right.

    python benchmarks/bench_delay_dmd.py

After Aswani, Jabari and Shafique (2024), arXiv:2409.01308, on the MNIST network
784-256-128-64-32-10 of `benchmarks/teachers.py` that is stopped at the published accuracy
("deep-short"), layer 64 -> 32. Ten square ReLU layers are put before the layer, everything else is
frozen, and they are trained (Huber loss) so that the layer gives what it gave before. An input then
has a trajectory of 12 states: what enters the new layers, what leaves each of them, and what leaves
the layer, padded with zeros to 64 numbers (the padding, and the training, are choices made here;
the paper does not say). DMD with h delays acts on windows of h + 1 states, 64 (h + 1) numbers, and
is truncated to a rank. At inference a window of the first h + 1 states is computed by the network
and the matrix is applied 11 - h times; the last state of the last window goes to the next layer.

- published: snapshots from 500 inputs whose trajectories are laid end to end, so that windows cross
  from one to the next; fitted on pixels from 0 to 255, used on pixels from 0 to 1
- own windows: no window crosses, and the same pixels in both
- closed: the same, but nothing of the new layers is left at inference: the first window has only
  what enters (the states after it are zero), and one matrix leads to the last state. That is an
  affine map of what enters, which least squares finds better:
- affine: `LinearizedNetworkClassifier` without a lifter, from the same 500 inputs, and from all

`layers_left` counts the ReLU layers that still run. The spread is over five draws of 500 inputs.
"""

import csv
from pathlib import Path

import numpy as np
import torch
from teachers import FETCH, accuracy, load_or_train
from torch import nn

from sklearn_koopman.networks import LinearizedNetworkClassifier

RESULTS = Path(__file__).parent / "results" / "delay_dmd.csv"
N_INSERTED, WIDTH, N_OUTPUTS = 10, 64, 32
RANK, N_TRAJECTORIES, N_DRAWS = 500, 500, 5
DELAYS = [1, 5, 7, 10]
COLUMNS = ["procedure", "delays", "layers_left", "accuracy", "std", "teacher"]


def inserted_layers(entering, layer, n_epochs=10):
    """Return ten square ReLU layers, trained so that the layer behind them gives what it gave."""
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
    """Return windows and the windows one step later, none across two trajectories."""
    own = windows(states, delays)
    return [part.reshape(-1, part.shape[-1]) for part in (own[:, :-1], own[:, 1:])]


def dmd(before, behind, rank):
    """Return the matrix A of rank at most ``rank`` with ``behind = before @ A``."""
    left, singular, right = np.linalg.svd(before, full_matrices=False)
    kept = min(rank, int(np.sum(singular > singular[0] * 1e-10)))
    projected = (left[:, :kept].T @ behind) / singular[:kept, None]
    return right[:kept].T @ projected


def main():
    X, y = FETCH["mnist"]("train", return_X_y=True)
    X_test, y_test = FETCH["mnist"]("test", return_X_y=True)
    module = load_or_train("mnist", "deep-short")
    teacher = accuracy(module, X_test, y_test)
    head, layer, tail = module[:7], module[7:9], module[9:]
    with torch.no_grad():
        entering, entering_255, entering_test = (
            head(torch.as_tensor(pixels)) for pixels in (X, 255 * X, X_test)
        )
    inserted = inserted_layers(entering, layer)
    states, states_255, states_test = (
        trajectories(a, inserted, layer) for a in (entering, entering_255, entering_test)
    )
    rows = []

    def report(procedure, delays, layers_left, accuracies):
        row = [procedure, delays, layers_left, round(float(np.mean(accuracies)), 4)]
        row += [round(float(np.std(accuracies)), 4), round(teacher, 4)]
        rows.append(dict(zip(COLUMNS, row, strict=True)))
        print(*row, sep="  ", flush=True)

    def accuracy_of(last):
        with torch.no_grad():
            labels = tail(torch.as_tensor(last[:, :N_OUTPUTS]).float()).argmax(1).numpy()
        return np.mean(labels == y_test)

    whole = accuracy_of(states_test[:, -1])
    report("inserted layers, nothing replaced", "", N_INSERTED, [whole])
    draws = [
        np.random.default_rng(seed).choice(len(X), N_TRAJECTORIES, replace=False)
        for seed in range(N_DRAWS)
    ]
    for delays in DELAYS:
        n_steps = N_INSERTED + 1 - delays
        first = windows(states_test, delays)[:, 0]
        found = {"published": [], "own windows": []}
        for chosen in draws:
            laid = windows(states_255[chosen].reshape(-1, WIDTH), delays)
            pairs = {
                "published": (laid[:-1], laid[1:]),
                "own windows": own_pairs(states[chosen], delays),
            }
            for procedure, (before, behind) in pairs.items():
                step = dmd(before, behind, RANK)
                last = first @ np.linalg.matrix_power(step, n_steps)
                found[procedure].append(accuracy_of(last[:, -WIDTH:]))
        for procedure, accuracies in found.items():
            report(procedure, delays, delays, accuracies)
    closed = []
    for chosen in draws:
        step = dmd(states[chosen][:, 0], states[chosen][:, -1], RANK)
        closed.append(accuracy_of(states_test[:, 0] @ step))
    report("closed", 0, 0, closed)
    student = LinearizedNetworkClassifier(module, ("7", "8"))
    few = [student.fit(X[chosen], y[chosen]).score(X_test, y_test) for chosen in draws]
    report("affine, 500 inputs", 0, 0, few)
    report("affine, all inputs", 0, 0, [student.fit(X, y).score(X_test, y_test)])
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
