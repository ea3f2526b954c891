"""
===============================================
Can one matrix replace the layers of a network?
===============================================

``LinearizedNetworkClassifier`` replaces a span of layers by one matrix, which acts on observables
of what enters the span; the layers before and after it stay. Cubic observables are enough here.

How much of the matrix is needed, and what do its eigenvalues say?
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# A network
# ---------
# A point of the Yin-Yang problem becomes a state of eight numbers. Six residual blocks move the
# state: :math:`h \to h + f(h)`.

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from torch import nn

from sklearn_koopman import MonomialLifter
from sklearn_koopman.datasets import make_yin_yang
from sklearn_koopman.inspection import span_spectrum
from sklearn_koopman.networks import LinearizedNetworkClassifier, drop_span
from sklearn_koopman.teachers import TorchTeacher

X, y = make_yin_yang(4000, random_state=0)
X_test, y_test = make_yin_yang(2000, random_state=1)


class Block(nn.Module):
    """Adds something to a state."""

    def __init__(self, width, n_hidden):
        super().__init__()
        self.change = nn.Sequential(
            nn.Linear(width, n_hidden), nn.ReLU(), nn.Linear(n_hidden, width)
        )

    def forward(self, state):
        """Return the next state."""
        return state + self.change(state)


def train(net, X, y, *, n_epochs=25, batch_size=100):
    """Train a module in place."""
    inputs, targets = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.1)
    n_steps = n_epochs * -(-len(X) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=n_steps)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs[rows]), targets[rows]).backward()
            optimizer.step()
            schedule.step()


with torch.random.fork_rng():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), *[Block(8, 16) for _ in range(6)], nn.Linear(8, 3))
    train(net, X, y)

# %%
# One matrix for four blocks
# --------------------------
# Modules have the names that torch gives them. The blocks are "1" to "6", and "2" to "5" are
# replaced. Least squares fits the matrix to what enters and leaves them.

SPAN = "2", "5"


def linearised(lifter, span=SPAN, **settings):
    """Return the network with a span replaced."""
    return LinearizedNetworkClassifier(net, span, lifter=lifter, **settings).fit(X, y)


def accuracy(module):
    """Return the share of the test points on which a module is right."""
    return np.mean(TorchTeacher(module)(X_test).argmax(axis=1) == y_test)


modules = {
    "the network": net,
    "without the blocks": drop_span(net, SPAN),
    "affine map": linearised(None).to_module(),
    "monomials, degree 2": linearised(MonomialLifter(2)).to_module(),
    "monomials, degree 3": linearised(MonomialLifter(3)).to_module(),
}

TINTS = ListedColormap(["#a9c6d9", "#eab4bb", "#f5deb0"])
INKS = ListedColormap(["#1b4965", "#b5303f", "#c47f17"])

ticks = np.linspace(0, 1, 250)
plane = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
plane = np.hstack([plane, 1 - plane])

figure, axes = plt.subplots(1, 5, figsize=(11, 2.6), layout="constrained")
for ax, (name, module) in zip(axes, modules.items(), strict=True):
    regions = TorchTeacher(module)(plane).argmax(axis=1).reshape(250, 250)
    ax.pcolormesh(ticks, ticks, regions, cmap=TINTS, vmin=0, vmax=2)
    ax.scatter(*X_test[:400, :2].T, c=y_test[:400], cmap=INKS, s=5, linewidths=0)
    ax.set_title(f"{name}\n{accuracy(module):.1%} right", fontsize=10)
    ax.set_aspect("equal")
    ax.set_axis_off()

# %%
# Without the four blocks the network is lost, so they do matter. The best affine map keeps little
# of what they do. Quadratic observables bring most of it back. With cubic ones, the borders and the
# accuracy are those of the network: 165 fixed observables and one matrix replace four blocks.
#
# How much of the matrix is needed
# --------------------------------
# ``rank`` truncates the matrix (reduced-rank regression).

ranks = np.arange(1, 9)
scores = [100 * linearised(MonomialLifter(3), rank=int(r)).score(X_test, y_test) for r in ranks]
singular_values = span_spectrum(linearised(MonomialLifter(3))).singular_values

# %%
# Eigenvalues
# -----------
# With ``lift_output=True`` the matrix leads from observables to the same observables, one block
# later. So it has eigenvalues, and they say how much a block stretches the state along each mode.
# This is done for the first block alone.

spectra = {
    "affine map": span_spectrum(linearised(None, ("1", "1"), ridge=1e-4)),
    "monomials, degree 2": span_spectrum(
        linearised(MonomialLifter(2), ("1", "1"), ridge=1e-4, lift_output=True)
    ),
}
TEACHER, STUDENT, OTHER = "#1b4965", "#d1495b", "#3c8d5a"
figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(11, 3.4), width_ratios=[1, 1, 1.3], layout="constrained"
)
left.semilogy(ranks, singular_values[:8], "o-", color=STUDENT)
left.set(xlabel="index", ylabel="singular value", title="What each rank adds")
middle.plot(ranks, scores, "o-", color=STUDENT, label="one matrix, degree 3")
middle.axhline(100 * accuracy(net), color=TEACHER, linestyle="--", label="the network")
middle.set(xlabel="rank of the matrix", ylabel="test accuracy (%)", title="Accuracy")
middle.legend(frameon=False, loc="lower right")
circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
right.plot(circle.real, circle.imag, color="0.7", linewidth=1)
for (name, spectrum), color, marker in zip(
    spectra.items(), (OTHER, STUDENT), ("x", "o"), strict=True
):
    values = spectrum.eigenvalues
    right.scatter(values.real, values.imag, s=30, color=color, marker=marker, label=name)
right.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
right.set_title("Eigenvalues of the first block")
right.legend(frameon=False, loc="upper right")
for ax in (left, middle, right):
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Rank 3 is nearly enough, as there are three classes to tell apart. Each rank beyond that adds
# little to the state, and nothing visible to the accuracy.
#
# Right: the states that enter the first block lie in a plane, so two eigenvalues of the affine map
# are not zero. One mode is stretched, and the other one shrinks a little. With quadratic
# observables there are five such eigenvalues. The largest belongs to a product, which grows faster
# than its factors.
