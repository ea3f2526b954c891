"""ReLU ResNets that compute a random decision tree, trained once and kept in a cache folder.

    python experiments/tree_networks.py --depth 4 --seed 0

This is the experiment of Boix-Adsera (2024): inputs are uniform in {-1, +1}^d, and the labels are
those of a random complete tree. Every path has different variables, and sibling leaves have
different labels, so no tree of fewer leaves is right. The published networks have 5 layers of 1000
units. Ours have 5 layers of 256, so that two cores train one in a minute. They see fresh samples in
every step.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from experiments import runner
from experiments.teachers import cache_folder, load_or_train

WIDTH = 256
BATCH_SIZE = 256
N_STEPS = {2: 1500, 3: 3000, 4: 5000, 5: 12_000}  # by depth; each step sees a batch


@dataclass(frozen=True)
class RandomTree:
    """A complete binary tree on inputs of -1 and +1.

    Attributes
    ----------
    variable : ndarray of int, shape (2**depth - 1,)
        Of each inner node, level by level. The path goes to the right child where it is +1.
    label : ndarray of int, shape (2**depth,)
        Of each leaf, from left to right.
    """

    variable: np.ndarray
    label: np.ndarray

    @classmethod
    def draw(cls, n_features, depth, rng):
        """Return a random tree in which no path has a variable twice."""
        variable = np.empty(2**depth - 1, dtype=int)
        for node in range(len(variable)):
            above, used = node, []
            while above > 0:
                above = (above - 1) // 2
                used.append(variable[above])
            variable[node] = rng.choice(np.setdiff1d(np.arange(n_features), used))
        left = rng.integers(0, 2, 2 ** (depth - 1))
        return cls(variable, np.stack([left, 1 - left], axis=1).ravel())

    def predict(self, X):
        """Return the label of every row."""
        node, rows = np.zeros(len(X), dtype=int), np.arange(len(X))
        while node[0] < len(self.variable):
            node = 2 * node + 1 + (X[rows, self.variable[node]] > 0)
        return self.label[node - len(self.variable)]


class Block(nn.Module):
    """A layer whose output is added to its input."""

    def __init__(self, width):
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(width, width), nn.ReLU())

    def forward(self, x):
        """Return the input plus the output of the layer."""
        return x + self.layer(x)


def make_network(n_features, width=WIDTH):
    """Return an untrained network."""
    blocks = [Block(width) for _ in range(4)]
    return nn.Sequential(nn.Linear(n_features, width), nn.ReLU(), *blocks, nn.Linear(width, 1))


def uniform(n_samples, n_features, rng):
    """Return inputs of -1 and +1, float32."""
    return rng.integers(0, 2, (n_samples, n_features)).astype(np.float32) * 2 - 1


def train(tree, n_features, n_steps, seed):
    """Return a network trained on fresh samples of the tree with one-cycle AdamW."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make_network(n_features)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=n_steps)
    for _ in range(n_steps):
        X = uniform(BATCH_SIZE, n_features, rng)
        y = torch.from_numpy(tree.predict(X)[:, None].astype(np.float32))
        loss = nn.functional.binary_cross_entropy_with_logits(network(torch.from_numpy(X)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network


def tree_and_network(n_features, depth, seed):
    """Return a random tree and a network that has learnt it, from the cache if possible."""
    tree = RandomTree.draw(n_features, depth, np.random.default_rng([n_features, depth, seed]))
    n_steps = runner.full_or_quick(N_STEPS[depth], 300)
    network = load_or_train(
        cache_folder("tree_networks") / f"{n_features}-{depth}-{seed}.pt",
        lambda: make_network(n_features),
        lambda: train(tree, n_features, n_steps, seed),
    )
    return tree, network


def parser():
    """Return the parser of the command line."""
    made = runner.quick_parser(__doc__)
    made.add_argument("--n-features", type=runner.count, default=100)
    made.add_argument("--depth", type=int, choices=N_STEPS, default=4)
    made.add_argument("--seed", type=int, default=0)
    return made


def main():
    """Train one network and print its accuracy."""
    options = runner.parse(parser())
    setting = options.n_features, options.depth, options.seed
    (tree, network), seconds = runner.timed(tree_and_network, *setting)
    X = uniform(20_000, options.n_features, np.random.default_rng(1))
    with torch.inference_mode():
        right = (network(torch.from_numpy(X)).numpy()[:, 0] > 0) == tree.predict(X)
    print(f"{setting}: right on {right.mean():.4%}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
